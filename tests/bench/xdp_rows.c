// SPDX-License-Identifier: BSD-2-Clause
#include "tests/bench/xdp_rows.h"

#include "progs/program.h"
#include "progs/redirect/services.h"
#include "tests/bench/xdp_packets.h"
#include "tests/unit/test_firewall_rules.h"

#include <arquant/service.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PREFIXES 1000

/* Where Debian's libxdp puts the objects of xdp-tools. */
#define XDP_FILTER_DIRECTORY "/usr/lib/x86_64-linux-gnu/bpf/"

/* xdp-filter's flag of an entry that matches the source. */
#define XDP_FILTER_SOURCE 1

/* 4096 UDP datagrams, each from another address and port. */
enum packets {
	BENCH_OTHER_V4, /* to addresses and ports that are no service */
	BENCH_OTHER_V6,
	BENCH_LISTED_V4, /* the same, from the prefixes of the policy */
	BENCH_LISTED_V6,
	BENCH_SERVICE_V4, /* QUIC, to the service */
	BENCH_SERVICE_V6,
};

static struct arq_program *programs[BENCH_ROWS_MAX];
static struct bpf_object *foreign[BENCH_ROWS_MAX];
static struct arq_ruleset *many[2]; /* 1000 rules and 4096 */
static size_t program_count;
static size_t foreign_count;
static struct arq_ruleset *ruleset;
static struct arq_prefix listed_v4[PREFIXES];
static struct arq_prefix listed_v6[PREFIXES];
static int xsk = -1;

/* --- packets ---------------------------------------------------------------------------------- */

void bench_packets(struct bench_packet *packets, unsigned int kind)
{
	uint32_t random = 20261121;

	memset(packets, 0, sizeof(*packets) * BENCH_PACKETS);
	for (size_t i = 0; i < BENCH_PACKETS; i++) {
		uint8_t *frame = packets[i].bytes;
		bool service = kind == BENCH_SERVICE_V4 || kind == BENCH_SERVICE_V6;
		bool v4 = kind == BENCH_OTHER_V4 || kind == BENCH_SERVICE_V4 ||
			  kind == BENCH_LISTED_V4;
		if (v4)
			bench_put_ipv4(frame, &random, service);
		else
			bench_put_ipv6(frame, &random, service);
		if (kind == BENCH_LISTED_V4)
			bench_put_prefix(frame + BENCH_FROM_V4, &listed_v4[i % PREFIXES]);
		else if (kind == BENCH_LISTED_V6)
			bench_put_prefix(frame + BENCH_FROM_V6, &listed_v6[i % PREFIXES]);
	}
}

/* --- our programs ----------------------------------------------------------------------------- */

static int complain(const char *what, int code)
{
	fprintf(stderr, "bench_xdp: %s\n", what);
	return code;
}

/*
 * 1000 prefixes of each family, of lengths 20 to 32 and 40 to 64, in the space that packets come
 * from. They let pass, so that every packet passes whether it meets one or not.
 */
static void make_rules(void)
{
	uint32_t random = 7;

	ruleset = rules_create();
	struct arq_rule *rule = rules_add(ruleset, "list", ARQ_RULE_PASS);
	for (int i = 0; i < PREFIXES; i++) {
		struct arq_prefix v4 = {.family = AF_INET};
		struct arq_prefix v6 = {.family = AF_INET6};
		v4.length = (uint8_t)(20 + bench_random(&random) % 13);
		bench_put(v4.address, bench_random(&random) & ~0u << (32 - v4.length), 4);
		v6.length = (uint8_t)(40 + bench_random(&random) % 25);
		bench_put(v6.address, 0x20000000 | (bench_random(&random) & 0x1fffffff), 4);
		bench_put(v6.address + 4,
			  bench_random(&random) & (uint32_t)(~0ull << (64 - v6.length)), 4);
		rules_match_prefix(&rule->from, &v4);
		rules_match_prefix(&rule->from, &v6);
		listed_v4[i] = v4;
		listed_v6[i] = v6;
	}
}

/*
 * `count` rules, each for a source prefix and a range of ports of its own in the space that packets
 * come from and go to; the last one is for all.
 */
static struct arq_ruleset *make_many(uint32_t count)
{
	struct arq_ruleset *made = rules_create();
	uint32_t random = 11;
	char name[24];

	for (uint32_t i = 0; i + 1 < count; i++) {
		struct arq_prefix prefix = {.family = AF_INET};
		uint16_t port = (uint16_t)(1024 + bench_random(&random) % 30000);
		snprintf(name, sizeof(name), "rule-%u", i);
		struct arq_rule *rule = rules_add(made, name, ARQ_RULE_PASS);
		prefix.length = (uint8_t)(12 + bench_random(&random) % 13);
		bench_put(prefix.address, bench_random(&random) & ~0u << (32 - prefix.length), 4);
		rules_match_prefix(&rule->from, &prefix);
		rules_match_ports(&rule->to_ports, 0, port, (uint16_t)(port + i % 100));
	}
	rules_add(made, "rest", ARQ_RULE_PASS);
	return made;
}

/* A service on both families' addresses, with a socket on queue 0, where test runs come in. */
static int make_service(struct bpf_object *object)
{
	struct arq_error error = {0};
	union arq_address address;
	uint32_t queue = 0;

	int services = bpf_object__find_map_fd_by_name(object, ".bss.services");
	int xsks = bpf_object__find_map_fd_by_name(object, "xsks");
	if (services < 0 || xsks < 0)
		return 0;
	for (int i = 0; i < 2; i++) {
		arq_address_parse(&address, i ? "[2001:db8::1]:443" : "192.0.2.1:443");
		int status = arq_service_add(services, &address, &error);
		if (status)
			return complain(error.text, status);
	}
	if (bpf_map_update_elem(xsks, &queue, &xsk, BPF_ANY))
		return complain("cannot enter the AF_XDP socket", -errno);
	return 0;
}

/* Returns the descriptor of the loaded program, or a negative errno. */
static int load_ours(enum arq_program_id id, const struct arq_program_options *options)
{
	struct arq_error error = {0};
	struct arq_program *program;

	int status = arq_program_open(id, options, NULL, NULL, &program, &error);
	if (status)
		return complain(error.text, status);
	programs[program_count++] = program;
	struct bpf_object *object = arq_program_object(program);
	status = bpf_object__load(object);
	if (status)
		return complain("cannot load a program of ours", status);
	status = make_service(object);
	return status ? status
		      : bpf_program__fd(
				bpf_object__find_program_by_name(object, arq_program_function(id)));
}

/* --- xdp-filter ------------------------------------------------------------------------------- */

/* 1000 addresses in 127.0.0.0/8. */
static int fill_filter(struct bpf_object *object)
{
	int cpus = libbpf_num_possible_cpus();
	int map = bpf_object__find_map_fd_by_name(object, "filter_ipv4");

	if (map < 0 || cpus < 0)
		return 0;
	uint64_t *values = calloc((size_t)cpus, sizeof(*values));
	if (!values)
		return -ENOMEM;
	for (int cpu = 0; cpu < cpus; cpu++)
		values[cpu] = XDP_FILTER_SOURCE;
	int status = 0;
	for (uint32_t i = 0; i < PREFIXES && status == 0; i++) {
		uint8_t key[4];
		bench_put(key, 0x7f000000 | i * 7919, 4);
		status = bpf_map_update_elem(map, key, values, BPF_ANY);
	}
	free(values);
	return status;
}

/* Returns the descriptor, -ENOENT when the object is not installed, or another negative errno. */
static int load_filter(const char *name)
{
	char path[128];
	struct bpf_map *map;

	snprintf(path, sizeof(path), XDP_FILTER_DIRECTORY "%s.o", name);
	if (access(path, R_OK))
		return -ENOENT;
	struct bpf_object *object = bpf_object__open_file(path, NULL);
	if (!object)
		return complain(path, -errno);
	foreign[foreign_count++] = object;
	/* It would pin its maps, beside those of an xdp-filter that runs. */
	bpf_object__for_each_map(map, object) bpf_map__set_pin_path(map, NULL);
	struct bpf_program *program = bpf_object__next_program(object, NULL);
	bpf_program__set_flags(program, BPF_F_XDP_HAS_FRAGS);
	int status = bpf_object__load(object);
	if (status == 0)
		status = fill_filter(object);
	return status ? complain("cannot load xdp-filter's object", status)
		      : bpf_program__fd(program);
}

/* --- rows ------------------------------------------------------------------------------------- */

static void add_row(struct bench_row *rows, int *count, const char *name, int program,
		    enum packets packets, uint32_t action, double target)
{
	struct bench_row *row = &rows[(*count)++];

	*row = (struct bench_row){name, program, packets, action, target};
}

static int open_ours(struct bench_row *rows, int *count)
{
	const struct arq_program_options bare = {.first = true};
	const struct arq_program_options full = {.first = true, .chain = 7, .ruleset = ruleset};
	const struct arq_program_options sampled = {.first = true, .sample_one_in = 1000};
	many[0] = make_many(1000);
	many[1] = make_many(ARQ_RULES_MAX);
	const struct arq_program_options thousand = {.first = true, .ruleset = many[0]};
	const struct arq_program_options most = {.first = true, .ruleset = many[1]};
	int rules_1000 = load_ours(ARQ_PROGRAM_FIREWALL, &thousand);
	int rules_4096 = load_ours(ARQ_PROGRAM_FIREWALL, &most);
	int plain = load_ours(ARQ_PROGRAM_FIREWALL, &bare);
	int firewall = load_ours(ARQ_PROGRAM_FIREWALL, &full);
	int sampler = load_ours(ARQ_PROGRAM_SAMPLER, &bare);
	int sampling = load_ours(ARQ_PROGRAM_SAMPLER, &sampled);
	int redirect = load_ours(ARQ_PROGRAM_REDIRECT, &bare);
	int bundle = load_ours(ARQ_PROGRAM_BUNDLE, &full);

	if (plain < 0 || firewall < 0 || sampler < 0 || sampling < 0 || redirect < 0 || bundle < 0)
		return -EIO;
	add_row(rows, count, "firewall, no rules, IPv4", plain, BENCH_OTHER_V4, XDP_PASS, 0);
	add_row(rows, count, "firewall, 1000 prefixes, IPv4", firewall, BENCH_OTHER_V4, XDP_PASS,
		0);
	add_row(rows, count, "firewall, 1000 prefixes, IPv6", firewall, BENCH_OTHER_V6, XDP_PASS,
		0);
	add_row(rows, count, "firewall, from a listed prefix, IPv4", firewall, BENCH_LISTED_V4,
		XDP_PASS, 0);
	add_row(rows, count, "firewall, from a listed prefix, IPv6", firewall, BENCH_LISTED_V6,
		XDP_PASS, 0);
	if (rules_1000 < 0 || rules_4096 < 0)
		return -EIO;
	add_row(rows, count, "firewall, 1000 rules, the last matches", rules_1000, BENCH_OTHER_V4,
		XDP_PASS, 60);
	add_row(rows, count, "firewall, 4096 rules, the last matches", rules_4096, BENCH_OTHER_V4,
		XDP_PASS, 120);
	add_row(rows, count, "sampler, not sampling", sampler, BENCH_OTHER_V4, XDP_PASS, 4);
	add_row(rows, count, "sampler, 1 in 1000", sampling, BENCH_OTHER_V4, XDP_PASS, 0);
	add_row(rows, count, "redirect, service, IPv4", redirect, BENCH_SERVICE_V4, XDP_REDIRECT,
		25);
	add_row(rows, count, "redirect, service, IPv6", redirect, BENCH_SERVICE_V6, XDP_REDIRECT,
		25);
	add_row(rows, count, "redirect, other packet, IPv4", redirect, BENCH_OTHER_V4, XDP_PASS, 0);
	add_row(rows, count, "bundle, 1000 prefixes, passing, IPv4", bundle, BENCH_OTHER_V4,
		XDP_PASS, 100);
	add_row(rows, count, "bundle, 1000 prefixes, passing, IPv6", bundle, BENCH_OTHER_V6,
		XDP_PASS, 100);
	add_row(rows, count, "bundle, from a listed prefix, IPv4", bundle, BENCH_LISTED_V4,
		XDP_PASS, 0);
	add_row(rows, count, "bundle, 1000 prefixes, service, IPv4", bundle, BENCH_SERVICE_V4,
		XDP_REDIRECT, 0);
	return 0;
}

int bench_rows_open(struct bench_row *rows, int pass)
{
	int count = 0;

	xsk = socket(AF_XDP, SOCK_RAW, 0);
	if (xsk < 0)
		return complain("cannot make an AF_XDP socket; run as root", -errno);
	make_rules();
	add_row(rows, &count, "bare XDP_PASS", pass, BENCH_OTHER_V4, XDP_PASS, 0);
	int status = open_ours(rows, &count);
	if (status)
		return status;
	int addresses = load_filter("xdpfilt_alw_ip");
	int all = load_filter("xdpfilt_alw_all");
	if (addresses == -ENOENT || all == -ENOENT) {
		printf("xdp-filter's objects are not in " XDP_FILTER_DIRECTORY "; left out\n");
		return count;
	}
	if (addresses < 0 || all < 0)
		return -EIO;
	add_row(rows, &count, "xdp-filter, 1000 addresses, miss, IPv4", addresses, BENCH_OTHER_V4,
		XDP_PASS, 0);
	add_row(rows, &count, "xdp-filter, all features, miss, IPv4", all, BENCH_OTHER_V4, XDP_PASS,
		0);
	return count;
}

void bench_rows_close(void)
{
	while (program_count > 0)
		arq_program_close(programs[--program_count]);
	while (foreign_count > 0)
		bpf_object__close(foreign[--foreign_count]);
	rules_destroy(ruleset);
	for (int i = 0; i < 2; i++) {
		rules_destroy(many[i]);
		many[i] = NULL;
	}
	ruleset = NULL;
	if (xsk >= 0)
		close(xsk);
	xsk = -1;
}
