/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The firewall's limits: a rate, and whom one state of it is for. What a limit says is part of a
 * generation of rules; its states are outside of them and live on when rules change:
 *
 *   `struct arq_limit_state arq_limit_states[]` in section `.bss.limits`, pinned as "limits",
 *   writable through mmap: one for each slot. Who gives a slot to another rule zeroes it.
 *
 *   `limit_sources`, LRU hash, pinned under that name: a state for each source or source prefix.
 *   Full, it forgets the sources that have been silent for longest, who then begin anew with a
 *   whole burst. The key tells states of a former owner of the slot from those of the present one.
 *   A source that is there costs some 70 ns, one that is not about half a microsecond: that is what
 *   each packet of a flood from forged sources costs, and why what can be refused without a state
 *   is refused before.
 */
#ifndef ARQUANT_LIMIT_H
#define ARQUANT_LIMIT_H

#include <arquant/rate.h>
#include <linux/types.h>

/* Slots of rules are numbers below this; a power of two. */
#define ARQ_LIMIT_SLOTS 16384

/* 64 Ki sources at once, in about 8 MiB: the kernel takes the memory when the map is made. */
#define ARQ_LIMIT_SOURCES_MAX 65536

struct arq_limit {
	struct arq_rate rate;
	__u32 identity; /* of the rule, in the keys: a hash of its name and meaning, say */
	__u8 per_source; /* 0: one state for all packets */
	__u8 prefix_v4; /* of the source, in bits: 1 to 32 */
	__u8 prefix_v6; /* 1 to 128 */
	__u8 reserved;
};

/* A cache line each: limits that are busy on different CPUs stay out of each other's way. */
struct arq_limit_state {
	__u64 arrival; /* as arq_rate_take() keeps it */
	__u64 reserved[7];
};

struct arq_limit_key {
	__u32 slot;
	__u32 identity;
	__be32 address[4]; /* masked; IPv4 as ::ffff:a.b.c.d */
};

#endif
