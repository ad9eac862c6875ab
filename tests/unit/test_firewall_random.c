// SPDX-License-Identifier: BSD-2-Clause
#include "tests/unit/test_firewall_random.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

uint32_t random_below(uint64_t *random, uint32_t limit)
{
	return (uint32_t)((random_next(random) >> 32) % limit);
}

static bool one_in(uint64_t *random, uint32_t times)
{
	return random_below(random, times) == 0;
}

static void *allocate(size_t count, size_t size)
{
	void *memory = calloc(count, size);

	if (!memory)
		abort();
	return memory;
}

/* --- rules ------------------------------------------------------------------------------------ */

/* In a small space, so that prefixes overlap and packets meet them. */
static void random_address(uint8_t *address, int family, uint64_t *random)
{
	size_t bytes = family == AF_INET ? 4 : 16;

	memset(address, 0, 16);
	for (size_t i = 0; i < bytes; i++)
		address[i] = (uint8_t)(one_in(random, 3) ? random_below(random, 256)
							 : random_below(random, 3));
}

static struct arq_prefix random_prefix(uint64_t *random)
{
	int family = one_in(random, 2) ? AF_INET : AF_INET6;
	unsigned int bits = family == AF_INET ? 32 : 128;
	struct arq_prefix prefix = {.family = (uint8_t)family};

	prefix.length = (uint8_t)(one_in(random, 8) ? random_below(random, 2) * bits
						    : random_below(random, bits + 1));
	random_address(prefix.address, family, random);
	for (unsigned int bit = prefix.length; bit < 128; bit++)
		prefix.address[bit / 8] &= (uint8_t) ~(0x80u >> bit % 8);
	return prefix;
}

static void random_addresses(struct arq_match_addresses *match, uint32_t sets, uint64_t *random)
{
	if (sets && one_in(random, 3)) {
		match->set_count = 1 + random_below(random, 2);
		match->sets = allocate(match->set_count, sizeof(*match->sets));
		for (uint32_t i = 0; i < match->set_count; i++)
			match->sets[i] = random_below(random, sets);
	}
	if (!match->set_count || one_in(random, 2)) {
		match->prefix_count = 1 + random_below(random, 4);
		match->prefixes = allocate(match->prefix_count, sizeof(*match->prefixes));
		for (uint32_t i = 0; i < match->prefix_count; i++)
			match->prefixes[i] = random_prefix(random);
	}
	match->negate = one_in(random, 6);
}

/* Small values and the ends are met more often than others. */
static uint32_t random_value(uint32_t highest, uint64_t *random)
{
	switch (random_below(random, 5)) {
	case 0:
		return random_below(random, 2) ? highest : 0;
	case 1:
		return random_below(random, highest < 8 ? highest + 1 : 8);
	default:
		return (uint32_t)(random_next(random) % ((uint64_t)highest + 1));
	}
}

static struct arq_range random_range(uint32_t highest, uint64_t *random)
{
	uint32_t a = random_value(highest, random);
	uint32_t b = one_in(random, 2) ? a : random_value(highest, random);

	return (struct arq_range){a < b ? a : b, a < b ? b : a};
}

static void random_ranges(struct arq_match_ranges *match, uint32_t highest, uint64_t *random)
{
	match->count = 1 + random_below(random, 3);
	match->items = allocate(match->count, sizeof(*match->items));
	for (uint32_t i = 0; i < match->count; i++)
		match->items[i] = random_range(highest, random);
	match->negate = one_in(random, 6);
}

/* Numbers that packets have. */
static void random_choice(struct arq_match_ranges *match, const uint32_t *values, uint32_t count,
			  uint64_t *random)
{
	match->count = 1 + random_below(random, 2);
	match->items = allocate(match->count, sizeof(*match->items));
	for (uint32_t i = 0; i < match->count; i++) {
		uint32_t value = values[random_below(random, count)];
		match->items[i] = (struct arq_range){value, value};
	}
	match->negate = one_in(random, 6);
}

static void random_ports(struct arq_match_ports *match, uint64_t *random)
{
	static const uint8_t protocols[] = {0, IPPROTO_TCP, IPPROTO_UDP};

	match->count = 1 + random_below(random, 3);
	match->items = allocate(match->count, sizeof(*match->items));
	for (uint32_t i = 0; i < match->count; i++) {
		struct arq_range range = random_range(65535, random);
		match->items[i] =
			(struct arq_port_range){protocols[random_below(random, 3)],
						(uint16_t)range.low, (uint16_t)range.high};
	}
	match->negate = one_in(random, 6);
}

static void random_icmp(struct arq_match_icmp *match, uint64_t *random)
{
	match->count = 1 + random_below(random, 3);
	match->items = allocate(match->count, sizeof(*match->items));
	for (uint32_t i = 0; i < match->count; i++) {
		struct arq_range codes = random_range(255, random);
		if (one_in(random, 3))
			codes = (struct arq_range){0, 255};
		match->items[i] = (struct arq_icmp_range){(uint8_t)random_value(255, random),
							  (uint8_t)codes.low, (uint8_t)codes.high};
	}
	match->negate = one_in(random, 6);
}

static void random_flags(struct arq_match_tcp_flags *flags, uint64_t *random)
{
	/* Null flags, a lone SYN, anything. */
	flags->mask = one_in(random, 3) ? 0xff : (uint8_t)(1 + random_below(random, 255));
	flags->value = one_in(random, 3) ? 0 : (uint8_t)random_below(random, 256) & flags->mask;
	flags->negate = one_in(random, 6);
}

static void random_interfaces(struct arq_rule *rule, uint64_t *random)
{
	rule->interface_count = 1;
	rule->interfaces = allocate(1, sizeof(*rule->interfaces));
	rule->interfaces[0] = strdup(one_in(random, 2) ? RANDOM_INTERFACE : "other0");
	if (!rule->interfaces[0])
		abort();
}

static const uint32_t protocols[] = {IPPROTO_ICMP,   IPPROTO_TCP,  IPPROTO_UDP,
				     IPPROTO_ICMPV6, IPPROTO_IGMP, IPPROTO_GRE};
static const uint32_t versions[] = {0, 1, 0x6b3343cf, 2, 0x1a2a3a4a, 0xffffffff};

/* One condition; twice the same is one. */
static void random_condition(struct arq_rule *rule, uint32_t sets, uint64_t *random)
{
	switch (random_below(random, 20)) {
	case 0 ... 3:
		if (!rule->from.prefix_count && !rule->from.set_count)
			random_addresses(&rule->from, sets, random);
		break;
	case 4 ... 6:
		if (!rule->to.prefix_count && !rule->to.set_count)
			random_addresses(&rule->to, sets, random);
		break;
	case 7 ... 8:
		if (!rule->protocols.count && one_in(random, 2))
			random_choice(&rule->protocols, protocols, 6, random);
		else if (!rule->protocols.count)
			random_ranges(&rule->protocols, 255, random);
		break;
	case 9 ... 10:
		if (!rule->to_ports.count)
			random_ports(&rule->to_ports, random);
		break;
	case 11:
		if (!rule->from_ports.count)
			random_ports(&rule->from_ports, random);
		break;
	case 12:
		if (!rule->icmp.count && one_in(random, 2))
			random_icmp(&rule->icmp, random);
		else if (!rule->icmp6.count)
			random_icmp(&rule->icmp6, random);
		break;
	case 13:
		random_flags(&rule->tcp_flags, random);
		break;
	case 14:
		if (!rule->lengths.count)
			random_ranges(&rule->lengths, one_in(random, 4) ? 65535 : 150, random);
		break;
	case 15:
		if (!rule->ttls.count)
			random_ranges(&rule->ttls, 255, random);
		break;
	case 16:
		if (!rule->dscps.count)
			random_ranges(&rule->dscps, 63, random);
		break;
	case 17:
		rule->fragments = 1 + random_below(random, 7);
		break;
	case 18:
		if (!rule->vlans.count)
			random_ranges(&rule->vlans, ARQ_VLAN_NONE, random);
		break;
	default:
		if (one_in(random, 2))
			rule->quic_types = 1 + random_below(random, 127);
		else if (!rule->quic_versions.count && one_in(random, 2))
			random_choice(&rule->quic_versions, versions, 6, random);
		else if (!rule->quic_versions.count)
			random_ranges(&rule->quic_versions, UINT32_MAX, random);
		break;
	}
}

/*
 * Blocks for an hour; limits that let a few packets pass and, in a day, one more. Few prefixes have
 * limits of their own: the kernel forgets some when there are many.
 */
static void random_consequence(struct arq_rule *rule, uint64_t *random)
{
	static const uint8_t blocked_v4[] = {8, 16, 24, 32}, blocked_v6[] = {8, 32, 64, 128};

	if (rule->action == ARQ_RULE_BLOCK) {
		rule->block_ns = 3600 * 1000000000ull;
		rule->block_prefix_v4 = blocked_v4[random_below(random, 4)];
		rule->block_prefix_v6 = blocked_v6[random_below(random, 4)];
	}
	if (rule->action != ARQ_RULE_PASS || !one_in(random, 5))
		return;
	rule->limit = (struct arq_rule_limit){
		.rate = 1,
		.period_ns = 86400 * 1000000000ull,
		.burst = 1 + random_below(random, 20),
		.per = one_in(random, 2) ? ARQ_LIMIT_PER_RULE : ARQ_LIMIT_PER_SOURCE,
		.prefix_v4 = (uint8_t)(1 + random_below(random, 8)),
		.prefix_v6 = (uint8_t)(1 + random_below(random, 8)),
	};
}

static void random_rule(struct arq_rule *rule, uint32_t number, uint32_t sets, uint64_t *random)
{
	uint32_t conditions = 1 + random_below(random, 4);

	snprintf(rule->name, sizeof(rule->name), "rule-%u", number);
	/* One without any matches everything and hides what follows. */
	if (one_in(random, 400))
		conditions = 0;
	for (uint32_t i = 0; i < conditions; i++)
		random_condition(rule, sets, random);
	if (one_in(random, 20))
		random_interfaces(rule, random);
	rule->action = one_in(random, 4)    ? ARQ_RULE_COUNT
		       : one_in(random, 2)  ? ARQ_RULE_PASS
		       : one_in(random, 12) ? ARQ_RULE_BLOCK
					    : ARQ_RULE_DROP;
	random_consequence(rule, random);
}

void random_ruleset(struct arq_ruleset *ruleset, uint32_t count, uint64_t *random)
{
	*ruleset = (struct arq_ruleset){
		.rules = allocate(count + 1, sizeof(*ruleset->rules)),
		.rule_count = count,
		.set_count = random_below(random, 4),
		.default_action = one_in(random, 2) ? ARQ_RULE_PASS : ARQ_RULE_DROP,
		.default_control = one_in(random, 3),
	};
	ruleset->sets = allocate(ruleset->set_count + 1u, sizeof(*ruleset->sets));
	for (uint32_t i = 0; i < ruleset->set_count; i++) {
		struct arq_set *set = &ruleset->sets[i];
		char name[16];
		snprintf(name, sizeof(name), "set-%u", i);
		set->name = strdup(name);
		set->count = random_below(random, 40);
		set->entries = allocate(set->count + 1, sizeof(*set->entries));
		for (size_t j = 0; j < set->count; j++)
			set->entries[j].prefix = random_prefix(random);
	}
	for (uint32_t i = 0; i < count; i++)
		random_rule(&ruleset->rules[i], i + 1, ruleset->set_count, random);
}

/* --- packets ---------------------------------------------------------------------------------- */

/* At the edge of a range, or one beyond it. */
static uint32_t near(struct arq_range range, uint64_t *random)
{
	switch (random_below(random, 5)) {
	case 0:
		return range.low - 1;
	case 1:
		return range.high + 1;
	case 2:
		return range.high;
	default:
		return range.low;
	}
}

/* A value for a condition, or any if there is none. */
static uint32_t aim(const struct arq_match_ranges *match, uint32_t highest, uint64_t *random)
{
	if (match->count == 0 || one_in(random, 8))
		return random_value(highest, random);
	return near(match->items[random_below(random, match->count)], random) & highest;
}

static uint16_t aim_port(const struct arq_match_ports *match, uint64_t *random)
{
	if (match->count == 0 || one_in(random, 8))
		return (uint16_t)random_value(65535, random);
	const struct arq_port_range *item = &match->items[random_below(random, match->count)];
	return (uint16_t)near((struct arq_range){item->low, item->high}, random);
}

static const struct arq_prefix *aim_prefix(const struct arq_ruleset *ruleset,
					   const struct arq_match_addresses *match,
					   uint64_t *random)
{
	if (match->set_count && (!match->prefix_count || one_in(random, 2))) {
		const struct arq_set *set =
			&ruleset->sets[match->sets[random_below(random, match->set_count)]];
		return set->count ? &set->entries[random_below(random, (uint32_t)set->count)].prefix
				  : NULL;
	}
	return match->prefix_count ? &match->prefixes[random_below(random, match->prefix_count)]
				   : NULL;
}

/* The first or last address of a prefix, one in it, or one with its last bit turned. */
static void aim_address(uint8_t *address, int family, const struct arq_prefix *prefix,
			uint64_t *random)
{
	unsigned int bits = family == AF_INET ? 32 : 128;
	uint8_t made[16];

	random_address(made, family, random);
	if (prefix && prefix->family == family && !one_in(random, 8)) {
		uint32_t kind = random_below(random, 4);
		for (unsigned int bit = 0; bit < bits; bit++) {
			uint8_t mask = (uint8_t)(0x80u >> bit % 8);
			bool set = bit < prefix->length ? prefix->address[bit / 8] & mask
				   : kind == 0          ? false
				   : kind == 1          ? true
							: made[bit / 8] & mask;
			set ^= kind == 2 && bit + 1 == prefix->length;
			made[bit / 8] = (uint8_t)((made[bit / 8] & ~mask) | (set ? mask : 0));
		}
	}
	memcpy(address, made, bits / 8);
}

static uint8_t aim_protocol(const struct arq_rule *rule, uint8_t ip, uint64_t *random)
{
	if (rule->icmp.count && !one_in(random, 8))
		return IPPROTO_ICMP;
	if (rule->icmp6.count && !one_in(random, 8))
		return IPPROTO_ICMPV6;
	if (rule->tcp_flags.mask && !one_in(random, 8))
		return IPPROTO_TCP;
	if ((rule->quic_types || rule->quic_versions.count) && !one_in(random, 8))
		return IPPROTO_UDP;
	if ((rule->to_ports.count || rule->from_ports.count) && !one_in(random, 8))
		return one_in(random, 2) ? IPPROTO_TCP : IPPROTO_UDP;
	uint32_t protocol = rule->protocols.count ? aim(&rule->protocols, 255, random)
						  : protocols[random_below(random, 6)];
	/* What follows would not be what the header says. */
	if (ip == 6 && (protocol == 0 || protocol == 43 || protocol == 44 || protocol == 51 ||
			protocol == 60 || protocol == 135 || protocol == 139 || protocol == 140))
		return IPPROTO_GRE;
	return (uint8_t)protocol;
}

static void random_spec(struct frame_spec *spec, const struct arq_rule *rule, uint64_t *random)
{
	static const uint8_t extensions[] = {0, 43, 51, 60, 135, 139, 140};
	static const uint16_t fragments[] = {0x2000, 0x0001, 0x1fff, 0x2005, 0x0008};

	*spec = (struct frame_spec){.ip = one_in(random, 2) ? 4 : 6};
	const struct arq_prefix *wanted = rule->from.prefix_count ? rule->from.prefixes
					  : rule->to.prefix_count ? rule->to.prefixes
								  : NULL;
	if (wanted && !one_in(random, 6))
		spec->ip = wanted->family == AF_INET ? 4 : 6;
	if (one_in(random, 25))
		spec->ip = 0;
	if (one_in(random, 6) || rule->vlans.count)
		spec->tags[0] = one_in(random, 2) ? 0x8100 : 0x88a8;
	if (spec->tags[0] && one_in(random, 3))
		spec->tags[1] = 0x8100;
	if (one_in(random, 10))
		spec->options = (uint8_t)(4 * (1 + random_below(random, 10)));
	if (one_in(random, 6)) {
		spec->extension_count = (uint8_t)(1 + random_below(random, 9));
		for (uint32_t i = 0; i < spec->extension_count; i++)
			spec->extensions[i] = extensions[random_below(random, 7)];
	}
	if (one_in(random, 8) || (rule->fragments && !one_in(random, 4)))
		spec->fragment = fragments[random_below(random, 5)];
	spec->protocol = aim_protocol(rule, spec->ip, random);
	spec->payload = (enum payload)random_below(random, PAYLOAD_NO_FIXED_BIT + 1);
	if (one_in(random, 40))
		spec->ip_length = (int8_t)(random_below(random, 16) - 8);
	if (one_in(random, 40))
		spec->l4_length = (int8_t)(random_below(random, 16) - 8);
	if (one_in(random, 60))
		spec->padding = (uint8_t)random_below(random, 40);
}

static void put16(uint8_t *at, uint32_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static void set_l3(struct frame *frame, const struct arq_packet *packet,
		   const struct arq_ruleset *ruleset, const struct arq_rule *rule, uint64_t *random)
{
	uint8_t *l3 = frame->bytes + packet->l3_offset;
	bool v4 = packet->flags & ARQ_PACKET_IPV4;
	int family = v4 ? AF_INET : AF_INET6;
	uint32_t dscp = aim(&rule->dscps, 63, random) << 2 | random_below(random, 4);

	aim_address(l3 + (v4 ? 12 : 8), family, aim_prefix(ruleset, &rule->from, random), random);
	aim_address(l3 + (v4 ? 16 : 24), family, aim_prefix(ruleset, &rule->to, random), random);
	l3[v4 ? 8 : 7] = (uint8_t)aim(&rule->ttls, 255, random);
	if (v4) {
		l3[1] = (uint8_t)dscp;
	} else {
		l3[0] = (uint8_t)((l3[0] & 0xf0) | dscp >> 4);
		l3[1] = (uint8_t)((l3[1] & 0x0f) | dscp << 4);
	}
	/* Bytes at the end, which are part of the IP packet. */
	uint32_t more = random_below(random, 60);
	if (one_in(random, 3) && frame->length + more <= sizeof(frame->bytes)) {
		memset(frame->bytes + frame->length, 0, more);
		frame->length += more;
		uint32_t at = v4 ? 2 : 4;
		put16(l3 + at, ((uint32_t)l3[at] << 8 | l3[at + 1]) + more);
	}
}

static void set_l4(struct frame *frame, const struct arq_packet *packet,
		   const struct arq_rule *rule, uint64_t *random)
{
	uint8_t *l4 = frame->bytes + packet->l4_offset;
	const struct arq_match_icmp *icmp =
		packet->protocol == IPPROTO_ICMP ? &rule->icmp : &rule->icmp6;

	if (packet->protocol == IPPROTO_TCP || packet->protocol == IPPROTO_UDP) {
		put16(l4, one_in(random, 30) ? 67 : aim_port(&rule->from_ports, random));
		put16(l4 + 2, one_in(random, 30) ? 68 : aim_port(&rule->to_ports, random));
		if (one_in(random, 60))
			memcpy(l4, "\2\43\2\42", 4);
	} else {
		l4[0] = (uint8_t)random_value(255, random);
		l4[1] = (uint8_t)random_value(255, random);
		if (one_in(random, 4))
			l4[0] = (uint8_t)(130 + random_below(random, 14));
		if (icmp->count && !one_in(random, 6)) {
			const struct arq_icmp_range *item =
				&icmp->items[random_below(random, icmp->count)];
			l4[0] = item->type;
			l4[1] = (uint8_t)near((struct arq_range){item->code_low, item->code_high},
					      random);
		}
	}
	if (packet->protocol == IPPROTO_TCP) {
		uint8_t any = (uint8_t)random_below(random, 256);
		const struct arq_match_tcp_flags *flags = &rule->tcp_flags;
		l4[13] = one_in(random, 3) ? any : (uint8_t)((any & ~flags->mask) | flags->value);
		if (one_in(random, 6))
			l4[13] = 0;
	}
	if (packet->flags & ARQ_PACKET_QUIC_LONG && one_in(random, 2)) {
		uint8_t *quic = frame->bytes + packet->payload_offset;
		uint32_t version = aim(&rule->quic_versions, UINT32_MAX, random);
		put16(quic + 1, version >> 16);
		put16(quic + 3, version);
		quic[0] = (uint8_t)(0x80 | random_below(random, 128));
	}
}

void random_frame(struct frame *frame, const struct arq_ruleset *ruleset, uint64_t *random)
{
	static const struct arq_rule nothing;
	struct arq_packet packet = {0};
	struct frame_spec spec;
	const struct arq_rule *rule =
		ruleset->rule_count ? &ruleset->rules[random_below(random, ruleset->rule_count)]
				    : &nothing;

	if (one_in(random, 12)) {
		do {
			frame_mutate(frame, random);
		} while (frame->length < 14);
		return;
	}
	random_spec(&spec, rule, random);
	frame_build(frame, &spec);
	if (spec.tags[0])
		put16(frame->bytes + 14, aim(&rule->vlans, 4095, random) | 0x6000);
	reference_parse(frame, &packet);
	if (packet.flags & (ARQ_PACKET_IPV4 | ARQ_PACKET_IPV6))
		set_l3(frame, &packet, ruleset, rule, random);
	if (packet.l4_offset != ARQ_OFFSET_NONE)
		set_l4(frame, &packet, rule, random);
}
