// SPDX-License-Identifier: BSD-2-Clause
#include "progs/firewall/space.h"

#include <stdlib.h>
#include <string.h>

struct arq_arena_block {
	struct arq_arena_block *next;
	max_align_t memory[];
};

void *arq_arena_take(struct arq_arena *arena, size_t size)
{
	struct arq_arena_block *block = calloc(1, sizeof(*block) + size);

	if (!block)
		return NULL;
	block->next = arena->blocks;
	arena->blocks = block;
	return block->memory;
}

void arq_arena_clear(struct arq_arena *arena)
{
	while (arena->blocks) {
		struct arq_arena_block *block = arena->blocks;
		arena->blocks = block->next;
		free(block);
	}
}

static struct arq_space *take(struct arq_arena *arena, size_t most)
{
	return arq_arena_take(arena, sizeof(struct arq_space) + most * sizeof(struct arq_interval));
}

static int compare(const void *a, const void *b)
{
	const struct arq_interval *left = a, *right = b;

	return (left->low > right->low) - (left->low < right->low);
}

const struct arq_space *arq_space_make(struct arq_arena *arena, struct arq_interval *items,
				       size_t count)
{
	struct arq_space *space = take(arena, count);

	if (!space)
		return NULL;
	if (count)
		qsort(items, count, sizeof(items[0]), compare);
	for (size_t i = 0; i < count; i++) {
		struct arq_interval *last = space->count ? &space->items[space->count - 1] : NULL;
		if (!last || items[i].low > last->high + 1)
			space->items[space->count++] = items[i];
		else if (items[i].high > last->high)
			last->high = items[i].high;
	}
	return space;
}

/* The first range that ends at `number` or later: its index, or count. */
static uint32_t find(const struct arq_space *space, uint64_t number)
{
	uint32_t low = 0, high = space->count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		if (space->items[middle].high < number)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

bool arq_space_overlaps(const struct arq_space *a, const struct arq_space *b)
{
	const struct arq_space *few = a->count < b->count ? a : b;
	const struct arq_space *many = few == a ? b : a;

	if (a == b)
		return a->count > 0;
	for (uint32_t i = 0; i < few->count; i++) {
		uint32_t at = find(many, few->items[i].low);
		if (at < many->count && many->items[at].low <= few->items[i].high)
			return true;
	}
	return false;
}

bool arq_space_within(const struct arq_space *a, const struct arq_space *b)
{
	if (a == b)
		return true;
	for (uint32_t i = 0; i < a->count; i++) {
		uint32_t at = find(b, a->items[i].low);
		if (at == b->count || b->items[at].low > a->items[i].low ||
		    b->items[at].high < a->items[i].high)
			return false;
	}
	return true;
}

const struct arq_space *arq_space_intersect(struct arq_arena *arena, const struct arq_space *a,
					    const struct arq_space *b)
{
	if (a == b)
		return a;
	struct arq_space *both = take(arena, (size_t)a->count + b->count);
	if (!both)
		return NULL;
	for (uint32_t i = 0; i < a->count; i++) {
		const struct arq_interval *one = &a->items[i];
		for (uint32_t j = find(b, one->low); j < b->count && b->items[j].low <= one->high;
		     j++) {
			const struct arq_interval *other = &b->items[j];
			both->items[both->count++] = (struct arq_interval){
				one->low > other->low ? one->low : other->low,
				one->high < other->high ? one->high : other->high,
			};
		}
	}
	return both;
}

const struct arq_space *arq_space_subtract(struct arq_arena *arena, const struct arq_space *a,
					   const struct arq_space *b)
{
	struct arq_space *rest = take(arena, (size_t)a->count + b->count);

	if (!rest || a == b)
		return rest;
	for (uint32_t i = 0; i < a->count; i++) {
		uint64_t low = a->items[i].low, high = a->items[i].high;
		bool done = false;
		for (uint32_t j = find(b, low); j < b->count && b->items[j].low <= high; j++) {
			if (b->items[j].low > low)
				rest->items[rest->count++] =
					(struct arq_interval){low, b->items[j].low - 1};
			done = b->items[j].high >= high;
			low = b->items[j].high + 1;
		}
		if (!done)
			rest->items[rest->count++] = (struct arq_interval){low, high};
	}
	return rest;
}
