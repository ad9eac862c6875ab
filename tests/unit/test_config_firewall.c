// SPDX-License-Identifier: BSD-2-Clause
/*
 * The firewall's rules in the configuration: what each field becomes, and a table of rules that
 * are refused, each with its place, its field and the way out.
 */
#include "userspace/common/config.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char directory[] = "/tmp/arquant-test-rules-XXXXXX";
static char path[sizeof(directory) + 16];

static void enter(void)
{
	cr_assert_not_null(mkdtemp(directory));
	snprintf(path, sizeof(path), "%s/a.yaml", directory);
}

static void leave(void)
{
	unlink(path);
	rmdir(directory);
}

TestSuite(config_firewall, .init = enter, .fini = leave);

#define HEAD                                                                        \
	"interfaces: [{name: eth0}, {name: eth1}]\n"                                \
	"firewall:\n"                                                               \
	"  sets:\n"                                                                 \
	"    - {name: file, file: list.txt}\n"                                      \
	"    - {name: four, elements: [192.0.2.0/24, 198.51.100.7], track: true}\n" \
	"    - {name: six, elements: '2001:db8::/32'}\n"                            \
	"  rules:\n"

static int load_text(const char *head, const char *rules, struct arq_config **config,
		     struct arq_error *error)
{
	FILE *file = fopen(path, "we");
	cr_assert_not_null(file);
	cr_assert_geq(fprintf(file, "%s%s", head, rules), 0);
	cr_assert_eq(fclose(file), 0);
	return arq_config_load(path, config, error);
}

static struct arq_config *load(const char *rules)
{
	struct arq_config *config = NULL;
	struct arq_error error = {0};

	cr_assert_eq(load_text(HEAD, rules, &config, &error), 0, "%s\n%s", error.text, rules);
	return config;
}

/* --- what is refused -------------------------------------------------------------------------- */

/* One rule of a list, in flow style on line 8 after "    - {name: r, action: drop, ". */
static const struct bad {
	const char *conditions;
	const char *place; /* "COLUMN: FIELD" below firewall.rules[0] */
	const char *words; /* somewhere after it */
} bad_rules[] = {
	{"from: \"@nobody\", action: drop", "23: firewall.rules[0].from[0]",
	 "there is no set 'nobody'"},
	{"from: \"@\", action: drop", "23: firewall.rules[0].from[0]", "there is no set ''"},
	{"from: 192.0.2.1/24, action: drop", "23: firewall.rules[0].from[0]",
	 "bits set past its length"},
	{"from: 192.0.2.0/33, action: drop", "23: firewall.rules[0].from[0]",
	 "the length of '192.0.2.0/33' is wrong"},
	{"from: \"2001:db8::/129\", action: drop", "23: firewall.rules[0].from[0]",
	 "write a number from 0 to 128"},
	{"from: [10.0.0.0/8, host], action: drop", "36: firewall.rules[0].from[1]",
	 "'host' is no prefix"},
	{"from: [10.0.0.0/8, 10.0.0.0/8], action: drop", "36: firewall.rules[0].from[1]",
	 "overlaps with '10.0.0.0/8'"},
	{"from: [\"@four\", \"@four\"], action: drop", "33: firewall.rules[0].from[1]",
	 "overlaps with '@four'"},
	{"from: [], action: drop", "23: firewall.rules[0].from", "empty list"},
	{"from: {a: b}, action: drop", "23: firewall.rules[0].from", "is a mapping"},
	{"from: \"@four\", to: \"@six\", action: drop", "36: firewall.rules[0].to",
	 "one is of IPv4, the other of IPv6"},
	{"from: 10.0.0.0/8, to: \"2001:db8::1\", action: drop", "39: firewall.rules[0].to",
	 "one is of IPv4, the other of IPv6"},
	{"from: \"@six\", icmp: 8, action: drop", "37: firewall.rules[0].icmp", "one is of IPv4"},
	{"to: \"@four\", icmp6: 128, action: drop", "37: firewall.rules[0].icmp6",
	 "one is of IPv4"},
	{"from: 10.0.0.0/8, not: {from: 10.1.0.0/16}, action: drop",
	 "47: firewall.rules[0].not.from", "make two rules"},
	{"not: {from: \"@nobody\"}, action: drop", "29: firewall.rules[0].not.from[0]",
	 "there is no set 'nobody'"},
	{"not: {colour: red}, action: drop", "23: firewall.rules[0].not.colour", "unknown key"},
	{"not: {interface: eth0}, action: drop", "23: firewall.rules[0].not.interface",
	 "unknown key"},
	{"proto: tpc, action: drop", "24: firewall.rules[0].proto[0]", "'tpc' is no protocol"},
	{"proto: 256, action: drop", "24: firewall.rules[0].proto[0]", "the most is 255"},
	{"proto: [tcp, 6], action: drop", "30: firewall.rules[0].proto[1]",
	 "'6' overlaps with 'tcp'"},
	{"proto: -1, action: drop", "24: firewall.rules[0].proto[0]", "'-1' is no protocol"},
	{"to_port: 65536, action: drop", "26: firewall.rules[0].to_port[0]", "the most is 65535"},
	{"to_port: tcp, action: drop", "26: firewall.rules[0].to_port[0]", "'tcp' is no port"},
	{"to_port: sctp/22, action: drop", "26: firewall.rules[0].to_port[0]",
	 "ports are not known"},
	{"to_port: tcp/, action: drop", "26: firewall.rules[0].to_port[0]", "is no port"},
	{"to_port: 2000-1000, action: drop", "26: firewall.rules[0].to_port[0]",
	 "ends before it begins"},
	{"to_port: 10-20-30, action: drop", "26: firewall.rules[0].to_port[0]", "is no port"},
	{"to_port: 022, action: drop", "26: firewall.rules[0].to_port[0]", "is no port"},
	{"to_port: [80, tcp/1-100], action: drop", "31: firewall.rules[0].to_port[1]",
	 "'tcp/1-100' overlaps with '80'"},
	{"from_port: [udp/53, tcp/53, 53], action: drop", "45: firewall.rules[0].from_port[2]",
	 "'53' overlaps with 'udp/53'"},
	{"proto: udp, to_port: tcp/22, action: drop", "38: firewall.rules[0].to_port",
	 "different protocols"},
	{"from_port: tcp/1, to_port: udp/1, action: drop", "44: firewall.rules[0].to_port",
	 "different protocols"},
	{"proto: icmp, icmp6: 128, action: drop", "37: firewall.rules[0].icmp6",
	 "different protocols"},
	{"icmp: 8, icmp6: 128, action: drop", "33: firewall.rules[0].icmp6", "different protocols"},
	{"not: {proto: [tcp, udp]}, to_port: 80, action: drop", "52: firewall.rules[0].to_port",
	 "different protocols"},
	{"tcp_flags: syn, proto: udp, action: drop", "28: firewall.rules[0].tcp_flags",
	 "different protocols"},
	{"to_port: tcp/443, quic: initial, action: drop", "41: firewall.rules[0].quic",
	 "different protocols"},
	{"icmp: echo, action: drop", "23: firewall.rules[0].icmp[0]", "'echo' is no ICMP type"},
	{"icmp: 256, action: drop", "23: firewall.rules[0].icmp[0]", "the most is 255"},
	{"icmp: 3/256, action: drop", "23: firewall.rules[0].icmp[0]",
	 "the most is 255 (ICMP code)"},
	{"icmp: 3/x, action: drop", "23: firewall.rules[0].icmp[0]", "'x' is no ICMP code"},
	{"icmp: [3, 3/4], action: drop", "27: firewall.rules[0].icmp[1]",
	 "'3/4' overlaps with '3'"},
	{"icmp6: packet-to-big, action: drop", "24: firewall.rules[0].icmp6[0]",
	 "'packet-to-big' is no ICMPv6 type"},
	{"tcp_flags: \"syn,!syn\", action: drop", "28: firewall.rules[0].tcp_flags",
	 "flag syn twice"},
	{"tcp_flags: \"syn,\", action: drop", "28: firewall.rules[0].tcp_flags",
	 "no list of TCP flags"},
	{"tcp_flags: \"syn/syn,ack\", action: drop", "28: firewall.rules[0].tcp_flags",
	 "no list of TCP flags"},
	{"tcp_flags: xmas, action: drop", "28: firewall.rules[0].tcp_flags",
	 "no list of TCP flags"},
	{"length: 65576, action: drop", "25: firewall.rules[0].length[0]", "the most is 65575"},
	{"length: 100-, action: drop", "25: firewall.rules[0].length[0]", "is no length"},
	{"ttl: 256, action: drop", "22: firewall.rules[0].ttl[0]", "the most is 255"},
	{"ttl: 5-1, action: drop", "22: firewall.rules[0].ttl[0]", "ends before it begins"},
	{"dscp: 64, action: drop", "23: firewall.rules[0].dscp[0]", "the most is 63"},
	{"dscp: af14, action: drop", "23: firewall.rules[0].dscp[0]", "'af14' is no DSCP"},
	{"vlan: 4096, action: drop", "23: firewall.rules[0].vlan[0]", "the most is 4095"},
	{"vlan: [1-100, 100], action: drop", "31: firewall.rules[0].vlan[1]",
	 "'100' overlaps with '1-100'"},
	{"fragment: last, action: drop", "27: firewall.rules[0].fragment",
	 "'last' is not known; write one of: none, first, later"},
	{"fragment: later, to_port: 80, action: drop", "27: firewall.rules[0].fragment",
	 "a later fragment has no ports"},
	{"interface: eth9, action: drop", "28: firewall.rules[0].interface[0]",
	 "'eth9' is not among the interfaces"},
	{"interface: a/b, action: drop", "28: firewall.rules[0].interface[0]",
	 "no interface's name"},
	{"interface: interface0123456, action: drop", "28: firewall.rules[0].interface",
	 "is 16 bytes long"},
	{"quic: 1-rtt, action: drop", "23: firewall.rules[0].quic", "'1-rtt' is not known"},
	{"quic_version: draft-29, action: drop", "31: firewall.rules[0].quic_version[0]",
	 "'draft-29' is no QUIC version"},
	{"quic_version: 0x100000000, action: drop", "31: firewall.rules[0].quic_version[0]",
	 "the most is 4294967295"},
	{"quic: short, quic_version: 1, action: drop", "23: firewall.rules[0].quic",
	 "short header has no version"},
	{"to_prot: 22, action: drop", "17: firewall.rules[0].to_prot",
	 "unknown key; known here: name, from, to, proto"},
	{"from: 10.0.0.0/8", "7: firewall.rules[0].action", "is missing; add it"},
	{"action: limit", "25: firewall.rules[0].action",
	 "'limit' is not known; write one of: pass, drop, count, block"},
	{"action: drop, action: pass", "31: firewall.rules[0].action", "is there twice"},
	{"action: block", "7: firewall.rules[0].block_for", "is missing; say for how long, 10m"},
	{"action: block, block_for: 10", "43: firewall.rules[0].block_for",
	 "'10' is no duration from 1s to 8760h"},
	{"action: block, block_for: 10ms", "43: firewall.rules[0].block_for",
	 "is no duration from 1s"},
	{"action: drop, block_for: 10m", "42: firewall.rules[0].block_for",
	 "goes with 'action: block' only"},
	{"action: drop, block_per: source", "42: firewall.rules[0].block_per",
	 "goes with 'action: block' only"},
	{"action: block, block_for: 10m, block_per: rule", "59: firewall.rules[0].block_per",
	 "'rule' is not known; write source"},
	{"action: block, block_for: 10m, block_per: source/33", "59: firewall.rules[0].block_per",
	 "the most is 32"},
	{"action: block, block_for: 10m, block_per: source/24/0", "59: firewall.rules[0].block_per",
	 "has no prefix length"},
	{"action: drop, limit: {rate: 1/s}", "38: firewall.rules[0].limit", "limits what passes"},
	{"action: count, limit: {rate: 1/s}", "39: firewall.rules[0].limit", "limits what passes"},
	{"action: pass, limit: {rate: 100}", "45: firewall.rules[0].limit.rate",
	 "'100' is no rate"},
	{"action: pass, limit: {rate: 0/s}", "45: firewall.rules[0].limit.rate",
	 "'0/s' is no rate"},
	{"action: pass, limit: {rate: 1/d}", "45: firewall.rules[0].limit.rate",
	 "'1/d' is no rate"},
	{"action: pass, limit: {rate: 2000000000/s}", "45: firewall.rules[0].limit.rate",
	 "is no rate"},
	{"action: pass, limit: {burst: 5}", "38: firewall.rules[0].limit.rate",
	 "is missing; add it"},
	{"action: pass, limit: {rate: 1/s, burst: 0}", "57: firewall.rules[0].limit.burst",
	 "from 1 to 1000000000"},
	{"action: pass, limit: {rate: 1/s, per: port}", "55: firewall.rules[0].limit.per",
	 "'port' is not known"},
	{"action: pass, limit: {rate: 1/s, per: source/33}", "55: firewall.rules[0].limit.per",
	 "the most is 32"},
	{"action: pass, limit: {rate: 1/s, per: source/0}", "55: firewall.rules[0].limit.per",
	 "none of them 0"},
	{"action: pass, limit: {rate: 1/s, per: source/24/}", "55: firewall.rules[0].limit.per",
	 "is no IPv6 prefix length"},
	{"action: pass, limit: 100/s", "38: firewall.rules[0].limit", "is a single value"},
	{"name: s, action: drop", "17: firewall.rules[0].name", "is there twice"},
};

Test(config_firewall, names_place_and_reason_of_bad_rules)
{
	for (size_t i = 0; i < sizeof(bad_rules) / sizeof(bad_rules[0]); i++) {
		const struct bad *bad = &bad_rules[i];
		struct arq_config *config = NULL;
		struct arq_error error = {0};
		char rule[512], place[256];

		snprintf(rule, sizeof(rule), "    - {name: r, %s}\n", bad->conditions);
		int code = load_text(HEAD, rule, &config, &error);
		cr_expect_eq(code, -EINVAL, "%s", rule);
		cr_expect_null(config);
		snprintf(place, sizeof(place), "%s:8:%s: ", path, bad->place);
		cr_expect_eq(strncmp(error.text, place, strlen(place)), 0, "%s\nnot at %s: %s",
			     rule, place, error.text);
		const char *words = strstr(error.text, bad->words);
		cr_expect_not_null(words, "%s\nwithout '%s': %s", rule, bad->words, error.text);
		cr_expect_not_null(strchr(error.text, ';'), "no way out: %s", error.text);
		cr_expect_null(strchr(error.text, '\n'));
	}
	cr_assert_geq(sizeof(bad_rules) / sizeof(bad_rules[0]), 40);
}

/* Values that a single rule cannot show. */
Test(config_firewall, refuses_what_is_wrong_between_rules)
{
	static const struct bad rules[] = {
		{"    - {name: a, action: drop}\n    - {name: a, action: pass}\n",
		 "9:14: firewall.rules[1].name: ", "firewall.rules[0] already"},
		{"    - {name: 'a b', action: drop}\n",
		 "8:14: firewall.rules[0].name: ", "is no name"},
		{"    - {name: a, from: !x 1.1.1.1, action: drop}\n", "8:23: yaml: ", "tag '!x'"},
	};
	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
		struct arq_config *config = NULL;
		struct arq_error error = {0};
		int code = load_text(HEAD, rules[i].conditions, &config, &error);
		cr_expect_eq(code, -EINVAL);
		cr_expect_not_null(strstr(error.text, rules[i].place), "%s", error.text);
		cr_expect_not_null(strstr(error.text, rules[i].words), "%s", error.text);
	}
}

Test(config_firewall, refuses_too_many)
{
	struct arq_config *config = NULL;
	struct arq_error error = {0};
	char *rules = NULL;
	size_t size = 0;

	FILE *out = open_memstream(&rules, &size);
	for (int i = 0; i < 4097; i++)
		fprintf(out, "    - {name: r%d, action: drop}\n", i);
	cr_assert_eq(fclose(out), 0);
	cr_expect_eq(load_text(HEAD, rules, &config, &error), -EINVAL);
	cr_expect_not_null(strstr(error.text, ":8:5: firewall.rules: has 4097 entries; the most is "
					      "4096"),
			   "%s", error.text);
	free(rules);

	out = open_memstream(&rules, &size);
	fputs("    - {name: r, action: drop, to_port: [", out);
	for (int i = 0; i < 257; i++)
		fprintf(out, "%d, ", i);
	fputs("]}\n", out);
	cr_assert_eq(fclose(out), 0);
	arq_error_clear(&error);
	cr_expect_eq(load_text(HEAD, rules, &config, &error), -EINVAL);
	cr_expect_not_null(strstr(error.text, "to_port: has 257 entries; the most is 256"), "%s",
			   error.text);
	free(rules);
}

Test(config_firewall, refuses_more_lengths_of_blocks_than_packets_are_held_against)
{
	struct arq_config *config = NULL;
	struct arq_error error = {0};
	char rules[1024] = "";

	for (int i = 0; i < 9; i++) {
		size_t used = strlen(rules);
		snprintf(rules + used, sizeof(rules) - used,
			 "    - {name: r%d, action: block, block_for: 1m, block_per: source/%d}\n",
			 i, 8 + i);
	}
	cr_expect_eq(load_text(HEAD, rules, &config, &error), -EINVAL);
	cr_expect_not_null(strstr(error.text, ":16:59: firewall.rules[8].block_per: "), "%s",
			   error.text);
	cr_expect_not_null(strstr(error.text, "ninth prefix length"), "%s", error.text);
	*strstr(rules, "    - {name: r8") = '\0';
	config = load(rules);
	arq_config_destroy(config);
}

/* --- what rules become ------------------------------------------------------------------------ */

static const struct arq_rule *only_rule(struct arq_config **config, const char *conditions)
{
	char text[512];

	snprintf(text, sizeof(text), "    - {name: r, %s}\n", conditions);
	*config = load(text);
	cr_assert_eq((*config)->firewall.ruleset.rule_count, 1);
	return &(*config)->firewall.ruleset.rules[0];
}

Test(config_firewall, reads_sets_and_addresses)
{
	struct arq_config *config;
	const struct arq_rule *rule = only_rule(
		&config, "from: ['@six', 203.0.113.0/24, '@file'], not: {to: '::1'}, action: drop");
	const struct arq_ruleset *ruleset = &config->firewall.ruleset;
	char text[ARQ_PREFIX_TEXT_MAX], expected[64];

	cr_assert_eq(ruleset->set_count, 3);
	snprintf(expected, sizeof(expected), "%s/list.txt", directory);
	cr_expect_str_eq(ruleset->sets[0].file, expected);
	cr_expect_eq(ruleset->sets[0].count, 0);
	cr_expect_eq(ruleset->sets[0].line, 4);
	cr_expect_str_eq(ruleset->sets[1].name, "four");
	cr_expect(ruleset->sets[1].track);
	cr_expect_null(ruleset->sets[1].file);
	cr_assert_eq(ruleset->sets[1].count, 2);
	cr_expect_str_eq(arq_prefix_format(&ruleset->sets[1].entries[1].prefix, text),
			 "198.51.100.7/32");
	cr_expect_str_eq(ruleset->sets[1].tags + ruleset->sets[1].entries[1].tag, "");
	cr_expect_not(ruleset->sets[2].track);
	cr_expect_eq(ruleset->default_action, ARQ_RULE_PASS);

	cr_expect_str_eq(rule->name, "r");
	cr_expect_eq(rule->line, 8);
	cr_assert_eq(rule->from.set_count, 2);
	cr_expect_eq(rule->from.sets[0], 2);
	cr_expect_eq(rule->from.sets[1], 0);
	cr_assert_eq(rule->from.prefix_count, 1);
	cr_expect_str_eq(arq_prefix_format(&rule->from.prefixes[0], text), "203.0.113.0/24");
	cr_expect_not(rule->from.negate);
	cr_assert_eq(rule->to.prefix_count, 1);
	cr_expect(rule->to.negate);
	cr_expect_eq(rule->action, ARQ_RULE_DROP);
	arq_config_destroy(config);
}

static void expect_range(const struct arq_match_ranges *ranges, uint32_t i, uint32_t low,
			 uint32_t high)
{
	cr_assert_gt(ranges->count, i);
	cr_expect_eq(ranges->items[i].low, low);
	cr_expect_eq(ranges->items[i].high, high);
}

Test(config_firewall, reads_ranges)
{
	struct arq_config *config;
	const struct arq_rule *rule = only_rule(
		&config, "proto: [tcp, 47, 100-110], length: 0-63, dscp: [ef, 8-15, 0], vlan: "
			 "[none, 7], not: {ttl: [0-5, 255]}, action: count");

	cr_expect_eq(rule->protocols.count, 3);
	expect_range(&rule->protocols, 0, IPPROTO_TCP, IPPROTO_TCP);
	expect_range(&rule->protocols, 1, 47, 47);
	expect_range(&rule->protocols, 2, 100, 110);
	expect_range(&rule->lengths, 0, 0, 63);
	expect_range(&rule->dscps, 0, 46, 46);
	expect_range(&rule->dscps, 1, 8, 15);
	expect_range(&rule->dscps, 2, 0, 0);
	expect_range(&rule->vlans, 0, ARQ_VLAN_NONE, ARQ_VLAN_NONE);
	expect_range(&rule->vlans, 1, 7, 7);
	cr_expect_not(rule->vlans.negate);
	expect_range(&rule->ttls, 0, 0, 5);
	expect_range(&rule->ttls, 1, 255, 255);
	cr_expect(rule->ttls.negate);
	cr_expect_eq(rule->action, ARQ_RULE_COUNT);
	arq_config_destroy(config);
}

Test(config_firewall, reads_ports_and_flags)
{
	struct arq_config *config;
	const struct arq_rule *rule =
		only_rule(&config, "to_port: [tcp/22, 1000-2000, udp/0], tcp_flags: \"syn,!ack\", "
				   "not: {from_port: 0}, fragment: [none, first], interface: eth1, "
				   "action: drop");

	cr_assert_eq(rule->to_ports.count, 3);
	cr_expect_eq(rule->to_ports.items[0].protocol, IPPROTO_TCP);
	cr_expect_eq(rule->to_ports.items[0].low, 22);
	cr_expect_eq(rule->to_ports.items[1].protocol, 0);
	cr_expect_eq(rule->to_ports.items[1].low, 1000);
	cr_expect_eq(rule->to_ports.items[1].high, 2000);
	cr_expect_eq(rule->to_ports.items[2].protocol, IPPROTO_UDP);
	cr_expect_eq(rule->to_ports.items[2].high, 0);
	cr_expect(rule->from_ports.negate);
	cr_expect_eq(rule->tcp_flags.mask, 0x12);
	cr_expect_eq(rule->tcp_flags.value, 0x02);
	cr_expect_not(rule->tcp_flags.negate);
	cr_expect_eq(rule->fragments, ARQ_FRAGMENT_NONE | ARQ_FRAGMENT_FIRST);
	cr_assert_eq(rule->interface_count, 1);
	cr_expect_str_eq(rule->interfaces[0], "eth1");
	arq_config_destroy(config);

	rule = only_rule(&config, "tcp_flags: none, action: drop");
	cr_expect_eq(rule->tcp_flags.mask, 0xff);
	cr_expect_eq(rule->tcp_flags.value, 0);
	arq_config_destroy(config);
}

Test(config_firewall, reads_icmp_and_quic)
{
	struct arq_config *config;
	const struct arq_rule *rule =
		only_rule(&config, "icmp: [echo-request, 3/4, destination-unreachable/6-15, 0/0], "
				   "action: pass");

	cr_assert_eq(rule->icmp.count, 4);
	cr_expect_eq(rule->icmp.items[0].type, 8);
	cr_expect_eq(rule->icmp.items[0].code_low, 0);
	cr_expect_eq(rule->icmp.items[0].code_high, 255);
	cr_expect_eq(rule->icmp.items[1].code_low, 4);
	cr_expect_eq(rule->icmp.items[1].code_high, 4);
	cr_expect_eq(rule->icmp.items[2].type, 3);
	cr_expect_eq(rule->icmp.items[2].code_high, 15);
	cr_expect_eq(rule->icmp.items[3].code_high, 0);
	arq_config_destroy(config);

	rule = only_rule(&config, "not: {icmp6: packet-too-big}, action: drop");
	cr_expect_eq(rule->icmp6.items[0].type, 2);
	cr_expect(rule->icmp6.negate);
	arq_config_destroy(config);

	rule = only_rule(&config, "quic: [initial, 0-rtt], quic_version: [1, 0x6b3343cf], action: "
				  "drop");
	cr_expect_eq(rule->quic_types, ARQ_QUIC_INITIAL | ARQ_QUIC_ZERO_RTT);
	expect_range(&rule->quic_versions, 1, 0x6b3343cf, 0x6b3343cf);
	arq_config_destroy(config);
}

Test(config_firewall, reads_actions)
{
	struct arq_config *config;
	const struct arq_rule *rule =
		only_rule(&config, "action: pass, limit: {rate: 30/m, per: source/24/56}");

	cr_expect_eq(rule->action, ARQ_RULE_PASS);
	cr_expect_eq(rule->limit.rate, 30);
	cr_expect_eq(rule->limit.period_ns, 60000000000);
	cr_expect_eq(rule->limit.burst, 30, "as many as in one period");
	cr_expect_eq(rule->limit.per, ARQ_LIMIT_PER_SOURCE);
	cr_expect_eq(rule->limit.prefix_v4, 24);
	cr_expect_eq(rule->limit.prefix_v6, 56);
	arq_config_destroy(config);

	rule = only_rule(&config, "action: pass, limit: {rate: 1/10s, burst: 5, per: source}");
	cr_expect_eq(rule->limit.period_ns, 10000000000);
	cr_expect_eq(rule->limit.burst, 5);
	cr_expect_eq(rule->limit.prefix_v4, 32);
	cr_expect_eq(rule->limit.prefix_v6, 128);
	arq_config_destroy(config);

	rule = only_rule(&config, "action: pass, limit: {rate: 1/s, per: source/16}");
	cr_expect_eq(rule->limit.prefix_v4, 16);
	cr_expect_eq(rule->limit.prefix_v6, 64);
	arq_config_destroy(config);

	rule = only_rule(&config, "action: block, block_for: 10m");
	cr_expect_eq(rule->action, ARQ_RULE_BLOCK);
	cr_expect_eq(rule->block_ns, 600000000000);
	cr_expect_eq(rule->block_prefix_v4, 32);
	cr_expect_eq(rule->block_prefix_v6, 128);
	cr_expect_eq(rule->limit.rate, 0);
	arq_config_destroy(config);

	rule = only_rule(&config, "action: block, block_for: 1h, block_per: source/24/56");
	cr_expect_eq(rule->block_prefix_v4, 24);
	cr_expect_eq(rule->block_prefix_v6, 56);
	cr_expect_eq(rule->limit.rate, 0);
	arq_config_destroy(config);
}

Test(config_firewall, reads_the_default)
{
	struct arq_config *config = NULL;
	struct arq_error error = {0};

	cr_assert_eq(load_text("firewall: {default: drop}\n", "", &config, &error), 0);
	cr_expect_eq(config->firewall.ruleset.default_action, ARQ_RULE_DROP);
	cr_expect_eq(config->firewall.ruleset.rule_count, 0);
	arq_config_destroy(config);
	cr_assert_eq(load_text("firewall: {}\n", "", &config, &error), 0);
	cr_expect_eq(config->firewall.ruleset.default_action, ARQ_RULE_PASS);
	arq_config_destroy(config);
}

Test(rate, reads_packets_and_time)
{
	static const struct {
		const char *text;
		int code;
		uint64_t packets, period_ns;
	} cases[] = {
		{"100/s", 0, 100, 1000000000},
		{"30/m", 0, 30, 60000000000},
		{"2/10s", 0, 2, 10000000000},
		{"1/500us", 0, 1, 500000},
		{"1000000000/s", 0, 1000000000, 1000000000},
		{"1000000001/s", -ERANGE, 0, 0},
		{"1/25h", -ERANGE, 0, 0},
		{"99999999999999999999/s", -ERANGE, 0, 0},
		{"0/s", -EINVAL, 0, 0},
		{"1/0s", -EINVAL, 0, 0},
		{"/s", -EINVAL, 0, 0},
		{"1", -EINVAL, 0, 0},
		{"1/", -EINVAL, 0, 0},
		{"1/d", -EINVAL, 0, 0},
		{"-1/s", -EINVAL, 0, 0},
		{"1 /s", -EINVAL, 0, 0},
		{"", -EINVAL, 0, 0},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint64_t packets = 0, period = 0;
		cr_expect_eq(arq_rate_parse(cases[i].text, &packets, &period), cases[i].code, "%s",
			     cases[i].text);
		if (cases[i].code == 0) {
			cr_expect_eq(packets, cases[i].packets, "%s", cases[i].text);
			cr_expect_eq(period, cases[i].period_ns, "%s", cases[i].text);
		}
	}
}

/* The fuzzer's seeds, and what it once found, every time. */
Test(config_firewall, takes_the_seeds_of_the_fuzzer)
{
	DIR *seeds = opendir(ARQ_TEST_SEEDS);
	unsigned int count = 0;

	cr_assert_not_null(seeds, "%s", ARQ_TEST_SEEDS);
	for (struct dirent *entry = readdir(seeds); entry; entry = readdir(seeds)) {
		char name[512];
		struct arq_config *config = NULL;
		struct arq_error error = {0};
		if (entry->d_name[0] == '.')
			continue;
		snprintf(name, sizeof(name), "%s/%s", ARQ_TEST_SEEDS, entry->d_name);
		int code = arq_config_load(name, &config, &error);
		bool good = strncmp(entry->d_name, "bad-", 4) != 0;
		cr_expect_eq(code == 0, good, "%s: %s", name, error.text);
		arq_config_destroy(config);
		count++;
	}
	closedir(seeds);
	cr_expect_geq(count, 7);
}
