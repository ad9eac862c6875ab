/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From the configuration's words to what programs are loaded with. Pure memory, no privileges.
 */
#ifndef ARQUANT_POLICY_H
#define ARQUANT_POLICY_H

#include "progs/firewall/policy.h"
#include "userspace/common/config.h"

/*
 * The configured rules, in order, as the firewall's policy. Returns 0 and *policy, which the
 * caller destroys, or a negative errno with the rule in `error`.
 */
int arq_policy_from_ruleset(const struct arq_ruleset *ruleset, struct arq_policy **policy,
			    struct arq_error *error);

#endif
