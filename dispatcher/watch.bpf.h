/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What both halves of a watch know: counts of one program, per CPU, in the global variable
 * `struct arq_slot_cpu arq_slot_cpus[ARQ_MAX_CPUS]` (section `.bss.slot`). Each CPU writes its own
 * element without atomics, since a CPU runs one XDP program at a time; user space maps the section
 * read-only.
 */
#ifndef ARQUANT_DISPATCHER_WATCH_BPF_H
#define ARQUANT_DISPATCHER_WATCH_BPF_H

#include <arquant/counters.h>
#include <linux/types.h>

struct arq_slot_cpu {
	__u64 actions[ARQ_ACTIONS]; /* packets by the action that the program returned */
	__u64 timed; /* packets whose time was taken */
	__u64 timed_ns; /* sum of their times */
	__u64 begin_ns; /* of the packet that is being timed, 0: none is */
	__u64 skip; /* packets to let go by before the next is timed */
} __attribute__((aligned(128))); /* two cache lines, which CPUs fetch in pairs */

#endif
