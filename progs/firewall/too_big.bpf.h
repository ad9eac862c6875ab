/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Answers to fragments: "fragmentation needed" (ICMP type 3 code 4, RFC 1191) and "packet too big"
 * (ICMPv6 type 2, RFC 4443), so that the sender's path MTU comes down and fragments end.
 *
 * A program in a slot of libxdp's dispatcher cannot change a frame's length: the answer is written
 * over the head of the frame, and what remains of it behind the answer's short total length is
 * padding to every receiver. MAC addresses are swapped, VLAN tags stay.
 *
 * Never answered are (RFC 1122, 3.2.2; RFC 4443, 2.4): fragments but the first, errors and
 * redirects of ICMP, frames and packets to groups, and sources that are not one host. Nor are
 * fragments too short to hold the answer, or IPv4 packets with options: no sender whose path MTU
 * matters makes them.
 */
#ifndef ARQUANT_PROGS_FIREWALL_TOO_BIG_BPF_H
#define ARQUANT_PROGS_FIREWALL_TOO_BIG_BPF_H

#include "progs/lib/bounds.bpf.h"
#include "progs/lib/rate.bpf.h"
#include "progs/lib/verdict.bpf.h"

#include <arquant/guards.h>
#include <arquant/packet.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <stdbool.h>

/* Words of 32 bits: the IP header, the ICMP header, and what is quoted of the packet. */
#define ARQ_IPV4_WORDS     5
#define ARQ_IPV6_WORDS     10
#define ARQ_ICMP_WORDS     2
#define ARQ_QUOTE_WORDS_V4 7 /* header and 8 bytes, as RFC 792 has it */
#define ARQ_QUOTE_WORDS_V6 32 /* what extension headers leave of it is enough for any port */

#define ARQ_ANSWER_WORDS_V4 (ARQ_IPV4_WORDS + ARQ_ICMP_WORDS + ARQ_QUOTE_WORDS_V4)
#define ARQ_ANSWER_WORDS_V6 (ARQ_IPV6_WORDS + ARQ_ICMP_WORDS + ARQ_QUOTE_WORDS_V6)

/* Where a header has its addresses, in words. */
#define ARQ_IPV4_SOURCE      3
#define ARQ_IPV4_DESTINATION 4
#define ARQ_IPV6_SOURCE      2
#define ARQ_IPV6_DESTINATION 6

/* What Linux gives its own ICMP errors: internetwork control (RFC 1812, 4.3.2.5), and 64 hops. */
#define ARQ_ANSWER_TOS 0xc0
#define ARQ_ANSWER_TTL 64

struct arq_too_big_state arq_too_big_state SEC(".bss.too_big");

struct arq_answer_v4 {
	__be32 words[ARQ_ANSWER_WORDS_V4];
};

struct arq_answer_v6 {
	__be32 words[ARQ_ANSWER_WORDS_V6];
};

/* Adds words to an Internet checksum (RFC 1071) that is not folded yet. */
static __always_inline __u64 arq_sum(__u64 sum, const __be32 *words, __u32 count)
{
#pragma clang loop unroll(full)
	for (__u32 i = 0; i < count; i++)
		sum += words[i];
	return sum;
}

/* The checksum in network byte order. */
static __always_inline __u16 arq_sum_fold(__u64 sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return ~sum;
}

/* The two 16-bit halves of a word, the second as it is in the packet. */
static __always_inline __be32 arq_halves(__u16 first, __u16 second)
{
	return bpf_htonl((__u32)first << 16 | bpf_ntohs(second));
}

static __always_inline bool arq_too_big_is_host_v4(__be32 address)
{
	__u32 host = bpf_ntohl(address);
	__u32 net = host >> 24;

	/* "This network", loopback; from 224 on groups, reserved addresses and the broadcast. */
	return net != 0 && net != 127 && net < 224;
}

static __always_inline bool arq_too_big_is_host_v6(const __be32 *address)
{
	if ((bpf_ntohl(address[0]) >> 24) == 0xff)
		return false;
	/* Neither :: nor ::1. */
	return address[0] || address[1] || address[2] || bpf_ntohl(address[3]) > 1;
}

/* Is it an ICMP message that must not be answered by an error? */
static __always_inline bool arq_too_big_is_error(void *data, void *end,
						 const struct arq_packet *packet)
{
	__u8 *type;

	if (packet->protocol != IPPROTO_ICMP && packet->protocol != IPPROTO_ICMPV6)
		return false;
	if (!arq_at((void **)&type, data, end, packet->l4_offset, 1))
		return true;
	/* ICMPv6: errors are below 128, 137 is Redirect. */
	if (packet->protocol == IPPROTO_ICMPV6)
		return *type < 128 || *type == 137;
	return *type == 3 || *type == 4 || *type == 5 || *type == 11 || *type == 12;
}

/* May the packet be answered, and is there room for the answer? */
static __always_inline bool arq_too_big_may_answer(struct xdp_md *ctx,
						   const struct arq_packet *packet)
{
	void *data = (void *)(long)ctx->data;
	void *end = (void *)(long)ctx->data_end;
	struct ethhdr *ethernet = data;
	struct arq_answer_v4 *v4;
	struct arq_answer_v6 *v6;

	if ((packet->flags & (ARQ_PACKET_FIRST_FRAGMENT | ARQ_PACKET_MALFORMED |
			      ARQ_PACKET_IPV4_OPTIONS)) != ARQ_PACKET_FIRST_FRAGMENT)
		return false;
	if ((void *)(ethernet + 1) > end || *(__u8 *)data & 1 ||
	    arq_too_big_is_error(data, end, packet))
		return false;
	if (packet->flags & ARQ_PACKET_IPV4) {
		if (!arq_at((void **)&v4, data, end, packet->l3_offset, sizeof(*v4)))
			return false;
		__be32 from = v4->words[ARQ_IPV4_SOURCE];
		__be32 to = v4->words[ARQ_IPV4_DESTINATION];
		/* The total length is the lower half of the first word. */
		return arq_too_big_is_host_v4(from) && arq_too_big_is_host_v4(to) && from != to &&
		       (bpf_ntohl(v4->words[0]) & 0xffff) >= 4 * ARQ_QUOTE_WORDS_V4;
	}
	if (!arq_at((void **)&v6, data, end, packet->l3_offset, sizeof(*v6)))
		return false;
	/* The payload length is the upper half of the second. */
	return arq_too_big_is_host_v6(&v6->words[ARQ_IPV6_SOURCE]) &&
	       arq_too_big_is_host_v6(&v6->words[ARQ_IPV6_DESTINATION]) &&
	       bpf_ntohl(v6->words[1]) >> 16 >= 4 * (ARQ_QUOTE_WORDS_V6 - ARQ_IPV6_WORDS);
}

static __always_inline void arq_too_big_write_v4(__be32 *words, __u32 mtu)
{
	__be32 *quote = words + ARQ_IPV4_WORDS + ARQ_ICMP_WORDS;

#pragma clang loop unroll(full)
	for (int i = ARQ_QUOTE_WORDS_V4 - 1; i >= 0; i--)
		quote[i] = words[i];
	words[0] = bpf_htonl(4u << 28 | ARQ_IPV4_WORDS << 24 | ARQ_ANSWER_TOS << 16 |
			     4 * ARQ_ANSWER_WORDS_V4);
	words[1] = bpf_htonl(0x4000); /* do not fragment */
	words[2] = bpf_htonl((__u32)ARQ_ANSWER_TTL << 24 | IPPROTO_ICMP << 16);
	words[3] = quote[ARQ_IPV4_DESTINATION];
	words[4] = quote[ARQ_IPV4_SOURCE];
	words[2] = arq_halves(ARQ_ANSWER_TTL << 8 | IPPROTO_ICMP,
			      arq_sum_fold(arq_sum(0, words, ARQ_IPV4_WORDS)));

	__be32 *icmp = words + ARQ_IPV4_WORDS;
	const __u16 kind = 3 << 8 | 4; /* destination unreachable, fragmentation needed */
	icmp[0] = arq_halves(kind, 0);
	icmp[1] = bpf_htonl(mtu & 0xffff);
	icmp[0] = arq_halves(kind,
			     arq_sum_fold(arq_sum(0, icmp, ARQ_ICMP_WORDS + ARQ_QUOTE_WORDS_V4)));
}

static __always_inline void arq_too_big_write_v6(__be32 *words, __u32 mtu)
{
	const __u32 length = 4 * (ARQ_ICMP_WORDS + ARQ_QUOTE_WORDS_V6);
	__be32 *quote = words + ARQ_IPV6_WORDS + ARQ_ICMP_WORDS;

#pragma clang loop unroll(full)
	for (int i = ARQ_QUOTE_WORDS_V6 - 1; i >= 0; i--)
		quote[i] = words[i];
	words[0] = bpf_htonl(6u << 28 | ARQ_ANSWER_TOS << 20);
	words[1] = bpf_htonl(length << 16 | IPPROTO_ICMPV6 << 8 | ARQ_ANSWER_TTL);
#pragma clang loop unroll(full)
	for (int i = 0; i < 4; i++) {
		words[ARQ_IPV6_SOURCE + i] = quote[ARQ_IPV6_DESTINATION + i];
		words[ARQ_IPV6_DESTINATION + i] = quote[ARQ_IPV6_SOURCE + i];
	}
	__be32 *icmp = words + ARQ_IPV6_WORDS;
	const __u16 kind = 2 << 8; /* packet too big */
	icmp[0] = arq_halves(kind, 0);
	icmp[1] = bpf_htonl(mtu);
	/* The addresses, the length and the protocol are in the sum (RFC 8200, 8.1). */
	__u64 sum = arq_sum(bpf_htonl(length) + (__u64)bpf_htonl(IPPROTO_ICMPV6),
			    words + ARQ_IPV6_SOURCE, ARQ_IPV6_WORDS - ARQ_IPV6_SOURCE);
	icmp[0] = arq_halves(kind,
			     arq_sum_fold(arq_sum(sum, icmp, ARQ_ICMP_WORDS + ARQ_QUOTE_WORDS_V6)));
}

static __always_inline void arq_too_big_swap(struct ethhdr *ethernet)
{
	__u8 to[ETH_ALEN];

	__builtin_memcpy(to, ethernet->h_dest, ETH_ALEN);
	__builtin_memcpy(ethernet->h_dest, ethernet->h_source, ETH_ALEN);
	__builtin_memcpy(ethernet->h_source, to, ETH_ALEN);
}

/*
 * Writes the answer over the packet. arq_too_big_may_answer() has said that it may; returns false,
 * with nothing written, if the verifier's own checks fail.
 */
static __always_inline bool arq_too_big_write(struct xdp_md *ctx, const struct arq_packet *packet,
					      __u32 mtu)
{
	void *data = (void *)(long)ctx->data;
	void *end = (void *)(long)ctx->data_end;
	struct arq_answer_v4 *v4;
	struct arq_answer_v6 *v6;

	if (data + sizeof(struct ethhdr) > end)
		return false;
	if (packet->flags & ARQ_PACKET_IPV4) {
		if (!arq_at((void **)&v4, data, end, packet->l3_offset, sizeof(*v4)))
			return false;
		arq_too_big_write_v4(v4->words, mtu);
	} else {
		if (!arq_at((void **)&v6, data, end, packet->l3_offset, sizeof(*v6)))
			return false;
		arq_too_big_write_v6(v6->words, mtu);
	}
	arq_too_big_swap(data);
	return true;
}

/* Decides about a fragment that is not to pass: sets action and reason. */
static __always_inline void arq_too_big_decide(struct xdp_md *ctx, const struct arq_packet *packet,
					       const struct arq_guards *guards,
					       struct arq_verdict *verdict)
{
	verdict->action = XDP_DROP;
	verdict->reason = ARQ_REASON_FRAGMENT;
	if (!(guards->flags & ARQ_GUARD_TOO_BIG) || !arq_too_big_may_answer(ctx, packet))
		return;
	if (!arq_rate_take(&arq_too_big_state.arrival, &guards->too_big, bpf_ktime_get_ns())) {
		verdict->reason = ARQ_REASON_TOO_BIG_LIMITED;
		return;
	}
	if (!arq_too_big_write(ctx, packet, guards->too_big_mtu))
		return;
	verdict->action = XDP_TX;
	verdict->reason = ARQ_REASON_TOO_BIG_SENT;
}

#endif
