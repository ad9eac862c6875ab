/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What both halves of bench_xdp know. */
#ifndef ARQUANT_TESTS_BENCH_XDP_H
#define ARQUANT_TESTS_BENCH_XDP_H

#include <linux/types.h>

#define BENCH_PACKETS 4096 /* a power of two */
#define BENCH_BYTES   64 /* of each: the smallest Ethernet frame, with its checksum's room */

/* Times of one test run: at its begin and after every rotation of the table. */
#define BENCH_ROTATIONS 8
#define BENCH_TIMES     (BENCH_ROTATIONS + 1)

struct bench_packet {
	__u8 bytes[BENCH_BYTES];
};

struct bench_state {
	__u32 position; /* packets so far; set to 0 before a run */
	__u64 times[BENCH_TIMES]; /* ns, CLOCK_MONOTONIC */
};

#endif
