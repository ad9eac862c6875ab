// SPDX-License-Identifier: BSD-2-Clause
/*
 * The analysis of rule sets: a table of sets with what is to be found in each, and random sets of
 * which every finding is held against random packets, decided rule by rule.
 */
#include "progs/firewall/analysis.h"
#include "userspace/common/config.h"

#include <criterion/criterion.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* --- a table ---------------------------------------------------------------------------------- */

static struct arq_config *load(const char *firewall)
{
	char path[] = "/tmp/arquant-test-analysis-XXXXXX";
	struct arq_config *config = NULL;
	struct arq_error error = {0};

	int fd = mkstemp(path);
	cr_assert_geq(fd, 0);
	FILE *file = fdopen(fd, "w");
	fprintf(file, "firewall:\n%s", firewall);
	cr_assert_eq(fclose(file), 0);
	int code = arq_config_load(path, &config, &error);
	unlink(path);
	cr_assert_eq(code, 0, "%s\n%s", error.text, firewall);
	return config;
}

/* "kind index by index,index; ..." */
static void describe(const struct arq_findings *findings, char *text, size_t size)
{
	size_t used = 0;

	text[0] = '\0';
	for (uint32_t i = 0; i < findings->count && used < size; i++) {
		const struct arq_finding *finding = &findings->items[i];
		used += (size_t)snprintf(text + used, size - used, "%s%s %u", i ? "; " : "",
					 arq_finding_name(finding->kind), finding->index);
		for (uint32_t j = 0; j < finding->other_count && used < size; j++)
			used += (size_t)snprintf(text + used, size - used, "%s%u", j ? "," : " by ",
						 finding->others[j]);
	}
}

static const struct {
	const char *firewall;
	const char *found;
} cases[] = {
	{"  rules: []\n", ""},
	{"  rules:\n"
	 "    - {name: a, from: 10.0.0.0/8, action: drop}\n"
	 "    - {name: b, from: 10.1.0.0/16, action: pass}\n"
	 "    - {name: c, from: 11.0.0.0/8, action: drop}\n",
	 "unreachable 1 by 0"},
	/* a rule that counts decides nothing */
	{"  rules:\n"
	 "    - {name: a, from: 10.0.0.0/8, action: count}\n"
	 "    - {name: b, from: 10.0.0.0/8, action: drop}\n",
	 ""},
	/* but is not reached either, when another decides before it */
	{"  rules:\n"
	 "    - {name: a, from: 10.0.0.0/8, action: drop}\n"
	 "    - {name: b, from: 10.0.0.0/8, action: count}\n",
	 "unreachable 1 by 0"},
	/* halves */
	{"  rules:\n"
	 "    - {name: a, from: 10.0.0.0/9, action: drop}\n"
	 "    - {name: b, from: 10.128.0.0/9, action: drop}\n"
	 "    - {name: c, from: 10.0.0.0/8, to_port: 80, action: pass}\n",
	 "shadowed 2 by 0,1"},
	{"  rules:\n"
	 "    - {name: a, from: '2001:db8::/33', action: drop}\n"
	 "    - {name: b, from: '2001:db8:8000::/33', action: drop}\n"
	 "    - {name: c, from: '2001:db8::/32', to_port: 80, action: pass}\n"
	 "    - {name: d, from: '2001:db7::/32', to_port: 80, action: drop}\n",
	 "shadowed 2 by 0,1"},
	/* both protocols of a port, and everything that has ports */
	{"  rules:\n"
	 "    - {name: a, to_port: tcp/80, action: drop}\n"
	 "    - {name: b, to_port: udp/80, action: drop}\n"
	 "    - {name: c, to_port: 80, ttl: 0-10, action: drop}\n",
	 "shadowed 2 by 0,1"},
	{"  rules:\n"
	 "    - {name: a, proto: tcp, action: drop}\n"
	 "    - {name: b, to_port: tcp/80, action: pass}\n"
	 "    - {name: c, to_port: 80, action: drop}\n"
	 "    - {name: d, tcp_flags: syn, action: pass}\n",
	 "unreachable 1 by 0; unreachable 3 by 0"},
	/* later fragments have no port */
	{"  rules:\n"
	 "    - {name: a, to_port: 0-65535, action: drop}\n"
	 "    - {name: b, proto: udp, action: drop}\n"
	 "    - {name: c, proto: udp, fragment: [none, first], action: pass}\n",
	 "unreachable 2 by 1"},
	{"  rules:\n"
	 "    - {name: a, proto: [tcp, udp], to_port: 0-65535, action: drop}\n"
	 "    - {name: b, not: {to_port: 5}, action: pass}\n",
	 "unreachable 1 by 0"},
	/* flags by value */
	{"  rules:\n"
	 "    - {name: a, tcp_flags: syn, action: drop}\n"
	 "    - {name: b, tcp_flags: 'syn,ack', action: pass}\n"
	 "    - {name: c, tcp_flags: '!syn', action: drop}\n"
	 "    - {name: d, to_port: tcp/1, action: pass}\n",
	 "unreachable 1 by 0; shadowed 3 by 0,2"},
	/* negation */
	{"  rules:\n"
	 "    - {name: a, not: {from: 10.0.0.0/8}, action: drop}\n"
	 "    - {name: b, from: '2001:db8::1', action: pass}\n"
	 "    - {name: c, from: 10.0.0.1, action: drop}\n"
	 "    - {name: d, from: 0.0.0.0/0, proto: tcp, action: drop}\n"
	 "    - {name: e, not: {ttl: 0-255}, action: drop}\n",
	 "unreachable 1 by 0; empty 4"},
	/* an interface apart */
	{"  rules:\n"
	 "    - {name: a, interface: [a, b], action: drop}\n"
	 "    - {name: b, interface: b, action: pass}\n"
	 "    - {name: c, interface: c, action: drop}\n"
	 "    - {name: d, proto: tcp, action: drop}\n",
	 "unreachable 1 by 0"},
	/* what changes nothing */
	{"  rules:\n"
	 "    - {name: a, from: 10.0.0.1, to_port: tcp/1, action: drop}\n"
	 "    - {name: b, from: 10.0.0.0/8, action: drop}\n"
	 "    - {name: c, proto: tcp, action: pass}\n",
	 "redundant 0; redundant 2"},
	{"  rules:\n"
	 "    - {name: a, from: 10.0.0.1, to_port: tcp/1, action: drop}\n"
	 "    - {name: b, to_port: 1-2, action: pass}\n"
	 "    - {name: c, from: 10.0.0.0/8, action: drop}\n",
	 ""},
	{"  rules:\n"
	 "    - {name: a, from: 10.0.0.1, action: pass, limit: {rate: 1/s}}\n"
	 "    - {name: b, from: 10.0.0.2, action: pass}\n"
	 "    - {name: c, from: 10.0.0.0/8, action: count}\n"
	 "    - {name: d, from: 10.0.0.3, action: block, block_for: 1s}\n"
	 "    - {name: e, from: 10.0.0.3, action: drop}\n",
	 "unreachable 4 by 3"},
	/* default drop spares control traffic: a rule that drops all is not the same */
	{"  default: drop\n  rules:\n"
	 "    - {name: a, to_port: tcp/1, action: drop}\n"
	 "    - {name: b, to_port: tcp/2, action: pass}\n"
	 "    - {name: c, action: drop}\n",
	 "redundant 0"},
	/* sets */
	{"  sets:\n"
	 "    - {name: s, elements: [10.0.0.0/9, 10.128.0.0/9, '2001:db8::/32']}\n"
	 "    - {name: t, elements: [10.1.2.3, '2001:db8::1']}\n"
	 "    - {name: u, elements: [10.1.2.3]}\n"
	 "  rules:\n"
	 "    - {name: a, from: '@s', action: drop}\n"
	 "    - {name: b, from: ['@t', 10.9.0.0/16], action: pass}\n"
	 "    - {name: c, to: '@s', action: drop}\n",
	 "unreachable 1 by 0; unused-set 2"},
	/* QUIC */
	{"  rules:\n"
	 "    - {name: a, quic: [initial, handshake], action: drop}\n"
	 "    - {name: b, quic: initial, quic_version: 1, action: pass}\n"
	 "    - {name: c, to_port: udp/443, action: drop}\n"
	 "    - {name: d, quic_version: 0-4294967295, to_port: 443, action: pass}\n",
	 "unreachable 1 by 0; unreachable 3 by 2"},
	/* a family and its types */
	{"  rules:\n"
	 "    - {name: a, proto: icmp, from: 0.0.0.0/0, action: drop}\n"
	 "    - {name: b, icmp: 8, action: pass}\n"
	 "    - {name: c, icmp6: 128, action: drop}\n",
	 "unreachable 1 by 0"},
};

Test(firewall_analysis, finds_what_is_odd)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct arq_config *config = load(cases[i].firewall);
		struct arq_findings findings;
		char found[512];

		cr_assert_eq(arq_ruleset_analyse(&config->firewall.ruleset, &findings), 0);
		describe(&findings, found, sizeof(found));
		cr_expect_str_eq(found, cases[i].found, "%s\nfound:    %s\nexpected: %s",
				 cases[i].firewall, found, cases[i].found);
		arq_findings_clear(&findings);
		arq_config_destroy(config);
	}
}

/* --- at random -------------------------------------------------------------------------------- */

/* A packet with few values in each field, so that random rules meet. */
struct packet {
	int family; /* AF_INET, AF_INET6, 0: not IP */
	uint8_t from, to; /* the last byte of an address whose others are fixed, 0 to 15 */
	uint32_t protocol, ttl;
	uint32_t from_port, to_port, flags, icmp; /* 0 to 3 */
	uint32_t fragment; /* enum arq_match_fragment */
};

static uint64_t seed = 20240607;

static uint32_t draw(uint32_t below)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(seed >> 33) % below;
}

static struct packet draw_packet(void)
{
	static const int families[] = {AF_INET, AF_INET, AF_INET6, 0};
	static const uint32_t protocols[] = {IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMP, 47};
	static const uint32_t fragments[] = {ARQ_FRAGMENT_NONE, ARQ_FRAGMENT_NONE,
					     ARQ_FRAGMENT_FIRST, ARQ_FRAGMENT_LATER};

	return (struct packet){
		.family = families[draw(4)],
		.from = (uint8_t)draw(16),
		.to = (uint8_t)draw(16),
		.protocol = protocols[draw(4)],
		.ttl = draw(4),
		.from_port = draw(4),
		.to_port = draw(4),
		.flags = draw(4),
		.icmp = draw(4),
		.fragment = fragments[draw(4)],
	};
}

static struct arq_prefix draw_prefix(void)
{
	struct arq_prefix prefix = {.family = AF_INET, .length = (uint8_t)(28 + draw(5))};
	uint8_t last = (uint8_t)(draw(16) & 0xff << (32 - prefix.length));

	if (draw(3)) {
		memcpy(prefix.address, (uint8_t[]){10, 0, 0, last}, 4);
		return prefix;
	}
	prefix.family = AF_INET6;
	prefix.length = (uint8_t)(prefix.length + 96);
	prefix.address[0] = 0x20;
	prefix.address[15] = last;
	return prefix;
}

static void draw_addresses(struct arq_match_addresses *addresses)
{
	if (draw(2))
		return;
	addresses->prefix_count = 1 + draw(2);
	addresses->prefixes = calloc(addresses->prefix_count, sizeof(addresses->prefixes[0]));
	for (uint32_t i = 0; i < addresses->prefix_count; i++)
		addresses->prefixes[i] = draw_prefix();
	addresses->negate = !draw(4);
}

static void draw_ranges(struct arq_match_ranges *ranges, uint32_t one_in, const uint32_t *values)
{
	if (draw(one_in))
		return;
	ranges->count = 1;
	ranges->items = calloc(1, sizeof(ranges->items[0]));
	uint32_t first = draw(4);
	ranges->items[0].low = values[first];
	ranges->items[0].high = values[first + draw(4 - first)];
	ranges->negate = !draw(4);
}

static void draw_ports(struct arq_match_ports *ports)
{
	static const uint8_t protocols[] = {0, IPPROTO_TCP, IPPROTO_UDP};

	if (draw(3))
		return;
	ports->count = 1;
	ports->items = calloc(1, sizeof(ports->items[0]));
	ports->items[0].protocol = protocols[draw(3)];
	ports->items[0].low = (uint16_t)draw(4);
	ports->items[0].high = (uint16_t)(ports->items[0].low + draw(4));
	ports->negate = !draw(4);
}

static void draw_rule(struct arq_rule *rule)
{
	static const enum arq_rule_action actions[] = {ARQ_RULE_PASS, ARQ_RULE_DROP, ARQ_RULE_DROP,
						       ARQ_RULE_COUNT};
	static const uint32_t ttls[] = {0, 1, 2, 3};
	static const uint32_t protocols[] = {IPPROTO_ICMP, IPPROTO_TCP, IPPROTO_UDP, 47};

	draw_addresses(&rule->from);
	draw_addresses(&rule->to);
	draw_ranges(&rule->ttls, 3, ttls);
	draw_ranges(&rule->protocols, 3, protocols);
	draw_ports(&rule->from_ports);
	draw_ports(&rule->to_ports);
	if (!draw(6))
		rule->tcp_flags = (struct arq_match_tcp_flags){.mask = (uint8_t)(1 + draw(3)),
							       .negate = !draw(3)};
	if (!draw(8)) {
		rule->icmp.items = calloc(1, sizeof(rule->icmp.items[0]));
		rule->icmp.items[0] = (struct arq_icmp_range){(uint8_t)draw(4), 0, 255};
		rule->icmp.count = 1;
		rule->icmp.negate = !draw(3);
	}
	if (!draw(5))
		rule->fragments = 1 + draw(7);
	rule->action = actions[draw(4)];
}

/* --- the same by hand ------------------------------------------------------------------------- */

static bool in_prefix(const struct arq_prefix *prefix, const struct packet *packet, uint8_t last)
{
	int bits = prefix->family == AF_INET ? 32 : 128;
	uint8_t has = prefix->address[prefix->family == AF_INET ? 3 : 15];

	return prefix->family == packet->family &&
	       !((has ^ last) & 0xff << (bits - prefix->length));
}

static bool addresses_match(const struct arq_match_addresses *addresses,
			    const struct packet *packet, uint8_t last)
{
	bool found = false;

	if (!addresses->prefix_count)
		return true;
	for (uint32_t i = 0; i < addresses->prefix_count; i++)
		found = found || in_prefix(&addresses->prefixes[i], packet, last);
	return packet->family && found != addresses->negate;
}

static bool ranges_match(const struct arq_match_ranges *ranges, bool there, uint32_t value)
{
	if (!ranges->count)
		return true;
	bool in = ranges->items[0].low <= value && value <= ranges->items[0].high;
	return there && in != ranges->negate;
}

static bool ports_match(const struct arq_match_ports *ports, bool there,
			const struct packet *packet, uint32_t port)
{
	if (!ports->count)
		return true;
	const struct arq_port_range *range = &ports->items[0];
	bool in = (!range->protocol || range->protocol == packet->protocol) && range->low <= port &&
		  port <= range->high;
	return there && in != ports->negate;
}

static bool matches(const struct arq_rule *rule, const struct packet *packet)
{
	bool ip = packet->family != 0;
	bool head = ip && packet->fragment != ARQ_FRAGMENT_LATER;
	bool tcp = head && packet->protocol == IPPROTO_TCP;
	bool ports = tcp || (head && packet->protocol == IPPROTO_UDP);
	bool icmp = head && packet->family == AF_INET && packet->protocol == IPPROTO_ICMP;

	if (rule->tcp_flags.mask && (!tcp || ((packet->flags & rule->tcp_flags.mask) ==
					      rule->tcp_flags.value) == rule->tcp_flags.negate))
		return false;
	if (rule->icmp.count &&
	    (!icmp || (packet->icmp == rule->icmp.items[0].type) == rule->icmp.negate))
		return false;
	if (rule->fragments && (!ip || !(rule->fragments & packet->fragment)))
		return false;
	return addresses_match(&rule->from, packet, packet->from) &&
	       addresses_match(&rule->to, packet, packet->to) &&
	       ranges_match(&rule->ttls, ip, packet->ttl) &&
	       ranges_match(&rule->protocols, ip, packet->protocol) &&
	       ports_match(&rule->from_ports, ports, packet, packet->from_port) &&
	       ports_match(&rule->to_ports, ports, packet, packet->to_port);
}

/* The rule that decides, without rule `except`; rule_count for the default. */
static uint32_t decide(const struct arq_ruleset *ruleset, const struct packet *packet,
		       uint32_t except)
{
	for (uint32_t i = 0; i < ruleset->rule_count; i++) {
		if (i != except && ruleset->rules[i].action != ARQ_RULE_COUNT &&
		    matches(&ruleset->rules[i], packet))
			return i;
	}
	return ruleset->rule_count;
}

static enum arq_rule_action action_of(const struct arq_ruleset *ruleset, uint32_t rule)
{
	return rule < ruleset->rule_count ? ruleset->rules[rule].action : ruleset->default_action;
}

static void expect_true(const struct arq_ruleset *ruleset, const struct arq_finding *finding,
			const struct packet *packet)
{
	const struct arq_rule *rule = &ruleset->rules[finding->index];
	uint32_t decided = decide(ruleset, packet, UINT32_MAX);

	if (finding->kind == ARQ_FINDING_EMPTY)
		cr_assert_not(matches(rule, packet));
	/* Also of a rule that counts: it is asked only if none before it decides. */
	if (finding->kind == ARQ_FINDING_UNREACHABLE || finding->kind == ARQ_FINDING_SHADOWED)
		cr_assert(!matches(rule, packet) || decided < finding->index,
			  "seed %llu: rule %u decides", (unsigned long long)seed, finding->index);
	if (finding->kind == ARQ_FINDING_REDUNDANT)
		cr_assert_eq(action_of(ruleset, decided),
			     action_of(ruleset, decide(ruleset, packet, finding->index)));
}

Test(firewall_analysis, says_nothing_false_of_random_sets)
{
	uint32_t kinds[ARQ_FINDING_UNUSED_SET + 1] = {0};

	for (int set = 0; set < 400; set++) {
		struct arq_ruleset ruleset = {.default_action = ARQ_RULE_PASS};
		struct arq_findings findings;
		ruleset.rule_count = 2 + draw(24);
		ruleset.rules = calloc(ruleset.rule_count, sizeof(ruleset.rules[0]));
		for (uint32_t i = 0; i < ruleset.rule_count; i++)
			draw_rule(&ruleset.rules[i]);
		cr_assert_eq(arq_ruleset_analyse(&ruleset, &findings), 0);
		for (uint32_t i = 0; i < findings.count; i++)
			kinds[findings.items[i].kind]++;
		for (int i = 0; i < 1000; i++) {
			struct packet packet = draw_packet();
			for (uint32_t j = 0; j < findings.count; j++)
				expect_true(&ruleset, &findings.items[j], &packet);
		}
		arq_findings_clear(&findings);
		arq_ruleset_clear(&ruleset);
	}
	cr_log_info("empty %u, unreachable %u, shadowed %u, redundant %u, undecided %u", kinds[0],
		    kinds[1], kinds[2], kinds[3], kinds[4]);
	/* Enough of each was there to be right about. */
	cr_expect_gt(kinds[ARQ_FINDING_EMPTY], 50);
	cr_expect_gt(kinds[ARQ_FINDING_UNREACHABLE], 200);
	cr_expect_gt(kinds[ARQ_FINDING_SHADOWED], 20);
	cr_expect_gt(kinds[ARQ_FINDING_REDUNDANT], 200);
}
