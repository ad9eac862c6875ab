/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Durations counted by size, as Prometheus reads them. One thread; all zeroes is an empty one.
 */
#ifndef ARQUANT_COMMON_HISTOGRAM_H
#define ARQUANT_COMMON_HISTOGRAM_H

#include <stddef.h>
#include <stdint.h>

/* From a rack's round trip to what only patience bears, two or three in each decade. */
#define ARQ_HISTOGRAM_BOUNDS 16

struct arq_histogram {
	uint64_t
		counts[ARQ_HISTOGRAM_BOUNDS + 1]; /* not cumulative; the last is above all bounds */
	uint64_t sum; /* ns */
};

/* Upper bounds, inclusive, in ns. */
extern const uint64_t arq_histogram_bounds[ARQ_HISTOGRAM_BOUNDS];

void arq_histogram_observe(struct arq_histogram *histogram, uint64_t ns);

void arq_histogram_add(struct arq_histogram *sum, const struct arq_histogram *other);

#endif
