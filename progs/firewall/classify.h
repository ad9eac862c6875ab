/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The tables of one generation, as the compiler (compile.h) makes them and the program
 * (classify.bpf.h) reads them: one value of one map, so that after two look-ups all is plain
 * memory.
 *
 * Every field in use yields a row: the bitmap of the rules that a packet with this value of the
 * field may match. The AND of the rows has a bit for every rule that matches. A table gives the
 * number of the row for each value of a small field; equal bitmaps share a row.
 *
 * A row has two levels. `summary` has a bit for each word of the bitmap that is not zero: the AND
 * of the summaries says which words are worth a look (aggregated bit vectors). The words lie in
 * blocks of a cache line, which rows share: rules of one field mostly leave other fields open, so
 * nearly all blocks of a row are those of its neighbour. With up to 64 rules there is only one
 * word, and `summary` is that word itself.
 *
 * Protocol, destination port and ICMP type are one field, as are addresses of both families.
 */
#ifndef ARQUANT_PROGS_FIREWALL_CLASSIFY_H
#define ARQUANT_PROGS_FIREWALL_CLASSIFY_H

#include <arquant/firewall.h>
#include <arquant/limit.h>
#include <linux/types.h>

#define ARQ_RULE_WORDS  (ARQ_RULES_MAX / 64)
#define ARQ_BLOCK_WORDS 8
#define ARQ_ROW_BLOCKS  (ARQ_RULE_WORDS / ARQ_BLOCK_WORDS)

/* Powers of two: what the kernel takes as one value, 4 MiB, has room for about these. */
#define ARQ_ROWS   32768
#define ARQ_BLOCKS 32768

/* Boundaries between QUIC versions that rules tell apart. A power of two. */
#define ARQ_QUIC_VERSIONS 4096

/* Rules that count within a limit and go on: a packet may meet all of them, one after the other. */
#define ARQ_LIMITED_COUNTS_MAX 64

/* Fields that give a row each. */
enum arq_rule_field {
	ARQ_FIELD_FROM = 1, /* 0 is the end of a list of fields */
	ARQ_FIELD_TO,
	ARQ_FIELD_L4, /* protocol; destination port, ICMP type and code of protocols that have it */
	ARQ_FIELD_FROM_PORT,
	ARQ_FIELD_TCP_FLAGS,
	ARQ_FIELD_LENGTH,
	ARQ_FIELD_TTL,
	ARQ_FIELD_DSCP,
	ARQ_FIELD_FRAGMENT,
	ARQ_FIELD_VLAN,
	ARQ_FIELD_QUIC_TYPE,
	ARQ_FIELD_QUIC_VERSION,
	ARQ_FIELD_COUNT,
};

#define ARQ_FIELD_BIT(field) (1u << (field))

/* Bits of a field's number in a list. */
#define ARQ_ORDER_BITS 4

/* Tables of arq_generation.l4, and the first two of .from_port. */
enum arq_l4_kind {
	ARQ_L4_TCP,
	ARQ_L4_UDP,
	ARQ_L4_ICMP, /* index: type << 8 | code */
	ARQ_L4_ICMPV6,
	ARQ_L4_KINDS,
};

/* Index into arq_generation.fragment. */
enum arq_fragment_state {
	ARQ_STATE_WHOLE,
	ARQ_STATE_FIRST,
	ARQ_STATE_LATER,
	ARQ_FRAGMENT_STATES = 4, /* a power of two */
};

/* Index into arq_generation.quic_type: the numbers of the bits of enum arq_match_quic (rule.h). */
enum arq_quic_type {
	ARQ_TYPE_SHORT,
	ARQ_TYPE_INITIAL, /* this and the next three: the type bits of version 1 */
	ARQ_TYPE_ZERO_RTT,
	ARQ_TYPE_HANDSHAKE,
	ARQ_TYPE_RETRY,
	ARQ_TYPE_VERSION_NEGOTIATION,
	ARQ_TYPE_UNKNOWN_VERSION,
	ARQ_QUIC_TYPES = 8, /* a power of two */
};

#define ARQ_VLAN_ENTRIES 8192 /* ids, and one for no tag; a power of two */
#define ARQ_VLAN_NO_TAG  4096

struct arq_row {
	__u64 summary;
	__u16 blocks[ARQ_ROW_BLOCKS];
};

struct arq_block {
	__u64 words[ARQ_BLOCK_WORDS];
};

/* What follows from a rule. */
struct arq_consequence {
	__u16 slot;
	__u8 action; /* enum arq_rule_action */
	__u8 limited; /* not 0: see arq_generation.limits */
	__u8 block_length[2]; /* ARQ_RULE_BLOCK: bits of 128, of an IPv4 source and an IPv6 one */
	__u8 reserved[2];
};

struct arq_generation {
	struct arq_firewall_settings settings;
	__u32 fields; /* ARQ_FIELD_BIT of those in use; 0: no rules */
	__u32 words; /* of a bitmap in use; 0: up to 64 rules */
	__u64 summary; /* of all words in use; or, when `words` is 0, of all rules */
	__u64 order; /* the fields in use, ARQ_ORDER_BITS each, the most selective first */
	__u16 none[ARQ_FIELD_COUNT]; /* row for a packet without the field */
	/* Rows of the classes of the address tables, from class 0 on, by IPv4 and IPv6. */
	__u16 addresses[2][2]; /* [0]: from, [1]: to */

	__u64 valid[ARQ_RULE_WORDS]; /* bit for every rule */
	__u64 decisive[ARQ_RULE_WORDS]; /* for every rule but those that only count, without limit
					 */
	struct arq_consequence consequences[ARQ_RULES_MAX];
	struct arq_limit limits[ARQ_RULES_MAX];
	__u64 block_ns[ARQ_RULES_MAX]; /* ARQ_RULE_BLOCK: for so long */

	__u16 protocol[256]; /* ARQ_FIELD_L4, for packets without L4 header */
	__u16 tcp_flags[256];
	__u16 ttl[256];
	__u16 dscp[64];
	__u16 fragment[ARQ_FRAGMENT_STATES];
	__u16 quic_type[ARQ_QUIC_TYPES];
	__u16 vlan[ARQ_VLAN_ENTRIES];
	/* Where a row begins, ascending, from 0; the last one is repeated to the end. */
	__u32 quic_versions[ARQ_QUIC_VERSIONS];
	__u16 quic_version_rows[ARQ_QUIC_VERSIONS];
	__u16 l4[ARQ_L4_KINDS][65536];
	__u16 from_port[2][65536];
	__u16 length[65536];

	struct arq_row rows[ARQ_ROWS];
	struct arq_block blocks[ARQ_BLOCKS] __attribute__((aligned(64)));
};

/*
 * Of each CPU, for the packet under classification: its row by enum arq_rule_field; of fields that
 * are not in use, anything, but 0 of the field 0, which there is not. In memory, of which the
 * verifier remembers nothing: on the stack, where it does, every field would double its work.
 */
struct arq_rows {
	__u32 numbers[1u << ARQ_ORDER_BITS];
	__u64 candidates; /* the AND of their summaries */
} __attribute__((aligned(64)));

_Static_assert(sizeof(struct arq_generation) <= 4 << 20, "the kernel takes no larger value");

#endif
