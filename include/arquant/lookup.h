/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The tables by which the firewall finds the class of an address, as they lie in the maps.
 *
 * A table is a trie with strides that fit its prefixes. Its first 16 bits index `refs` of the root;
 * what is found there, and in every node, is a reference of 32 bits, whose upper two say what it
 * refers to:
 *
 *   class   the answer: a number, 0 for an address in no prefix
 *   direct  the next 1 to 16 bits index an array of references, which begins at a line
 *   path    the next bits are compared with a value: equal, and they are used up, go on with
 *           `match`; else, and nothing is used up, with `otherwise`
 *   short   the same for up to 12 bits and two classes below 256, in the reference itself
 *   record  a line of its own for prefixes that expire or whose packets are counted
 *
 * Nodes lie in lines of 64 bytes, the size of a cache line, elements of an array that is as long as
 * a table needs. The next bits of the address are always the highest of a number of 64 bits; so
 * IPv4 and IPv6 have the same nodes. No way is longer than ARQ_LOOKUP_STEPS_MAX, whatever prefixes
 * somebody thinks of.
 *
 * Two generations of ARQ_LOOKUP_TABLES tables exist side by side: the root of one is in
 * `lookup_roots`, its lines are in `lookup_nodes`, both at ARQ_LOOKUP_INDEX(generation, table).
 * Nothing there: every address has class 0.
 */
#ifndef ARQUANT_LOOKUP_H
#define ARQUANT_LOOKUP_H

#include <linux/types.h>

enum arq_lookup_table {
	ARQ_LOOKUP_FROM_V4,
	ARQ_LOOKUP_TO_V4,
	ARQ_LOOKUP_FROM_V6,
	ARQ_LOOKUP_TO_V6,
	ARQ_LOOKUP_TABLES,
};

#define ARQ_LOOKUP_GENERATIONS              2
#define ARQ_LOOKUP_INDEX(generation, table) ((generation)*ARQ_LOOKUP_TABLES + (table))
#define ARQ_LOOKUP_MAPS                     (ARQ_LOOKUP_GENERATIONS * ARQ_LOOKUP_TABLES)

#define ARQ_LOOKUP_ROOT_BITS 16

#define ARQ_LOOKUP_WIDE_MAX 24

/*
 * A table of very many IPv4 prefixes has a wide root instead: what the first `wide_bits` index
 * begins in line `wide_line`.
 */
struct arq_lookup_root {
	__u32 refs[1 << ARQ_LOOKUP_ROOT_BITS];
	__u32 wide_bits; /* 0: `refs` is the root */
	__u32 wide_line;
	__u32 records; /* the first so many lines are records */
	__u32 zero;
};

#define ARQ_LOOKUP_LINE_BYTES 64
#define ARQ_LOOKUP_LINE_REFS  16
#define ARQ_LOOKUP_LINE_PATHS 4

/* The upper two bits of a reference. */
enum arq_lookup_kind {
	ARQ_LOOKUP_CLASS, /* 30 bits: the class */
	ARQ_LOOKUP_DIRECT, /* 4 bits: stride - 1; 26 bits: first line */
	ARQ_LOOKUP_PATH, /* 28 bits: line; 2 bits: which of its paths */
	ARQ_LOOKUP_RECORD, /* 29 bits: line; or with ARQ_LOOKUP_SHORT set a short path */
};

#define ARQ_LOOKUP_KIND_SHIFT   30
#define ARQ_LOOKUP_VALUE_MASK   ((1u << ARQ_LOOKUP_KIND_SHIFT) - 1)
#define ARQ_LOOKUP_STRIDE_SHIFT 26
#define ARQ_LOOKUP_STRIDE_MASK  15
#define ARQ_LOOKUP_DIRECT_MASK  ((1u << ARQ_LOOKUP_STRIDE_SHIFT) - 1)

/* Bits that one path compares: the value's highest. Its lowest six say how many. */
#define ARQ_LOOKUP_PATH_BITS_MAX 57
#define ARQ_LOOKUP_PATH_MASK     63

/* In a short path: 13 bits, of which those up to the last 1 are the value; match; otherwise. */
#define ARQ_LOOKUP_SHORT             (1u << 29)
#define ARQ_LOOKUP_SHORT_BITS_MAX    12
#define ARQ_LOOKUP_SHORT_VALUE_SHIFT 16
#define ARQ_LOOKUP_SHORT_VALUE_MASK  ((2u << ARQ_LOOKUP_SHORT_BITS_MAX) - 1)
#define ARQ_LOOKUP_SHORT_MATCH_SHIFT 8
#define ARQ_LOOKUP_SHORT_CLASS_MASK  255

struct arq_lookup_path {
	__u64 value; /* host byte order */
	__u32 match;
	__u32 otherwise;
};

/* Bits of arq_lookup_record.flags. */
enum arq_lookup_record_flags {
	ARQ_LOOKUP_COUNTED = 1 << 0, /* hits and last_seen are kept */
};

/*
 * After `expires` the answer is `otherwise`, a class or another record. What is counted is the
 * packets that met the prefix, the longest of those that are to be counted; a prefix that lies
 * around others may have several records, whose hits add up.
 */
struct arq_lookup_record {
	__u32 class;
	__u32 otherwise;
	__u64 expires; /* ns, CLOCK_MONOTONIC; ~0: never */
	__u64 hits;
	__u64 last_seen; /* ns, CLOCK_MONOTONIC; 0: never */
	__u8 address[16]; /* of the counted prefix, IPv4 in the first four */
	__u8 length;
	__u8 flags;
	__u8 zero[14];
};

/* The class by a short path, for the bits of an address that are not used up, the highest first. */
static inline __attribute__((always_inline)) __u32 arq_lookup_short(__u32 ref, __u64 bits)
{
	__u32 value = ref >> ARQ_LOOKUP_SHORT_VALUE_SHIFT & ARQ_LOOKUP_SHORT_VALUE_MASK;
	__u32 end = value ^ (value - 1);
	__u32 found = (__u32)(bits >> (64 - ARQ_LOOKUP_SHORT_BITS_MAX)) << 1;

	if (((found ^ value) & ~end) == 0)
		ref >>= ARQ_LOOKUP_SHORT_MATCH_SHIFT;
	return ref & ARQ_LOOKUP_SHORT_CLASS_MASK;
}

struct arq_lookup_line {
	union {
		__u32 refs[ARQ_LOOKUP_LINE_REFS];
		struct arq_lookup_path paths[ARQ_LOOKUP_LINE_PATHS];
		struct arq_lookup_record record;
	};
};

/* Records that one address may have to go through. */
#define ARQ_LOOKUP_RECORDS_MAX 8

/*
 * From the root on: a direct node uses up at least 4 bits, a path that leads on at least 6, and at
 * the end stand up to two paths.
 */
#define ARQ_LOOKUP_STEPS_MAX 40

#endif
