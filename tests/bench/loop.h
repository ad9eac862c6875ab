/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The loop of one thread around one QUIC endpoint and its ios, as userspace/quic/quic.h draws it:
 *
 *	while (...) {
 *		loop_wait(loop, at);      sleeps, then takes in what came
 *		...                       whatever the program does
 *		arq_quic_run(loop->endpoint, loop->now);
 *	}
 */
#ifndef ARQUANT_BENCH_LOOP_H
#define ARQUANT_BENCH_LOOP_H

#include "userspace/io/io.h"
#include "userspace/quic/quic.h"

#include <stdint.h>

#define LOOP_IOS_MAX 64
#define LOOP_SECOND  1000000000ull

struct loop {
	struct arq_quic_endpoint *endpoint;
	struct arq_io *ios[LOOP_IOS_MAX];
	uint32_t io_count;
	int epoll;
	uint64_t now; /* read when the wait ended */
};

/* CLOCK_MONOTONIC in nanoseconds. */
uint64_t loop_clock(void);

/* The endpoint may be set later, before the first wait. Returns 0 or a negative errno. */
int loop_begin(struct loop *loop);

/* Watches an io, which belongs to the loop now, whatever this returns: 0 or a negative errno. */
int loop_add(struct loop *loop, struct arq_io *io);

/*
 * Waits for packets, until `at` (UINT64_MAX: no end), or until the endpoint's expiry, and takes
 * the packets in. Returns 0, or a negative errno: of epoll, or that an io cannot receive any more.
 */
int loop_wait(struct loop *loop, uint64_t at);

/* Destroys the endpoint, then the ios. */
void loop_end(struct loop *loop);

#endif
