// SPDX-License-Identifier: BSD-2-Clause
/*
 * The program against the reference interpreter: random packets, random rule sets, which one
 * running program is given one after the other. Verdict, reason, the rule that decided, and at the
 * end of each rule set all counters must be the same.
 *
 * ARQ_TEST_RULE_SETS and ARQ_TEST_PACKETS (for each) ask for more than the default, and
 * ARQ_TEST_SEED for others. `tests/run --long firewall` does.
 */
#include "progs/firewall/compile.h"
#include "progs/firewall/generation.h"
#include "progs/firewall/reference.h"
#include "tests/unit/test_firewall_random.h"
#include "tests/unit/test_progs_fixture.h"

#include <criterion/criterion.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RULE_SETS 60
#define PACKETS   1000

/* One rule set in force, and what the program must have counted since it is. */
struct trial {
	struct fixture *firewall;
	struct arq_generations *generations;
	struct arq_ruleset ruleset;
	struct arq_compiled *compiled;
	bool pass_malformed;
	uint64_t seed;
	struct arq_rule_count before[ARQ_RULES_MAX + 1]; /* by number; 0: the default */
	struct arq_rule_count expected[ARQ_RULES_MAX + 1];
	struct arq_counters counters;
	uint64_t reasons[ARQ_REASON_MAX];
};

static unsigned long setting(const char *name, unsigned long otherwise)
{
	const char *text = getenv(name);

	return text ? strtoul(text, NULL, 0) : otherwise;
}

static uint32_t slot_of(const struct trial *trial, uint32_t rule)
{
	return rule ? trial->compiled->image->consequences[rule - 1].slot : ARQ_RULE_SLOT_DEFAULT;
}

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

static void begin(struct trial *trial, uint64_t *random)
{
	struct arq_error error = {0};

	random_ruleset(&trial->ruleset, choose_count(random), random);
	cr_assert_eq(arq_compile(&trial->ruleset, RANDOM_INTERFACE, &trial->compiled, &error), 0,
		     "%s", error.text);
	cr_assert_eq(arq_generation_prepare(trial->generations, trial->compiled, NULL, &error), 0,
		     "%s", error.text);
	arq_generation_commit(trial->generations, 0);
	cr_assert_eq(arq_generation_drop(trial->generations), 0);
	memset(trial->expected, 0, sizeof(trial->expected));
	memset(trial->reasons, 0, sizeof(trial->reasons));
	trial->counters = fixture_counters(trial->firewall);
	for (uint32_t rule = 0; rule <= trial->ruleset.rule_count; rule++) {
		uint32_t slot = slot_of(trial, rule);
		trial->before[rule] = arq_generations_count(trial->generations, slot);
		cr_assert(rule == 0 || slot == 0 || trial->before[rule].packets == 0,
			  "seed %lu: rule %u begins with the packets of another", trial->seed,
			  rule);
	}
}

static void expect(struct trial *trial, uint32_t rule, size_t length)
{
	trial->expected[rule].packets++;
	trial->expected[rule].bytes += length;
}

static void show(const struct frame *frame)
{
	for (size_t i = 0; i < frame->length; i++)
		fprintf(stderr, "%02x%s", frame->bytes[i], i % 32 == 31 ? "\n" : "");
	fputc('\n', stderr);
}

static void ask(struct trial *trial, const struct frame *frame)
{
	const struct arq_reference_question question = {
		.ruleset = &trial->ruleset,
		.interface = RANDOM_INTERFACE,
		.pass_malformed = trial->pass_malformed,
	};
	struct arq_reference_answer answer;

	arq_reference_decide(&question, frame->bytes, frame->length, &answer);
	uint32_t action = fixture_run(trial->firewall, frame->bytes, frame->length, 1);
	trial->reasons[answer.reason]++;
	bool agreed = action == (uint32_t)(answer.drop ? XDP_DROP : XDP_PASS);
	if (!answer.malformed) {
		expect(trial, answer.rule, frame->length);
		for (uint32_t rule = 0; answer.counted_by && rule < trial->ruleset.rule_count;
		     rule++) {
			if (answer.counted[rule / 64] >> rule % 64 & 1)
				expect(trial, rule + 1, frame->length);
		}
		struct arq_rule_count now =
			arq_generations_count(trial->generations, slot_of(trial, answer.rule));
		agreed &= now.packets - trial->before[answer.rule].packets ==
			  trial->expected[answer.rule].packets;
	}
	if (!agreed) {
		show(frame);
		cr_assert_fail("seed %lu: the program returned %u, the reference says %s by rule "
			       "%u of %u",
			       trial->seed, action, answer.drop ? "drop" : "pass", answer.rule,
			       trial->ruleset.rule_count);
	}
}

/* Everything that was counted, and nothing else. */
static void compare_counters(const struct trial *trial)
{
	struct arq_counters counters = fixture_counters(trial->firewall);

	for (uint32_t rule = 0; rule <= trial->ruleset.rule_count; rule++) {
		uint32_t slot = slot_of(trial, rule);
		struct arq_rule_count now = arq_generations_count(trial->generations, slot);
		if (rule && !slot) {
			cr_assert_eq(trial->expected[rule].packets, 0);
			continue;
		}
		cr_assert(now.packets - trial->before[rule].packets ==
					  trial->expected[rule].packets &&
				  now.bytes - trial->before[rule].bytes ==
					  trial->expected[rule].bytes,
			  "seed %lu: rule %u counted %llu packets instead of %llu", trial->seed,
			  rule, now.packets - trial->before[rule].packets,
			  trial->expected[rule].packets);
	}
	for (uint32_t reason = 1; reason < ARQ_REASON_MAX; reason++)
		cr_assert_eq(counters.reasons[reason] - trial->counters.reasons[reason],
			     trial->reasons[reason], "seed %lu: reason %s", trial->seed,
			     arq_reason_name(reason));
}

static void end(struct trial *trial)
{
	compare_counters(trial);
	arq_compiled_destroy(trial->compiled);
	arq_ruleset_clear(&trial->ruleset);
}

static void open_generations(struct trial *trial)
{
	struct arq_error error = {0};

	cr_assert_eq(arq_generations_open_object(arq_program_object(trial->firewall->program),
						 &trial->generations, &error),
		     0, "%s", error.text);
}

static void run(bool pass_malformed)
{
	const struct arq_program_options options = {.first = true,
						    .pass_malformed = pass_malformed};
	static struct trial trial;
	unsigned long sets = setting("ARQ_TEST_RULE_SETS", RULE_SETS) / 2;
	unsigned long packets = setting("ARQ_TEST_PACKETS", PACKETS);
	struct fixture firewall;
	uint64_t decided[2] = {0};

	fixture_begin();
	trial.firewall = &firewall;
	trial.pass_malformed = pass_malformed;
	fixture_load(&firewall, ARQ_PROGRAM_FIREWALL, &options, NULL, NULL);
	open_generations(&trial);
	for (unsigned long i = 0; i < sets; i++) {
		trial.seed = setting("ARQ_TEST_SEED", 1) * 1000000 + 2 * i + pass_malformed + 1;
		uint64_t random = trial.seed * 0x9e3779b97f4a7c15ULL;
		begin(&trial, &random);
		for (unsigned long j = 0; j < packets; j++) {
			struct frame frame;
			random_frame(&frame, &trial.ruleset, &random);
			ask(&trial, &frame);
		}
		decided[0] += trial.expected[0].packets;
		for (uint32_t rule = 1; rule <= trial.ruleset.rule_count; rule++)
			decided[1] += trial.expected[rule].packets;
		end(&trial);
	}
	cr_log_info("%lu rule sets, %lu packets each; rules matched %lu times, none %lu\n", sets,
		    packets, decided[1], decided[0]);
	/* Packets that no rule wants, or all by one, would show nothing. */
	cr_assert(sets < 20 ||
		  (decided[0] > sets * packets / 20 && decided[1] > sets * packets / 5));
	arq_generations_close(trial.generations);
	fixture_unload(&firewall);
}

Test(firewall_differential, agrees_with_the_reference, .timeout = 0)
{
	run(false);
}

Test(firewall_differential, agrees_when_malformed_packets_pass, .timeout = 0)
{
	run(true);
}
