// SPDX-License-Identifier: BSD-2-Clause
#include "progs/firewall/rows.h"

#include <errno.h>
#include <string.h>

static uint32_t hash_words(const uint64_t *words, size_t count)
{
	uint64_t hash = 0;

	for (size_t i = 0; i < count; i++) {
		hash = (hash ^ words[i]) * 0x9e3779b97f4a7c15ULL;
		hash ^= hash >> 29;
	}
	return (uint32_t)(hash >> 32);
}

/* Number of the block with these words, or -E2BIG. */
static int find_block(struct arq_rows_store *store, const uint64_t words[ARQ_BLOCK_WORDS])
{
	struct arq_block *blocks = store->image->blocks;
	uint32_t at = hash_words(words, ARQ_BLOCK_WORDS) % ARQ_BLOCK_HASHES;

	for (; store->block_hashes[at]; at = (at + 1) % ARQ_BLOCK_HASHES) {
		uint32_t block = store->block_hashes[at] - 1;
		if (memcmp(blocks[block].words, words, sizeof(blocks->words)) == 0)
			return (int)block;
	}
	if (store->block_count == ARQ_BLOCKS)
		return -E2BIG;
	memcpy(blocks[store->block_count].words, words, sizeof(blocks->words));
	store->block_hashes[at] = ++store->block_count;
	return (int)store->block_count - 1;
}

/* Writes a row. Returns 0 or -E2BIG. */
static int make_row(struct arq_rows_store *store, const struct arq_bitmap *bitmap,
		    struct arq_row *row)
{
	const struct arq_generation *image = store->image;
	struct arq_bitmap masked;

	memset(row, 0, sizeof(*row));
	for (uint32_t i = 0; i < ARQ_RULE_WORDS; i++) {
		masked.words[i] = bitmap->words[i] & image->valid[i];
		if (masked.words[i])
			row->summary |= 1ULL << i;
	}
	if (image->words == 0) {
		row->summary = masked.words[0];
		return 0;
	}
	for (uint32_t i = 0; i < ARQ_ROW_BLOCKS; i++) {
		int block = find_block(store, masked.words + (size_t)i * ARQ_BLOCK_WORDS);
		if (block < 0)
			return block;
		row->blocks[i] = (uint16_t)block;
	}
	return 0;
}

static int append_row(struct arq_rows_store *store, const struct arq_row *row)
{
	if (store->row_count == ARQ_ROWS)
		return -E2BIG;
	store->image->rows[store->row_count] = *row;
	return (int)store->row_count++;
}

int arq_rows_append(struct arq_rows_store *store, const struct arq_bitmap *bitmap)
{
	struct arq_row row;

	int status = make_row(store, bitmap, &row);
	return status ? status : append_row(store, &row);
}

int arq_rows_find(struct arq_rows_store *store, const struct arq_bitmap *bitmap)
{
	struct arq_row row;

	int status = make_row(store, bitmap, &row);
	if (status)
		return status;
	/* Blocks are unique, so equal rows are equal bitmaps. */
	uint64_t words[sizeof(row) / sizeof(uint64_t)];
	memcpy(words, &row, sizeof(words));
	uint32_t at = hash_words(words, sizeof(words) / sizeof(words[0])) % ARQ_ROW_HASHES;
	for (; store->row_hashes[at]; at = (at + 1) % ARQ_ROW_HASHES) {
		uint32_t number = store->row_hashes[at] - 1;
		if (memcmp(&store->image->rows[number], &row, sizeof(row)) == 0)
			return (int)number;
	}
	int number = append_row(store, &row);
	if (number >= 0)
		store->row_hashes[at] = (uint32_t)number + 1;
	return number;
}
