// SPDX-License-Identifier: BSD-2-Clause
#include "userspace/proxy/route.h"

#include <errno.h>
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
	const char *text; /* borrowed; not terminated in meaning: `length` counts */
	size_t length;
};

struct route {
	struct pattern host;
	struct pattern path;
	const struct arq_config_route *config;
};

struct arq_route_table {
	size_t count;
	struct route routes[];
};

static struct pattern compile_host(const char *host)
{
	if (!host || strcmp(host, "*") == 0)
		return (struct pattern){.match = MATCH_ANY};

	bool wildcard = strncmp(host, "*.", 2) == 0;
	const char *text = host + wildcard;
	size_t length = strlen(text);
	if (length && text[length - 1] == '.')
		length--;
	return (struct pattern){wildcard ? MATCH_END : MATCH_EXACT, text, length};
}

static struct pattern compile_path(const char *path, bool prefix)
{
	/* Any path at all: also that of OPTIONS, an asterisk. */
	if (!path || (prefix && strcmp(path, "/") == 0))
		return (struct pattern){.match = MATCH_ANY};
	return (struct pattern){prefix ? MATCH_BEGIN : MATCH_EXACT, path, strlen(path)};
}

int arq_route_table_create(const struct arq_config_route *routes, size_t count,
			   struct arq_route_table **table)
{
	struct arq_route_table *made = malloc(sizeof(*made) + count * sizeof(made->routes[0]));
	if (!made)
		return -ENOMEM;
	made->count = count;
	for (size_t i = 0; i < count; i++)
		made->routes[i] = (struct route){
			.host = compile_host(routes[i].host),
			.path = compile_path(routes[i].path, routes[i].path_is_prefix),
			.config = &routes[i],
		};
	*table = made;
	return 0;
}

void arq_route_table_destroy(struct arq_route_table *table)
{
	free(table);
}

/* Cuts the port and one final dot; the brackets of an IPv6 address stay, as in the rule. */
static size_t host_length(const char *authority, size_t length)
{
	if (length == 0)
		return 0;
	if (authority[0] == '[') {
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

const struct arq_config_route *arq_route_table_find(const struct arq_route_table *table,
						    const char *authority, size_t authority_length,
						    const char *path, size_t path_length)
{
	size_t host = host_length(authority, authority_length);
	const char *query = path_length ? memchr(path, '?', path_length) : NULL;
	if (query)
		path_length = (size_t)(query - path);

	for (size_t i = 0; i < table->count; i++) {
		const struct route *route = &table->routes[i];
		if (host_matches(&route->host, authority, host) &&
		    path_matches(&route->path, path, path_length))
			return route->config;
	}
	return NULL;
}
