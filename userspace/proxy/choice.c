// SPDX-License-Identifier: BSD-2-Clause
/* Which targets of a pool may be chosen now, and one of them. */
#include "userspace/proxy/target.h"

/* The share of its weight that a target begins with in its slow start: none, and nobody would find
 * out that it is well. */
#define SLOW_START_PERCENT 10

/* Whom requests may go to. */
enum tier {
	TIER_PRIMARIES, /* that are usable */
	TIER_USABLE, /* backups too */
	TIER_ALL, /* whoever is not drained: so few are usable that they would drown */
};

static bool is_usable(const struct arq_pool_target *target)
{
	return !target->unreachable && arq_member_usable(target->roster->members, target->index,
							 target->pool->context->now);
}

static bool is_drained(const struct arq_pool_target *target)
{
	return arq_member_drained(target->roster->members, target->index);
}

/* Circuit breaking: it has as much to do as it may have. */
static bool is_full(const struct arq_pool_target *target)
{
	const struct arq_config_pool_limits *limits = &target->pool->config->limits;
	return target->waiting >= limits->waiting ||
	       (limits->requests > 0 && target->requests >= limits->requests);
}

static enum tier current_tier(const struct arq_pool *pool, const struct arq_pool_target *except)
{
	uint32_t primaries = 0, usable = 0, backups = 0;
	for (uint32_t i = 0; i < pool->target_count; i++) {
		const struct arq_pool_target *target = pool->targets[i];
		if (target == except)
			continue;
		bool ready = is_usable(target);
		if (target->config->backup) {
			backups += ready;
			continue;
		}
		primaries += !is_drained(target);
		usable += ready;
	}
	uint32_t threshold = pool->config->panic_threshold;
	if (usable > 0 && usable * 100 >= threshold * primaries)
		return TIER_PRIMARIES;
	if (backups > 0 || threshold == 0)
		return TIER_USABLE;
	return TIER_ALL;
}

static bool is_in(const struct arq_pool_target *target, enum tier tier)
{
	switch (tier) {
	case TIER_PRIMARIES:
		return !target->config->backup && is_usable(target);
	case TIER_USABLE:
		return is_usable(target);
	default:
		return !is_drained(target);
	}
}

/* Less than its own for a while after it came back: caches are cold, and it may fall again. */
static uint32_t current_weight(const struct arq_pool_target *target)
{
	const struct arq_pool *pool = target->pool;
	uint32_t weight = target->config->weight * ARQ_BALANCE_WEIGHT;
	uint64_t now = pool->context->now, time = pool->config->slow_start_ns;
	if (time == 0)
		return weight;
	uint64_t since = arq_member_since(target->roster->members, target->index, now);
	if (target->reached_at > since)
		since = target->reached_at;
	if (since == 0 || now - since >= time)
		return weight;
	uint64_t percent = (now - since) * 100 / time;
	if (percent < SLOW_START_PERCENT)
		percent = SLOW_START_PERCENT;
	return (uint32_t)(weight * percent / 100);
}

struct arq_pool_target *pool_choose(struct arq_pool *pool, uint64_t key,
				    const struct arq_pool_target *except)
{
	enum tier tier = current_tier(pool, except);
	/* Rather the same once more than one that is known to be down. */
	if (except && tier == TIER_ALL)
		return NULL;
	for (uint32_t i = 0; i < pool->target_count; i++) {
		const struct arq_pool_target *target = pool->targets[i];
		bool takes =
			(!except || target != except) && is_in(target, tier) && !is_full(target);
		pool->loads[i] = (struct arq_balance_load){
			.weight = takes ? current_weight(target) : 0,
			.requests = target->requests,
		};
	}
	if (pool->target_count == 0)
		return NULL; /* its names have no addresses yet */
	int index = arq_balance_choose(pool->balance, pool->loads, key);
	return index < 0 ? NULL : pool->targets[index];
}
