// SPDX-License-Identifier: BSD-2-Clause
/* Rule sets that follow each other at once, while packets are under way. */
#include "progs/firewall/compile.h"
#include "progs/firewall/generation.h"
#include "tests/unit/test_firewall_rules.h"
#include "tests/unit/test_progs_fixture.h"
#include "userspace/common/clock.h"

#include <criterion/criterion.h>
#include <linux/bpf.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHANGES      80
#define CHANGES_SLOW 5 /* where the processor is emulated */
#define REPEAT       100 /* runs of the program in a system call */

/* Rules that each packet is counted by before one decides: it is under way for long. */
#define COUNTING  4030
#define LIMITED   64 /* of those, with a limit, at the end */
#define PACKET_NS 30000 /* about as long */

/*
 * Both sets count, at last with limits that nothing reaches, for which the program looks for the
 * tables once more, and pass by one of two rules, which both have and so keep their counters.
 */
static struct arq_ruleset *counting(const char *decides, const char *idle)
{
	static const struct arq_rule_limit limit = {
		.rate = 100000000,
		.period_ns = 1000000000,
		.burst = 1000,
		.per = ARQ_LIMIT_PER_SOURCE,
		.prefix_v4 = 32,
		.prefix_v6 = 128,
	};
	struct arq_ruleset *ruleset = rules_create();
	char name[ARQ_RULE_NAME_MAX];

	ruleset->default_action = ARQ_RULE_DROP;
	for (int i = 0; i < COUNTING; i++) {
		snprintf(name, sizeof(name), "count-%d", i);
		struct arq_rule *rule = rules_add(ruleset, name, ARQ_RULE_COUNT);
		if (i >= COUNTING - LIMITED)
			rule->limit = limit;
	}
	rules_add(ruleset, decides, ARQ_RULE_PASS);
	rules_add(ruleset, idle, ARQ_RULE_PASS);
	return ruleset;
}

struct changer {
	struct arq_generations *generations;
	struct arq_compiled *compiled[2];
	struct arq_error error;
	_Atomic bool finished;
	int status;
};

/*
 * Into force, and the former away: what `arquant firewall apply` does. The preparation ends with a
 * wait for the program, so that the change would come at the beginning of a packet, were it not for
 * `delay_ns`.
 */
static int change(struct changer *changer, uint32_t which, uint64_t delay_ns)
{
	int status = arq_generation_prepare(changer->generations, changer->compiled[which], NULL,
					    &changer->error);
	if (status)
		return status;
	for (uint64_t until = arq_clock_now() + delay_ns; arq_clock_now() < until;)
		;
	arq_generation_commit(changer->generations, 0);
	return arq_generation_drop(changer->generations);
}

static void *change_often(void *context)
{
	struct changer *changer = context;
	const char *vm = getenv("ARQUANT_VM");
	uint32_t changes = vm && *vm ? CHANGES_SLOW : CHANGES;

	for (uint32_t i = 0; i < changes && changer->status == 0; i++)
		changer->status = change(changer, i % 2, i * 10 * PACKET_NS / CHANGES);
	atomic_store(&changer->finished, true);
	return NULL;
}

static uint64_t counted(const struct changer *changer, uint32_t slot)
{
	return arq_generations_count(changer->generations, slot).packets;
}

static void begin(struct changer *changer, const struct fixture *firewall)
{
	static const char *const names[] = {"left", "right"};

	cr_assert_eq(arq_generations_open_object(arq_program_object(firewall->program),
						 &changer->generations, &changer->error),
		     0, "%s", changer->error.text);
	for (size_t i = 0; i < 2; i++) {
		struct arq_ruleset *ruleset = counting(names[i], names[i ^ 1]);
		cr_assert_eq(arq_compile(ruleset, "", &changer->compiled[i], &changer->error), 0,
			     "%s", changer->error.text);
		rules_destroy(ruleset);
	}
	cr_assert_eq(change(changer, 1, 0), 0, "%s", changer->error.text);
}

/* Sends until the changes are made. Returns how many packets. */
static uint64_t send(struct changer *changer, const struct fixture *firewall)
{
	const struct frame_spec spec = {.ip = 4, .protocol = 17, .source = 7};
	struct frame frame;
	uint64_t sent = 0;
	pthread_t thread;
	cpu_set_t others;

	frame_build(&frame, &spec);
	memset(&others, 0xff, sizeof(others));
	CPU_CLR((size_t)sched_getcpu(), &others);
	cr_assert_eq(pthread_create(&thread, NULL, change_often, changer), 0);
	/* On one CPU there is no moment at which both run. */
	pthread_setaffinity_np(thread, sizeof(others), &others);
	for (; !atomic_load(&changer->finished); sent += REPEAT)
		cr_assert_eq(fixture_run(firewall, frame.bytes, frame.length, REPEAT), XDP_PASS);
	pthread_join(thread, NULL);
	return sent;
}

/*
 * A packet that asked for the generation's number just before the change must find the tables of
 * that generation until it is decided.
 */
Test(firewall_change, decides_each_packet_by_one_rule_set, .timeout = 100)
{
	const struct arq_program_options options = {.first = true};
	struct changer changer = {0};
	struct fixture firewall;

	fixture_begin();
	fixture_load(&firewall, ARQ_PROGRAM_FIREWALL, &options, NULL, NULL);
	begin(&changer, &firewall);
	uint64_t sent = send(&changer, &firewall);
	cr_assert_eq(changer.status, 0, "%s", changer.error.text);
	const struct arq_consequence *last =
		changer.compiled[1]->image->consequences + COUNTING - 1;
	uint64_t left = counted(&changer, last[1].slot), right = counted(&changer, last[2].slot);
	cr_log_info("%lu packets, %lu left, %lu right\n", sent, left, right);
	cr_assert_eq(left + right, sent, "of %lu packets by both: %lu and %lu", sent, left, right);
	cr_assert_gt(left, 0);
	cr_assert_gt(right, 0);
	cr_assert_eq(counted(&changer, last[0].slot), sent);
	cr_assert_eq(counted(&changer, ARQ_RULE_SLOT_DEFAULT), 0);
	struct arq_counters counters = fixture_counters(&firewall);
	cr_assert_eq(counters.actions[XDP_PASS], sent);
	for (size_t i = 0; i < 2; i++)
		arq_compiled_destroy(changer.compiled[i]);
	arq_generations_close(changer.generations);
	fixture_unload(&firewall);
}
