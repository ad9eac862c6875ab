/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How many connections each client has, on all workers of a daemon together: quic.h says more. One
 * word for each client that has any; workers change it by compare and swap. Buckets of a fixed
 * size: a client that finds its bucket taken by others is not counted, and not limited. When two
 * workers enter the same client at the same moment it may have two words, and up to as many
 * connections more.
 */
#ifndef ARQUANT_QUIC_SOURCES_H
#define ARQUANT_QUIC_SOURCES_H

#include "userspace/quic/quic.h"

#include <stdbool.h>
#include <stdint.h>

/* A client's key: of its IPv4 address, or of the first 64 bits of its IPv6 address. Not 0. */
uint64_t sources_key(const struct arq_quic_sources *sources, const union arq_address *remote);

/* Connections that are counted for the key. */
uint32_t sources_count(const struct arq_quic_sources *sources, uint64_t key);

/*
 * One more, unless there are `most`. Returns false then, and *counted otherwise, which says whether
 * sources_leave is due for it.
 */
bool sources_enter(struct arq_quic_sources *sources, uint64_t key, uint32_t most, bool *counted);
void sources_leave(struct arq_quic_sources *sources, uint64_t key);

#endif
