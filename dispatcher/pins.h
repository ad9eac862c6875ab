/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Our directories in the BPF file system: where they are, who may change them, and when they are
 * stale. Their layout is in <arquant/program.h>.
 *
 * Changes are serialised by a lock on <bpffs>/arquant (flock, released when the process ends
 * however it ends). libxdp has its own lock on <bpffs>/xdp and takes it inside each of its calls;
 * ours is always taken first, so the two cannot wait for each other.
 *
 * A process that was killed, an interface that went away, or a tool that took our program out of
 * its slot leaves a directory behind that nothing uses: sweep.h clears it away.
 */
#ifndef ARQUANT_DISPATCHER_PINS_H
#define ARQUANT_DISPATCHER_PINS_H

#include "userspace/common/error.h"

#include <linux/limits.h>
#include <stdbool.h>
#include <stdint.h>

/*
 * Takes the lock, and creates our root directory (mode 0700) if it is missing. Waits for another
 * process that holds it, half a minute at most: a load takes about a second, so more means that it
 * hangs, and the error names it. A SIGINT, SIGTERM or SIGHUP that is blocked and pending ends the
 * wait (-EINTR). Returns a descriptor for arq_pins_unlock(), or a negative errno with the
 * reason in `error`.
 */
int arq_pins_lock(struct arq_error *error);

/* Removes our root directory if nothing is left in it, and releases the lock. */
void arq_pins_unlock(int lock);

/*
 * The directory of an interface of the current network namespace; the interface need not exist.
 * Returns 0 or -ENAMETOOLONG or what finding the namespace gave.
 */
int arq_pins_path(char path[PATH_MAX], unsigned int ifindex);

/*
 * The number that the kernel knows a map of a program by, found by its pin; 0 if there is none.
 * `name` is the program's name in <arquant/program.h>, `map` the pin's.
 */
uint32_t arq_pins_map_id(const char *directory, const char *name, const char *map);

/* The pin of the metadata map, which all interfaces share. Returns 0 or -ENAMETOOLONG. */
int arq_pins_packet_path(char path[PATH_MAX]);

/*
 * Removes the directory of an interface with all that is in it. One that is not there is fine.
 * Returns 0 or a negative errno.
 */
int arq_pins_remove(const char *directory);

/*
 * Reads a name of the form PREFIX, number, "-", number, both decimal: how our directories and
 * libxdp's are named. Returns false for any other.
 */
bool arq_pins_parse(const char *name, const char *prefix, uint64_t *first, uint64_t *second);

/*
 * Calls `visit` for each interface directory of ours: `ifindex` of the interface and whether it
 * belongs to the current network namespace. A call that returns other than 0 ends the walk, which
 * then returns it. The directory may be removed in the call. Returns 0 when all were visited (also
 * when there are none), or a negative errno.
 */
int arq_pins_walk(int (*visit)(const char *directory, unsigned int ifindex, bool here,
			       void *context),
		  void *context);

#endif
