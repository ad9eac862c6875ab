// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * A foreign program for tests of the chain: rewrites the UDP destination port 4433 of plain IPv4
 * frames to 4434, and leaves all else alone. Its own run priority puts it between our sampler and
 * our redirect.
 */
#include <linux/bpf.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/udp.h>
#include <xdp/xdp_helpers.h>

struct {
	__uint(priority, 25);
	__uint(XDP_PASS, 1);
} XDP_RUN_CONFIG(chain_rewrite);

SEC("xdp.frags")
int chain_rewrite(struct xdp_md *ctx)
{
	struct ethhdr *ethernet = (void *)(long)ctx->data;
	struct iphdr *ip = (void *)(ethernet + 1);
	struct udphdr *udp = (void *)(ip + 1);

	if ((void *)(udp + 1) > (void *)(long)ctx->data_end)
		return XDP_PASS;
	if (ethernet->h_proto != bpf_htons(ETH_P_IP) || ip->ihl != 5 || ip->protocol != IPPROTO_UDP)
		return XDP_PASS;
	if (udp->dest == bpf_htons(4433))
		udp->dest = bpf_htons(4434);
	return XDP_PASS;
}

char _license[] SEC("license") = "Dual BSD/GPL";
