// SPDX-License-Identifier: BSD-2-Clause
#include "userspace/common/config_check.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define CONTENT_TYPE_DEFAULT "text/plain; charset=utf-8"

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
static int check_route_host(const struct arq_config_check *check, uint32_t i)
{
	struct arq_config_route *route = &check->config->gateway.routes[i];
	struct arq_field field = arq_field("gateway.routes[%u].host", i);

	if (!route->host)
		return 0;
	if (strcmp(route->host, "*") == 0) {
		free(route->host);
		route->host = NULL;
		return 0;
	}

	size_t length = strlen(route->host);
	if (length > 1 && route->host[length - 1] == '.')
		route->host[length - 1] = '\0';
	for (char *c = route->host; *c; c++)
		*c = (char)(isascii(*c) ? tolower(*c) : *c);
	const char *name = route->host + (strncmp(route->host, "*.", 2) == 0 ? 2 : 0);
	if (arq_config_is_host(name) || is_bracketed_ipv6(route->host))
		return 0;
	return arq_document_fail(check->document, check->error, field,
				 "'%s' is no host; write www.example.com or \"*.example.com\", "
				 "without scheme and port",
				 route->host);
}

/* Cuts the final '*' of a prefix off. */
static int check_route_path(const struct arq_config_check *check, uint32_t i)
{
	struct arq_config_route *route = &check->config->gateway.routes[i];
	struct arq_field field = arq_field("gateway.routes[%u].path", i);
	char *path = route->path;

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
		if (*c == '*' && c[1])
			return arq_document_fail(check->document, check->error, field,
						 "'%.60s' has a '*' that is not at its end; only "
						 "prefixes such as /v1/* are matched",
						 path);
	}
	size_t length = strlen(path);
	route->path_is_prefix = path[length - 1] == '*';
	if (route->path_is_prefix)
		path[length - 1] = '\0';
	return 0;
}

static bool same_text(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

static int check_route_reached(const struct arq_config_check *check, uint32_t i)
{
	const struct arq_config_route *routes = check->config->gateway.routes;

	for (uint32_t j = 0; j < i; j++) {
		if (same_text(routes[j].host, routes[i].host) &&
		    same_text(routes[j].path, routes[i].path) &&
		    routes[j].path_is_prefix == routes[i].path_is_prefix)
			return arq_document_fail(check->document, check->error,
						 arq_field("gateway.routes[%u]", i),
						 "matches the same as gateway.routes[%u], which "
						 "comes first; remove one",
						 j);
	}
	return 0;
}

static int check_route_pool(const struct arq_config_check *check, uint32_t i)
{
	const struct arq_config_gateway *gateway = &check->config->gateway;
	struct arq_config_route *route = &check->config->gateway.routes[i];

	for (uint32_t j = 0; j < gateway->pools_count; j++) {
		if (strcmp(gateway->pools[j].name, route->pool_name) == 0) {
			route->pool = &gateway->pools[j];
			return 0;
		}
	}
	return arq_document_fail(
		check->document, check->error, arq_field("gateway.routes[%u].pool", i),
		"there is no pool '%s'; define it under gateway.pools", route->pool_name);
}

static int check_route_respond(const struct arq_config_check *check, uint32_t i)
{
	struct arq_config_response *respond = check->config->gateway.routes[i].respond;
	struct arq_field type = arq_field("gateway.routes[%u].respond.content_type", i);

	if (respond->status < 200 || respond->status > 599)
		return arq_document_fail(check->document, check->error,
					 arq_field("gateway.routes[%u].respond.status", i),
					 "%u is no final status; write a number from 200 to 599",
					 respond->status);
	/* RFC 9110, sections 15.3.5, 15.3.6 and 15.4.5: these have no content. */
	if ((respond->status == 204 || respond->status == 205 || respond->status == 304) &&
	    respond->body && respond->body[0])
		return arq_document_fail(check->document, check->error,
					 arq_field("gateway.routes[%u].respond.body", i),
					 "a response with status %u has no body; remove it",
					 respond->status);
	for (const char *c = respond->content_type; c && *c; c++) {
		if (*c < ' ' || *c >= 0x7f || (*c == ' ' && (c == respond->content_type || !c[1])))
			return arq_document_fail(check->document, check->error, type,
						 "cannot be a header's value; write it as "
						 "text/plain");
	}
	int code = arq_config_set_default(check, &respond->body, "");
	return code ? code
		    : arq_config_set_default(check, &respond->content_type, CONTENT_TYPE_DEFAULT);
}

int arq_config_check_route(const struct arq_config_check *check, uint32_t i)
{
	struct arq_config_route *route = &check->config->gateway.routes[i];
	struct arq_field field = arq_field("gateway.routes[%u]", i);

	int code = check_route_host(check, i);
	if (!code)
		code = check_route_path(check, i);
	if (!code)
		code = check_route_reached(check, i);
	if (code)
		return code;
	if (route->pool_name && route->respond)
		return arq_document_fail(check->document, check->error, field,
					 "has both 'pool' and 'respond'; keep one");
	if (!route->pool_name && !route->respond)
		return arq_document_fail(check->document, check->error, field,
					 "has neither 'pool' nor 'respond'; add one");
	return route->pool_name ? check_route_pool(check, i) : check_route_respond(check, i);
}
