// SPDX-License-Identifier: BSD-2-Clause
/*
 * Tables of prefixes against the plain meaning of them: the labels of all entries that cover an
 * address, entry by entry. Prefixes are random, nested, next to each other, of all lengths and in
 * any order; addresses are at their edges. What user space finds is found by the kernel, too.
 */
#include "progs/firewall/lookup.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define ENTRIES_MAX 600
#define LABELS      6
#define FRAME_BYTES 64

static uint64_t random_state;

static uint32_t random_next(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (uint32_t)(random_state >> 16);
}

/* --- plainly ---------------------------------------------------------------------------------- */

static bool bit_of(const uint8_t *address, unsigned int bit)
{
	return address[bit / 8] >> (7 - bit % 8) & 1;
}

static bool covers(const struct arq_prefix *prefix, const uint8_t *address)
{
	for (unsigned int bit = 0; bit < prefix->length; bit++) {
		if (bit_of(prefix->address, bit) != bit_of(address, bit))
			return false;
	}
	return true;
}

/* Bit i: label i. */
static uint32_t plain_labels(const struct arq_lookup_entry *entries, size_t count, int family,
			     const uint8_t *address, uint64_t now)
{
	uint32_t labels = 0;

	for (size_t i = 0; i < count; i++) {
		if (entries[i].prefix.family == family && covers(&entries[i].prefix, address) &&
		    (entries[i].expires == 0 || entries[i].expires > now))
			labels |= 1u << entries[i].label;
	}
	return labels;
}

static uint32_t class_labels(const struct arq_lookup *lookup, uint32_t class)
{
	const uint32_t *labels;
	uint32_t bits = 0;

	cr_assert_lt(class, arq_lookup_class_count(lookup));
	size_t count = arq_lookup_class_labels(lookup, class, &labels);
	for (size_t i = 0; i < count; i++) {
		cr_assert(i == 0 || labels[i - 1] < labels[i]);
		bits |= 1u << labels[i];
	}
	return bits;
}

/* --- random tables ---------------------------------------------------------------------------- */

static void mask(struct arq_prefix *prefix)
{
	for (unsigned int bit = prefix->length; bit < 128; bit++)
		prefix->address[bit / 8] &= (uint8_t) ~(0x80 >> bit % 8);
}

/* Of any length, or one that goes on from, or ends before, a former one. */
static void random_entry(struct arq_lookup_entry *entries, size_t at, int family)
{
	unsigned int width = family == AF_INET ? 32 : 128;
	struct arq_prefix *prefix = &entries[at].prefix;

	entries[at] = (struct arq_lookup_entry){.prefix.family = (uint8_t)family};
	for (unsigned int i = 0; i < width / 8; i++)
		prefix->address[i] = (uint8_t)random_next();
	prefix->length = (uint8_t)(random_next() % (width + 1));
	if (at > 0 && random_next() % 4) {
		const struct arq_prefix *model = &entries[random_next() % at].prefix;
		unsigned int same = random_next() % (model->length + 1u);
		for (unsigned int bit = 0; bit < same; bit++) {
			uint8_t one = (uint8_t)(0x80 >> bit % 8);
			prefix->address[bit / 8] &= (uint8_t)~one;
			prefix->address[bit / 8] |= model->address[bit / 8] & one;
		}
		if (random_next() % 2 && prefix->length < same)
			prefix->length = (uint8_t)same;
	}
	if (random_next() % 16 == 0)
		prefix->length = (uint8_t)(random_next() % 2 ? 0 : width);
	mask(prefix);
	entries[at].label = random_next() % LABELS;
	if (random_next() % 8 == 0)
		entries[at].expires = 1000 + random_next() % 3 * 1000;
	entries[at].counted = random_next() % 8 == 0;
}

/* The first or the last address of a prefix, the one before or behind it, or any other. */
static void random_address(uint8_t address[16], const struct arq_lookup_entry *entries,
			   size_t count, int family)
{
	unsigned int width = family == AF_INET ? 32 : 128;
	uint32_t kind = random_next() % 5;

	for (unsigned int i = 0; i < 16; i++)
		address[i] = (uint8_t)random_next();
	if (count == 0 || kind == 4)
		return;
	const struct arq_prefix *prefix = &entries[random_next() % count].prefix;
	for (unsigned int bit = 0; bit < width; bit++) {
		uint8_t one = (uint8_t)(0x80 >> bit % 8);
		bool set = bit < prefix->length ? bit_of(prefix->address, bit) : kind % 2;
		address[bit / 8] = (uint8_t)((address[bit / 8] & ~one) | (set ? one : 0));
	}
	if (kind < 2)
		return;
	/* One step on, over all bits, up or down. */
	for (unsigned int i = width / 8; i-- > 0;) {
		address[i] = (uint8_t)(address[i] + (kind == 3 ? 1 : -1));
		if (address[i] != (kind == 3 ? 0 : 0xff))
			break;
	}
}

static void check_address(const struct arq_lookup *lookup, const struct arq_lookup_entry *entries,
			  size_t count, int family, const uint8_t *address)
{
	static const uint64_t times[] = {1, 999, 1000, 2000, 2999, 5000};

	for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
		uint32_t class = arq_lookup_find(lookup, address, times[i]);
		cr_assert_eq(class_labels(lookup, class),
			     plain_labels(entries, count, family, address, times[i]),
			     "family %d, %zu entries, time %lu, address %02x%02x%02x%02x...",
			     family, count, (unsigned long)times[i], address[0], address[1],
			     address[2], address[3]);
	}
}

static void check_random(uint64_t seed, int family, size_t count)
{
	static struct arq_lookup_entry entries[ENTRIES_MAX];
	struct arq_error error = {0};
	struct arq_lookup *lookup;
	uint8_t address[16];

	random_state = seed * 2654435761u + 88172645463325252u;
	for (size_t i = 0; i < count; i++)
		random_entry(entries, i, family);
	cr_assert_eq(arq_lookup_build(family, entries, count, &lookup, &error), 0, "%s",
		     error.text);
	cr_assert_leq(arq_lookup_steps(lookup) + ARQ_LOOKUP_RECORDS_MAX, ARQ_LOOKUP_STEPS_MAX);
	for (int i = 0; i < 300; i++) {
		random_address(address, entries, count, family);
		check_address(lookup, entries, count, family, address);
	}
	arq_lookup_destroy(lookup);
}

Test(lookup, finds_what_random_prefixes_say_v4)
{
	for (uint64_t seed = 0; seed < 150; seed++)
		check_random(seed, AF_INET, seed * seed % ENTRIES_MAX);
}

Test(lookup, finds_what_random_prefixes_say_v6)
{
	for (uint64_t seed = 0; seed < 150; seed++)
		check_random(seed, AF_INET6, seed * seed % ENTRIES_MAX);
}

/* --- hostile ---------------------------------------------------------------------------------- */

/* All lengths around one address, and as many just beside the way: no way gets too long. */
static size_t nest(struct arq_lookup_entry *entries, uint8_t fill)
{
	size_t count = 0;

	for (unsigned int length = 0; length <= 128; length++) {
		for (int beside = 0; beside < (length ? 2 : 1); beside++) {
			struct arq_lookup_entry *entry = &entries[count++];
			*entry = (struct arq_lookup_entry){.label = length % LABELS};
			entry->prefix.family = AF_INET6;
			entry->prefix.length = (uint8_t)length;
			memset(entry->prefix.address, fill, 16);
			if (beside)
				entry->prefix.address[(length - 1) / 8] ^=
					(uint8_t)(0x80 >> (length - 1) % 8);
			mask(&entry->prefix);
		}
	}
	return count;
}

Test(lookup, takes_few_steps_through_all_lengths)
{
	static struct arq_lookup_entry entries[257 + 100000];
	struct arq_error error = {0};
	struct arq_lookup *lookup;
	uint8_t address[16];

	size_t count = nest(entries, 0x55);
	size_t all = sizeof(entries) / sizeof(entries[0]);
	/* Many others, so that the nested ones cannot afford wide nodes. */
	random_state = 1;
	for (size_t i = count; i < all; i++) {
		entries[i] = (struct arq_lookup_entry){.prefix.family = AF_INET6};
		entries[i].prefix.length = 128;
		for (unsigned int byte = 0; byte < 16; byte++)
			entries[i].prefix.address[byte] =
				byte < i % 15 ? 0x55 : (uint8_t)random_next();
	}
	cr_assert_eq(arq_lookup_build(AF_INET6, entries, all, &lookup, &error), 0, "%s",
		     error.text);
	cr_assert_leq(arq_lookup_steps(lookup) + ARQ_LOOKUP_RECORDS_MAX, ARQ_LOOKUP_STEPS_MAX);
	cr_assert_leq(arq_lookup_size(lookup), all * 300);
	for (int i = 0; i < 100; i++) {
		random_address(address, entries, count, AF_INET6);
		cr_assert_eq(class_labels(lookup, arq_lookup_find(lookup, address, 1)),
			     plain_labels(entries, all, AF_INET6, address, 1));
	}
	arq_lookup_destroy(lookup);
}

/* So many that the root is a wide one. */
Test(lookup, finds_what_very_many_prefixes_say)
{
	static struct arq_lookup_entry entries[50000];
	const size_t all = sizeof(entries) / sizeof(entries[0]);
	struct arq_error error = {0};
	struct arq_lookup *lookup;
	uint8_t address[16];

	random_state = 3;
	for (size_t i = 0; i < all; i++) {
		random_entry(entries, i, AF_INET);
		entries[i].counted = false;
		entries[i].expires = 0;
	}
	cr_assert_eq(arq_lookup_build(AF_INET, entries, all, &lookup, &error), 0, "%s", error.text);
	for (int i = 0; i < 500; i++) {
		random_address(address, entries, all, AF_INET);
		cr_assert_eq(class_labels(lookup, arq_lookup_find(lookup, address, 1)),
			     plain_labels(entries, all, AF_INET, address, 1));
	}
	arq_lookup_destroy(lookup);
}

Test(lookup, refuses_what_is_no_prefix)
{
	struct arq_lookup_entry entry = {.prefix = {.family = AF_INET, .length = 24}};
	struct arq_error error = {0};
	struct arq_lookup *lookup;

	entry.prefix.address[3] = 1;
	cr_assert_eq(arq_lookup_build(AF_INET, &entry, 1, &lookup, &error), -EINVAL);
	cr_assert(error.text[0]);
	cr_assert_null(lookup);
}

Test(lookup, refuses_more_expiry_than_a_packet_should_go_through)
{
	struct arq_lookup_entry entries[ARQ_LOOKUP_RECORDS_MAX + 1];
	struct arq_error error = {0};
	struct arq_lookup *lookup;

	for (uint32_t i = 0; i <= ARQ_LOOKUP_RECORDS_MAX; i++)
		entries[i] = (struct arq_lookup_entry){
			.prefix.family = AF_INET, .label = i, .expires = 1000 + i};
	cr_assert_eq(arq_lookup_build(AF_INET, entries, ARQ_LOOKUP_RECORDS_MAX, &lookup, &error),
		     0);
	cr_assert_eq(arq_lookup_class_count(lookup), ARQ_LOOKUP_RECORDS_MAX + 1);
	arq_lookup_destroy(lookup);
	cr_assert_eq(
		arq_lookup_build(AF_INET, entries, ARQ_LOOKUP_RECORDS_MAX + 1, &lookup, &error),
		-E2BIG);
}

/* --- in the kernel ---------------------------------------------------------------------------- */

struct kernel {
	struct bpf_object *object;
	int program, roots, nodes;
};

static void kernel_open(struct kernel *kernel)
{
	if (geteuid() != 0)
		cr_skip_test("needs root");
	kernel->object = bpf_object__open_file(ARQ_TEST_BPF "/test_progs_lookup.bpf.o", NULL);
	cr_assert_not_null(kernel->object);
	cr_assert_eq(bpf_object__load(kernel->object), 0);
	kernel->program =
		bpf_program__fd(bpf_object__find_program_by_name(kernel->object, "lookup_class"));
	kernel->roots = bpf_object__find_map_fd_by_name(kernel->object, "lookup_roots");
	kernel->nodes = bpf_object__find_map_fd_by_name(kernel->object, "lookup_nodes");
}

static uint32_t kernel_find(const struct kernel *kernel, int family, const uint8_t *address)
{
	uint8_t frame[FRAME_BYTES] = {
		[12] = family == AF_INET ? 0x08 : 0x86, [13] = family == AF_INET ? 0x00 : 0xdd};
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = frame, .data_size_in = sizeof(frame),
		    .repeat = 1);

	memcpy(frame + (family == AF_INET ? 26 : 22), address, family == AF_INET ? 4 : 16);
	cr_assert_eq(bpf_prog_test_run_opts(kernel->program, &options), 0);
	return options.retval;
}

static void check_kernel(const struct kernel *kernel, int family, uint64_t seed)
{
	static struct arq_lookup_entry entries[ENTRIES_MAX];
	uint32_t index =
		ARQ_LOOKUP_INDEX(0, family == AF_INET ? ARQ_LOOKUP_FROM_V4 : ARQ_LOOKUP_FROM_V6);
	struct arq_error error = {0};
	struct arq_lookup *lookup;
	uint8_t address[16];

	random_state = seed + 88172645463325252u;
	for (size_t i = 0; i < ENTRIES_MAX; i++) {
		random_entry(entries, i, family);
		/* Long past, or never: the kernel has its own idea of now. */
		if (entries[i].expires > 1000)
			entries[i].expires = UINT64_MAX - entries[i].expires;
	}
	cr_assert_eq(arq_lookup_build(family, entries, ENTRIES_MAX, &lookup, &error), 0, "%s",
		     error.text);
	cr_assert_eq(arq_lookup_install(lookup, kernel->roots, kernel->nodes, index, &error), 0,
		     "%s", error.text);
	for (int i = 0; i < 2000; i++) {
		random_address(address, entries, ENTRIES_MAX, family);
		cr_assert_eq(kernel_find(kernel, family, address),
			     arq_lookup_find(lookup, address, 5000));
	}
	cr_assert_eq(arq_lookup_remove(kernel->roots, kernel->nodes, index, &error), 0);
	cr_assert_eq(arq_lookup_remove(kernel->roots, kernel->nodes, index, &error), 0);
	cr_assert_eq(kernel_find(kernel, family, address), 0);
	arq_lookup_destroy(lookup);
}

Test(lookup, finds_the_same_in_the_kernel)
{
	struct kernel kernel;

	kernel_open(&kernel);
	for (uint64_t seed = 1; seed < 4; seed++) {
		check_kernel(&kernel, AF_INET, seed);
		check_kernel(&kernel, AF_INET6, seed);
	}
	bpf_object__close(kernel.object);
}

/* --- what is counted -------------------------------------------------------------------------- */

struct counts {
	uint64_t inner, outer;
	unsigned int seen;
};

static int add_counts(const struct arq_lookup_record *record, void *context)
{
	struct counts *counts = context;

	*(record->length == 24 ? &counts->outer : &counts->inner) += record->hits;
	counts->seen += record->last_seen > 0;
	return 0;
}

static struct counts counts_at(const struct kernel *kernel, uint32_t index)
{
	struct counts counts = {0};

	cr_assert_eq(
		arq_lookup_each_counted(kernel->roots, kernel->nodes, index, add_counts, &counts),
		0);
	return counts;
}

/* 198.51.100.0/24 with 198.51.100.128/25, both counted, and a prefix between them that is not. */
Test(lookup, counts_packets_of_the_longest_prefix_and_goes_on_in_the_next_table)
{
	static const uint8_t outer[4] = {198, 51, 100, 1}, between[4] = {198, 51, 100, 65};
	static const uint8_t inner[4] = {198, 51, 100, 129}, none[4] = {198, 51, 101, 1};
	struct arq_lookup_entry entries[] = {
		{.prefix = {AF_INET, 24, {198, 51, 100}}, .label = 1, .counted = true},
		{.prefix = {AF_INET, 25, {198, 51, 100, 128}}, .label = 1, .counted = true},
		{.prefix = {AF_INET, 26, {198, 51, 100, 64}}, .label = 2},
		{.prefix = {AF_INET, 8, {10}}, .label = 1},
	};
	const uint32_t old = ARQ_LOOKUP_INDEX(0, ARQ_LOOKUP_FROM_V4);
	struct arq_error error = {0};
	struct arq_lookup *lookup;
	struct kernel kernel;

	kernel_open(&kernel);
	cr_assert_eq(arq_lookup_build(AF_INET, entries, 3, &lookup, &error), 0);
	cr_assert_eq(arq_lookup_install(lookup, kernel.roots, kernel.nodes, old, &error), 0);
	cr_assert_eq(class_labels(lookup, kernel_find(&kernel, AF_INET, outer)), 1u << 1);
	cr_assert_eq(class_labels(lookup, kernel_find(&kernel, AF_INET, between)),
		     1u << 1 | 1u << 2);
	for (int i = 0; i < 3; i++)
		cr_assert_eq(class_labels(lookup, kernel_find(&kernel, AF_INET, inner)), 1u << 1);
	cr_assert_eq(kernel_find(&kernel, AF_INET, none), 0);
	struct counts counts = counts_at(&kernel, old);
	cr_assert_eq(counts.outer, 2);
	cr_assert_eq(counts.inner, 3);
	cr_assert_eq(counts.seen, 3);
	arq_lookup_destroy(lookup);

	entries[0].counted = false;
	cr_assert_eq(arq_lookup_build(AF_INET, entries, 4, &lookup, &error), 0);
	cr_assert_eq(arq_lookup_carry(lookup, kernel.roots, kernel.nodes, old), 0);
	cr_assert_eq(arq_lookup_install(lookup, kernel.roots, kernel.nodes, old, &error), 0);
	kernel_find(&kernel, AF_INET, inner);
	kernel_find(&kernel, AF_INET, outer);
	counts = counts_at(&kernel, old);
	cr_assert_eq(counts.outer, 0);
	cr_assert_eq(counts.inner, 4);
	cr_assert_eq(arq_lookup_carry(lookup, kernel.roots, kernel.nodes, old + 1), 0);
	arq_lookup_destroy(lookup);
	bpf_object__close(kernel.object);
}
