/* SPDX-License-Identifier: BSD-2-Clause */
#include "test_quic_echo.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- the application: one stream, the server sends back what it gets -------------------------- */

uint8_t echo_pattern(size_t offset)
{
	return (uint8_t)(offset * 31 + (offset >> 8));
}

static void echo_ready(struct arq_quic_connection *connection, void *user)
{
	struct peer *peer = user;

	peer->connection = connection;
	peer->ready = true;
	snprintf(peer->subject, sizeof(peer->subject), "%s",
		 arq_quic_connection_peer_subject(connection));
	if (!arq_quic_connection_is_server(connection))
		cr_assert_eq(arq_quic_stream_open(connection, true, &peer->stream), 0);
}

static void echo_data(struct arq_quic_connection *connection, void *user, int64_t stream,
		      uint64_t offset, const uint8_t *data, size_t length, bool fin)
{
	struct peer *peer = user;

	cr_assert_eq(offset, peer->received);
	for (size_t i = 0; i < length; i++)
		peer->mismatch |= data[i] != echo_pattern(offset + i);
	peer->early |= arq_quic_connection_early(connection);
	peer->received += length;
	peer->fin_received |= fin;
	if (!peer->hold)
		arq_quic_stream_consume(connection, stream, length);
	if (!arq_quic_connection_is_server(connection))
		return;
	peer->stream = stream;
	cr_assert_leq(peer->out_length + length, ECHO_MAX);
	memcpy(peer->out + peer->out_length, data, length);
	peer->out_length += length;
	peer->out_fin |= fin;
	arq_quic_connection_wake(connection);
}

static void echo_acked(struct arq_quic_connection *connection, void *user, int64_t stream,
		       uint64_t offset, uint64_t length)
{
	struct peer *peer = user;

	(void)connection;
	(void)stream;
	cr_assert_eq(offset, peer->out_acked);
	peer->out_acked += length;
}

static void echo_reset(struct arq_quic_connection *connection, void *user, int64_t stream,
		       uint64_t final_size, uint64_t code)
{
	(void)connection;
	(void)user;
	(void)stream;
	(void)final_size;
	(void)code;
}

static void echo_stop(struct arq_quic_connection *connection, void *user, int64_t stream,
		      uint64_t code)
{
	(void)connection;
	(void)user;
	(void)stream;
	(void)code;
}

static void echo_stream_closed(struct arq_quic_connection *connection, void *user, int64_t stream)
{
	(void)user;
	arq_quic_stream_release(connection, stream);
}

static void echo_next(struct arq_quic_connection *connection, void *user,
		      struct arq_quic_write *write)
{
	struct peer *peer = user;

	(void)connection;
	if (peer->stream < 0 || peer->blocked ||
	    (peer->out_sent == peer->out_length && (!peer->out_fin || peer->fin_sent)))
		return;
	write->stream_id = peer->stream;
	write->vecs[0].data = peer->out + peer->out_sent;
	write->vecs[0].length = peer->out_length - peer->out_sent;
	write->count = 1;
	write->fin = peer->out_fin;
}

static void echo_written(struct arq_quic_connection *connection, void *user, int64_t stream,
			 size_t length)
{
	struct peer *peer = user;

	(void)connection;
	(void)stream;
	peer->out_sent += length;
	peer->fin_sent = peer->out_fin && peer->out_sent == peer->out_length;
}

static void echo_blocked(struct arq_quic_connection *connection, void *user, int64_t stream)
{
	(void)connection;
	(void)stream;
	((struct peer *)user)->blocked = true;
}

static void echo_unblocked(struct arq_quic_connection *connection, void *user, int64_t stream)
{
	(void)connection;
	(void)stream;
	((struct peer *)user)->blocked = false;
}

static void echo_resumption(struct arq_quic_connection *connection, void *user, const uint8_t *data,
			    size_t length)
{
	struct peer *peer = user;

	(void)connection;
	cr_assert_leq(length, RESUMPTION_MAX);
	memcpy(peer->resumption, data, length);
	peer->resumption_length = length;
}

static void echo_timer(struct arq_quic_connection *connection, void *user, uint64_t now)
{
	(void)connection;
	(void)now;
	((struct peer *)user)->timer_calls++;
}

static void echo_closed(struct arq_quic_connection *connection, void *user,
			const struct arq_quic_close *close)
{
	struct peer *peer = user;

	(void)connection;
	cr_assert(!peer->closed, "closed comes once");
	peer->closed = true;
	peer->resumed = arq_quic_connection_resumed(connection);
	peer->connection = NULL;
	peer->close = *close;
	snprintf(peer->reason, sizeof(peer->reason), "%s", close->reason);
}

const struct arq_quic_ops echo_ops = {
	.ready = echo_ready,
	.stream_data = echo_data,
	.stream_acked = echo_acked,
	.stream_reset = echo_reset,
	.stop_sending = echo_stop,
	.stream_closed = echo_stream_closed,
	.next_write = echo_next,
	.written = echo_written,
	.blocked = echo_blocked,
	.unblocked = echo_unblocked,
	.shut = echo_blocked,
	.resumption = echo_resumption,
	.timer = echo_timer,
	.closed = echo_closed,
};

/* --- the fixture ------------------------------------------------------------------------------ */

void echo_create(struct echo *e)
{
	e->server = (struct peer){.stream = -1, .out = malloc(ECHO_MAX)};
	e->client = (struct peer){.stream = -1, .out = malloc(ECHO_MAX)};
	for (size_t i = 0; i < ECHO_MAX; i++)
		e->client.out[i] = echo_pattern(i);
	e->application = (struct arq_quic_application){"echo", &echo_ops, &e->server, 0};
	lab_create(&e->lab, &e->options);
	lab_listen(&e->lab, &e->application, 1, &e->transport);
}

struct echo *echo_new(void)
{
	struct echo *e = calloc(1, sizeof(*e));

	arq_quic_endpoint_options_default(&e->options);
	arq_quic_transport_default(&e->transport);
	return e;
}

void echo_connect_as(struct echo *e, const char *name, const char *alpn)
{
	struct arq_quic_connect_options options = {
		.io = &e->lab.client_io.io,
		.tls = e->lab.client_tls,
		.server_name = name,
		.alpn = alpn,
		.ops = &echo_ops,
		.user = &e->client,
		.transport = e->transport,
	};
	struct arq_error error = {0};

	if (e->resume) {
		options.resumption = e->client.resumption;
		options.resumption_length = e->client.resumption_length;
		options.early_data = e->early_data;
	}
	lab_path(false, &options.path);
	cr_assert_eq(arq_quic_connect(e->lab.client, &options, e->lab.now, &e->client.connection,
				      &error),
		     0, "%s", error.text);
}

void echo_connect(struct echo *e)
{
	echo_connect_as(e, "localhost", "echo");
}

void echo_destroy(struct echo *e)
{
	lab_destroy(&e->lab);
	free(e->server.out);
	free(e->client.out);
	free(e);
}

void echo_again(struct echo *e)
{
	uint8_t *out = e->server.out;

	e->server = (struct peer){.stream = -1, .out = out};
	e->client.ready = e->client.closed = e->client.fin_received = e->client.blocked = false;
	e->client.out_length = e->client.out_sent = e->client.out_acked = e->client.received = 0;
	e->client.out_fin = e->client.fin_sent = false;
	e->client.stream = -1;
}

bool both_ready(void *user)
{
	struct echo *e = user;

	return e->server.ready && e->client.ready;
}

bool client_closed(void *user)
{
	return ((struct echo *)user)->client.closed;
}

bool server_closed(void *user)
{
	return ((struct echo *)user)->server.closed;
}

bool both_closed(void *user)
{
	return client_closed(user) && server_closed(user);
}

bool never(void *user)
{
	(void)user;
	return false;
}

static bool echoed(void *user)
{
	struct echo *e = user;

	return e->client.fin_received;
}

void echo_shake_hands(struct echo *e)
{
	echo_connect(e);
	cr_assert(lab_run(&e->lab, 20 * LAB_SECOND, both_ready, e));
}

void echo_send(struct echo *e, size_t length)
{
	e->client.out_length = length;
	e->client.out_fin = true;
	arq_quic_connection_wake(e->client.connection);
}

void echo_expect(struct echo *e, size_t length)
{
	cr_assert(lab_run(&e->lab, 600 * LAB_SECOND, echoed, e), "%zu of %zu came back",
		  e->client.received, length);
	cr_assert_eq(e->client.received, length);
	cr_assert(!e->client.mismatch && !e->server.mismatch);
}
