/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Which generation of the firewall's rules decides: live words, read once for each packet, written
 * by user space with single stores.
 *
 * There are two generations, 0 and 1. The word `decides` names the one in force and, when it is on
 * trial, the time after which the other one is in force again, with nobody having to do anything:
 *
 *   bit 0       the generation
 *   bits 1..63  0: for good. Else the trial's end, in ns of CLOCK_MONOTONIC (bpf_ktime_get_ns).
 *
 * A trial is confirmed by storing the word without its time. One store changes both, so no packet
 * sees a new generation with an old time.
 */
#ifndef ARQUANT_GENERATION_H
#define ARQUANT_GENERATION_H

#include <linux/types.h>

struct arq_generation_live {
	__u64 decides;
	__u64 shadow_until; /* until then (CLOCK_MONOTONIC, ns) the generation that is not in force
			     * is asked, too, and differences are counted; 0: never */
};

static inline __u64 arq_generation_word(__u32 generation, __u64 trial_ends)
{
	return trial_ends << 1 | (generation & 1);
}

/* Does the word need the time to be understood? (Asking for it costs more than the rest.) */
static inline int arq_generation_on_trial(__u64 word)
{
	return word > 1;
}

/* The generation in force at a time. */
static inline __u32 arq_generation_at(__u64 word, __u64 now)
{
	__u64 ends = word >> 1;

	return (__u32)((word & 1) ^ (ends != 0 && now >= ends));
}

#endif
