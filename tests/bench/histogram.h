/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Latencies: counted in classes whose width is at most 1/64 of their value, so that a quantile is
 * right to 1.6 % whatever the range. Fixed memory, adding costs a few instructions.
 */
#ifndef ARQUANT_BENCH_HISTOGRAM_H
#define ARQUANT_BENCH_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_FINE 64 /* classes for each power of two */

struct histogram {
	uint64_t counts[64 * HISTOGRAM_FINE];
	uint64_t total;
	uint64_t sum;
	uint64_t max;
};

void histogram_add(struct histogram *histogram, uint64_t value);

/* The value below which `share` (0 to 1) of all are: the upper end of its class; 0 without any. */
uint64_t histogram_quantile(const struct histogram *histogram, double share);

/* 0 without any. */
double histogram_mean(const struct histogram *histogram);

#endif
