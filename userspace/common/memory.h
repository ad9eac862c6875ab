/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A counted heap: malloc(3) and friends, with the bytes in use added up for whoever owns the
 * counter. The functions have the shape of the allocator callbacks of ngtcp2 and nghttp3, `user`
 * is the struct arq_memory. One thread per counter.
 */
#ifndef ARQUANT_COMMON_MEMORY_H
#define ARQUANT_COMMON_MEMORY_H

#include <stddef.h>
#include <stdint.h>

struct arq_memory {
	uint64_t used; /* bytes, as the C library rounds them */
	uint64_t peak; /* the most it has been */
};

void *arq_memory_malloc(size_t size, void *user);
void *arq_memory_calloc(size_t count, size_t size, void *user);
void *arq_memory_realloc(void *pointer, size_t size, void *user);
void arq_memory_free(void *pointer, void *user);

#endif
