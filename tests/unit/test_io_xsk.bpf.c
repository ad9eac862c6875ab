// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Hands every IP packet but ICMPv6 to the AF_XDP socket of its queue, also such packets as the
 * suite's own redirect would keep away from a socket: fragments and malformed ones.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/in6.h>
#include <linux/ipv6.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_XSKMAP);
	__uint(max_entries, 4);
	__type(key, __u32);
	__type(value, __u32);
} xsks SEC(".maps");

SEC("xdp")
int redirect_ip(struct xdp_md *ctx)
{
	__u8 *at = (void *)(long)ctx->data;
	__u8 *end = (void *)(long)ctx->data_end;
	__u16 type = 0;

	at += 12;
	for (int i = 0; i < 3; i++) {
		if (at + 2 > end)
			return XDP_PASS;
		type = (__u16)(at[0] << 8 | at[1]);
		if (type != ETH_P_8021Q && type != ETH_P_8021AD)
			break;
		at += 4;
	}
	if (type == ETH_P_IPV6) {
		if (at + 2 + sizeof(struct ipv6hdr) + 1 > end)
			return XDP_PASS;
		__u8 next = at[2 + 6];
		/* The kernel's own multicast reports carry a hop-by-hop header before ICMPv6. */
		if (next == IPPROTO_HOPOPTS)
			next = at[2 + sizeof(struct ipv6hdr)];
		if (next == IPPROTO_ICMPV6)
			return XDP_PASS;
	} else if (type != ETH_P_IP) {
		return XDP_PASS;
	}
	return (int)bpf_redirect_map(&xsks, ctx->rx_queue_index, XDP_PASS);
}

char _license[] SEC("license") = "GPL";
