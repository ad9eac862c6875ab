/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Private copies of live maps, with what was in them at that moment: what programs write to a copy,
 * the live one does not see. Each live map is copied once, so that programs that share a map share
 * its copy. Inside the control half; replica.h is its face.
 *
 * What a program cannot change, or none of ours does, is not copied but handed out itself: maps of
 * sockets and devices, and tries. Rings, and maps of rings, are copied empty: nobody reads the
 * copy.
 */
#ifndef ARQUANT_PROGS_COPIES_H
#define ARQUANT_PROGS_COPIES_H

#include "userspace/common/error.h"

#include <bpf/libbpf.h>
#include <stdint.h>

struct arq_copies;

/* Returns an empty collection, or NULL without memory. */
struct arq_copies *arq_copies_create(void);

/* Closes all descriptors; programs that use the copies keep them. NULL is fine. */
void arq_copies_destroy(struct arq_copies *copies);

/*
 * The copy of live map `id`, made now if it is not there. `like`: the same map of an opened object,
 * which tells what a map of maps may hold. Returns a descriptor that belongs to the collection, or
 * a negative errno with the reason in `error`.
 */
int arq_copies_get(struct arq_copies *copies, uint32_t id, const struct bpf_map *like,
		   struct arq_error *error);

#endif
