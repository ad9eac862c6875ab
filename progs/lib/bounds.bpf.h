/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Access to packet bytes at a variable offset, in a form that the verifier follows: the offset gets
 * an upper bound, then the end of the access is compared with data_end.
 */
#ifndef ARQUANT_PROGS_LIB_BOUNDS_H
#define ARQUANT_PROGS_LIB_BOUNDS_H

#include <arquant/packet.h>
#include <bpf/bpf_helpers.h>
#include <linux/bpf.h>

/*
 * No header that we follow starts further in: room for eight IPv6 extension headers of ordinary
 * size, and far below the verifier's own limit for packet offsets.
 */
#define ARQ_HEADER_OFFSET_MAX 2047

#define arq_likely(condition)   __builtin_expect(!!(condition), 1)
#define arq_unlikely(condition) __builtin_expect(!!(condition), 0)

/*
 * Address of `size` bytes at `offset` from `data`, or NULL when they are not all before `end` (the
 * end of the frame's linear part).
 */
static __always_inline void *arq_at(void *data, void *end, __u32 offset, __u32 size)
{
	/* Else clang compares one copy of the offset and adds another, unbounded one. */
	asm volatile("" : "+r"(offset));
	if (offset > ARQ_HEADER_OFFSET_MAX)
		return NULL;
	void *at = data + offset;
	if (at + size > end)
		return NULL;
	return at;
}

/*
 * A packet pointer as a plain number. The compiler must not know that they are the same: where a
 * number from memory has compared equal it would go on with that, which the verifier knows nothing
 * about.
 */
static __always_inline __u64 arq_number(__u64 pointer)
{
	asm volatile("" : "+r"(pointer));
	return pointer;
}

#endif
