/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which target of a pool is next. The choice knows nothing of connections and health: who asks
 * gives each target a weight, 0 for those that must not be chosen, and says how much it has to do.
 *
 *	round-robin	in turn, each as often as its weight says, spread out smoothly: weights 3
 *			and 1 give a a b a, never a a a b; who is first is random, so that many
 *			workers do not all begin with the same one
 *	least-requests	two at random, each with a chance as its weight, and of them the one with
 *			fewer requests for its weight: nearly as good as asking all, and many
 *			workers that do not know of each other do not all run to the same one
 *	random		with a chance as its weight
 *	consistent-hash	by the request's key, see maglev.h
 *
 * One for each pool of a worker; belongs to its thread.
 */
#ifndef ARQUANT_PROXY_BALANCE_H
#define ARQUANT_PROXY_BALANCE_H

#include "userspace/common/config.h"
#include "userspace/proxy/maglev.h"

#include <stddef.h>
#include <stdint.h>

struct arq_balance;

/* What a weight of 1 in the configuration is here: slow start needs fractions. */
#define ARQ_BALANCE_WEIGHT 256

/* A target at the moment of the choice. */
struct arq_balance_load {
	uint32_t weight; /* in ARQ_BALANCE_WEIGHT, 2^24 at most; 0: not to be chosen */
	uint32_t requests; /* that it serves and that wait for it */
};

/*
 * For `count` targets. `maglev` is borrowed, and needed for consistent-hash only; its targets are
 * ours, in the same order. `seed` decides all that is random. Returns 0 and *balance, or -ENOMEM.
 */
int arq_balance_create(enum arq_config_policy policy, size_t count, const struct arq_maglev *maglev,
		       uint64_t seed, struct arq_balance **balance);

/* NULL is allowed. */
void arq_balance_destroy(struct arq_balance *balance);

/*
 * The index of the target to take, -1 when all have weight 0. `loads` has as many as were created;
 * `key` decides with consistent-hash, else it does not matter.
 */
int arq_balance_choose(struct arq_balance *balance, const struct arq_balance_load *loads,
		       uint64_t key);

#endif
