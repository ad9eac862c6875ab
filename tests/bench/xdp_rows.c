// SPDX-License-Identifier: BSD-2-Clause
#include "tests/bench/xdp_rows.h"

#include "progs/program.h"
#include "progs/redirect/services.h"
#include "tests/bench/xdp_packets.h"
#include "tests/bench/xdp_programs.h"
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

/* 4096 UDP datagrams, each from another address and port. */
enum packets {
	BENCH_OTHER_V4, /* to addresses and ports that are no service */
	BENCH_OTHER_V6,
	BENCH_LISTED_V4, /* the same, from the prefixes of the policy */
	BENCH_LISTED_V6,
	BENCH_SERVICE_V4, /* QUIC, to the service */
	BENCH_SERVICE_V6,
};

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
	struct bpf_object *object = bench_load_ours(id, options);

	int status = object ? make_service(object) : -EIO;
	return status ? status : bench_program(object, arq_program_function(id));
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
	int addresses = bench_load_filter("xdpfilt_alw_ip", PREFIXES);
	int all = bench_load_filter("xdpfilt_alw_all", PREFIXES);
	if (addresses >= 0)
		add_row(rows, &count, "xdp-filter, 1000 addresses, miss, IPv4", addresses,
			BENCH_OTHER_V4, XDP_PASS, 0);
	if (all >= 0)
		add_row(rows, &count, "xdp-filter, all features, miss, IPv4", all, BENCH_OTHER_V4,
			XDP_PASS, 0);
	if (addresses == -EIO || all == -EIO)
		return -EIO;
	return count;
}

void bench_rows_close(void)
{
	bench_programs_close();
	rules_destroy(ruleset);
	ruleset = NULL;
	if (xsk >= 0)
		close(xsk);
	xsk = -1;
}
