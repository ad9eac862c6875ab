/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A sampled packet, as it travels through the ring buffer `samples` (one for each interface,
 * written by the sampler for packets that come to its slot and by the firewall for those that it
 * drops). All numbers in host byte order.
 */
#ifndef ARQUANT_SAMPLE_H
#define ARQUANT_SAMPLE_H

#include <linux/types.h>

#define ARQ_SNAPLEN_MAX 1536 /* bytes of a packet that a sample can carry */

struct arq_sample {
	__u64 time_ns; /* CLOCK_MONOTONIC */
	__u64 sequence; /* per CPU and program, of samples taken, lost ones included */
	__u64 lost; /* per CPU and program, samples that found the ring full, before this one */
	__u32 ifindex;
	__u32 queue;
	__u32 cpu;
	__u32 length; /* of the frame on the wire, bytes */
	__u32 captured; /* bytes of it that follow */
	__u32 one_in; /* the sampling rate when it was taken: 1 in so many */
	__u32 rule; /* firewall rule that decided, counted from 1; 0 for none */
	__u16 reason; /* enum arq_reason */
	__u8 verdict; /* enum xdp_action that the program returned */
	__u8 program; /* enum arq_program_id that took the sample */
	__u8 head[]; /* the first `captured` bytes, from the Ethernet header on */
};

_Static_assert(sizeof(struct arq_sample) == 56, "no padding on the wire between kernel and user");

#endif
