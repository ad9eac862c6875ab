// SPDX-License-Identifier: BSD-2-Clause
/* The firewall's part of the configuration: sets, rules, the default. */
#include "userspace/common/config_firewall.h"

#include "userspace/common/config_firewall_guards.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int arq_config_parse_prefix(const struct arq_config_check *check, struct arq_field field,
			    const char *text, struct arq_prefix *prefix)
{
	struct arq_error why = {0};

	if (arq_prefix_parse(prefix, text, &why) == 0)
		return 0;
	return arq_document_fail(check->document, check->error, field, "%s", why.text);
}

/* --- sets ------------------------------------------------------------------------------------- */

static int make_elements(const struct arq_config_check *check, uint32_t i, struct arq_set *set)
{
	const struct arq_config_set *written = &check->config->firewall.sets[i];

	set->entries = calloc(written->elements_count, sizeof(set->entries[0]));
	set->tags = calloc(1, 1);
	set->tags_size = 1;
	if (!set->entries || !set->tags)
		return arq_config_no_memory(check);
	set->count = written->elements_count;
	for (uint32_t j = 0; j < written->elements_count; j++) {
		int code = arq_config_parse_prefix(
			check, arq_field("firewall.sets[%u].elements[%u]", i, j),
			written->elements[j], &set->entries[j].prefix);
		if (code)
			return code;
	}
	return 0;
}

static int check_set_name(const struct arq_config_check *check, uint32_t i)
{
	const struct arq_config_set *sets = check->config->firewall.sets;
	struct arq_field field = arq_field("firewall.sets[%u].name", i);

	int code = arq_config_check_name(check, field, sets[i].name);
	for (uint32_t j = 0; !code && j < i; j++) {
		if (strcmp(sets[j].name, sets[i].name) == 0)
			code = arq_config_name_twice(check, field, sets[i].name,
						     arq_field("firewall.sets[%u]", j));
	}
	return code;
}

static int make_set(const struct arq_config_check *check, uint32_t i, struct arq_set *set)
{
	struct arq_config_set *written = &check->config->firewall.sets[i];
	struct arq_field field = arq_field("firewall.sets[%u]", i);

	int code = check_set_name(check, i);
	if (code)
		return code;
	if (written->file && written->elements)
		return arq_document_fail(check->document, check->error, field,
					 "has both 'file' and 'elements'; keep one");
	if (!written->file && !written->elements)
		return arq_document_fail(check->document, check->error, field,
					 "has neither 'file' nor 'elements'; add one");
	code = arq_config_resolve(check, &written->file);
	if (code)
		return code;
	set->line = arq_document_line(check->document, field);
	set->track = written->track;
	set->name = strdup(written->name);
	set->file = written->file ? strdup(written->file) : NULL;
	if (!set->name || (written->file && !set->file))
		return arq_config_no_memory(check);
	return written->file ? 0 : make_elements(check, i, set);
}

static int make_sets(const struct arq_config_check *check)
{
	struct arq_config_firewall *firewall = &check->config->firewall;
	struct arq_ruleset *ruleset = &firewall->ruleset;

	if (!firewall->sets_count)
		return 0;
	ruleset->sets = calloc(firewall->sets_count, sizeof(ruleset->sets[0]));
	if (!ruleset->sets)
		return arq_config_no_memory(check);
	for (uint32_t i = 0; i < firewall->sets_count; i++) {
		int code = make_set(check, i, &ruleset->sets[ruleset->set_count++]);
		if (code)
			return code;
	}
	return 0;
}

/* --- rules ------------------------------------------------------------------------------------ */

static int check_rule_name(const struct arq_config_check *check, uint32_t i)
{
	const struct arq_config_rule *rules = check->config->firewall.rules;
	struct arq_field field = arq_field("firewall.rules[%u].name", i);

	int code = arq_config_check_name(check, field, rules[i].name);
	for (uint32_t j = 0; !code && j < i; j++) {
		if (strcmp(rules[j].name, rules[i].name) == 0)
			code = arq_config_name_twice(check, field, rules[i].name,
						     arq_field("firewall.rules[%u]", j));
	}
	return code;
}

static int make_rules(const struct arq_config_check *check)
{
	struct arq_config_firewall *firewall = &check->config->firewall;
	struct arq_ruleset *ruleset = &firewall->ruleset;

	if (!firewall->rules_count)
		return 0;
	ruleset->rules = calloc(firewall->rules_count, sizeof(ruleset->rules[0]));
	if (!ruleset->rules)
		return arq_config_no_memory(check);
	for (uint32_t i = 0; i < firewall->rules_count; i++) {
		struct arq_rule *rule = &ruleset->rules[ruleset->rule_count++];
		int code = check_rule_name(check, i);
		if (code)
			return code;
		snprintf(rule->name, sizeof(rule->name), "%s", firewall->rules[i].name);
		rule->line = arq_document_line(check->document, arq_field("firewall.rules[%u]", i));
		code = arq_config_make_rule(check, i, rule);
		if (code)
			return code;
	}
	return 0;
}

int arq_config_check_firewall(const struct arq_config_check *check)
{
	struct arq_config_firewall *firewall = &check->config->firewall;

	if (!arq_document_has(check->document, arq_field("firewall.malformed")))
		firewall->malformed = ARQ_CONFIG_DROP;
	if (!arq_document_has(check->document, arq_field("firewall.default")))
		firewall->default_action = ARQ_RULE_PASS;
	firewall->ruleset.default_action = firewall->default_action;
	int code = make_sets(check);
	if (!code)
		code = make_rules(check);
	return code ? code : arq_config_make_guards(check);
}
