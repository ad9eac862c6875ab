/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The firewall's decision, for the program in its own slot and for the bundle. Drops malformed
 * packets, then decides by source address: the tables hold, for every prefix, the first rule that
 * matches it (progs/firewall/policy.h). Constants let the verifier cut what a policy does not need.
 */
#ifndef ARQUANT_PROGS_FIREWALL_BPF_H
#define ARQUANT_PROGS_FIREWALL_BPF_H

#include "progs/firewall/block.bpf.h"
#include "progs/firewall/guards.bpf.h"
#include "progs/lib/bounds.bpf.h"
#include "progs/lib/sample.bpf.h"
#include "progs/lib/verdict.bpf.h"

#include <arquant/firewall.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <linux/bpf.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <stdbool.h>
#include <stddef.h>

const volatile bool arq_pass_malformed = false; /* count them with their reason, but pass them */
const volatile bool arq_sources_v4 = false; /* is there any IPv4 prefix? */
const volatile bool arq_sources_v6 = false;
const volatile bool arq_sample_drops = false; /* is there a sampler on this interface? */

/* Sizes are set before load. */
struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct arq_source_key_v4);
	__type(value, struct arq_source_rule);
} sources_v4 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct arq_source_key_v6);
	__type(value, struct arq_source_rule);
} sources_v6 SEC(".maps");

struct arq_source_filter arq_source_filter SEC(".bss.sources");

/* Names by number, for those who show what was dropped; the program does not look into it. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct arq_rule_name);
} rule_names SEC(".maps");

struct arq_sampling arq_firewall_sampling[ARQ_MAX_CPUS];

static __always_inline bool arq_firewall_may_match(const __u8 *filter, __u16 bit)
{
	/* The mask is for older verifiers, which know nothing of a number whose bytes were swapped.
	 */
	return filter[arq_index(bit / 8) & (ARQ_SOURCE_FILTER_BYTES - 1)] >> bit % 8 & 1;
}

/* The rule for the packet's source address, or NULL for none. */
static __always_inline const struct arq_source_rule *
arq_firewall_source(struct xdp_md *ctx, const struct arq_packet *packet)
{
	void *data = (void *)(long)ctx->data;
	void *end = (void *)(long)ctx->data_end;

	__be32 *from;

	if (arq_sources_v4 && packet->flags & ARQ_PACKET_IPV4) {
		if (!arq_at((void **)&from, data, end,
			    packet->l3_offset + offsetof(struct iphdr, saddr), sizeof(*from)) ||
		    !arq_firewall_may_match(arq_source_filter.v4,
					    ARQ_SOURCE_BIT_V4(bpf_ntohl(*from))))
			return NULL;
		struct arq_source_key_v4 key = {.length = 32};
		__builtin_memcpy(key.address, from, sizeof(key.address));
		return bpf_map_lookup_elem(&sources_v4, &key);
	}
	if (arq_sources_v6 && packet->flags & ARQ_PACKET_IPV6) {
		if (!arq_at((void **)&from, data, end,
			    packet->l3_offset + offsetof(struct ipv6hdr, saddr),
			    4 * sizeof(*from)) ||
		    !arq_firewall_may_match(arq_source_filter.v6,
					    ARQ_SOURCE_BIT_V6(bpf_ntohl(*from))))
			return NULL;
		struct arq_source_key_v6 key = {.length = 128};
		__builtin_memcpy(key.address, from, sizeof(key.address));
		return bpf_map_lookup_elem(&sources_v6, &key);
	}
	return NULL;
}

static __always_inline void arq_firewall_decide(struct xdp_md *ctx, const struct arq_packet *packet,
						struct arq_verdict *verdict)
{
	verdict->action = XDP_PASS;
	verdict->reason = ARQ_REASON_NONE;
	verdict->rule = 0;
	if (arq_unlikely(packet->flags & ARQ_PACKET_MALFORMED)) {
		verdict->reason = packet->reason;
		if (!arq_pass_malformed) {
			verdict->action = XDP_DROP;
			return;
		}
	}
	if (arq_block_decide(ctx, packet, verdict))
		return;
	if (arq_guards_decide(ctx, packet, &arq_guards[0], verdict))
		return;
	const struct arq_source_rule *source = arq_firewall_source(ctx, packet);
	if (source && source->action == ARQ_RULE_DROP) {
		verdict->action = XDP_DROP;
		verdict->reason = ARQ_REASON_RULE;
		verdict->rule = source->rule;
	}
}

/* Decides, counts, samples what it drops. Returns the action. */
static __always_inline int arq_firewall_run(struct xdp_md *ctx, __u32 cpu,
					    const struct arq_packet *packet,
					    struct arq_counters *counters)
{
	struct arq_verdict verdict;

	arq_firewall_decide(ctx, packet, &verdict);
	arq_count(counters, &verdict);
	if (arq_sample_drops && verdict.action == XDP_DROP &&
	    arq_sample_drop_due(&arq_firewall_sampling[cpu]))
		arq_sample_take(ctx, counters, ARQ_PROGRAM_FIREWALL, &verdict);
	return verdict.action;
}

#endif
