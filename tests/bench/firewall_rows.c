// SPDX-License-Identifier: BSD-2-Clause
/*
 * What the firewall costs: a deny set alone, beside the kernel's LPM tries; the whole firewall with
 * a deny set; with 1 to 4096 rules, of which the last one matches, or none; and with all that a
 * QUIC server's host has, on the packets that it mostly gets. xdp-filter is beside it, which knows
 * whole addresses only.
 *
 * Every rule has a source prefix and a range of ports of its own, in the space that packets come
 * from and go to. The last one is for all ports and drops: so the action that is asked for shows
 * that it was found. "None" is the same rules with a last one for a port to which no packet goes.
 */
#include "progs/program.h"
#include "tests/bench/firewall_sets.h"
#include "tests/bench/xdp_packets.h"
#include "tests/bench/xdp_programs.h"
#include "tests/bench/xdp_rows.h"
#include "tests/unit/test_firewall_rules.h"
#include "userspace/common/config.h"

#include <errno.h>
#include <linux/bpf.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum packets {
	BENCH_SET_PACKETS, /* and as many as there are sets and families */
	BENCH_OTHER = BENCH_SET_PACKETS + 2 * BENCH_SETS, /* IPv4 to random ports */
	BENCH_QUIC, /* short headers to the QUIC port */
};

/* Ports of bench_put_ipv4(): from 1024 on, and no higher. */
#define PORT_LAST 31024
#define PORT_NONE 60000

static struct bench_row *next;

void bench_packets(struct bench_packet *packets, unsigned int kind)
{
	uint32_t random = 20261121;

	memset(packets, 0, sizeof(*packets) * BENCH_PACKETS);
	if (kind < BENCH_OTHER) {
		bench_sets_packets(packets, (enum bench_set)(kind / 2), kind % 2 == 0);
		return;
	}
	for (size_t i = 0; i < BENCH_PACKETS; i++)
		bench_put_ipv4(packets[i].bytes, &random, kind == BENCH_QUIC);
}

/* A program that could not be loaded has no row; its descriptor is the error then. */
static int add_row(const char *name, int program, unsigned int packets, uint32_t action,
		   double target)
{
	if (program < 0)
		return program;
	*next++ = (struct bench_row){name, program, packets, action, target};
	return 0;
}

static int load(const struct arq_ruleset *ruleset, const struct arq_guards *guards)
{
	const struct arq_program_options options = {
		.first = true, .ruleset = ruleset, .guards = guards};
	struct bpf_object *object = bench_load_ours(ARQ_PROGRAM_FIREWALL, &options);

	return object ? bench_program(object, arq_program_function(ARQ_PROGRAM_FIREWALL)) : -EIO;
}

/* --- deny sets -------------------------------------------------------------------------------- */

static int load_with_set(enum bench_set set)
{
	struct arq_ruleset *ruleset = rules_create();

	int code = bench_sets_add(ruleset, set);
	if (code == 0) {
		struct arq_rule *rule = rules_add(ruleset, "denied", ARQ_RULE_DROP);
		rule->from.sets = calloc(1, sizeof(*rule->from.sets));
		rule->from.set_count = rule->from.sets ? 1 : 0;
		code = load(ruleset, NULL);
	}
	rules_destroy(ruleset);
	return code;
}

static int add_set(enum bench_set set, const char *const names[6], double target_v4,
		   double target_v6)
{
	int ours = bench_sets_load_ours(set), tries = bench_sets_load_tries(set);
	int firewall = load_with_set(set);
	unsigned int v4 = BENCH_SET_PACKETS + 2 * set, v6 = v4 + 1;

	/* Packet 0, which ends a run, is from a listed prefix. */
	int code = add_row(names[0], ours, v4, XDP_DROP, target_v4);
	if (code == 0)
		code = add_row(names[1], tries, v4, XDP_DROP, 0);
	if (code == 0)
		code = add_row(names[2], ours, v6, XDP_DROP, target_v6);
	if (code == 0)
		code = add_row(names[3], tries, v6, XDP_DROP, 0);
	if (code == 0)
		code = add_row(names[4], firewall, v4, XDP_DROP, 0);
	return code ? code : add_row(names[5], firewall, v6, XDP_DROP, 0);
}

/* --- rules ------------------------------------------------------------------------------------ */

/* Adds `count` rules; see the top of this file. */
static void add_rules(struct arq_ruleset *ruleset, uint32_t count, uint16_t first_port,
		      uint16_t last_port, enum arq_rule_action last)
{
	uint32_t random = 11;
	char name[24];

	for (uint32_t i = 0; i + 1 < count; i++) {
		struct arq_prefix prefix = {.family = AF_INET};
		uint16_t port = (uint16_t)(1024 + bench_random(&random) % 30000);
		snprintf(name, sizeof(name), "rule-%u", i);
		struct arq_rule *rule = rules_add(ruleset, name, ARQ_RULE_PASS);
		prefix.length = (uint8_t)(12 + bench_random(&random) % 13);
		bench_put(prefix.address, bench_random(&random) & ~0u << (32 - prefix.length), 4);
		rules_match_prefix(&rule->from, &prefix);
		rules_match_ports(&rule->to_ports, 0, port, (uint16_t)(port + i % 100));
	}
	struct arq_rule *rule = rules_add(ruleset, "last", last);
	rules_match_ports(&rule->to_ports, IPPROTO_UDP, first_port, last_port);
}

static int load_rules(uint32_t count, bool match)
{
	struct arq_ruleset *ruleset = rules_create();

	add_rules(ruleset, count, match ? 1024 : PORT_NONE, match ? PORT_LAST + 100 : PORT_NONE,
		  ARQ_RULE_DROP);
	int program = load(ruleset, NULL);
	rules_destroy(ruleset);
	return program;
}

static int add_rule_rows(void)
{
	static const struct {
		uint32_t count;
		const char *last, *none;
		double target;
	} rows[] = {
		{1, "1 rule, it matches", "1 rule, no match", 0},
		{31, "31 rules, the last matches", "31 rules, no match", 0},
		{100, "100 rules, the last matches", "100 rules, no match", 0},
		{1000, "1000 rules, the last matches", "1000 rules, no match", 60},
		{4096, "4096 rules, the last matches", "4096 rules, no match", 120},
	};
	int code = 0;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]) && code == 0; i++) {
		code = add_row(rows[i].last, load_rules(rows[i].count, true), BENCH_OTHER, XDP_DROP,
			       rows[i].target);
		if (code == 0)
			code = add_row(rows[i].none, load_rules(rows[i].count, false), BENCH_OTHER,
				       XDP_PASS, rows[i].target);
	}
	return code;
}

/* --- the whole -------------------------------------------------------------------------------- */

static const char guarded[] = "firewall:\n"
			      "  fragments: packet-too-big\n"
			      "  ipv4_options: drop\n"
			      "  quic:\n"
			      "    ports: [443]\n"
			      "    initials: {rate: 50/s, per: source}\n"
			      "    unknown_versions: {rate: 100/s}\n";

/* 1000 rules: the first drops by a set, the last lets QUIC pass within a limit. */
static struct arq_ruleset *make_whole(enum arq_limit_per per)
{
	struct arq_ruleset *ruleset = rules_create();

	if (bench_sets_add(ruleset, BENCH_SET_8K))
		return ruleset;
	struct arq_rule *rule = rules_add(ruleset, "denied", ARQ_RULE_DROP);
	rule->from.sets = calloc(1, sizeof(*rule->from.sets));
	rule->from.set_count = rule->from.sets ? 1 : 0;
	add_rules(ruleset, 999, 443, 443, ARQ_RULE_PASS);
	ruleset->rules[ruleset->rule_count - 1].limit = (struct arq_rule_limit){
		/* More than any row takes. */
		.rate = 100000000, .period_ns = 1000000000, .burst = 1000000,
		.per = per,        .prefix_v4 = 32,         .prefix_v6 = 128,
	};
	return ruleset;
}

static int add_whole(void)
{
	struct arq_config *config = NULL;
	struct arq_error error = {0};

	int code = arq_config_parse("bench", guarded, strlen(guarded), &config, &error);
	if (code) {
		fprintf(stderr, "bench_firewall: %s\n", error.text);
		return code;
	}
	struct arq_ruleset *one = make_whole(ARQ_LIMIT_PER_RULE);
	struct arq_ruleset *each = make_whole(ARQ_LIMIT_PER_SOURCE);
	code = add_row("the whole: 1000 rules, 8 k prefixes, QUIC",
		       load(one, config->firewall.guards), BENCH_QUIC, XDP_PASS, 90);
	if (code == 0)
		code = add_row("the same, the limit for each of 4096 sources",
			       load(each, config->firewall.guards), BENCH_QUIC, XDP_PASS, 0);
	rules_destroy(one);
	rules_destroy(each);
	arq_config_destroy(config);
	return code;
}

/* --- all rows --------------------------------------------------------------------------------- */

static int add_peers(void)
{
	int addresses = bench_load_filter("xdpfilt_alw_ip", 8000);
	int all = bench_load_filter("xdpfilt_alw_all", 8000);

	int code = add_row("xdp-filter, 8 k addresses, no match, IPv4", addresses, BENCH_OTHER,
			   XDP_PASS, 0);
	if (code == 0 || code == -ENOENT)
		code = add_row("xdp-filter, all features, no match, IPv4", all, BENCH_OTHER,
			       XDP_PASS, 0);
	return code == -ENOENT ? 0 : code;
}

int bench_rows_open(struct bench_row *rows, int pass)
{
	static const char *const names_8k[6] = {
		"deny set, 8 k prefixes, IPv4",      "  the kernel's LPM trie",
		"deny set, 8 k prefixes, IPv6",      "  the kernel's LPM trie",
		"firewall with this deny set, IPv4", "firewall with this deny set, IPv6",
	};
	static const char *const names_1m[6] = {
		"deny set, 1 M prefixes, IPv4",      "  the kernel's LPM trie",
		"deny set, 1 M prefixes, IPv6",      "  the kernel's LPM trie",
		"firewall with this deny set, IPv4", "firewall with this deny set, IPv6",
	};

	next = rows;
	int code = bench_sets_make();
	if (code == 0)
		code = add_row("bare XDP_PASS", pass, BENCH_OTHER, XDP_PASS, 0);
	if (code == 0)
		code = add_set(BENCH_SET_8K, names_8k, 20, 40);
	if (code == 0)
		code = add_set(BENCH_SET_1M, names_1m, 25, 60);
	if (code == 0)
		code = add_rule_rows();
	if (code == 0)
		code = add_whole();
	if (code == 0)
		code = add_peers();
	printf("\n");
	return code ? code : (int)(next - rows);
}

void bench_rows_close(void)
{
	bench_programs_close();
	bench_sets_free();
}
