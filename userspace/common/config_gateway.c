// SPDX-License-Identifier: BSD-2-Clause
#include "userspace/common/config_check.h"

#include <arpa/inet.h>
#include <arquant/program.h>
#include <arquant/service.h>
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SECOND 1000000000ull

/* What a small machine serves; each open connection costs memory. */
#define CONNECTIONS_DEFAULT 10000
#define CONNECTIONS_MAX     10000000

/* What common servers take; under 1 KiB ordinary browsers fail. */
#define HEADER_SIZE_DEFAULT 16384
#define HEADER_SIZE_MIN     1024
#define HEADER_SIZE_MAX     (1u << 20)

/* Under a second a connection would die of one lost packet; an hour of silence is enough. */
#define IDLE_DEFAULT (30 * SECOND)
#define IDLE_MIN     SECOND
#define IDLE_MAX     (3600 * SECOND)

#define DRAIN_DEFAULT (10 * SECOND)
#define DRAIN_MAX     (3600 * SECOND)

#define CONTENT_TYPE_DEFAULT "text/plain; charset=utf-8"

#define HOST_LABEL_MAX 63 /* RFC 1035, section 2.3.4 */

/* --- values ----------------------------------------------------------------------------------- */

static int set_default(const struct arq_config_check *check, char **text, const char *absent)
{
	if (*text)
		return 0;
	*text = strdup(absent);
	return *text ? 0 : arq_config_no_memory(check);
}

static int parse_address(const struct arq_config_check *check, struct arq_field field,
			 const char *text, union arq_address *address)
{
	if (arq_address_parse(address, text) == 0)
		return 0;
	return arq_document_fail(check->document, check->error, field,
				 "'%s' is no address with port; write it as 192.0.2.1:443 or "
				 "\"[2001:db8::1]:443\"",
				 text);
}

/* An absent text (NULL) stands for the default. */
static int check_duration(const struct arq_config_check *check, struct arq_field field,
			  const char *text, uint64_t *duration, uint64_t min, uint64_t max)
{
	if (!text)
		return 0;
	int code = arq_duration_parse(text, duration);
	if (code == -EINVAL)
		return arq_document_fail(check->document, check->error, field,
					 "'%s' is no duration; write a number and us, ms, s, m or "
					 "h, as 30s",
					 text);
	if (code || *duration < min || *duration > max)
		return arq_document_fail(check->document, check->error, field,
					 "%s is out of range; write %llus to %llus", text,
					 (unsigned long long)(min / SECOND),
					 (unsigned long long)(max / SECOND));
	return 0;
}

/* Letters, digits, '-' and '_' in labels of 1 to 63: what DNS names of hosts look like. */
static bool is_host(const char *text)
{
	while (*text) {
		size_t label = 0;
		while (isascii(text[label]) &&
		       (isalnum(text[label]) || text[label] == '-' || text[label] == '_'))
			label++;
		if (label == 0 || label > HOST_LABEL_MAX)
			return false;
		text += label;
		if (*text == '\0')
			return true;
		if (*text++ != '.')
			return false;
	}
	return false;
}

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

static int check_server_name(const struct arq_config_check *check, struct arq_field field,
			     const char *name)
{
	if (!name || is_host(name))
		return 0;
	return arq_document_fail(check->document, check->error, field,
				 "'%s' is no host name; write it as www.example.com", name);
}

/* --- listeners -------------------------------------------------------------------------------- */

/* An interface that the file configures must carry the redirect; others are loaded elsewhere. */
static int check_listener_interface(const struct arq_config_check *check, uint32_t i)
{
	const struct arq_config *config = check->config;
	const char *name = config->gateway.listeners[i].interface;
	struct arq_field field = arq_field("gateway.listeners[%u].interface", i);

	if (!name || config->interfaces_count == 0)
		return 0;
	for (uint32_t j = 0; j < config->interfaces_count; j++) {
		if (strcmp(config->interfaces[j].name, name) != 0)
			continue;
		if (config->interfaces[j].programs & 1u << ARQ_PROGRAM_REDIRECT)
			return 0;
		return arq_document_fail(check->document, check->error, field,
					 "interfaces[%u], '%s', has no redirect; add it to its "
					 "programs",
					 j, name);
	}
	return arq_document_fail(check->document, check->error, field,
				 "there is no interface '%s'; add it under interfaces", name);
}

static int check_listener_io(const struct arq_config_check *check, uint32_t i)
{
	const struct arq_config_listener *listener = &check->config->gateway.listeners[i];
	struct arq_field interface = arq_field("gateway.listeners[%u].interface", i);
	struct arq_field copy_mode = arq_field("gateway.listeners[%u].copy_mode", i);

	if (listener->io != ARQ_CONFIG_IO_UDP)
		return check_listener_interface(check, i);
	if (listener->interface)
		return arq_document_fail(check->document, check->error, interface,
					 "means nothing with 'io: udp'; remove it");
	if (arq_document_has(check->document, copy_mode))
		return arq_document_fail(check->document, check->error, copy_mode,
					 "means nothing with 'io: udp'; remove it");
	return 0;
}

static int check_listener_unique(const struct arq_config_check *check, uint32_t i)
{
	const struct arq_config_listener *listeners = check->config->gateway.listeners;

	for (uint32_t j = 0; j < i; j++) {
		if (strcmp(listeners[j].name, listeners[i].name) == 0)
			return arq_document_fail(check->document, check->error,
						 arq_field("gateway.listeners[%u].name", i),
						 "'%s' is the name of gateway.listeners[%u] "
						 "already; choose another",
						 listeners[i].name, j);
		if (arq_address_equal(&listeners[j].address, &listeners[i].address))
			return arq_document_fail(check->document, check->error,
						 arq_field("gateway.listeners[%u].address", i),
						 "%s is the address of gateway.listeners[%u] "
						 "already; choose another or add the certificates "
						 "there",
						 listeners[i].address_text, j);
	}
	return 0;
}

static int check_listener(const struct arq_config_check *check, uint32_t i)
{
	struct arq_config_listener *listener = &check->config->gateway.listeners[i];

	int code = arq_config_check_name(check, arq_field("gateway.listeners[%u].name", i),
					 listener->name);
	if (!code)
		code = parse_address(check, arq_field("gateway.listeners[%u].address", i),
				     listener->address_text, &listener->address);
	if (!code)
		code = check_listener_unique(check, i);
	if (!code)
		code = check_listener_io(check, i);
	for (uint32_t j = 0; !code && j < listener->certificates_count; j++) {
		code = arq_config_resolve(check, &listener->certificates[j].certificate);
		if (!code)
			code = arq_config_resolve(check, &listener->certificates[j].key);
	}
	return code;
}

/* --- pools ------------------------------------------------------------------------------------ */

static int check_target(const struct arq_config_check *check, uint32_t i, uint32_t j)
{
	struct arq_config_pool *pool = &check->config->gateway.pools[i];
	struct arq_config_target *target = &pool->targets[j];
	struct arq_field field = arq_field("gateway.pools[%u].targets[%u].address", i, j);

	int code = parse_address(check, field, target->address_text, &target->address);
	if (code)
		return code;
	if (arq_address_is_any(&target->address))
		return arq_document_fail(check->document, check->error, field,
					 "%s is no address to connect to; write the backend's own",
					 target->address_text);
	for (uint32_t k = 0; k < j; k++) {
		if (arq_address_equal(&pool->targets[k].address, &target->address))
			return arq_document_fail(check->document, check->error, field,
						 "%s is target %u of this pool already; remove one",
						 target->address_text, k);
	}
	code = check_server_name(check,
				 arq_field("gateway.pools[%u].targets[%u].server_name", i, j),
				 target->server_name);
	if (!code && pool->tls.server_name)
		code = set_default(check, &target->server_name, pool->tls.server_name);
	return code;
}

static int check_pool_tls(const struct arq_config_check *check, uint32_t i)
{
	struct arq_config_tls *tls = &check->config->gateway.pools[i].tls;
	struct arq_field ca = arq_field("gateway.pools[%u].tls.ca", i);

	if (!arq_document_has(check->document, arq_field("gateway.pools[%u].tls.verify", i)))
		tls->verify = true;
	if (tls->ca && !tls->verify)
		return arq_document_fail(check->document, check->error, ca,
					 "means nothing with 'verify: false'; remove one of them");
	int code = check_server_name(check, arq_field("gateway.pools[%u].tls.server_name", i),
				     tls->server_name);
	return code ? code : arq_config_resolve(check, &tls->ca);
}

static int check_pool(const struct arq_config_check *check, uint32_t i)
{
	struct arq_config_pool *pools = check->config->gateway.pools;
	struct arq_field name = arq_field("gateway.pools[%u].name", i);

	int code = arq_config_check_name(check, name, pools[i].name);
	if (code)
		return code;
	for (uint32_t j = 0; j < i; j++) {
		if (strcmp(pools[j].name, pools[i].name) == 0)
			return arq_document_fail(check->document, check->error, name,
						 "'%s' is the name of gateway.pools[%u] already; "
						 "choose another",
						 pools[i].name, j);
	}
	code = check_pool_tls(check, i);
	for (uint32_t j = 0; !code && j < pools[i].targets_count; j++)
		code = check_target(check, i, j);
	return code;
}

/* --- routes ----------------------------------------------------------------------------------- */

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
	if (is_host(name) || is_bracketed_ipv6(route->host))
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
	int code = set_default(check, &respond->body, "");
	return code ? code : set_default(check, &respond->content_type, CONTENT_TYPE_DEFAULT);
}

static int check_route(const struct arq_config_check *check, uint32_t i)
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

/* --- the rest --------------------------------------------------------------------------------- */

static int check_limits(const struct arq_config_check *check)
{
	struct arq_config_limits *limits = &check->config->gateway.limits;

	limits->idle_timeout_ns = IDLE_DEFAULT;
	limits->drain_timeout_ns = DRAIN_DEFAULT;
	int code = arq_config_check_number(check, arq_field("gateway.limits.max_connections"),
					   &limits->max_connections, CONNECTIONS_DEFAULT, 1,
					   CONNECTIONS_MAX);
	if (!code)
		code = arq_config_check_number(check, arq_field("gateway.limits.header_size"),
					       &limits->header_size, HEADER_SIZE_DEFAULT,
					       HEADER_SIZE_MIN, HEADER_SIZE_MAX);
	if (!code)
		code = check_duration(check, arq_field("gateway.limits.idle_timeout"),
				      limits->idle_timeout_text, &limits->idle_timeout_ns, IDLE_MIN,
				      IDLE_MAX);
	if (!code)
		code = check_duration(check, arq_field("gateway.limits.drain_timeout"),
				      limits->drain_timeout_text, &limits->drain_timeout_ns, 0,
				      DRAIN_MAX);
	return code;
}

static int check_general(const struct arq_config_check *check)
{
	struct arq_config_gateway *gateway = &check->config->gateway;

	int code = arq_config_check_number(check, arq_field("gateway.workers"), &gateway->workers,
					   1, 1, ARQ_QUEUES_MAX);
	if (!code && gateway->user)
		code = arq_config_check_name(check, arq_field("gateway.user"), gateway->user);
	if (!code)
		code = arq_config_resolve(check, &gateway->static_secret_file);
	return code ? code : check_limits(check);
}

int arq_config_check_gateway(const struct arq_config_check *check)
{
	const struct arq_config_gateway *gateway = &check->config->gateway;

	int code = check_general(check);
	for (uint32_t i = 0; !code && i < gateway->listeners_count; i++)
		code = check_listener(check, i);
	for (uint32_t i = 0; !code && i < gateway->pools_count; i++)
		code = check_pool(check, i);
	for (uint32_t i = 0; !code && i < gateway->routes_count; i++)
		code = check_route(check, i);
	return code;
}
