/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Packet metadata: what one parse of a packet found, left for the later programs of the chain.
 *
 * Every program of ours declares `struct arq_packet arq_packet[ARQ_MAX_CPUS]` in the custom section
 * `.bss.arq_packet`; one pinned map backs all of them. The first program of ours in the chain
 * parses the packet and writes the element of its CPU. A later one accepts it only when the
 * identity (data, data_end, ifindex, queue) is that of its own context, else it parses for itself.
 *
 * The identity alone does not tell two packets apart that came one after the other in the same
 * buffer: so the program that comes first in the chain never trusts what it finds. Which one is
 * first is a variable of each program, arq_tunables.first, kept right by the loader. (First of
 * those that parse: the sampler neither reads nor writes metadata.)
 *
 * Who is not first marks the metadata as taken, so it is accepted once. If another tool takes the
 * first program out of the chain, what that left can be met by one later packet on each CPU, and is
 * then checked against that packet's headers like any other.
 *
 * Metadata tells where things are, never what is allowed: a program reads the fields that its
 * decision depends on from the packet again, since a foreign program in between may have rewritten
 * them. Safe against concurrency because a CPU runs one XDP chain at a time, in soft interrupt.
 */
#ifndef ARQUANT_PACKET_H
#define ARQUANT_PACKET_H

#include <linux/types.h>

/*
 * A power of two, because the CPU number is masked with it instead of compared (the verifier must
 * see a bound, a mask is one instruction). `arquant load` refuses a machine with more possible
 * CPUs.
 */
#define ARQ_MAX_CPUS 512

/* In arq_packet.ifindex: no interface has this number. */
#define ARQ_PACKET_TAKEN 0

/* Where an offset is unknown: no packet that XDP sees has a header this far in. */
#define ARQ_OFFSET_NONE 0xffff

/* struct arq_packet.flags */
#define ARQ_PACKET_IPV4            (1u << 0)
#define ARQ_PACKET_IPV6            (1u << 1)
#define ARQ_PACKET_VLAN            (1u << 2) /* at least one tag in the frame */
#define ARQ_PACKET_QINQ            (1u << 3) /* two tags in the frame */
#define ARQ_PACKET_FRAGMENT        (1u << 4) /* part of a fragmented datagram, also the first */
#define ARQ_PACKET_FIRST_FRAGMENT  (1u << 5) /* offset 0, more to come: L4 header is here */
#define ARQ_PACKET_IPV4_OPTIONS    (1u << 6)
#define ARQ_PACKET_IPV6_EXTENSIONS (1u << 7) /* extension headers other than Fragment */
#define ARQ_PACKET_QUIC_LONG       (1u << 8) /* UDP payload looks like a QUIC long header */
#define ARQ_PACKET_QUIC_INITIAL    (1u << 9) /* and, by its version, an Initial packet */
#define ARQ_PACKET_QUIC_SHORT      (1u << 10) /* UDP payload looks like a QUIC short header */
#define ARQ_PACKET_MALFORMED       (1u << 11) /* see struct arq_packet.reason */

/*
 * One cache line. All numbers in host byte order. Offsets are in bytes from data and are
 * ARQ_OFFSET_NONE where there is no such header; a recorded offset was inside [data, data_end) with
 * its minimal header when it was written, which the verifier wants to see checked again.
 */
struct arq_packet {
	__u64 data; /* identity: the context's pointers, as numbers */
	__u64 data_end;
	__u32 ifindex;
	__u32 queue;
	__u32 flags; /* ARQ_PACKET_* */
	__u32 length; /* of the frame in bytes, all of its buffers; of the first one alone, when the
		       * IP packet ends in it */
	__u32 quic_version; /* of a long header, else 0 */
	__u32 flow_hash; /* of addresses, protocol and ports; not 0 once computed */
	__u16 l3_offset;
	__u16 l4_offset;
	__u16 payload_offset; /* after UDP or TCP header */
	__u16 ethertype; /* after VLAN tags */
	__u16 vlan_id; /* outermost tag, 0 if none */
	__u16 dcid_offset; /* QUIC long header: Destination Connection ID; short: its first octet */
	__u8 dcid_length; /* QUIC long header; 0 for a short one, whose length is not on the wire */
	__u8 protocol; /* IP protocol after extension headers */
	__u16 reason; /* enum arq_reason, when ARQ_PACKET_MALFORMED */
} __attribute__((aligned(64)));

_Static_assert(sizeof(struct arq_packet) == 64, "metadata is one cache line");

#endif
