/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Regular expressions (PCRE2) on octets that a client chose: time and memory of a match are
 * bounded.
 *
 * A compiled expression is read-only: threads share it. What a match needs beside it is a
 * `struct arq_regex_scratch`, one for each thread. Nothing is compiled to machine code: arquantd's
 * filter of system calls forbids executable memory once it runs, and expressions come with a
 * reload, too; and a bound that holds for interpreted matches is a bound in steps.
 */
#ifndef ARQUANT_COMMON_REGEX_H
#define ARQUANT_COMMON_REGEX_H

#include "userspace/common/error.h"

#include <stdbool.h>
#include <stddef.h>

struct arq_regex;
struct arq_regex_scratch;

enum arq_regex_result {
	ARQ_REGEX_MATCH,
	ARQ_REGEX_NO_MATCH,
	ARQ_REGEX_GAVE_UP, /* the text asks for more steps or memory than a match may take */
};

/*
 * Compiles a pattern of PCRE2. `whole`: it must match all of a text; otherwise any part of it.
 * Returns 0 and *regex, -EINVAL with the reason and the place in the pattern in `error`, -ENOMEM.
 */
int arq_regex_create(const char *pattern, bool whole, struct arq_regex **regex,
		     struct arq_error *error);
void arq_regex_destroy(struct arq_regex *regex); /* NULL is allowed */

/* NULL when memory ran out. */
struct arq_regex_scratch *arq_regex_scratch_create(void);
void arq_regex_scratch_destroy(struct arq_regex_scratch *scratch); /* NULL is allowed */

enum arq_regex_result arq_regex_match(const struct arq_regex *regex,
				      struct arq_regex_scratch *scratch, const char *text,
				      size_t length);

/*
 * A replacement is text in which $0 to $9 stand for what the whole pattern and its groups matched,
 * and $$ for a dollar sign. Returns 0, or -EINVAL for a group that the pattern does not have or
 * another use of '$'.
 */
int arq_regex_check_replacement(const struct arq_regex *regex, const char *replacement);

/*
 * Writes the text to `out` with its first match replaced; without a match, as it is. Returns
 * ARQ_REGEX_MATCH with *length set, ARQ_REGEX_NO_MATCH likewise, or ARQ_REGEX_GAVE_UP, also when
 * the result would be longer than `size`.
 */
enum arq_regex_result arq_regex_replace(const struct arq_regex *regex,
					struct arq_regex_scratch *scratch, const char *text,
					size_t text_length, const char *replacement, char *out,
					size_t size, size_t *length);

#endif
