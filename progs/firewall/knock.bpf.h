/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Port knocking. A source that sends packets to the ports of a knock's steps, in their order and
 * within its window, has the ports open that the knock opens, for a time; to all others they are
 * closed. What passes this way, passes: no rule is asked.
 *
 * What counts as a step is an attempt: a TCP packet that begins a connection (SYN without ACK), or,
 * where some knock has steps of UDP, a UDP datagram to a port that is no QUIC port. An attempt at
 * any other port than the next one sets the source back to the beginning, so that no scan of ports
 * goes through; an attempt at the last one once more does not (TCP repeats itself). Packets to
 * ports of steps are dropped, whoever sends them: nobody sees whether a step counted.
 *
 * Ports are open for connections that begin in time; those may go on as long as they are never
 * silent for that time. A datagram has no connection, and must come in time itself.
 */
#ifndef ARQUANT_PROGS_FIREWALL_KNOCK_BPF_H
#define ARQUANT_PROGS_FIREWALL_KNOCK_BPF_H

#include "progs/lib/address.bpf.h"
#include "progs/lib/verdict.bpf.h"

#include <arquant/guards.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <linux/in.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <stdbool.h>

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, ARQ_KNOCK_SOURCES_MAX);
	__type(key, struct arq_knock_key);
	__type(value, __u64);
} knock_progress SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, ARQ_KNOCK_SOURCES_MAX);
	__type(key, struct arq_knock_key);
	__type(value, struct arq_knock_open);
} knock_open SEC(".maps");

/* Byte of a TCP header that has its flags, and two of them. */
#define ARQ_TCP_FLAGS_OFFSET 13
#define ARQ_TCP_SYN          0x02
#define ARQ_TCP_ACK          0x10

/* What knocks are interested in of a packet. */
struct arq_knock_packet {
	__u32 port; /* ARQ_KNOCK_PORT of its destination */
	bool step; /* is the port one of a knock's steps? */
	bool closed; /* is it one that a knock opens? */
	bool attempt;
};

/* Reads the packet. Returns false if no knock is interested in it. */
static __always_inline bool arq_knock_read(struct xdp_md *ctx, const struct arq_packet *packet,
					   const struct arq_guards *guards,
					   struct arq_knock_packet *knock)
{
	void *data = (void *)(long)ctx->data;
	void *end = (void *)(long)ctx->data_end;
	bool tcp = packet->protocol == IPPROTO_TCP;
	struct tcphdr *header;
	__u8 *flags;

	if (packet->flags & ARQ_PACKET_MALFORMED || (!tcp && packet->protocol != IPPROTO_UDP))
		return false;
	if (!arq_at((void **)&header, data, end, packet->l4_offset, sizeof(struct udphdr)))
		return false;
	__u32 port = arq_port_index(header->dest);
	__u32 role = guards->ports[port];
	knock->port = ARQ_KNOCK_PORT(packet->protocol, port);
	knock->step = role & (tcp ? ARQ_PORT_KNOCK_TCP : ARQ_PORT_KNOCK_UDP);
	knock->closed = role & (tcp ? ARQ_PORT_CLOSED_TCP : ARQ_PORT_CLOSED_UDP);
	knock->attempt = guards->flags & ARQ_GUARD_KNOCKS_UDP && !(role & ARQ_PORT_QUIC);
	if (tcp) {
		if (!arq_at((void **)&flags, data, end, packet->l4_offset + ARQ_TCP_FLAGS_OFFSET,
			    1))
			return false;
		knock->attempt = (*flags & (ARQ_TCP_SYN | ARQ_TCP_ACK)) == ARQ_TCP_SYN;
	}
	return knock->step || knock->closed || knock->attempt;
}

/* Are the knock's ports open to this source for this packet? */
static __always_inline bool arq_knock_is_open(const struct arq_knock *knock,
					      const struct arq_knock_key *key,
					      const struct arq_knock_packet *seen, __u64 now)
{
	struct arq_knock_open *open = bpf_map_lookup_elem(&knock_open, key);

	if (!open)
		return false;
	bool begins = seen->attempt || seen->port >> 16 == IPPROTO_UDP;
	if (now >= (begins ? open->until_ns : open->alive_ns))
		return false;
	/* Not for every packet: the line is shared between CPUs. */
	if (open->alive_ns < now + knock->open_ns - knock->open_ns / 16)
		open->alive_ns = now + knock->open_ns;
	return true;
}

static __always_inline void arq_knock_store(const struct arq_knock_key *key, __u64 *progress,
					    __u64 value)
{
	if (progress)
		*progress = value;
	else if (value)
		bpf_map_update_elem(&knock_progress, key, &value, BPF_ANY);
}

/* Takes an attempt into account. Returns whether it was the last step. */
static __always_inline bool arq_knock_advance(const struct arq_knock *knock,
					      const struct arq_knock_key *key, __u32 port,
					      __u64 now)
{
	__u64 *progress = bpf_map_lookup_elem(&knock_progress, key);
	__u64 value = progress ? *progress : 0;
	__u64 until = ARQ_KNOCK_UNTIL(value);
	__u64 done = ARQ_KNOCK_STEPS(value);

	if (done == 0 || now >= until) {
		done = 0;
		until = now + knock->window_ns;
	}
	if (knock->steps[arq_index(done) & (ARQ_KNOCK_STEPS_MAX - 1)] != port) {
		if (done == 0 ||
		    knock->steps[arq_index(done - 1) & (ARQ_KNOCK_STEPS_MAX - 1)] == port)
			return false;
		done = 0;
		until = now + knock->window_ns;
		if (knock->steps[0] != port) {
			arq_knock_store(key, progress, 0);
			return false;
		}
	}
	done++;
	if (done < knock->step_count) {
		arq_knock_store(key, progress, ARQ_KNOCK_PROGRESS(until, done));
		return false;
	}
	const struct arq_knock_open open = {now + knock->open_ns, now + knock->open_ns};
	bpf_map_update_elem(&knock_open, key, &open, BPF_ANY);
	arq_knock_store(key, progress, 0);
	return true;
}

static __always_inline bool arq_knock_opens(const struct arq_knock *knock, __u32 port)
{
	bool opens = false;

#pragma clang loop unroll(full)
	for (int i = 0; i < ARQ_KNOCK_OPENS_MAX; i++)
		opens |= knock->opens[i] == port;
	return opens;
}

/* Decides about the packet, if it is a matter of knocks; returns whether it is. */
static __always_inline bool arq_knock_decide(struct xdp_md *ctx, const struct arq_packet *packet,
					     const struct arq_guards *guards,
					     struct arq_verdict *verdict)
{
	struct arq_knock_packet seen;
	struct arq_knock_key key;
	bool open = false, done = false;

	if (!arq_knock_read(ctx, packet, guards, &seen) ||
	    !arq_source_address(ctx, packet, key.address))
		return false;
	__u64 now = bpf_ktime_get_ns();
#pragma clang loop unroll(disable)
	for (__u32 i = 0; i < ARQ_KNOCKS_MAX && i < guards->knock_count; i++) {
		const struct arq_knock *knock = &guards->knocks[i];
		key.identity = knock->identity;
		if (seen.closed && arq_knock_opens(knock, seen.port))
			open |= arq_knock_is_open(knock, &key, &seen, now);
		if (seen.attempt && !open)
			done |= arq_knock_advance(knock, &key, seen.port, now);
	}
	if (!seen.step && !seen.closed)
		return false;
	if (open)
		return true;
	verdict->action = XDP_DROP;
	verdict->reason = ARQ_REASON_KNOCK_CLOSED;
	if (seen.step)
		verdict->reason = done ? ARQ_REASON_KNOCK_DONE : ARQ_REASON_KNOCK;
	return true;
}

#endif
