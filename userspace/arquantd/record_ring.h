/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Records from one thread to another, without locks: a ring of bytes with one that puts in and one
 * that takes out. Records and their texts are copied into it, and read where they lie.
 */
#ifndef ARQUANT_ARQUANTD_RECORD_RING_H
#define ARQUANT_ARQUANTD_RECORD_RING_H

#include "userspace/proxy/record.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arq_record_ring;

/* `capacity`: bytes, a power of two, several of the largest record. Returns 0, -EINVAL, -ENOMEM. */
int arq_record_ring_create(size_t capacity, struct arq_record_ring **ring);
void arq_record_ring_destroy(struct arq_record_ring *ring); /* NULL is allowed */

/* The one thread: puts a copy in. False when there is no room: it is lost, and counted. */
bool arq_record_ring_put(struct arq_record_ring *ring, const struct arq_record *record);

/* The one thread: more than half of it is in use. */
bool arq_record_ring_half_full(const struct arq_record_ring *ring);

/* The one thread: one was lost before it came here. */
void arq_record_ring_lost(struct arq_record_ring *ring);

/*
 * The other thread: the oldest record, in memory of the ring's until arq_record_ring_drop; false
 * when there is none. *record is filled in.
 */
bool arq_record_ring_peek(struct arq_record_ring *ring, struct arq_record *record);
void arq_record_ring_drop(struct arq_record_ring *ring);

/* Any thread: how many were lost. */
uint64_t arq_record_ring_losses(const struct arq_record_ring *ring);

#endif
