/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which route a request takes: by host and path, the first match in file order.
 *
 *   host   example.com      that host; letter case, a port and a final dot do not matter
 *          *.example.com    every host below it, at any depth, but not example.com itself
 *          none, or *       any host, also none
 *   path   /ping            that path, exactly; what follows a "?" does not matter
 *          /v1/(star)       every path that begins with /v1/ (written with an asterisk)
 *          none, or /(star) any path
 *
 * First match wins, so special routes are written before general ones. Paths are compared byte by
 * byte as the client sent them: no percent-decoding, no dot segments resolved, hence a route
 * chooses a pool but is no access control.
 *
 * A table is read-only after it was made: all workers share it without a lock. A look-up does not
 * allocate.
 */
#ifndef ARQUANT_PROXY_ROUTE_H
#define ARQUANT_PROXY_ROUTE_H

#include "userspace/common/config.h"

#include <stddef.h>

struct arq_route_table;

/*
 * Compiles the routes in their order; they are borrowed and must outlive the table. What they say
 * was checked when the configuration was read. Returns 0 and *table, or -ENOMEM.
 */
int arq_route_table_create(const struct arq_config_route *routes, size_t count,
			   struct arq_route_table **table);

/* NULL is allowed. */
void arq_route_table_destroy(struct arq_route_table *table);

/*
 * The first route that matches an authority (RFC 3986, section 3.2: host, with or without port)
 * and a path with or without query; NULL when none does. Either may be empty.
 */
const struct arq_config_route *arq_route_table_find(const struct arq_route_table *table,
						    const char *authority, size_t authority_length,
						    const char *path, size_t path_length);

#endif
