// SPDX-License-Identifier: BSD-2-Clause
/* What the analysis of a rule set found, in words and as JSON. */
#include "userspace/arquant/firewall.h"

#include <inttypes.h>
#include <stdio.h>

static void print_others(const struct arq_ruleset *ruleset, const struct arq_finding *finding)
{
	uint32_t shown = finding->other_count < ARQ_FINDING_OTHERS_MAX ? finding->other_count
								       : ARQ_FINDING_OTHERS_MAX;

	for (uint32_t i = 0; i < shown; i++) {
		const struct arq_rule *other = &ruleset->rules[finding->others[i]];
		printf("%s'%s' (line %" PRIu32 ")", i ? ", " : "", other->name, other->line);
	}
	if (finding->other_count > shown)
		printf(" and %" PRIu32 " more", finding->other_count - shown);
}

static void print_finding(const struct arq_ruleset *ruleset, const struct arq_finding *finding)
{
	switch (finding->kind) {
	case ARQ_FINDING_EMPTY:
		printf("matches no packet: its conditions exclude each other");
		break;
	case ARQ_FINDING_UNREACHABLE:
		printf("is never reached: all that it matches is decided before by ");
		print_others(ruleset, finding);
		break;
	case ARQ_FINDING_SHADOWED:
		printf("is never reached: all that it matches is decided before, together by ");
		print_others(ruleset, finding);
		break;
	case ARQ_FINDING_REDUNDANT:
		printf("changes nothing: without it, its packets would be decided the same");
		break;
	case ARQ_FINDING_UNDECIDED:
		printf("is too complicated to say whether it is reached");
		break;
	case ARQ_FINDING_UNUSED_SET:
		printf("is in no rule");
		break;
	}
}

void arq_firewall_print_findings(const char *path, const struct arq_ruleset *ruleset,
				 const struct arq_findings *findings)
{
	for (uint32_t i = 0; i < findings->count; i++) {
		const struct arq_finding *finding = &findings->items[i];
		bool set = finding->kind == ARQ_FINDING_UNUSED_SET;
		printf("%s:%" PRIu32 ": %s '%s' ", path,
		       set ? ruleset->sets[finding->index].line
			   : ruleset->rules[finding->index].line,
		       set ? "set" : "rule",
		       set ? ruleset->sets[finding->index].name
			   : ruleset->rules[finding->index].name);
		print_finding(ruleset, finding);
		putchar('\n');
	}
}

static struct json_object *json_named(const char *key, const char *name, uint32_t line)
{
	struct json_object *object = json_object_new_object();

	json_object_object_add(object, key, json_object_new_string(name));
	json_object_object_add(object, "line", json_object_new_uint64(line));
	return object;
}

static struct json_object *json_finding(const struct arq_ruleset *ruleset,
					const struct arq_finding *finding)
{
	if (finding->kind == ARQ_FINDING_UNUSED_SET) {
		const struct arq_set *set = &ruleset->sets[finding->index];
		struct json_object *object = json_named("set", set->name, set->line);
		json_object_object_add(object, "finding",
				       json_object_new_string(arq_finding_name(finding->kind)));
		return object;
	}
	const struct arq_rule *rule = &ruleset->rules[finding->index];
	struct json_object *object = json_named("rule", rule->name, rule->line);
	struct json_object *others = json_object_new_array();
	json_object_object_add(object, "finding",
			       json_object_new_string(arq_finding_name(finding->kind)));
	for (uint32_t i = 0; i < finding->other_count && i < ARQ_FINDING_OTHERS_MAX; i++) {
		const struct arq_rule *other = &ruleset->rules[finding->others[i]];
		json_object_array_add(others, json_named("rule", other->name, other->line));
	}
	json_object_object_add(object, "decided_by", others);
	json_object_object_add(object, "decided_by_count",
			       json_object_new_uint64(finding->other_count));
	return object;
}

struct json_object *arq_firewall_json_findings(const struct arq_ruleset *ruleset,
					       const struct arq_findings *findings)
{
	struct json_object *array = json_object_new_array();

	for (uint32_t i = 0; array && i < findings->count; i++)
		json_object_array_add(array, json_finding(ruleset, &findings->items[i]));
	return array;
}
