/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the two halves of lab_flood share: payloads to choose from, and how fast. */
#ifndef ARQUANT_TESTS_LAB_FLOOD_H
#define ARQUANT_TESTS_LAB_FLOOD_H

#include <linux/types.h>

#define FLOOD_HEADERS      42 /* Ethernet, IPv4, UDP */
#define FLOOD_PAYLOAD      1200
#define FLOOD_DCID         6 /* where the ID is in the payload; 8 octets */
#define FLOOD_PAYLOADS_MAX 16384 /* a power of two */

/* 198.18.0.0/15 is for benchmarks (RFC 2544). */
#define FLOOD_SOURCES      0xc6120000u
#define FLOOD_SOURCES_MASK 0x0001ffffu

/* What is late by more than this is given up: a test machine may stand still. */
#define FLOOD_LATE_NS 5000000ull

struct flood_payload {
	__u64 sum; /* its words, as they are in memory */
	__u8 bytes[FLOOD_PAYLOAD];
};

struct flood_state {
	__u64 interval_ns; /* between two; 0: none goes out */
	__u64 due_ns;
	__u64 sent;
	__u64 missed; /* were due, and given up */
	__u32 mask; /* of the payload's number */
	__u32 random_ids; /* each packet has an ID of its own */
};

#endif
