// SPDX-License-Identifier: BSD-2-Clause
/* Blocks for a time: what is dropped, until when, what survives, and what a flood cannot do. */
#include "progs/firewall/block.h"
#include "tests/unit/test_firewall_rules.h"
#include "tests/unit/test_progs_fixture.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MINUTE_NS 60000000000ull

static const struct arq_program_options first = {.first = true};

static struct arq_prefix prefix_of(const char *text)
{
	struct arq_error error = {0};
	struct arq_prefix prefix;

	cr_assert_eq(arq_prefix_parse(&prefix, text, &error), 0, "%s", error.text);
	return prefix;
}

static int block(struct arq_blocks *blocks, const char *text, uint64_t duration_ns)
{
	struct arq_error error = {0};
	struct arq_prefix prefix = prefix_of(text);

	int status = arq_block_add(blocks, &prefix, duration_ns, "a test", &error);
	cr_assert(status == 0 || error.text[0]);
	return status;
}

static int unblock(struct arq_blocks *blocks, const char *text)
{
	struct arq_error error = {0};
	struct arq_prefix prefix = prefix_of(text);

	return arq_block_remove(blocks, &prefix, &error);
}

static struct arq_blocks *blocks_of(const struct fixture *firewall)
{
	struct arq_error error = {0};
	struct arq_blocks *blocks;

	cr_assert_eq(arq_blocks_open_maps(fixture_map(firewall, "blocks_manual"),
					  fixture_map(firewall, "blocks"),
					  fixture_map(firewall, ".bss.blocks"), &blocks, &error),
		     0, "%s", error.text);
	return blocks;
}

/* The frames come from 198.51.100.N and 2001:db8::N. */
static uint32_t run_from(const struct fixture *firewall, uint8_t ip, uint32_t source)
{
	const struct frame_spec spec = {.ip = ip, .protocol = 17, .source = source};
	struct frame frame;

	frame_build(&frame, &spec);
	return fixture_run(firewall, frame.bytes, frame.length, 1);
}

struct found {
	unsigned int manual, automatic;
	struct arq_block_view last;
	char reason[ARQ_BLOCK_REASON_MAX];
};

static int count_one(const struct arq_block_view *view, void *context)
{
	struct found *found = context;

	found->manual += view->manual;
	found->automatic += !view->manual;
	found->last = *view;
	snprintf(found->reason, sizeof(found->reason), "%s", view->reason);
	return 0;
}

static struct found list(const struct arq_blocks *blocks)
{
	struct arq_error error = {0};
	struct found found = {0};

	cr_assert_eq(arq_blocks_each(blocks, count_one, &found, &error), 0, "%s", error.text);
	return found;
}

Test(progs_block, drops_prefixes_of_both_families_until_they_are_taken_back)
{
	struct fixture firewall;

	fixture_begin();
	fixture_load(&firewall, ARQ_PROGRAM_FIREWALL, &first, NULL, NULL);
	struct arq_blocks *blocks = blocks_of(&firewall);
	cr_assert_eq(run_from(&firewall, 4, 9), XDP_PASS);
	cr_assert_eq(block(blocks, "198.51.100.9", MINUTE_NS), 0);
	cr_assert_eq(block(blocks, "198.51.100.128/25", ARQ_BLOCK_FOREVER), 0);
	cr_assert_eq(block(blocks, "2001:db8::40/122", MINUTE_NS), 0);
	cr_assert_eq(run_from(&firewall, 4, 9), XDP_DROP);
	cr_assert_eq(run_from(&firewall, 4, 8), XDP_PASS);
	cr_assert_eq(run_from(&firewall, 4, 127), XDP_PASS);
	cr_assert_eq(run_from(&firewall, 4, 128), XDP_DROP);
	cr_assert_eq(run_from(&firewall, 6, 9), XDP_PASS);
	cr_assert_eq(run_from(&firewall, 6, 0x7f), XDP_DROP);
	cr_assert_eq(run_from(&firewall, 6, 0x80), XDP_PASS);
	cr_assert_eq(fixture_counters(&firewall).reasons[ARQ_REASON_BLOCKED], 3);
	cr_assert_eq(list(blocks).manual, 3);

	cr_assert_eq(unblock(blocks, "198.51.100.9"), 0);
	cr_assert_eq(unblock(blocks, "198.51.100.9"), -ENOENT);
	cr_assert_eq(unblock(blocks, "2001:db8::40/122"), 0);
	cr_assert_eq(run_from(&firewall, 4, 9), XDP_PASS);
	cr_assert_eq(run_from(&firewall, 6, 0x40), XDP_PASS);
	cr_assert_eq(run_from(&firewall, 4, 255), XDP_DROP);
	struct found found = list(blocks);
	cr_assert_eq(found.manual, 1);
	cr_assert_eq(found.last.prefix.length, 25);
	cr_assert_eq(found.last.blocked.hits, 2);
	cr_assert_eq(found.last.blocked.expires, ARQ_BLOCK_FOREVER);
	cr_assert_str_eq(found.reason, "a test");
	arq_blocks_close(blocks);
	fixture_unload(&firewall);
}

Test(progs_block, ends_by_itself)
{
	struct timespec now;
	struct fixture firewall;

	fixture_begin();
	fixture_load(&firewall, ARQ_PROGRAM_FIREWALL, &first, NULL, NULL);
	struct arq_blocks *blocks = blocks_of(&firewall);
	cr_assert_eq(block(blocks, "198.51.100.9", 100000000), 0);
	cr_assert_eq(run_from(&firewall, 4, 9), XDP_DROP);
	clock_gettime(CLOCK_MONOTONIC, &now);
	time_t end = now.tv_sec + 10;
	while (run_from(&firewall, 4, 9) != XDP_PASS && now.tv_sec < end)
		clock_gettime(CLOCK_MONOTONIC, &now);
	cr_assert_eq(run_from(&firewall, 4, 9), XDP_PASS);
	cr_assert_eq(list(blocks).manual, 0);
	/* Blocked anew, it is a new block. */
	cr_assert_eq(block(blocks, "198.51.100.9", MINUTE_NS), 0);
	cr_assert_eq(run_from(&firewall, 4, 9), XDP_DROP);
	cr_assert_eq(list(blocks).last.blocked.hits, 1);
	arq_blocks_close(blocks);
	fixture_unload(&firewall);
}

Test(progs_block, refuses_more_lengths_than_it_looks_for)
{
	char text[ARQ_PREFIX_TEXT_MAX];
	struct fixture firewall;

	fixture_begin();
	fixture_load(&firewall, ARQ_PROGRAM_FIREWALL, &first, NULL, NULL);
	struct arq_blocks *blocks = blocks_of(&firewall);
	for (int i = 0; i < ARQ_BLOCK_LENGTHS_MAX; i++) {
		snprintf(text, sizeof(text), "10.0.0.0/%d", 9 + i);
		cr_assert_eq(block(blocks, text, MINUTE_NS), 0);
	}
	cr_assert_eq(block(blocks, "198.51.100.9/32", MINUTE_NS), -E2BIG);
	cr_assert_eq(run_from(&firewall, 4, 9), XDP_PASS);
	cr_assert_eq(block(blocks, "2001:db8::9/128", MINUTE_NS), 0);
	cr_assert_eq(unblock(blocks, "10.0.0.0/12"), 0);
	cr_assert_eq(block(blocks, "198.51.100.9/32", MINUTE_NS), 0);
	cr_assert_eq(run_from(&firewall, 4, 9), XDP_DROP);
	arq_blocks_close(blocks);
	fixture_unload(&firewall);
}

/* Of IPv4: `count` lengths from a first one on. */
static int use_lengths(struct arq_blocks *blocks, uint32_t generation, uint32_t from,
		       uint32_t count)
{
	struct arq_error error = {0};
	bool wanted[2][129] = {{false}};

	for (uint32_t i = 0; i < count; i++)
		wanted[0][96 + from + i] = true;
	int status = arq_blocks_use_lengths(blocks, generation, wanted, &error);
	cr_assert(status == 0 || error.text[0]);
	return status;
}

Test(progs_block, keeps_lengths_for_rules_and_for_what_they_blocked)
{
	struct arq_ruleset *ruleset = rules_create();
	struct fixture firewall;

	struct arq_rule *rule = rules_add(ruleset, "all", ARQ_RULE_BLOCK);
	rule->block_ns = MINUTE_NS;
	rule->block_prefix_v4 = 24;
	const struct arq_program_options options = {.first = true, .ruleset = ruleset};
	fixture_begin();
	fixture_load(&firewall, ARQ_PROGRAM_FIREWALL, &options, NULL, NULL);
	struct arq_blocks *blocks = blocks_of(&firewall);
	cr_assert_eq(run_from(&firewall, 4, 9), XDP_DROP);
	cr_assert_eq(list(blocks).automatic, 1);
	cr_assert_eq(list(blocks).last.prefix.length, 24);

	/* No rule wants 24 any more, and something is blocked by it. */
	cr_assert_eq(use_lengths(blocks, 0, 1, 7), 0);
	cr_assert_eq(use_lengths(blocks, 1, 1, 7), 0);
	cr_assert_eq(use_lengths(blocks, 1, 1, 8), -E2BIG);
	cr_assert_eq(run_from(&firewall, 4, 10), XDP_DROP);
	cr_assert_eq(fixture_counters(&firewall).reasons[ARQ_REASON_BLOCKED], 1);
	cr_assert_eq(unblock(blocks, "198.51.100.0/24"), 0);
	cr_assert_eq(use_lengths(blocks, 1, 1, 8), 0, "now there is room");
	/* What the other generation wants stays. */
	cr_assert_eq(use_lengths(blocks, 1, 20, 2), -E2BIG);
	cr_assert_eq(use_lengths(blocks, 0, 20, 2), 0);
	cr_assert_eq(use_lengths(blocks, 1, 22, 6), 0);
	arq_blocks_close(blocks);
	fixture_unload(&firewall);
	rules_destroy(ruleset);
}

Test(progs_block, survives_the_program)
{
	char root[96], directory[96], packet_pin[96];
	struct arq_error error = {0};
	struct arq_blocks *blocks;
	struct fixture before, after;

	snprintf(root, sizeof(root), "%s/arquant", fixture_begin());
	snprintf(directory, sizeof(directory), "%.60s/4026531840-7", root);
	snprintf(packet_pin, sizeof(packet_pin), "%.60s/packet", root);
	cr_assert_eq(arq_blocks_open(directory, &blocks, &error), -ENOENT);
	cr_assert(error.text[0]);
	arq_error_clear(&error);
	fixture_load(&before, ARQ_PROGRAM_FIREWALL, &first, directory, packet_pin);
	cr_assert_eq(arq_program_commit(before.program, &error), 0, "%s", error.text);
	cr_assert_eq(arq_blocks_open(directory, &blocks, &error), 0, "%s", error.text);
	cr_assert_eq(block(blocks, "198.51.100.9", MINUTE_NS), 0);
	arq_blocks_close(blocks);
	fixture_load(&after, ARQ_PROGRAM_FIREWALL, &first, directory, packet_pin);
	cr_assert_eq(arq_program_commit(after.program, &error), 0, "%s", error.text);
	fixture_unload(&before);
	cr_assert_eq(run_from(&after, 4, 9), XDP_DROP);
	cr_assert_eq(arq_blocks_open(directory, &blocks, &error), 0, "%s", error.text);
	cr_assert_eq(unblock(blocks, "198.51.100.9"), 0);
	cr_assert_eq(run_from(&after, 4, 9), XDP_PASS);
	arq_blocks_close(blocks);
	fixture_unload(&after);
}

/* --- blocked by the program ------------------------------------------------------------------- */

static uint32_t run_ipv4(int program, uint32_t source)
{
	uint8_t frame[64] = {[12] = 0x08, [14] = 0x45};
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = frame, .data_size_in = sizeof(frame),
		    .repeat = 1);

	for (unsigned int i = 0; i < 4; i++)
		frame[26 + i] = (uint8_t)(source >> (24 - 8 * i));
	cr_assert_eq(bpf_prog_test_run_opts(program, &options), 0);
	return options.retval;
}

Test(progs_block, a_flood_drives_out_its_own_blocks_only)
{
	const uint32_t kept = 0xc6336409, flood = 0x0a000000;
	struct arq_error error = {0};
	struct arq_blocks *blocks;

	fixture_begin();
	struct bpf_object *object =
		bpf_object__open_file(ARQ_TEST_BPF "/test_progs_block.bpf.o", NULL);
	cr_assert_not_null(object);
	cr_assert_eq(bpf_object__load(object), 0);
	int program =
		bpf_program__fd(bpf_object__find_program_by_name(object, "block_every_source"));
	int state = bpf_object__find_map_fd_by_name(object, ".bss.blocks");
	cr_assert_eq(arq_blocks_open_maps(bpf_object__find_map_fd_by_name(object, "blocks_manual"),
					  bpf_object__find_map_fd_by_name(object, "blocks"), state,
					  &blocks, &error),
		     0, "%s", error.text);

	cr_assert_eq(block(blocks, "198.51.100.9", MINUTE_NS), 0);
	cr_assert_eq(run_ipv4(program, flood), XDP_PASS);
	cr_assert_eq(run_ipv4(program, flood), XDP_DROP, "blocked by its first packet");
	struct found found = list(blocks);
	cr_assert_eq(found.automatic, 1);
	cr_assert_eq(found.last.blocked.rule, 7);
	cr_assert_eq(unblock(blocks, "10.0.0.0"), 0);
	cr_assert_eq(run_ipv4(program, flood), XDP_PASS);

	for (uint32_t i = 0; i < 2 * ARQ_BLOCKS_AUTOMATIC_MAX; i++)
		run_ipv4(program, flood + i);
	found = list(blocks);
	cr_assert_leq(found.automatic, ARQ_BLOCKS_AUTOMATIC_MAX);
	cr_assert_gt(found.automatic, ARQ_BLOCKS_AUTOMATIC_MAX / 2);
	cr_assert_eq(found.manual, 1);
	cr_assert_eq(run_ipv4(program, kept), XDP_DROP);
	arq_blocks_close(blocks);
	bpf_object__close(object);
}
