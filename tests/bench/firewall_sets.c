// SPDX-License-Identifier: BSD-2-Clause
#include "tests/bench/firewall_sets.h"

#include "progs/firewall/lookup.h"
#include "tests/bench/lpm.h"
#include "tests/bench/xdp_packets.h"
#include "tests/bench/xdp_programs.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

static const size_t sizes[BENCH_SETS] = {8000, BENCH_LPM_MAX};

static struct arq_prefix *prefixes[BENCH_SETS][2]; /* IPv4, IPv6 */

static int complain(const char *what, int code)
{
	fprintf(stderr, "bench_firewall: %s: %s\n", what, strerror(-code));
	return code;
}

static double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* --- prefixes --------------------------------------------------------------------------------- */

static void make_prefix(struct arq_prefix *prefix, uint32_t *random, bool v4)
{
	*prefix = (struct arq_prefix){.family = v4 ? AF_INET : AF_INET6};
	if (v4) {
		prefix->length = (uint8_t)(20 + bench_random(random) % 13);
		bench_put(prefix->address, bench_random(random) & ~0u << (32 - prefix->length), 4);
		return;
	}
	prefix->length = (uint8_t)(40 + bench_random(random) % 25);
	bench_put(prefix->address, 0x20000000 | (bench_random(random) & 0x1fffffff), 4);
	bench_put(prefix->address + 4,
		  bench_random(random) & (uint32_t)(~0ull << (64 - prefix->length)), 4);
}

int bench_sets_make(void)
{
	for (int set = 0; set < BENCH_SETS; set++) {
		for (int v6 = 0; v6 < 2; v6++) {
			uint32_t random = 7 + (uint32_t)(2 * set + v6);
			prefixes[set][v6] = calloc(sizes[set], sizeof(*prefixes[set][v6]));
			if (!prefixes[set][v6])
				return complain("no memory for the prefixes", -ENOMEM);
			for (size_t i = 0; i < sizes[set]; i++)
				make_prefix(&prefixes[set][v6][i], &random, !v6);
		}
	}
	return 0;
}

void bench_sets_free(void)
{
	for (int set = 0; set < BENCH_SETS; set++) {
		for (int v6 = 0; v6 < 2; v6++) {
			free(prefixes[set][v6]);
			prefixes[set][v6] = NULL;
		}
	}
}

/* --- our tables ------------------------------------------------------------------------------- */

static int install(const struct bpf_object *object, const struct arq_lookup_entry *entries,
		   size_t count, bool v4)
{
	struct arq_error error = {0};
	struct arq_lookup *lookup;

	double begin = seconds();
	int code = arq_lookup_build(v4 ? AF_INET : AF_INET6, entries, count, &lookup, &error);
	if (code)
		return complain(error.text, code);
	double built = seconds();
	code = arq_lookup_install(lookup, bpf_object__find_map_fd_by_name(object, "lookup_roots"),
				  bpf_object__find_map_fd_by_name(object, "lookup_nodes"),
				  ARQ_LOOKUP_INDEX(0, v4 ? ARQ_LOOKUP_FROM_V4 : ARQ_LOOKUP_FROM_V6),
				  &error);
	printf("%zu prefixes, IPv%d: %.1f MB, at most %u steps, built in %.3f s, installed in "
	       "%.3f s\n",
	       count, v4 ? 4 : 6, (double)arq_lookup_size(lookup) / 1e6, arq_lookup_steps(lookup),
	       built - begin, seconds() - built);
	arq_lookup_destroy(lookup);
	return code ? complain(error.text, code) : 0;
}

int bench_sets_load_ours(enum bench_set set)
{
	struct arq_lookup_entry *entries = calloc(sizes[set], sizeof(*entries));

	struct bpf_object *object = bench_load_object(ARQ_TEST_BPF "/test_progs_lookup.bpf.o");
	int code = entries && object ? 0 : -EIO;
	for (int v6 = 0; v6 < 2 && code == 0; v6++) {
		for (size_t i = 0; i < sizes[set]; i++)
			entries[i].prefix = prefixes[set][v6][i];
		code = install(object, entries, sizes[set], !v6);
	}
	free(entries);
	return code ? code : bench_program(object, "lookup_drop");
}

/* --- the kernel's tries ----------------------------------------------------------------------- */

int bench_sets_load_tries(enum bench_set set)
{
	struct bpf_object *object = bench_load_object(ARQ_TEST_BPF "/bench_lpm.bpf.o");
	const uint32_t listed = 1;
	int code = 0;

	if (!object)
		return -EIO;
	int map_v4 = bpf_object__find_map_fd_by_name(object, "trie_v4");
	int map_v6 = bpf_object__find_map_fd_by_name(object, "trie_v6");
	for (size_t i = 0; i < sizes[set] && code == 0; i++) {
		struct bench_lpm_v4 v4 = {.length = prefixes[set][0][i].length};
		struct bench_lpm_v6 v6 = {.length = prefixes[set][1][i].length};
		memcpy(&v4.address, prefixes[set][0][i].address, sizeof(v4.address));
		memcpy(v6.address, prefixes[set][1][i].address, sizeof(v6.address));
		code = bpf_map_update_elem(map_v4, &v4, &listed, BPF_ANY);
		if (code == 0)
			code = bpf_map_update_elem(map_v6, &v6, &listed, BPF_ANY);
	}
	return code ? complain("cannot fill the tries", code) : bench_program(object, "lpm_drop");
}

/* --- sets of rules, packets ------------------------------------------------------------------- */

int bench_sets_add(struct arq_ruleset *ruleset, enum bench_set set)
{
	struct arq_set *made = calloc(1, sizeof(*made));

	if (!made)
		return complain("no memory for a set", -ENOMEM);
	ruleset->sets = made;
	ruleset->set_count = 1;
	made->name = strdup("deny");
	made->tags = calloc(1, 1);
	made->tags_size = 1;
	made->entries = calloc(2 * sizes[set], sizeof(*made->entries));
	if (!made->name || !made->tags || !made->entries)
		return complain("no memory for a set", -ENOMEM);
	for (size_t i = 0; i < 2 * sizes[set]; i++)
		made->entries[made->count++].prefix = prefixes[set][i % 2][i / 2];
	return 0;
}

void bench_sets_packets(struct bench_packet *packets, enum bench_set set, bool v4)
{
	uint32_t random = 20261121;

	for (size_t i = 0; i < BENCH_PACKETS; i++) {
		uint8_t *frame = packets[i].bytes;
		if (v4)
			bench_put_ipv4(frame, &random, false);
		else
			bench_put_ipv6(frame, &random, false);
		uint32_t which = bench_random(&random) % (uint32_t)sizes[set];
		if (i % 2 == 0)
			bench_put_prefix(frame + (v4 ? BENCH_FROM_V4 : BENCH_FROM_V6),
					 &prefixes[set][!v4][which]);
	}
}
