// SPDX-License-Identifier: BSD-2-Clause
#include "userspace/arquant/policy.h"

#include <errno.h>

static int add_source(struct arq_policy *policy, uint32_t rule,
		      const struct arq_config_source *source, struct arq_error *error)
{
	const struct arq_config_set *set = source->set;
	int code = 0;

	if (!set)
		return arq_policy_add_source(policy, rule, &source->prefix, error);
	if (set->file) {
		int added = arq_policy_add_source_file(policy, rule, set->file, error);
		return added < 0 ? added : 0;
	}
	for (uint32_t i = 0; code == 0 && i < set->elements_count; i++)
		code = arq_policy_add_source(policy, rule, &set->prefixes[i], error);
	return code;
}

static int add_rule(struct arq_policy *policy, const struct arq_config_rule *rule,
		    struct arq_error *error)
{
	enum arq_rule_action action =
		rule->action == ARQ_CONFIG_DROP ? ARQ_RULE_DROP : ARQ_RULE_PASS;

	int number = arq_policy_add_rule(policy, rule->name, action, error);
	int code = number < 0 ? number : 0;
	for (uint32_t i = 0; code == 0 && i < rule->from_count; i++)
		code = add_source(policy, (uint32_t)number, &rule->sources[i], error);
	return code;
}

int arq_policy_from_config(const struct arq_config_firewall *firewall, struct arq_policy **policy,
			   struct arq_error *error)
{
	*policy = arq_policy_create();
	if (!*policy)
		return arq_error_set(error, -ENOMEM, "out of memory for the firewall's rules");

	for (uint32_t i = 0; i < firewall->rules_count; i++) {
		int code = add_rule(*policy, &firewall->rules[i], error);
		if (code) {
			arq_policy_destroy(*policy);
			*policy = NULL;
			return arq_error_prefix(error, code, "firewall rule '%s'",
						firewall->rules[i].name);
		}
	}
	return 0;
}
