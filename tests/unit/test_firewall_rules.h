/* SPDX-License-Identifier: BSD-2-Clause */
/* Rule sets made by hand, for tests and benches. Without memory the process ends. */
#ifndef ARQUANT_TESTS_UNIT_TEST_FIREWALL_RULES_H
#define ARQUANT_TESTS_UNIT_TEST_FIREWALL_RULES_H

#include "progs/firewall/rule.h"

/* An empty rule set whose default is to pass; rules_destroy() it. */
struct arq_ruleset *rules_create(void);
void rules_destroy(struct arq_ruleset *ruleset);

/* Adds a rule without conditions at the end. It moves when more are added. */
struct arq_rule *rules_add(struct arq_ruleset *ruleset, const char *name,
			   enum arq_rule_action action);

/* Adds a rule for sources, up to NULL. */
struct arq_rule *rules_add_from(struct arq_ruleset *ruleset, const char *name,
				enum arq_rule_action action, const char *const *sources);

void rules_match_prefix(struct arq_match_addresses *match, const struct arq_prefix *prefix);
void rules_match_ports(struct arq_match_ports *match, uint8_t protocol, uint16_t low,
		       uint16_t high);
void rules_match_range(struct arq_match_ranges *match, uint32_t low, uint32_t high);

#endif
