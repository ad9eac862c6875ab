/* SPDX-License-Identifier: BSD-2-Clause */
#include "userspace/quic/sources.h"

#include <errno.h>
#include <gnutls/crypto.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* Half a million clients; 4 MiB, of which what is used is touched. */
#define BUCKETS    65536u
#define WORDS      8u
#define COUNT_BITS 24
#define COUNT_MASK ((1ull << COUNT_BITS) - 1)

/* A word: the key's upper bits, and how many there are; 0: free. */
struct arq_quic_sources {
	uint64_t secret[2];
	_Atomic uint64_t words[BUCKETS][WORDS];
};

int arq_quic_sources_create(struct arq_quic_sources **made)
{
	struct arq_quic_sources *sources = calloc(1, sizeof(*sources));

	if (!sources)
		return -ENOMEM;
	if (gnutls_rnd(GNUTLS_RND_RANDOM, sources->secret, sizeof(sources->secret))) {
		free(sources);
		return -EIO;
	}
	*made = sources;
	return 0;
}

void arq_quic_sources_destroy(struct arq_quic_sources *sources)
{
	free(sources);
}

/* Who does not know the secrets cannot choose who shares a bucket. */
static uint64_t mix(uint64_t a, uint64_t b)
{
	unsigned __int128 product = (unsigned __int128)a * b;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

uint64_t sources_key(const struct arq_quic_sources *sources, const union arq_address *remote)
{
	uint64_t address = 0;

	if (remote->sa.sa_family == AF_INET6)
		memcpy(&address, &remote->in6.sin6_addr, sizeof(address));
	else
		memcpy(&address, &remote->in.sin_addr, sizeof(remote->in.sin_addr));
	address ^= (uint64_t)remote->sa.sa_family << 56;
	return mix(mix(address ^ sources->secret[0], sources->secret[1] | 1), 0x9e3779b97f4a7c15) |
	       1ull << COUNT_BITS;
}

static _Atomic uint64_t *bucket_of(struct arq_quic_sources *sources, uint64_t key)
{
	return sources->words[key & (BUCKETS - 1)];
}

uint32_t sources_count(const struct arq_quic_sources *sources, uint64_t key)
{
	const _Atomic uint64_t *bucket = sources->words[key & (BUCKETS - 1)];
	uint64_t count = 0;

	for (uint32_t i = 0; i < WORDS; i++) {
		uint64_t word = atomic_load_explicit(&bucket[i], memory_order_relaxed);

		if ((word ^ key) <= COUNT_MASK && word)
			count += word & COUNT_MASK;
	}
	return (uint32_t)count;
}

/* Changes a word of the key, or a free one, by one. Returns false when there is none such. */
static bool change(_Atomic uint64_t *bucket, uint64_t key, bool free_one, int by)
{
	for (uint32_t i = 0; i < WORDS; i++) {
		uint64_t word = atomic_load_explicit(&bucket[i], memory_order_relaxed);

		while (free_one ? word == 0 : word != 0 && (word ^ key) <= COUNT_MASK) {
			uint64_t next = (free_one ? key & ~COUNT_MASK : word) + (uint64_t)by;

			if ((next & COUNT_MASK) == 0)
				next = 0;
			if (atomic_compare_exchange_weak_explicit(&bucket[i], &word, next,
								  memory_order_relaxed,
								  memory_order_relaxed))
				return true;
		}
	}
	return false;
}

bool sources_enter(struct arq_quic_sources *sources, uint64_t key, uint32_t most, bool *counted)
{
	_Atomic uint64_t *bucket = bucket_of(sources, key);

	*counted = false;
	if (sources_count(sources, key) >= most)
		return false;
	*counted = change(bucket, key, false, 1) || change(bucket, key, true, 1);
	return true;
}

void sources_leave(struct arq_quic_sources *sources, uint64_t key)
{
	change(bucket_of(sources, key), key, false, -1);
}
