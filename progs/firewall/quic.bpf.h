/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The guard of QUIC ports. It looks at what a server would have to refuse anyway, at a fraction of
 * the server's cost: Initials in small datagrams or with short connection IDs (they would make it
 * an amplifier), packets without the fixed bit, unknown versions (each would be answered by a
 * Version Negotiation packet), more Initials of one source than a client sends, and more of all
 * sources together than the server can answer. A flood from forged sources meets the last: it
 * finds no state of its source, takes from the rate of all, and costs no more than a comparison
 * when nothing is left of that. Who is beyond its own rate does not take from that of all.
 *
 * Nearly all packets have a short header, and leave by the first comparison.
 */
#ifndef ARQUANT_PROGS_FIREWALL_QUIC_BPF_H
#define ARQUANT_PROGS_FIREWALL_QUIC_BPF_H

#include "progs/firewall/limit.bpf.h"
#include "progs/lib/parse.bpf.h"
#include "progs/lib/verdict.bpf.h"

#include <arquant/guards.h>

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, ARQ_LIMIT_SOURCES_MAX);
	__type(key, struct arq_limit_key);
	__type(value, __u64);
} quic_sources SEC(".maps");

/* What the guard reads of a datagram. */
struct arq_quic_datagram {
	__u32 length; /* of its payload */
	__u8 first; /* byte of it */
};

/* Reads a datagram to a QUIC port. Returns false if it is none, is empty or out of reach. */
static __always_inline bool arq_quic_read(struct xdp_md *ctx, const struct arq_packet *packet,
					  const struct arq_guards *guards,
					  struct arq_quic_datagram *datagram)
{
	void *data = (void *)(long)ctx->data;
	void *end = (void *)(long)ctx->data_end;
	struct udphdr *udp;

	if (packet->protocol != IPPROTO_UDP ||
	    packet->flags & (ARQ_PACKET_FRAGMENT | ARQ_PACKET_MALFORMED) ||
	    !arq_at((void **)&udp, data, end, packet->l4_offset, sizeof(*udp) + 1) ||
	    !(guards->ports[arq_port_index(udp->dest)] & ARQ_PORT_QUIC) ||
	    udp->len == bpf_htons(sizeof(*udp)))
		return false;
	datagram->length = bpf_ntohs(udp->len) - sizeof(*udp);
	datagram->first = *(__u8 *)(udp + 1);
	return true;
}

/* Is it of a source that is known, and beyond its rate? Takes nothing. */
static __always_inline bool arq_quic_is_spent(struct xdp_md *ctx, const struct arq_packet *packet,
					      const struct arq_limit *limit, __u64 now)
{
	struct arq_limit_key key;
	__u64 *arrival;

	if (!limit->per_source ||
	    !arq_limit_key_of(ctx, packet, limit, ARQ_LIMIT_SLOT_INITIALS, &key))
		return false;
	arrival = bpf_map_lookup_elem(&quic_sources, &key);
	return arrival && arq_rate_is_spent(arrival, &limit->rate, now);
}

/* Takes an Initial from the rate of its source and from that of all. */
static __always_inline __u32 arq_quic_take(struct xdp_md *ctx, const struct arq_packet *packet,
					   const struct arq_guards *guards)
{
	const struct arq_limit *limit = &guards->quic_initials;
	__u32 flags = guards->flags;
	__u64 now = bpf_ktime_get_ns();

	if (flags & ARQ_GUARD_QUIC_ALL) {
		if (flags & ARQ_GUARD_QUIC_INITIALS && arq_quic_is_spent(ctx, packet, limit, now))
			return ARQ_REASON_QUIC_INITIAL_LIMIT;
		if (!arq_rate_take(&arq_limit_states[ARQ_LIMIT_SLOT_ALL].arrival, &guards->quic_all,
				   now))
			return ARQ_REASON_QUIC_ALL_INITIALS;
	}
	if (flags & ARQ_GUARD_QUIC_INITIALS &&
	    !arq_limit_take_from(&quic_sources, ctx, packet, ARQ_LIMIT_SLOT_INITIALS, limit, now))
		return ARQ_REASON_QUIC_INITIAL_LIMIT;
	return ARQ_REASON_NONE;
}

/* Why an Initial is not to pass, or ARQ_REASON_NONE. */
static __always_inline __u32 arq_quic_initial(struct xdp_md *ctx, const struct arq_packet *packet,
					      const struct arq_guards *guards, __u32 length)
{
	if (length < ARQ_QUIC_INITIAL_MIN)
		return ARQ_REASON_QUIC_INITIAL_SIZE;
	if (guards->flags & ARQ_GUARD_QUIC_SHORT_DCID &&
	    packet->dcid_length < ARQ_QUIC_INITIAL_DCID_MIN)
		return ARQ_REASON_QUIC_DCID_LENGTH;
	if (guards->flags & (ARQ_GUARD_QUIC_INITIALS | ARQ_GUARD_QUIC_ALL))
		return arq_quic_take(ctx, packet, guards);
	return ARQ_REASON_NONE;
}

static __always_inline __u32 arq_quic_long(struct xdp_md *ctx, const struct arq_packet *packet,
					   const struct arq_guards *guards,
					   const struct arq_quic_datagram *datagram)
{
	__u32 version = packet->quic_version;
	__u8 type = datagram->first & ARQ_QUIC_TYPE_MASK;

	if (version != ARQ_QUIC_V1 && version != ARQ_QUIC_V2) {
		if (guards->flags & ARQ_GUARD_QUIC_VERSIONS &&
		    !arq_rate_take(&arq_limit_states[ARQ_LIMIT_SLOT_VERSIONS].arrival,
				   &guards->quic_versions, bpf_ktime_get_ns()))
			return ARQ_REASON_QUIC_VERSION;
		return ARQ_REASON_NONE;
	}
	if (guards->flags & ARQ_GUARD_QUIC_FIXED_BIT && !(datagram->first & ARQ_QUIC_FIXED_BIT))
		return ARQ_REASON_QUIC_FIXED_BIT;
	if (type != (version == ARQ_QUIC_V1 ? ARQ_QUIC_V1_INITIAL : ARQ_QUIC_V2_INITIAL))
		return ARQ_REASON_NONE;
	return arq_quic_initial(ctx, packet, guards, datagram->length);
}

/* Why the packet is not to pass, or ARQ_REASON_NONE. */
static __always_inline __u32 arq_quic_decide(struct xdp_md *ctx, const struct arq_packet *packet,
					     const struct arq_guards *guards)
{
	struct arq_quic_datagram datagram;

	/* The parser has seen the fixed bit. */
	if (arq_likely(packet->flags & ARQ_PACKET_QUIC_SHORT))
		return ARQ_REASON_NONE;
	if (!arq_quic_read(ctx, packet, guards, &datagram))
		return ARQ_REASON_NONE;
	if (packet->flags & ARQ_PACKET_QUIC_LONG)
		return arq_quic_long(ctx, packet, guards, &datagram);
	if (datagram.first & ARQ_QUIC_FORM_LONG)
		return ARQ_REASON_QUIC_HEADER;
	if (guards->flags & ARQ_GUARD_QUIC_FIXED_BIT && !(datagram.first & ARQ_QUIC_FIXED_BIT))
		return ARQ_REASON_QUIC_FIXED_BIT;
	return ARQ_REASON_NONE;
}

#endif
