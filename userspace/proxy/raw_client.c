// SPDX-License-Identifier: BSD-2-Clause
#include "userspace/proxy/raw.h"

#include "userspace/proxy/state.h"

#include <errno.h>
#include <stdlib.h>

/* RFC 9000, section 20.1: nobody here speaks the protocol with that name. */
#define CONNECTION_REFUSED 0x02

static const struct arq_route *route_of(const struct raw_client *client)
{
	struct arq_quic_connection *connection = client->session->connection;
	return arq_route_table_find_raw(
		arq_view_shared(client->proxy->view)->routes, arq_quic_connection_alpn(connection),
		arq_quic_connection_server_name(connection), client->listener);
}

static const struct arq_config_pool *pool_of(struct arq_proxy *proxy, const struct arq_route *route)
{
	/* As for requests: steps of the golden ratio are spread evenly. */
	proxy->draw += 0x9e3779b9u;
	return arq_route_pool(route, proxy->draw);
}

static uint64_t key_of(const struct arq_pool *pool, const struct raw_client *client)
{
	return arq_pool_key(pool, NULL,
			    &arq_quic_connection_path(client->session->connection)->remote);
}

/* --- each stream by itself -------------------------------------------------------------------- */

/* The pool has a connection for the stream. */
static int start(struct arq_pool_ticket *ticket, struct arq_upstream *upstream)
{
	struct raw_pair *pair = (struct raw_pair *)ticket;
	struct raw_session *session = arq_upstream_session(upstream);
	int64_t id;

	if (!session->offered[ticket->kind]) {
		raw_pair_refuse(pair);
		return -EPROTO;
	}
	int code = arq_quic_stream_open(session->connection, ticket->kind == ARQ_POOL_BIDI, &id);
	if (code == -EAGAIN)
		return code;
	if (code == -EPIPE)
		return -ESHUTDOWN;
	if (code != 0) {
		raw_pair_refuse(pair);
		return code;
	}
	raw_pair_opened(pair, session, id);
	return 0;
}

static void fail(struct arq_pool_ticket *ticket, unsigned int status)
{
	(void)status;
	raw_pair_refuse((struct raw_pair *)ticket);
}

static void send_on(struct raw_client *client, struct raw_pair *pair, const struct arq_route *route,
		    const struct arq_config_pool *config)
{
	pair->view = arq_view_get(client->proxy->view);
	pair->pool = arq_view_pool(pair->view, config);
	pair->reset_code = config->reset_code;
	pair->ticket.start = start;
	pair->ticket.fail = fail;
	pair->ticket.kind = raw_kind(pair->from.id);
	pair->ticket.key = key_of(pair->pool, client);
	arq_account_begin_stream(
		&pair->account, client->proxy,
		arq_view_requests(pair->view, client->listener, route->config, config),
		client->session->connection);
	arq_pool_take(pair->pool, &pair->ticket);
}

/* --- a client with a connection of its own ---------------------------------------------------- */

static void link_free_if_done(struct raw_link *link)
{
	if (link->client || link->upstream || link->ticket.target)
		return;
	arq_view_put(link->view);
	free(link);
}

static int link_start(struct arq_pool_ticket *ticket, struct arq_upstream *upstream)
{
	struct raw_link *link = (struct raw_link *)ticket;
	struct raw_session *session = arq_upstream_session(upstream);

	link->upstream = session;
	session->waiting = link->to_target;
	session->peer = link->client;
	link->client->peer = session;
	arq_pool_report(ticket, ARQ_POOL_ANSWERED);
	raw_session_open_waiting(session);
	return 0;
}

static void link_fail(struct arq_pool_ticket *ticket, unsigned int status)
{
	struct raw_link *link = (struct raw_link *)ticket;
	(void)status;
	if (link->client)
		arq_quic_connection_close(link->client->connection, true, link->client->reset_code,
					  "no target can be reached");
}

static void link_begin(struct raw_client *client, const struct arq_config_pool *config)
{
	struct arq_proxy *proxy = client->proxy;
	struct raw_link *link = calloc(1, sizeof(*link));
	if (!link) {
		arq_quic_connection_close(client->session->connection, true, config->reset_code,
					  NULL);
		return;
	}
	link->view = arq_view_get(proxy->view);
	link->client = client->session;
	link->ticket.start = link_start;
	link->ticket.fail = link_fail;
	struct arq_pool *pool = arq_view_pool(link->view, config);
	link->ticket.key = key_of(pool, client);
	client->link = link;
	client->session->linked = true;
	client->session->waiting = link->to_client;
	for (int kind = 0; kind < ARQ_POOL_KINDS; kind++) {
		TAILQ_INIT(&link->to_client[kind]);
		TAILQ_INIT(&link->to_target[kind]);
	}
	arq_pool_take(pool, &link->ticket);
}

/* What the other side's application is told of the end of this one's. */
static uint64_t code_for_peer(const struct arq_quic_close *close, uint64_t reset_code)
{
	return close->kind == ARQ_QUIC_CLOSE_PEER_APPLICATION ? close->code : reset_code;
}

void raw_link_lost(struct raw_session *upstream, const struct arq_quic_close *close)
{
	struct raw_session *client = upstream->peer;
	if (!client)
		return;
	client->peer = NULL;
	arq_quic_connection_close(client->connection, true,
				  code_for_peer(close, client->reset_code), close->reason);
	struct raw_link *link = client->client->link;
	link->upstream = NULL;
	arq_pool_give_back(&link->ticket);
}

static void link_end(struct raw_link *link, const struct arq_quic_close *close)
{
	struct raw_session *upstream = link->upstream;
	uint64_t code = code_for_peer(close, link->client->reset_code);
	arq_pool_give_back(&link->ticket);
	link->client = NULL;
	link->upstream = NULL;
	raw_waiting_refuse(link->to_target);
	if (upstream) {
		upstream->waiting = NULL;
		upstream->peer = NULL;
		upstream->ending = true; /* nobody else's */
		arq_quic_connection_close(upstream->connection, true, code, close->reason);
	}
	link_free_if_done(link);
}

/* --- clients ---------------------------------------------------------------------------------- */

void raw_client_begin(const struct raw_listener *listener, struct raw_session *session)
{
	struct arq_proxy *proxy = listener->proxy;
	struct raw_client *client = calloc(1, sizeof(*client));
	if (!client) {
		arq_quic_connection_close(session->connection, false, CONNECTION_REFUSED, NULL);
		return;
	}
	client->proxy = proxy;
	client->session = session;
	client->listener = listener->listener;
	session->client = client;
	TAILQ_INSERT_TAIL(&proxy->raw_clients, client, entry);
	proxy->counters.raw_connections++;
	const struct arq_route *route = route_of(client);
	if (!route) {
		arq_quic_connection_close(session->connection, false, CONNECTION_REFUSED,
					  "no route for this protocol and name");
		return;
	}
	const struct arq_config_pool *config = pool_of(proxy, route);
	session->reset_code = config->reset_code;
	if (proxy->draining)
		raw_session_shutdown(session); /* its handshake began before the drain */
	else if (config->forward == ARQ_CONFIG_FORWARD_CONNECTIONS)
		link_begin(client, config);
}

void raw_client_stream(struct raw_client *client, struct raw_pair *pair)
{
	if (client->link) {
		raw_pair_wait(pair, client->link->to_target);
		if (client->session->peer)
			raw_session_open_waiting(client->session->peer);
		return;
	}
	const struct arq_route *route = route_of(client);
	const struct arq_config_pool *config = route ? pool_of(client->proxy, route) : NULL;
	if (config && config->forward == ARQ_CONFIG_FORWARD_STREAMS)
		send_on(client, pair, route, config);
	else
		raw_pair_refuse(pair); /* a reload took the route away, or changed what it means */
}

void raw_client_end(struct raw_client *client, const struct arq_quic_close *close)
{
	struct arq_proxy *proxy = client->proxy;
	TAILQ_REMOVE(&proxy->raw_clients, client, entry);
	if (client->link)
		link_end(client->link, close);
	free(client);
	arq_proxy_client_gone(proxy);
}
