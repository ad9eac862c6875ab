/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A rate as the programs keep it: GCRA, the generic cell rate algorithm (ITU-T I.371, annex A), in
 * its form with a theoretical arrival time. The state of one limit is one word, that time; 0 is a
 * limit that never saw a packet. It is the equal of a token bucket, without a timer and without a
 * second word that would have to change at the same moment.
 *
 * Times are in units of 1/16 ns of CLOCK_MONOTONIC: fine enough for an interval to be exact within
 * 0.1 % at 16 million packets a second, coarse enough to last 36 years after a boot.
 */
#ifndef ARQUANT_RATE_H
#define ARQUANT_RATE_H

#include <linux/types.h>

#define ARQ_RATE_SHIFT 4 /* units in a nanosecond, as a power of two */

struct arq_rate {
	__u64 interval_ns16; /* between two packets in the long run, in 1/16 ns */
	__u64 tolerance_ns16; /* how far ahead of it they may come: (burst - 1) intervals */
};

/* Both together stay below this, so that no time that the programs add up overflows. */
#define ARQ_RATE_TOLERANCE_MAX (1ULL << 61)

#endif
