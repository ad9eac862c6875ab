/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Sources blocked for a time, see arquant/block.h: drop what they send, and block one more. */
#ifndef ARQUANT_PROGS_FIREWALL_BLOCK_BPF_H
#define ARQUANT_PROGS_FIREWALL_BLOCK_BPF_H

#include "progs/lib/address.bpf.h"
#include "progs/lib/metadata.bpf.h"
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

/* The block in a table that holds for an address, or NULL. Manual ones begin with the same. */
static __always_inline struct arq_blocked *arq_block_find(void *table,
							  const struct arq_block_lengths *lengths,
							  const __be32 address[4], __u64 now)
{
	struct arq_block_key key;

#pragma clang loop unroll(disable)
	for (__u32 i = 0; i < ARQ_BLOCK_LENGTHS_MAX; i++) {
		if (i >= lengths->count)
			return NULL;
		arq_block_key(&key, address, lengths->bits[i]);
		struct arq_blocked *blocked = bpf_map_lookup_elem(table, &key);
		if (arq_block_holds(blocked, now))
			return blocked;
	}
	return NULL;
}

/* What arq_block_check() says beside a rule's number: the source is blocked. */
#define ARQ_BLOCK_HOLDS (1u << 31)

/*
 * Is the source of this CPU's packet blocked? By which rule, then, with ARQ_BLOCK_HOLDS; else 0. A
 * function that the verifier sees once, called while anything is blocked.
 */
__attribute__((noinline)) __u32 arq_block_check(struct xdp_md *ctx)
{
	const struct arq_packet *packet = &arq_packet[arq_cpu()];
	__u32 family = packet->flags & ARQ_PACKET_IPV6 ? 1 : 0;
	__u64 now = bpf_ktime_get_coarse_ns();
	const struct arq_blocked *blocked = NULL;
	__be32 address[4];

	if (!arq_source_address(ctx, packet, address))
		return 0;
	if (arq_block_state.blocking)
		blocked = arq_block_find(&blocks, &arq_block_state.automatic[family], address, now);
	if (!blocked)
		blocked = arq_block_find(&blocks_manual, &arq_block_state.manual[family], address,
					 now);
	return blocked ? blocked->rule | ARQ_BLOCK_HOLDS : 0;
}

/* Drops this CPU's packet if its source is blocked. Returns whether the verdict is made. */
static __always_inline bool arq_block_decide(struct xdp_md *ctx, const struct arq_packet *packet,
					     struct arq_verdict *verdict)
{
	__u32 family = packet->flags & ARQ_PACKET_IPV6 ? 1 : 0;

	if (arq_likely(!arq_block_state.blocking && !arq_block_state.manual[family].count))
		return false;
	__u32 blocked = arq_block_check(ctx);
	if (!blocked)
		return false;
	verdict->action = XDP_DROP;
	verdict->reason = ARQ_REASON_BLOCKED;
	verdict->rule = blocked & ~ARQ_BLOCK_HOLDS;
	return true;
}

/*
 * Blocks the packet's source, a prefix of so many of 128 bits of it, from the next packet on; if it
 * is blocked already, from now on.
 */
static __always_inline void arq_block_source(struct xdp_md *ctx, const struct arq_packet *packet,
					     __u32 rule, __u32 length, __u64 duration_ns)
{
	__u64 now = bpf_ktime_get_coarse_ns();
	struct arq_block_key key;
	__be32 address[4];

	if (!arq_source_address(ctx, packet, address))
		return;
	arq_block_key(&key, address, length);
	struct arq_blocked *known = bpf_map_lookup_elem(&blocks, &key);
	if (known) {
		known->expires = now + duration_ns;
		known->rule = rule;
	} else {
		struct arq_blocked blocked = {
			.expires = now + duration_ns, .since = now, .rule = rule};
		bpf_map_update_elem(&blocks, &key, &blocked, BPF_ANY);
	}
	if (!arq_block_state.blocking)
		arq_block_state.blocking = 1;
}

#endif
