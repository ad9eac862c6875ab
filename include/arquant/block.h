/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Sources that are blocked for a time, outside the generations of rules: they survive a change of
 * the rules and of the program.
 *
 * There are two tables. What people and daemons block by name lies in `blocks_manual`, a hash that
 * refuses when it is full. What rules block lies in `blocks`, which forgets the ones unused for the
 * longest time when it is full: a flood from invented addresses drives out what it brought in
 * itself, and never a block that somebody asked for. Both find a prefix by the address masked to
 * its length; the lengths in use are in `arq_block_state`, section `.bss.blocks`, so that a packet
 * costs one look-up for each length, and a load when nothing is blocked.
 *
 * Addresses are of 128 bits, IPv4 as ::ffff:a.b.c.d. Times are ns of CLOCK_MONOTONIC.
 */
#ifndef ARQUANT_BLOCK_H
#define ARQUANT_BLOCK_H

#include <linux/types.h>

#define ARQ_BLOCKS_MANUAL_MAX    16384
#define ARQ_BLOCKS_AUTOMATIC_MAX 65536
#define ARQ_BLOCK_LENGTHS_MAX    8 /* different prefix lengths in a table, each family */
#define ARQ_BLOCK_REASON_MAX     64 /* with the final zero */
#define ARQ_BLOCK_FOREVER        (~0ull)

struct arq_block_key {
	__be32 address[4]; /* bits behind the length are zero */
	__u32 length; /* of the 128 bits, host byte order: an IPv4 prefix has 96 more */
};

struct arq_blocked {
	__u64 expires;
	__u64 since;
	__u64 hits; /* packets dropped */
	__u64 last_seen; /* 0: none yet */
	__u32 rule; /* number of the rule that did it, at that time; 0: blocked by name */
	__u32 zero;
};

struct arq_blocked_manual {
	struct arq_blocked blocked; /* first */
	char reason[ARQ_BLOCK_REASON_MAX];
};

/* Prefix lengths, of 128 bits, that the program looks for. */
struct arq_block_lengths {
	__u32 count;
	__u8 bits[ARQ_BLOCK_LENGTHS_MAX];
	__u8 generations[ARQ_BLOCK_LENGTHS_MAX]; /* bits: whose rules block such prefixes */
};

/* Index 0 is IPv4, 1 is IPv6. */
struct arq_block_state {
	__u32 blocking; /* rules have blocked something */
	struct arq_block_lengths manual[2];
	struct arq_block_lengths automatic[2];
};

#endif
