/* SPDX-License-Identifier: BSD-2-Clause */
#include "userspace/common/memory.h"

#include <malloc.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Of ten connections with a hundred streams each. With the address sanitizer every block goes
 * back at once, so that it sees who uses one that is freed. */
#ifdef __SANITIZE_ADDRESS__
#define SPARE_MAX 0
#else
#define SPARE_MAX (4u << 20)
#endif

#define STEP  16 /* from class to class */
#define LEAST 8 /* blocks of class n hold n * STEP + LEAST bytes, as glibc's do */

struct arq_memory_spare {
	struct arq_memory_spare *next;
};

static void *account(struct arq_memory *memory, void *pointer)
{
	memory->used += malloc_usable_size(pointer); /* 0 for NULL */
	if (memory->used > memory->peak)
		memory->peak = memory->used;
	return pointer;
}

/* A kept block that holds `size`, or NULL. */
static void *take_spare(struct arq_memory *memory, size_t size)
{
	size_t class = size <= STEP + LEAST ? 1 : (size - LEAST + STEP - 1) / STEP;
	struct arq_memory_spare *spare;

	if (class >= ARQ_MEMORY_CLASSES || !(spare = memory->spares[class]))
		return NULL;
	memory->spares[class] = spare->next;
	memory->spare -= malloc_usable_size(spare);
	return spare;
}

/* Keeps a block that holds `usable` bytes. Returns false when it is too large, or enough is kept.
 */
static bool keep_spare(struct arq_memory *memory, void *pointer, size_t usable)
{
	size_t class = usable < STEP + LEAST ? 0 : (usable - LEAST) / STEP;
	struct arq_memory_spare *spare = pointer;

	if (class == 0 || class >= ARQ_MEMORY_CLASSES || memory->spare + usable > SPARE_MAX)
		return false;
	spare->next = memory->spares[class];
	memory->spares[class] = spare;
	memory->spare += usable;
	return true;
}

void *arq_memory_malloc(size_t size, void *user)
{
	void *spare = take_spare(user, size);

	return account(user, spare ? spare : malloc(size));
}

void *arq_memory_calloc(size_t count, size_t size, void *user)
{
	size_t bytes;
	void *spare;

	if (__builtin_mul_overflow(count, size, &bytes))
		return NULL;
	spare = take_spare(user, bytes);
	return account(user, spare ? memset(spare, 0, bytes) : calloc(count, size));
}

void *arq_memory_realloc(void *pointer, size_t size, void *user)
{
	size_t before = malloc_usable_size(pointer);
	void *moved;

	if (before >= size && size)
		return pointer;
	/* From the lists, like all others: blocks that only ever go into them would fill them. */
	moved = arq_memory_malloc(size, user);
	if (!moved)
		return NULL; /* the old block is still there and still counted */
	if (pointer)
		memcpy(moved, pointer, size < before ? size : before);
	arq_memory_free(pointer, user);
	return moved;
}

void arq_memory_free(void *pointer, void *user)
{
	struct arq_memory *memory = user;
	size_t usable = malloc_usable_size(pointer);

	memory->used -= usable;
	if (!keep_spare(memory, pointer, usable))
		free(pointer);
}

void arq_memory_trim(struct arq_memory *memory)
{
	for (size_t class = 0; class < ARQ_MEMORY_CLASSES; class ++) {
		struct arq_memory_spare *spare;

		while ((spare = memory->spares[class])) {
			memory->spares[class] = spare->next;
			free(spare);
		}
	}
	memory->spare = 0;
}
