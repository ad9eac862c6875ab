/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The programs that bench_xdp.c measures, loaded and filled, and the packets it measures them with:
 * each bench has a file of rows with these functions.
 */
#ifndef ARQUANT_TESTS_BENCH_XDP_ROWS_H
#define ARQUANT_TESTS_BENCH_XDP_ROWS_H

#include "tests/bench/xdp.h"

#include <stdint.h>

#define BENCH_ROWS_MAX 40

struct bench_row {
	const char *name;
	int program; /* descriptor */
	unsigned int packets; /* which ones, a number of the rows' own */
	uint32_t action; /* that it must return */
	double target; /* ns over bare at most; 0 for none */
};

/* Writes the packets of one kind, after bench_rows_open(). */
void bench_packets(struct bench_packet *packets, unsigned int kind);

/* Loads everything. Returns the number of rows, or a negative errno after a message. */
int bench_rows_open(struct bench_row *rows, int pass);
void bench_rows_close(void);

#endif
