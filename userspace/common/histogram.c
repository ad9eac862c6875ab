// SPDX-License-Identifier: BSD-2-Clause
#include "userspace/common/histogram.h"

#define MICROSECOND 1000ull
#define MILLISECOND 1000000ull
#define SECOND      1000000000ull

const uint64_t arq_histogram_bounds[ARQ_HISTOGRAM_BOUNDS] = {
	100 * MICROSECOND,
	250 * MICROSECOND,
	500 * MICROSECOND,
	MILLISECOND,
	2500 * MICROSECOND,
	5 * MILLISECOND,
	10 * MILLISECOND,
	25 * MILLISECOND,
	50 * MILLISECOND,
	100 * MILLISECOND,
	250 * MILLISECOND,
	500 * MILLISECOND,
	SECOND,
	2500 * MILLISECOND,
	5 * SECOND,
	10 * SECOND,
};

void arq_histogram_observe(struct arq_histogram *histogram, uint64_t ns)
{
	size_t i = 0;
	while (i < ARQ_HISTOGRAM_BOUNDS && ns > arq_histogram_bounds[i])
		i++;
	histogram->counts[i]++;
	histogram->sum += ns;
}

void arq_histogram_add(struct arq_histogram *sum, const struct arq_histogram *other)
{
	for (size_t i = 0; i <= ARQ_HISTOGRAM_BOUNDS; i++)
		sum->counts[i] += other->counts[i];
	sum->sum += other->sum;
}
