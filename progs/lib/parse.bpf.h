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

static __always_inline void arq_malformed(struct arq_packet *packet, enum arq_reason reason)
{
	packet->flags |= ARQ_PACKET_MALFORMED;
	packet->reason = reason;
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
		struct arq_ipv6_fragment *header =
			arq_at(data, end, chain->offset, sizeof(*header));
		if (!header || chain->offset + sizeof(*header) > limit) {
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

/* Looks for QUIC in the `length` bytes of a UDP payload. Short of bytes: it is none. */
static __always_inline void arq_parse_quic(void *data, void *end, __u32 offset, __u32 length,
					   struct arq_packet *packet)
{
	__u8 *at = arq_at(data, end, offset, ARQ_QUIC_SHORT_OFFSET + 1);
	if (!at || length < ARQ_QUIC_SHORT_OFFSET + 1)
		return;
	__u8 first = at[0];
	if (!(first & ARQ_QUIC_FORM_LONG)) {
		if (!(first & ARQ_QUIC_FIXED_BIT))
			return;
		packet->flags |= ARQ_PACKET_QUIC_SHORT;
		packet->dcid_offset = offset + ARQ_QUIC_SHORT_OFFSET;
		return;
	}
	/* With both connection IDs empty there is one byte more: the source's length. */
	at = arq_at(data, end, offset, ARQ_QUIC_DCID_OFFSET + 1);
	if (!at || length < ARQ_QUIC_DCID_OFFSET + 1)
		return;
	__u32 version = (__u32)at[1] << 24 | (__u32)at[2] << 16 | (__u32)at[3] << 8 | at[4];
	__u8 dcid_length = at[5];
	if ((__u32)ARQ_QUIC_DCID_OFFSET + dcid_length + 1 > length)
		return;
	bool known = version == ARQ_QUIC_V1 || version == ARQ_QUIC_V2;
	if (known && dcid_length > ARQ_QUIC_CID_MAX)
		return;
	packet->flags |= ARQ_PACKET_QUIC_LONG;
	packet->quic_version = version;
	packet->dcid_length = dcid_length;
	packet->dcid_offset = offset + ARQ_QUIC_DCID_OFFSET;

	__u8 type = first & (ARQ_QUIC_FIXED_BIT | ARQ_QUIC_TYPE_MASK);
	if ((version == ARQ_QUIC_V1 && type == (ARQ_QUIC_FIXED_BIT | ARQ_QUIC_V1_INITIAL)) ||
	    (version == ARQ_QUIC_V2 && type == (ARQ_QUIC_FIXED_BIT | ARQ_QUIC_V2_INITIAL)))
		packet->flags |= ARQ_PACKET_QUIC_INITIAL;
}

static __always_inline void arq_parse_udp(void *data, void *end, __u32 offset, __u32 limit,
					  struct arq_packet *packet)
{
	if (offset + sizeof(struct udphdr) > limit)
		return arq_malformed(packet, ARQ_REASON_L4_TRUNCATED);
	struct udphdr *udp = arq_at(data, end, offset, sizeof(*udp));
	if (!udp)
		return;
	packet->l4_offset = offset;
	packet->payload_offset = offset + sizeof(*udp);
	__u32 length = bpf_ntohs(udp->len);
	if (length < sizeof(*udp))
		return arq_malformed(packet, ARQ_REASON_UDP_LENGTH);
	/* The length in a first fragment is that of the whole datagram; QUIC never fragments. */
	if (packet->flags & ARQ_PACKET_FRAGMENT)
		return;
	if (offset + length > limit)
		return arq_malformed(packet, ARQ_REASON_UDP_LENGTH);
	arq_parse_quic(data, end, offset + sizeof(*udp), length - sizeof(*udp), packet);
}

static __always_inline void arq_parse_tcp(void *data, void *end, __u32 offset, __u32 limit,
					  struct arq_packet *packet)
{
	if (offset + sizeof(struct tcphdr) > limit)
		return arq_malformed(packet, ARQ_REASON_L4_TRUNCATED);
	struct tcphdr *tcp = arq_at(data, end, offset, sizeof(*tcp));
	if (!tcp)
		return;
	packet->l4_offset = offset;
	/* The data offset is the upper half of byte 12, in units of 4 bytes. */
	__u32 length = (((__u8 *)tcp)[12] >> 4) * 4u;
	if (length < sizeof(*tcp) || offset + length > limit)
		return arq_malformed(packet, ARQ_REASON_TCP_HEADER_LENGTH);
	packet->payload_offset = offset + length;
}

static __always_inline void arq_parse_l4(void *data, void *end, __u32 offset, __u32 limit,
					 struct arq_packet *packet)
{
	if ((packet->flags & (ARQ_PACKET_FRAGMENT | ARQ_PACKET_FIRST_FRAGMENT)) ==
	    ARQ_PACKET_FRAGMENT)
		return;
	if (arq_likely(packet->protocol == IPPROTO_UDP)) {
		arq_parse_udp(data, end, offset, limit, packet);
	} else if (packet->protocol == IPPROTO_TCP) {
		arq_parse_tcp(data, end, offset, limit, packet);
	} else if (packet->protocol == IPPROTO_ICMP || packet->protocol == IPPROTO_ICMPV6) {
		if (offset + ARQ_ICMP_HEADER > limit)
			return arq_malformed(packet, ARQ_REASON_L4_TRUNCATED);
		if (arq_at(data, end, offset, ARQ_ICMP_HEADER))
			packet->l4_offset = offset;
	}
}

static __always_inline void arq_parse_ipv4(void *data, void *end, __u32 offset,
					   struct arq_packet *packet)
{
	struct iphdr *ip = arq_at(data, end, offset, sizeof(*ip));
	if (!ip)
		return arq_malformed(packet, ARQ_REASON_IPV4_TRUNCATED);
	packet->l3_offset = offset;
	packet->flags |= ARQ_PACKET_IPV4;
	packet->protocol = ip->protocol;
	/* Bit fields in <linux/ip.h> are two loads; the byte is one. */
	__u8 first = *(__u8 *)ip;
	if (first >> 4 != 4)
		return arq_malformed(packet, ARQ_REASON_IPV4_VERSION);
	__u32 size = (first & 0xf) * 4u;
	if (size < sizeof(*ip))
		return arq_malformed(packet, ARQ_REASON_IPV4_HEADER_LENGTH);
	if (size > sizeof(*ip))
		packet->flags |= ARQ_PACKET_IPV4_OPTIONS;
	if (offset + size > packet->length)
		return arq_malformed(packet, ARQ_REASON_IPV4_TRUNCATED);
	__u32 total = bpf_ntohs(ip->tot_len);
	if (total < size || offset + total > packet->length)
		return arq_malformed(packet, ARQ_REASON_IPV4_TOTAL_LENGTH);

	__u16 fragment = bpf_ntohs(ip->frag_off);
	if (arq_unlikely(fragment & (ARQ_IPV4_MORE_FRAGMENTS | ARQ_IPV4_OFFSET))) {
		packet->flags |= ARQ_PACKET_FRAGMENT;
		if (!(fragment & ARQ_IPV4_OFFSET))
			packet->flags |= ARQ_PACKET_FIRST_FRAGMENT;
	}
	arq_parse_l4(data, end, offset + size, offset + total, packet);
}

static __always_inline void arq_parse_ipv6(void *data, void *end, __u32 offset,
					   struct arq_packet *packet)
{
	struct ipv6hdr *ip = arq_at(data, end, offset, sizeof(*ip));
	if (!ip)
		return arq_malformed(packet, ARQ_REASON_IPV6_TRUNCATED);
	packet->l3_offset = offset;
	packet->flags |= ARQ_PACKET_IPV6;
	packet->protocol = ip->nexthdr;
	if (*(__u8 *)ip >> 4 != 6)
		return arq_malformed(packet, ARQ_REASON_IPV6_VERSION);
	/* A jumbogram's zero (RFC 2675) needs more than 64 KiB of frame, which XDP never sees. */
	__u32 limit = offset + sizeof(*ip) + bpf_ntohs(ip->payload_len);
	if (limit > packet->length)
		return arq_malformed(packet, ARQ_REASON_IPV6_PAYLOAD_LENGTH);

	struct arq_ipv6_chain chain = {
		.offset = offset + sizeof(*ip),
		.protocol = ip->nexthdr,
	};
	arq_ipv6_walk(data, end, limit, &chain);
	packet->flags |= chain.flags;
	packet->protocol = chain.protocol;
	/* What lies further in than we look must not slip through as if it had no L4 header. */
	if (chain.broken || chain.offset > ARQ_HEADER_OFFSET_MAX)
		return arq_malformed(packet, ARQ_REASON_IPV6_EXTENSION);
	arq_parse_l4(data, end, chain.offset, limit, packet);
}

/*
 * Reads past VLAN tags; returns the offset of what follows, with packet->ethertype its type, or 0
 * for a frame that is malformed.
 */
static __always_inline __u32 arq_parse_ethernet(void *data, void *end, struct arq_packet *packet)
{
	struct ethhdr *ethernet = data;
	if ((void *)(ethernet + 1) > end) {
		arq_malformed(packet, ARQ_REASON_ETH_TRUNCATED);
		return 0;
	}
	packet->ethertype = bpf_ntohs(ethernet->h_proto);
	if (arq_likely(!arq_is_vlan(packet->ethertype)))
		return sizeof(*ethernet);

	struct arq_vlan_tag *tag = (void *)(ethernet + 1);
	if ((void *)(tag + 1) > end) {
		arq_malformed(packet, ARQ_REASON_ETH_TRUNCATED);
		return 0;
	}
	packet->flags |= ARQ_PACKET_VLAN;
	packet->vlan_id = bpf_ntohs(tag->control) & 0xfff;
	packet->ethertype = bpf_ntohs(tag->ethertype);
	if (!arq_is_vlan(packet->ethertype))
		return sizeof(*ethernet) + sizeof(*tag);

	tag++;
	if ((void *)(tag + 1) > end) {
		arq_malformed(packet, ARQ_REASON_ETH_TRUNCATED);
		return 0;
	}
	packet->flags |= ARQ_PACKET_QINQ;
	packet->ethertype = bpf_ntohs(tag->ethertype);
	if (!arq_is_vlan(packet->ethertype))
		return sizeof(*ethernet) + 2 * sizeof(*tag);
	arq_malformed(packet, ARQ_REASON_VLAN_DEPTH);
	return 0;
}

/* Parses the frame of `ctx` into `packet`, all of whose members it sets. */
static __always_inline void arq_parse(struct xdp_md *ctx, struct arq_packet *packet)
{
	void *data = (void *)(long)ctx->data;
	void *end = (void *)(long)ctx->data_end;

	packet->data = (__u64)(long)data;
	packet->data_end = (__u64)(long)end;
	packet->ifindex = ctx->ingress_ifindex;
	packet->queue = ctx->rx_queue_index;
	packet->flags = 0;
	packet->length = bpf_xdp_get_buff_len(ctx);
	packet->quic_version = 0;
	packet->flow_hash = 0;
	packet->l3_offset = ARQ_OFFSET_NONE;
	packet->l4_offset = ARQ_OFFSET_NONE;
	packet->payload_offset = ARQ_OFFSET_NONE;
	packet->ethertype = 0;
	packet->vlan_id = 0;
	packet->dcid_offset = ARQ_OFFSET_NONE;
	packet->dcid_length = 0;
	packet->protocol = 0;
	packet->reason = ARQ_REASON_NONE;

	__u32 offset = arq_parse_ethernet(data, end, packet);
	if (!offset)
		return;
	if (packet->ethertype == ETH_P_IP)
		arq_parse_ipv4(data, end, offset, packet);
	else if (packet->ethertype == ETH_P_IPV6)
		arq_parse_ipv6(data, end, offset, packet);
}

#endif
