// SPDX-License-Identifier: BSD-2-Clause
#include "tests/bench/histogram.h"

#include <stddef.h>

#define FINE_BITS 6
_Static_assert(1 << FINE_BITS == HISTOGRAM_FINE, "the two say the same");

/* Values below 64 have a class each; above, the leading bit and the six after it choose. */
static size_t class_of(uint64_t value)
{
	if (value < HISTOGRAM_FINE)
		return value;
	unsigned int shift = 63 - (unsigned int)__builtin_clzll(value) - FINE_BITS;
	return (size_t)(shift + 1) * HISTOGRAM_FINE + (value >> shift) - HISTOGRAM_FINE;
}

static uint64_t class_end(size_t class)
{
	if (class < HISTOGRAM_FINE)
		return class;
	size_t shift = class / HISTOGRAM_FINE - 1;
	uint64_t first = (uint64_t)(class % HISTOGRAM_FINE + HISTOGRAM_FINE) << shift;
	return first + ((uint64_t)1 << shift) - 1;
}

void histogram_add(struct histogram *histogram, uint64_t value)
{
	histogram->counts[class_of(value)]++;
	histogram->total++;
	histogram->sum += value;
	if (value > histogram->max)
		histogram->max = value;
}

uint64_t histogram_quantile(const struct histogram *histogram, double share)
{
	uint64_t wanted = (uint64_t)(share * (double)histogram->total);
	uint64_t seen = 0;

	if (histogram->total == 0)
		return 0;
	if (wanted >= histogram->total)
		wanted = histogram->total - 1;
	for (size_t class = 0; class < sizeof(histogram->counts) / sizeof(uint64_t); class ++) {
		seen += histogram->counts[class];
		if (seen > wanted)
			return class_end(class) < histogram->max ? class_end(class)
								 : histogram->max;
	}
	return histogram->max;
}

double histogram_mean(const struct histogram *histogram)
{
	return histogram->total ? (double)histogram->sum / (double)histogram->total : 0;
}
