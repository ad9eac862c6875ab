/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Bringing an interface to what its record says (within this room; record.h). It is the last step
 * of a load, and the first of the command that follows one that was killed: programs of ours that
 * are not current are taken off, by id; pins of current ones come to their places; pins of others
 * go. Each step may be done again, so a process killed here leaves the rest to the next one.
 *
 * What the kill of a load means therefore depends on one call of the kernel, the writing of the
 * record: before it the old programs stay, after it the new ones. A program that is attached
 * directly replaces its predecessor in one call; there, that call decides.
 */
#ifndef ARQUANT_DISPATCHER_SETTLE_H
#define ARQUANT_DISPATCHER_SETTLE_H

#include "dispatcher/chain.h"
#include "userspace/common/error.h"

/*
 * `chain` as it was just read, `directory` the interface's. The lock of pins.h is held by the
 * caller. Nothing to do is no error. Returns 0, or a negative errno with the reason in `error`.
 */
int arq_settle(const struct arq_chain *chain, const char *directory, struct arq_error *error);

#endif
