/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The rows and blocks of a generation (classify.h) while the compiler makes them: equal bitmaps
 * become one row, equal parts of bitmaps one block. Inside the compiler; compile.h is its face.
 */
#ifndef ARQUANT_PROGS_FIREWALL_ROWS_H
#define ARQUANT_PROGS_FIREWALL_ROWS_H

#include "progs/firewall/classify.h"

#include <stdbool.h>
#include <stdint.h>

/* A bit for each rule, rule 1 the lowest of the first word. */
struct arq_bitmap {
	uint64_t words[ARQ_RULE_WORDS];
};

static inline void arq_bitmap_set(struct arq_bitmap *bitmap, uint32_t rule)
{
	bitmap->words[rule / 64] |= 1ULL << rule % 64;
}

static inline void arq_bitmap_clear(struct arq_bitmap *bitmap, uint32_t rule)
{
	bitmap->words[rule / 64] &= ~(1ULL << rule % 64);
}

/* Twice what they point to, so that a search ends soon. */
#define ARQ_ROW_HASHES   (2 * ARQ_ROWS)
#define ARQ_BLOCK_HASHES (2 * ARQ_BLOCKS)

struct arq_rows_store {
	struct arq_generation *image; /* where they are made; `words` and `valid` are set */
	uint32_t row_count;
	uint32_t block_count;
	uint32_t row_hashes[ARQ_ROW_HASHES]; /* number + 1 of a row, 0: free */
	uint32_t block_hashes[ARQ_BLOCK_HASHES];
};

/*
 * The row of a bitmap, of which bits that are not in image->valid are left out. Returns its number,
 * or -E2BIG when there is no room for one more row or block.
 */
int arq_rows_find(struct arq_rows_store *store, const struct arq_bitmap *bitmap);

/* The same as a row of its own, which comes after all there are. */
int arq_rows_append(struct arq_rows_store *store, const struct arq_bitmap *bitmap);

#endif
