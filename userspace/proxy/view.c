// SPDX-License-Identifier: BSD-2-Clause
#include "userspace/proxy/view.h"

#include "userspace/proxy/state.h"

#include <errno.h>
#include <stdlib.h>

/* A pool of this worker, and how many views have it. */
struct arq_held_pool {
	LIST_ENTRY(arq_held_pool) entry; /* of the proxy */
	struct arq_pool *pool;
	struct arq_proxy_shared *shared; /* a reference: whose configuration the pool borrows */
	uint64_t identity; /* as in struct arq_proxy_shared_pool */
	uint32_t views;
};

/* The row that was asked for last, of each route: mostly the next is the same. */
struct found_row {
	struct arq_tally_requests *row; /* NULL: none was asked for */
	const struct arq_config_pool *pool;
	uint32_t listener;
};

struct arq_view {
	struct arq_proxy *proxy;
	struct arq_proxy_shared *shared; /* a reference */
	uint32_t users;
	struct found_row *found; /* of each route, and of none */
	struct arq_held_pool
		*pools[]; /* of each pool of the configuration; NULL while it is made */
};

/* --- pools ------------------------------------------------------------------------------------ */

static struct arq_held_pool *find(const struct arq_proxy *proxy, uint64_t identity)
{
	struct arq_held_pool *held;
	LIST_FOREACH (held, &proxy->pools, entry) {
		if (held->identity == identity)
			return held;
	}
	return NULL;
}

static struct arq_held_pool *hold_new(struct arq_proxy *proxy, struct arq_proxy_shared *shared,
				      uint32_t i)
{
	struct arq_held_pool *held = calloc(1, sizeof(*held));
	if (!held)
		return NULL;
	const struct arq_pool_options options = {
		.config = &shared->gateway->pools[i],
		.tls = shared->pools[i].tls,
		.roster = shared->pools[i].roster,
		.checks = proxy->checks,
		.application = arq_config_is_h3(shared->gateway->pools[i].alpn) ? &arq_upstream_h3
										: &arq_upstream_raw,
		.context = &proxy->context,
	};
	if (arq_pool_create(&options, &held->pool) != 0) {
		free(held);
		return NULL;
	}
	held->identity = shared->pools[i].identity;
	held->shared = arq_proxy_shared_get(shared);
	LIST_INSERT_HEAD(&proxy->pools, held, entry);
	return held;
}

static void let_go(struct arq_held_pool *held)
{
	if (held && --held->views == 0)
		arq_pool_shutdown(held->pool);
}

void arq_view_pools_tally(const struct arq_proxy *proxy, struct arq_tally *sum)
{
	const struct arq_held_pool *held;
	LIST_FOREACH (held, &proxy->pools, entry)
		arq_pool_tally(held->pool, sum);
}

uint32_t arq_view_pools_connections(const struct arq_proxy *proxy)
{
	const struct arq_held_pool *held;
	uint32_t connections = 0;
	LIST_FOREACH (held, &proxy->pools, entry)
		connections += arq_pool_connections_max(held->pool);
	return connections;
}

void arq_view_pools_sweep(struct arq_proxy *proxy)
{
	struct arq_held_pool *held, *next;
	for (held = LIST_FIRST(&proxy->pools); held; held = next) {
		next = LIST_NEXT(held, entry);
		arq_pool_sweep(held->pool);
		if (held->views > 0 || arq_pool_connections(held->pool) > 0)
			continue;
		LIST_REMOVE(held, entry);
		arq_pool_destroy(held->pool);
		arq_proxy_shared_put(held->shared);
		free(held);
	}
}

void arq_view_pools_shutdown(struct arq_proxy *proxy)
{
	struct arq_held_pool *held;
	LIST_FOREACH (held, &proxy->pools, entry)
		arq_pool_shutdown(held->pool);
}

void arq_view_pools_close(struct arq_proxy *proxy)
{
	struct arq_held_pool *held;
	LIST_FOREACH (held, &proxy->pools, entry)
		arq_pool_close(held->pool);
}

/* --- views ------------------------------------------------------------------------------------ */

static void view_free(struct arq_view *view)
{
	for (uint32_t i = 0; i < view->shared->gateway->pools_count; i++)
		let_go(view->pools[i]);
	arq_proxy_shared_put(view->shared);
	free(view->found);
	free(view);
}

int arq_view_create(struct arq_proxy *proxy, struct arq_proxy_shared *shared,
		    struct arq_view **view)
{
	uint32_t count = shared->gateway->pools_count;
	struct arq_view *made = calloc(1, sizeof(*made) + count * sizeof(made->pools[0]));
	if (!made)
		return -ENOMEM;
	made->proxy = proxy;
	made->shared = arq_proxy_shared_get(shared);
	made->users = 1;
	made->found = calloc(shared->gateway->routes_count + 1, sizeof(*made->found));
	if (!made->found) {
		view_free(made);
		return -ENOMEM;
	}
	for (uint32_t i = 0; i < count; i++) {
		struct arq_held_pool *held = find(proxy, shared->pools[i].identity);
		if (!held)
			held = hold_new(proxy, shared, i);
		if (!held) {
			view_free(made);
			return -ENOMEM;
		}
		held->views++;
		made->pools[i] = held;
	}
	*view = made;
	return 0;
}

struct arq_view *arq_view_get(struct arq_view *view)
{
	view->users++;
	return view;
}

void arq_view_put(struct arq_view *view)
{
	if (--view->users == 0)
		view_free(view);
}

const struct arq_proxy_shared *arq_view_shared(const struct arq_view *view)
{
	return view->shared;
}

struct arq_pool *arq_view_pool(const struct arq_view *view, const struct arq_config_pool *pool)
{
	return view->pools[pool - view->shared->gateway->pools]->pool;
}

int arq_view_pools_update(struct arq_view *view)
{
	int code = 0;
	for (uint32_t i = 0; i < view->shared->gateway->pools_count; i++) {
		struct arq_pool *pool = view->pools[i]->pool;
		struct arq_roster *roster = view->shared->pools[i].roster;
		if (arq_pool_roster(pool) != roster && arq_pool_update(pool, roster) != 0)
			code = -ENOMEM;
	}
	return code;
}

struct arq_tally_requests *arq_view_requests(struct arq_view *view, uint32_t listener,
					     const struct arq_config_route *route,
					     const struct arq_config_pool *pool)
{
	const struct arq_config_gateway *gateway = view->shared->gateway;
	size_t i = route ? (size_t)(route - gateway->routes) : gateway->routes_count;
	struct found_row *found = &view->found[i];
	if (!found->row || found->listener != listener || found->pool != pool)
		*found = (struct found_row){
			.row = arq_tally_requests(view->proxy->tally,
						  gateway->listeners[listener].name,
						  route ? route->name : ARQ_TALLY_NONE,
						  pool ? pool->name : ARQ_TALLY_NONE),
			.pool = pool,
			.listener = listener,
		};
	return found->row;
}
