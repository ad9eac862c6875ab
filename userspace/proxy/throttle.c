// SPDX-License-Identifier: BSD-2-Clause
#include "userspace/proxy/throttle.h"

#include "userspace/proxy/hash.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

/* A bucket is a cache line. A quarter of a million clients in debt at a time, in 4 MiB, of which
 * the system gives us what was touched. */
#define BUCKETS          65536
#define SLOTS_PER_BUCKET 4

struct slot {
	_Atomic uint64_t key; /* 0: nobody's */
	_Atomic uint64_t due; /* ns: the last request of an even stream would have come then */
};

struct bucket {
	struct slot slots[SLOTS_PER_BUCKET];
};

struct arq_throttle {
	atomic_size_t references;
	uint64_t seed; /* nobody shall choose an address to share a bucket */
	struct bucket *buckets;
};

int arq_throttle_create(struct arq_throttle **throttle)
{
	struct arq_throttle *made = calloc(1, sizeof(*made));

	if (!made)
		return -ENOMEM;
	made->references = 1;
	made->buckets = calloc(BUCKETS, sizeof(*made->buckets));
	if (!made->buckets) {
		free(made);
		return -ENOMEM;
	}
	(void)!getrandom(&made->seed, sizeof(made->seed), GRND_NONBLOCK);
	*throttle = made;
	return 0;
}

struct arq_throttle *arq_throttle_get(struct arq_throttle *throttle)
{
	atomic_fetch_add_explicit(&throttle->references, 1, memory_order_relaxed);
	return throttle;
}

void arq_throttle_put(struct arq_throttle *throttle)
{
	if (!throttle ||
	    atomic_fetch_sub_explicit(&throttle->references, 1, memory_order_acq_rel) != 1)
		return;
	free(throttle->buckets);
	free(throttle);
}

uint64_t arq_throttle_key(const struct arq_throttle *throttle, const char *name,
			  const union arq_address *client)
{
	uint64_t seed = arq_hash(name, strlen(name), throttle->seed);
	uint64_t key = client->sa.sa_family == AF_INET
			       ? arq_hash(&client->in.sin_addr, sizeof(client->in.sin_addr), seed)
			       : arq_hash(&client->in6.sin6_addr, sizeof(uint64_t), seed);

	return key ? key : 1;
}

/* The key's slot; else one that was forgotten for it. */
static struct slot *find(struct bucket *bucket, uint64_t key)
{
	struct slot *least = NULL;
	uint64_t least_due = UINT64_MAX;

	for (size_t i = 0; i < SLOTS_PER_BUCKET; i++) {
		struct slot *slot = &bucket->slots[i];
		uint64_t due = atomic_load_explicit(&slot->due, memory_order_relaxed);

		if (atomic_load_explicit(&slot->key, memory_order_relaxed) == key)
			return slot;
		if (!least || due < least_due) {
			least = slot;
			least_due = due;
		}
	}
	/* Two workers at it at once: one of the clients begins anew with its next request. */
	atomic_store_explicit(&least->due, 0, memory_order_relaxed);
	atomic_store_explicit(&least->key, key, memory_order_relaxed);
	return least;
}

uint64_t arq_throttle_take(struct arq_throttle *throttle, uint64_t key, uint64_t interval_ns,
			   uint32_t burst, uint64_t now)
{
	struct slot *slot = find(&throttle->buckets[key % BUCKETS], key);
	uint64_t due = atomic_load_explicit(&slot->due, memory_order_relaxed);
	uint64_t next;

	do {
		next = (due > now ? due : now) + interval_ns;
		if (next - now > interval_ns * burst)
			return next - now - interval_ns * burst;
	} while (!atomic_compare_exchange_weak_explicit(
		&slot->due, &due, next, memory_order_relaxed, memory_order_relaxed));
	return 0;
}
