// SPDX-License-Identifier: BSD-2-Clause
#include "progs/firewall/reference.h"

#include <arquant/reason.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

/* A frame under question. */
struct subject {
	const struct arq_reference_question *question;
	const uint8_t *bytes;
	struct arq_packet packet;
	bool ip;
	const uint8_t *l3;
	const uint8_t *l4; /* NULL: none here */
	const uint8_t *quic; /* NULL: no QUIC */
};

/* --- conditions ------------------------------------------------------------------------------- */

static bool in_prefix(const struct arq_prefix *prefix, int family, const uint8_t *address)
{
	if (prefix->family != family)
		return false;
	size_t whole = prefix->length / 8;
	unsigned int rest = prefix->length % 8;
	return memcmp(prefix->address, address, whole) == 0 &&
	       (rest == 0 || (prefix->address[whole] ^ address[whole]) >> (8 - rest) == 0);
}

static bool in_set(const struct subject *subject, const struct arq_set *set, int family,
		   const uint8_t *address)
{
	for (size_t i = 0; i < set->count; i++) {
		const struct arq_set_entry *entry = &set->entries[i];
		if ((entry->expires == 0 || entry->expires > subject->question->now) &&
		    in_prefix(&entry->prefix, family, address))
			return true;
	}
	return false;
}

static bool meets_addresses(const struct subject *subject, const struct arq_match_addresses *match,
			    size_t offset_v4, size_t offset_v6)
{
	bool v4 = subject->packet.flags & ARQ_PACKET_IPV4;
	int family = v4 ? AF_INET : AF_INET6;
	bool found = false;

	if (match->prefix_count == 0 && match->set_count == 0)
		return true;
	if (!subject->ip)
		return false;
	const uint8_t *address = subject->l3 + (v4 ? offset_v4 : offset_v6);
	for (uint32_t i = 0; i < match->prefix_count && !found; i++)
		found = in_prefix(&match->prefixes[i], family, address);
	for (uint32_t i = 0; i < match->set_count && !found; i++)
		found = in_set(subject, &subject->question->ruleset->sets[match->sets[i]], family,
			       address);
	return found != match->negate;
}

/* `has`: does the packet have the field? */
static bool meets_ranges(const struct arq_match_ranges *match, bool has, uint32_t value)
{
	bool found = false;

	if (match->count == 0)
		return true;
	if (!has)
		return false;
	for (uint32_t i = 0; i < match->count; i++)
		found |= match->items[i].low <= value && value <= match->items[i].high;
	return found != match->negate;
}

static bool meets_ports(const struct subject *subject, const struct arq_match_ports *match,
			size_t offset)
{
	uint8_t protocol = subject->packet.protocol;
	bool found = false;

	if (match->count == 0)
		return true;
	if (!subject->l4 || (protocol != IPPROTO_TCP && protocol != IPPROTO_UDP))
		return false;
	uint32_t port = (uint32_t)subject->l4[offset] << 8 | subject->l4[offset + 1];
	for (uint32_t i = 0; i < match->count; i++) {
		const struct arq_port_range *item = &match->items[i];
		found |= (item->protocol == 0 || item->protocol == protocol) && item->low <= port &&
			 port <= item->high;
	}
	return found != match->negate;
}

static bool meets_icmp(const struct subject *subject, const struct arq_match_icmp *match,
		       uint8_t protocol)
{
	bool found = false;

	if (match->count == 0)
		return true;
	if (!subject->l4 || subject->packet.protocol != protocol)
		return false;
	for (uint32_t i = 0; i < match->count; i++) {
		const struct arq_icmp_range *item = &match->items[i];
		found |= subject->l4[0] == item->type && item->code_low <= subject->l4[1] &&
			 subject->l4[1] <= item->code_high;
	}
	return found != match->negate;
}

static bool meets_tcp_flags(const struct subject *subject, const struct arq_match_tcp_flags *match)
{
	if (match->mask == 0)
		return true;
	if (!subject->l4 || subject->packet.protocol != IPPROTO_TCP)
		return false;
	return ((subject->l4[13] & match->mask) == match->value) != match->negate;
}

static uint32_t length_of(const struct subject *subject)
{
	uint32_t header = 14;

	if (subject->packet.flags & ARQ_PACKET_IPV4)
		return (uint32_t)subject->l3[2] << 8 | subject->l3[3];
	if (subject->packet.flags & ARQ_PACKET_IPV6) {
		uint32_t length = 40 + ((uint32_t)subject->l3[4] << 8 | subject->l3[5]);
		return length < 65535 ? length : 65535;
	}
	if (subject->packet.flags & ARQ_PACKET_VLAN)
		header += 4;
	if (subject->packet.flags & ARQ_PACKET_QINQ)
		header += 4;
	if (subject->packet.length <= header)
		return 0;
	return subject->packet.length - header < 65535 ? subject->packet.length - header : 65535;
}

static uint32_t ttl_of(const struct subject *subject)
{
	if (!subject->ip)
		return 0;
	return subject->packet.flags & ARQ_PACKET_IPV4 ? subject->l3[8] : subject->l3[7];
}

static uint32_t dscp_of(const struct subject *subject)
{
	if (!subject->ip)
		return 0;
	uint32_t word = (uint32_t)subject->l3[0] << 8 | subject->l3[1];
	return (subject->packet.flags & ARQ_PACKET_IPV4 ? word : word >> 4) >> 2 & 63;
}

static bool meets_fragments(const struct subject *subject, uint32_t wanted)
{
	uint32_t state = ARQ_FRAGMENT_NONE;

	if (wanted == 0)
		return true;
	if (!subject->ip)
		return false;
	if (subject->packet.flags & ARQ_PACKET_FRAGMENT)
		state = subject->packet.flags & ARQ_PACKET_FIRST_FRAGMENT ? ARQ_FRAGMENT_FIRST
									  : ARQ_FRAGMENT_LATER;
	return wanted & state;
}

static uint32_t version_of(const struct subject *subject)
{
	const uint8_t *at = subject->quic;

	return (uint32_t)at[1] << 24 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 8 | at[4];
}

static bool meets_quic_types(const struct subject *subject, uint32_t wanted)
{
	static const uint32_t v1[] = {ARQ_QUIC_INITIAL, ARQ_QUIC_ZERO_RTT, ARQ_QUIC_HANDSHAKE,
				      ARQ_QUIC_RETRY};
	static const uint32_t v2[] = {ARQ_QUIC_RETRY, ARQ_QUIC_INITIAL, ARQ_QUIC_ZERO_RTT,
				      ARQ_QUIC_HANDSHAKE};

	if (wanted == 0)
		return true;
	if (subject->packet.flags & ARQ_PACKET_QUIC_SHORT)
		return wanted & ARQ_QUIC_SHORT;
	if (!(subject->packet.flags & ARQ_PACKET_QUIC_LONG))
		return false;
	switch (version_of(subject)) {
	case 0:
		return wanted & ARQ_QUIC_VERSION_NEGOTIATION;
	case 1:
		return wanted & v1[subject->quic[0] >> 4 & 3];
	case 0x6b3343cf:
		return wanted & v2[subject->quic[0] >> 4 & 3];
	default:
		return wanted & ARQ_QUIC_UNKNOWN_VERSION;
	}
}

static bool meets_interfaces(const struct subject *subject, const struct arq_rule *rule)
{
	if (rule->interface_count == 0 || !subject->question->interface)
		return true;
	for (uint32_t i = 0; i < rule->interface_count; i++) {
		if (strcmp(rule->interfaces[i], subject->question->interface) == 0)
			return true;
	}
	return false;
}

/* --- rules ------------------------------------------------------------------------------------ */

static bool matches(const struct subject *subject, const struct arq_rule *rule)
{
	const struct arq_packet *packet = &subject->packet;
	bool tagged = packet->flags & ARQ_PACKET_VLAN;
	bool quic_long = packet->flags & ARQ_PACKET_QUIC_LONG;

	return meets_interfaces(subject, rule) &&
	       meets_ranges(&rule->protocols, subject->ip, packet->protocol) &&
	       meets_ports(subject, &rule->to_ports, 2) &&
	       meets_ports(subject, &rule->from_ports, 0) &&
	       meets_icmp(subject, &rule->icmp, IPPROTO_ICMP) &&
	       meets_icmp(subject, &rule->icmp6, IPPROTO_ICMPV6) &&
	       meets_tcp_flags(subject, &rule->tcp_flags) &&
	       meets_ranges(&rule->lengths, true, length_of(subject)) &&
	       meets_ranges(&rule->ttls, subject->ip, ttl_of(subject)) &&
	       meets_ranges(&rule->dscps, subject->ip, dscp_of(subject)) &&
	       meets_fragments(subject, rule->fragments) &&
	       meets_ranges(&rule->vlans, true, tagged ? packet->vlan_id : ARQ_VLAN_NONE) &&
	       meets_quic_types(subject, rule->quic_types) &&
	       meets_ranges(&rule->quic_versions, quic_long, quic_long ? version_of(subject) : 0) &&
	       meets_addresses(subject, &rule->from, 12, 8) &&
	       meets_addresses(subject, &rule->to, 16, 24);
}

/* What a default verdict spares: see arq_is_control() in firewall.bpf.h for why. */
static bool is_control(const struct subject *subject)
{
	const uint8_t *l4 = subject->l4;
	bool v4 = subject->packet.flags & ARQ_PACKET_IPV4;

	if (!subject->ip)
		return true;
	switch (subject->packet.protocol) {
	case IPPROTO_IGMP:
		return v4;
	case IPPROTO_UDP:
		if (!l4)
			return false;
		return v4 ? memcmp(l4, "\0\103\0\104", 4) == 0 : memcmp(l4, "\2\43\2\42", 4) == 0;
	case IPPROTO_ICMPV6:
		return !v4 && l4 && ((l4[0] >= 130 && l4[0] <= 137) || l4[0] == 143);
	default:
		return false;
	}
}

static void ask_rules(const struct subject *subject, struct arq_reference_answer *answer)
{
	const struct arq_ruleset *ruleset = subject->question->ruleset;

	for (uint32_t i = 0; i < ruleset->rule_count; i++) {
		const struct arq_rule *rule = &ruleset->rules[i];
		if (!matches(subject, rule))
			continue;
		if (rule->action == ARQ_RULE_COUNT) {
			answer->counted[i / 64] |= 1ULL << i % 64;
			answer->counted_by++;
			continue;
		}
		answer->rule = i + 1;
		answer->drop = rule->action != ARQ_RULE_PASS;
		if (answer->drop)
			answer->reason = ARQ_REASON_RULE;
		return;
	}
	if (ruleset->default_action == ARQ_RULE_DROP &&
	    (ruleset->default_control || !is_control(subject))) {
		answer->drop = true;
		answer->reason = ARQ_REASON_DEFAULT;
	}
}

void arq_reference_decide(const struct arq_reference_question *question, const uint8_t *bytes,
			  size_t length, struct arq_reference_answer *answer)
{
	struct subject subject = {.question = question, .bytes = bytes};
	const struct arq_packet *packet = &subject.packet;

	*answer = (struct arq_reference_answer){0};
	arq_reference_parse(bytes, length, &subject.packet);
	if (packet->flags & ARQ_PACKET_MALFORMED) {
		answer->reason = packet->reason;
		answer->malformed = !question->pass_malformed;
		answer->drop = answer->malformed;
		if (answer->malformed)
			return;
	}
	subject.ip = packet->flags & (ARQ_PACKET_IPV4 | ARQ_PACKET_IPV6);
	if (subject.ip)
		subject.l3 = bytes + packet->l3_offset;
	if (packet->l4_offset != ARQ_OFFSET_NONE)
		subject.l4 = bytes + packet->l4_offset;
	if (packet->flags & (ARQ_PACKET_QUIC_LONG | ARQ_PACKET_QUIC_SHORT))
		subject.quic = bytes + packet->payload_offset;
	ask_rules(&subject, answer);
}
