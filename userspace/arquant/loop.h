/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the commands share that go on until they are told to end: the signal that ends them, and the
 * time until the next thing is due. One thread.
 */
#ifndef ARQUANT_COMMAND_LOOP_H
#define ARQUANT_COMMAND_LOOP_H

#include "userspace/common/error.h"

#include <stddef.h>
#include <stdint.h>

/*
 * From now on SIGINT, SIGTERM and SIGHUP make a descriptor readable instead of ending the process;
 * a second one of a kind ends it, should the first find it in a write that blocks. Returns the
 * descriptor, for poll(2), which stays open as long as the process; or a negative errno with the
 * reason in `error`.
 */
int arq_loop_catch_signals(struct arq_error *error);

/* CLOCK_MONOTONIC. */
uint64_t arq_loop_now_ns(void);

/* Milliseconds for poll(2) until the earliest of these times (0 for none), rounded up. */
int arq_loop_time_left(uint64_t now_ns, const uint64_t *times_ns, size_t count);

#endif
