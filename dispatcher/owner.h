/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Whose a program is (within this room; chain.h says why it is told by maps). Needs root. One
 * thread.
 */
#ifndef ARQUANT_DISPATCHER_OWNER_H
#define ARQUANT_DISPATCHER_OWNER_H

#include <arquant/program.h>

#include <linux/bpf.h>
#include <stdbool.h>
#include <stdint.h>

/* Maps that identify the programs of one interface. */
struct arq_owner {
	uint32_t map_ids[ARQ_PROGRAM_COUNT]; /* of the pinned counters; 0: not pinned */
	/* The same of successors that are being loaded, if theirs are of another size. */
	uint32_t successor_map_ids[ARQ_PROGRAM_COUNT];
};

/* Reads which maps are pinned in the directory of an interface; none if it is not there. */
void arq_owner_read(struct arq_owner *owner, const char *directory);

/*
 * Tells which program of ours `descriptor` is: *program is enum arq_program_id, or -1: foreign.
 * Fills `info` without its arrays unless it is NULL. Returns 0 or a negative errno.
 */
int arq_owner_find(const struct arq_owner *owner, int descriptor, struct bpf_prog_info *info,
		   int *program);

/* Does any program in the kernel, attached or not, use one of these maps? When in doubt, yes. */
bool arq_owner_in_use(const struct arq_owner *owner);

#endif
