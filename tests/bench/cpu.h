/* SPDX-License-Identifier: BSD-2-Clause */
/* CPU time that processes took so far, in nanoseconds: user and kernel, all of their threads. */
#ifndef ARQUANT_BENCH_CPU_H
#define ARQUANT_BENCH_CPU_H

#include <stdint.h>

/*
 * Of one process, as the scheduler counted it (/proc/PID/task/TID/schedstat). Returns 0 and *ns, or
 * -ESRCH when there is no such process.
 */
int cpu_time(int pid, uint64_t *ns);

#endif
