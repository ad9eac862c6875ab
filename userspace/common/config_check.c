// SPDX-License-Identifier: BSD-2-Clause
#include "userspace/common/config_check.h"

#include <arquant/program.h>
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* --- shared ----------------------------------------------------------------------------------- */

int arq_config_no_memory(const struct arq_config_check *check)
{
	return arq_error_set(check->error, -ENOMEM, "%s: out of memory", check->document->path);
}

int arq_config_check_name(const struct arq_config_check *check, struct arq_field field,
			  const char *name)
{
	for (const char *c = name; *c; c++) {
		if (!isascii(*c) || (!isalnum(*c) && !strchr("-_.", *c)))
			return arq_document_fail(check->document, check->error, field,
						 "'%.63s' is no name; use letters, digits, '-', "
						 "'_' and '.'",
						 name);
	}
	return 0;
}

int arq_config_check_number(const struct arq_config_check *check, struct arq_field field,
			    uint32_t *number, uint32_t absent, uint32_t min, uint32_t max)
{
	if (!arq_document_has(check->document, field)) {
		*number = absent;
		return 0;
	}
	if (*number < min || *number > max)
		return arq_document_fail(check->document, check->error, field,
					 "%u is out of range; write a number from %u to %u",
					 *number, min, max);
	return 0;
}

int arq_config_resolve(const struct arq_config_check *check, char **file)
{
	const char *path = check->document->path;
	const char *slash = strrchr(path, '/');

	if (!*file || (*file)[0] == '/' || !slash)
		return 0;

	size_t directory = (size_t)(slash - path) + 1;
	size_t size = strlen(*file) + 1;
	char *joined = malloc(directory + size);
	if (!joined)
		return arq_config_no_memory(check);
	memcpy(joined, path, directory);
	memcpy(joined + directory, *file, size);
	free(*file);
	*file = joined;
	return 0;
}

static int twice(const struct arq_config_check *check, struct arq_field field, const char *name,
		 struct arq_field first)
{
	return arq_document_fail(check->document, check->error, field,
				 "'%.63s' is the name of %s already; choose another", name,
				 first.text);
}

/* --- interfaces ------------------------------------------------------------------------------- */

static int check_interface(const struct arq_config_check *check, uint32_t i)
{
	struct arq_config_interface *interfaces = check->config->interfaces;
	struct arq_config_interface *interface = &interfaces[i];
	struct arq_field name = arq_field("interfaces[%u].name", i);

	/* What dev_valid_name() of the kernel refuses. */
	for (const char *c = interface->name; *c; c++) {
		if (*c == '/' || *c == ':' || isspace((unsigned char)*c))
			return arq_document_fail(check->document, check->error, name,
						 "'%s' is no interface's name; see 'ip link'",
						 interface->name);
	}
	for (uint32_t j = 0; j < i; j++) {
		if (strcmp(interfaces[j].name, interface->name) == 0)
			return twice(check, name, interface->name, arq_field("interfaces[%u]", j));
	}
	/* The schema lets no empty list pass. */
	if (!interface->programs)
		interface->programs = 1u << ARQ_PROGRAM_FIREWALL | 1u << ARQ_PROGRAM_SAMPLER |
				      1u << ARQ_PROGRAM_REDIRECT;
	return 0;
}

int arq_config_check_interfaces(const struct arq_config_check *check)
{
	for (uint32_t i = 0; i < check->config->interfaces_count; i++) {
		int code = check_interface(check, i);
		if (code)
			return code;
	}
	return 0;
}

/* --- firewall --------------------------------------------------------------------------------- */

static int parse_prefix(const struct arq_config_check *check, struct arq_field field,
			const char *text, struct arq_prefix *prefix)
{
	struct arq_error why = {0};

	if (arq_prefix_parse(prefix, text, &why) == 0)
		return 0;
	return arq_document_fail(check->document, check->error, field, "%s", why.text);
}

static int check_elements(const struct arq_config_check *check, uint32_t i)
{
	struct arq_config_set *set = &check->config->firewall.sets[i];

	set->prefixes = calloc(set->elements_count, sizeof(set->prefixes[0]));
	if (!set->prefixes)
		return arq_config_no_memory(check);
	for (uint32_t j = 0; j < set->elements_count; j++) {
		int code = parse_prefix(check, arq_field("firewall.sets[%u].elements[%u]", i, j),
					set->elements[j], &set->prefixes[j]);
		if (code)
			return code;
	}
	return 0;
}

static int check_set(const struct arq_config_check *check, uint32_t i)
{
	struct arq_config_set *sets = check->config->firewall.sets;
	struct arq_field field = arq_field("firewall.sets[%u]", i);
	struct arq_field name = arq_field("firewall.sets[%u].name", i);

	int code = arq_config_check_name(check, name, sets[i].name);
	if (code)
		return code;
	for (uint32_t j = 0; j < i; j++) {
		if (strcmp(sets[j].name, sets[i].name) == 0)
			return twice(check, name, sets[i].name, arq_field("firewall.sets[%u]", j));
	}
	if (sets[i].file && sets[i].elements)
		return arq_document_fail(check->document, check->error, field,
					 "has both 'file' and 'elements'; keep one");
	if (!sets[i].file && !sets[i].elements)
		return arq_document_fail(check->document, check->error, field,
					 "has neither 'file' nor 'elements'; add one");
	if (sets[i].file)
		return arq_config_resolve(check, &sets[i].file);
	return check_elements(check, i);
}

static int check_source(const struct arq_config_check *check, uint32_t i, uint32_t j)
{
	struct arq_config_firewall *firewall = &check->config->firewall;
	struct arq_config_rule *rule = &firewall->rules[i];
	struct arq_field field = arq_field("firewall.rules[%u].from[%u]", i, j);
	const char *text = rule->from[j];

	if (text[0] != '@')
		return parse_prefix(check, field, text, &rule->sources[j].prefix);
	for (uint32_t k = 0; k < firewall->sets_count; k++) {
		if (strcmp(firewall->sets[k].name, text + 1) == 0) {
			rule->sources[j].set = &firewall->sets[k];
			return 0;
		}
	}
	return arq_document_fail(check->document, check->error, field,
				 "there is no set '%.63s'; define it under firewall.sets",
				 text + 1);
}

static int check_rule(const struct arq_config_check *check, uint32_t i)
{
	struct arq_config_rule *rules = check->config->firewall.rules;
	struct arq_field name = arq_field("firewall.rules[%u].name", i);

	int code = arq_config_check_name(check, name, rules[i].name);
	for (uint32_t j = 0; !code && j < i; j++) {
		if (strcmp(rules[j].name, rules[i].name) == 0)
			code = twice(check, name, rules[i].name,
				     arq_field("firewall.rules[%u]", j));
	}
	if (code)
		return code;

	rules[i].sources = calloc(rules[i].from_count, sizeof(rules[i].sources[0]));
	if (!rules[i].sources)
		return arq_config_no_memory(check);
	for (uint32_t j = 0; !code && j < rules[i].from_count; j++)
		code = check_source(check, i, j);
	return code;
}

int arq_config_check_firewall(const struct arq_config_check *check)
{
	struct arq_config_firewall *firewall = &check->config->firewall;

	if (!arq_document_has(check->document, arq_field("firewall.malformed")))
		firewall->malformed = ARQ_CONFIG_DROP;
	for (uint32_t i = 0; i < firewall->sets_count; i++) {
		int code = check_set(check, i);
		if (code)
			return code;
	}
	for (uint32_t i = 0; i < firewall->rules_count; i++) {
		int code = check_rule(check, i);
		if (code)
			return code;
	}
	return 0;
}
