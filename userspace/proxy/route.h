/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which route a request takes: the first in file order of which all conditions hold.
 *
 *   listeners    where the client connected to
 *   server_name  what it asked for in its handshake (SNI), as `host`
 *   host         example.com      that host; letter case, a port and a final dot do not matter
 *                *.example.com    every host below it, at any depth, but not example.com itself
 *                none, or *       any host, also none
 *   path         /ping            that path, exactly; what follows a "?" does not matter
 *                /v1/(star)       every path that begins with /v1/ (written with an asterisk)
 *                none, or /(star) any path
 *   path_regex   the whole path, without the query
 *   methods      one of them
 *   headers      each of them has a line that matches
 *   query        each of them has a parameter that matches, compared as written in the URI
 *
 * Routes with `alpn` are for raw streams; of the conditions, these have listeners and server_name.
 *
 * Special routes are therefore written before general ones. Paths are compared byte by byte as the
 * client sent them: no percent-decoding, no dot segments resolved, hence a route chooses a pool but
 * is no access control.
 *
 * Routes are found by host, then by path: hash tables for what is exact, and for prefixes one
 * look-up for each length of prefix that the host has. What is left is looked at one by one: the
 * routes of the same host and path, and those without a path, of which regular expressions cost the
 * most. So a look-up costs as much with 4096 routes as with one, when hosts or paths tell them
 * apart.
 *
 * A table is read-only after it was made: all workers share it without a lock. What a regular
 * expression needs to match is the worker's own.
 */
#ifndef ARQUANT_PROXY_ROUTE_H
#define ARQUANT_PROXY_ROUTE_H

#include "userspace/common/config.h"
#include "userspace/common/error.h"
#include "userspace/common/regex.h"
#include "userspace/http3/http3.h"

#include <stddef.h>
#include <stdint.h>

struct arq_route_table;

struct arq_route {
	const struct arq_config_route *config;
	struct arq_regex *rewrite; /* of `rewrite` or `redirect`; NULL: none */
};

struct arq_route_request {
	const struct arq_h3_request *message;
	const char *server_name; /* "" when there was none */
	uint32_t listener; /* index in the configuration */
};

struct arq_route_match {
	const struct arq_route *route;
	uint32_t steps; /* routes that were looked at one by one */
};

/*
 * Compiles the routes in their order; they are borrowed and must outlive the table. What they say
 * was checked when the configuration was read. Returns 0 and *table, or a negative errno with the
 * reason in `error`.
 */
int arq_route_table_create(const struct arq_config_route *routes, size_t count,
			   struct arq_route_table **table, struct arq_error *error);

/* NULL is allowed. */
void arq_route_table_destroy(struct arq_route_table *table);

/*
 * The first route that matches. Authority and path of the request may be empty. Returns 0 and
 * *match; -ENOENT when no route matches; -EXDEV when on a connection whose server name is the
 * request's host another route would take it that goes by that name; -E2BIG when it depends on a
 * regular expression that gave up: then no route is taken, as the one that was meant is not known.
 */
int arq_route_table_find(const struct arq_route_table *table, struct arq_regex_scratch *scratch,
			 const struct arq_route_request *request, struct arq_route_match *match);

/*
 * The same for raw streams of a connection: of the routes with this `alpn`. NULL when there is
 * none.
 */
const struct arq_route *arq_route_table_find_raw(const struct arq_route_table *table,
						 const char *alpn, const char *server_name,
						 uint32_t listener);

/*
 * The pool for a request of a route with `pool` or `split`. `draw` is any number; numbers that are
 * spread evenly over all of uint32_t give each pool its share.
 */
const struct arq_config_pool *arq_route_pool(const struct arq_route *route, uint32_t draw);

#endif
