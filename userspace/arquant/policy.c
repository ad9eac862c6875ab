// SPDX-License-Identifier: BSD-2-Clause
#include "userspace/arquant/policy.h"

#include <errno.h>
#include <stdbool.h>

static int add_set(struct arq_policy *policy, uint32_t rule, const struct arq_set *set,
		   struct arq_error *error)
{
	int code = 0;

	if (set->file) {
		int added = arq_policy_add_source_file(policy, rule, set->file, error);
		return added < 0 ? added : 0;
	}
	for (size_t i = 0; code == 0 && i < set->count; i++)
		code = arq_policy_add_source(policy, rule, &set->entries[i].prefix, error);
	return code;
}

/* Is there anything in the rule that the tables by source address cannot say? */
static bool is_by_source(const struct arq_rule *rule)
{
	return rule->from.prefix_count + rule->from.set_count > 0 && !rule->from.negate &&
	       rule->to.prefix_count + rule->to.set_count + rule->protocols.count +
			       rule->from_ports.count + rule->to_ports.count + rule->icmp.count +
			       rule->icmp6.count + rule->lengths.count + rule->ttls.count +
			       rule->dscps.count + rule->vlans.count + rule->quic_versions.count +
			       rule->interface_count + rule->tcp_flags.mask + rule->fragments +
			       rule->quic_types ==
		       0 &&
	       (rule->action == ARQ_RULE_PASS || rule->action == ARQ_RULE_DROP) &&
	       rule->limit.rate == 0;
}

static int add_rule(struct arq_policy *policy, const struct arq_ruleset *ruleset,
		    const struct arq_rule *rule, struct arq_error *error)
{
	if (!is_by_source(rule))
		return arq_error_set(error, -EOPNOTSUPP,
				     "only rules with 'from' and pass or drop can be loaded");
	int number = arq_policy_add_rule(policy, rule->name, rule->action, error);
	int code = number < 0 ? number : 0;
	for (uint32_t i = 0; code == 0 && i < rule->from.prefix_count; i++)
		code = arq_policy_add_source(policy, (uint32_t)number, &rule->from.prefixes[i],
					     error);
	for (uint32_t i = 0; code == 0 && i < rule->from.set_count; i++)
		code = add_set(policy, (uint32_t)number, &ruleset->sets[rule->from.sets[i]], error);
	return code;
}

int arq_policy_from_ruleset(const struct arq_ruleset *ruleset, struct arq_policy **policy,
			    struct arq_error *error)
{
	if (ruleset->default_action != ARQ_RULE_PASS)
		return arq_error_set(error, -EOPNOTSUPP,
				     "firewall.default: only pass can be loaded");
	*policy = arq_policy_create();
	if (!*policy)
		return arq_error_set(error, -ENOMEM, "out of memory for the firewall's rules");

	for (uint32_t i = 0; i < ruleset->rule_count; i++) {
		int code = add_rule(*policy, ruleset, &ruleset->rules[i], error);
		if (code) {
			arq_policy_destroy(*policy);
			*policy = NULL;
			return arq_error_prefix(error, code, "firewall rule '%s'",
						ruleset->rules[i].name);
		}
	}
	return 0;
}
