/* SPDX-License-Identifier: BSD-2-Clause */
/* What makes a rule the same rule: a hash of what it says. */
#ifndef ARQUANT_PROGS_FIREWALL_MEANING_H
#define ARQUANT_PROGS_FIREWALL_MEANING_H

#include "progs/firewall/rule.h"

#include <stdint.h>

/*
 * Hashes conditions and consequences of a rule, but neither its name nor its place. A set goes by
 * its name: a list that gets one more prefix makes no other rule of the one that uses it.
 */
void arq_rule_meaning(const struct arq_rule *rule, const struct arq_ruleset *ruleset,
		      uint64_t meaning[2]);

#endif
