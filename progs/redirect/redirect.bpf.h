/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The redirect's decision, for the program in its own slot and for the bundle: a whole UDP datagram
 * to a service goes to the AF_XDP socket of its receive queue; without a socket, and everything
 * else, passes to the kernel.
 */
#ifndef ARQUANT_PROGS_REDIRECT_BPF_H
#define ARQUANT_PROGS_REDIRECT_BPF_H

#include "progs/lib/bounds.bpf.h"
#include "progs/lib/verdict.bpf.h"

#include <arquant/service.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <linux/bpf.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/udp.h>
#include <stdbool.h>
#include <stddef.h>

struct arq_services arq_services SEC(".bss.services");

struct {
	__uint(type, BPF_MAP_TYPE_XSKMAP);
	__uint(max_entries, ARQ_QUEUES_MAX);
	__type(key, __u32);
	__type(value, __u32);
} xsks SEC(".maps");

/* Two words as they follow each other in memory. */
static __always_inline __u64 arq_words(__u32 first, __u32 second)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	return (__u64)second << 32 | first;
#else
	return (__u64)first << 32 | second;
#endif
}

/* Reads the destination from the packet. Returns false if the IP header is not where it was. */
static __always_inline bool arq_redirect_address(void *data, void *end,
						 const struct arq_packet *packet,
						 struct arq_service_address *address)
{
	__be32 *to;

	if (packet->flags & ARQ_PACKET_IPV4) {
		if (!arq_at((void **)&to, data, end,
			    packet->l3_offset + offsetof(struct iphdr, daddr), sizeof(*to)))
			return false;
		address->words[0] = 0;
		address->words[1] = arq_words(bpf_htonl(0xffff), *to);
		return true;
	}
	if (!arq_at((void **)&to, data, end, packet->l3_offset + offsetof(struct ipv6hdr, daddr),
		    4 * sizeof(*to)))
		return false;
	address->words[0] = arq_words(to[0], to[1]);
	address->words[1] = arq_words(to[2], to[3]);
	return true;
}

static __always_inline bool arq_redirect_contains(const struct arq_service_set *set,
						  const struct arq_service_address *address)
{
#pragma clang loop unroll(disable)
	for (__u32 i = 0; i < ARQ_SERVICE_ADDRESSES && i < set->count; i++) {
		if (set->addresses[i].words[1] == address->words[1] &&
		    set->addresses[i].words[0] == address->words[0])
			return true;
	}
	return false;
}

/* Is it a whole UDP datagram to a service? Destination and port are those in the packet now. */
static __always_inline bool arq_redirect_is_service(struct xdp_md *ctx,
						    const struct arq_packet *packet)
{
	void *data = (void *)(long)ctx->data;
	void *end = (void *)(long)ctx->data_end;
	struct arq_service_address address;
	struct udphdr *udp;

	if (packet->protocol != IPPROTO_UDP ||
	    packet->flags & (ARQ_PACKET_FRAGMENT | ARQ_PACKET_MALFORMED))
		return false;
	if (!arq_at((void **)&udp, data, end, packet->l4_offset, sizeof(*udp)))
		return false;
	__be16 port = udp->dest;
	__u32 index = arq_services.set_of_port[port];
	if (arq_likely(!index))
		return false;
	const struct arq_service_set *set = &arq_services.sets[index & (ARQ_SERVICE_SETS - 1)];
	if (set->port != port)
		return false;
	if (set->any)
		return true;
	return arq_redirect_address(data, end, packet, &address) &&
	       arq_redirect_contains(set, &address);
}

/* Decides and counts. Returns the action. */
static __always_inline int arq_redirect_run(struct xdp_md *ctx, const struct arq_packet *packet,
					    struct arq_counters *counters)
{
	struct arq_verdict verdict = {.action = XDP_PASS};

	if (arq_redirect_is_service(ctx, packet)) {
		/* The flags are what it returns for a queue without a socket. */
		verdict.action = bpf_redirect_map(&xsks, ctx->rx_queue_index, XDP_PASS);
		verdict.reason =
			verdict.action == XDP_REDIRECT ? ARQ_REASON_SERVICE : ARQ_REASON_NO_SOCKET;
	}
	arq_count(counters, &verdict);
	return verdict.action;
}

#endif
