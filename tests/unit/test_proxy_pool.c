// SPDX-License-Identifier: BSD-2-Clause
#include "userspace/proxy/pool.h"

#include <criterion/criterion.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static int choose(enum arq_config_policy policy, const struct arq_pool_load *loads, size_t count,
		  uint32_t *turn)
{
	return arq_pool_choose(policy, loads, count, -1, turn);
}

Test(pool, round_robin_takes_turns_whatever_the_load)
{
	const struct arq_pool_load loads[3] = {{.requests = 9}, {.requests = 0}, {.requests = 5}};
	static const int expected[] = {0, 1, 2, 0, 1, 2, 0};
	uint32_t turn = 0;
	for (size_t i = 0; i < COUNT(expected); i++)
		cr_assert_eq(choose(ARQ_CONFIG_ROUND_ROBIN, loads, 3, &turn), expected[i]);
}

Test(pool, round_robin_passes_over_what_could_not_be_reached)
{
	const struct arq_pool_load loads[3] = {{0}, {.pass_over = true}, {0}};
	static const int expected[] = {0, 2, 0, 2};
	uint32_t turn = 0;
	for (size_t i = 0; i < COUNT(expected); i++)
		cr_assert_eq(choose(ARQ_CONFIG_ROUND_ROBIN, loads, 3, &turn), expected[i]);
}

Test(pool, least_requests_takes_the_least_loaded)
{
	struct arq_pool_load loads[3] = {{.requests = 3}, {.requests = 1}, {.requests = 2}};
	for (uint32_t turn = 0; turn < 6; turn++) {
		uint32_t copy = turn;
		cr_assert_eq(choose(ARQ_CONFIG_LEAST_REQUESTS, loads, 3, &copy), 1);
	}
	loads[1].pass_over = true;
	uint32_t turn = 0;
	cr_assert_eq(choose(ARQ_CONFIG_LEAST_REQUESTS, loads, 3, &turn), 2);
}

Test(pool, least_requests_goes_round_among_equals)
{
	const struct arq_pool_load loads[3] = {{.requests = 1}, {.requests = 2}, {.requests = 1}};
	static const int expected[] = {0, 2, 0, 2};
	uint32_t turn = 0;
	for (size_t i = 0; i < COUNT(expected); i++)
		cr_assert_eq(choose(ARQ_CONFIG_LEAST_REQUESTS, loads, 3, &turn), expected[i]);
}

Test(pool, spreads_evenly_as_requests_come_and_stay)
{
	struct arq_pool_load loads[4] = {{0}};
	uint32_t turn = 0;
	for (int i = 0; i < 400; i++)
		loads[choose(ARQ_CONFIG_LEAST_REQUESTS, loads, 4, &turn)].requests++;
	for (int i = 0; i < 4; i++)
		cr_assert_eq(loads[i].requests, 100);
}

Test(pool, takes_an_unreachable_target_when_there_is_no_other)
{
	const struct arq_pool_load loads[2] = {{.pass_over = true}, {.pass_over = true}};
	uint32_t turn = 0;
	cr_assert_eq(choose(ARQ_CONFIG_ROUND_ROBIN, loads, 2, &turn), 0);
	cr_assert_eq(choose(ARQ_CONFIG_ROUND_ROBIN, loads, 2, &turn), 1);
	cr_assert_eq(choose(ARQ_CONFIG_LEAST_REQUESTS, loads, 1, &turn), 0);
}

Test(pool, never_takes_the_exception)
{
	struct arq_pool_load loads[3] = {{.requests = 0}, {.requests = 7}, {.requests = 8}};
	uint32_t turn = 0;
	cr_assert_eq(arq_pool_choose(ARQ_CONFIG_LEAST_REQUESTS, loads, 3, 0, &turn), 1);
	loads[1].pass_over = loads[2].pass_over = true;
	cr_assert_neq(arq_pool_choose(ARQ_CONFIG_ROUND_ROBIN, loads, 3, 0, &turn), 0);
	turn = 5;
	cr_assert_eq(arq_pool_choose(ARQ_CONFIG_ROUND_ROBIN, loads, 1, 0, &turn), -1);
	cr_assert_eq(turn, 5);
}
