// SPDX-License-Identifier: BSD-2-Clause
#include "userspace/proxy/proxy.h"

#include "userspace/proxy/exchange.h"
#include "userspace/proxy/fields.h"
#include "userspace/proxy/state.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* --- shared by the workers -------------------------------------------------------------------- */

static int create_tls(struct arq_proxy_shared *shared, struct arq_error *error)
{
	const struct arq_config_gateway *gateway = shared->gateway;
	for (uint32_t i = 0; i < gateway->pools_count; i++) {
		const struct arq_config_tls *tls = &gateway->pools[i].tls;
		struct arq_quic_client_tls_options options = {
			.ca_file = tls->ca,
			.insecure = !tls->verify,
		};
		int code = arq_quic_client_tls_create(&options, &shared->tls[i], error);
		if (code != 0)
			return arq_error_prefix(error, code, "pool %s", gateway->pools[i].name);
	}
	return 0;
}

int arq_proxy_shared_create(const struct arq_config_gateway *gateway,
			    struct arq_proxy_shared **shared, struct arq_error *error)
{
	struct arq_proxy_shared *made = calloc(1, sizeof(*made));
	if (!made)
		return arq_error_set(error, -ENOMEM, "out of memory");
	made->gateway = gateway;

	int code = -ENOMEM;
	made->tls = calloc(gateway->pools_count + 1, sizeof(struct arq_quic_client_tls *));
	if (made->tls)
		code = arq_route_table_create(gateway->routes, gateway->routes_count,
					      &made->routes);
	if (code == 0)
		code = create_tls(made, error);
	if (code != 0) {
		arq_proxy_shared_destroy(made);
		return arq_error_set(error, code, "%s", strerror(-code));
	}
	*shared = made;
	return 0;
}

void arq_proxy_shared_destroy(struct arq_proxy_shared *shared)
{
	if (!shared)
		return;
	for (uint32_t i = 0; shared->tls && i < shared->gateway->pools_count; i++)
		arq_quic_client_tls_put(shared->tls[i]);
	free(shared->tls);
	arq_route_table_destroy(shared->routes);
	free(shared);
}

uint32_t arq_proxy_upstream_connections(const struct arq_proxy_shared *shared)
{
	uint32_t targets = 0;
	for (uint32_t i = 0; i < shared->gateway->pools_count; i++)
		targets += shared->gateway->pools[i].targets_count;
	return targets * ARQ_POOL_CONNECTIONS;
}

/* --- clients ---------------------------------------------------------------------------------- */

static void on_ready(struct arq_h3_session *session, void *user)
{
	struct arq_proxy *proxy = user;
	struct arq_proxy_client *client = calloc(1, sizeof(*client));
	arq_h3_session_set_user(session, client);
	if (!client) {
		arq_h3_session_close(session, ARQ_H3_INTERNAL_ERROR);
		return;
	}
	client->proxy = proxy;
	client->session = session;
	TAILQ_INSERT_TAIL(&proxy->clients, client, entry);
	proxy->counters.sessions++;
	if (proxy->draining)
		arq_h3_session_shutdown(session); /* its handshake began before the drain */
}

static void on_request(struct arq_h3_session *session, void *user, struct arq_h3_stream *stream,
		       const struct arq_h3_request *request, bool end)
{
	struct arq_proxy_client *client = user;
	(void)session;
	if (client)
		arq_exchange_begin(client->proxy, stream, request, end);
}

static void shutdown_pools(struct arq_proxy *proxy)
{
	for (uint32_t i = 0; i < proxy->shared->gateway->pools_count; i++)
		arq_pool_shutdown(proxy->pools[i]);
}

static void on_closed(struct arq_h3_session *session, void *user,
		      const struct arq_quic_close *close)
{
	struct arq_proxy_client *client = user;
	(void)session;
	(void)close;
	if (!client)
		return;
	struct arq_proxy *proxy = client->proxy;
	TAILQ_REMOVE(&proxy->clients, client, entry);
	free(client);
	if (proxy->draining && TAILQ_EMPTY(&proxy->clients))
		shutdown_pools(proxy);
}

static const struct arq_h3_session_ops client_ops = {
	.on_ready = on_ready,
	.on_request = on_request,
	.on_closed = on_closed,
};

/* --- life ------------------------------------------------------------------------------------- */

static int create_h3(struct arq_proxy *proxy)
{
	struct arq_h3_options options;
	arq_h3_options_default(&options);
	options.max_field_section = proxy->shared->gateway->limits.header_size;
	options.max_fields = ARQ_FIELDS_MAX;
	/* Then a copy from one side into the other always fits, see exchange.h. */
	options.send_buffer = options.stream_window;
	return arq_h3_create(&options, &proxy->h3);
}

static int create_pools(struct arq_proxy *proxy)
{
	const struct arq_config_gateway *gateway = proxy->shared->gateway;
	for (uint32_t i = 0; i < gateway->pools_count; i++) {
		int code = arq_pool_create(&gateway->pools[i], proxy->shared->tls[i],
					   &proxy->context, &proxy->pools[i]);
		if (code != 0)
			return code;
	}
	return 0;
}

int arq_proxy_create(const struct arq_proxy_options *options, struct arq_proxy **proxy)
{
	struct arq_proxy *made = calloc(1, sizeof(*made));
	if (!made)
		return -ENOMEM;
	made->shared = options->shared;
	TAILQ_INIT(&made->clients);

	int code = -ENOMEM;
	made->pools = calloc(made->shared->gateway->pools_count + 1, sizeof(struct arq_pool *));
	if (made->pools)
		code = create_h3(made);
	made->server = (struct arq_h3_server){made->h3, &client_ops, made};
	made->context = (struct arq_pool_context){
		.endpoint = options->endpoint,
		.h3 = made->h3,
		.upstream_v4 = options->upstream_v4,
		.upstream_v6 = options->upstream_v6,
		.idle_timeout = made->shared->gateway->limits.idle_timeout_ns,
		.counters = &made->counters,
	};
	TAILQ_INIT(&made->context.deadlines);
	if (code == 0)
		code = create_pools(made);
	if (code != 0) {
		arq_proxy_destroy(made);
		return code;
	}
	*proxy = made;
	return 0;
}

void arq_proxy_destroy(struct arq_proxy *proxy)
{
	if (!proxy)
		return;
	for (uint32_t i = 0; proxy->pools && i < proxy->shared->gateway->pools_count; i++)
		arq_pool_destroy(proxy->pools[i]);
	free(proxy->pools);
	if (proxy->h3)
		arq_h3_destroy(proxy->h3);
	free(proxy);
}

void arq_proxy_listener(struct arq_proxy *proxy, struct arq_quic_application *application,
			struct arq_quic_transport *transport)
{
	*application = arq_h3_application(&proxy->server);
	arq_h3_transport(proxy->h3, true, transport);
	transport->idle_timeout = proxy->shared->gateway->limits.idle_timeout_ns;
}

void arq_proxy_run(struct arq_proxy *proxy, uint64_t now)
{
	proxy->context.now = now;
	arq_pool_expire(&proxy->context);
}

uint64_t arq_proxy_expiry(const struct arq_proxy *proxy)
{
	const struct arq_pool_ticket *first = TAILQ_FIRST(&proxy->context.deadlines);
	return first ? first->deadline : UINT64_MAX;
}

void arq_proxy_drain(struct arq_proxy *proxy)
{
	if (proxy->draining)
		return;
	proxy->draining = true;
	struct arq_proxy_client *client;
	TAILQ_FOREACH (client, &proxy->clients, entry) {
		arq_h3_session_shutdown(client->session);
	}
	if (TAILQ_EMPTY(&proxy->clients))
		shutdown_pools(proxy);
}

void arq_proxy_close(struct arq_proxy *proxy)
{
	proxy->draining = true;
	struct arq_proxy_client *client;
	TAILQ_FOREACH (client, &proxy->clients, entry) {
		arq_h3_session_close(client->session, ARQ_H3_NO_ERROR);
	}
	for (uint32_t i = 0; i < proxy->shared->gateway->pools_count; i++)
		arq_pool_close(proxy->pools[i]);
}

struct arq_pool *arq_proxy_pool(const struct arq_proxy *proxy, const struct arq_config_pool *pool)
{
	return proxy->pools[pool - proxy->shared->gateway->pools];
}

void arq_proxy_counters_read(const struct arq_proxy *proxy, struct arq_proxy_counters *counters)
{
	*counters = proxy->counters;
}
