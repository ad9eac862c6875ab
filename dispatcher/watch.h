/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Watches programs in the kernel from outside, whoever loaded them: what each returns, and how long
 * it takes. Two programs of type TRACING are put at the entry and the exit of the one watched. It
 * runs as before, keeps its id, and may be moved by rebuilds of its dispatcher meanwhile; the watch
 * goes with it. A watch ends with its process, however that ends: nothing is pinned.
 *
 * A watch costs each packet of the program a few instructions and two jumps, and each timed packet
 * two readings of the clock; arq_slot_watch_probe() tells what of that is in the times. A program
 * that sits on several interfaces is watched as one: its packets are counted together, and so are
 * those of test runs. A watched program stays in the kernel until the watch is closed.
 *
 * Needs root, and a kernel that allows TRACING. One thread.
 */
#ifndef ARQUANT_DISPATCHER_WATCH_H
#define ARQUANT_DISPATCHER_WATCH_H

#include "userspace/common/error.h"

#include <arquant/counters.h>
#include <stdint.h>

struct arq_slot_watch;

struct arq_slot_counts {
	__u64 actions[ARQ_ACTIONS]; /* packets since the watch began, by action returned */
	uint64_t timed; /* packets whose time was taken */
	uint64_t timed_ns; /* sum of their times */
};

/*
 * Tries the kernel on a program of our own. Returns 0 and in *overhead_ns what a timed packet of
 * that program, which does nothing, takes: nanoseconds, to be taken off the times of others. Or a
 * negative errno with the reason, and what to do, in `error`: -EPERM, -EOPNOTSUPP the kernel does
 * not allow it.
 */
int arq_slot_watch_probe(double *overhead_ns, struct arq_error *error);

/*
 * Begins to watch the program with that id. `one_in`: takes the time of 1 packet in so many, 0 of
 * none. Returns 0 and *watch, or a negative errno with the reason in `error`: -ENOENT there is no
 * such program (any more), others that this one cannot be watched.
 */
int arq_slot_watch_open(uint32_t program, uint32_t one_in, struct arq_slot_watch **watch,
			struct arq_error *error);

/* Ends it; NULL is fine. */
void arq_slot_watch_close(struct arq_slot_watch *watch);

/* Sums up over all CPUs, without a system call. A sum is not a snapshot: it may be a packet late.
 */
void arq_slot_watch_read(const struct arq_slot_watch *watch, struct arq_slot_counts *sum);

#endif
