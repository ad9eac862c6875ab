/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A change of the rules, sets and settings in force, on all of some interfaces or on none: made
 * ready first, which may fail, then put into force, which cannot. Between the two must be nobody
 * else's: hold the lock of dispatcher/pins.h.
 */
#ifndef ARQUANT_COMMAND_FIREWALL_CHANGE_H
#define ARQUANT_COMMAND_FIREWALL_CHANGE_H

#include "userspace/arquant/firewall_target.h"
#include "userspace/common/config.h"

#include <stdint.h>

/* Returns 0; or a negative errno with the reason in `error`, and then nothing is ready anywhere. */
int arq_firewall_change_prepare(const struct arq_firewall_targets *targets,
				const struct arq_config_firewall *firewall,
				struct arq_error *error);

/* Puts into force what is ready: for good, or for `trial_ns`. */
void arq_firewall_change_commit(const struct arq_firewall_targets *targets, uint64_t trial_ns);

/* Takes away what is ready. */
void arq_firewall_change_drop(const struct arq_firewall_targets *targets);

#endif
