// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * A deny set as firewalls have it that use the kernel's own structure for prefixes: an LPM trie for
 * each family, asked for the source address.
 */
#include "tests/bench/lpm.h"

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/ipv6.h>

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, BENCH_LPM_MAX);
	__type(key, struct bench_lpm_v4);
	__type(value, __u32);
} trie_v4 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, BENCH_LPM_MAX);
	__type(key, struct bench_lpm_v6);
	__type(value, __u32);
} trie_v6 SEC(".maps");

SEC("xdp.frags")
int lpm_drop(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data;
	void *end = (void *)(long)ctx->data_end;
	struct ethhdr *ethernet = data;
	struct iphdr *ipv4 = data + sizeof(*ethernet);
	struct ipv6hdr *ipv6 = data + sizeof(*ethernet);
	struct bench_lpm_v4 key_v4 = {.length = 32};
	struct bench_lpm_v6 key_v6 = {.length = 128};

	if ((void *)(ipv4 + 1) > end)
		return XDP_PASS;
	if (ethernet->h_proto == bpf_htons(ETH_P_IP)) {
		key_v4.address = ipv4->saddr;
		return bpf_map_lookup_elem(&trie_v4, &key_v4) ? XDP_DROP : XDP_PASS;
	}
	if ((void *)(ipv6 + 1) > end)
		return XDP_PASS;
	__builtin_memcpy(key_v6.address, &ipv6->saddr, sizeof(key_v6.address));
	return bpf_map_lookup_elem(&trie_v6, &key_v6) ? XDP_DROP : XDP_PASS;
}

char bench_license[] SEC("license") = "Dual BSD/GPL";
