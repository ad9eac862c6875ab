/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Memory for arrays of millions of entries: in huge pages, where the kernel gives them, as a fault
 * for each small page takes longer than what is then written there.
 */
#ifndef ARQUANT_COMMON_LARGE_H
#define ARQUANT_COMMON_LARGE_H

#include <stddef.h>

/*
 * `count` elements of `size` bytes, at least 1, not zeroed. For free(). Returns NULL when there is
 * no memory, or more than can be counted.
 */
void *arq_large_alloc(size_t count, size_t size) __attribute__((malloc));

/*
 * Another place for an array with `used` elements, which are moved there; `old`, from
 * arq_large_alloc() or malloc() or NULL, is freed. Returns NULL as above; then `old` is as it was.
 */
void *arq_large_grow(void *old, size_t used, size_t count, size_t size);

#endif
