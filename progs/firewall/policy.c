// SPDX-License-Identifier: BSD-2-Clause
#include "progs/firewall/policy.h"

#include "progs/firewall/source.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* A prefix with a long comment behind it fits; a binary file is noticed soon. */
#define LINE_BYTES_MAX 1024

struct rule {
	char *name;
	enum arq_rule_action action;
};

struct arq_policy {
	struct rule *rules;
	size_t rule_count;
	size_t rule_capacity;
	struct arq_sources v4;
	struct arq_sources v6;
};

/*
 * Makes room for one more element of `size` bytes. Returns the array, which may have moved, or NULL
 * without memory; then the old one is still valid.
 */
static void *grow(void *array, size_t count, size_t *capacity, size_t size)
{
	if (count < *capacity)
		return array;
	size_t wanted = *capacity ? *capacity * 2 : 16;
	void *larger = reallocarray(array, wanted, size);
	if (larger)
		*capacity = wanted;
	return larger;
}

struct arq_policy *arq_policy_create(void)
{
	return calloc(1, sizeof(struct arq_policy));
}

void arq_policy_destroy(struct arq_policy *policy)
{
	if (!policy)
		return;
	for (size_t i = 0; i < policy->rule_count; i++)
		free(policy->rules[i].name);
	free(policy->rules);
	free(policy->v4.items);
	free(policy->v6.items);
	free(policy);
}

static int check_rule_name(const struct arq_policy *policy, const char *name,
			   struct arq_error *error)
{
	size_t length = strlen(name);
	if (length == 0 || length >= ARQ_RULE_NAME_MAX)
		return arq_error_set(error, -EINVAL,
				     "rule name '%.80s' has %zu characters; give it 1 to %d", name,
				     length, ARQ_RULE_NAME_MAX - 1);
	for (size_t i = 0; i < policy->rule_count; i++) {
		if (strcmp(policy->rules[i].name, name) == 0)
			return arq_error_set(error, -EEXIST,
					     "two rules are named '%s'; rename one of them", name);
	}
	if (policy->rule_count >= ARQ_RULES_MAX)
		return arq_error_set(error, -E2BIG, "more than %d rules; put prefixes into sets",
				     ARQ_RULES_MAX);
	return 0;
}

int arq_policy_add_rule(struct arq_policy *policy, const char *name, enum arq_rule_action action,
			struct arq_error *error)
{
	int status = check_rule_name(policy, name, error);
	if (status)
		return status;
	struct rule *rules =
		grow(policy->rules, policy->rule_count, &policy->rule_capacity, sizeof(*rules));
	char *copy = strdup(name);
	if (rules)
		policy->rules = rules;
	if (!rules || !copy) {
		free(copy);
		return arq_error_set(error, -ENOMEM, "no memory for rule '%s'", name);
	}
	rules[policy->rule_count++] = (struct rule){.name = copy, .action = action};
	return (int)policy->rule_count;
}

/* Bytes to a number whose order is the order of addresses, from the most significant bit on. */
static uint64_t load_high(const uint8_t *bytes, size_t count)
{
	uint64_t value = 0;
	for (size_t i = 0; i < 8; i++)
		value = value << 8 | (i < count ? bytes[i] : 0);
	return value;
}

int arq_policy_add_source(struct arq_policy *policy, uint32_t rule, const struct arq_prefix *prefix,
			  struct arq_error *error)
{
	bool v4 = prefix->family == AF_INET;
	struct arq_sources *sources = v4 ? &policy->v4 : &policy->v6;

	if (rule == 0 || rule > policy->rule_count)
		return arq_error_set(error, -EINVAL, "there is no rule number %u", rule);
	if ((!v4 && prefix->family != AF_INET6) || prefix->length > (v4 ? 32 : 128))
		return arq_error_set(error, -EINVAL, "a source of rule '%s' is no prefix",
				     policy->rules[rule - 1].name);
	if (sources->count >= ARQ_SOURCES_MAX)
		return arq_error_set(error, -E2BIG,
				     "more than %u IPv%d prefixes; aggregate neighbouring ones",
				     ARQ_SOURCES_MAX, v4 ? 4 : 6);
	struct arq_source *items =
		grow(sources->items, sources->count, &sources->capacity, sizeof(*items));
	if (!items)
		return arq_error_set(error, -ENOMEM, "no memory for the prefixes of rule '%s'",
				     policy->rules[rule - 1].name);
	sources->items = items;
	items[sources->count++] = (struct arq_source){
		.high = load_high(prefix->address, v4 ? 4 : 8),
		.low = v4 ? 0 : load_high(prefix->address + 8, 8),
		.rule = rule,
		.length = prefix->length,
	};
	return 0;
}

/*
 * Reads a line without its end. Returns its length, -ENODATA at the end of the file, -E2BIG for a
 * line that is too long, -EILSEQ for a zero byte, or another negative errno.
 */
static int read_line(FILE *file, char line[LINE_BYTES_MAX])
{
	int length = 0;
	int byte;

	while ((byte = getc_unlocked(file)) != EOF && byte != '\n') {
		if (byte == 0)
			return -EILSEQ;
		if (length == LINE_BYTES_MAX - 1)
			return -E2BIG;
		line[length++] = (char)byte;
	}
	line[length] = '\0';
	if (ferror(file))
		return errno ? -errno : -EIO;
	return byte == EOF && length == 0 ? -ENODATA : length;
}

/* Cuts the comment and the blanks around; returns what is left. */
static char *strip(char *line)
{
	static const char blanks[] = " \t\r\v\f";

	line[strcspn(line, "#")] = '\0';
	line += strspn(line, blanks);
	size_t length = strlen(line);
	while (length > 0 && strchr(blanks, line[length - 1]))
		length--;
	line[length] = '\0';
	return line;
}

static int read_error(int status, struct arq_error *error)
{
	if (status == -E2BIG)
		return arq_error_set(error, status,
				     "line longer than %d bytes; write one prefix a line",
				     LINE_BYTES_MAX - 1);
	if (status == -EILSEQ)
		return arq_error_set(error, status, "not a text file; write one prefix a line");
	return arq_error_set(error, status, "cannot read: %s", strerror(-status));
}

/* Reads until the end or the first error; *line_number is then the line it happened in. */
static int add_lines(struct arq_policy *policy, uint32_t rule, FILE *file,
		     unsigned long *line_number, struct arq_error *error)
{
	char line[LINE_BYTES_MAX];
	int added = 0;

	for (;;) {
		(*line_number)++;
		int status = read_line(file, line);
		if (status == -ENODATA)
			return added;
		if (status < 0)
			return read_error(status, error);
		const char *text = strip(line);
		if (!*text)
			continue;
		struct arq_prefix prefix;
		status = arq_prefix_parse(&prefix, text, error);
		if (status == 0)
			status = arq_policy_add_source(policy, rule, &prefix, error);
		if (status)
			return status;
		added++;
	}
}

int arq_policy_add_source_file(struct arq_policy *policy, uint32_t rule, const char *path,
			       struct arq_error *error)
{
	size_t v4_before = policy->v4.count;
	size_t v6_before = policy->v6.count;
	unsigned long line_number = 0;

	FILE *file = fopen(path, "re");
	if (!file) {
		int code = -errno;
		return arq_error_set(error, code,
				     "cannot open the list of prefixes '%s': %s; check the name "
				     "and who may read it",
				     path, strerror(-code));
	}
	int status = add_lines(policy, rule, file, &line_number, error);
	fclose(file);
	if (status < 0) {
		policy->v4.count = v4_before;
		policy->v6.count = v6_before;
		return arq_error_prefix(error, status, "%s:%lu", path, line_number);
	}
	return status;
}

size_t arq_policy_rule_count(const struct arq_policy *policy)
{
	return policy->rule_count;
}

const char *arq_policy_rule_name(const struct arq_policy *policy, uint32_t rule)
{
	return rule && rule <= policy->rule_count ? policy->rules[rule - 1].name : NULL;
}

size_t arq_policy_source_count(const struct arq_policy *policy, int family)
{
	return family == AF_INET ? policy->v4.count : policy->v6.count;
}

int arq_policy_compile(const struct arq_policy *policy, int family, struct arq_policy_table *table)
{
	const struct arq_sources *sources = family == AF_INET ? &policy->v4 : &policy->v6;

	int status = arq_sources_compile(sources, family, table);
	for (uint32_t i = 0; status == 0 && i < table->count; i++)
		table->values[i].action = policy->rules[table->values[i].rule - 1].action;
	return status;
}

void arq_policy_table_free(struct arq_policy_table *table)
{
	free(table->keys);
	free(table->values);
	*table = (struct arq_policy_table){0};
}

void arq_policy_filter(const struct arq_policy *policy, struct arq_source_filter *filter)
{
	memset(filter, 0, sizeof(*filter));
	arq_sources_filter(&policy->v4, AF_INET, filter->v4);
	arq_sources_filter(&policy->v6, AF_INET6, filter->v6);
}
