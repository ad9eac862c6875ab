// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The look-up of addresses alone, of the source address of a frame without options: for its test,
 * which wants the class, and its bench, which wants the same action for all that are in a table.
 */
#include "progs/firewall/lookup.bpf.h"

#include <bpf/bpf_endian.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/ipv6.h>

static __always_inline __u32 find(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data;
	void *end = (void *)(long)ctx->data_end;
	struct ethhdr *ethernet = data;
	struct iphdr *ipv4 = data + sizeof(*ethernet);
	struct ipv6hdr *ipv6 = data + sizeof(*ethernet);

	if ((void *)(ipv4 + 1) > end)
		return 0;
	if (ethernet->h_proto == bpf_htons(ETH_P_IP))
		return arq_lookup_v4(ARQ_LOOKUP_FROM_V4, ipv4->saddr);
	if ((void *)(ipv6 + 1) > end)
		return 0;
	return arq_lookup_v6(ARQ_LOOKUP_FROM_V6, ipv6->saddr.in6_u.u6_addr32);
}

SEC("xdp.frags")
int lookup_class(struct xdp_md *ctx)
{
	return find(ctx);
}

SEC("xdp.frags")
int lookup_drop(struct xdp_md *ctx)
{
	return find(ctx) ? XDP_DROP : XDP_PASS;
}

char test_license[] SEC("license") = "Dual BSD/GPL";
