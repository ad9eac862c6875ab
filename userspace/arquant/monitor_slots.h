/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What `arquant monitor` watches: interfaces, and the programs in their slots, ours and foreign
 * ones alike. It follows every change of a chain by any tool. A program keeps its counts as long as
 * it is in the chain, in whatever slot of whatever dispatcher; one that comes is counted from the
 * moment it is noticed; one that goes is told about once more.
 *
 * Needs root. One thread.
 */
#ifndef ARQUANT_MONITOR_SLOTS_H
#define ARQUANT_MONITOR_SLOTS_H

#include "dispatcher/chain.h"
#include "dispatcher/watch.h"
#include "userspace/common/error.h"

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A program that is watched, or cannot be. */
struct arq_monitor_program {
	uint32_t id;
	char name[64];
	char interface[IF_NAMESIZE]; /* on which it was met first */
	bool foreign;
	bool in_chain;
	struct arq_slot_watch *watch; /* NULL: it cannot be watched, and error tells why */
	struct arq_error error;
	struct arq_slot_counts counts; /* as of arq_monitor_read() */
	struct arq_slot_counts before; /* as of the one before it */
	struct arq_slot_counts last; /* when it left the chain */
};

struct arq_monitor_interface {
	char name[IF_NAMESIZE];
	uint32_t ifindex; /* 0: it is not there at the moment */
	uint32_t attached; /* what the kernel said last: id of the dispatcher or the program */
	bool named; /* on the command line */
	bool seen; /* in the look round */
	bool stale; /* `chain` is to be read again */
	uint64_t changes; /* of the chain since it was read first */
	struct arq_chain chain;
};

struct arq_monitor {
	uint32_t one_in; /* takes the time of 1 packet in so many, 0: of none */
	double overhead_ns; /* what a watch adds to a time */
	double seconds; /* between the last two arq_monitor_read() */
	uint64_t read_ns; /* when the last was */
	struct arq_xdp_links *links;
	bool all; /* no interface was named: those that run a program, now or later */
	size_t interfaces_count;
	struct arq_monitor_interface *interfaces;
	size_t programs_count;
	struct arq_monitor_program *programs;
};

/*
 * Begins to watch the interfaces named, or all that run an XDP program. Returns 0, or a negative
 * errno with the reason in `error`; close it in either case.
 */
int arq_monitor_open(struct arq_monitor *monitor, char *const *names, size_t count, uint32_t one_in,
		     struct arq_error *error);

/* Ends every watch. */
void arq_monitor_close(struct arq_monitor *monitor);

/* For poll(2): readable when chains may have changed; then call arq_monitor_follow(). */
int arq_monitor_fd(const struct arq_monitor *monitor);

/*
 * Follows the changes that the kernel told; `look`: looks round for those that it did not tell.
 * A chain that cannot be read just now, because somebody is changing it, stays as it was and is
 * tried again at the next call. Returns true when there is one.
 */
bool arq_monitor_follow(struct arq_monitor *monitor, bool look);

/* Reads all counts. */
void arq_monitor_read(struct arq_monitor *monitor);

/* Forgets the programs that left their chain: after they were told about. */
void arq_monitor_forget(struct arq_monitor *monitor);

/* The program of that id; NULL when memory ran out, or it left and was forgotten. */
const struct arq_monitor_program *arq_monitor_find(const struct arq_monitor *monitor, uint32_t id);

/* Packets that a program saw, all actions. */
uint64_t arq_monitor_packets(const struct arq_slot_counts *counts);

/*
 * Nanoseconds that a packet took in the program between the last two reads, without the watch's
 * own share: the mean over those that were timed. Negative: none was.
 */
double arq_monitor_time(const struct arq_monitor *monitor,
			const struct arq_monitor_program *program);

#endif
