// SPDX-License-Identifier: BSD-2-Clause
/*
 * One firewall rule, from what is written to what is compiled. What no packet could ever match is
 * refused here, with the field that makes it so: such a rule does not do what its author means.
 */
#include "userspace/common/config_firewall.h"
#include "userspace/common/config_rule_words.h"

#include <arquant/block.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_MIN 1000000000ull
#define BLOCK_MAX (365 * 24 * 3600 * 1000000000ull)

struct making {
	const struct arq_config_check *check;
	uint32_t index;
	struct arq_rule *rule;
};

/* The field of the rule, or under its `not`. */
static struct arq_field rule_field(const struct making *making, bool negate, const char *key)
{
	return arq_field("firewall.rules[%u].%s%s", making->index, negate ? "not." : "", key);
}

static int fail(const struct making *making, struct arq_field field, const struct arq_error *why)
{
	return arq_document_fail(making->check->document, making->check->error, field, "%s",
				 why->text);
}

static struct arq_field entry_field(const struct making *making, bool negate, const char *key,
				    uint32_t entry)
{
	return arq_field("%s[%u]", rule_field(making, negate, key).text, entry);
}

static int overlap(const struct making *making, struct arq_field field, const char *text,
		   const char *former)
{
	return arq_document_fail(making->check->document, making->check->error, field,
				 "'%.40s' overlaps with '%.40s' before it; keep one", text, former);
}

/* --- conditions ------------------------------------------------------------------------------- */

static int make_ranges(const struct making *making, const struct arq_words *words, bool negate,
		       const char *key, char **texts, uint32_t count,
		       struct arq_match_ranges *ranges)
{
	struct arq_error why = {0};

	if (!count)
		return 0;
	ranges->items = calloc(count, sizeof(ranges->items[0]));
	if (!ranges->items)
		return arq_config_no_memory(making->check);
	ranges->negate = negate;
	for (uint32_t i = 0; i < count; i++) {
		struct arq_field field = entry_field(making, negate, key, i);
		struct arq_range *range = &ranges->items[ranges->count++];
		if (arq_words_range(words, texts[i], range, &why))
			return fail(making, field, &why);
		for (uint32_t j = 0; j < i; j++) {
			if (range->low <= ranges->items[j].high &&
			    ranges->items[j].low <= range->high)
				return overlap(making, field, texts[i], texts[j]);
		}
	}
	return 0;
}

static bool ports_overlap(const struct arq_port_range *a, const struct arq_port_range *b)
{
	bool protocol = !a->protocol || !b->protocol || a->protocol == b->protocol;

	return protocol && a->low <= b->high && b->low <= a->high;
}

static int make_ports(const struct making *making, bool negate, const char *key, char **texts,
		      uint32_t count, struct arq_match_ports *ports)
{
	struct arq_error why = {0};

	if (!count)
		return 0;
	ports->items = calloc(count, sizeof(ports->items[0]));
	if (!ports->items)
		return arq_config_no_memory(making->check);
	ports->negate = negate;
	for (uint32_t i = 0; i < count; i++) {
		struct arq_field field = entry_field(making, negate, key, i);
		struct arq_port_range *range = &ports->items[ports->count++];
		if (arq_words_port(texts[i], range, &why))
			return fail(making, field, &why);
		for (uint32_t j = 0; j < i; j++) {
			if (ports_overlap(range, &ports->items[j]))
				return overlap(making, field, texts[i], texts[j]);
		}
	}
	return 0;
}

static int make_icmp(const struct making *making, bool negate, bool v6, char **texts,
		     uint32_t count, struct arq_match_icmp *icmp)
{
	struct arq_error why = {0};

	if (!count)
		return 0;
	icmp->items = calloc(count, sizeof(icmp->items[0]));
	if (!icmp->items)
		return arq_config_no_memory(making->check);
	icmp->negate = negate;
	for (uint32_t i = 0; i < count; i++) {
		struct arq_field field = entry_field(making, negate, v6 ? "icmp6" : "icmp", i);
		struct arq_icmp_range *range = &icmp->items[icmp->count++];
		if (arq_words_icmp(texts[i], v6, range, &why))
			return fail(making, field, &why);
		for (uint32_t j = 0; j < i; j++) {
			const struct arq_icmp_range *former = &icmp->items[j];
			if (range->type == former->type && range->code_low <= former->code_high &&
			    former->code_low <= range->code_high)
				return overlap(making, field, texts[i], texts[j]);
		}
	}
	return 0;
}

static int find_set(const struct making *making, struct arq_field field, const char *name,
		    uint32_t *set)
{
	const struct arq_ruleset *ruleset = &making->check->config->firewall.ruleset;

	for (*set = 0; *set < ruleset->set_count; (*set)++) {
		if (strcmp(ruleset->sets[*set].name, name) == 0)
			return 0;
	}
	return arq_document_fail(making->check->document, making->check->error, field,
				 "there is no set '%.63s'; define it under firewall.sets", name);
}

static int make_address(const struct making *making, struct arq_field field, const char *text,
			struct arq_match_addresses *addresses)
{
	uint32_t set;

	if (text[0] == '@') {
		int code = find_set(making, field, text + 1, &set);
		for (uint32_t i = 0; !code && i < addresses->set_count; i++) {
			if (addresses->sets[i] == set)
				code = overlap(making, field, text, text);
		}
		if (!code)
			addresses->sets[addresses->set_count++] = set;
		return code;
	}
	struct arq_prefix *prefix = &addresses->prefixes[addresses->prefix_count];
	int code = arq_config_parse_prefix(making->check, field, text, prefix);
	for (uint32_t i = 0; !code && i < addresses->prefix_count; i++) {
		if (memcmp(&addresses->prefixes[i], prefix, sizeof(*prefix)) == 0)
			code = overlap(making, field, text, text);
	}
	addresses->prefix_count += !code;
	return code;
}

static int make_addresses(const struct making *making, bool negate, const char *key, char **texts,
			  uint32_t count, struct arq_match_addresses *addresses)
{
	if (!count)
		return 0;
	addresses->prefixes = calloc(count, sizeof(addresses->prefixes[0]));
	addresses->sets = calloc(count, sizeof(addresses->sets[0]));
	if (!addresses->prefixes || !addresses->sets)
		return arq_config_no_memory(making->check);
	addresses->negate = negate;
	for (uint32_t i = 0; i < count; i++) {
		int code = make_address(making, entry_field(making, negate, key, i), texts[i],
					addresses);
		if (code)
			return code;
	}
	return 0;
}

static int make_tcp_flags(const struct making *making, bool negate, const char *text)
{
	struct arq_match_tcp_flags *flags = &making->rule->tcp_flags;
	struct arq_error why = {0};

	if (!text)
		return 0;
	if (arq_words_tcp_flags(text, flags, &why))
		return fail(making, rule_field(making, negate, "tcp_flags"), &why);
	flags->negate = negate;
	return 0;
}

/* The conditions of the rule itself, or of its `not`. */
static int make_match(const struct making *making, const struct arq_config_match *match,
		      bool negate)
{
	const struct {
		const struct arq_words *words;
		const char *key;
		char **texts;
		uint32_t count;
		struct arq_match_ranges *ranges;
	} fields[] = {
		{&arq_words_protocol, "proto", match->proto, match->proto_count,
		 &making->rule->protocols},
		{&arq_words_length, "length", match->length, match->length_count,
		 &making->rule->lengths},
		{&arq_words_ttl, "ttl", match->ttl, match->ttl_count, &making->rule->ttls},
		{&arq_words_dscp, "dscp", match->dscp, match->dscp_count, &making->rule->dscps},
		{&arq_words_vlan, "vlan", match->vlan, match->vlan_count, &making->rule->vlans},
		{&arq_words_quic_version, "quic_version", match->quic_version,
		 match->quic_version_count, &making->rule->quic_versions},
	};
	struct arq_rule *rule = making->rule;
	int code = 0;

	for (size_t i = 0; !code && i < sizeof(fields) / sizeof(fields[0]); i++)
		code = make_ranges(making, fields[i].words, negate, fields[i].key, fields[i].texts,
				   fields[i].count, fields[i].ranges);
	if (!code)
		code = make_addresses(making, negate, "from", match->from, match->from_count,
				      &rule->from);
	if (!code)
		code = make_addresses(making, negate, "to", match->to, match->to_count, &rule->to);
	if (!code)
		code = make_ports(making, negate, "from_port", match->from_port,
				  match->from_port_count, &rule->from_ports);
	if (!code)
		code = make_ports(making, negate, "to_port", match->to_port, match->to_port_count,
				  &rule->to_ports);
	if (!code)
		code = make_icmp(making, negate, false, match->icmp, match->icmp_count,
				 &rule->icmp);
	if (!code)
		code = make_icmp(making, negate, true, match->icmp6, match->icmp6_count,
				 &rule->icmp6);
	return code ? code : make_tcp_flags(making, negate, match->tcp_flags);
}

/* A key may be in the rule or under its `not`: then one condition says it. */
static int check_keys(const struct making *making)
{
	static const char *const keys[] = {
		"from",      "to",     "proto", "from_port", "to_port", "icmp",         "icmp6",
		"tcp_flags", "length", "ttl",   "dscp",      "vlan",    "quic_version",
	};
	struct arq_document *document = making->check->document;

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		struct arq_field field = rule_field(making, true, keys[i]);
		if (arq_document_has(document, field) &&
		    arq_document_has(document, rule_field(making, false, keys[i])))
			return arq_document_fail(document, making->check->error, field,
						 "is also in the rule itself; make two rules of "
						 "it, the exception first");
	}
	return 0;
}

static int make_interfaces(const struct making *making, const struct arq_config_rule *written)
{
	struct arq_rule *rule = making->rule;
	const struct arq_config *config = making->check->config;

	if (!written->interface_count)
		return 0;
	rule->interfaces = calloc(written->interface_count, sizeof(rule->interfaces[0]));
	if (!rule->interfaces)
		return arq_config_no_memory(making->check);
	rule->interface_count = written->interface_count;
	for (uint32_t i = 0; i < written->interface_count; i++) {
		struct arq_field field = entry_field(making, false, "interface", i);
		const char *name = written->interface[i];
		bool found = config->interfaces_count == 0;
		int code = arq_config_check_interface_name(making->check, field, name);
		for (uint32_t j = 0; j < config->interfaces_count; j++)
			found = found || strcmp(config->interfaces[j].name, name) == 0;
		if (!code && !found)
			code = arq_document_fail(
				making->check->document, making->check->error, field,
				"'%s' is not among the interfaces; add it there", name);
		if (code)
			return code;
		rule->interfaces[i] = strdup(name);
		if (!rule->interfaces[i])
			return arq_config_no_memory(making->check);
	}
	return 0;
}

/* --- action ----------------------------------------------------------------------------------- */

static int make_limit(const struct making *making, const struct arq_config_limit *written)
{
	struct arq_rule_limit *limit = &making->rule->limit;
	struct arq_document *document = making->check->document;
	struct arq_field rate = rule_field(making, false, "limit.rate");
	struct arq_error why = {0};

	if (making->rule->action != ARQ_RULE_PASS)
		return arq_document_fail(document, making->check->error,
					 rule_field(making, false, "limit"),
					 "limits what passes; write 'action: pass', or remove it");
	if (arq_rate_parse(written->rate, &limit->rate, &limit->period_ns))
		return arq_document_fail(document, making->check->error, rate,
					 "'%s' is no rate; write packets in a time, 100/s, 30/m or "
					 "2/10s, at most 1000000000 in a day",
					 written->rate);
	limit->burst = written->burst;
	int code = arq_config_check_number(making->check, rule_field(making, false, "limit.burst"),
					   &limit->burst, (uint32_t)limit->rate, 1, 1000000000);
	if (code == 0 && written->per && arq_words_per(written->per, limit, &why))
		code = fail(making, rule_field(making, false, "limit.per"), &why);
	return code;
}

/* The program looks for a blocked source once for each length. */
static int check_block_lengths(const struct making *making)
{
	const struct arq_rule *rules = making->check->config->firewall.ruleset.rules;
	bool v4[33] = {false}, v6[129] = {false};
	int count_v4 = 0, count_v6 = 0;

	for (uint32_t i = 0; i <= making->index; i++) {
		if (rules[i].action != ARQ_RULE_BLOCK)
			continue;
		count_v4 += !v4[rules[i].block_prefix_v4];
		count_v6 += !v6[rules[i].block_prefix_v6];
		v4[rules[i].block_prefix_v4] = true;
		v6[rules[i].block_prefix_v6] = true;
	}
	if (count_v4 <= ARQ_BLOCK_LENGTHS_MAX && count_v6 <= ARQ_BLOCK_LENGTHS_MAX)
		return 0;
	return arq_document_fail(making->check->document, making->check->error,
				 rule_field(making, false, "block_per"),
				 "is the ninth prefix length of a family that rules block; use one "
				 "of the %d before",
				 ARQ_BLOCK_LENGTHS_MAX);
}

static int make_block(const struct making *making, const struct arq_config_rule *written)
{
	struct arq_document *document = making->check->document;
	struct arq_field block = rule_field(making, false, "block_for");
	struct arq_rule *rule = making->rule;
	struct arq_error why = {0};

	if (!written->block_for)
		return arq_document_fail(document, making->check->error, block,
					 "is missing; say for how long, 10m");
	if (arq_duration_parse(written->block_for, &rule->block_ns) || rule->block_ns < BLOCK_MIN ||
	    rule->block_ns > BLOCK_MAX)
		return arq_document_fail(document, making->check->error, block,
					 "'%s' is no duration from 1s to 8760h; write 10m",
					 written->block_for);
	if (arq_words_source(written->block_per ? written->block_per : "source",
			     &rule->block_prefix_v4, &rule->block_prefix_v6, &why))
		return fail(making, rule_field(making, false, "block_per"), &why);
	return check_block_lengths(making);
}

static int make_action(const struct making *making, const struct arq_config_rule *written)
{
	const char *without = written->block_for   ? "block_for"
			      : written->block_per ? "block_per"
						   : NULL;

	making->rule->action = written->action;
	if (written->action != ARQ_RULE_BLOCK && without)
		return arq_document_fail(making->check->document, making->check->error,
					 rule_field(making, false, without),
					 "goes with 'action: block' only; remove it");
	int code = written->action == ARQ_RULE_BLOCK ? make_block(making, written) : 0;
	return code == 0 && written->limit ? make_limit(making, written->limit) : code;
}

/* --- what no packet can match ----------------------------------------------------------------- */

/* Protocols as bits of what the other conditions want; what is none of these is `OTHER`. */
enum protocol_bit {
	TCP = 1 << 0,
	UDP = 1 << 1,
	ICMP = 1 << 2,
	ICMP6 = 1 << 3,
	OTHER = 1 << 4,
	ANY_PROTOCOL = (1 << 5) - 1,
};

static uint32_t protocols_of_ranges(const struct arq_match_ranges *ranges)
{
	static const struct {
		uint32_t number, bit;
	} known[] = {{IPPROTO_TCP, TCP},
		     {IPPROTO_UDP, UDP},
		     {IPPROTO_ICMP, ICMP},
		     {IPPROTO_ICMPV6, ICMP6}};
	uint32_t bits = 0, others = 256;

	if (!ranges->count)
		return ANY_PROTOCOL;
	for (uint32_t i = 0; i < ranges->count; i++) {
		others -= ranges->items[i].high - ranges->items[i].low + 1;
		for (size_t j = 0; j < sizeof(known) / sizeof(known[0]); j++) {
			if (ranges->items[i].low <= known[j].number &&
			    known[j].number <= ranges->items[i].high)
				bits |= known[j].bit;
		}
	}
	if (ranges->negate)
		return others ? (~bits & (ANY_PROTOCOL & ~OTHER)) | OTHER : 0;
	return bits | OTHER;
}

static uint32_t protocols_of_ports(const struct arq_match_ports *ports)
{
	uint32_t bits = 0;

	if (!ports->count)
		return ANY_PROTOCOL;
	for (uint32_t i = 0; i < ports->count; i++) {
		if (ports->items[i].protocol != IPPROTO_UDP)
			bits |= TCP;
		if (ports->items[i].protocol != IPPROTO_TCP)
			bits |= UDP;
	}
	return ports->negate ? TCP | UDP : bits;
}

/* The condition that leaves no protocol over is named. */
static int check_protocols(const struct making *making)
{
	const struct arq_rule *rule = making->rule;
	const struct {
		const char *key;
		bool negate;
		uint32_t bits;
	} wants[] = {
		{"proto", rule->protocols.negate, protocols_of_ranges(&rule->protocols)},
		{"from_port", rule->from_ports.negate, protocols_of_ports(&rule->from_ports)},
		{"to_port", rule->to_ports.negate, protocols_of_ports(&rule->to_ports)},
		{"icmp", rule->icmp.negate, rule->icmp.count ? ICMP : ANY_PROTOCOL},
		{"icmp6", rule->icmp6.negate, rule->icmp6.count ? ICMP6 : ANY_PROTOCOL},
		{"tcp_flags", rule->tcp_flags.negate, rule->tcp_flags.mask ? TCP : ANY_PROTOCOL},
		{"quic", false, rule->quic_types ? UDP : ANY_PROTOCOL},
		{"quic_version", rule->quic_versions.negate,
		 rule->quic_versions.count ? UDP : ANY_PROTOCOL},
	};
	uint32_t left = ANY_PROTOCOL;

	for (size_t i = 0; i < sizeof(wants) / sizeof(wants[0]); i++) {
		left &= wants[i].bits;
		/* Only `proto` keeps OTHER, so what is left of another condition is a protocol. */
		if (!left)
			return arq_document_fail(
				making->check->document, making->check->error,
				rule_field(making, wants[i].negate, wants[i].key),
				"no packet can match this and the rule's other conditions: they "
				"are of different protocols; make two rules of it");
	}
	bool first = left != ANY_PROTOCOL && !(left & OTHER);
	if (first && rule->fragments == ARQ_FRAGMENT_LATER)
		return arq_document_fail(
			making->check->document, making->check->error,
			rule_field(making, false, "fragment"),
			"a later fragment has no ports, flags or types; remove the conditions on "
			"them, or make two rules of it");
	return 0;
}

enum family_bit {
	V4 = 1 << 0,
	V6 = 1 << 1,
};

static uint32_t family_of_prefix(const struct arq_prefix *prefix)
{
	return prefix->family == AF_INET ? V4 : V6;
}

static uint32_t families_of(const struct making *making,
			    const struct arq_match_addresses *addresses)
{
	const struct arq_ruleset *ruleset = &making->check->config->firewall.ruleset;
	uint32_t bits = 0;

	if (addresses->negate || (!addresses->prefix_count && !addresses->set_count))
		return V4 | V6;
	for (uint32_t i = 0; i < addresses->prefix_count; i++)
		bits |= family_of_prefix(&addresses->prefixes[i]);
	for (uint32_t i = 0; i < addresses->set_count; i++) {
		const struct arq_set *set = &ruleset->sets[addresses->sets[i]];
		if (set->file)
			return V4 | V6;
		for (size_t j = 0; j < set->count; j++)
			bits |= family_of_prefix(&set->entries[j].prefix);
	}
	return bits;
}

static int check_families(const struct making *making)
{
	const struct arq_rule *rule = making->rule;
	const struct {
		const char *key;
		bool negate;
		uint32_t bits;
	} wants[] = {
		{"from", rule->from.negate, families_of(making, &rule->from)},
		{"to", rule->to.negate, families_of(making, &rule->to)},
		{"icmp", rule->icmp.negate, rule->icmp.count ? V4 : V4 | V6},
		{"icmp6", rule->icmp6.negate, rule->icmp6.count ? V6 : V4 | V6},
	};
	uint32_t left = V4 | V6;

	for (size_t i = 0; i < sizeof(wants) / sizeof(wants[0]); i++) {
		left &= wants[i].bits;
		if (!left)
			return arq_document_fail(
				making->check->document, making->check->error,
				rule_field(making, wants[i].negate, wants[i].key),
				"no packet can match this and the rule's other conditions: one is "
				"of IPv4, the other of IPv6; make two rules of it");
	}
	if (rule->quic_versions.count && rule->quic_types == ARQ_QUIC_SHORT)
		return arq_document_fail(making->check->document, making->check->error,
					 rule_field(making, false, "quic"),
					 "a short header has no version; remove 'quic_version'");
	return 0;
}

int arq_config_make_rule(const struct arq_config_check *check, uint32_t i, struct arq_rule *rule)
{
	const struct arq_config_rule *written = &check->config->firewall.rules[i];
	const struct making making = {check, i, rule};

	rule->fragments = written->fragment;
	rule->quic_types = written->quic;
	int code = check_keys(&making);
	if (!code)
		code = make_match(&making, &written->match, false);
	if (!code)
		code = make_match(&making, &written->not, true);
	if (!code)
		code = make_interfaces(&making, written);
	if (!code)
		code = make_action(&making, written);
	if (!code)
		code = check_protocols(&making);
	return code ? code : check_families(&making);
}
