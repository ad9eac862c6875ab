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

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, ARQ_SERVICES_MAX);
	__type(key, struct arq_service_key);
	__type(value, struct arq_service);
} services SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_XSKMAP);
	__uint(max_entries, ARQ_QUEUES_MAX);
	__type(key, __u32);
	__type(value, __u32);
} xsks SEC(".maps");

/* Reads destination address and port from the packet. Returns false if it is no whole UDP datagram.
 */
static __always_inline bool arq_redirect_key(struct xdp_md *ctx, const struct arq_packet *packet,
					     struct arq_service_key *key)
{
	void *data = (void *)(long)ctx->data;
	void *end = (void *)(long)ctx->data_end;
	__u32 flags = packet->flags;

	if (packet->protocol != IPPROTO_UDP || flags & (ARQ_PACKET_FRAGMENT | ARQ_PACKET_MALFORMED))
		return false;
	struct udphdr *udp = arq_at(data, end, packet->l4_offset, sizeof(*udp));
	if (!udp)
		return false;
	__builtin_memset(key, 0, sizeof(*key));
	key->port = udp->dest;
	if (flags & ARQ_PACKET_IPV4) {
		struct iphdr *ip = arq_at(data, end, packet->l3_offset, sizeof(*ip));
		if (!ip)
			return false;
		key->address[10] = 0xff;
		key->address[11] = 0xff;
		__builtin_memcpy(key->address + 12, &ip->daddr, sizeof(ip->daddr));
		return true;
	}
	struct ipv6hdr *ip = arq_at(data, end, packet->l3_offset, sizeof(*ip));
	if (!ip)
		return false;
	__builtin_memcpy(key->address, &ip->daddr, sizeof(ip->daddr));
	return true;
}

static __always_inline bool arq_redirect_is_service(struct arq_service_key *key)
{
	if (bpf_map_lookup_elem(&services, key))
		return true;
	__builtin_memset(key->address, 0, sizeof(key->address));
	return bpf_map_lookup_elem(&services, key);
}

/* Decides and counts. Returns the action. */
static __always_inline int arq_redirect_run(struct xdp_md *ctx, const struct arq_packet *packet,
					    struct arq_counters *counters)
{
	struct arq_verdict verdict = {.action = XDP_PASS};
	struct arq_service_key key;

	if (arq_redirect_key(ctx, packet, &key) && arq_redirect_is_service(&key)) {
		/* The flags are what it returns for a queue without a socket. */
		verdict.action = bpf_redirect_map(&xsks, ctx->rx_queue_index, XDP_PASS);
		verdict.reason =
			verdict.action == XDP_REDIRECT ? ARQ_REASON_SERVICE : ARQ_REASON_NO_SOCKET;
	}
	arq_count(counters, &verdict);
	return verdict.action;
}

#endif
