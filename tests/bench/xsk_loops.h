/* SPDX-License-Identifier: BSD-2-Clause */
/* The receive loops that bench_xsk compares, each on an AF_XDP socket of interface "receiver". */
#ifndef ARQUANT_TESTS_BENCH_XSK_LOOPS_H
#define ARQUANT_TESTS_BENCH_XSK_LOOPS_H

#include <stdint.h>

#define XSK_FRAMES     8192
#define XSK_FRAME_SIZE 2048

enum xsk_loop_id {
	XSK_LOOP_BARE, /* libxdp: peek, refill, release; looks at nothing */
	XSK_LOOP_READING, /* the same, and adds up the bytes of each packet */
	XSK_LOOP_OURS, /* arq_io_receive, arq_io_release */
	XSK_LOOPS,
};

struct xsk_loop {
	const char *name;
	void *(*open)(int map); /* `map`: the XSKMAP */
	uint32_t (*poll)(void *self); /* packets taken, 0 for none */
	void (*close)(void *self);
};

/* By enum xsk_loop_id. What goes wrong ends the process with a message. */
extern const struct xsk_loop xsk_loops[XSK_LOOPS];

#endif
