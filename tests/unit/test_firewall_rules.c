// SPDX-License-Identifier: BSD-2-Clause
#include "tests/unit/test_firewall_rules.h"

#include <stdio.h>
#include <stdlib.h>

/* Room for one more element; doubled at powers of two, so that many are quick, too. */
static void *grow(void *array, size_t count, size_t size)
{
	if (count & (count - 1))
		return array;
	void *larger = reallocarray(array, count ? 2 * count : 1, size);
	if (!larger)
		abort();
	return larger;
}

struct arq_ruleset *rules_create(void)
{
	struct arq_ruleset *ruleset = calloc(1, sizeof(*ruleset));

	if (!ruleset)
		abort();
	ruleset->default_action = ARQ_RULE_PASS;
	return ruleset;
}

void rules_destroy(struct arq_ruleset *ruleset)
{
	if (ruleset)
		arq_ruleset_clear(ruleset);
	free(ruleset);
}

struct arq_rule *rules_add(struct arq_ruleset *ruleset, const char *name,
			   enum arq_rule_action action)
{
	ruleset->rules = grow(ruleset->rules, ruleset->rule_count, sizeof(*ruleset->rules));
	struct arq_rule *rule = &ruleset->rules[ruleset->rule_count++];
	*rule = (struct arq_rule){.action = action, .block_prefix_v4 = 32, .block_prefix_v6 = 128};
	snprintf(rule->name, sizeof(rule->name), "%s", name);
	return rule;
}

struct arq_rule *rules_add_from(struct arq_ruleset *ruleset, const char *name,
				enum arq_rule_action action, const char *const *sources)
{
	struct arq_rule *rule = rules_add(ruleset, name, action);
	struct arq_error error = {0};
	struct arq_prefix prefix;

	for (; *sources; sources++) {
		if (arq_prefix_parse(&prefix, *sources, &error))
			abort();
		rules_match_prefix(&rule->from, &prefix);
	}
	return rule;
}

void rules_match_prefix(struct arq_match_addresses *match, const struct arq_prefix *prefix)
{
	match->prefixes = grow(match->prefixes, match->prefix_count, sizeof(*match->prefixes));
	match->prefixes[match->prefix_count++] = *prefix;
}

void rules_match_ports(struct arq_match_ports *match, uint8_t protocol, uint16_t low, uint16_t high)
{
	match->items = grow(match->items, match->count, sizeof(*match->items));
	match->items[match->count++] = (struct arq_port_range){protocol, low, high};
}

void rules_match_range(struct arq_match_ranges *match, uint32_t low, uint32_t high)
{
	match->items = grow(match->items, match->count, sizeof(*match->items));
	match->items[match->count++] = (struct arq_range){low, high};
}
