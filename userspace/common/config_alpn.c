// SPDX-License-Identifier: BSD-2-Clause
/* Protocols other than HTTP/3: what listeners offer, and where raw streams go. */
#include "userspace/common/config_check.h"

#include <stdlib.h>
#include <string.h>

#define H3 "h3"

/* "Internal error" of DNS over QUIC (RFC 9250, section 4.3), and a failure wherever 0 is none. */
#define RESET_CODE_DEFAULT 1
#define RESET_CODE_MAX     UINT32_MAX

bool arq_config_is_h3(const char *alpn)
{
	return strcmp(alpn, H3) == 0;
}

/* --- listeners -------------------------------------------------------------------------------- */

/* Without the key: HTTP/3. */
static int set_default(const struct arq_config_check *check, struct arq_config_listener *listener)
{
	listener->alpn = calloc(1, sizeof(*listener->alpn));
	if (!listener->alpn)
		return arq_config_no_memory(check);
	listener->alpn_count = 1;
	return arq_config_set_default(check, &listener->alpn[0], H3);
}

int arq_config_check_listener_alpn(const struct arq_config_check *check, uint32_t i)
{
	struct arq_config_listener *listener = &check->config->gateway.listeners[i];

	if (listener->alpn_count == 0)
		return set_default(check, listener);
	for (uint32_t j = 0; j < listener->alpn_count; j++) {
		if (listener->early_data && !arq_config_is_h3(listener->alpn[j]))
			return arq_document_fail(
				check->document, check->error,
				arq_field("gateway.listeners[%u].early_data", i),
				"does not go with alpn '%.32s': nothing tells targets which raw "
				"streams can be repeated by others; remove one of them",
				listener->alpn[j]);
		for (uint32_t k = 0; k < j; k++) {
			if (strcmp(listener->alpn[k], listener->alpn[j]) == 0)
				return arq_document_fail(
					check->document, check->error,
					arq_field("gateway.listeners[%u].alpn[%u]", i, j),
					"is there twice; remove one");
		}
	}
	return 0;
}

static bool offers(const struct arq_config_listener *listener, const char *alpn)
{
	for (uint32_t j = 0; j < listener->alpn_count; j++) {
		if (strcmp(listener->alpn[j], alpn) == 0)
			return true;
	}
	return false;
}

/* --- pools ------------------------------------------------------------------------------------ */

static int only_raw(const struct arq_config_check *check, struct arq_field field)
{
	if (!arq_document_has(check->document, field))
		return 0;
	return arq_document_fail(check->document, check->error, field,
				 "is for raw streams, and this pool has requests of HTTP/3; add "
				 "the targets' 'alpn', or remove this");
}

static int not_raw(const struct arq_config_check *check, struct arq_field field, const char *alpn)
{
	if (!arq_document_has(check->document, field))
		return 0;
	return arq_document_fail(check->document, check->error, field,
				 "is for requests of HTTP/3, and this pool has raw streams of "
				 "'%.32s'; remove it",
				 alpn);
}

/* What is said of requests and their responses. */
static int check_raw_pool(const struct arq_config_check *check, uint32_t i)
{
	static const char *const keys[] = {"health.path",    "timeouts.try",   "timeouts.response",
					   "timeouts.stall", "retries.budget", "retries.min"};
	struct arq_config_pool *pool = &check->config->gateway.pools[i];
	struct arq_field hash = arq_field("gateway.pools[%u].hash", i);
	int code = 0;

	for (size_t k = 0; !code && k < sizeof(keys) / sizeof(keys[0]); k++)
		code = not_raw(check, arq_field("gateway.pools[%u].%s", i, keys[k]), pool->alpn);
	if (!code && pool->hash && strcmp(pool->hash, "client") != 0)
		code = arq_document_fail(check->document, check->error, hash,
					 "can only be client: raw streams have no headers");
	if (!code && pool->forward == ARQ_CONFIG_FORWARD_CONNECTIONS)
		code = arq_document_has(check->document,
					arq_field("gateway.pools[%u].connections.streams", i))
			       ? arq_document_fail(
					 check->document, check->error,
					 arq_field("gateway.pools[%u].connections.streams", i),
					 "means nothing with 'forward: connections', where a "
					 "client "
					 "has one of its own; remove it")
			       : 0;
	return code ? code
		    : arq_config_check_number(check, arq_field("gateway.pools[%u].reset_code", i),
					      &pool->reset_code, RESET_CODE_DEFAULT, 0,
					      RESET_CODE_MAX);
}

int arq_config_check_pool_alpn(const struct arq_config_check *check, uint32_t i)
{
	struct arq_config_pool *pool = &check->config->gateway.pools[i];

	int code = arq_config_set_default(check, &pool->alpn, H3);
	if (code)
		return code;
	if (!arq_config_is_h3(pool->alpn))
		return check_raw_pool(check, i);
	code = only_raw(check, arq_field("gateway.pools[%u].forward", i));
	return code ? code : only_raw(check, arq_field("gateway.pools[%u].reset_code", i));
}

/* --- routes ----------------------------------------------------------------------------------- */

static int check_pool_of_route(const struct arq_config_check *check, struct arq_field field,
			       const struct arq_config_route *route,
			       const struct arq_config_pool *pool)
{
	bool raw = !arq_config_is_h3(pool->alpn);

	if (raw == (route->alpn != NULL))
		return 0;
	if (raw)
		return arq_document_fail(check->document, check->error, field,
					 "'%s' has raw streams of '%.32s', and this route takes "
					 "requests of HTTP/3; add 'alpn' to the route, or choose "
					 "another pool",
					 pool->name, pool->alpn);
	return arq_document_fail(check->document, check->error, field,
				 "'%s' has requests of HTTP/3, and this route takes raw streams; "
				 "add the targets' 'alpn' to the pool, or choose another",
				 pool->name);
}

static int check_pools_of_route(const struct arq_config_check *check, uint32_t i)
{
	const struct arq_config_route *route = &check->config->gateway.routes[i];
	int code = 0;

	if (route->pool)
		code = check_pool_of_route(check, arq_field("gateway.routes[%u].pool", i), route,
					   route->pool);
	for (uint32_t j = 0; !code && j < route->split_count; j++)
		code = check_pool_of_route(check,
					   arq_field("gateway.routes[%u].split[%u].pool", i, j),
					   route, route->split[j].pool);
	return code;
}

/* Some listener of the route must offer it. */
static int check_offered(const struct arq_config_check *check, uint32_t i)
{
	const struct arq_config_gateway *gateway = &check->config->gateway;
	const struct arq_config_route *route = &gateway->routes[i];

	for (uint32_t k = 0; k < gateway->listeners_count; k++) {
		if (route->listeners_mask >> k & 1 && offers(&gateway->listeners[k], route->alpn))
			return 0;
	}
	return arq_document_fail(check->document, check->error,
				 arq_field("gateway.routes[%u].alpn", i),
				 "'%.32s' is offered by no listener of this route; add it to a "
				 "listener's 'alpn'",
				 route->alpn);
}

int arq_config_check_route_alpn(const struct arq_config_check *check, uint32_t i)
{
	static const char *const keys[] = {
		"host",
		"path",
		"path_regex",
		"methods",
		"headers",
		"query",
		"respond",
		"redirect",
		"rewrite",
		"request_headers",
		"response_headers",
		"timeouts",
		"retries",
		"early_data",
		"limits",
	};
	const struct arq_config_route *route = &check->config->gateway.routes[i];
	int code = check_pools_of_route(check, i);

	if (code || !route->alpn)
		return code;
	if (arq_config_is_h3(route->alpn))
		return arq_document_fail(check->document, check->error,
					 arq_field("gateway.routes[%u].alpn", i),
					 "is for raw streams; without it a route takes requests of "
					 "HTTP/3");
	for (size_t k = 0; k < sizeof(keys) / sizeof(keys[0]); k++) {
		struct arq_field field = arq_field("gateway.routes[%u].%s", i, keys[k]);
		if (arq_document_has(check->document, field))
			return arq_document_fail(check->document, check->error, field,
						 "is for requests of HTTP/3, and this route takes "
						 "raw streams; remove it, or 'alpn'");
	}
	return check_offered(check, i);
}

int arq_config_check_alpns_routed(const struct arq_config_check *check)
{
	const struct arq_config_gateway *gateway = &check->config->gateway;

	for (uint32_t i = 0; i < gateway->listeners_count; i++) {
		const struct arq_config_listener *listener = &gateway->listeners[i];
		for (uint32_t j = 0; j < listener->alpn_count; j++) {
			uint32_t k = 0;
			if (arq_config_is_h3(listener->alpn[j]))
				continue;
			while (k < gateway->routes_count &&
			       !(gateway->routes[k].alpn &&
				 gateway->routes[k].listeners_mask >> i & 1 &&
				 strcmp(gateway->routes[k].alpn, listener->alpn[j]) == 0))
				k++;
			if (k == gateway->routes_count)
				return arq_document_fail(
					check->document, check->error,
					arq_field("gateway.listeners[%u].alpn[%u]", i, j),
					"'%.32s' has no route; add one with 'alpn: %.32s' and a "
					"pool",
					listener->alpn[j], listener->alpn[j]);
		}
	}
	return 0;
}
