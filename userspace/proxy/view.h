/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One worker's view of a configuration: the compiled routes that all workers share, and this
 * worker's pools for it.
 *
 * A reload makes a new view beside the one in force and then switches (proxy.h). The proxy holds
 * the view in force, a request in progress the one that it began with: its route, its pool and
 * whatever it borrowed of the configuration stay until it ends. A pool that the new configuration
 * has unchanged belongs to both views, with its connections; one that no view has any more gets no
 * requests, and goes with its last connection.
 *
 * Everything belongs to one worker's thread; only the shared part is counted across workers, once
 * for each view and pool, never for a request.
 */
#ifndef ARQUANT_PROXY_VIEW_H
#define ARQUANT_PROXY_VIEW_H

#include "userspace/proxy/proxy.h"

struct arq_pool;
struct arq_proxy;
struct arq_tally;
struct arq_tally_requests;
struct arq_view;

/* Returns 0 and *view with one reference, not in force yet; or -ENOMEM. */
int arq_view_create(struct arq_proxy *proxy, struct arq_proxy_shared *shared,
		    struct arq_view **view);

struct arq_view *arq_view_get(struct arq_view *view);

/* With the last reference the view goes, and what of its pools no other view has begins to end. */
void arq_view_put(struct arq_view *view);

/* The configuration and its compiled routes. */
const struct arq_proxy_shared *arq_view_shared(const struct arq_view *view);

/* The worker's part of a pool of the view's configuration. */
struct arq_pool *arq_view_pool(const struct arq_view *view, const struct arq_config_pool *pool);

/*
 * Each pool of the view has the targets that the shared part says now. Returns 0 or -ENOMEM: others
 * keep what they had.
 */
int arq_view_pools_update(struct arq_view *view);

/* Where requests of that listener are counted that go by that route to that pool; NULL: none. */
struct arq_tally_requests *arq_view_requests(struct arq_view *view, uint32_t listener,
					     const struct arq_config_route *route,
					     const struct arq_config_pool *pool);

/* --- all pools of a proxy, also those that are ending ------------------------------------------
 */

/* Connections that they may have together. */
uint32_t arq_view_pools_connections(const struct arq_proxy *proxy);

/* As arq_pool_tally, for each. */
void arq_view_pools_tally(const struct arq_proxy *proxy, struct arq_tally *sum);

/* Frees the pools of no view whose last connection has gone, and the targets of others. */
void arq_view_pools_sweep(struct arq_proxy *proxy);

/* As arq_pool_shutdown and arq_pool_close, for each. */
void arq_view_pools_shutdown(struct arq_proxy *proxy);
void arq_view_pools_close(struct arq_proxy *proxy);

#endif
