// SPDX-License-Identifier: BSD-2-Clause
/* Which targets may be chosen: ejection, checks' verdicts, drain, backups, panic, slow start. */
#include "userspace/proxy/target.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#define TARGETS 4
#define SECOND  UINT64_C(1000000000)

static struct arq_config_target targets[TARGETS];
static struct arq_config_pool config;
static struct arq_pool_context context;
static struct arq_roster *roster;
static struct arq_members *members;
static struct arq_pool *pool;

static void set_up(void)
{
	static char texts[TARGETS][ARQ_ADDRESS_TEXT_MAX], name[] = "pool";
	static struct arq_config_health health;
	for (size_t i = 0; i < TARGETS; i++) {
		snprintf(texts[i], sizeof(texts[i]), "127.0.0.1:%zu", i + 1);
		targets[i] = (struct arq_config_target){.address_text = texts[i], .weight = 1};
		cr_assert_eq(arq_address_parse(&targets[i].address, texts[i]), 0);
	}
	config = (struct arq_config_pool){
		.name = name,
		.targets = targets,
		.targets_count = TARGETS,
		.policy = ARQ_CONFIG_ROUND_ROBIN,
		.health = &health,
		.panic_threshold = 1,
		.limits = {.waiting = 10},
		.ejection = {.failures = 3,
			     .max_percent = 50,
			     .time_ns = 10 * SECOND,
			     .max_time_ns = 60 * SECOND},
	};
	context.now = 1000 * SECOND;
	cr_assert_eq(arq_tally_create(&context.tally), 0);
}

static void start(void)
{
	cr_assert_eq(arq_roster_create(&config, NULL, NULL, &roster), 0);
	members = roster->members;
	const struct arq_pool_options options = {.config = &config,
						 .roster = roster,
						 .application = &arq_upstream_h3,
						 .context = &context};
	cr_assert_eq(arq_pool_create(&options, &pool), 0);
}

static void tear_down(void)
{
	arq_pool_destroy(pool);
	arq_roster_put(roster);
	arq_tally_destroy(context.tally);
}

TestSuite(member, .init = set_up, .fini = tear_down);

/* Failures until one ejects it; returns for how long, in seconds. */
static double fail_until_ejected(size_t i, unsigned int *count)
{
	for (*count = 1; *count < 100; (*count)++) {
		uint64_t time = arq_member_failed(members, i, context.now);
		if (time > 0)
			return (double)time / 1e9;
	}
	return 0;
}

static bool usable(size_t i)
{
	return arq_member_usable(members, i, context.now);
}

Test(member, failures_in_a_row_eject_for_a_time_that_doubles)
{
	static const double times[] = {10, 20, 40, 60, 60};
	unsigned int count;
	start();
	for (size_t n = 0; n < 5; n++) {
		cr_assert(usable(0));
		cr_assert_eq(fail_until_ejected(0, &count), times[n]);
		cr_assert_eq(count, n == 0 ? 3 : 1, "after an ejection it is on probation");
		cr_assert_not(usable(0));
		context.now += (uint64_t)times[n] * SECOND - 1;
		cr_assert_not(usable(0));
		context.now += 1;
	}
	cr_assert(usable(0));
	cr_assert_eq(arq_member_since(members, 0, context.now), context.now);
}

Test(member, a_success_ends_the_row_and_the_probation)
{
	unsigned int count;
	start();
	for (size_t i = 0; i < 100; i++) {
		cr_assert_eq(arq_member_failed(members, 0, context.now), 0);
		cr_assert_eq(arq_member_failed(members, 0, context.now), 0);
		arq_member_succeeded(members, 0);
	}
	cr_assert_eq(fail_until_ejected(0, &count), 10);
	context.now += 10 * SECOND;
	arq_member_succeeded(members, 0);
	cr_assert_eq(fail_until_ejected(0, &count), 10, "not doubled");
	cr_assert_eq(count, 3);
}

Test(member, what_fails_while_it_is_ejected_does_not_count)
{
	unsigned int count;
	start();
	fail_until_ejected(0, &count);
	for (size_t i = 0; i < 50; i++)
		cr_assert_eq(arq_member_failed(members, 0, context.now), 0);
	context.now += 10 * SECOND;
	cr_assert(usable(0));
}

Test(member, no_more_than_a_share_of_the_pool_is_ejected)
{
	unsigned int count;
	start();
	cr_assert_eq(fail_until_ejected(0, &count), 10);
	cr_assert_eq(fail_until_ejected(1, &count), 10);
	cr_assert_eq(fail_until_ejected(2, &count), 0);
	cr_assert(usable(2));
	context.now += 10 * SECOND;
	cr_assert_eq(fail_until_ejected(2, &count), 10, "now there is room for it");
}

Test(member, ejection_can_be_turned_off)
{
	unsigned int count;
	config.ejection.failures = 0;
	start();
	cr_assert_eq(fail_until_ejected(0, &count), 0);
}

Test(member, verdicts_of_checks_and_drains_hold_until_they_are_taken_back)
{
	start();
	cr_assert(arq_member_set_healthy(members, 1, false, context.now));
	cr_assert_not(arq_member_set_healthy(members, 1, false, context.now));
	cr_assert_not(usable(1));
	cr_assert_eq(arq_members_drain(members, "127.0.0.1:3", true, context.now), 1);
	cr_assert_eq(arq_members_drain(members, "127.0.0.1:9", true, context.now), 0);
	cr_assert_not(usable(2));
	context.now += 5 * SECOND;
	cr_assert(arq_member_set_healthy(members, 1, true, context.now));
	cr_assert(usable(1));
	cr_assert_eq(arq_member_since(members, 1, context.now), context.now);
	cr_assert_eq(arq_members_drain(members, "127.0.0.1:3", false, context.now), 1);
	cr_assert(usable(2));
}

Test(member, state_is_kept_by_address_over_a_change_of_the_pool)
{
	struct arq_roster *other;
	struct arq_members *after;
	struct arq_member_status status;
	unsigned int count;
	start();
	fail_until_ejected(2, &count);
	arq_members_drain(members, "127.0.0.1:4", true, context.now);
	arq_member_set_healthy(members, 1, false, context.now);

	/* The first target is gone, the others move up; one is new. */
	char *gone = targets[0].address_text;
	char fresh[] = "127.0.0.1:99";
	for (size_t i = 1; i < TARGETS; i++)
		targets[i - 1].address_text = targets[i].address_text;
	targets[3].address_text = fresh;
	cr_assert_eq(arq_roster_create(&config, NULL, roster, &other), 0);
	after = other->members;
	arq_member_status(after, 0, context.now, &status);
	cr_assert_str_eq(status.address, "127.0.0.1:2");
	cr_assert_not(status.healthy);
	arq_member_status(after, 1, context.now, &status);
	cr_assert_eq(status.ejected_for, 10 * SECOND);
	cr_assert_eq(status.ejections, 1);
	arq_member_status(after, 2, context.now, &status);
	cr_assert(status.drained);
	arq_member_status(after, 3, context.now, &status);
	cr_assert(status.healthy && !status.drained && status.ejected_for == 0);
	arq_roster_put(other);

	/* Without checks, nothing would ever find it well again. */
	config.health = NULL;
	cr_assert_eq(arq_roster_create(&config, NULL, roster, &other), 0);
	after = other->members;
	cr_assert(arq_member_usable(after, 0, context.now));
	arq_roster_put(other);
	targets[0].address_text = gone;
}

/* --- the choice ------------------------------------------------------------------------------- */

/* How often each is chosen of 1000 times. */
static void count_choices(uint32_t counts[TARGETS])
{
	memset(counts, 0, TARGETS * sizeof(counts[0]));
	for (size_t i = 0; i < 1000; i++) {
		const struct arq_pool_target *chosen = pool_choose(pool, 0, NULL);
		cr_assert_not_null(chosen);
		counts[chosen->index]++;
	}
}

static void expect_choices(uint32_t a, uint32_t b, uint32_t c, uint32_t d)
{
	uint32_t counts[TARGETS];
	count_choices(counts);
	cr_assert(counts[0] == a && counts[1] == b && counts[2] == c && counts[3] == d,
		  "%u %u %u %u instead of %u %u %u %u", counts[0], counts[1], counts[2], counts[3],
		  a, b, c, d);
}

static void set_healthy(size_t i, bool healthy)
{
	arq_member_set_healthy(members, i, healthy, context.now);
}

Test(member, what_is_not_usable_gets_nothing_while_there_are_others)
{
	start();
	expect_choices(250, 250, 250, 250);
	set_healthy(0, false);
	pool->targets[1]->unreachable = true;
	expect_choices(0, 0, 500, 500);
}

Test(member, all_get_requests_when_none_is_usable_but_no_drained_one)
{
	start();
	for (size_t i = 0; i < 3; i++)
		set_healthy(i, false);
	arq_members_drain(members, "127.0.0.1:4", true, context.now);
	cr_assert_not_null(pool_choose(pool, 0, NULL));
	uint32_t counts[TARGETS];
	count_choices(counts);
	cr_assert_eq(counts[3], 0);
	cr_assert_geq(counts[0], 333);
	cr_assert_geq(counts[1], 333);
}

Test(member, too_few_usable_ones_are_not_drowned)
{
	config.panic_threshold = 50;
	start();
	set_healthy(0, false);
	set_healthy(1, false);
	expect_choices(0, 0, 500, 500);
	set_healthy(2, false);
	expect_choices(250, 250, 250, 250);
}

Test(member, without_panic_there_may_be_nobody)
{
	config.panic_threshold = 0;
	start();
	for (size_t i = 0; i < TARGETS; i++)
		set_healthy(i, false);
	cr_assert_null(pool_choose(pool, 0, NULL));
	set_healthy(1, true);
	expect_choices(0, 1000, 0, 0);
}

Test(member, backups_stand_in_when_no_other_is_usable)
{
	targets[2].backup = targets[3].backup = true;
	start();
	expect_choices(500, 500, 0, 0);
	set_healthy(0, false);
	expect_choices(0, 1000, 0, 0);
	set_healthy(1, false);
	expect_choices(0, 0, 500, 500);
	set_healthy(3, false);
	expect_choices(0, 0, 1000, 0);
	set_healthy(0, true);
	expect_choices(1000, 0, 0, 0);
}

Test(member, another_is_not_the_one_before)
{
	targets[3].backup = true;
	start();
	for (size_t i = 0; i < 100; i++)
		cr_assert_neq(pool_choose(pool, 0, pool->targets[1]), pool->targets[1]);
	set_healthy(0, false);
	set_healthy(2, false);
	cr_assert_eq(pool_choose(pool, 0, pool->targets[1]), pool->targets[3]);
}

Test(member, slow_start_gives_a_growing_share)
{
	uint32_t counts[TARGETS];
	config.slow_start_ns = 100 * SECOND;
	start();
	expect_choices(250, 250, 250, 250);
	set_healthy(0, false);
	set_healthy(0, true);
	count_choices(counts);
	cr_assert_leq(counts[0], 35, "a tenth of a share: %u", counts[0]);
	cr_assert_geq(counts[0], 28);
	context.now += 50 * SECOND;
	count_choices(counts);
	cr_assert_leq(counts[0], 146, "half a share: %u", counts[0]);
	cr_assert_geq(counts[0], 140);
	context.now += 50 * SECOND;
	count_choices(counts);
	cr_assert_leq(counts[0], 252);
	cr_assert_geq(counts[0], 248);
}
