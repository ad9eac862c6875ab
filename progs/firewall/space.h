/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sets of numbers as sorted ranges, for the analysis of rules: what one dimension of a rule (its
 * ports, its addresses) covers. Sets never change once they are made; they live in an arena, which
 * is freed as a whole.
 */
#ifndef ARQUANT_PROGS_FIREWALL_SPACE_H
#define ARQUANT_PROGS_FIREWALL_SPACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Memory that is freed at once. Zero is an empty one. */
struct arq_arena {
	struct arq_arena_block *blocks;
};

/* Returns zeroed memory, or NULL without any. */
void *arq_arena_take(struct arq_arena *arena, size_t size);
void arq_arena_clear(struct arq_arena *arena);

struct arq_interval {
	uint64_t low; /* both included */
	uint64_t high;
};

/* Ranges in order, with at least one number between them. */
struct arq_space {
	uint32_t count;
	struct arq_interval items[];
};

/* Makes a set of ranges in any order, which may overlap; sorts `items`. NULL without memory. */
const struct arq_space *arq_space_make(struct arq_arena *arena, struct arq_interval *items,
				       size_t count);

bool arq_space_overlaps(const struct arq_space *a, const struct arq_space *b);

/* Is all of `a` in `b`? */
bool arq_space_within(const struct arq_space *a, const struct arq_space *b);

/* What both have; what `a` has and `b` has not. NULL without memory. */
const struct arq_space *arq_space_intersect(struct arq_arena *arena, const struct arq_space *a,
					    const struct arq_space *b);
const struct arq_space *arq_space_subtract(struct arq_arena *arena, const struct arq_space *a,
					   const struct arq_space *b);

#endif
