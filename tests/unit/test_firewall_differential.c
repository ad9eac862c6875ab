// SPDX-License-Identifier: BSD-2-Clause
/*
 * The program against the reference interpreter: random packets, random rule sets, which one
 * running program is given one after the other. Verdict, reason, the rule that decided, and at the
 * end of each rule set all counters must be the same. What packets before have done (blocks,
 * limits) a model keeps. Before a rule set comes into force it is evaluated in the shadow of the
 * one before, is on trial and taken back, or is on a trial that ends by itself.
 *
 * ARQ_TEST_RULE_SETS and ARQ_TEST_PACKETS (for each) ask for more than the default, and
 * ARQ_TEST_SEED for others. `tests/run --long firewall` does.
 */
#include "progs/firewall/compile.h"
#include "progs/firewall/generation.h"
#include "tests/unit/test_firewall_model.h"
#include "tests/unit/test_firewall_random.h"
#include "tests/unit/test_progs_fixture.h"

#include <bpf/bpf.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RULE_SETS     60
#define PACKETS       1000
#define TRIAL_PACKETS 300 /* at most, of a trial or a shadow */
#define HOUR_NS       (3600 * 1000000000ull)

/* Sources with limits of their own after which the program's are emptied: the kernel forgets some
 * when there are more than 64 Ki. */
#define SOURCES_MAX 20000

/* A rule set, and what the program must have counted since it is there. */
struct policy {
	struct arq_ruleset ruleset;
	struct arq_compiled *compiled; /* NULL: none */
	struct arq_rule_count before[ARQ_RULES_MAX + 1]; /* by number; 0: the default */
	struct arq_rule_count expected[ARQ_RULES_MAX + 1];
	struct model_limits limits;
};

struct shadowed {
	struct arq_shadow_key key;
	uint64_t packets;
};

struct test {
	struct fixture firewall;
	struct arq_generations *generations;
	struct arq_blocks *blocks;
	bool pass_malformed;
	uint64_t seed;
	struct policy policies[2];
	uint32_t now; /* which of them decides */
	struct model_blocks blocked;
	uint32_t sources; /* with limits of their own */
	struct arq_counters counters; /* at the beginning */
	uint64_t reasons[ARQ_REASON_MAX];
	bool in_shadow;
	struct shadowed shadow[TRIAL_PACKETS];
	uint32_t shadow_count;
	uint64_t decided[2]; /* by none, by rules */
	uint64_t limited, by_block, differed, taken_back;
};

static unsigned long setting(const char *name, unsigned long otherwise)
{
	const char *text = getenv(name);

	return text ? strtoul(text, NULL, 0) : otherwise;
}

static uint32_t slot_of(const struct policy *policy, uint32_t rule)
{
	return rule ? policy->compiled->image->consequences[rule - 1].slot : ARQ_RULE_SLOT_DEFAULT;
}

/* --- a packet --------------------------------------------------------------------------------- */

static void count(struct policy *policy, uint32_t rule, size_t length)
{
	policy->expected[rule].packets++;
	policy->expected[rule].bytes += length;
}

/* By the interpreter: what the rules of one of the two say. */
static void interpret(const struct test *test, uint32_t which, const struct frame *frame,
		      struct arq_reference_answer *answer)
{
	const struct arq_reference_question question = {
		.ruleset = &test->policies[which].ruleset,
		.interface = RANDOM_INTERFACE,
		.pass_malformed = test->pass_malformed,
	};

	arq_reference_decide(&question, frame->bytes, frame->length, answer);
}

static uint8_t action_of(const struct policy *policy, const struct arq_reference_answer *answer)
{
	if (answer->rule)
		return (uint8_t)policy->ruleset.rules[answer->rule - 1].action;
	return answer->reason == ARQ_REASON_DEFAULT ? ARQ_RULE_DROP : ARQ_RULE_PASS;
}

/* The other rule set is asked, too, while there is a shadow. */
static void expect_shadow(struct test *test, const struct frame *frame,
			  const struct arq_reference_answer *live)
{
	const struct policy *policy = &test->policies[test->now];
	const struct policy *other = &test->policies[test->now ^ 1];
	struct arq_reference_answer shadow;

	interpret(test, test->now ^ 1, frame, &shadow);
	const struct arq_shadow_key key = {
		.live = slot_of(policy, live->rule),
		.shadow = slot_of(other, shadow.rule),
		.live_action = action_of(policy, live),
		.shadow_action = action_of(other, &shadow),
	};
	if (key.live == key.shadow && key.live_action == key.shadow_action)
		return;
	test->differed++;
	for (uint32_t i = 0; i < test->shadow_count; i++) {
		if (memcmp(&test->shadow[i].key, &key, sizeof(key)) == 0) {
			test->shadow[i].packets++;
			return;
		}
	}
	test->shadow[test->shadow_count++] = (struct shadowed){key, 1};
}

/* What the rule that decides does beside passing or dropping the packet. */
static void follow(struct test *test, const struct model_source *source,
		   struct arq_reference_answer *answer)
{
	struct policy *policy = &test->policies[test->now];
	const struct arq_rule *rule = &policy->ruleset.rules[answer->rule - 1];

	if (rule->limit.rate && !model_take(&policy->limits, answer->rule, &rule->limit, source)) {
		answer->drop = true;
		answer->reason = ARQ_REASON_LIMIT;
		test->limited++;
	}
	if (rule->action == ARQ_RULE_BLOCK && source->family) {
		struct model_source prefix =
			model_prefix_of(source, rule->block_prefix_v4, rule->block_prefix_v6);
		model_block(&test->blocked, &prefix);
	}
}

/* What must become of the packet. */
static void expect(struct test *test, const struct frame *frame,
		   struct arq_reference_answer *answer)
{
	struct policy *policy = &test->policies[test->now];
	struct model_source source = model_source_of(frame->bytes, frame->length);

	interpret(test, test->now, frame, answer);
	if (answer->malformed)
		return;
	if (source.family && model_blocked(&test->blocked, &source)) {
		*answer = (struct arq_reference_answer){
			.drop = true, .malformed = true, .reason = ARQ_REASON_BLOCKED};
		test->by_block++;
		return;
	}
	if (test->in_shadow)
		expect_shadow(test, frame, answer);
	count(policy, answer->rule, frame->length);
	for (uint32_t rule = 0; answer->counted_by && rule < policy->ruleset.rule_count; rule++) {
		if (answer->counted[rule / 64] >> rule % 64 & 1)
			count(policy, rule + 1, frame->length);
	}
	if (answer->rule)
		follow(test, &source, answer);
}

static void show(const struct frame *frame)
{
	for (size_t i = 0; i < frame->length; i++)
		fprintf(stderr, "%02x%s", frame->bytes[i], i % 32 == 31 ? "\n" : "");
	fputc('\n', stderr);
}

static void ask(struct test *test, const struct frame *frame)
{
	const struct policy *policy = &test->policies[test->now];
	struct arq_reference_answer answer;

	expect(test, frame, &answer);
	uint32_t action = fixture_run(&test->firewall, frame->bytes, frame->length, 1);
	test->reasons[answer.reason]++;
	bool agreed = action == (uint32_t)(answer.drop ? XDP_DROP : XDP_PASS);
	if (!answer.malformed) {
		struct arq_rule_count now =
			arq_generations_count(test->generations, slot_of(policy, answer.rule));
		agreed &= now.packets - policy->before[answer.rule].packets ==
			  policy->expected[answer.rule].packets;
	}
	if (!agreed) {
		show(frame);
		cr_assert_fail("seed %lu: the program returned %u, the reference says %s (%s) by "
			       "rule %u of %u",
			       test->seed, action, answer.drop ? "drop" : "pass",
			       arq_reason_name(answer.reason), answer.rule,
			       policy->ruleset.rule_count);
	}
	if (test->blocked.count >= MODEL_BLOCKS_MAX / 2)
		model_unblock_all(&test->blocked, test->blocks);
}

static void ask_many(struct test *test, unsigned long packets, uint64_t *random)
{
	for (unsigned long i = 0; i < packets; i++) {
		struct frame frame;
		random_frame(&frame, &test->policies[test->now].ruleset, random);
		ask(test, &frame);
	}
}

/* --- a rule set ------------------------------------------------------------------------------- */

/* Mostly few rules, as they fit into one word; then several words, now and then all there may be.
 */
static uint32_t choose_count(uint64_t *random)
{
	static const uint32_t most[] = {4, 30, 64, 65, 200, 200, 700};
	uint32_t kind = random_below(random, 40);

	if (kind == 0)
		return ARQ_RULES_MAX - random_below(random, 2);
	return 1 + random_below(random, most[kind % 7]);
}

/* Makes the next rule set, beside the one that decides. */
static struct policy *prepare(struct test *test, uint64_t *random)
{
	struct policy *policy = &test->policies[test->now ^ 1];
	struct arq_error error = {0};

	random_ruleset(&policy->ruleset, choose_count(random), random);
	model_limits_begin(&policy->limits);
	cr_assert_eq(arq_compile(&policy->ruleset, RANDOM_INTERFACE, &policy->compiled, &error), 0,
		     "%s", error.text);
	cr_assert_eq(arq_generation_prepare(test->generations, policy->compiled, NULL, &error), 0,
		     "%s", error.text);
	memset(policy->expected, 0, sizeof(policy->expected));
	for (uint32_t rule = 0; rule <= policy->ruleset.rule_count; rule++) {
		uint32_t slot = slot_of(policy, rule);
		policy->before[rule] = arq_generations_count(test->generations, slot);
		cr_assert(slot == ARQ_RULE_SLOT_DEFAULT || policy->before[rule].packets == 0,
			  "seed %lu: rule %u begins with the packets of another", test->seed, rule);
	}
	return policy;
}

/* Everything that rules counted, and nothing else. The default's counter is that of both. */
static void compare_rules(const struct test *test, const struct policy *policy)
{
	for (uint32_t rule = 1; rule <= policy->ruleset.rule_count; rule++) {
		uint32_t slot = slot_of(policy, rule);
		struct arq_rule_count now = arq_generations_count(test->generations, slot);
		if (!slot) {
			cr_assert_eq(policy->expected[rule].packets, 0);
			continue;
		}
		cr_assert(now.packets - policy->before[rule].packets ==
					  policy->expected[rule].packets &&
				  now.bytes - policy->before[rule].bytes ==
					  policy->expected[rule].bytes,
			  "seed %lu: rule %u counted %llu packets instead of %llu", test->seed,
			  rule, now.packets - policy->before[rule].packets,
			  policy->expected[rule].packets);
	}
}

static void compare_reasons(const struct test *test)
{
	struct arq_counters counters = fixture_counters(&test->firewall);

	for (uint32_t reason = 1; reason < ARQ_REASON_MAX; reason++)
		cr_assert_eq(counters.reasons[reason] - test->counters.reasons[reason],
			     test->reasons[reason], "seed %lu: reason %s", test->seed,
			     arq_reason_name(reason));
}

/* Before many sources are remembered, they are forgotten: between two rule sets. */
static void forget_sources(struct test *test)
{
	int map = fixture_map(&test->firewall, "limit_sources");
	struct arq_limit_key key;

	if (test->sources < SOURCES_MAX)
		return;
	while (bpf_map_get_next_key(map, NULL, &key) == 0)
		cr_assert_eq(bpf_map_delete_elem(map, &key), 0);
	test->sources = 0;
}

static void retire(struct test *test, struct policy *policy)
{
	if (!policy->compiled)
		return;
	compare_rules(test, policy);
	test->decided[0] += policy->expected[0].packets;
	for (uint32_t rule = 1; rule <= policy->ruleset.rule_count; rule++)
		test->decided[1] += policy->expected[rule].packets;
	test->sources += policy->limits.used;
	model_limits_end(&policy->limits);
	arq_compiled_destroy(policy->compiled);
	policy->compiled = NULL;
	arq_ruleset_clear(&policy->ruleset);
}

/* --- trials and shadows ----------------------------------------------------------------------- */

/* The default is counted in one slot: what the others counted goes before this one's. */
static void switch_policy(struct test *test)
{
	struct policy *next = &test->policies[test->now ^ 1];

	test->now ^= 1;
	next->before[0] = arq_generations_count(test->generations, ARQ_RULE_SLOT_DEFAULT);
	next->before[0].packets -= next->expected[0].packets;
	next->before[0].bytes -= next->expected[0].bytes;
}

static void run_shadow(struct test *test, unsigned long packets, uint64_t *random)
{
	struct arq_shadow_key key = {0};
	uint64_t found = 0;
	uint32_t pairs = 0;

	test->in_shadow = true;
	test->shadow_count = 0;
	cr_assert_eq(arq_generation_shadow(test->generations, HOUR_NS), 0);
	ask_many(test, packets, random);
	test->in_shadow = false;
	while (arq_generation_shadow_next(test->generations, pairs == 0, &key, &found) == 1) {
		uint64_t expected = 0;
		for (uint32_t i = 0; i < test->shadow_count; i++) {
			if (memcmp(&test->shadow[i].key, &key, sizeof(key)) == 0)
				expected = test->shadow[i].packets;
		}
		cr_assert_eq(found, expected,
			     "seed %lu: slots %u and %u differ for %lu packets, "
			     "the reference says %lu",
			     test->seed, key.live, key.shadow, found, expected);
		pairs++;
	}
	cr_assert_eq(pairs, test->shadow_count, "seed %lu", test->seed);
	cr_assert_eq(arq_generation_shadow(test->generations, 0), 0);
}

/* The next one decides, until it is taken back. */
static void run_trial(struct test *test, unsigned long packets, uint64_t *random)
{
	arq_generation_commit(test->generations, HOUR_NS);
	switch_policy(test);
	ask_many(test, packets, random);
	cr_assert_eq(arq_generation_revert(test->generations), 0);
	switch_policy(test);
	ask_many(test, packets, random);
	test->taken_back++;
}

/* A trial that is over by the time of the first packet: the one before decides. */
static void run_trial_over(struct test *test, unsigned long packets, uint64_t *random)
{
	arq_generation_commit(test->generations, 1);
	while (arq_generations_trial_end(test->generations))
		;
	cr_assert_eq(arq_generation_confirm(test->generations), -ENOENT);
	ask_many(test, packets, random);
}

static void run_set(struct test *test, bool first, unsigned long packets, uint64_t *random)
{
	unsigned long few = packets < TRIAL_PACKETS ? packets : TRIAL_PACKETS;
	struct policy *before = &test->policies[test->now];

	prepare(test, random);
	switch (first ? 3 : random_below(random, 4)) {
	case 0:
		run_shadow(test, few, random);
		break;
	case 1:
		run_trial(test, few, random);
		break;
	case 2:
		run_trial_over(test, few, random);
		break;
	default:
		break;
	}
	arq_generation_commit(test->generations, 0);
	switch_policy(test);
	retire(test, before);
	cr_assert_eq(arq_generation_drop(test->generations), 0);
	ask_many(test, packets, random);
	compare_rules(test, &test->policies[test->now]);
	compare_reasons(test);
	model_unblock_all(&test->blocked, test->blocks);
	forget_sources(test);
}

/* --- the whole -------------------------------------------------------------------------------- */

static void begin(struct test *test, bool pass_malformed)
{
	const struct arq_program_options options = {.first = true,
						    .pass_malformed = pass_malformed};
	struct arq_error error = {0};

	fixture_begin();
	test->pass_malformed = pass_malformed;
	fixture_load(&test->firewall, ARQ_PROGRAM_FIREWALL, &options, NULL, NULL);
	test->counters = fixture_counters(&test->firewall);
	cr_assert_eq(arq_generations_open_object(arq_program_object(test->firewall.program),
						 &test->generations, &error),
		     0, "%s", error.text);
	cr_assert_eq(arq_blocks_open_maps(fixture_map(&test->firewall, "blocks_manual"),
					  fixture_map(&test->firewall, "blocks"),
					  fixture_map(&test->firewall, ".bss.blocks"),
					  &test->blocks, &error),
		     0, "%s", error.text);
}

/* Packets that no rule wants, or all by one, would show nothing; nor would what never happens. */
static void check_coverage(const struct test *test, unsigned long sets, unsigned long packets)
{
	cr_log_info("%lu rule sets, %lu packets each; rules matched %lu times, none %lu; beyond a "
		    "limit %lu, blocked %lu, shadow differed %lu, trials taken back %lu\n",
		    sets, packets, test->decided[1], test->decided[0], test->limited,
		    test->by_block, test->differed, test->taken_back);
	if (sets < 20)
		return;
	cr_assert_gt(test->decided[0], sets * packets / 20);
	cr_assert_gt(test->decided[1], sets * packets / 5);
	cr_assert_gt(test->limited, 0);
	cr_assert_gt(test->by_block, 0);
	cr_assert_gt(test->differed, 0);
	cr_assert_gt(test->taken_back, 0);
}

static void run(bool pass_malformed)
{
	static struct test test;
	unsigned long sets = setting("ARQ_TEST_RULE_SETS", RULE_SETS) / 2;
	unsigned long packets = setting("ARQ_TEST_PACKETS", PACKETS);

	begin(&test, pass_malformed);
	for (unsigned long i = 0; i < sets; i++) {
		test.seed = setting("ARQ_TEST_SEED", 1) * 1000000 + 2 * i + pass_malformed + 1;
		uint64_t random = test.seed * 0x9e3779b97f4a7c15ULL;
		run_set(&test, i == 0, packets, &random);
	}
	retire(&test, &test.policies[test.now]);
	check_coverage(&test, sets, packets);
	arq_blocks_close(test.blocks);
	arq_generations_close(test.generations);
	fixture_unload(&test.firewall);
}

Test(firewall_differential, agrees_with_the_reference, .timeout = 0)
{
	run(false);
}

Test(firewall_differential, agrees_when_malformed_packets_pass, .timeout = 0)
{
	run(true);
}
