// SPDX-License-Identifier: BSD-2-Clause
#include "userspace/proxy/route.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum match {
	MATCH_ANY,
	MATCH_EXACT,
	MATCH_BEGIN, /* a path prefix, with its final slash */
	MATCH_END, /* a host suffix, with its leading dot */
};

struct pattern {
	enum match match;
	char *text; /* owned; not terminated in meaning: `length` counts */
	size_t length;
};

struct route {
	struct pattern host;
	struct pattern path;
};

struct arq_route_table {
	size_t count;
	struct route routes[];
};

static int pattern_set(struct pattern *pattern, enum match match, const char *text, size_t length)
{
	pattern->match = match;
	pattern->length = length;
	pattern->text = strndup(text, length);
	return pattern->text ? 0 : -ENOMEM;
}

static int compile_host(struct pattern *pattern, const char *host, struct arq_error *error)
{
	if (!host || strcmp(host, "*") == 0)
		return 0;

	bool wildcard = strncmp(host, "*.", 2) == 0;
	const char *text = host + wildcard;
	size_t length = strlen(text);
	if (length > 1 && text[length - 1] == '.')
		length--;
	if (length < 1u + wildcard || strpbrk(text, "*/ ?#@") ||
	    (strchr(text, ':') && text[0] != '['))
		return arq_error_set(error, -EINVAL,
				     "host \"%s\" of a route: write a host without port, "
				     "as example.com, or *.example.com",
				     host);
	return pattern_set(pattern, wildcard ? MATCH_END : MATCH_EXACT, text, length);
}

static int compile_path(struct pattern *pattern, const char *path, struct arq_error *error)
{
	if (!path || strcmp(path, "/*") == 0)
		return 0;

	size_t length = strlen(path);
	bool prefix = length >= 2 && strcmp(path + length - 2, "/*") == 0;
	length -= prefix;
	if (path[0] != '/' || memchr(path, '*', length) || strpbrk(path, "?# "))
		return arq_error_set(error, -EINVAL,
				     "path \"%s\" of a route: write a path, as /ping, or all "
				     "below one, as /v1/*",
				     path);
	return pattern_set(pattern, prefix ? MATCH_BEGIN : MATCH_EXACT, path, length);
}

int arq_route_table_create(const struct arq_route_rule *rules, size_t count,
			   struct arq_route_table **table, struct arq_error *error)
{
	if (count > INT_MAX)
		return arq_error_set(error, -EINVAL, "too many routes");
	struct arq_route_table *made = calloc(1, sizeof(*made) + count * sizeof(made->routes[0]));
	if (!made)
		return arq_error_set(error, -ENOMEM, "routes: out of memory");

	made->count = count;
	for (size_t i = 0; i < count; i++) {
		int code = compile_host(&made->routes[i].host, rules[i].host, error);
		if (code == 0)
			code = compile_path(&made->routes[i].path, rules[i].path, error);
		if (code != 0) {
			arq_route_table_destroy(made);
			return arq_error_set(error, code, "routes: out of memory");
		}
	}
	*table = made;
	return 0;
}

void arq_route_table_destroy(struct arq_route_table *table)
{
	if (!table)
		return;
	for (size_t i = 0; i < table->count; i++) {
		free(table->routes[i].host.text);
		free(table->routes[i].path.text);
	}
	free(table);
}

/* Cuts the port and one final dot; the brackets of an IPv6 address stay, as in the rule. */
static size_t host_length(const char *authority, size_t length)
{
	if (length && authority[0] == '[') {
		const char *bracket = memchr(authority, ']', length);
		return bracket ? (size_t)(bracket - authority) + 1 : length;
	}
	const char *colon = memchr(authority, ':', length);
	if (colon)
		length = (size_t)(colon - authority);
	if (length && authority[length - 1] == '.')
		length--;
	return length;
}

static bool host_matches(const struct pattern *pattern, const char *host, size_t length)
{
	switch (pattern->match) {
	case MATCH_ANY:
		return true;
	case MATCH_EXACT:
		return length == pattern->length && strncasecmp(host, pattern->text, length) == 0;
	case MATCH_END:
		/* At least one character must stand before the dot. */
		return length > pattern->length && strncasecmp(host + length - pattern->length,
							       pattern->text, pattern->length) == 0;
	default:
		return false;
	}
}

static bool path_matches(const struct pattern *pattern, const char *path, size_t length)
{
	switch (pattern->match) {
	case MATCH_ANY:
		return true;
	case MATCH_EXACT:
		return length == pattern->length && memcmp(path, pattern->text, length) == 0;
	case MATCH_BEGIN:
		return length >= pattern->length &&
		       memcmp(path, pattern->text, pattern->length) == 0;
	default:
		return false;
	}
}

int arq_route_table_find(const struct arq_route_table *table, const char *authority,
			 size_t authority_length, const char *path, size_t path_length)
{
	size_t host = host_length(authority, authority_length);
	const char *query = path_length ? memchr(path, '?', path_length) : NULL;
	if (query)
		path_length = (size_t)(query - path);

	for (size_t i = 0; i < table->count; i++) {
		if (host_matches(&table->routes[i].host, authority, host) &&
		    path_matches(&table->routes[i].path, path, path_length))
			return (int)i;
	}
	return -1;
}
