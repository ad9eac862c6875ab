// SPDX-License-Identifier: BSD-2-Clause
#include "userspace/common/large.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* Of x86-64 and most others. Where they are larger, nothing is lost but the gain. */
#define HUGE_PAGE ((size_t)2 << 20)

void *arq_large_alloc(size_t count, size_t size)
{
	size_t bytes;

	if (__builtin_mul_overflow(count ? count : 1, size, &bytes) || bytes > SIZE_MAX - HUGE_PAGE)
		return NULL;
	if (bytes < HUGE_PAGE)
		return malloc(bytes);
	bytes = (bytes + HUGE_PAGE - 1) & ~(HUGE_PAGE - 1);
	void *memory = aligned_alloc(HUGE_PAGE, bytes);
	/* A kernel without huge pages refuses, and gives small ones. */
	if (memory)
		madvise(memory, bytes, MADV_HUGEPAGE);
	return memory;
}

void *arq_large_grow(void *old, size_t used, size_t count, size_t size)
{
	void *memory = arq_large_alloc(count, size);

	if (!memory)
		return NULL;
	if (used > 0)
		memcpy(memory, old, used * size);
	free(old);
	return memory;
}
