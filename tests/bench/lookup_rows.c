// SPDX-License-Identifier: BSD-2-Clause
/*
 * A deny set and nothing else: a program that looks up the source address. Half of the packets'
 * addresses are in the set; prefixes are random, of lengths 20 to 32 and 40 to 64. The kernel's own
 * structure for the same, an LPM trie, is beside it.
 */
#include "progs/firewall/lookup.h"
#include "tests/bench/xdp_packets.h"
#include "tests/bench/xdp_rows.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#define SIZES 3

static const struct size {
	size_t count;
	const char *name;
	double target_v4, target_v6; /* ns over bare */
} sizes[SIZES] = {
	{8000, "8 k prefixes", 20, 40},
	{100000, "100 k prefixes", 0, 0},
	{1000000, "1 M prefixes", 25, 60},
};

static struct bpf_object *objects[SIZES * 2];
static struct arq_prefix *prefixes[SIZES * 2]; /* IPv4 and IPv6 of each size */

static int complain(const char *what, int code)
{
	fprintf(stderr, "bench_lookup: %s\n", what);
	return code;
}

void bench_packets(struct bench_packet *packets, unsigned int kind)
{
	bool v4 = kind % 2 == 0;
	size_t count = sizes[kind / 2].count;
	uint32_t random = 20261121;

	memset(packets, 0, sizeof(*packets) * BENCH_PACKETS);
	for (size_t i = 0; i < BENCH_PACKETS; i++) {
		uint8_t *frame = packets[i].bytes;
		if (v4)
			bench_put_ipv4(frame, &random, false);
		else
			bench_put_ipv6(frame, &random, false);
		uint32_t which = bench_random(&random) % (uint32_t)count;
		if (i % 2 == 0)
			bench_put_prefix(frame + (v4 ? BENCH_FROM_V4 : BENCH_FROM_V6),
					 &prefixes[kind][which]);
	}
}

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

static double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static int install(struct bpf_object *object, const struct arq_lookup_entry *entries, size_t count,
		   bool v4)
{
	struct arq_error error = {0};
	struct arq_lookup *lookup;

	double begin = seconds();
	int status = arq_lookup_build(v4 ? AF_INET : AF_INET6, entries, count, &lookup, &error);
	if (status)
		return complain(error.text, status);
	double built = seconds();
	status = arq_lookup_install(
		lookup, bpf_object__find_map_fd_by_name(object, "lookup_roots"),
		bpf_object__find_map_fd_by_name(object, "lookup_nodes"),
		ARQ_LOOKUP_INDEX(0, v4 ? ARQ_LOOKUP_FROM_V4 : ARQ_LOOKUP_FROM_V6), &error);
	printf("%zu prefixes, IPv%d: %.1f MB, at most %u steps, built in %.3f s, installed in "
	       "%.3f s\n",
	       count, v4 ? 4 : 6, (double)arq_lookup_size(lookup) / 1e6, arq_lookup_steps(lookup),
	       built - begin, seconds() - built);
	arq_lookup_destroy(lookup);
	return status ? complain(error.text, status) : 0;
}

static int fill(struct bpf_object *object, unsigned int kind)
{
	size_t count = sizes[kind / 2].count;
	uint32_t random = 7 + kind;

	struct arq_lookup_entry *entries = calloc(count, sizeof(*entries));
	prefixes[kind] = calloc(count, sizeof(*prefixes[kind]));
	int status = entries && prefixes[kind] ? 0 : complain("no memory", -ENOMEM);
	for (size_t i = 0; i < count && status == 0; i++) {
		make_prefix(&entries[i].prefix, &random, kind % 2 == 0);
		prefixes[kind][i] = entries[i].prefix;
	}
	if (status == 0)
		status = install(object, entries, count, kind % 2 == 0);
	free(entries);
	return status;
}

static int open_row(struct bench_row *row, unsigned int kind)
{
	static char names[SIZES * 2][40];
	const struct size *size = &sizes[kind / 2];
	bool v4 = kind % 2 == 0;

	objects[kind] = bpf_object__open_file(ARQ_TEST_BPF "/test_progs_lookup.bpf.o", NULL);
	if (!objects[kind])
		return complain(ARQ_TEST_BPF "/test_progs_lookup.bpf.o", -errno);
	if (bpf_object__load(objects[kind]))
		return complain("cannot load the program", -errno);
	snprintf(names[kind], sizeof(names[kind]), "%s, IPv%d", size->name, v4 ? 4 : 6);
	*row = (struct bench_row){
		.name = names[kind],
		.program = bpf_program__fd(
			bpf_object__find_program_by_name(objects[kind], "lookup_drop")),
		.packets = kind,
		.action = XDP_DROP, /* of packet 0, which ends a run */
		.target = v4 ? size->target_v4 : size->target_v6,
	};
	return fill(objects[kind], kind);
}

int bench_rows_open(struct bench_row *rows, int pass)
{
	int status = 0;

	for (unsigned int kind = 0; kind < SIZES * 2 && status == 0; kind++)
		status = open_row(&rows[1 + kind], kind);
	rows[0] = (struct bench_row){"bare XDP_PASS", pass, 0, XDP_PASS, 0};
	printf("\n");
	return status ? status : 1 + SIZES * 2;
}

void bench_rows_close(void)
{
	for (size_t i = 0; i < SIZES * 2; i++) {
		bpf_object__close(objects[i]);
		free(prefixes[i]);
	}
}
