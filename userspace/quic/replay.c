/* SPDX-License-Identifier: BSD-2-Clause */
#include "userspace/quic/replay.h"

#include <errno.h>
#include <gnutls/crypto.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define BUCKETS        (1u << 16)
#define BUCKET_ENTRIES 8 /* a cache line */

/* An entry: fingerprint above, the low bits of the second in which it may be forgotten below. */
#define EXPIRY_BITS 20 /* 12 days, so that a difference within half of it is never ambiguous */
#define EXPIRY_MASK ((1ull << EXPIRY_BITS) - 1)

/* GnuTLS puts the beginning of its record before the ClientHello's own octets: 12 of them. */
#define KEY_PREFIX 12

struct bucket {
	_Atomic uint64_t entries[BUCKET_ENTRIES]; /* 0: free */
};

struct arq_quic_replay {
	atomic_size_t references;
	uint8_t secret[ARQ_QUIC_SECRET_LENGTH];
	struct bucket *buckets;
};

int arq_quic_replay_create(struct arq_quic_replay **replay)
{
	struct arq_quic_replay *made = calloc(1, sizeof(*made));

	if (!made)
		return -ENOMEM;
	made->references = 1;
	made->buckets = calloc(BUCKETS, sizeof(*made->buckets));
	if (!made->buckets || gnutls_rnd(GNUTLS_RND_KEY, made->secret, sizeof(made->secret))) {
		int code = made->buckets ? -EIO : -ENOMEM;

		arq_quic_replay_put(made);
		return code;
	}
	*replay = made;
	return 0;
}

struct arq_quic_replay *arq_quic_replay_get(struct arq_quic_replay *replay)
{
	atomic_fetch_add_explicit(&replay->references, 1, memory_order_relaxed);
	return replay;
}

void arq_quic_replay_put(struct arq_quic_replay *replay)
{
	if (!replay || atomic_fetch_sub_explicit(&replay->references, 1, memory_order_acq_rel) != 1)
		return;
	explicit_bzero(replay->secret, sizeof(replay->secret));
	free(replay->buckets);
	free(replay);
}

const uint8_t *replay_secret(const struct arq_quic_replay *replay)
{
	return replay->secret;
}

static bool is_free(uint64_t entry, uint64_t now)
{
	/* Expired: the distance from its expiry to now, in the circle of EXPIRY_BITS, is forward.
	 */
	return entry == 0 || ((now - entry) & EXPIRY_MASK) < EXPIRY_MASK / 2;
}

static bool is_same(uint64_t entry, uint64_t wanted)
{
	return (entry & ~EXPIRY_MASK) == (wanted & ~EXPIRY_MASK);
}

/* Other entries of the bucket with the same fingerprint that still count. */
static bool is_there(struct bucket *bucket, uint64_t wanted, size_t own, uint64_t now)
{
	for (size_t i = 0; i < BUCKET_ENTRIES; i++) {
		uint64_t entry = atomic_load(&bucket->entries[i]);

		if (i != own && !is_free(entry, now) && is_same(entry, wanted))
			return true;
	}
	return false;
}

bool replay_add(struct arq_quic_replay *replay, const uint8_t *key, size_t length, uint64_t expiry,
		uint64_t now)
{
	uint64_t digest[4];
	struct bucket *bucket;
	uint64_t wanted;

	_Static_assert(sizeof(digest) == 32, "a SHA-256 hash");
	/* Keyed: else clients could choose what falls into one bucket and fill it. */
	if (gnutls_hmac_fast(GNUTLS_MAC_SHA256, replay->secret, sizeof(replay->secret), key, length,
			     digest))
		return false;
	bucket = &replay->buckets[digest[0] % BUCKETS];
	wanted = (digest[1] & ~EXPIRY_MASK) | (expiry & EXPIRY_MASK);
	if (wanted == 0)
		return false; /* looks like a free place; one in 2^64 goes without 0-RTT */
	if (is_there(bucket, wanted, BUCKET_ENTRIES, now))
		return false;
	for (size_t i = 0; i < BUCKET_ENTRIES; i++) {
		uint64_t entry = atomic_load(&bucket->entries[i]);

		if (!is_free(entry, now) ||
		    !atomic_compare_exchange_strong(&bucket->entries[i], &entry, wanted))
			continue;
		/* Another thread may have entered the same meanwhile: then neither is the first. */
		return !is_there(bucket, wanted, i, now);
	}
	return false;
}

static int add(void *user, time_t expiry, const gnutls_datum_t *key, const gnutls_datum_t *data)
{
	(void)data;
	if (key->size <= KEY_PREFIX ||
	    !replay_add(user, key->data + KEY_PREFIX, key->size - KEY_PREFIX, (uint64_t)expiry + 1,
			(uint64_t)expiry - REPLAY_WINDOW / 1000))
		return GNUTLS_E_DB_ENTRY_EXISTS;
	return 0;
}

int replay_recorder(struct arq_quic_replay *replay, gnutls_anti_replay_t *recorder)
{
	if (gnutls_anti_replay_init(recorder))
		return -ENOMEM;
	gnutls_anti_replay_set_window(*recorder, REPLAY_WINDOW);
	gnutls_anti_replay_set_ptr(*recorder, replay);
	gnutls_anti_replay_set_add_function(*recorder, add);
	return 0;
}
