/* SPDX-License-Identifier: BSD-2-Clause */
/* The programs that bench_xdp measures, loaded and filled, and the packets it measures them with.
 */
#ifndef ARQUANT_TESTS_BENCH_XDP_ROWS_H
#define ARQUANT_TESTS_BENCH_XDP_ROWS_H

#include "tests/bench/xdp.h"

#include <stdint.h>

#define BENCH_ROWS_MAX 24

/* 4096 UDP datagrams, each from another address and port. */
enum bench_packets {
	BENCH_OTHER_V4, /* to addresses and ports that are no service */
	BENCH_OTHER_V6,
	BENCH_LISTED_V4, /* the same, from the prefixes of the policy */
	BENCH_LISTED_V6,
	BENCH_SERVICE_V4, /* QUIC, to the service */
	BENCH_SERVICE_V6,
};

struct bench_row {
	const char *name;
	int program; /* descriptor */
	enum bench_packets packets;
	uint32_t action; /* that it must return */
	double target; /* ns over bare at most; 0 for none */
};

/* Writes the packets of one kind. The listed ones need the policy that bench_rows_open() makes. */
void bench_packets(struct bench_packet *packets, enum bench_packets kind);

/* Loads everything. Returns the number of rows, or a negative errno after a message. */
int bench_rows_open(struct bench_row *rows, int pass);
void bench_rows_close(void);

#endif
