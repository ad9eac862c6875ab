/* SPDX-License-Identifier: BSD-2-Clause */
/* The system calls that a running gateway needs, and no others (seccomp). */
#ifndef ARQUANT_ARQUANTD_SANDBOX_H
#define ARQUANT_ARQUANTD_SANDBOX_H

#include "userspace/common/error.h"

/*
 * From now on any other system call ends the process, for this thread and those that it makes: call
 * it once sockets and tables are open, before the workers start. No program can be executed, no
 * memory made executable. Returns 0, also in a build with sanitizers, which need more and get no
 * filter; or a negative errno with the reason in `error`.
 */
int arq_sandbox_enter(struct arq_error *error);

#endif
