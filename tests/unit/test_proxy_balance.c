// SPDX-License-Identifier: BSD-2-Clause
#include "userspace/proxy/balance.h"

#include "userspace/proxy/hash.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define REQUESTS 100000
#define TARGETS  5

/* How far from its share a target may be, of its share. */
#define TOLERANCE 0.03

static const uint32_t equal[TARGETS] = {1, 1, 1, 1, 1};
static const uint32_t weighted[TARGETS] = {1, 2, 3, 4, 10};

static void set_weights(struct arq_balance_load *loads, const uint32_t *weights)
{
	for (size_t i = 0; i < TARGETS; i++)
		loads[i] = (struct arq_balance_load){.weight = weights[i] * ARQ_BALANCE_WEIGHT};
}

static struct arq_balance *make(enum arq_config_policy policy, const struct arq_maglev *maglev)
{
	struct arq_balance *balance;
	cr_assert_eq(arq_balance_create(policy, TARGETS, maglev, 42, &balance), 0);
	return balance;
}

static struct arq_maglev *make_table(const uint32_t *weights, size_t count, int without)
{
	char names[300][64];
	struct arq_maglev_target targets[300];
	struct arq_maglev *maglev;
	size_t used = 0;
	for (size_t i = 0; i < count; i++) {
		if ((int)i == without)
			continue;
		snprintf(names[used], sizeof(names[0]), "10.0.%zu.%zu:443", i / 250, i % 250);
		targets[used] = (struct arq_maglev_target){names[used], weights ? weights[i] : 1};
		used++;
	}
	cr_assert_eq(arq_maglev_create(targets, used, &maglev), 0);
	return maglev;
}

static void expect_shares(const char *what, const uint32_t *counts, const uint32_t *weights)
{
	double sum = 0;
	for (size_t i = 0; i < TARGETS; i++)
		sum += weights[i];
	for (size_t i = 0; i < TARGETS; i++) {
		double ideal = REQUESTS * weights[i] / sum;
		double off = fabs(counts[i] - ideal) / ideal;
		printf("%s: target %zu has %u, ideal %.0f, %.2f %% off\n", what, i, counts[i],
		       ideal, 100 * off);
		cr_expect_lt(off, TOLERANCE, "%s, target %zu: %u instead of %.0f", what, i,
			     counts[i], ideal);
	}
}

/* Requests that end as they begin, so that nobody is busier than another. */
static void try_idle(enum arq_config_policy policy, const uint32_t *weights, const char *what)
{
	struct arq_maglev *maglev = make_table(weights, TARGETS, -1);
	struct arq_balance *balance = make(policy, maglev);
	struct arq_balance_load loads[TARGETS];
	uint32_t counts[TARGETS] = {0};
	set_weights(loads, weights);
	for (uint64_t i = 0; i < REQUESTS; i++)
		counts[arq_balance_choose(balance, loads, arq_hash(&i, sizeof(i), 9))]++;
	expect_shares(what, counts, weights);
	arq_balance_destroy(balance);
	arq_maglev_destroy(maglev);
}

Test(balance, shares_of_100000_requests_are_within_3_percent)
{
	try_idle(ARQ_CONFIG_ROUND_ROBIN, equal, "round-robin");
	try_idle(ARQ_CONFIG_ROUND_ROBIN, weighted, "round-robin, weighted");
	try_idle(ARQ_CONFIG_RANDOM, equal, "random");
	try_idle(ARQ_CONFIG_RANDOM, weighted, "random, weighted");
	try_idle(ARQ_CONFIG_LEAST_REQUESTS, equal, "least-requests, idle");
	try_idle(ARQ_CONFIG_LEAST_REQUESTS, weighted, "least-requests, idle, weighted");
	try_idle(ARQ_CONFIG_CONSISTENT_HASH, equal, "consistent-hash");
	try_idle(ARQ_CONFIG_CONSISTENT_HASH, weighted, "consistent-hash, weighted");
}

/* 200 requests under way, each of which lasts as long as chance will have it. */
static void try_busy(const uint32_t *weights, const char *what)
{
	struct arq_balance *balance = make(ARQ_CONFIG_LEAST_REQUESTS, NULL);
	struct arq_balance_load loads[TARGETS];
	uint32_t counts[TARGETS] = {0};
	int under_way[200];
	set_weights(loads, weights);
	srandom(3);
	for (size_t i = 0; i < REQUESTS; i++) {
		size_t slot = i < 200 ? i : (size_t)random() % 200;
		if (i >= 200)
			loads[under_way[slot]].requests--;
		under_way[slot] = arq_balance_choose(balance, loads, 0);
		loads[under_way[slot]].requests++;
		counts[under_way[slot]]++;
	}
	expect_shares(what, counts, weights);
	arq_balance_destroy(balance);
}

Test(balance, least_requests_keeps_the_shares_of_a_busy_pool)
{
	try_busy(equal, "least-requests, busy");
	try_busy(weighted, "least-requests, busy, weighted");
}

/* Five targets, one of which takes twenty times as long: it gets less, and nobody piles up on it.
 */
Test(balance, least_requests_spares_a_slow_target)
{
	struct arq_balance *balance = make(ARQ_CONFIG_LEAST_REQUESTS, NULL);
	struct arq_balance_load loads[TARGETS];
	uint32_t counts[TARGETS] = {0};
	set_weights(loads, equal);
	srandom(5);
	for (size_t i = 0; i < REQUESTS; i++) {
		int chosen = arq_balance_choose(balance, loads, 0);
		counts[chosen]++;
		loads[chosen].requests++;
		for (size_t j = 0; j < TARGETS; j++) {
			if (loads[j].requests > 0 && random() % (j == 0 ? 40 : 2) == 0)
				loads[j].requests--;
		}
	}
	cr_assert_lt(counts[0], REQUESTS / TARGETS / 4, "%u", counts[0]);
	cr_assert_lt(loads[0].requests, 10);
	arq_balance_destroy(balance);
}

Test(balance, round_robin_takes_turns_whatever_the_load)
{
	struct arq_balance *balance = make(ARQ_CONFIG_ROUND_ROBIN, NULL);
	struct arq_balance_load loads[TARGETS];
	set_weights(loads, equal);
	loads[2].requests = 1000;
	int first[TARGETS];
	for (size_t i = 0; i < TARGETS; i++) {
		first[i] = arq_balance_choose(balance, loads, 0);
		for (size_t j = 0; j < i; j++)
			cr_assert_neq(first[i], first[j]);
	}
	for (size_t i = 0; i < 10 * TARGETS; i++)
		cr_assert_eq(arq_balance_choose(balance, loads, 0), first[i % TARGETS]);
	arq_balance_destroy(balance);
}

/* Never more of the heavy one in a row than its weight asks for. */
Test(balance, round_robin_spreads_the_turns_of_a_heavy_target)
{
	struct arq_balance *balance = make(ARQ_CONFIG_ROUND_ROBIN, NULL);
	struct arq_balance_load loads[TARGETS] = {{.weight = 3 * ARQ_BALANCE_WEIGHT},
						  {.weight = 3 * ARQ_BALANCE_WEIGHT}};
	int last = -1;
	for (size_t i = 0; i < 100; i++) {
		int chosen = arq_balance_choose(balance, loads, 0);
		cr_assert_neq(chosen, last);
		last = chosen;
	}
	arq_balance_destroy(balance);
}

static void expect_never(enum arq_config_policy policy, const struct arq_maglev *maglev)
{
	struct arq_balance *balance = make(policy, maglev);
	struct arq_balance_load loads[TARGETS];
	set_weights(loads, equal);
	loads[1].weight = loads[3].weight = 0;
	for (uint64_t i = 0; i < 10000; i++) {
		int chosen = arq_balance_choose(balance, loads, arq_hash_mix(i));
		cr_assert(chosen == 0 || chosen == 2 || chosen == 4);
	}
	loads[0].weight = loads[4].weight = 0;
	for (uint64_t i = 0; i < 1000; i++)
		cr_assert_eq(arq_balance_choose(balance, loads, arq_hash_mix(i)), 2);
	loads[2].weight = 0;
	cr_assert_eq(arq_balance_choose(balance, loads, 1), -1);
	arq_balance_destroy(balance);
}

Test(balance, no_policy_takes_what_has_no_weight)
{
	struct arq_maglev *maglev = make_table(NULL, TARGETS, -1);
	expect_never(ARQ_CONFIG_ROUND_ROBIN, NULL);
	expect_never(ARQ_CONFIG_RANDOM, NULL);
	expect_never(ARQ_CONFIG_LEAST_REQUESTS, NULL);
	expect_never(ARQ_CONFIG_CONSISTENT_HASH, maglev);
	arq_maglev_destroy(maglev);
}

/* --- consistent hash -------------------------------------------------------------------------- */

/* Line by line what the configuration without one target changes. */
Test(maglev, a_target_that_leaves_moves_few_keys)
{
	static const size_t counts[] = {3, 5, 10, 50, 256};
	for (size_t n = 0; n < sizeof(counts) / sizeof(counts[0]); n++) {
		size_t count = counts[n], gone = count / 2, moved = 0;
		struct arq_maglev *before = make_table(NULL, count, -1);
		struct arq_maglev *after = make_table(NULL, count, (int)gone);
		for (uint64_t i = 0; i < REQUESTS; i++) {
			uint64_t key = arq_hash(&i, sizeof(i), 3);
			size_t old = arq_maglev_find(before, key, 0);
			size_t new = arq_maglev_find(after, key, 0);
			moved += old != new + (new >= gone);
		}
		printf("of %zu targets one leaves: %.4f of the keys move, 1/n is %.4f\n", count,
		       (double)moved / REQUESTS, 1.0 / (double)count);
		cr_expect_leq((double)moved / REQUESTS, 1.5 / (double)count, "%zu targets", count);
		arq_maglev_destroy(before);
		arq_maglev_destroy(after);
	}
}

/* One that cannot be reached for a while: its keys go to all the others, no other key moves. */
Test(maglev, a_target_that_is_down_moves_its_own_keys_only)
{
	struct arq_maglev *maglev = make_table(NULL, TARGETS, -1);
	struct arq_balance *balance = make(ARQ_CONFIG_CONSISTENT_HASH, maglev);
	struct arq_balance_load loads[TARGETS];
	uint32_t heirs[TARGETS] = {0}, moved = 0;
	set_weights(loads, equal);
	for (uint64_t i = 0; i < REQUESTS; i++) {
		uint64_t key = arq_hash(&i, sizeof(i), 3);
		loads[1].weight = ARQ_BALANCE_WEIGHT;
		int before = arq_balance_choose(balance, loads, key);
		loads[1].weight = 0;
		int after = arq_balance_choose(balance, loads, key);
		if (before != 1) {
			cr_assert_eq(after, before);
			continue;
		}
		heirs[after]++;
		moved++;
	}
	cr_assert_leq(moved, 1.5 * REQUESTS / TARGETS);
	for (size_t i = 0; i < TARGETS; i++) {
		if (i != 1)
			cr_assert_lt(fabs(heirs[i] - moved / 4.0), moved * 0.03);
	}
	arq_balance_destroy(balance);
	arq_maglev_destroy(maglev);
}

Test(maglev, does_not_depend_on_the_order_of_the_targets)
{
	const struct arq_maglev_target ab[] = {{"a:1", 1}, {"b:1", 1}};
	const struct arq_maglev_target ba[] = {{"b:1", 1}, {"a:1", 1}};
	struct arq_maglev *one, *other;
	size_t same = 0;
	cr_assert_eq(arq_maglev_create(ab, 2, &one), 0);
	cr_assert_eq(arq_maglev_create(ba, 2, &other), 0);
	for (uint64_t i = 0; i < REQUESTS; i++) {
		uint64_t key = arq_hash_mix(i);
		same += arq_maglev_find(one, key, 0) != arq_maglev_find(other, key, 0);
	}
	/* Only who claims first differs. */
	cr_assert_gt(same, 0.95 * REQUESTS);
	arq_maglev_destroy(one);
	arq_maglev_destroy(other);
}

static double build_ms(size_t count)
{
	struct timespec begin, end;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &begin);
	struct arq_maglev *maglev = make_table(NULL, count, -1);
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &end);
	arq_maglev_destroy(maglev);
	return (double)(end.tv_sec - begin.tv_sec) * 1e3 +
	       (double)(end.tv_nsec - begin.tv_nsec) / 1e6;
}

/* What is documented; the bound is loose, for sanitizers and slow machines. */
Test(maglev, is_built_in_milliseconds)
{
	double small = build_ms(3), large = build_ms(256);
	printf("built in %.2f ms for 3 targets, %.2f ms for 256\n", small, large);
	cr_assert_lt(large, 5000);
}

/* More targets than most have: every one gets its share of the table. */
Test(maglev, has_room_for_300_targets)
{
	struct arq_maglev *maglev = make_table(NULL, 300, -1);
	static uint32_t counts[300];
	for (uint64_t i = 0; i < 3000000; i++)
		counts[arq_maglev_find(maglev, i, 0)]++;
	for (size_t i = 0; i < 300; i++)
		cr_assert_lt(fabs(counts[i] - 10000.0), 500, "target %zu: %u", i, counts[i]);
	arq_maglev_destroy(maglev);
}
