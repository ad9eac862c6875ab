/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Sources blocked for a time, see arquant/block.h: drop what they send, and block one more. */
#ifndef ARQUANT_PROGS_FIREWALL_BLOCK_BPF_H
#define ARQUANT_PROGS_FIREWALL_BLOCK_BPF_H

#include "progs/lib/address.bpf.h"
#include "progs/lib/verdict.bpf.h"

#include <arquant/block.h>
#include <bpf/bpf_helpers.h>
#include <linux/bpf.h>
#include <stdbool.h>

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, ARQ_BLOCKS_MANUAL_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct arq_block_key);
	__type(value, struct arq_blocked_manual);
} blocks_manual SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, ARQ_BLOCKS_AUTOMATIC_MAX);
	__type(key, struct arq_block_key);
	__type(value, struct arq_blocked);
} blocks SEC(".maps");

struct arq_block_state arq_block_state SEC(".bss.blocks");

static __always_inline void arq_block_key(struct arq_block_key *key, const __be32 address[4],
					  __u32 length)
{
#pragma clang loop unroll(full)
	for (__u32 i = 0; i < 4; i++)
		key->address[i] = address[i] & arq_mask_word(length, i);
	key->length = length;
}

static __always_inline bool arq_block_holds(struct arq_blocked *blocked, __u64 now)
{
	if (!blocked || now >= blocked->expires)
		return false;
	__sync_fetch_and_add(&blocked->hits, 1);
	blocked->last_seen = now;
	return true;
}

static __always_inline __u32 arq_block_automatic_length(bool v6)
{
	__u32 length = arq_block_state.automatic_length[v6];

	return length ? length : 128;
}

/* The block that holds for an address, or NULL. */
static __always_inline struct arq_blocked *arq_block_find(const __be32 address[4], bool v6)
{
	__u64 now = bpf_ktime_get_coarse_ns();
	struct arq_blocked *blocked;
	struct arq_block_key key;

	if (arq_block_state.automatic) {
		arq_block_key(&key, address, arq_block_automatic_length(v6));
		blocked = bpf_map_lookup_elem(&blocks, &key);
		if (arq_block_holds(blocked, now))
			return blocked;
	}
	for (__u32 i = 0; i < ARQ_BLOCK_LENGTHS_MAX; i++) {
		if (i >= arq_block_state.manual_count[v6])
			return NULL;
		arq_block_key(&key, address, arq_block_state.manual_length[v6][i]);
		struct arq_blocked_manual *manual = bpf_map_lookup_elem(&blocks_manual, &key);
		if (manual && arq_block_holds(&manual->blocked, now))
			return &manual->blocked;
	}
	return NULL;
}

/* Drops the packet if its source is blocked. Returns whether the verdict is made. */
static __always_inline bool arq_block_decide(struct xdp_md *ctx, const struct arq_packet *packet,
					     struct arq_verdict *verdict)
{
	bool v6 = packet->flags & ARQ_PACKET_IPV6;
	__be32 address[4];

	if (arq_likely(!arq_block_state.automatic && !arq_block_state.manual_count[v6]))
		return false;
	if (!arq_source_address(ctx, packet, address))
		return false;
	const struct arq_blocked *blocked = arq_block_find(address, v6);
	if (!blocked)
		return false;
	verdict->action = XDP_DROP;
	verdict->reason = ARQ_REASON_BLOCKED;
	verdict->rule = blocked->rule;
	return true;
}

/* Blocks the packet's source from the next packet on; if it is blocked already, from now on. */
static __always_inline void arq_block_source(struct xdp_md *ctx, const struct arq_packet *packet,
					     __u32 rule, __u64 duration_ns)
{
	bool v6 = packet->flags & ARQ_PACKET_IPV6;
	__u64 now = bpf_ktime_get_coarse_ns();
	struct arq_block_key key;
	__be32 address[4];

	if (!arq_source_address(ctx, packet, address))
		return;
	arq_block_key(&key, address, arq_block_automatic_length(v6));
	struct arq_blocked *known = bpf_map_lookup_elem(&blocks, &key);
	if (known) {
		known->expires = now + duration_ns;
		known->rule = rule;
	} else {
		struct arq_blocked blocked = {
			.expires = now + duration_ns, .since = now, .rule = rule};
		bpf_map_update_elem(&blocks, &key, &blocked, BPF_ANY);
	}
	if (!arq_block_state.automatic)
		arq_block_state.automatic = 1;
}

#endif
