/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Blocks sources for a time, in the firewall that is loaded on an interface, in its own slot or in
 * the bundle (arquant/block.h says how it works). For the command and for daemons, in any number of
 * processes at once: a change takes a lock on the interface's directory of pins. Takes effect with
 * the next packet, and survives a change of the rules and of the program.
 *
 * Needs CAP_BPF or root to open; what is open works without privileges. A structure is for one
 * thread.
 */
#ifndef ARQUANT_PROGS_FIREWALL_BLOCK_H
#define ARQUANT_PROGS_FIREWALL_BLOCK_H

#include "userspace/common/error.h"
#include "userspace/common/prefix.h"

#include <arquant/block.h>
#include <stdbool.h>
#include <stdint.h>

struct arq_blocks;

/*
 * Opens the blocks of an interface (`pin_directory` as in progs/program.h). Returns 0 and *blocks,
 * or a negative errno with the reason in `error` (-ENOENT: no firewall is loaded there).
 */
int arq_blocks_open(const char *pin_directory, struct arq_blocks **blocks, struct arq_error *error);

/* The same with descriptors of the maps, which are duplicated, and no lock. */
int arq_blocks_open_maps(int manual, int automatic, int state, struct arq_blocks **blocks,
			 struct arq_error *error);

/* NULL is fine. */
void arq_blocks_close(struct arq_blocks *blocks);

/*
 * Blocks a prefix for `duration_ns` from now on (ARQ_BLOCK_FOREVER: until it is taken back), or
 * changes time and reason of the one that is blocked. `reason` is cut at its room. Returns 0, or a
 * negative errno with the reason in `error`: -E2BIG when ARQ_BLOCKS_MANUAL_MAX prefixes, or
 * ARQ_BLOCK_LENGTHS_MAX different lengths of the family, are blocked already; nothing is driven
 * out.
 */
int arq_block_add(struct arq_blocks *blocks, const struct arq_prefix *prefix, uint64_t duration_ns,
		  const char *reason, struct arq_error *error);

/*
 * Takes back a block of exactly this prefix, whoever asked for it. Returns 0, or a negative errno
 * with the reason in `error` (-ENOENT: it is not blocked).
 */
int arq_block_remove(struct arq_blocks *blocks, const struct arq_prefix *prefix,
		     struct arq_error *error);

/* Copies the block by name of exactly this prefix, if it holds now. Returns 0 or -ENOENT. */
int arq_block_get(const struct arq_blocks *blocks, const struct arq_prefix *prefix,
		  struct arq_blocked_manual *value);

/*
 * Says of which lengths, of 128 bits and by family, the rules of a generation block prefixes. The
 * program looks for these and for those of the other generation; former ones are forgotten when
 * nothing is blocked by them any more. Returns 0, or -E2BIG with the reason in `error`. For
 * progs/firewall/generation.h.
 */
int arq_blocks_use_lengths(struct arq_blocks *blocks, uint32_t generation,
			   const bool wanted[2][129], struct arq_error *error);

struct arq_block_view {
	struct arq_prefix prefix;
	bool manual;
	const char *reason; /* "" for those of rules */
	struct arq_blocked blocked;
};

/*
 * Calls `visit` with every block that holds now, in no order, until it returns other than 0.
 * Returns that value, 0, or a negative errno with `error` set.
 */
int arq_blocks_each(const struct arq_blocks *blocks,
		    int (*visit)(const struct arq_block_view *view, void *context), void *context,
		    struct arq_error *error);

#endif
