// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * A foreign program for tests of the chain: counts packets in a map of its own and passes them on.
 */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>
#include <xdp/xdp_helpers.h>

struct {
	__uint(priority, 15);
	__uint(XDP_PASS, 1);
} XDP_RUN_CONFIG(foreign_count);

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} foreign_packets SEC(".maps");

SEC("xdp.frags")
int foreign_count(struct xdp_md *ctx)
{
	__u32 only = 0;
	__u64 *packets = bpf_map_lookup_elem(&foreign_packets, &only);

	(void)ctx;
	if (packets)
		__sync_fetch_and_add(packets, 1);
	return XDP_PASS;
}

char _license[] SEC("license") = "Dual BSD/GPL";
