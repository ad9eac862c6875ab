// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The receiving end of the XSK bench: hands all to the socket. */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_XSKMAP);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} xsks SEC(".maps");

/* Between two rounds nobody listens: then the packets go, rather than burden the kernel. */
SEC("xdp")
int receive(struct xdp_md *ctx)
{
	return (int)bpf_redirect_map(&xsks, ctx->rx_queue_index, XDP_DROP);
}

char _license[] SEC("license") = "GPL";
