/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Finds the rules that match a packet, first match first, by the tables of a generation
 * (classify.h says what they are). Every field in use gives a row; fields that no rule looks at
 * cost a predicted branch, or nothing. The packet's fields are read from the packet.
 */
#ifndef ARQUANT_PROGS_FIREWALL_CLASSIFY_BPF_H
#define ARQUANT_PROGS_FIREWALL_CLASSIFY_BPF_H

#include "progs/firewall/classify.h"
#include "progs/firewall/lookup.bpf.h"
#include "progs/lib/bounds.bpf.h"
#include "progs/lib/metadata.bpf.h"
#include "progs/lib/parse.bpf.h"
#include "progs/lib/verdict.bpf.h"

#include <arquant/packet.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <linux/bpf.h>
#include <stdbool.h>
#include <stddef.h>

/* A rule's number as the classifier counts, from 0 on, or this: no rule. */
#define ARQ_CLASSIFY_NONE ARQ_RULES_MAX

/* Of IPv4 and IPv6: where a TCP header has its flags. */
#define ARQ_TCP_FLAGS_OFFSET 13

/* Bits per field in arq_generation.order. */
#define ARQ_ORDER_MASK ((1u << ARQ_ORDER_BITS) - 1)

struct arq_rows arq_rows[ARQ_MAX_CPUS];

/* A classification under way. Lives in registers, as everything that uses it is inline. */
struct arq_subject {
	void *data;
	void *end;
	const struct arq_packet *packet;
	const struct arq_generation *generation;
	__u32 number; /* of the generation */
	__u32 kind; /* enum arq_l4_kind; ARQ_L4_KINDS: no L4 header, or none that rules look at */
	__u64 candidates; /* words of the bitmap that may be not zero, or see classify.h */
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1); /* set to the number of CPUs before load */
	__type(key, __u32);
	__type(value, struct arq_rule_counters);
} rule_counters SEC(".maps");

/* Names by slot, for those who show them; the program does not look into it. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, ARQ_RULE_SLOTS);
	__type(key, __u32);
	__type(value, struct arq_rule_slot);
} rule_slots SEC(".maps");

/* Sizes, as clang describes no type that only a map inside a map has. Page-aligned, so that blocks
 * are cache lines. */
struct arq_generation_map {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(struct arq_generation));
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, ARQ_GENERATIONS);
	__type(key, __u32);
	__array(values, struct arq_generation_map);
} generations SEC(".maps");

/* The tables of a generation; NULL when there is none. */
static __always_inline const struct arq_generation *arq_generation_find(__u32 number)
{
	__u32 zero = 0;

	void *inner = bpf_map_lookup_elem(&generations, &number);
	return inner ? bpf_map_lookup_elem(inner, &zero) : NULL;
}

/*
 * The number of the lowest bit that is set; `bits` is not 0. The instruction set has none for it: a
 * lone bit times a de Bruijn sequence has a different number in its upper six bits for each bit.
 */
static __always_inline __u32 arq_lowest_bit(__u64 bits)
{
	static const __u8 numbers[64] = {
		0,  1,  2,  53, 3,  7,  54, 27, 4,  38, 41, 8,  34, 55, 48, 28,
		62, 5,  39, 46, 44, 42, 22, 9,  24, 35, 59, 56, 49, 18, 29, 11,
		63, 52, 6,  26, 37, 40, 33, 47, 61, 45, 43, 21, 23, 58, 17, 10,
		51, 25, 36, 32, 60, 20, 57, 16, 50, 31, 19, 15, 30, 14, 13, 12,
	};

	return numbers[(bits & -bits) * 0x022fdd63cc95386dULL >> 58] & 63;
}

static __always_inline const struct arq_row *arq_row(const struct arq_generation *generation,
						     __u32 number)
{
	return &generation->rows[arq_index(number) & (ARQ_ROWS - 1)];
}

/* The packet has this row for the field. */
static __always_inline void arq_subject_narrow(struct arq_subject *subject, struct arq_rows *rows,
					       enum arq_rule_field field, __u32 row)
{
	subject->candidates &= arq_row(subject->generation, row)->summary;
	rows->numbers[field] = row;
}

/* --- fields ----------------------------------------------------------------------------------- */

static __always_inline __u32 arq_l4_kind(const struct arq_packet *packet)
{
	if (packet->l4_offset == ARQ_OFFSET_NONE)
		return ARQ_L4_KINDS;
	switch (packet->protocol) {
	case IPPROTO_TCP:
		return ARQ_L4_TCP;
	case IPPROTO_UDP:
		return ARQ_L4_UDP;
	case IPPROTO_ICMP:
		return ARQ_L4_ICMP;
	case IPPROTO_ICMPV6:
		return ARQ_L4_ICMPV6;
	default:
		return ARQ_L4_KINDS;
	}
}

/* Not inlined, and global: the verifier follows its many ways once, not from every state here. */
__attribute__((noinline)) __u32 arq_address_class(__u32 table, __u64 high, __u64 low)
{
	return arq_lookup_class(table, high, low, true);
}

/*
 * Row of the source's (`direction` 0) or the destination's address (1), which is also what is added
 * to the number of the look-up table.
 */
static __always_inline __u32 arq_row_of_address(const struct arq_subject *subject, __u32 direction)
{
	const struct arq_packet *packet = subject->packet;
	const struct arq_generation *generation = subject->generation;
	__u32 table = ARQ_LOOKUP_INDEX(subject->number, ARQ_LOOKUP_FROM_V4 + direction);
	__be32 *at;
	__u64 high;
	__u64 low = 0;
	__u64 family = 0;

	if (packet->flags & ARQ_PACKET_IPV4) {
		__u32 field =
			direction ? offsetof(struct iphdr, daddr) : offsetof(struct iphdr, saddr);
		if (!arq_at((void **)&at, subject->data, subject->end, packet->l3_offset + field,
			    4))
			return generation->none[ARQ_FIELD_FROM + direction];
		high = (__u64)bpf_ntohl(*at) << 32;
	} else if (packet->flags & ARQ_PACKET_IPV6) {
		__u32 field = direction ? offsetof(struct ipv6hdr, daddr)
					: offsetof(struct ipv6hdr, saddr);
		if (!arq_at((void **)&at, subject->data, subject->end, packet->l3_offset + field,
			    16))
			return generation->none[ARQ_FIELD_FROM + direction];
		high = (__u64)bpf_ntohl(at[0]) << 32 | bpf_ntohl(at[1]);
		low = (__u64)bpf_ntohl(at[2]) << 32 | bpf_ntohl(at[3]);
		table += ARQ_LOOKUP_FROM_V6 - ARQ_LOOKUP_FROM_V4;
		family = 1;
	} else {
		return generation->none[ARQ_FIELD_FROM + direction];
	}
	return generation->addresses[direction][family] + arq_address_class(table, high, low);
}

/* Row of the protocol, with the destination port, or ICMP type and code. */
static __always_inline __u32 arq_row_of_l4(const struct arq_subject *subject)
{
	const struct arq_packet *packet = subject->packet;
	const struct arq_generation *generation = subject->generation;
	__be16 *l4;

	if (!(packet->flags & (ARQ_PACKET_IPV4 | ARQ_PACKET_IPV6)))
		return generation->none[ARQ_FIELD_L4];
	if (subject->kind == ARQ_L4_KINDS ||
	    !arq_at((void **)&l4, subject->data, subject->end, packet->l4_offset, 4))
		return generation->protocol[packet->protocol];
	/* The destination port is the second word, ICMP's type and code are the first. */
	__u64 value = subject->kind <= ARQ_L4_UDP ? l4[1] : l4[0];
	__u64 index = arq_index(subject->kind) & (ARQ_L4_KINDS - 1);
	return generation->l4[index][bpf_ntohs(value)];
}

static __always_inline __u32 arq_row_of_from_port(const struct arq_subject *subject)
{
	__be16 *l4;

	if (subject->kind > ARQ_L4_UDP ||
	    !arq_at((void **)&l4, subject->data, subject->end, subject->packet->l4_offset, 4))
		return subject->generation->none[ARQ_FIELD_FROM_PORT];
	__u64 index = arq_index(subject->kind) & 1;
	return subject->generation->from_port[index][bpf_ntohs(l4[0])];
}

static __always_inline __u32 arq_row_of_tcp_flags(const struct arq_subject *subject)
{
	__u8 *flags;

	if (subject->kind != ARQ_L4_TCP ||
	    !arq_at((void **)&flags, subject->data, subject->end,
		    subject->packet->l4_offset + ARQ_TCP_FLAGS_OFFSET, 1))
		return subject->generation->none[ARQ_FIELD_TCP_FLAGS];
	return subject->generation->tcp_flags[*flags];
}

/* Of the IP packet; of the frame behind Ethernet and tags if it is not IP. */
static __always_inline __u32 arq_row_of_length(const struct arq_subject *subject)
{
	const struct arq_packet *packet = subject->packet;
	__u64 length;
	void *l3;

	if (packet->flags & ARQ_PACKET_IPV4 &&
	    arq_at(&l3, subject->data, subject->end, packet->l3_offset, sizeof(struct iphdr))) {
		length = bpf_ntohs(((struct iphdr *)l3)->tot_len);
	} else if (packet->flags & ARQ_PACKET_IPV6 &&
		   arq_at(&l3, subject->data, subject->end, packet->l3_offset,
			  sizeof(struct ipv6hdr))) {
		length = sizeof(struct ipv6hdr) + bpf_ntohs(((struct ipv6hdr *)l3)->payload_len);
	} else {
		__u64 header = sizeof(struct ethhdr);
		if (packet->flags & ARQ_PACKET_VLAN)
			header += sizeof(struct arq_vlan_tag);
		if (packet->flags & ARQ_PACKET_QINQ)
			header += sizeof(struct arq_vlan_tag);
		length = packet->length > header ? packet->length - header : 0;
	}
	length = arq_index(length);
	return subject->generation->length[length < 65535 ? length : 65535];
}

/* TTL or hop limit. */
static __always_inline __u32 arq_row_of_ttl(const struct arq_subject *subject)
{
	const struct arq_packet *packet = subject->packet;
	__u8 *at;

	if (packet->flags & ARQ_PACKET_IPV4 &&
	    arq_at((void **)&at, subject->data, subject->end,
		   packet->l3_offset + offsetof(struct iphdr, ttl), 1))
		return subject->generation->ttl[*at];
	if (packet->flags & ARQ_PACKET_IPV6 &&
	    arq_at((void **)&at, subject->data, subject->end,
		   packet->l3_offset + offsetof(struct ipv6hdr, hop_limit), 1))
		return subject->generation->ttl[*at];
	return subject->generation->none[ARQ_FIELD_TTL];
}

/* The upper six bits of TOS, or of the traffic class that begins four bits later. */
static __always_inline __u32 arq_row_of_dscp(const struct arq_subject *subject)
{
	const struct arq_packet *packet = subject->packet;
	__u8 *at;

	if (!(packet->flags & (ARQ_PACKET_IPV4 | ARQ_PACKET_IPV6)) ||
	    !arq_at((void **)&at, subject->data, subject->end, packet->l3_offset, 2))
		return subject->generation->none[ARQ_FIELD_DSCP];
	__u64 dscp = packet->flags & ARQ_PACKET_IPV4 ? at[1] >> 2 : (at[0] & 0xf) << 2 | at[1] >> 6;
	return subject->generation->dscp[arq_index(dscp) & 63];
}

static __always_inline __u32 arq_row_of_fragment(const struct arq_subject *subject)
{
	__u32 flags = subject->packet->flags;

	if (!(flags & (ARQ_PACKET_IPV4 | ARQ_PACKET_IPV6)))
		return subject->generation->none[ARQ_FIELD_FRAGMENT];
	if (!(flags & ARQ_PACKET_FRAGMENT))
		return subject->generation->fragment[ARQ_STATE_WHOLE];
	if (flags & ARQ_PACKET_FIRST_FRAGMENT)
		return subject->generation->fragment[ARQ_STATE_FIRST];
	return subject->generation->fragment[ARQ_STATE_LATER];
}

static __always_inline __u32 arq_row_of_vlan(const struct arq_subject *subject)
{
	__u64 id = ARQ_VLAN_NO_TAG;
	__be16 *control;

	if (subject->packet->flags & ARQ_PACKET_VLAN &&
	    arq_at((void **)&control, subject->data, subject->end, sizeof(struct ethhdr), 2))
		id = bpf_ntohs(*control) & 0xfff;
	return subject->generation->vlan[arq_index(id) & (ARQ_VLAN_ENTRIES - 1)];
}

/* The first bytes of a long header; false for other packets. */
static __always_inline bool arq_subject_quic(const struct arq_subject *subject, __u8 *first,
					     __u32 *version)
{
	__u8 *at;

	if (!(subject->packet->flags & ARQ_PACKET_QUIC_LONG) ||
	    !arq_at((void **)&at, subject->data, subject->end, subject->packet->payload_offset, 5))
		return false;
	*first = at[0];
	*version = (__u32)at[1] << 24 | (__u32)at[2] << 16 | (__u32)at[3] << 8 | at[4];
	return true;
}

static __always_inline __u32 arq_row_of_quic_type(const struct arq_subject *subject)
{
	const struct arq_generation *generation = subject->generation;
	__u32 version;
	__u8 first;

	if (subject->packet->flags & ARQ_PACKET_QUIC_SHORT)
		return generation->quic_type[ARQ_TYPE_SHORT];
	if (!arq_subject_quic(subject, &first, &version))
		return generation->none[ARQ_FIELD_QUIC_TYPE];
	if (version == 0)
		return generation->quic_type[ARQ_TYPE_VERSION_NEGOTIATION];
	if (version != ARQ_QUIC_V1 && version != ARQ_QUIC_V2)
		return generation->quic_type[ARQ_TYPE_UNKNOWN_VERSION];
	/* Version 2 calls the same types 1, 2, 3, 0 (RFC 9369, 3.2). */
	__u64 type = (first >> 4) - (version == ARQ_QUIC_V2);
	return generation->quic_type[ARQ_TYPE_INITIAL + (arq_index(type) & 3)];
}

/*
 * The last boundary that is not above the packet's version, by bisection; without a branch, as the
 * verifier would follow every way through it.
 */
static __always_inline __u32 arq_row_of_quic_version(const struct arq_subject *subject)
{
	const struct arq_generation *generation = subject->generation;
	__u64 at = 0;
	__u32 version;
	__u8 first;

	if (!arq_subject_quic(subject, &first, &version))
		return generation->none[ARQ_FIELD_QUIC_VERSION];
#pragma clang loop unroll(disable)
	for (__u32 step = ARQ_QUIC_VERSIONS / 2; step; step /= 2) {
		__u64 next = arq_index(at + step) & (ARQ_QUIC_VERSIONS - 1);
		__u64 difference = arq_index((__u64)version - generation->quic_versions[next]);
		at += step & ((difference >> 63) - 1);
	}
	return generation->quic_version_rows[arq_index(at) & (ARQ_QUIC_VERSIONS - 1)];
}

/*
 * Those fields that few rule sets have. Returns which of the candidates are left. A function of its
 * own, global as arq_address_class().
 */
__attribute__((noinline)) __u64 arq_read_rare(struct xdp_md *ctx, __u32 number)
{
	const struct arq_generation *generation = arq_generation_find(number);
	__u32 cpu = arq_cpu();
	struct arq_rows *rows = &arq_rows[cpu];
	struct arq_subject subject = {
		.data = (void *)(long)ctx->data,
		.end = (void *)(long)ctx->data_end,
		.packet = &arq_packet[cpu],
		.generation = generation,
		.kind = arq_l4_kind(&arq_packet[cpu]),
		.candidates = ~0ULL,
	};

	if (!generation)
		return 0;
#define ARQ_READ(constant, name)                                         \
	if (generation->fields & ARQ_FIELD_BIT(ARQ_FIELD_##constant))    \
		arq_subject_narrow(&subject, rows, ARQ_FIELD_##constant, \
				   arq_row_of_##name(&subject));
	ARQ_READ(FROM_PORT, from_port)
	ARQ_READ(TCP_FLAGS, tcp_flags)
	ARQ_READ(LENGTH, length)
	ARQ_READ(TTL, ttl)
	ARQ_READ(DSCP, dscp)
	ARQ_READ(FRAGMENT, fragment)
	ARQ_READ(VLAN, vlan)
	ARQ_READ(QUIC_TYPE, quic_type)
	ARQ_READ(QUIC_VERSION, quic_version)
#undef ARQ_READ
	return subject.candidates;
}

static __always_inline void arq_subject_read(struct xdp_md *ctx, struct arq_subject *subject,
					     struct arq_rows *rows)
{
	const struct arq_generation *generation = subject->generation;
	__u32 fields = generation->fields;
	const __u32 common = ARQ_FIELD_BIT(ARQ_FIELD_FROM) | ARQ_FIELD_BIT(ARQ_FIELD_TO) |
			     ARQ_FIELD_BIT(ARQ_FIELD_L4);

	subject->candidates = generation->summary;
	subject->kind = arq_l4_kind(subject->packet);
	if (fields & ARQ_FIELD_BIT(ARQ_FIELD_L4))
		arq_subject_narrow(subject, rows, ARQ_FIELD_L4, arq_row_of_l4(subject));
	if (fields & ARQ_FIELD_BIT(ARQ_FIELD_FROM))
		arq_subject_narrow(subject, rows, ARQ_FIELD_FROM, arq_row_of_address(subject, 0));
	if (fields & ARQ_FIELD_BIT(ARQ_FIELD_TO))
		arq_subject_narrow(subject, rows, ARQ_FIELD_TO, arq_row_of_address(subject, 1));
	if (arq_unlikely(fields & ~common))
		subject->candidates &= arq_read_rare(ctx, subject->number);
}

/* --- the bitmap ------------------------------------------------------------------------------- */

/* Word `word` of the AND of all rows. */
static __always_inline __u64 arq_rows_word(const struct arq_generation *generation,
					   const struct arq_rows *rows, __u64 word)
{
	__u64 bits = generation->valid[word];
	__u64 order = generation->order;

#pragma clang loop unroll(disable)
	for (int i = 0; i < ARQ_FIELD_COUNT; i++) {
		__u64 field = arq_index(order) & ARQ_ORDER_MASK;
		const struct arq_row *row = arq_row(generation, rows->numbers[field]);
		__u64 block = arq_index(row->blocks[word / ARQ_BLOCK_WORDS]) & (ARQ_BLOCKS - 1);
		bits &= generation->blocks[block].words[word % ARQ_BLOCK_WORDS];
		order >>= ARQ_ORDER_BITS;
		if (!order)
			break;
	}
	return bits;
}

static __always_inline void arq_rule_count(struct arq_rule_counters *counters, __u32 slot,
					   __u32 length)
{
	__u64 index = arq_index(slot);

	if (index < ARQ_RULE_SLOTS) {
		counters->slots[index].packets++;
		counters->slots[index].bytes += length;
	}
}

/* Counts the packet for those rules of a word that are set in `bits`. */
__attribute__((noinline)) int arq_rules_count(struct arq_generation *generation, __u32 word,
					      __u64 bits, __u32 length)
{
	__u32 cpu = bpf_get_smp_processor_id();
	struct arq_rule_counters *counters = bpf_map_lookup_elem(&rule_counters, &cpu);

	if (!generation || !counters)
		return 0;
#pragma clang loop unroll(disable)
	for (int i = 0; i < 64 && bits; i++) {
		__u64 rule = arq_index(word * 64 + arq_lowest_bit(bits)) & (ARQ_RULES_MAX - 1);
		arq_rule_count(counters, generation->consequences[rule].slot, length);
		bits &= bits - 1;
	}
	return 0;
}

/*
 * The first rule of a word of the bitmap that decides, or ARQ_CLASSIFY_NONE. With `count`, counts
 * the packet for those before it that only count.
 */
static __always_inline __u32 arq_word_decide(const struct arq_generation *generation, __u64 word,
					     __u64 bits, __u32 length, bool count)
{
	__u64 deciding = bits & generation->decisive[word];
	__u64 lowest = deciding & -deciding;
	__u64 counting = bits & ~generation->decisive[word] & (lowest - 1);

	if (count && counting)
		arq_rules_count((struct arq_generation *)generation, word, counting, length);
	return deciding ? word * 64 + arq_lowest_bit(deciding) : ARQ_CLASSIFY_NONE;
}

/* The same of the whole bitmap. */
static __always_inline __u32 arq_rows_decide(const struct arq_generation *generation,
					     const struct arq_rows *rows, __u64 candidates,
					     __u32 length, bool count)
{
	if (!candidates)
		return ARQ_CLASSIFY_NONE;
	if (!generation->words)
		return arq_word_decide(generation, 0, candidates, length, count);
#pragma clang loop unroll(disable)
	for (int i = 0; i < ARQ_RULE_WORDS && candidates; i++) {
		__u64 word = arq_index(arq_lowest_bit(candidates)) & (ARQ_RULE_WORDS - 1);
		__u64 bits = arq_rows_word(generation, rows, word);
		__u32 rule = arq_word_decide(generation, word, bits, length, count);
		if (rule != ARQ_CLASSIFY_NONE)
			return rule;
		candidates &= candidates - 1;
	}
	return ARQ_CLASSIFY_NONE;
}

/* What arq_rows_word() says, for those who go on behind a rule; not inlined, as they are rare. */
__attribute__((noinline)) __u64 arq_word_after(__u32 number, __u32 word)
{
	const struct arq_generation *generation = arq_generation_find(number);

	if (!generation)
		return 0;
	if (!generation->words)
		return word ? 0 : arq_rows[arq_cpu()].candidates;
	return arq_rows_word(generation, &arq_rows[arq_cpu()],
			     arq_index(word) & (ARQ_RULE_WORDS - 1));
}

/* The next rule behind `rule` that decides about the packet that arq_classify() found it for. */
__attribute__((noinline)) __u32 arq_classify_after(__u32 number, __u32 rule, __u32 length)
{
	const struct arq_generation *generation = arq_generation_find(number);
	__u32 first = rule + 1;

	if (!generation)
		return ARQ_CLASSIFY_NONE;
#pragma clang loop unroll(disable)
	for (int i = 0; i < ARQ_RULE_WORDS && first < ARQ_RULES_MAX; i++) {
		__u64 word = arq_index(first / 64) & (ARQ_RULE_WORDS - 1);
		__u64 bits = arq_word_after(number, word) & ~0ULL << (first & 63);
		__u32 found = arq_word_decide(generation, word, bits, length, true);
		if (found != ARQ_CLASSIFY_NONE)
			return found;
		first = (word + 1) * 64;
	}
	return ARQ_CLASSIFY_NONE;
}

/*
 * Classifies the packet, whose metadata are this CPU's, by generation `number`; see
 * arq_rows_decide(). A function that the verifier sees once, however many ways lead to it.
 */
__attribute__((noinline)) __u32 arq_classify(struct xdp_md *ctx, __u32 number, __u32 count)
{
	const struct arq_generation *generation = arq_generation_find(number);
	__u32 cpu = arq_cpu();
	struct arq_rows *rows = &arq_rows[cpu];
	struct arq_subject subject = {
		.packet = &arq_packet[cpu],
		.generation = generation,
		.number = number,
	};

	if (!generation || !generation->summary)
		return ARQ_CLASSIFY_NONE;
	subject.data = (void *)(long)ctx->data;
	subject.end = (void *)(long)ctx->data_end;
	arq_subject_read(ctx, &subject, rows);
	rows->candidates = subject.candidates;
	return arq_rows_decide(generation, rows, subject.candidates, subject.packet->length, count);
}

#endif
