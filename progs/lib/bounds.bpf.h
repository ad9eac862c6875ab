/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Access to packet bytes at a variable offset, in a form that the verifier follows: the offset gets
 * an upper bound, then the end of the access is compared with data_end.
 */
#ifndef ARQUANT_PROGS_LIB_BOUNDS_H
#define ARQUANT_PROGS_LIB_BOUNDS_H

#include <arquant/packet.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <linux/bpf.h>
#include <stdbool.h>

/*
 * No header that we follow starts further in: room for eight IPv6 extension headers of ordinary
 * size, and far below the verifier's own limit for packet offsets.
 */
#define ARQ_HEADER_OFFSET_MAX 2047

#define arq_likely(condition)   __builtin_expect(!!(condition), 1)
#define arq_unlikely(condition) __builtin_expect(!!(condition), 0)

/*
 * Sets *at to the address of `size` bytes at `offset` from `data`. Returns whether they are all
 * before `end` (the end of the frame's linear part); else *at must not be used.
 */
static __always_inline bool arq_at(void **at, void *data, void *end, __u32 offset, __u32 size)
{
	if (!__builtin_constant_p(offset)) {
		/* Else clang compares one copy of the offset and adds another, unbounded one. */
		asm volatile("" : "+r"(offset));
		if (offset > ARQ_HEADER_OFFSET_MAX)
			return false;
	}
	*at = data + offset;
	return *at + size <= end;
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

/*
 * An index whose bound the verifier is to follow: without this clang compares one copy of it and
 * uses another, or folds two comparisons into one of which kernels before 6.13 learn nothing. 64
 * bits, as any narrower number is copied once more to extend it.
 */
static __always_inline __u64 arq_index(__u64 index)
{
	if (!__builtin_constant_p(index))
		asm volatile("" : "+r"(index));
	return index;
}

/* A port from a packet as an index: verifiers before 6.8 know no bound of what was swapped. */
static __always_inline __u64 arq_port_index(__be16 port)
{
	return arq_index(bpf_ntohs(port)) & 0xffff;
}

#endif
