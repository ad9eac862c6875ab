/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Becoming an ordinary user once all sockets and tables are open: they keep working without
 * privileges.
 */
#ifndef ARQUANT_ARQUANTD_PRIVILEGES_H
#define ARQUANT_ARQUANTD_PRIVILEGES_H

#include "userspace/common/error.h"

/*
 * Takes on the user, its primary group and no others, and no capabilities, for good; before any
 * thread is made. A process that is that user already keeps what it has. Returns 0, or a negative
 * errno with the reason in `error`.
 */
int arq_privileges_drop(const char *user, struct arq_error *error);

#endif
