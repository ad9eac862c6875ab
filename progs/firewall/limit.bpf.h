/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The firewall's limits, the kernel half: arquant/limit.h says where their states are. */
#ifndef ARQUANT_PROGS_FIREWALL_LIMIT_BPF_H
#define ARQUANT_PROGS_FIREWALL_LIMIT_BPF_H

#include "progs/lib/address.bpf.h"
#include "progs/lib/rate.bpf.h"

#include <arquant/limit.h>
#include <arquant/packet.h>
#include <bpf/bpf_helpers.h>
#include <linux/bpf.h>
#include <stdbool.h>

struct arq_limit_state arq_limit_states[ARQ_LIMIT_SLOTS] SEC(".bss.limits");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, ARQ_LIMIT_SOURCES_MAX);
	__type(key, struct arq_limit_key);
	__type(value, __u64);
} limit_sources SEC(".maps");

/* The key of the packet's source; false for a packet that has none. */
static __always_inline bool arq_limit_key_of(struct xdp_md *ctx, const struct arq_packet *packet,
					     const struct arq_limit *limit, __u32 slot,
					     struct arq_limit_key *key)
{
	*key = (struct arq_limit_key){.slot = slot, .identity = limit->identity};
	if (!arq_source_address(ctx, packet, key->address))
		return false;
	__u32 bits = packet->flags & ARQ_PACKET_IPV4 ? limit->prefix_v4 + 96u : limit->prefix_v6;
	for (__u32 i = 0; i < 4; i++)
		key->address[i] &= arq_mask_word(bits, i);
	return true;
}

/*
 * The state for the packet's source in `sources`, made if there is none. NULL when it cannot be
 * made: memory of the map is short for a moment, as many CPUs make entries at once.
 */
static __always_inline __u64 *arq_limit_source(void *sources, struct xdp_md *ctx,
					       const struct arq_packet *packet,
					       const struct arq_limit *limit, __u32 slot)
{
	struct arq_limit_key key;
	const __u64 never = 0;

	if (!arq_limit_key_of(ctx, packet, limit, slot, &key))
		return NULL;
	__u64 *arrival = bpf_map_lookup_elem(sources, &key);
	if (arrival)
		return arrival;
	/* If another CPU was faster, its state is the one. */
	bpf_map_update_elem(sources, &key, &never, BPF_NOEXIST);
	return bpf_map_lookup_elem(sources, &key);
}

/*
 * Is the packet within the limit with this slot, whose sources are in the map given? Takes it from
 * the limit then. `now` is bpf_ktime_get_ns(). A limit per source counts packets without an IP
 * source (ARP) together.
 */
static __always_inline bool arq_limit_take_from(void *sources, struct xdp_md *ctx,
						const struct arq_packet *packet, __u32 slot,
						const struct arq_limit *limit, __u64 now)
{
	__u64 *arrival = &arq_limit_states[arq_index(slot) & (ARQ_LIMIT_SLOTS - 1)].arrival;

	if (limit->per_source && packet->flags & (ARQ_PACKET_IPV4 | ARQ_PACKET_IPV6)) {
		arrival = arq_limit_source(sources, ctx, packet, limit, slot);
		if (!arrival)
			return false;
	}
	return arq_rate_take(arrival, &limit->rate, now);
}

/* The same for the limit of the rule with this slot. */
static __always_inline bool arq_limit_take(struct xdp_md *ctx, const struct arq_packet *packet,
					   __u32 slot, const struct arq_limit *limit, __u64 now)
{
	return arq_limit_take_from(&limit_sources, ctx, packet, slot, limit, now);
}

#endif
