/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The parser: one walk over the headers of a frame fills a struct arq_packet.
 *
 * Follows Ethernet, up to two VLAN tags, IPv4 with options, IPv6 with extension headers, fragments
 * of both, and stops at the header of TCP, UDP or ICMP, whose lengths it checks; on a UDP payload
 * it looks for QUIC's invariants (RFC 8999). Whatever is not IP, and every other IP protocol, is
 * well formed as far as it goes. A frame that contradicts itself is malformed, with a reason; what
 * was found before the contradiction is recorded.
 *
 * XDP sees the linear part of a multi-buffer frame. Lengths are compared with the whole frame. An
 * IP header must be in the linear part (drivers put it there); an L4 header that is not is left out
 * of the record, without being malformed.
 */
#ifndef ARQUANT_PROGS_LIB_PARSE_H
#define ARQUANT_PROGS_LIB_PARSE_H

#include "progs/lib/bounds.bpf.h"

#include <arquant/packet.h>
#include <arquant/reason.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/in6.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <stdbool.h>
#include <stddef.h>

/* IPv4 fragment field (RFC 791): more-fragments flag, and offset in units of 8 bytes. */
#define ARQ_IPV4_MORE_FRAGMENTS 0x2000
#define ARQ_IPV4_OFFSET         0x1fff

/* IPv6 fragment header (RFC 8200, 4.5): the same in another place. */
#define ARQ_IPV6_MORE_FRAGMENTS 0x0001
#define ARQ_IPV6_OFFSET         0xfff8

/*
 * Extension headers followed: RFC 8200 (4.1) recommends an order with seven at most, in which
 * Destination Options appears twice; one more for the newer kinds.
 */
#define ARQ_IPV6_EXTENSIONS_MAX 8

/* Extension header kinds that <linux/in6.h> does not name (RFC 7401, RFC 5533). */
#define ARQ_IPPROTO_HIP   139
#define ARQ_IPPROTO_SHIM6 140

/* ICMP and ICMPv6 share the size of the part that every message has. */
#define ARQ_ICMP_HEADER 8

/* QUIC: RFC 8999 (invariants), RFC 9000 (version 1), RFC 9369 (version 2). */
#define ARQ_QUIC_FORM_LONG    0x80
#define ARQ_QUIC_FIXED_BIT    0x40
#define ARQ_QUIC_TYPE_MASK    0x30
#define ARQ_QUIC_V1           0x00000001
#define ARQ_QUIC_V1_INITIAL   0x00
#define ARQ_QUIC_V2           0x6b3343cf
#define ARQ_QUIC_V2_INITIAL   0x10
#define ARQ_QUIC_CID_MAX      20 /* of versions 1 and 2; other versions: 255 */
#define ARQ_QUIC_DCID_OFFSET  6 /* in a long header: flags, version, length */
#define ARQ_QUIC_SHORT_OFFSET 1 /* in a short header: flags */

struct arq_vlan_tag {
	__be16 control;
	__be16 ethertype;
};

struct arq_ipv6_fragment {
	__u8 next;
	__u8 reserved;
	__be16 offset;
	__be32 identification;
};

/* Where the walk over extension headers ended. */
struct arq_ipv6_chain {
	__u32 offset; /* of the header after the last one */
	__u32 flags; /* ARQ_PACKET_IPV6_EXTENSIONS, _FRAGMENT, _FIRST_FRAGMENT */
	__u8 protocol; /* kind of that header */
	bool broken; /* truncated, or more than we follow */
};

/*
 * Members of struct arq_packet, by the 64-bit word that they are part of. The parser collects them
 * in two such words, which stay in registers, and on the usual paths are constants in the end;
 * written one by one, they were half of the cost of a parse.
 */
struct arq_found {
	__u64 where; /* l3_offset, l4_offset, payload_offset, ethertype */
	__u64 what; /* vlan_id, dcid_offset, dcid_length, protocol, reason */
};

_Static_assert(offsetof(struct arq_packet, l3_offset) == 40 &&
		       offsetof(struct arq_packet, ethertype) == 46 &&
		       offsetof(struct arq_packet, vlan_id) == 48 &&
		       offsetof(struct arq_packet, reason) == 54,
	       "members of struct arq_found");

/* A parse under way. Lives in registers, as everything that uses it is inline. */
struct arq_parse {
	struct xdp_md *ctx;
	void *data;
	void *end;
	__u32 length; /* of the frame; of its linear part until more is asked for */
	__u32 flags; /* ARQ_PACKET_* found so far */
	__u32 quic_version;
	struct arq_found found;
};

/* Sets `size` bytes at byte `at` of a word as it lies in memory. */
static __always_inline void arq_put(__u64 *word, __u32 at, __u32 size, __u64 value)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	__u32 shift = 8 * at;
#else
	__u32 shift = 64 - 8 * (at + size);
#endif
	*word = (*word & ~(((1ULL << 8 * size) - 1) << shift)) | value << shift;
}

#define ARQ_PUT_WHERE(parse, member, value)                                      \
	arq_put(&(parse)->found.where, offsetof(struct arq_packet, member) - 40, \
		sizeof(((struct arq_packet *)0)->member), value)
#define ARQ_PUT_WHAT(parse, member, value)                                      \
	arq_put(&(parse)->found.what, offsetof(struct arq_packet, member) - 48, \
		sizeof(((struct arq_packet *)0)->member), value)

static __always_inline void arq_malformed(struct arq_parse *parse, enum arq_reason reason)
{
	parse->flags |= ARQ_PACKET_MALFORMED;
	ARQ_PUT_WHAT(parse, reason, reason);
}

static __always_inline bool arq_is_vlan(__u16 ethertype)
{
	return ethertype == ETH_P_8021Q || ethertype == ETH_P_8021AD;
}

/* Is this a header that names the next one in its first byte and its length in the second? */
static __always_inline bool arq_ipv6_is_extension(__u8 kind)
{
	return kind == IPPROTO_HOPOPTS || kind == IPPROTO_ROUTING || kind == IPPROTO_DSTOPTS ||
	       kind == IPPROTO_AH || kind == IPPROTO_MH || kind == ARQ_IPPROTO_HIP ||
	       kind == ARQ_IPPROTO_SHIM6;
}

/*
 * Follows extension headers from `chain` (kind and offset of the first header after the fixed one)
 * up to `limit`, the end of the IP payload as an offset. Not unrolled: most packets have none.
 */
static __always_inline void arq_ipv6_walk(void *data, void *end, __u32 limit,
					  struct arq_ipv6_chain *chain)
{
#pragma clang loop unroll(disable)
	for (int i = 0; i < ARQ_IPV6_EXTENSIONS_MAX; i++) {
		bool fragment = chain->protocol == IPPROTO_FRAGMENT;
		if (!fragment && !arq_ipv6_is_extension(chain->protocol))
			return;
		/* Every kind has at least 8 bytes. */
		struct arq_ipv6_fragment *header;
		if (!arq_at((void **)&header, data, end, chain->offset, sizeof(*header)) ||
		    chain->offset + sizeof(*header) > limit) {
			chain->broken = true;
			return;
		}
		if (fragment) {
			__u16 offset = bpf_ntohs(header->offset);
			chain->protocol = header->next;
			chain->offset += sizeof(*header);
			/* Neither offset nor more to come: an atomic fragment, a whole datagram
			 * (RFC 6946). */
			if (!(offset & (ARQ_IPV6_MORE_FRAGMENTS | ARQ_IPV6_OFFSET)))
				continue;
			chain->flags |= ARQ_PACKET_FRAGMENT;
			if (offset & ARQ_IPV6_OFFSET)
				return;
			chain->flags |= ARQ_PACKET_FIRST_FRAGMENT;
			continue;
		}
		/* In units of 8 bytes without the first; the authentication header counts in 4 and
		 * leaves out two (RFC 4302, 2.2). */
		__u32 size = chain->protocol == IPPROTO_AH ? (header->reserved + 2u) * 4
							   : (header->reserved + 1u) * 8;
		chain->flags |= ARQ_PACKET_IPV6_EXTENSIONS;
		chain->protocol = header->next;
		chain->offset += size;
	}
	chain->broken =
		chain->protocol == IPPROTO_FRAGMENT || arq_ipv6_is_extension(chain->protocol);
}

static __always_inline void arq_parse_quic_long(struct arq_parse *parse, __u32 offset, __u32 length,
						__u8 first)
{
	__u8 *at;

	/* With both connection IDs empty there is one byte more: the source's length. */
	if (length < ARQ_QUIC_DCID_OFFSET + 1 ||
	    !arq_at((void **)&at, parse->data, parse->end, offset, ARQ_QUIC_DCID_OFFSET + 1))
		return;
	__u32 version = (__u32)at[1] << 24 | (__u32)at[2] << 16 | (__u32)at[3] << 8 | at[4];
	__u8 dcid_length = at[5];
	if ((__u32)ARQ_QUIC_DCID_OFFSET + dcid_length + 1 > length)
		return;
	bool known = version == ARQ_QUIC_V1 || version == ARQ_QUIC_V2;
	if (known && dcid_length > ARQ_QUIC_CID_MAX)
		return;
	parse->flags |= ARQ_PACKET_QUIC_LONG;
	parse->quic_version = version;
	ARQ_PUT_WHAT(parse, dcid_length, dcid_length);
	ARQ_PUT_WHAT(parse, dcid_offset, offset + ARQ_QUIC_DCID_OFFSET);

	__u8 type = first & (ARQ_QUIC_FIXED_BIT | ARQ_QUIC_TYPE_MASK);
	if ((version == ARQ_QUIC_V1 && type == (ARQ_QUIC_FIXED_BIT | ARQ_QUIC_V1_INITIAL)) ||
	    (version == ARQ_QUIC_V2 && type == (ARQ_QUIC_FIXED_BIT | ARQ_QUIC_V2_INITIAL)))
		parse->flags |= ARQ_PACKET_QUIC_INITIAL;
}

/* Looks for QUIC in the `length` bytes of a UDP payload. Short of bytes: it is none. */
static __always_inline void arq_parse_quic(struct arq_parse *parse, __u32 offset, __u32 length)
{
	__u8 *at;

	if (length < ARQ_QUIC_SHORT_OFFSET + 1 ||
	    !arq_at((void **)&at, parse->data, parse->end, offset, ARQ_QUIC_SHORT_OFFSET + 1))
		return;
	if (*at & ARQ_QUIC_FORM_LONG)
		return arq_parse_quic_long(parse, offset, length, *at);
	if (*at & ARQ_QUIC_FIXED_BIT) {
		parse->flags |= ARQ_PACKET_QUIC_SHORT;
		ARQ_PUT_WHAT(parse, dcid_offset, offset + ARQ_QUIC_SHORT_OFFSET);
	}
}

static __always_inline void arq_parse_udp(struct arq_parse *parse, __u32 offset, __u32 limit)
{
	struct udphdr *udp;

	if (offset + sizeof(*udp) > limit)
		return arq_malformed(parse, ARQ_REASON_L4_TRUNCATED);
	if (!arq_at((void **)&udp, parse->data, parse->end, offset, sizeof(*udp)))
		return;
	ARQ_PUT_WHERE(parse, l4_offset, offset);
	ARQ_PUT_WHERE(parse, payload_offset, offset + sizeof(*udp));
	__u32 length = bpf_ntohs(udp->len);
	if (length < sizeof(*udp))
		return arq_malformed(parse, ARQ_REASON_UDP_LENGTH);
	/* The length in a first fragment is that of the whole datagram; QUIC never fragments. */
	if (parse->flags & ARQ_PACKET_FRAGMENT)
		return;
	if (offset + length > limit)
		return arq_malformed(parse, ARQ_REASON_UDP_LENGTH);
	arq_parse_quic(parse, offset + sizeof(*udp), length - sizeof(*udp));
}

static __always_inline void arq_parse_tcp(struct arq_parse *parse, __u32 offset, __u32 limit)
{
	__u8 *tcp;

	if (offset + sizeof(struct tcphdr) > limit)
		return arq_malformed(parse, ARQ_REASON_L4_TRUNCATED);
	if (!arq_at((void **)&tcp, parse->data, parse->end, offset, sizeof(struct tcphdr)))
		return;
	ARQ_PUT_WHERE(parse, l4_offset, offset);
	/* The data offset is the upper half of byte 12, in units of 4 bytes. */
	__u32 length = (tcp[12] >> 4) * 4u;
	if (length < sizeof(struct tcphdr) || offset + length > limit)
		return arq_malformed(parse, ARQ_REASON_TCP_HEADER_LENGTH);
	ARQ_PUT_WHERE(parse, payload_offset, offset + length);
}

/* What follows the IP headers at `offset`; the IP payload ends at `limit`. */
static __always_inline void arq_parse_l4(struct arq_parse *parse, __u8 protocol, __u32 offset,
					 __u32 limit)
{
	void *icmp;

	if ((parse->flags & (ARQ_PACKET_FRAGMENT | ARQ_PACKET_FIRST_FRAGMENT)) ==
	    ARQ_PACKET_FRAGMENT)
		return;
	if (arq_likely(protocol == IPPROTO_UDP))
		return arq_parse_udp(parse, offset, limit);
	if (protocol == IPPROTO_TCP)
		return arq_parse_tcp(parse, offset, limit);
	if (protocol != IPPROTO_ICMP && protocol != IPPROTO_ICMPV6)
		return;
	if (offset + ARQ_ICMP_HEADER > limit)
		return arq_malformed(parse, ARQ_REASON_L4_TRUNCATED);
	if (arq_at(&icmp, parse->data, parse->end, offset, ARQ_ICMP_HEADER))
		ARQ_PUT_WHERE(parse, l4_offset, offset);
}

/*
 * Does the frame end before `offset`? Nearly always its linear part reaches so far, and the helper
 * that knows of more buffers, a call for every packet, is spared.
 */
static __always_inline bool arq_ends_before(struct arq_parse *parse, __u32 offset)
{
	if (arq_likely(offset <= parse->length))
		return false;
	parse->length = bpf_xdp_get_buff_len(parse->ctx);
	return offset > parse->length;
}

static __always_inline void arq_parse_ipv4(struct arq_parse *parse, __u32 offset)
{
	struct iphdr *ip;

	if (!arq_at((void **)&ip, parse->data, parse->end, offset, sizeof(*ip)))
		return arq_malformed(parse, ARQ_REASON_IPV4_TRUNCATED);
	__u8 protocol = ip->protocol;
	ARQ_PUT_WHERE(parse, l3_offset, offset);
	ARQ_PUT_WHAT(parse, protocol, protocol);
	parse->flags |= ARQ_PACKET_IPV4;
	/* Bit fields in <linux/ip.h> are two loads; the byte is one. */
	__u8 first = *(__u8 *)ip;
	if (first >> 4 != 4)
		return arq_malformed(parse, ARQ_REASON_IPV4_VERSION);
	__u32 size = (first & 0xf) * 4u;
	if (size < sizeof(*ip))
		return arq_malformed(parse, ARQ_REASON_IPV4_HEADER_LENGTH);
	if (arq_unlikely(size > sizeof(*ip))) {
		parse->flags |= ARQ_PACKET_IPV4_OPTIONS;
		if (arq_ends_before(parse, offset + size))
			return arq_malformed(parse, ARQ_REASON_IPV4_TRUNCATED);
	}
	__u32 total = bpf_ntohs(ip->tot_len);
	if (total < size || arq_ends_before(parse, offset + total))
		return arq_malformed(parse, ARQ_REASON_IPV4_TOTAL_LENGTH);

	__u16 fragment = ip->frag_off;
	if (arq_unlikely(fragment & bpf_htons(ARQ_IPV4_MORE_FRAGMENTS | ARQ_IPV4_OFFSET))) {
		parse->flags |= ARQ_PACKET_FRAGMENT;
		if (!(fragment & bpf_htons(ARQ_IPV4_OFFSET)))
			parse->flags |= ARQ_PACKET_FIRST_FRAGMENT;
	}
	/* With a constant the compiler makes a path of its own for packets without options. */
	if (arq_likely(size == sizeof(*ip)))
		return arq_parse_l4(parse, protocol, offset + sizeof(*ip), offset + total);
	arq_parse_l4(parse, protocol, offset + size, offset + total);
}

static __always_inline void arq_parse_ipv6(struct arq_parse *parse, __u32 offset)
{
	struct ipv6hdr *ip;

	if (!arq_at((void **)&ip, parse->data, parse->end, offset, sizeof(*ip)))
		return arq_malformed(parse, ARQ_REASON_IPV6_TRUNCATED);
	__u8 next = ip->nexthdr;
	ARQ_PUT_WHERE(parse, l3_offset, offset);
	ARQ_PUT_WHAT(parse, protocol, next);
	parse->flags |= ARQ_PACKET_IPV6;
	if (*(__u8 *)ip >> 4 != 6)
		return arq_malformed(parse, ARQ_REASON_IPV6_VERSION);
	/* A jumbogram's zero (RFC 2675) needs more than 64 KiB of frame, which XDP never sees. */
	__u32 limit = offset + sizeof(*ip) + bpf_ntohs(ip->payload_len);
	if (arq_ends_before(parse, limit))
		return arq_malformed(parse, ARQ_REASON_IPV6_PAYLOAD_LENGTH);
	/* A path of its own, as above. */
	if (arq_likely(next == IPPROTO_UDP || next == IPPROTO_TCP))
		return arq_parse_l4(parse, next, offset + sizeof(*ip), limit);

	struct arq_ipv6_chain chain = {
		.offset = offset + sizeof(*ip),
		.protocol = next,
	};
	arq_ipv6_walk(parse->data, parse->end, limit, &chain);
	parse->flags |= chain.flags;
	ARQ_PUT_WHAT(parse, protocol, chain.protocol);
	/* What lies further in than we look must not slip through as if it had no L4 header. */
	if (chain.broken || chain.offset > ARQ_HEADER_OFFSET_MAX)
		return arq_malformed(parse, ARQ_REASON_IPV6_EXTENSION);
	arq_parse_l4(parse, chain.protocol, chain.offset, limit);
}

static __always_inline void arq_parse_l3(struct arq_parse *parse, __u16 ethertype, __u32 offset)
{
	ARQ_PUT_WHERE(parse, ethertype, ethertype);
	if (ethertype == ETH_P_IP)
		arq_parse_ipv4(parse, offset);
	else if (ethertype == ETH_P_IPV6)
		arq_parse_ipv6(parse, offset);
}

/* A frame with one or two tags; `ethertype` is the first one's. */
static __always_inline void arq_parse_vlan(struct arq_parse *parse, __u16 ethertype)
{
	struct arq_vlan_tag *tag = parse->data + sizeof(struct ethhdr);
	__u32 offset = sizeof(struct ethhdr) + sizeof(*tag);

	ARQ_PUT_WHERE(parse, ethertype, ethertype);
	if ((void *)(tag + 1) > parse->end)
		return arq_malformed(parse, ARQ_REASON_ETH_TRUNCATED);
	parse->flags |= ARQ_PACKET_VLAN;
	ARQ_PUT_WHAT(parse, vlan_id, bpf_ntohs(tag->control) & 0xfff);
	ethertype = bpf_ntohs(tag->ethertype);
	if (arq_is_vlan(ethertype)) {
		ARQ_PUT_WHERE(parse, ethertype, ethertype);
		tag++;
		if ((void *)(tag + 1) > parse->end)
			return arq_malformed(parse, ARQ_REASON_ETH_TRUNCATED);
		parse->flags |= ARQ_PACKET_QINQ;
		ethertype = bpf_ntohs(tag->ethertype);
		offset += sizeof(*tag);
		if (arq_is_vlan(ethertype)) {
			ARQ_PUT_WHERE(parse, ethertype, ethertype);
			return arq_malformed(parse, ARQ_REASON_VLAN_DEPTH);
		}
	}
	arq_parse_l3(parse, ethertype, offset);
}

static __always_inline void arq_parse_ethernet(struct arq_parse *parse)
{
	struct ethhdr *ethernet = parse->data;

	if ((void *)(ethernet + 1) > parse->end)
		return arq_malformed(parse, ARQ_REASON_ETH_TRUNCATED);
	/* The structure is declared packed, which makes two loads of its 16-bit field. */
	__u16 ethertype = bpf_ntohs(*(__be16 *)(parse->data + offsetof(struct ethhdr, h_proto)));
	if (arq_unlikely(arq_is_vlan(ethertype)))
		return arq_parse_vlan(parse, ethertype);
	arq_parse_l3(parse, ethertype, sizeof(*ethernet));
}

/* Parses the frame of `ctx` into `packet`, all of whose members it sets. */
static __always_inline void arq_parse(struct xdp_md *ctx, struct arq_packet *packet)
{
	struct arq_parse parse = {
		.ctx = ctx,
	};

	parse.data = (void *)(long)ctx->data;
	parse.end = (void *)(long)ctx->data_end;
	parse.length = (__u32)(parse.end - parse.data);
	packet->data = (__u64)(long)parse.data;
	packet->data_end = (__u64)(long)parse.end;
	packet->ifindex = ctx->ingress_ifindex;
	packet->queue = ctx->rx_queue_index;
	ARQ_PUT_WHERE(&parse, l3_offset, ARQ_OFFSET_NONE);
	ARQ_PUT_WHERE(&parse, l4_offset, ARQ_OFFSET_NONE);
	ARQ_PUT_WHERE(&parse, payload_offset, ARQ_OFFSET_NONE);
	ARQ_PUT_WHAT(&parse, dcid_offset, ARQ_OFFSET_NONE);
	arq_parse_ethernet(&parse);
	/* Without an IP header nothing has asked how far the frame goes. */
	if (arq_unlikely(!(parse.flags & (ARQ_PACKET_IPV4 | ARQ_PACKET_IPV6))))
		parse.length = bpf_xdp_get_buff_len(ctx);
	packet->length = parse.length;
	packet->flags = parse.flags;
	packet->quic_version = parse.quic_version;
	packet->flow_hash = 0;
	*(__u64 *)&packet->l3_offset = parse.found.where;
	*(__u64 *)&packet->vlan_id = parse.found.what;
}

#endif
