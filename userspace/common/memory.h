/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A counted heap: malloc(3) and friends, with the bytes in use added up for whoever owns the
 * counter. The functions have the shape of the allocator callbacks of ngtcp2 and nghttp3, `user`
 * is the struct arq_memory. One thread per counter; all zeroes is an empty one.
 *
 * Small blocks that are freed wait in lists by size for the next one who asks for that size, a
 * bounded number of bytes of them: each request takes and gives back some thirty, and a hundred
 * streams at a time are more than the C library's own quick lists hold.
 */
#ifndef ARQUANT_COMMON_MEMORY_H
#define ARQUANT_COMMON_MEMORY_H

#include <stddef.h>
#include <stdint.h>

/* Blocks of up to 1032 bytes are kept; larger ones are rare. Classes as glibc's, every 16 bytes. */
#define ARQ_MEMORY_CLASSES 65

struct arq_memory_spare;

struct arq_memory {
	uint64_t used; /* bytes, as the C library rounds them */
	uint64_t peak; /* the most it has been */
	uint64_t spare; /* bytes of free blocks kept */
	struct arq_memory_spare *spares[ARQ_MEMORY_CLASSES];
};

void *arq_memory_malloc(size_t size, void *user);
void *arq_memory_calloc(size_t count, size_t size, void *user);
void *arq_memory_realloc(void *pointer, size_t size, void *user);
void arq_memory_free(void *pointer, void *user);

/* Gives the kept blocks back to the C library; before the structure goes. */
void arq_memory_trim(struct arq_memory *memory);

#endif
