/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The daemon from start to end: everything that can fail is made first, in the main thread, so that
 * a start either succeeds whole or leaves nothing behind; then one thread runs for each worker, and
 * the main thread waits for signals.
 */
#ifndef ARQUANT_ARQUANTD_DAEMON_H
#define ARQUANT_ARQUANTD_DAEMON_H

#include "userspace/common/config.h"
#include "userspace/common/error.h"

/*
 * What can be checked without starting: that there is a gateway, its certificates and keys. Takes
 * the configuration over.
 */
int arq_daemon_check(struct arq_config *config, struct arq_error *error);

/*
 * Serves until a signal ends it; SIGHUP, or who asks on the control socket, has it read the file
 * again. Takes the configuration over. Blocks these signals in this thread and those it makes.
 * Returns 0 after an orderly end, or a negative errno with the reason in `error`.
 */
int arq_daemon_run(struct arq_config *config, struct arq_error *error);

#endif
