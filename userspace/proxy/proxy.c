// SPDX-License-Identifier: BSD-2-Clause
#include "userspace/proxy/proxy.h"

#include "userspace/proxy/exchange.h"
#include "userspace/proxy/fields.h"
#include "userspace/proxy/state.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

/* Free slabs of raw streams that are kept for reuse: 1 MiB, what DNS needs at any time. */
#define RAW_SPARE_SLABS 64

/* A window of a long body: 0.65 GB/s at 1.6 ms through both connections. And what all of them
 * together may take of a worker more than the usual windows do: eighty at a time. */
#define WIDE_WINDOW (UINT64_C(1) << 20)
#define WIDE_BUDGET (UINT64_C(64) << 20)

/* --- shared by the workers -------------------------------------------------------------------- */

/* The pool of that name in a generation; NULL for none. */
static const struct arq_proxy_shared_pool *namesake(const struct arq_proxy_shared *shared,
						    const char *name,
						    const struct arq_config_pool **config)
{
	for (uint32_t i = 0; shared && i < shared->gateway->pools_count; i++) {
		*config = &shared->gateway->pools[i];
		if (strcmp((*config)->name, name) == 0)
			return &shared->pools[i];
	}
	return NULL;
}

static int create_pool(struct arq_proxy_shared *shared, const struct arq_proxy_shared *previous,
		       const struct arq_proxy_names *names, uint32_t i, struct arq_error *error)
{
	const struct arq_config_pool *config = &shared->gateway->pools[i], *before;
	struct arq_proxy_shared_pool *made = &shared->pools[i];
	struct arq_quic_client_tls_options options = {
		.ca_file = config->tls.ca,
		.insecure = !config->tls.verify,
		.certificate = config->tls.certificate,
		.key = config->tls.key,
	};
	int code = arq_quic_client_tls_create(&options, &made->tls, error);
	if (code != 0)
		return arq_error_prefix(error, code, "pool %s", config->name);
	const struct arq_proxy_shared_pool *there = namesake(previous, config->name, &before);
	if (there && arq_quic_client_tls_equal(there->tls, made->tls) &&
	    arq_config_same_pool(before, config)) {
		made->identity = there->identity;
		made->roster = arq_roster_get(there->roster);
		return 0;
	}
	made->identity = shared->next_identity++;
	return arq_roster_create(config, names, there ? there->roster : NULL, &made->roster);
}

static void shared_free(struct arq_proxy_shared *shared)
{
	for (uint32_t i = 0; shared->pools && i < shared->gateway->pools_count; i++) {
		arq_quic_client_tls_put(shared->pools[i].tls);
		arq_roster_put(shared->pools[i].roster);
	}
	free(shared->pools);
	arq_route_table_destroy(shared->routes);
	arq_throttle_put(shared->throttle);
	if (shared->release)
		shared->release(shared->user);
	free(shared);
}

int arq_proxy_shared_create(const struct arq_config_gateway *gateway,
			    const struct arq_proxy_shared *previous,
			    const struct arq_proxy_names *names, struct arq_proxy_shared **shared,
			    struct arq_error *error)
{
	struct arq_proxy_shared *made = calloc(1, sizeof(*made));
	if (!made)
		return arq_error_set(error, -ENOMEM, "out of memory");
	made->references = 1;
	made->gateway = gateway;
	made->next_identity = previous ? previous->next_identity : 0;

	int code = 0;
	if (previous)
		made->throttle = arq_throttle_get(previous->throttle);
	else
		code = arq_throttle_create(&made->throttle);
	made->pools = calloc(gateway->pools_count + 1, sizeof(*made->pools));
	if (!made->pools)
		code = -ENOMEM;
	if (code == 0)
		code = arq_route_table_create(gateway->routes, gateway->routes_count, &made->routes,
					      error);
	for (uint32_t i = 0; code == 0 && i < gateway->pools_count; i++)
		code = create_pool(made, previous, names, i, error);
	if (code != 0) {
		shared_free(made);
		return arq_error_set(error, code, "%s", strerror(-code));
	}
	*shared = made;
	return 0;
}

void arq_proxy_shared_on_release(struct arq_proxy_shared *shared, void (*release)(void *user),
				 void *user)
{
	shared->release = release;
	shared->user = user;
}

struct arq_members *arq_proxy_shared_members(const struct arq_proxy_shared *shared, uint32_t i)
{
	return shared->pools[i].roster->members;
}

int arq_proxy_shared_refresh(struct arq_proxy_shared *shared, const struct arq_proxy_names *names)
{
	int changed = 0;
	for (uint32_t i = 0; i < shared->gateway->pools_count; i++) {
		struct arq_roster *before = shared->pools[i].roster, *now;
		if (!arq_config_has_names(&shared->gateway->pools[i]))
			continue;
		int code = arq_roster_create(&shared->gateway->pools[i], names, before, &now);
		if (code != 0)
			return code;
		bool same = arq_roster_same(before, now);
		arq_roster_put(same ? now : before);
		if (same)
			continue;
		shared->pools[i].roster = now;
		changed++;
	}
	return changed;
}

struct arq_proxy_shared *arq_proxy_shared_get(struct arq_proxy_shared *shared)
{
	atomic_fetch_add_explicit(&shared->references, 1, memory_order_relaxed);
	return shared;
}

void arq_proxy_shared_put(struct arq_proxy_shared *shared)
{
	if (shared && atomic_fetch_sub_explicit(&shared->references, 1, memory_order_acq_rel) == 1)
		shared_free(shared);
}

/* --- clients ---------------------------------------------------------------------------------- */

static void on_ready(struct arq_h3_session *session, void *user)
{
	const struct arq_proxy_listener *listener = user;
	struct arq_proxy *proxy = listener->proxy;
	struct arq_proxy_client *client = calloc(1, sizeof(*client));
	arq_h3_session_set_user(session, client);
	if (!client) {
		arq_h3_session_close(session, ARQ_H3_INTERNAL_ERROR);
		return;
	}
	client->proxy = proxy;
	client->session = session;
	client->listener = listener->index;
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
		arq_exchange_begin(client, stream, request, end);
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
	arq_proxy_client_gone(proxy);
}

void arq_proxy_client_gone(struct arq_proxy *proxy)
{
	if (proxy->draining && TAILQ_EMPTY(&proxy->clients) && TAILQ_EMPTY(&proxy->raw_clients))
		arq_view_pools_shutdown(proxy);
}

static const struct arq_h3_session_ops client_ops = {
	.on_ready = on_ready,
	.on_request = on_request,
	.on_closed = on_closed,
};

/* --- life ------------------------------------------------------------------------------------- */

static const struct arq_config_limits *limits_of(const struct arq_view *view)
{
	return &arq_view_shared(view)->gateway->limits;
}

static int create_h3(struct arq_proxy *proxy, const struct arq_config_limits *limits)
{
	struct arq_h3_options options;
	arq_h3_options_default(&options);
	options.max_field_section = limits->header_size;
	options.max_fields = ARQ_FIELDS_MAX;
	options.max_fields_sent = ARQ_FIELDS_SENT;
	options.wide_window = WIDE_WINDOW;
	options.wide_budget = WIDE_BUDGET;
	/* Then a copy from one side into the other always fits, see exchange.h. */
	options.send_buffer = options.wide_window;
	return arq_h3_create(&options, &proxy->h3);
}

/* What clients that only cost are told: RFC 9250, section 4.3; other protocols say by their
 * specification, which nobody gave us, so they get what no specification can mistake for success.
 */
static uint64_t excessive_load(const char *alpn)
{
	return strcmp(alpn, "doq") == 0 ? 0x4 : 0x1;
}

/* The names are borrowed: the endpoint copies them when it begins to listen. */
static int create_listener(struct arq_proxy_listener *listener,
			   const struct arq_config_listener *config)
{
	listener->server = (struct arq_h3_server){listener->proxy->h3, &client_ops, listener};
	listener->raw = (struct raw_listener){listener->proxy, listener->index};
	listener->applications = calloc(config->alpn_count, sizeof(*listener->applications));
	if (!listener->applications)
		return -ENOMEM;
	for (uint32_t i = 0; i < config->alpn_count; i++)
		listener->applications[i] =
			arq_config_is_h3(config->alpn[i])
				? arq_h3_application(&listener->server)
				: (struct arq_quic_application){config->alpn[i], &raw_client_ops,
								&listener->raw,
								excessive_load(config->alpn[i])};
	return 0;
}

static int create_listeners(struct arq_proxy *proxy, const struct arq_config_gateway *gateway)
{
	uint32_t count = gateway->listeners_count;
	proxy->listeners = calloc(count + 1, sizeof(*proxy->listeners));
	if (!proxy->listeners)
		return -ENOMEM;
	proxy->listener_count = count;
	int code = 0;
	for (uint32_t i = 0; code == 0 && i < count; i++) {
		proxy->listeners[i].proxy = proxy;
		proxy->listeners[i].index = i;
		code = create_listener(&proxy->listeners[i], &gateway->listeners[i]);
	}
	return code;
}

int arq_proxy_create(const struct arq_proxy_options *options, struct arq_proxy **proxy)
{
	struct arq_proxy *made = calloc(1, sizeof(*made));
	if (!made)
		return -ENOMEM;
	TAILQ_INIT(&made->clients);
	TAILQ_INIT(&made->raw_clients);
	made->slabs.spare_max = RAW_SPARE_SLABS;
	LIST_INIT(&made->pools);
	made->checks = options->checks;
	made->sink = options->sink;

	const struct arq_config_limits *limits = &options->shared->gateway->limits;
	int code = create_h3(made, limits);
	if (code == 0)
		code = create_listeners(made, options->shared->gateway);
	made->random.state[0] = 1; /* should there be no chance to be had */
	(void)!getrandom(&made->random.state[1], sizeof(made->random.state[1]), 0);
	made->scratch = arq_regex_scratch_create();
	if (code == 0 && !made->scratch)
		code = -ENOMEM;
	if (code == 0)
		code = arq_tally_create(&made->tally);
	made->context = (struct arq_pool_context){
		.endpoint = options->endpoint,
		.h3 = made->h3,
		.upstream_v4 = options->upstream_v4,
		.upstream_v6 = options->upstream_v6,
		.idle_timeout = limits->idle_timeout_ns,
		.counters = &made->counters,
		.tally = made->tally,
	};
	if (code == 0)
		code = arq_view_create(made, options->shared, &made->view);
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
	if (proxy->view)
		arq_view_put(proxy->view);
	arq_view_pools_sweep(proxy);
	for (uint32_t i = 0; i < proxy->listener_count; i++)
		free(proxy->listeners[i].applications);
	free(proxy->listeners);
	arq_regex_scratch_destroy(proxy->scratch);
	arq_tally_destroy(proxy->tally);
	if (proxy->h3)
		arq_h3_destroy(proxy->h3);
	arq_send_pool_free(&proxy->slabs);
	free(proxy);
}

/* Some of its connections are carried on as a whole. */
static bool takes_datagrams(const struct arq_config_gateway *gateway, uint32_t index)
{
	bool takes = false;
	for (uint32_t i = 0; i < gateway->routes_count; i++) {
		const struct arq_config_route *route = &gateway->routes[i];
		if (!route->alpn || !(route->listeners_mask >> index & 1))
			continue;
		takes |= route->pool && route->pool->forward == ARQ_CONFIG_FORWARD_CONNECTIONS;
		for (uint32_t j = 0; j < route->split_count; j++)
			takes |= route->split[j].pool->forward == ARQ_CONFIG_FORWARD_CONNECTIONS;
	}
	return takes;
}

/* What clients may send is said before their ALPN is known: as much as the most generous allows. */
static void set_transport(const struct arq_proxy *proxy, uint32_t index,
			  struct arq_quic_transport *transport)
{
	const struct arq_config_listener *config =
		&arq_view_shared(proxy->view)->gateway->listeners[index];
	bool raw = false;
	arq_h3_transport(proxy->h3, true, transport);
	for (uint32_t i = 0; i < config->alpn_count; i++)
		raw |= !arq_config_is_h3(config->alpn[i]);
	if (raw)
		raw_transport(true, transport);
	if (takes_datagrams(arq_view_shared(proxy->view)->gateway, index))
		transport->max_datagram = RAW_DATAGRAM;
}

void arq_proxy_listener(struct arq_proxy *proxy, uint32_t index,
			struct arq_quic_listener_options *options)
{
	const struct arq_config_listener *config =
		&arq_view_shared(proxy->view)->gateway->listeners[index];
	options->applications = proxy->listeners[index].applications;
	options->application_count = config->alpn_count;
	set_transport(proxy, index, &options->transport);
	options->transport.idle_timeout = proxy->context.idle_timeout;
	if (arq_view_shared(proxy->view)->gateway->transport.congestion_control == ARQ_CONFIG_BBR)
		options->transport.congestion_control = ARQ_QUIC_BBR;
}

uint32_t arq_proxy_upstream_connections(const struct arq_proxy *proxy)
{
	return arq_view_pools_connections(proxy);
}

int arq_proxy_prepare(struct arq_proxy *proxy, struct arq_proxy_shared *shared,
		      struct arq_view **view)
{
	return arq_view_create(proxy, shared, view);
}

void arq_proxy_switch(struct arq_proxy *proxy, struct arq_view *view)
{
	struct arq_view *before = proxy->view;
	proxy->view = view;
	proxy->context.idle_timeout = limits_of(view)->idle_timeout_ns;
	arq_h3_set_max_field_section(proxy->h3, limits_of(view)->header_size);
	arq_view_put(before);
}

int arq_proxy_refresh(struct arq_proxy *proxy)
{
	return arq_view_pools_update(proxy->view);
}

void arq_proxy_discard(struct arq_view *view)
{
	if (view)
		arq_view_put(view);
}

void arq_proxy_run(struct arq_proxy *proxy, uint64_t now)
{
	proxy->context.now = now;
	arq_alarms_run(&proxy->context.alarms, now);
	arq_view_pools_sweep(proxy);
}

uint64_t arq_proxy_expiry(const struct arq_proxy *proxy)
{
	return arq_alarms_next(&proxy->context.alarms);
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
	struct raw_client *raw;
	TAILQ_FOREACH (raw, &proxy->raw_clients, entry)
		raw_session_shutdown(raw->session);
	arq_proxy_client_gone(proxy);
}

void arq_proxy_close(struct arq_proxy *proxy)
{
	proxy->draining = true;
	struct arq_proxy_client *client;
	TAILQ_FOREACH (client, &proxy->clients, entry) {
		arq_h3_session_close(client->session, ARQ_H3_NO_ERROR);
	}
	struct raw_client *raw;
	TAILQ_FOREACH (raw, &proxy->raw_clients, entry)
		arq_quic_connection_close(raw->session->connection, true, 0, NULL);
	arq_view_pools_close(proxy);
}

void arq_proxy_counters_read(const struct arq_proxy *proxy, struct arq_proxy_counters *counters)
{
	*counters = proxy->counters;
}

void arq_proxy_tally_read(const struct arq_proxy *proxy, struct arq_tally *sum)
{
	arq_tally_add(sum, proxy->tally);
	arq_view_pools_tally(proxy, sum);
}

void arq_proxy_h3_counters_read(const struct arq_proxy *proxy, struct arq_h3_counters *counters)
{
	arq_h3_counters_read(proxy->h3, counters);
}
