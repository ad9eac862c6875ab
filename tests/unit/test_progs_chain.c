// SPDX-License-Identifier: BSD-2-Clause
/*
 * Programs one after the other on the same packet: metadata handed on, rewritten packets, and the
 * bundle beside the three.
 *
 * Test runs of programs that share the metadata map stand for a chain: the kernel takes the frame's
 * buffer from a per-CPU free list, so a run mostly gets the buffer of the run before. Where it does
 * not, the identity differs, and the second program must parse; the tests tell the two apart.
 */
#include "progs/redirect/services.h"
#include "tests/unit/test_firewall_rules.h"
#include "tests/unit/test_progs_fixture.h"

#include <arquant/packet.h>
#include <arquant/tunables.h>
#include <bpf/bpf.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Runs until the buffer has been the same once; the kernel gives it back within a few. */
#define ATTEMPTS 1000

struct chain {
	char packet_pin[64];
	struct fixture firewall;
	struct fixture redirect;
	int xsk;
};

static void add_service(const struct fixture *fixture, const char *text)
{
	union arq_address address;
	struct arq_error error = {0};

	cr_assert_eq(arq_address_parse(&address, text), 0);
	cr_assert_eq(arq_service_add(fixture_map(fixture, ".bss.services"), &address, &error), 0);
}

static void enter_socket(const struct fixture *fixture, int xsk)
{
	uint32_t queue = 0;

	cr_assert_eq(bpf_map_update_elem(fixture_map(fixture, "xsks"), &queue, &xsk, BPF_ANY), 0);
}

/* Firewall and redirect with one metadata map, a socket, and a service on port 443. */
static void chain_load(struct chain *chain)
{
	const struct arq_program_options first = {.first = true};
	const struct arq_program_options second = {.first = false};

	snprintf(chain->packet_pin, sizeof(chain->packet_pin), "%s/packet", fixture_begin());
	fixture_load(&chain->firewall, ARQ_PROGRAM_FIREWALL, &first, NULL, chain->packet_pin);
	fixture_load(&chain->redirect, ARQ_PROGRAM_REDIRECT, &second, NULL, chain->packet_pin);
	chain->xsk = socket(AF_XDP, SOCK_RAW, 0);
	cr_assert_geq(chain->xsk, 0);
	enter_socket(&chain->redirect, chain->xsk);
	add_service(&chain->redirect, "0.0.0.0:443");
}

static void chain_unload(struct chain *chain)
{
	close(chain->xsk);
	fixture_unload(&chain->redirect);
	fixture_unload(&chain->firewall);
}

/*
 * Runs `before` through the firewall, then `after` (of the same length) through the redirect, until
 * both were in the same buffer. *reused says whether the redirect took over the metadata then.
 */
static uint32_t chain_run(const struct chain *chain, const struct frame *before,
			  const struct frame *after, bool *reused)
{
	cr_assert_eq(before->length, after->length);
	for (int i = 0; i < ATTEMPTS; i++) {
		cr_assert_eq(fixture_run(&chain->firewall, before->bytes, before->length, 1),
			     XDP_PASS);
		uint64_t data = chain->firewall.packet->data;
		uint64_t end = chain->firewall.packet->data_end;
		struct arq_counters old = fixture_counters(&chain->redirect);
		uint32_t action = fixture_run(&chain->redirect, after->bytes, after->length, 1);
		struct arq_counters now = fixture_counters(&chain->redirect);
		cr_assert_eq(now.reused + now.parsed, old.reused + old.parsed + 1);
		*reused = now.reused > old.reused;
		bool same = chain->redirect.packet->data == data &&
			    chain->redirect.packet->data_end == end;
		cr_assert(same || !*reused, "metadata of another buffer was taken over");
		if (same)
			return action;
	}
	cr_assert_fail("never the same buffer in %d runs", ATTEMPTS);
	return XDP_ABORTED;
}

Test(progs_chain, adjacent_programs_parse_once)
{
	struct chain chain;
	bool reused;

	chain_load(&chain);
	for (size_t i = 0; i < frame_case_count; i++) {
		const struct frame_case *c = &frame_cases[i];
		if (c->expected.flags & ARQ_PACKET_MALFORMED)
			continue;
		struct frame frame;
		frame_build(&frame, &c->spec);
		uint32_t action = chain_run(&chain, &frame, &frame, &reused);
		cr_assert(reused, "%s: parsed again", c->name);
		bool wanted = c->expected.protocol == IPPROTO_UDP &&
			      !(c->expected.flags & ARQ_PACKET_FRAGMENT);
		cr_assert_eq(action, (uint32_t)(wanted ? XDP_REDIRECT : XDP_PASS), "%s", c->name);
	}
	chain_unload(&chain);
}

Test(progs_chain, a_rewritten_port_decides)
{
	const struct frame_spec service = {.ip = 4, .protocol = 17, .port = 443};
	const struct frame_spec other = {.ip = 4, .protocol = 17, .port = 444};
	struct frame to_service;
	struct frame to_other;
	struct chain chain;
	bool reused;

	chain_load(&chain);
	frame_build(&to_service, &service);
	frame_build(&to_other, &other);
	cr_assert_eq(chain_run(&chain, &to_other, &to_service, &reused), XDP_REDIRECT);
	cr_assert(reused, "where things are has not changed");
	cr_assert_eq(chain_run(&chain, &to_service, &to_other, &reused), XDP_PASS);
	cr_assert(reused);
	chain_unload(&chain);
}

/* Whatever a foreign program turns a packet into, the redirect decides as on a fresh one. */
Test(progs_chain, rewritten_packets_are_seen_as_they_are)
{
	const struct arq_program_options options = {.first = true};
	uint64_t random = 20261121;
	struct fixture alone;
	struct chain chain;
	bool reused;
	int structural = 0;

	chain_load(&chain);
	fixture_load(&alone, ARQ_PROGRAM_REDIRECT, &options, NULL, NULL);
	enter_socket(&alone, chain.xsk);
	add_service(&alone, "0.0.0.0:443");
	for (int i = 0; i < 20000; i++) {
		const struct frame_case *c = &frame_cases[random_next(&random) % frame_case_count];
		if (c->expected.flags & ARQ_PACKET_MALFORMED)
			continue;
		struct frame before;
		frame_build(&before, &c->spec);
		struct frame after = before;
		size_t offset = 12 + random_next(&random) % (after.length - 12);
		/* Lengths in the headers are not looked at again: the socket's reader checks them.
		 */
		after.bytes[offset] = (uint8_t)random_next(&random);
		struct arq_packet seen = {0};
		reference_parse(&after, &seen);
		if (seen.flags & ARQ_PACKET_MALFORMED)
			continue;
		uint32_t action = chain_run(&chain, &before, &after, &reused);
		cr_assert_eq(action, fixture_run(&alone, after.bytes, after.length, 1),
			     "%s, byte %zu is %02x", c->name, offset, after.bytes[offset]);
		structural += !reused;
	}
	cr_assert_gt(structural, 100, "some rewritten packets had to be parsed again");
	fixture_unload(&alone);
	chain_unload(&chain);
}

Test(progs_chain, a_rewritten_structure_is_parsed_again)
{
	const struct frame_spec udp = {.ip = 4, .protocol = 17, .port = 443};
	struct frame before;
	struct frame after;
	struct chain chain;
	bool reused;

	chain_load(&chain);
	frame_build(&before, &udp);
	after = before;
	after.bytes[14 + 9] = IPPROTO_TCP;
	after.bytes[14 + 20 + 12] = 0x50;
	cr_assert_eq(chain_run(&chain, &before, &after, &reused), XDP_PASS);
	cr_assert_not(reused, "UDP became TCP");
	cr_assert_eq(chain_run(&chain, &after, &before, &reused), XDP_REDIRECT);
	cr_assert_not(reused, "TCP became UDP");
	after = before;
	after.bytes[14 + 6] = 0x20;
	cr_assert_eq(chain_run(&chain, &before, &after, &reused), XDP_PASS);
	cr_assert_not(reused, "it became a fragment");
	after = before;
	after.bytes[12] = 0x88;
	after.bytes[13] = 0xb5;
	cr_assert_eq(chain_run(&chain, &before, &after, &reused), XDP_PASS);
	cr_assert_not(reused, "it is no IP any more");
	chain_unload(&chain);
}

/* Another packet in the same buffer has the same identity: the first program must not be fooled. */
Test(progs_chain, the_first_program_trusts_nothing)
{
	const struct frame_spec plain = {.ip = 4, .protocol = 17, .port = 443};
	struct frame frame;
	struct chain chain;
	bool reused;

	chain_load(&chain);
	frame_build(&frame, &plain);
	chain.redirect.tunables->first = 1;
	for (int i = 0; i < 100; i++) {
		cr_assert_eq(chain_run(&chain, &frame, &frame, &reused), XDP_REDIRECT);
		cr_assert_not(reused);
	}
	cr_assert_eq(fixture_counters(&chain.redirect).reused, 0);
	chain.redirect.tunables->first = 0;
	cr_assert_eq(chain_run(&chain, &frame, &frame, &reused), XDP_REDIRECT);
	cr_assert(reused, "the flag works at once");
	chain_unload(&chain);
}

/*
 * Another tool takes the firewall out of the chain: the redirect is not the first for its loader,
 * but nobody writes metadata any more. What the firewall left serves one packet, not those that
 * follow.
 */
Test(progs_chain, metadata_is_taken_over_once)
{
	const struct frame_spec plain = {.ip = 4, .protocol = 17, .port = 443};
	struct frame frame;
	struct chain chain;
	bool reused;

	chain_load(&chain);
	frame_build(&frame, &plain);
	cr_assert_eq(chain_run(&chain, &frame, &frame, &reused), XDP_REDIRECT);
	cr_assert(reused);
	struct arq_counters before = fixture_counters(&chain.redirect);
	for (int i = 0; i < 200; i++)
		cr_assert_eq(fixture_run(&chain.redirect, frame.bytes, frame.length, 1),
			     XDP_REDIRECT);
	struct arq_counters after = fixture_counters(&chain.redirect);
	cr_assert_eq(after.reused, before.reused);
	cr_assert_eq(after.parsed, before.parsed + 200);
	chain_unload(&chain);
}

/* The same buffer, but the packet came in elsewhere. */
Test(progs_chain, identity_includes_interface_and_queue)
{
	const struct frame_spec plain = {.ip = 4, .protocol = 17, .port = 443};
	struct frame frame;
	struct chain chain;

	chain_load(&chain);
	frame_build(&frame, &plain);
	for (int i = 0; i < 200; i++) {
		fixture_run(&chain.firewall, frame.bytes, frame.length, 1);
		if (i % 2)
			chain.firewall.packet->ifindex++;
		else
			chain.firewall.packet->queue++;
		fixture_run(&chain.redirect, frame.bytes, frame.length, 1);
	}
	cr_assert_eq(fixture_counters(&chain.redirect).reused, 0);
	chain_unload(&chain);
}

/* Metadata that lies about offsets costs a parse, nothing else. */
Test(progs_chain, absurd_metadata_is_harmless)
{
	const struct frame_spec plain = {.ip = 4, .protocol = 17, .port = 443};
	uint64_t random = 99;
	struct frame frame;
	struct chain chain;

	chain_load(&chain);
	frame_build(&frame, &plain);
	for (int i = 0; i < 5000; i++) {
		fixture_run(&chain.firewall, frame.bytes, frame.length, 1);
		struct arq_packet *packet = chain.redirect.packet;
		packet->l3_offset = (uint16_t)random_next(&random);
		packet->l4_offset = (uint16_t)random_next(&random);
		packet->flags = (uint32_t)random_next(&random) & 0xfff;
		packet->protocol = (uint8_t)random_next(&random);
		uint32_t action = fixture_run(&chain.redirect, frame.bytes, frame.length, 1);
		cr_assert(action == XDP_PASS || action == XDP_REDIRECT, "%u", action);
	}
	chain_unload(&chain);
}

/* --- the bundle ------------------------------------------------------------------------------- */

/* The three programs, and the bundle of them. */
#define SUITE (ARQ_PROGRAM_BUNDLE + 1)

struct suite {
	struct fixture programs[SUITE];
	struct arq_counters_view *parts[SUITE]; /* of the bundle */
	struct arq_ruleset *ruleset;
	int xsk;
};

static struct arq_ruleset *some_rules(void)
{
	struct arq_ruleset *ruleset = rules_create();

	rules_add_from(ruleset, "upper half", ARQ_RULE_DROP,
		       (const char *const[]){"198.51.100.128/25", "2001:db8::80/121", NULL});
	return ruleset;
}

static void suite_load(struct suite *suite)
{
	static const char *const sections[] = {".bss.firewall", ".bss.sampler", ".bss.redirect"};
	struct arq_error error = {0};
	char packet_pin[64];

	snprintf(packet_pin, sizeof(packet_pin), "%s/packet", fixture_begin());
	suite->ruleset = some_rules();
	for (int id = 0; id < SUITE; id++) {
		/* The bundle has metadata of its own, to be compared. */
		const struct arq_program_options options = {
			.first = id != ARQ_PROGRAM_REDIRECT,
			.chain = 7,
			.ruleset = suite->ruleset,
			.sample_one_in = 1,
		};
		fixture_load(&suite->programs[id], (enum arq_program_id)id, &options, NULL,
			     id == ARQ_PROGRAM_BUNDLE ? NULL : packet_pin);
	}
	for (int id = 0; id < ARQ_PROGRAM_BUNDLE; id++)
		cr_assert_eq(arq_counters_open_map(fixture_map(&suite->programs[ARQ_PROGRAM_BUNDLE],
							       sections[id]),
						   (enum arq_program_id)id, &suite->parts[id],
						   &error),
			     0, "%s", error.text);
	suite->xsk = socket(AF_XDP, SOCK_RAW, 0);
	cr_assert_geq(suite->xsk, 0);
	for (int id = ARQ_PROGRAM_REDIRECT; id <= ARQ_PROGRAM_BUNDLE; id++) {
		enter_socket(&suite->programs[id], suite->xsk);
		add_service(&suite->programs[id], "0.0.0.0:443");
	}
}

static void suite_unload(struct suite *suite)
{
	for (int id = 0; id < SUITE; id++) {
		arq_counters_close(suite->parts[id]);
		fixture_unload(&suite->programs[id]);
	}
	rules_destroy(suite->ruleset);
	close(suite->xsk);
}

static uint32_t run_three(const struct suite *suite, const struct frame *frame)
{
	uint32_t action = XDP_PASS;

	for (int id = 0; id < ARQ_PROGRAM_BUNDLE && action == XDP_PASS; id++)
		action = fixture_run(&suite->programs[id], frame->bytes, frame->length, 1);
	return action;
}

static void compare_bundle(const struct suite *suite, const struct frame *frame, const char *name)
{
	const struct fixture *bundle = &suite->programs[ARQ_PROGRAM_BUNDLE];
	uint32_t three = run_three(suite, frame);
	uint32_t one = fixture_run(bundle, frame->bytes, frame->length, 1);
	struct arq_packet expected = *bundle->packet;

	cr_assert_eq(one, three, "%s: %u instead of %u", name, one, three);
	reference_parse(frame, &expected);
	cr_assert(packet_equal(&expected, bundle->packet), "%s: metadata", name);
	for (int id = 0; id < ARQ_PROGRAM_BUNDLE; id++) {
		struct arq_counters alone = fixture_counters(&suite->programs[id]);
		struct arq_counters part;
		arq_counters_read(suite->parts[id], &part);
		/* The bundle parses, its parts do not. Samples are lost as the rings fill up. */
		alone.parsed = alone.reused = 0;
		alone.sample_lost = part.sample_lost = 0;
		cr_assert_eq(memcmp(&alone, &part, sizeof(part)), 0, "%s: counters of %s", name,
			     arq_program_name((uint32_t)id));
	}
}

Test(progs_chain, the_bundle_does_what_the_three_do)
{
	uint64_t random = 5;
	struct suite suite = {0};
	struct frame frame;

	suite_load(&suite);
	for (size_t i = 0; i < frame_case_count; i++) {
		struct frame_spec spec = frame_cases[i].spec;
		for (uint32_t source = 100; source < 160; source += 20) {
			spec.source = source;
			frame_build(&frame, &spec);
			compare_bundle(&suite, &frame, frame_cases[i].name);
		}
	}
	for (int i = 0; i < 20000; i++) {
		frame_mutate(&frame, &random);
		compare_bundle(&suite, &frame, "mutated");
	}
	struct arq_counters own = fixture_counters(&suite.programs[ARQ_PROGRAM_BUNDLE]);
	cr_assert_eq(own.parsed, 20000 + 3 * frame_case_count);
	cr_assert_eq(own.actions[XDP_PASS] + own.actions[XDP_DROP] + own.actions[XDP_REDIRECT],
		     own.parsed);
	cr_assert_gt(own.actions[XDP_PASS], 0);
	cr_assert_gt(own.actions[XDP_DROP], 0);
	cr_assert_gt(own.actions[XDP_REDIRECT], 0);
	suite_unload(&suite);
}

Test(progs_chain, the_bundle_runs_the_parts_that_are_wanted)
{
	const struct arq_program_options options = {
		.first = true,
		.chain = ARQ_PROGRAM_BIT(ARQ_PROGRAM_REDIRECT),
		.sample_one_in = 1,
	};
	const struct frame_spec lie = {.ip = 4, .protocol = 17, .version = 5};
	const struct frame_spec good = {.ip = 4, .protocol = 17};
	struct fixture bundle;
	struct frame frame;

	fixture_begin();
	fixture_load(&bundle, ARQ_PROGRAM_BUNDLE, &options, NULL, NULL);
	add_service(&bundle, "0.0.0.0:443");
	frame_build(&frame, &lie);
	cr_assert_eq(fixture_run(&bundle, frame.bytes, frame.length, 1), XDP_PASS, "no firewall");
	int xsk = socket(AF_XDP, SOCK_RAW, 0);
	enter_socket(&bundle, xsk);
	frame_build(&frame, &good);
	cr_assert_eq(fixture_run(&bundle, frame.bytes, frame.length, 1), XDP_REDIRECT);
	cr_assert_eq(fixture_samples(&bundle, NULL, 0), 0, "no sampler");
	close(xsk);
	fixture_unload(&bundle);
}
