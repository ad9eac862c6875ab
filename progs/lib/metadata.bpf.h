/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The packet's metadata, shared by the programs of a chain: arquant/packet.h says how.
 * A program calls arq_packet_get() once and then finds the headers through what it returns.
 */
#ifndef ARQUANT_PROGS_LIB_METADATA_H
#define ARQUANT_PROGS_LIB_METADATA_H

#include "progs/lib/bounds.bpf.h"
#include "progs/lib/parse.bpf.h"
#include "progs/lib/tunables.bpf.h"

#include <arquant/counters.h>
#include <arquant/packet.h>

struct arq_packet arq_packet[ARQ_MAX_CPUS] SEC(".bss.arq_packet");

static __always_inline bool arq_packet_is_ours(struct xdp_md *ctx, const struct arq_packet *packet)
{
	return packet->data == arq_number(ctx->data) &&
	       packet->data_end == arq_number(ctx->data_end) &&
	       packet->ifindex == ctx->ingress_ifindex && packet->queue == ctx->rx_queue_index;
}

/* Are the Ethernet header and its tags still of the recorded kinds? */
static __always_inline bool arq_ethernet_holds(void *data, void *end, __u32 flags, __u16 ethertype)
{
	struct ethhdr *ethernet = data;
	if ((void *)(ethernet + 1) > end)
		return false;
	__u16 kind = bpf_ntohs(*(__be16 *)(data + offsetof(struct ethhdr, h_proto)));
	if (arq_likely(!(flags & ARQ_PACKET_VLAN)))
		return kind == ethertype;

	struct arq_vlan_tag *tag = (void *)(ethernet + 1);
	if (!arq_is_vlan(kind) || (void *)(tag + 1) > end)
		return false;
	kind = bpf_ntohs(tag->ethertype);
	if (!(flags & ARQ_PACKET_QINQ))
		return kind == ethertype;

	tag++;
	if (!arq_is_vlan(kind) || (void *)(tag + 1) > end)
		return false;
	return bpf_ntohs(tag->ethertype) == ethertype;
}

static __always_inline bool arq_ipv4_holds(void *data, void *end, __u32 flags,
					   const struct arq_packet *packet)
{
	__u32 offset = packet->l3_offset;
	struct iphdr *ip;
	if (!arq_at((void **)&ip, data, end, offset, sizeof(*ip)) ||
	    ip->protocol != packet->protocol)
		return false;
	__u8 first = *(__u8 *)ip;
	__u32 size = (first & 0xf) * 4u;
	if (first >> 4 != 4 || size < sizeof(*ip) ||
	    (size > sizeof(*ip)) != !!(flags & ARQ_PACKET_IPV4_OPTIONS))
		return false;
	if (packet->l4_offset != ARQ_OFFSET_NONE && packet->l4_offset != offset + size)
		return false;
	__u16 fragment = bpf_ntohs(ip->frag_off);
	__u32 seen = 0;
	if (fragment & (ARQ_IPV4_MORE_FRAGMENTS | ARQ_IPV4_OFFSET))
		seen = fragment & ARQ_IPV4_OFFSET ? ARQ_PACKET_FRAGMENT
						  : ARQ_PACKET_FRAGMENT | ARQ_PACKET_FIRST_FRAGMENT;
	return seen == (flags & (ARQ_PACKET_FRAGMENT | ARQ_PACKET_FIRST_FRAGMENT));
}

static __always_inline bool arq_ipv6_holds(void *data, void *end, __u32 flags,
					   const struct arq_packet *packet)
{
	const __u32 chained =
		ARQ_PACKET_IPV6_EXTENSIONS | ARQ_PACKET_FRAGMENT | ARQ_PACKET_FIRST_FRAGMENT;
	__u32 offset = packet->l3_offset;
	struct ipv6hdr *ip;
	if (!arq_at((void **)&ip, data, end, offset, sizeof(*ip)) || *(__u8 *)ip >> 4 != 6)
		return false;
	struct arq_ipv6_chain chain = {
		.offset = offset + sizeof(*ip),
		.protocol = ip->nexthdr,
	};
	/* The walk is the only way to see that nobody touched the chain. */
	arq_ipv6_walk(data, end, offset + sizeof(*ip) + bpf_ntohs(ip->payload_len), &chain);
	if (chain.broken || chain.protocol != packet->protocol || chain.flags != (flags & chained))
		return false;
	return packet->l4_offset == ARQ_OFFSET_NONE || packet->l4_offset == chain.offset;
}

/*
 * Is the structure of the packet, as far as decisions depend on it, still the recorded one? A
 * foreign program may have rewritten the packet in its place. Malformed packets never hold: they
 * are rare, and a parse tells for sure.
 */
static __always_inline bool arq_packet_holds(struct xdp_md *ctx, const struct arq_packet *packet)
{
	void *data = (void *)(long)ctx->data;
	void *end = (void *)(long)ctx->data_end;
	__u32 flags = packet->flags;

	if (flags & ARQ_PACKET_MALFORMED ||
	    !arq_ethernet_holds(data, end, flags, packet->ethertype))
		return false;
	if (flags & ARQ_PACKET_IPV4)
		return arq_ipv4_holds(data, end, flags, packet);
	if (flags & ARQ_PACKET_IPV6)
		return arq_ipv6_holds(data, end, flags, packet);
	return true;
}

/* The metadata of the packet in `ctx` by a parse, for who is the first in any case. Counts it. */
static __always_inline struct arq_packet *arq_packet_parse(struct xdp_md *ctx, __u32 cpu,
							   struct arq_counters *counters)
{
	struct arq_packet *packet = &arq_packet[cpu];

	arq_parse(ctx, packet);
	counters->parsed++;
	return packet;
}

/*
 * The metadata of the packet in `ctx`: what an earlier program of the chain left if it is for this
 * packet and still true, else a parse of our own. Counts which of the two.
 *
 * Who is not the first leaves no metadata, neither what it took over nor its own: it serves one
 * packet only. If somebody removes the first program, what that left on a CPU can meet one later
 * packet in the same buffer at most, and that one only if its structure is the same
 * (arq_packet_holds).
 */
static __always_inline struct arq_packet *arq_packet_get(struct xdp_md *ctx, __u32 cpu,
							 struct arq_counters *counters)
{
	struct arq_packet *packet = &arq_packet[cpu];
	__u32 first = arq_tunables.first;

	if (!first && arq_packet_is_ours(ctx, packet) && arq_packet_holds(ctx, packet)) {
		counters->reused++;
		packet->ifindex = ARQ_PACKET_TAKEN;
		return packet;
	}
	arq_packet_parse(ctx, cpu, counters);
	/* TAKEN unless first, without a branch that would double the verifier's work after it. */
	packet->ifindex &= 0u - first;
	return packet;
}

#endif
