/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The guards, in their order: sanity of IPv4 headers, fragments, QUIC, knocks. arquant/guards.h
 * says what they are set by.
 */
#ifndef ARQUANT_PROGS_FIREWALL_GUARDS_BPF_H
#define ARQUANT_PROGS_FIREWALL_GUARDS_BPF_H

#include "progs/firewall/knock.bpf.h"
#include "progs/firewall/quic.bpf.h"
#include "progs/firewall/too_big.bpf.h"

/* Reserved flag of the IPv4 fragment field: evil (RFC 3514). */
#define ARQ_IPV4_EVIL 0x8000

struct arq_guards arq_guards[ARQ_GUARD_GENERATIONS] SEC(".bss.guards");

/* Why an IPv4 packet is not to pass, or ARQ_REASON_NONE. */
static __always_inline __u32 arq_guards_ipv4(struct xdp_md *ctx, const struct arq_packet *packet,
					     __u32 flags)
{
	void *data = (void *)(long)ctx->data;
	void *end = (void *)(long)ctx->data_end;
	struct iphdr *ip;

	if (!arq_at((void **)&ip, data, end, packet->l3_offset, sizeof(*ip)))
		return ARQ_REASON_NONE;
	if (flags & ARQ_GUARD_IPV4_OPTIONS && packet->flags & ARQ_PACKET_IPV4_OPTIONS)
		return ARQ_REASON_IPV4_OPTIONS;
	if (flags & ARQ_GUARD_EVIL_BIT && ip->frag_off & bpf_htons(ARQ_IPV4_EVIL))
		return ARQ_REASON_IPV4_EVIL_BIT;
	return ARQ_REASON_NONE;
}

/* Decides about the packet, if a guard does; returns whether one did. */
static __always_inline bool arq_guards_decide(struct xdp_md *ctx, const struct arq_packet *packet,
					      const struct arq_guards *guards,
					      struct arq_verdict *verdict)
{
	__u32 flags = guards->flags;
	__u32 reason = ARQ_REASON_NONE;

	if (!flags)
		return false;
	if (flags & (ARQ_GUARD_IPV4_OPTIONS | ARQ_GUARD_EVIL_BIT) &&
	    packet->flags & ARQ_PACKET_IPV4)
		reason = arq_guards_ipv4(ctx, packet, flags);
	if (reason == ARQ_REASON_NONE && flags & ARQ_GUARD_FRAGMENTS &&
	    arq_unlikely(packet->flags & ARQ_PACKET_FRAGMENT)) {
		arq_too_big_decide(ctx, packet, guards, verdict);
		return true;
	}
	if (reason == ARQ_REASON_NONE && flags & ARQ_GUARD_QUIC)
		reason = arq_quic_decide(ctx, packet, guards);
	if (reason != ARQ_REASON_NONE) {
		verdict->action = XDP_DROP;
		verdict->reason = reason;
		return true;
	}
	return flags & ARQ_GUARD_KNOCKS && arq_knock_decide(ctx, packet, guards, verdict);
}

#endif
