// SPDX-License-Identifier: BSD-2-Clause
/* Private copies of maps: what was in them comes along, and what is written stays apart. */
#include "progs/copies.h"
#include "tests/unit/test_progs_fixture.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* More than one system call copies. */
#define ELEMENTS 10000u

static struct arq_copies *copies;
static struct arq_program *example; /* has a map to name in messages, and one of maps */

static void setup(void)
{
	const struct arq_program_options options = {.first = true};
	struct arq_error error = {0};

	fixture_begin();
	copies = arq_copies_create();
	cr_assert_not_null(copies);
	cr_assert_eq(arq_program_open(ARQ_PROGRAM_SAMPLER, &options, NULL, NULL, &example, &error),
		     0, "%s", error.text);
}

static void cleanup(void)
{
	arq_copies_destroy(copies);
	arq_program_close(example);
}

TestSuite(progs_copies, .init = setup, .fini = cleanup);

static uint32_t id_of(int map)
{
	struct bpf_map_info info = {0};
	uint32_t size = sizeof(info);

	cr_assert_eq(bpf_map_get_info_by_fd(map, &info, &size), 0);
	return info.id;
}

static int copy_of(int map)
{
	struct arq_error error = {0};
	const struct bpf_map *like =
		bpf_object__find_map_by_name(arq_program_object(example), "readers");

	int copy = arq_copies_get(copies, id_of(map), like, &error);
	cr_assert_geq(copy, 0, "%s", error.text);
	return copy;
}

static int create(enum bpf_map_type type, uint32_t elements, uint32_t flags)
{
	LIBBPF_OPTS(bpf_map_create_opts, options, .map_flags = flags);

	int map = bpf_map_create(type, "test", sizeof(uint32_t), 12, elements, &options);
	cr_assert_geq(map, 0, "%s", strerror(-map));
	return map;
}

/* Values of all CPUs of a per-CPU map, each padded to 16 bytes. */
struct value {
	uint8_t bytes[16 * 1024];
};

static void fill(struct value *value, uint32_t key)
{
	for (size_t i = 0; i < sizeof(value->bytes); i++)
		value->bytes[i] = i % 16 < 12 ? (uint8_t)(key * 7 + i / 16) : 0;
}

static void check_type(enum bpf_map_type type, uint32_t elements, uint32_t flags, size_t bytes)
{
	static struct value value, expected;
	int map = create(type, elements + 1, flags);

	for (uint32_t key = 0; key < elements; key++) {
		fill(&value, key);
		cr_assert_eq(bpf_map_update_elem(map, &key, &value, BPF_ANY), 0);
	}
	int copy = copy_of(map);
	cr_assert_eq(copy_of(map), copy, "one copy of each");
	for (uint32_t key = 0; key < elements; key++) {
		fill(&expected, key);
		memset(&value, 0, sizeof(value));
		cr_assert_eq(bpf_map_lookup_elem(copy, &key, &value), 0, "type %u: key %u", type,
			     key);
		cr_assert_eq(memcmp(&value, &expected, bytes), 0, "type %u: key %u", type, key);
	}
	/* What is written to the copy stays there. */
	const uint32_t key = 1;
	memset(&value, 0xff, sizeof(value));
	cr_assert_eq(bpf_map_update_elem(copy, &key, &value, BPF_ANY), 0);
	fill(&expected, key);
	cr_assert_eq(bpf_map_lookup_elem(map, &key, &value), 0);
	cr_assert_eq(memcmp(&value, &expected, bytes), 0, "type %u: the live map changed", type);
	close(map);
}

Test(progs_copies, have_what_was_in_arrays_and_hashes)
{
	check_type(BPF_MAP_TYPE_ARRAY, ELEMENTS, 0, 12);
	check_type(BPF_MAP_TYPE_ARRAY, ELEMENTS, BPF_F_MMAPABLE, 12);
	check_type(BPF_MAP_TYPE_HASH, ELEMENTS, 0, 12);
	check_type(BPF_MAP_TYPE_HASH, ELEMENTS, BPF_F_NO_PREALLOC, 12);
	/* Not full: then an LRU map throws out what it likes. */
	check_type(BPF_MAP_TYPE_LRU_HASH, 64, 0, 12);
}

Test(progs_copies, have_the_values_of_every_cpu)
{
	size_t bytes = 16 * (size_t)libbpf_num_possible_cpus();

	cr_assert_leq(bytes, sizeof(struct value));
	check_type(BPF_MAP_TYPE_PERCPU_ARRAY, 300, 0, bytes);
	check_type(BPF_MAP_TYPE_PERCPU_HASH, 300, 0, bytes);
}

Test(progs_copies, share_what_programs_cannot_change)
{
	LIBBPF_OPTS(bpf_map_create_opts, options, .map_flags = BPF_F_NO_PREALLOC);
	int sockets = bpf_map_create(BPF_MAP_TYPE_XSKMAP, "test", 4, 4, 4, NULL);
	int trie = bpf_map_create(BPF_MAP_TYPE_LPM_TRIE, "test", 8, 4, 4, &options);

	cr_assert_eq(id_of(copy_of(sockets)), id_of(sockets));
	cr_assert_eq(id_of(copy_of(trie)), id_of(trie));
	close(sockets);
	close(trie);
}

/* A copy with somebody's ring in it would hand him samples of packets that never were. */
Test(progs_copies, have_no_readers)
{
	const uint32_t zero = 0;
	uint32_t inner;
	int readers =
		bpf_map__fd(bpf_object__find_map_by_name(arq_program_object(example), "readers"));
	int ring = bpf_map_create(BPF_MAP_TYPE_RINGBUF, "test", 0, 0, 1 << 16, NULL);

	cr_assert_eq(bpf_map_update_elem(readers, &zero, &ring, BPF_ANY), 0);
	int copy = copy_of(readers);
	cr_assert_neq(id_of(copy), id_of(readers));
	cr_assert_eq(bpf_map_lookup_elem(copy, &zero, &inner), -ENOENT);
	close(ring);
}

Test(progs_copies, refuse_kinds_that_they_do_not_know)
{
	struct arq_error error = {0};
	const struct bpf_map *like =
		bpf_object__find_map_by_name(arq_program_object(example), "readers");
	int queue = bpf_map_create(BPF_MAP_TYPE_QUEUE, "test", 0, 4, 4, NULL);

	cr_assert_eq(arq_copies_get(copies, id_of(queue), like, &error), -EOPNOTSUPP);
	cr_assert_not_null(strstr(error.text, "cannot copy the map"), "%s", error.text);
	close(queue);
}
