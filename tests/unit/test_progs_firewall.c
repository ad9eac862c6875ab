// SPDX-License-Identifier: BSD-2-Clause
/* The firewall's decisions by rules, its switches, and the samples of its drops. */
#include "tests/unit/test_firewall_rules.h"
#include "tests/unit/test_progs_fixture.h"

#include <bpf/bpf.h>
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

/* The frames come from 198.51.100.N and 2001:db8::N. */
static struct arq_ruleset *overlapping(void)
{
	struct arq_ruleset *ruleset = rules_create();

	rules_add_from(ruleset, "friends", ARQ_RULE_PASS,
		       (const char *const[]){"198.51.100.16/28", "2001:db8::10/124", NULL});
	rules_add_from(ruleset, "all", ARQ_RULE_DROP,
		       (const char *const[]){"198.51.100.0/25", "2001:db8::/121", NULL});
	/* Never decides: the wider rule before it does. */
	rules_add_from(ruleset, "late", ARQ_RULE_PASS,
		       (const char *const[]){"198.51.100.64", "2001:db8::40", NULL});
	rules_add_from(ruleset, "one", ARQ_RULE_DROP,
		       (const char *const[]){"198.51.100.200", "2001:db8::c8", NULL});
	return ruleset;
}

static uint32_t run_from(const struct fixture *firewall, uint8_t ip, uint32_t source)
{
	const struct frame_spec spec = {.ip = ip, .protocol = 17, .source = source};
	struct frame frame;

	frame_build(&frame, &spec);
	return fixture_run(firewall, frame.bytes, frame.length, 1);
}

Test(progs_firewall, decides_by_source)
{
	struct fixture firewall;

	fixture_begin();
	struct arq_ruleset *ruleset = overlapping();
	const struct arq_program_options options = {.first = true, .ruleset = ruleset};
	fixture_load(&firewall, ARQ_PROGRAM_FIREWALL, &options, NULL, NULL);
	uint64_t drops = 0;
	for (uint8_t ip = 4; ip <= 6; ip += 2) {
		for (uint32_t source = 0; source < 256; source++) {
			bool dropped = (source < 128 && source / 16 != 1) || source == 200;
			drops += dropped;
			cr_assert_eq(run_from(&firewall, ip, source),
				     (uint32_t)(dropped ? XDP_DROP : XDP_PASS), "IPv%u, host %u",
				     ip, source);
		}
	}
	struct arq_counters counters = fixture_counters(&firewall);
	cr_assert_eq(counters.reasons[ARQ_REASON_RULE], drops);
	cr_assert_eq(counters.actions[XDP_DROP], drops);
	cr_assert_eq(counters.actions[XDP_PASS], 512 - drops);
	cr_assert_eq(counters.sampled, 0);
	fixture_unload(&firewall);
	rules_destroy(ruleset);
}

/* A rule for one family leaves the other alone, and its table need not exist. */
Test(progs_firewall, decides_for_one_family)
{
	struct fixture firewall;

	fixture_begin();
	struct arq_ruleset *ruleset = rules_create();
	rules_add_from(ruleset, "six", ARQ_RULE_DROP, (const char *const[]){"::/0", NULL});
	const struct arq_program_options options = {.first = true, .ruleset = ruleset};
	fixture_load(&firewall, ARQ_PROGRAM_FIREWALL, &options, NULL, NULL);
	cr_assert_eq(run_from(&firewall, 4, 1), XDP_PASS);
	cr_assert_eq(run_from(&firewall, 6, 1), XDP_DROP);
	fixture_unload(&firewall);
	rules_destroy(ruleset);
}

/* More rules than one word of the bitmap has, and nothing of the packet that they ask for. */
Test(progs_firewall, decides_without_conditions)
{
	struct fixture firewall;
	char name[ARQ_RULE_NAME_MAX];

	fixture_begin();
	struct arq_ruleset *ruleset = rules_create();
	for (int i = 0; i < 100; i++) {
		snprintf(name, sizeof(name), "count-%d", i);
		rules_add(ruleset, name, ARQ_RULE_COUNT);
	}
	rules_add(ruleset, "all", ARQ_RULE_DROP);
	const struct arq_program_options options = {.first = true, .ruleset = ruleset};
	fixture_load(&firewall, ARQ_PROGRAM_FIREWALL, &options, NULL, NULL);
	cr_assert_eq(run_from(&firewall, 4, 1), XDP_DROP);
	cr_assert_eq(run_from(&firewall, 6, 1), XDP_DROP);
	struct arq_counters counters = fixture_counters(&firewall);
	cr_assert_eq(counters.reasons[ARQ_REASON_RULE], 2);
	fixture_unload(&firewall);
	rules_destroy(ruleset);
}

/* Fragments, tags, options and extension headers hide no source address. */
Test(progs_firewall, decides_for_every_form_of_packet)
{
	struct fixture firewall;

	fixture_begin();
	struct arq_ruleset *ruleset = rules_create();
	rules_add_from(ruleset, "everybody", ARQ_RULE_DROP,
		       (const char *const[]){"::/0", "0.0.0.0/0", NULL});
	const struct arq_program_options options = {.first = true, .ruleset = ruleset};
	fixture_load(&firewall, ARQ_PROGRAM_FIREWALL, &options, NULL, NULL);
	for (size_t i = 0; i < frame_case_count; i++) {
		struct frame frame;
		frame_build(&frame, &frame_cases[i].spec);
		bool ip = frame_cases[i].spec.ip != 0 ||
			  frame_cases[i].expected.flags & ARQ_PACKET_MALFORMED;
		cr_assert_eq(fixture_run(&firewall, frame.bytes, frame.length, 1),
			     (uint32_t)(ip ? XDP_DROP : XDP_PASS), "%s", frame_cases[i].name);
	}
	fixture_unload(&firewall);
	rules_destroy(ruleset);
}

Test(progs_firewall, can_let_malformed_packets_pass)
{
	struct fixture firewall;

	fixture_begin();
	struct arq_ruleset *ruleset = overlapping();
	const struct arq_program_options options = {
		.first = true, .pass_malformed = true, .ruleset = ruleset};
	fixture_load(&firewall, ARQ_PROGRAM_FIREWALL, &options, NULL, NULL);
	struct frame_spec spec = {.ip = 4, .protocol = 17, .ip_length = 1, .source = 255};
	struct frame frame;
	frame_build(&frame, &spec);
	cr_assert_eq(fixture_run(&firewall, frame.bytes, frame.length, 1), XDP_PASS);
	struct arq_counters counters = fixture_counters(&firewall);
	cr_assert_eq(counters.reasons[ARQ_REASON_IPV4_TOTAL_LENGTH], 1, "counted all the same");

	spec.source = 1;
	frame_build(&frame, &spec);
	cr_assert_eq(fixture_run(&firewall, frame.bytes, frame.length, 1), XDP_DROP,
		     "its source still counts");
	counters = fixture_counters(&firewall);
	cr_assert_eq(counters.reasons[ARQ_REASON_RULE], 1);
	fixture_unload(&firewall);
	rules_destroy(ruleset);
}

Test(progs_firewall, samples_what_it_drops)
{
	struct stored_sample samples[3];
	struct fixture firewall;

	fixture_begin();
	struct arq_ruleset *ruleset = overlapping();
	const struct arq_program_options options = {
		.first = true,
		.chain = ARQ_PROGRAM_BIT(ARQ_PROGRAM_FIREWALL) |
			 ARQ_PROGRAM_BIT(ARQ_PROGRAM_SAMPLER),
		.ruleset = ruleset,
		.sample_one_in = 1,
		.snaplen = 60,
	};
	fixture_load(&firewall, ARQ_PROGRAM_FIREWALL, &options, NULL, NULL);
	cr_assert_eq(run_from(&firewall, 4, 130), XDP_PASS);
	cr_assert_eq(run_from(&firewall, 4, 200), XDP_DROP);
	const struct frame_spec lie = {.ip = 4, .protocol = 17, .version = 5};
	struct frame frame;
	frame_build(&frame, &lie);
	cr_assert_eq(fixture_run(&firewall, frame.bytes, frame.length, 1), XDP_DROP);

	cr_assert_eq(fixture_samples(&firewall, samples, 3), 2, "what it passes is not its own");
	cr_assert_eq(samples[0].sample.program, ARQ_PROGRAM_FIREWALL);
	cr_assert_eq(samples[0].sample.verdict, XDP_DROP);
	cr_assert_eq(samples[0].sample.reason, ARQ_REASON_RULE);
	cr_assert_eq(samples[0].sample.rule, 4);
	cr_assert_eq(samples[0].sample.captured, 60);
	cr_assert_eq(samples[0].head[29], 200, "last byte of the source address");
	cr_assert_eq(samples[1].sample.reason, ARQ_REASON_IPV4_VERSION);
	cr_assert_eq(samples[1].sample.rule, 0);
	cr_assert_eq(samples[1].sample.sequence, 1);
	fixture_unload(&firewall);
	rules_destroy(ruleset);
}
