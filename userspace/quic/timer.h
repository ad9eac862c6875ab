/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Timers: a binary heap over nanoseconds, intrusive, one node for each connection. Pacing wants
 * microseconds, so there are no ticks. Arming never fails: room is reserved when a node's owner is
 * made.
 */
#ifndef ARQUANT_QUIC_TIMER_H
#define ARQUANT_QUIC_TIMER_H

#include "userspace/quic/cid.h"

#include <stddef.h>
#include <stdint.h>

#define TIMER_NEVER UINT64_MAX

struct timer {
	struct cid_owner *owner; /* whose it is */
	uint64_t at; /* ns; TIMER_NEVER: not armed */
	size_t index; /* in the heap, counted from 1; 0: not in it */
};

struct timer_heap {
	struct timer **nodes; /* [1] is the earliest */
	size_t count;
	size_t capacity; /* nodes it has room for */
	size_t reserved; /* owners that may arm one */
};

/* Room for one more owner's timer, and back. Returns 0 or -ENOMEM. */
int timer_reserve(struct timer_heap *heap);
void timer_unreserve(struct timer_heap *heap);

/* Arms, moves or (TIMER_NEVER) disarms. */
void timer_set(struct timer_heap *heap, struct timer *timer, uint64_t at);

/* The earliest armed timer, NULL for none. */
struct timer *timer_first(const struct timer_heap *heap);

void timer_heap_free(struct timer_heap *heap);

#endif
