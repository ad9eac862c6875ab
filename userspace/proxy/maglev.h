/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Consistent hashing by a look-up table (Eisenbud et al., "Maglev: A Fast and Reliable Software
 * Network Load Balancer", NSDI 2016, section 3.4).
 *
 * Each target has a permutation of the table's places, from its name alone; targets take turns in
 * claiming their next free place, in proportion to their weights, until the table is full. So each
 * has its share within a place or so, and when targets come or go by configuration, most places
 * stay with whom they were.
 *
 * What is unreachable for a while keeps its places: its keys, and no others, walk on to further
 * places until they meet a target that can be used. That moves exactly the keys that have to move,
 * spreads them over all the others, and gives them back afterwards; and nothing is rebuilt when
 * health changes.
 *
 * Read-only after it was built: all workers share it.
 */
#ifndef ARQUANT_PROXY_MAGLEV_H
#define ARQUANT_PROXY_MAGLEV_H

#include <stddef.h>
#include <stdint.h>

struct arq_maglev;

/*
 * Places in the table, a prime, as the permutations need. When a target leaves, some keys of others
 * move too; with n targets in m places these are few as long as m is some thousand times n, and
 * shares are exact to n / m. The small table takes 128 KiB and 2 ms to build, the large one 1.3 MB
 * and 50 ms (test_proxy_balance prints it).
 */
#define ARQ_MAGLEV_SIZE_SMALL    65537
#define ARQ_MAGLEV_SIZE_LARGE    655373
#define ARQ_MAGLEV_SMALL_TARGETS 64 /* up to these the small one */

/* Targets a table has at most. */
#define ARQ_MAGLEV_TARGETS UINT16_MAX

struct arq_maglev_target {
	const char *name; /* what its places depend on; different for each; borrowed for the call */
	uint32_t weight; /* at least 1 */
};

/* Builds the table of `count` (1 to ARQ_MAGLEV_TARGETS). Returns 0 and *maglev, or -ENOMEM. */
int arq_maglev_create(const struct arq_maglev_target *targets, size_t count,
		      struct arq_maglev **maglev);

/* NULL is allowed. */
void arq_maglev_destroy(struct arq_maglev *maglev);

/*
 * The index of the target of a key's place after `step` steps; 0 gives the key's own.
 * Later ones go through the table in an order that depends on the key.
 */
size_t arq_maglev_find(const struct arq_maglev *maglev, uint64_t key, size_t step);

#endif
