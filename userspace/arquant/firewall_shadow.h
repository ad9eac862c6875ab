/* SPDX-License-Identifier: BSD-2-Clause */
/* A rule set beside the one in force: what would it decide otherwise? */
#ifndef ARQUANT_COMMAND_FIREWALL_SHADOW_H
#define ARQUANT_COMMAND_FIREWALL_SHADOW_H

#include "userspace/arquant/firewall_target.h"

#include <stdbool.h>
#include <stdint.h>

/*
 * Has packets decided also by the generation that was prepared, for so long or until a signal that
 * is held back (arq_command_hold_signals) comes; prints what differs, rule by rule, and drops the
 * generation. Returns 0, or a negative errno with the reason in `error`.
 */
int arq_firewall_shadow(const struct arq_firewall_targets *targets, uint64_t for_ns, bool json,
			struct arq_error *error);

#endif
