/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A sampled packet, as it travels to user space: the sampler takes it from the packets that come to
 * its slot, the firewall from those that it drops. All numbers in host byte order.
 *
 * Each reader brings a ring buffer of its own and enters it into a free element of the interface's
 * array of maps `readers`; a sample goes into every ring that is there. So readers take nothing
 * from each other, and one that is slow loses only its own. Samples are numbered before they are
 * handed out: a gap in `sequence` is exactly what found no room in the reader's ring.
 */
#ifndef ARQUANT_SAMPLE_H
#define ARQUANT_SAMPLE_H

#include <linux/types.h>

#define ARQ_SNAPLEN_MAX 1536 /* bytes of a packet that a sample can carry */
#define ARQ_READERS_MAX 8 /* of an interface at once; each costs a copy of every sample */

struct arq_sample {
	__u64 time_ns; /* CLOCK_MONOTONIC */
	__u64 sequence; /* of samples taken, per CPU and program, from 0 */
	__u64 pool; /* packets that it was drawn from, itself included: those that the program gave
		     * this verdict, on this CPU */
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
