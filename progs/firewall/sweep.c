// SPDX-License-Identifier: BSD-2-Clause
#include "progs/firewall/sweep.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void arq_sweep_begin(struct arq_sweep *sweep, uint32_t highest)
{
	memset(&sweep->always, 0, sizeof(sweep->always));
	sweep->highest = highest;
	sweep->boundaries = NULL;
	sweep->count = 0;
	sweep->capacity = 0;
}

void arq_sweep_end(struct arq_sweep *sweep)
{
	free(sweep->boundaries);
}

static int compare_ranges(const void *left, const void *right)
{
	const struct arq_range *a = left;
	const struct arq_range *b = right;

	return a->low < b->low ? -1 : a->low > b->low;
}

static int compare_boundaries(const void *left, const void *right)
{
	const struct arq_boundary *a = left;
	const struct arq_boundary *b = right;

	return a->at < b->at ? -1 : a->at > b->at;
}

static void add_boundary(struct arq_sweep *sweep, uint64_t at, uint32_t rule, bool matches)
{
	if (at <= sweep->highest)
		sweep->boundaries[sweep->count++] = (struct arq_boundary){at, rule, matches};
}

/* Room for `more` boundaries. */
static int reserve(struct arq_sweep *sweep, size_t more)
{
	if (sweep->count + more <= sweep->capacity)
		return 0;
	size_t capacity = 2 * (sweep->count + more);
	struct arq_boundary *larger = reallocarray(sweep->boundaries, capacity, sizeof(*larger));
	if (!larger)
		return -ENOMEM;
	sweep->boundaries = larger;
	sweep->capacity = capacity;
	return 0;
}

int arq_sweep_add(struct arq_sweep *sweep, uint32_t rule, struct arq_range *ranges, size_t count,
		  bool negate)
{
	uint64_t next = 0; /* the first value that no range before had */

	if (reserve(sweep, 2 * count + 1))
		return -ENOMEM;
	if (count)
		qsort(ranges, count, sizeof(*ranges), compare_ranges);
	if (negate)
		add_boundary(sweep, 0, rule, true);
	for (size_t i = 0; i < count; i++) {
		uint64_t low = ranges[i].low > next ? ranges[i].low : next;
		if (ranges[i].high < low)
			continue;
		/* What begins where the last boundary is takes that back. */
		if (low == next && (next > 0 || negate))
			sweep->count -= next <= sweep->highest;
		else
			add_boundary(sweep, low, rule, !negate);
		next = (uint64_t)ranges[i].high + 1;
		add_boundary(sweep, next, rule, negate);
	}
	return 0;
}

int arq_sweep_run(struct arq_sweep *sweep, struct arq_rows_store *store, arq_sweep_visit visit,
		  void *context)
{
	struct arq_bitmap bitmap = sweep->always;
	uint64_t low = 0;
	size_t i = 0;

	if (sweep->count)
		qsort(sweep->boundaries, sweep->count, sizeof(*sweep->boundaries),
		      compare_boundaries);
	while (low <= sweep->highest) {
		for (; i < sweep->count && sweep->boundaries[i].at == low; i++) {
			if (sweep->boundaries[i].matches)
				arq_bitmap_set(&bitmap, sweep->boundaries[i].rule);
			else
				arq_bitmap_clear(&bitmap, sweep->boundaries[i].rule);
		}
		uint64_t next =
			i < sweep->count ? sweep->boundaries[i].at : (uint64_t)sweep->highest + 1;
		int row = arq_rows_find(store, &bitmap);
		int status = row < 0 ? row
				     : visit((uint32_t)low, (uint32_t)(next - 1), (uint16_t)row,
					     context);
		if (status)
			return status;
		low = next;
	}
	return 0;
}

static int fill(uint32_t low, uint32_t high, uint16_t row, void *context)
{
	uint16_t *table = context;

	for (uint32_t value = low; value <= high; value++)
		table[value] = row;
	return 0;
}

int arq_sweep_fill(struct arq_sweep *sweep, struct arq_rows_store *store, uint16_t *table)
{
	return arq_sweep_run(sweep, store, fill, table);
}
