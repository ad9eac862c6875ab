/* SPDX-License-Identifier: BSD-2-Clause */
#include "userspace/common/memory.h"

#include <malloc.h>
#include <stdlib.h>

static void *account(struct arq_memory *memory, void *pointer)
{
	memory->used += malloc_usable_size(pointer); /* 0 for NULL */
	if (memory->used > memory->peak)
		memory->peak = memory->used;
	return pointer;
}

void *arq_memory_malloc(size_t size, void *user)
{
	return account(user, malloc(size));
}

void *arq_memory_calloc(size_t count, size_t size, void *user)
{
	return account(user, calloc(count, size));
}

void *arq_memory_realloc(void *pointer, size_t size, void *user)
{
	struct arq_memory *memory = user;
	size_t before = malloc_usable_size(pointer);
	void *grown = realloc(pointer, size);

	if (!grown && size)
		return NULL; /* the old block is still there and still counted */
	memory->used -= before;
	return account(memory, grown);
}

void arq_memory_free(void *pointer, void *user)
{
	struct arq_memory *memory = user;

	memory->used -= malloc_usable_size(pointer);
	free(pointer);
}
