/* SPDX-License-Identifier: BSD-2-Clause */
/* The conditions of a route that are held against one request after the other. */
#ifndef ARQUANT_PROXY_CONDITION_H
#define ARQUANT_PROXY_CONDITION_H

#include "userspace/common/config.h"
#include "userspace/common/error.h"
#include "userspace/common/regex.h"
#include "userspace/http3/http3.h"

#include <stdbool.h>
#include <stddef.h>

/* Of a header field or query parameter, compiled. */
struct arq_condition {
	const struct arq_config_condition *config;
	struct arq_regex *regex; /* NULL: none */
};

/* Returns 0, or a negative errno with the reason; in either case `conditions` is to be cleared. */
int arq_conditions_compile(const struct arq_config_condition *config, size_t count,
			   struct arq_condition *conditions, struct arq_error *error);
void arq_conditions_clear(struct arq_condition *conditions, size_t count);

/* Whether each has a field line, or a parameter of the query (without "?"), that matches. */
enum arq_regex_result arq_conditions_fields(const struct arq_condition *conditions, size_t count,
					    struct arq_regex_scratch *scratch,
					    const struct arq_h3_field *fields, size_t field_count);
enum arq_regex_result arq_conditions_query(const struct arq_condition *conditions, size_t count,
					   struct arq_regex_scratch *scratch,
					   struct arq_h3_text query);

/*
 * Whether a host is what a pattern of the configuration says: itself, "*.example.com", or NULL for
 * any. `host` is lower case.
 */
bool arq_condition_host(const char *pattern, const char *host, size_t length);

#endif
