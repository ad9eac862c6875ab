// SPDX-License-Identifier: BSD-2-Clause
#include "userspace/common/regex.h"

#define PCRE2_CODE_UNIT_WIDTH 8

#include <errno.h>
#include <pcre2.h>
#include <stdlib.h>
#include <string.h>

/*
 * Steps of a match, as PCRE2 counts its backtracking: a usual match of a path takes a few dozen.
 * What takes ten thousand is made to take long; giving up takes about a tenth of a millisecond.
 */
#define STEPS_MAX 10000

/* KiB for what a match must remember to go back to. */
#define HEAP_MAX 256

/* Groups that a replacement can name, and the whole. */
#define GROUPS 10

struct arq_regex {
	pcre2_code *code;
	uint32_t groups;
};

struct arq_regex_scratch {
	pcre2_match_data *data;
	pcre2_match_context *context;
};

/* --- compiling -------------------------------------------------------------------------------- */

int arq_regex_create(const char *pattern, bool whole, struct arq_regex **regex,
		     struct arq_error *error)
{
	/* Octets, not characters: what a client sends need not be UTF-8. */
	uint32_t options = PCRE2_NEVER_UTF | PCRE2_NEVER_BACKSLASH_C | PCRE2_DOLLAR_ENDONLY;
	struct arq_regex *made = calloc(1, sizeof(*made));
	PCRE2_SIZE place = 0;
	int reason = 0;

	if (!made)
		return arq_error_set(error, -ENOMEM, "out of memory");
	if (whole)
		options |= PCRE2_ANCHORED | PCRE2_ENDANCHORED;
	made->code =
		pcre2_compile((PCRE2_SPTR)pattern, strlen(pattern), options, &reason, &place, NULL);
	if (!made->code) {
		char text[128] = "";
		pcre2_get_error_message(reason, (PCRE2_UCHAR *)text, sizeof(text));
		free(made);
		return arq_error_set(error, -EINVAL, "%s, at character %zu", text, place + 1);
	}
	pcre2_pattern_info(made->code, PCRE2_INFO_CAPTURECOUNT, &made->groups);
	*regex = made;
	return 0;
}

void arq_regex_destroy(struct arq_regex *regex)
{
	if (!regex)
		return;
	pcre2_code_free(regex->code);
	free(regex);
}

/* --- matching --------------------------------------------------------------------------------- */

struct arq_regex_scratch *arq_regex_scratch_create(void)
{
	struct arq_regex_scratch *made = calloc(1, sizeof(*made));

	if (!made)
		return NULL;
	made->data = pcre2_match_data_create(GROUPS, NULL);
	made->context = pcre2_match_context_create(NULL);
	if (!made->data || !made->context) {
		arq_regex_scratch_destroy(made);
		return NULL;
	}
	pcre2_set_match_limit(made->context, STEPS_MAX);
	pcre2_set_depth_limit(made->context, STEPS_MAX);
	pcre2_set_heap_limit(made->context, HEAP_MAX);
	return made;
}

void arq_regex_scratch_destroy(struct arq_regex_scratch *scratch)
{
	if (!scratch)
		return;
	pcre2_match_data_free(scratch->data);
	pcre2_match_context_free(scratch->context);
	free(scratch);
}

enum arq_regex_result arq_regex_match(const struct arq_regex *regex,
				      struct arq_regex_scratch *scratch, const char *text,
				      size_t length)
{
	int code = pcre2_match(regex->code, (PCRE2_SPTR)(text ? text : ""), length, 0, 0,
			       scratch->data, scratch->context);

	if (code == PCRE2_ERROR_NOMATCH)
		return ARQ_REGEX_NO_MATCH;
	return code < 0 ? ARQ_REGEX_GAVE_UP : ARQ_REGEX_MATCH;
}

/* --- replacing -------------------------------------------------------------------------------- */

static bool is_group(char c)
{
	return c >= '0' && c <= '9';
}

int arq_regex_check_replacement(const struct arq_regex *regex, const char *replacement)
{
	for (const char *c = replacement; *c; c++) {
		if (*c != '$')
			continue;
		c++;
		if (*c != '$' && !(is_group(*c) && (uint32_t)(*c - '0') <= regex->groups))
			return -EINVAL;
	}
	return 0;
}

struct output {
	char *out;
	size_t size, length;
	bool full;
};

static void put(struct output *output, const char *data, size_t length)
{
	if (length > output->size - output->length) {
		output->full = true;
		return;
	}
	memcpy(output->out + output->length, data, length);
	output->length += length;
}

/* A group that took no part in the match is empty. */
static void put_group(struct output *output, pcre2_match_data *data, const char *text, uint32_t n)
{
	const PCRE2_SIZE *at = pcre2_get_ovector_pointer(data);

	if (n < GROUPS && at[2 * n] != PCRE2_UNSET && at[2 * n + 1] >= at[2 * n])
		put(output, text + at[2 * n], at[2 * n + 1] - at[2 * n]);
}

enum arq_regex_result arq_regex_replace(const struct arq_regex *regex,
					struct arq_regex_scratch *scratch, const char *text,
					size_t text_length, const char *replacement, char *out,
					size_t size, size_t *length)
{
	struct output output = {.out = out, .size = size};
	enum arq_regex_result result = arq_regex_match(regex, scratch, text, text_length);

	if (result == ARQ_REGEX_GAVE_UP)
		return result;
	if (result == ARQ_REGEX_NO_MATCH) {
		put(&output, text, text_length);
	} else {
		const PCRE2_SIZE *at = pcre2_get_ovector_pointer(scratch->data);
		/* Where \K was used, a match can begin behind its end. */
		if (at[0] > at[1])
			return ARQ_REGEX_GAVE_UP;
		put(&output, text, at[0]);
		for (const char *c = replacement; *c; c++) {
			if (*c == '$' && is_group(*++c))
				put_group(&output, scratch->data, text, (uint32_t)(*c - '0'));
			else
				put(&output, c, 1);
		}
		put(&output, text + at[1], text_length - at[1]);
	}
	*length = output.length;
	return output.full ? ARQ_REGEX_GAVE_UP : result;
}
