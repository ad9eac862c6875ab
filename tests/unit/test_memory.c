// SPDX-License-Identifier: BSD-2-Clause
#include "userspace/common/memory.h"

#include <criterion/criterion.h>
#include <string.h>

#define BLOCKS 200

/* Whatever the size and whatever was there before, a block holds what was asked for, and the
 * counters say what is out. */
Test(memory, gives_whole_blocks_and_counts_them)
{
	struct arq_memory memory = {0};
	uint8_t *blocks[BLOCKS];

	for (int round = 0; round < 3; round++) {
		for (size_t i = 0; i < BLOCKS; i++) {
			size_t size = 1 + i * 7;

			blocks[i] = i % 2 ? arq_memory_calloc(1, size, &memory)
					  : arq_memory_malloc(size, &memory);
			cr_assert_not_null(blocks[i]);
			for (size_t j = 0; i % 2 && j < size; j++)
				cr_assert_eq(blocks[i][j], 0, "round %d, block %zu", round, i);
			memset(blocks[i], 0xa5, size);
		}
		cr_assert_geq(memory.used, (uint64_t)BLOCKS * (BLOCKS - 1) / 2 * 7);
		/* The other way round, so that a class's blocks come back in another order. */
		for (size_t i = BLOCKS; i > 0; i--)
			arq_memory_free(blocks[i - 1], &memory);
		cr_assert_eq(memory.used, 0);
	}
	arq_memory_trim(&memory);
	cr_assert_eq(memory.spare, 0);
}

Test(memory, keeps_a_bounded_number_of_free_bytes)
{
	enum { SIZE = 1000, COUNT = 10000 };
	struct arq_memory memory = {0};
	static void *blocks[COUNT];

	for (size_t i = 0; i < COUNT; i++)
		blocks[i] = arq_memory_malloc(SIZE, &memory);
	cr_assert_geq(memory.peak, (uint64_t)SIZE * COUNT);
	for (size_t i = 0; i < COUNT; i++)
		arq_memory_free(blocks[i], &memory);
	cr_assert_leq(memory.spare, (uint64_t)SIZE * COUNT / 2);
	arq_memory_trim(&memory);
}

/* Else the lists would fill with what nobody takes out of them. */
Test(memory, a_block_that_grew_from_nothing_is_used_again)
{
	struct arq_memory memory = {0};
	uint64_t spare = 0;

	for (int round = 0; round < 100; round++) {
		void *block = arq_memory_realloc(NULL, 384, &memory);

		cr_assert_not_null(block);
		arq_memory_free(block, &memory);
		if (round == 0)
			spare = memory.spare;
	}
	cr_assert_eq(memory.spare, spare);
	arq_memory_trim(&memory);
}

Test(memory, a_growing_block_keeps_its_bytes)
{
	struct arq_memory memory = {0};
	char *text = arq_memory_malloc(8, &memory);

	memcpy(text, "seven..", 8);
	for (size_t size = 16; size < 5000; size *= 2) {
		text = arq_memory_realloc(text, size, &memory);
		cr_assert_str_eq(text, "seven..");
		cr_assert_geq(memory.used, size);
	}
	arq_memory_free(text, &memory);
	arq_memory_free(NULL, &memory);
	cr_assert_eq(memory.used, 0);
	cr_assert_null(arq_memory_calloc(SIZE_MAX / 2, 3, &memory));
	arq_memory_trim(&memory);
}
