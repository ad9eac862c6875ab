// SPDX-License-Identifier: BSD-2-Clause
#include "userspace/proxy/balance.h"

#include "userspace/proxy/hash.h"

#include <errno.h>
#include <stdlib.h>

/*
 * Steps of a key through the table before any usable target will do: with one usable target in a
 * hundred, one key in 20 000 gets that far.
 */
#define HASH_STEPS 1000

struct arq_balance {
	enum arq_config_policy policy;
	const struct arq_maglev *maglev;
	uint64_t random; /* state of the generator */
	size_t count;
	int64_t turns[]; /* round-robin: how long each has waited for its turn */
};

/* A number below `bound`, which is at least 1 and so small that what the remainder favours is
 * nothing. (SplitMix64; what it decides is no secret.) */
static uint64_t random_below(struct arq_balance *balance, uint64_t bound)
{
	balance->random += UINT64_C(0x9e3779b97f4a7c15);
	return arq_hash_mix(balance->random) % bound;
}

int arq_balance_create(enum arq_config_policy policy, size_t count, const struct arq_maglev *maglev,
		       uint64_t seed, struct arq_balance **balance)
{
	struct arq_balance *made = calloc(1, sizeof(*made) + count * sizeof(made->turns[0]));
	if (!made)
		return -ENOMEM;
	made->policy = policy;
	made->maglev = maglev;
	made->random = seed;
	made->count = count;
	for (size_t i = 0; i < count; i++)
		made->turns[i] = (int64_t)random_below(made, ARQ_BALANCE_WEIGHT);
	*balance = made;
	return 0;
}

void arq_balance_destroy(struct arq_balance *balance)
{
	free(balance);
}

static uint64_t weight_sum(const struct arq_balance *balance, const struct arq_balance_load *loads)
{
	uint64_t sum = 0;
	for (size_t i = 0; i < balance->count; i++)
		sum += loads[i].weight;
	return sum;
}

/* Who waited longest, measured in its weight, is next; it pays what all together gained. */
static int next_in_turn(struct arq_balance *balance, const struct arq_balance_load *loads)
{
	int64_t sum = 0;
	int best = -1;
	for (size_t i = 0; i < balance->count; i++) {
		if (loads[i].weight == 0)
			continue;
		balance->turns[i] += loads[i].weight;
		sum += loads[i].weight;
		if (best < 0 || balance->turns[i] > balance->turns[best])
			best = (int)i;
	}
	if (best >= 0)
		balance->turns[best] -= sum;
	return best;
}

/* One by weight, but for `except`; `sum` is that of the weights but for its. -1 when it is 0. */
static int draw(struct arq_balance *balance, const struct arq_balance_load *loads, uint64_t sum,
		int except)
{
	if (sum == 0)
		return -1;
	uint64_t left = random_below(balance, sum);
	for (size_t i = 0; i < balance->count; i++) {
		if ((int)i == except)
			continue;
		if (left < loads[i].weight)
			return (int)i;
		left -= loads[i].weight;
	}
	return -1;
}

static int less_loaded_of_two(struct arq_balance *balance, const struct arq_balance_load *loads)
{
	uint64_t sum = weight_sum(balance, loads);
	int a = draw(balance, loads, sum, -1);
	if (a < 0)
		return -1;
	int b = draw(balance, loads, sum - loads[a].weight, a);
	if (b < 0)
		return a;
	/* requests / weight, compared without division. */
	uint64_t of_a = (uint64_t)loads[a].requests * loads[b].weight;
	uint64_t of_b = (uint64_t)loads[b].requests * loads[a].weight;
	return of_b < of_a ? b : a;
}

static int by_key(struct arq_balance *balance, const struct arq_balance_load *loads, uint64_t key)
{
	for (size_t step = 0; step < HASH_STEPS; step++) {
		size_t index = arq_maglev_find(balance->maglev, key, step);
		if (loads[index].weight > 0)
			return (int)index;
	}
	for (size_t i = 0; i < balance->count; i++) {
		if (loads[i].weight > 0)
			return (int)i;
	}
	return -1;
}

int arq_balance_choose(struct arq_balance *balance, const struct arq_balance_load *loads,
		       uint64_t key)
{
	switch (balance->policy) {
	case ARQ_CONFIG_ROUND_ROBIN:
		return next_in_turn(balance, loads);
	case ARQ_CONFIG_RANDOM:
		return draw(balance, loads, weight_sum(balance, loads), -1);
	case ARQ_CONFIG_CONSISTENT_HASH:
		return by_key(balance, loads, key);
	default:
		return less_loaded_of_two(balance, loads);
	}
}
