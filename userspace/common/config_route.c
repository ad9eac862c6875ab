// SPDX-License-Identifier: BSD-2-Clause
#include "userspace/common/config_check.h"
#include "userspace/common/regex.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* --- hosts and paths -------------------------------------------------------------------------- */

static bool is_bracketed_ipv6(const char *text)
{
	struct in6_addr ignored;
	char host[INET6_ADDRSTRLEN];
	size_t length = strlen(text);

	if (length < 3 || length - 2 >= sizeof(host) || text[0] != '[' || text[length - 1] != ']')
		return false;
	memcpy(host, text + 1, length - 2);
	host[length - 2] = '\0';
	return inet_pton(AF_INET6, host, &ignored) == 1;
}

/* Lower case, without the final dot; "*" alone becomes NULL, any host. */
static int check_host(const struct arq_config_check *check, struct arq_field field, char **host)
{
	if (!*host)
		return 0;
	if (strcmp(*host, "*") == 0) {
		free(*host);
		*host = NULL;
		return 0;
	}

	size_t length = strlen(*host);
	if (length > 1 && (*host)[length - 1] == '.')
		(*host)[length - 1] = '\0';
	arq_config_to_lower(*host);
	const char *name = *host + (strncmp(*host, "*.", 2) == 0 ? 2 : 0);
	if (arq_config_is_host(name) || is_bracketed_ipv6(*host))
		return 0;
	return arq_document_fail(check->document, check->error, field,
				 "'%s' is no host; write www.example.com or \"*.example.com\", "
				 "without scheme and port",
				 *host);
}

int arq_config_check_path(const struct arq_config_check *check, struct arq_field field,
			  const char *path)
{
	if (!path)
		return 0;
	if (path[0] != '/')
		return arq_document_fail(check->document, check->error, field,
					 "'%.60s' does not begin with '/'; write it as /ping or "
					 "/v1/*",
					 path);
	for (const char *c = path; *c; c++) {
		if (*c <= ' ' || !isascii(*c) || *c == 0x7f || *c == '?' || *c == '#')
			return arq_document_fail(check->document, check->error, field,
						 "'%.60s' cannot be a path; leave out blanks, '?' "
						 "and '#', and percent-encode what is not ASCII",
						 path);
	}
	return 0;
}

/* Cuts the final '*' of a prefix off. */
static int check_route_path(const struct arq_config_check *check, uint32_t i)
{
	struct arq_config_route *route = &check->config->gateway.routes[i];
	struct arq_field field = arq_field("gateway.routes[%u].path", i);
	char *path = route->path;

	int code = arq_config_check_path(check, field, path);
	if (code || !path)
		return code;
	char *star = strchr(path, '*');
	if (star && star[1])
		return arq_document_fail(check->document, check->error, field,
					 "'%.60s' has a '*' that is not at its end; only "
					 "prefixes such as /v1/* are matched here, see "
					 "'path_regex'",
					 path);
	route->path_is_prefix = star;
	if (star)
		*star = '\0';
	return 0;
}

/* --- regular expressions ---------------------------------------------------------------------- */

int arq_config_check_regex(const struct arq_config_check *check, struct arq_field field,
			   const char *pattern, const char *must_match)
{
	struct arq_error error = {0};
	struct arq_regex *regex;
	int code = 0;

	if (!pattern)
		return 0;
	if (arq_regex_create(pattern, true, &regex, &error) != 0)
		return arq_document_fail(check->document, check->error, field,
					 "is no regular expression of PCRE2: %s; see "
					 "pcre2pattern(3)",
					 error.text);
	struct arq_regex_scratch *scratch = must_match ? arq_regex_scratch_create() : NULL;
	if (scratch &&
	    arq_regex_match(regex, scratch, must_match, strlen(must_match)) == ARQ_REGEX_NO_MATCH)
		code = arq_document_fail(check->document, check->error, field,
					 "does not match '%.60s', the only path that this route "
					 "is for; remove one of them",
					 must_match);
	arq_regex_scratch_destroy(scratch);
	arq_regex_destroy(regex);
	return code;
}

/* --- other conditions ------------------------------------------------------------------------- */

static int check_listeners(const struct arq_config_check *check, uint32_t i)
{
	const struct arq_config_gateway *gateway = &check->config->gateway;
	struct arq_config_route *route = &check->config->gateway.routes[i];

	route->listeners_mask = route->listeners_count ? 0 : UINT64_MAX;
	for (uint32_t j = 0; j < route->listeners_count; j++) {
		uint32_t k = 0;
		while (k < gateway->listeners_count &&
		       strcmp(gateway->listeners[k].name, route->listeners[j]) != 0)
			k++;
		if (k == gateway->listeners_count)
			return arq_document_fail(
				check->document, check->error,
				arq_field("gateway.routes[%u].listeners[%u]", i, j),
				"there is no listener '%s'; define it under gateway.listeners",
				route->listeners[j]);
		route->listeners_mask |= UINT64_C(1) << k;
	}
	return 0;
}

static int check_methods(const struct arq_config_check *check, uint32_t i)
{
	const struct arq_config_route *route = &check->config->gateway.routes[i];

	for (uint32_t j = 0; j < route->methods_count; j++) {
		if (!arq_config_is_token(route->methods[j]))
			return arq_document_fail(check->document, check->error,
						 arq_field("gateway.routes[%u].methods[%u]", i, j),
						 "'%.32s' is no method; write it as GET",
						 route->methods[j]);
	}
	return 0;
}

static int check_match(const struct arq_config_check *check, struct arq_field field,
		       const struct arq_config_condition *match)
{
	if ((match->value != NULL) + (match->prefix != NULL) + (match->regex != NULL) > 1)
		return arq_document_fail(check->document, check->error, field,
					 "has more than one of 'value', 'prefix' and 'regex'; keep "
					 "one");
	return arq_config_check_regex(check, field, match->regex, NULL);
}

static int check_matches(const struct arq_config_check *check, uint32_t i)
{
	const struct arq_config_route *route = &check->config->gateway.routes[i];
	int code = 0;

	for (uint32_t j = 0; !code && j < route->headers_count; j++) {
		struct arq_field field = arq_field("gateway.routes[%u].headers[%u]", i, j);
		code = arq_config_check_header_name(check, field, route->headers[j].name);
		if (!code && strcmp(route->headers[j].name, "host") == 0)
			code = arq_document_fail(check->document, check->error, field,
						 "is the authority in HTTP/3; use the route's "
						 "'host'");
		if (!code)
			code = check_match(check, field, &route->headers[j]);
	}
	for (uint32_t j = 0; !code && j < route->query_count; j++)
		code = check_match(check, arq_field("gateway.routes[%u].query[%u]", i, j),
				   &route->query[j]);
	return code;
}

/* --- routes that nothing reaches -------------------------------------------------------------- */

static bool same_text(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

static bool ends_with(const char *text, const char *end)
{
	size_t length = strlen(text), end_length = strlen(end);
	return length > end_length && strcmp(text + length - end_length, end) == 0;
}

/* Whether every host that `b` stands for is one of `a`. */
static bool host_covers(const char *a, const char *b)
{
	if (!a)
		return true;
	if (!b)
		return false;
	return strcmp(a, b) == 0 || (a[0] == '*' && ends_with(b, a + 1));
}

static bool path_covers(const struct arq_config_route *a, const struct arq_config_route *b)
{
	if (a->path_regex && !same_text(a->path_regex, b->path_regex))
		return false;
	if (!a->path || (a->path_is_prefix && strcmp(a->path, "/") == 0))
		return true;
	if (!b->path)
		return false;
	return a->path_is_prefix ? strncmp(a->path, b->path, strlen(a->path)) == 0
				 : !b->path_is_prefix && strcmp(a->path, b->path) == 0;
}

static bool methods_cover(const struct arq_config_route *a, const struct arq_config_route *b)
{
	if (a->methods_count == 0)
		return true;
	for (uint32_t i = 0; i < b->methods_count; i++) {
		uint32_t j = 0;
		while (j < a->methods_count && strcmp(a->methods[j], b->methods[i]) != 0)
			j++;
		if (j == a->methods_count)
			return false;
	}
	return b->methods_count > 0;
}

/* Each of a's conditions must be one of b's, or ask less than one of them. */
static bool matches_cover(const struct arq_config_condition *a, uint32_t a_count,
			  const struct arq_config_condition *b, uint32_t b_count)
{
	for (uint32_t i = 0; i < a_count; i++) {
		bool any = !a[i].value && !a[i].prefix && !a[i].regex;
		uint32_t j = 0;
		while (j < b_count && !(strcmp(a[i].name, b[j].name) == 0 &&
					(any || (same_text(a[i].value, b[j].value) &&
						 same_text(a[i].prefix, b[j].prefix) &&
						 same_text(a[i].regex, b[j].regex)))))
			j++;
		if (j == b_count)
			return false;
	}
	return true;
}

static bool covers(const struct arq_config_route *a, const struct arq_config_route *b)
{
	return same_text(a->alpn, b->alpn) && host_covers(a->host, b->host) && path_covers(a, b) &&
	       (b->listeners_mask & ~a->listeners_mask) == 0 &&
	       host_covers(a->server_name, b->server_name) && methods_cover(a, b) &&
	       matches_cover(a->headers, a->headers_count, b->headers, b->headers_count) &&
	       matches_cover(a->query, a->query_count, b->query, b->query_count);
}

static int check_reached(const struct arq_config_check *check, uint32_t i)
{
	const struct arq_config_route *routes = check->config->gateway.routes;

	for (uint32_t j = 0; j < i; j++) {
		if (covers(&routes[j], &routes[i]))
			return arq_document_fail(check->document, check->error,
						 arq_field("gateway.routes[%u]", i),
						 "is never reached: gateway.routes[%u] comes first "
						 "and takes all of its %s; put this one "
						 "before it, or remove it",
						 j, routes[i].alpn ? "streams" : "requests");
	}
	return 0;
}

/* Who did not name it knows it by what it is for. Before the host becomes lower case and the path
 * loses its asterisk. */
static int name_route(const struct arq_config_check *check, uint32_t i)
{
	struct arq_config_route *route = &check->config->gateway.routes[i];

	if (route->name)
		return arq_config_check_name(check, arq_field("gateway.routes[%u].name", i),
					     route->name);
	const char *path = route->path_regex ? route->path_regex : route->path;
	if (asprintf(&route->name, "%s%s%s", route->host ? route->host : "",
		     route->path_regex ? "~" : "", path ? path : "/*") < 0) {
		route->name = NULL;
		return arq_config_no_memory(check);
	}
	return 0;
}

int arq_config_check_route(const struct arq_config_check *check, uint32_t i)
{
	struct arq_config_route *route = &check->config->gateway.routes[i];

	int code = name_route(check, i);
	if (!code)
		code = check_host(check, arq_field("gateway.routes[%u].host", i), &route->host);
	if (!code)
		code = check_host(check, arq_field("gateway.routes[%u].server_name", i),
				  &route->server_name);
	if (!code)
		code = check_route_path(check, i);
	if (!code)
		code = arq_config_check_regex(check, arq_field("gateway.routes[%u].path_regex", i),
					      route->path_regex,
					      route->path_is_prefix ? NULL : route->path);
	if (!code)
		code = check_listeners(check, i);
	if (!code)
		code = check_methods(check, i);
	if (!code)
		code = check_matches(check, i);
	if (!code)
		code = check_reached(check, i);
	if (!code)
		code = arq_config_check_route_action(check, i);
	return code ? code : arq_config_check_route_alpn(check, i);
}
