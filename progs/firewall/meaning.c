// SPDX-License-Identifier: BSD-2-Clause
#include "progs/firewall/meaning.h"

#include <string.h>

/* Two FNV-1a hashes of 64 bits with different beginnings. */
#define FNV_BASIS 0xcbf29ce484222325ULL
#define FNV_PRIME 0x100000001b3ULL

static void add(uint64_t meaning[2], const void *data, size_t size)
{
	const uint8_t *bytes = data;

	for (size_t i = 0; i < size; i++) {
		meaning[0] = (meaning[0] ^ bytes[i]) * FNV_PRIME;
		meaning[1] = (meaning[1] ^ bytes[i]) * FNV_PRIME;
	}
}

static void add_number(uint64_t meaning[2], uint64_t number)
{
	add(meaning, &number, sizeof(number));
}

/* With its length before it, so that what follows is not taken for a part of it. */
static void add_text(uint64_t meaning[2], const char *text)
{
	add_number(meaning, strlen(text));
	add(meaning, text, strlen(text));
}

static void add_addresses(uint64_t meaning[2], const struct arq_match_addresses *match,
			  const struct arq_ruleset *ruleset)
{
	add_number(meaning, match->negate);
	add_number(meaning, match->prefix_count);
	for (uint32_t i = 0; i < match->prefix_count; i++) {
		add_number(meaning, match->prefixes[i].family);
		add_number(meaning, match->prefixes[i].length);
		add(meaning, match->prefixes[i].address, sizeof(match->prefixes[i].address));
	}
	add_number(meaning, match->set_count);
	for (uint32_t i = 0; i < match->set_count; i++)
		add_text(meaning, ruleset->sets[match->sets[i]].name);
}

static void add_ranges(uint64_t meaning[2], const struct arq_match_ranges *match)
{
	add_number(meaning, match->negate);
	add_number(meaning, match->count);
	for (uint32_t i = 0; i < match->count; i++) {
		add_number(meaning, match->items[i].low);
		add_number(meaning, match->items[i].high);
	}
}

static void add_ports(uint64_t meaning[2], const struct arq_match_ports *match)
{
	add_number(meaning, match->negate);
	add_number(meaning, match->count);
	for (uint32_t i = 0; i < match->count; i++) {
		add_number(meaning, match->items[i].protocol);
		add_number(meaning, match->items[i].low);
		add_number(meaning, match->items[i].high);
	}
}

static void add_icmp(uint64_t meaning[2], const struct arq_match_icmp *match)
{
	add_number(meaning, match->negate);
	add_number(meaning, match->count);
	for (uint32_t i = 0; i < match->count; i++) {
		add_number(meaning, match->items[i].type);
		add_number(meaning, match->items[i].code_low);
		add_number(meaning, match->items[i].code_high);
	}
}

static void add_consequence(uint64_t meaning[2], const struct arq_rule *rule)
{
	add_number(meaning, rule->action);
	add_number(meaning, rule->limit.rate);
	add_number(meaning, rule->limit.period_ns);
	add_number(meaning, rule->limit.burst);
	add_number(meaning, rule->limit.per);
	add_number(meaning, rule->limit.prefix_v4);
	add_number(meaning, rule->limit.prefix_v6);
	add_number(meaning, rule->block_ns);
	add_number(meaning, rule->block_prefix_v4);
	add_number(meaning, rule->block_prefix_v6);
}

void arq_rule_meaning(const struct arq_rule *rule, const struct arq_ruleset *ruleset,
		      uint64_t meaning[2])
{
	meaning[0] = FNV_BASIS;
	meaning[1] = ~FNV_BASIS;
	add_addresses(meaning, &rule->from, ruleset);
	add_addresses(meaning, &rule->to, ruleset);
	add_ranges(meaning, &rule->protocols);
	add_ports(meaning, &rule->from_ports);
	add_ports(meaning, &rule->to_ports);
	add_icmp(meaning, &rule->icmp);
	add_icmp(meaning, &rule->icmp6);
	add_number(meaning, rule->tcp_flags.value);
	add_number(meaning, rule->tcp_flags.mask);
	add_number(meaning, rule->tcp_flags.negate);
	add_ranges(meaning, &rule->lengths);
	add_ranges(meaning, &rule->ttls);
	add_ranges(meaning, &rule->dscps);
	add_number(meaning, rule->fragments);
	add_ranges(meaning, &rule->vlans);
	add_number(meaning, rule->interface_count);
	for (uint32_t i = 0; i < rule->interface_count; i++)
		add_text(meaning, rule->interfaces[i]);
	add_number(meaning, rule->quic_types);
	add_ranges(meaning, &rule->quic_versions);
	add_consequence(meaning, rule);
}
