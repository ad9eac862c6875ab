/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The memory of early data that was taken. GnuTLS looks that a ClientHello is fresh (its age within
 * REPLAY_WINDOW of what the ticket says) and then asks here whether it was there before; we
 * answer for all workers of the process. Buckets of one cache line, entries of one word, so
 * that workers exclude each other by compare-and-swap alone.
 */
#ifndef ARQUANT_QUIC_REPLAY_H
#define ARQUANT_QUIC_REPLAY_H

#include "userspace/quic/quic.h"

#include <gnutls/gnutls.h>

/*
 * How long after its ticket's age says a ClientHello may come, and is remembered: ms. GnuTLS starts
 * its record anew once in that time, and refuses 0-RTT with all tickets from before (the clients
 * go on in one round trip more); so it is long, and the table large.
 */
#define REPLAY_WINDOW (3600 * 1000u)

/*
 * A recorder for one thread; it asks `replay`, which must outlive it. Returns 0 or -ENOMEM.
 */
int replay_recorder(struct arq_quic_replay *replay, gnutls_anti_replay_t *recorder);

/* Octets only this process knows: the tickets that allow 0-RTT are bound to them. */
const uint8_t *replay_secret(const struct arq_quic_replay *replay);

/*
 * Remembers `key` until `expiry` (seconds of the epoch). Returns false if it was there already, or
 * there is no place. Any thread.
 */
bool replay_add(struct arq_quic_replay *replay, const uint8_t *key, size_t length, uint64_t expiry,
		uint64_t now);

#endif
