// SPDX-License-Identifier: BSD-2-Clause
#include "userspace/proxy/condition.h"

#include <string.h>

int arq_conditions_compile(const struct arq_config_condition *config, size_t count,
			   struct arq_condition *conditions, struct arq_error *error)
{
	for (size_t i = 0; i < count; i++) {
		conditions[i].config = &config[i];
		int code = config[i].regex ? arq_regex_create(config[i].regex, true,
							      &conditions[i].regex, error)
					   : 0;
		if (code != 0)
			return code;
	}
	return 0;
}

void arq_conditions_clear(struct arq_condition *conditions, size_t count)
{
	for (size_t i = 0; i < count; i++)
		arq_regex_destroy(conditions[i].regex);
}

static bool text_is(struct arq_h3_text text, const char *string)
{
	size_t length = strlen(string);
	return text.length == length && memcmp(text.data, string, length) == 0;
}

static enum arq_regex_result value_matches(const struct arq_condition *condition,
					   struct arq_regex_scratch *scratch,
					   struct arq_h3_text value)
{
	const struct arq_config_condition *config = condition->config;
	bool matches = true;

	if (condition->regex)
		return arq_regex_match(condition->regex, scratch, value.data, value.length);
	if (config->value)
		matches = text_is(value, config->value);
	else if (config->prefix)
		matches = value.length >= strlen(config->prefix) &&
			  memcmp(value.data, config->prefix, strlen(config->prefix)) == 0;
	return matches ? ARQ_REGEX_MATCH : ARQ_REGEX_NO_MATCH;
}

enum arq_regex_result arq_conditions_fields(const struct arq_condition *conditions, size_t count,
					    struct arq_regex_scratch *scratch,
					    const struct arq_h3_field *fields, size_t field_count)
{
	for (size_t i = 0; i < count; i++) {
		enum arq_regex_result result = ARQ_REGEX_NO_MATCH;
		for (size_t j = 0; j < field_count && result == ARQ_REGEX_NO_MATCH; j++) {
			if (text_is(fields[j].name, conditions[i].config->name))
				result = value_matches(&conditions[i], scratch, fields[j].value);
		}
		if (result != ARQ_REGEX_MATCH)
			return result;
	}
	return ARQ_REGEX_MATCH;
}

/* The next parameter of a query, cut off its front; without "=" its value is empty. */
static struct arq_h3_field next_parameter(struct arq_h3_text *query)
{
	const char *end = memchr(query->data, '&', query->length);
	size_t length = end ? (size_t)(end - query->data) : query->length;
	const char *equals = memchr(query->data, '=', length);
	size_t name = equals ? (size_t)(equals - query->data) : length;
	struct arq_h3_field parameter = {
		.name = {query->data, name},
		.value = {equals ? equals + 1 : query->data + length,
			  equals ? length - name - 1 : 0},
	};

	query->data += length + (end != NULL);
	query->length -= length + (end != NULL);
	return parameter;
}

enum arq_regex_result arq_conditions_query(const struct arq_condition *conditions, size_t count,
					   struct arq_regex_scratch *scratch,
					   struct arq_h3_text query)
{
	for (size_t i = 0; i < count; i++) {
		enum arq_regex_result result = ARQ_REGEX_NO_MATCH;
		struct arq_h3_text rest = query;
		while (rest.length > 0 && result == ARQ_REGEX_NO_MATCH) {
			struct arq_h3_field parameter = next_parameter(&rest);
			if (text_is(parameter.name, conditions[i].config->name))
				result = value_matches(&conditions[i], scratch, parameter.value);
		}
		if (result != ARQ_REGEX_MATCH)
			return result;
	}
	return ARQ_REGEX_MATCH;
}

bool arq_condition_host(const char *pattern, const char *host, size_t length)
{
	if (!pattern)
		return true;
	bool wildcard = pattern[0] == '*';
	size_t wanted = strlen(pattern + wildcard);
	if (wildcard ? length <= wanted : length != wanted)
		return false;
	return memcmp(host + length - wanted, pattern + wildcard, wanted) == 0;
}
