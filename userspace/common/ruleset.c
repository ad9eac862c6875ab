// SPDX-License-Identifier: BSD-2-Clause
#include "userspace/common/rule.h"

#include <stdlib.h>

static void clear_addresses(struct arq_match_addresses *addresses)
{
	free(addresses->prefixes);
	free(addresses->sets);
}

static void clear_rule(struct arq_rule *rule)
{
	clear_addresses(&rule->from);
	clear_addresses(&rule->to);
	free(rule->protocols.items);
	free(rule->from_ports.items);
	free(rule->to_ports.items);
	free(rule->icmp.items);
	free(rule->icmp6.items);
	free(rule->lengths.items);
	free(rule->ttls.items);
	free(rule->dscps.items);
	free(rule->vlans.items);
	free(rule->quic_versions.items);
	for (uint32_t i = 0; rule->interfaces && i < rule->interface_count; i++)
		free(rule->interfaces[i]);
	free(rule->interfaces);
}

static void clear_set(struct arq_set *set)
{
	free(set->name);
	free(set->file);
	free(set->entries);
	free(set->tags);
}

void arq_ruleset_clear(struct arq_ruleset *ruleset)
{
	for (uint32_t i = 0; i < ruleset->rule_count; i++)
		clear_rule(&ruleset->rules[i]);
	for (uint32_t i = 0; i < ruleset->set_count; i++)
		clear_set(&ruleset->sets[i]);
	free(ruleset->rules);
	free(ruleset->sets);
	*ruleset = (struct arq_ruleset){0};
}
