// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Makes each frame of a test run into another Initial of another source, as far as the rate allows
 * (flood.h). What comes before its time is dropped here: a test run cannot wait.
 */
#include "tests/lab/flood.h"

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/udp.h>

struct flood_state flood SEC(".bss.flood");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, FLOOD_PAYLOADS_MAX);
	__type(key, __u32);
	__type(value, struct flood_payload);
} payloads SEC(".maps");

struct headers {
	struct ethhdr ethernet;
	struct iphdr ip;
	struct udphdr udp;
	__u8 payload[FLOOD_DCID + 8];
} __attribute__((packed));

/* Is it time for another packet? Counts those that were due long ago as missed. */
static __always_inline int is_due(void)
{
	__u64 now = bpf_ktime_get_ns();

	if (!flood.interval_ns || now < flood.due_ns)
		return 0;
	if (now - flood.due_ns > FLOOD_LATE_NS) {
		if (flood.due_ns)
			flood.missed += (now - flood.due_ns) / flood.interval_ns;
		flood.due_ns = now;
	}
	flood.due_ns += flood.interval_ns;
	return 1;
}

static __always_inline __u16 fold(__u64 sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (__u16)~sum;
}

static __always_inline __u64 words_of(const void *at, int count)
{
	const __u16 *words = at;
	__u64 sum = 0;

#pragma unroll
	for (int i = 0; i < count; i++)
		sum += words[i];
	return sum;
}

/* Gives the datagram a source and, where that may be, a destination connection ID by chance. */
static __always_inline void spoof(struct headers *h, const struct flood_payload *payload)
{
	__u64 sum = payload->sum;

	h->ip.saddr = bpf_htonl(FLOOD_SOURCES | (bpf_get_prandom_u32() & FLOOD_SOURCES_MASK));
	h->ip.check = 0;
	h->ip.check = fold(words_of(&h->ip, sizeof(h->ip) / 2));
	h->udp.source = (__be16)(bpf_get_prandom_u32() | 1024);
	h->udp.check = 0;
	if (flood.random_ids) {
		__u32 ids[2] = {bpf_get_prandom_u32(), bpf_get_prandom_u32()};

		__builtin_memcpy(h->payload + FLOOD_DCID, ids, sizeof(ids));
		sum += words_of(ids, 4);
	}
	sum += words_of(&h->ip.saddr, 4) + words_of(&h->udp, 3);
	sum += h->udp.len; /* of the pseudo header */
	h->udp.check = fold(sum);
}

SEC("xdp")
int send(struct xdp_md *ctx)
{
	__u32 number = bpf_get_prandom_u32() & (FLOOD_PAYLOADS_MAX - 1) & flood.mask;
	struct flood_payload *payload;
	struct headers *h;

	if (!is_due())
		return XDP_DROP;
	payload = bpf_map_lookup_elem(&payloads, &number);
	if (!payload || bpf_xdp_store_bytes(ctx, FLOOD_HEADERS, payload->bytes, FLOOD_PAYLOAD))
		return XDP_ABORTED;
	h = (void *)(long)ctx->data;
	if ((void *)(h + 1) > (void *)(long)ctx->data_end)
		return XDP_ABORTED;
	spoof(h, payload);
	flood.sent++;
	return XDP_TX;
}

char _license[] SEC("license") = "GPL";
