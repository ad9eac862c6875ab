/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The hash that consistent hashing is built on. Not keyed: every worker, every restart and every
 * gateway with the same configuration must send a key to the same target. Who may choose keys may
 * therefore choose their target; that is what consistent hashing is.
 */
#ifndef ARQUANT_PROXY_HASH_H
#define ARQUANT_PROXY_HASH_H

#include <stddef.h>
#include <stdint.h>

/* Of `length` octets; `seed` makes several independent ones of the same octets. */
uint64_t arq_hash(const void *data, size_t length, uint64_t seed);

/* A value all bits of which depend on all bits of `value`. */
uint64_t arq_hash_mix(uint64_t value);

#endif
