/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Keys and values of the firewall's tables: LPM tries `sources_v4` and `sources_v6`, by source
 * address. The value is the decision for every address whose longest prefix the key is.
 *
 * Before the tries stands a filter, `struct arq_source_filter arq_source_filter` in section
 * `.bss.sources`, pinned as "sources_filter": one bit for each value of 16 bits of the address, set
 * when any prefix may match an address with that value. Most sources meet no prefix, and a bit says
 * so in a nanosecond where a trie of a thousand prefixes takes a hundred. Whoever adds to a trie
 * sets the bits first.
 */
#ifndef ARQUANT_FIREWALL_H
#define ARQUANT_FIREWALL_H

#include <linux/types.h>

#define ARQ_RULES_MAX     65535
#define ARQ_RULE_NAME_MAX 64 /* with the final zero */
#define ARQ_SOURCES_MAX   (1u << 20) /* prefixes of all rules, for each family */

enum arq_rule_action {
	ARQ_RULE_DROP,
	ARQ_RULE_PASS,
	ARQ_RULE_COUNT, /* counts the packet; the next rule that matches decides */
	ARQ_RULE_BLOCK, /* drops it, and whatever its source sends for a time */
};

struct arq_source_key_v4 {
	__u32 length; /* of the prefix in bits, host byte order, as the kernel's trie wants it */
	__u8 address[4]; /* network byte order, host bits zero */
};

struct arq_source_key_v6 {
	__u32 length;
	__u8 address[16];
};

#define ARQ_SOURCE_FILTER_BYTES 8192

struct arq_source_filter {
	__u8 v4[ARQ_SOURCE_FILTER_BYTES]; /* bit i: byte i / 8, value 1 << i % 8 */
	__u8 v6[ARQ_SOURCE_FILTER_BYTES];
};

/*
 * Bit of an address, by its first 32 bits in host byte order. In IPv6 the first 16 bits are nearly
 * always the same few; the second 16, folded in, tell networks apart.
 */
#define ARQ_SOURCE_BIT_V4(head) ((__u16)((head) >> 16))
#define ARQ_SOURCE_BIT_V6(head) ((__u16)((head) >> 16 ^ (head)))

/* Value of the array `rule_names`, at the rule's number: 0 is no rule. */
struct arq_rule_name {
	char text[ARQ_RULE_NAME_MAX];
};

struct arq_source_rule {
	__u32 rule; /* the rule that decides, counted from 1 */
	__u32 action; /* enum arq_rule_action */
};

#endif
