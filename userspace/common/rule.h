/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The firewall's rules as the rest of user space sees them: plain data, made from the
 * configuration, compiled into the program's tables, and interpreted by the reference
 * (progs/firewall/reference.h). Nothing here says how a rule is looked up.
 *
 * A rule matches a packet when each of its conditions does. A condition that is empty (count 0,
 * mask 0) holds for every packet. `negate` turns a condition round; an empty one must not have it.
 *
 * What a packet does not have, no condition on it matches, negated or not: a rule with a port (or
 * TCP flags, ICMP type, QUIC type) matches no fragment but the first, no packet of another
 * protocol, and nothing behind a header that the parser does not follow. An address condition with
 * prefixes of one family only does not match the other family, unless it is negated. Packets that
 * are not IP have a length and a VLAN, and nothing else.
 *
 * Rules are in order and numbered from 1; the first that matches decides. ARQ_RULE_COUNT counts the
 * packet and goes on to the next match.
 */
#ifndef ARQUANT_COMMON_RULE_H
#define ARQUANT_COMMON_RULE_H

#include "userspace/common/prefix.h"

#include <arquant/firewall.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* From `low` to `high`, both included, host byte order. */
struct arq_range {
	uint32_t low;
	uint32_t high;
};

/* Any of the ranges. */
struct arq_match_ranges {
	struct arq_range *items;
	uint32_t count;
	bool negate;
};

/* Any of the prefixes, or of the sets (indices into arq_ruleset.sets). */
struct arq_match_addresses {
	struct arq_prefix *prefixes;
	uint32_t prefix_count;
	uint32_t *sets;
	uint32_t set_count;
	bool negate;
};

struct arq_port_range {
	uint8_t protocol; /* IPPROTO_TCP, IPPROTO_UDP, or 0 for both */
	uint16_t low;
	uint16_t high;
};

/* Any of the ranges; port 0 is a port like others. */
struct arq_match_ports {
	struct arq_port_range *items;
	uint32_t count;
	bool negate;
};

struct arq_icmp_range {
	uint8_t type;
	uint8_t code_low;
	uint8_t code_high; /* 255 with code_low 0: any code */
};

/* ICMP types, or ICMPv6's, which are other numbers: each matches only its own protocol. */
struct arq_match_icmp {
	struct arq_icmp_range *items;
	uint32_t count;
	bool negate;
};

/* (flags & mask) == value, over the eight bits from CWR (0x80) to FIN (0x01); mask 0: any packet */
struct arq_match_tcp_flags {
	uint8_t value;
	uint8_t mask;
	bool negate;
};

/* Bits of arq_rule.fragments; 0: any packet. */
enum arq_match_fragment {
	ARQ_FRAGMENT_NONE = 1 << 0, /* not a fragment */
	ARQ_FRAGMENT_FIRST = 1 << 1,
	ARQ_FRAGMENT_LATER = 1 << 2,
};

/* Bits of arq_rule.quic_types, of UDP datagrams; 0: any packet. The first packet of one counts. */
enum arq_match_quic {
	ARQ_QUIC_SHORT = 1 << 0, /* first bit 0 */
	ARQ_QUIC_INITIAL = 1 << 1, /* long headers: by the type bits of their version */
	ARQ_QUIC_ZERO_RTT = 1 << 2,
	ARQ_QUIC_HANDSHAKE = 1 << 3,
	ARQ_QUIC_RETRY = 1 << 4,
	ARQ_QUIC_VERSION_NEGOTIATION = 1 << 5, /* version 0 */
	ARQ_QUIC_UNKNOWN_VERSION = 1 << 6, /* long header of a version other than 1 and 2 */
};

/* A VLAN condition's number for "no tag"; ids are 0 to 4095, of the outer tag. */
#define ARQ_VLAN_NONE 4096

enum arq_limit_per {
	ARQ_LIMIT_PER_RULE, /* one for all packets that the rule matches */
	ARQ_LIMIT_PER_SOURCE, /* one for each source prefix of the lengths given */
};

/* GCRA: `rate` packets a second in the long run, `burst` at once. */
struct arq_rule_limit {
	uint64_t rate; /* packets in `period_ns`; 0: no limit */
	uint64_t period_ns;
	uint32_t burst; /* packets, at least 1 */
	enum arq_limit_per per;
	uint8_t prefix_v4; /* bits, 1 to 32; 32 for each address */
	uint8_t prefix_v6; /* bits, 1 to 128 */
};

struct arq_rule {
	char name[ARQ_RULE_NAME_MAX]; /* unique */
	uint32_t line; /* in the configuration, for messages; 0: unknown */

	struct arq_match_addresses from;
	struct arq_match_addresses to;
	struct arq_match_ranges protocols; /* of the last header that the parser follows */
	struct arq_match_ports from_ports;
	struct arq_match_ports to_ports;
	struct arq_match_icmp icmp;
	struct arq_match_icmp icmp6;
	struct arq_match_tcp_flags tcp_flags;
	struct arq_match_ranges lengths; /* bytes of the IP packet; of the frame without its link
					  * header if it is not IP; up to 65535, which longer
					  * ones count as */
	struct arq_match_ranges ttls; /* TTL, hop limit */
	struct arq_match_ranges dscps; /* 0 to 63 */
	uint32_t fragments; /* enum arq_match_fragment */
	struct arq_match_ranges vlans; /* ids, or ARQ_VLAN_NONE */
	char **interfaces; /* names; empty: all */
	uint32_t interface_count;
	uint32_t quic_types; /* enum arq_match_quic */
	struct arq_match_ranges quic_versions; /* of long headers */

	enum arq_rule_action action;
	struct arq_rule_limit limit; /* a packet beyond it is dropped, ARQ_REASON_LIMIT */
	uint64_t block_ns; /* ARQ_RULE_BLOCK: for so long */
	uint8_t block_prefix_v4; /* and so many bits of the source, 1 to 32 */
	uint8_t block_prefix_v6; /* 1 to 128 */
};

/* A set's prefixes; the tag is shown with what the entry did, "" for none. */
struct arq_set_entry {
	struct arq_prefix prefix;
	uint32_t tag; /* offset into arq_set.tags, 0: none */
	uint32_t expires; /* seconds of CLOCK_REALTIME since 1970; 0: never */
};

struct arq_set {
	char *name;
	char *file; /* where the entries are from; NULL: the configuration */
	uint32_t line; /* in the configuration, for messages; 0: unknown */
	struct arq_set_entry *entries;
	size_t count;
	bool track; /* keep hits and last seen of each entry */
	char *tags; /* strings one after the other; the first byte is 0 */
	size_t tags_size;
};

/* A whole policy. Owns all it points to. */
struct arq_ruleset {
	struct arq_rule *rules;
	uint32_t rule_count;
	struct arq_set *sets;
	uint32_t set_count;
	enum arq_rule_action default_action; /* PASS or DROP */
	bool default_control; /* it is for control traffic, too (progs/firewall/firewall.bpf.h) */
};

/* Frees what a rule set owns, not the structure; zeroes it. */
void arq_ruleset_clear(struct arq_ruleset *ruleset);

#endif
