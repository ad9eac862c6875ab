// SPDX-License-Identifier: BSD-2-Clause
#include "userspace/proxy/raw.h"

#include "userspace/proxy/state.h"

#include <errno.h>
#include <stdlib.h>

/* A client's connection window, of so many streams' windows: it cannot make us hold more. On a
 * shared connection to a target all streams have theirs, or one slow client would stall others. */
#define CLIENT_WINDOWS 4

void raw_transport(bool accepts, struct arq_quic_transport *transport)
{
	uint64_t windows = accepts ? CLIENT_WINDOWS : RAW_STREAMS;

	transport->max_data = windows * RAW_STREAM_WINDOW;
	transport->max_stream_data_bidi_local = RAW_STREAM_WINDOW;
	transport->max_stream_data_bidi_remote = accepts ? RAW_STREAM_WINDOW : 0;
	transport->max_stream_data_uni = accepts ? RAW_STREAM_WINDOW : 0;
	transport->max_streams_bidi = accepts ? RAW_STREAMS : 0;
	transport->max_streams_uni = accepts ? RAW_STREAMS : 0;
}

/* --- life ------------------------------------------------------------------------------------- */

struct raw_session *raw_session_create(void)
{
	struct raw_session *session = calloc(1, sizeof(*session));
	if (!session)
		return NULL;
	TAILQ_INIT(&session->output);
	return session;
}

void raw_session_destroy(struct raw_session *session)
{
	free(session);
}

void raw_session_idle(struct raw_session *session)
{
	if (session->ending && session->open == 0)
		arq_quic_connection_close(session->connection, true, 0, NULL);
}

void raw_session_shutdown(struct raw_session *session)
{
	session->ending = true;
	raw_session_idle(session);
}

/* --- what waits to be opened here ------------------------------------------------------------- */

static void open_waiting(struct raw_session *session, enum arq_pool_kind kind)
{
	struct raw_stream *stream;
	int64_t id;
	while ((stream = TAILQ_FIRST(&session->waiting[kind]))) {
		int code = arq_quic_stream_open(session->connection, kind == ARQ_POOL_BIDI, &id);
		if (code == -EAGAIN || code == -EPIPE)
			return; /* raw_streams_available, or the end */
		if (code != 0) {
			raw_pair_refuse(stream->pair);
			continue;
		}
		raw_pair_opened(stream->pair, session, id);
	}
}

void raw_session_open_waiting(struct raw_session *session)
{
	for (int kind = 0; session->waiting && kind < ARQ_POOL_KINDS; kind++)
		open_waiting(session, (enum arq_pool_kind)kind);
}

void raw_waiting_refuse(struct raw_streams *lists)
{
	struct raw_stream *stream;
	for (int kind = 0; kind < ARQ_POOL_KINDS; kind++) {
		while ((stream = TAILQ_FIRST(&lists[kind])))
			raw_pair_refuse(stream->pair);
	}
}

/* --- QUIC's callbacks: receiving -------------------------------------------------------------- */

static void begin(struct raw_session *session, struct arq_quic_connection *connection)
{
	session->connection = connection;
	session->ready = true;
	session->offered[ARQ_POOL_BIDI] = arq_quic_connection_streams_left(connection, true) > 0;
	session->offered[ARQ_POOL_UNI] = arq_quic_connection_streams_left(connection, false) > 0;
}

static void client_ready(struct arq_quic_connection *connection, void *user)
{
	struct raw_session *session = raw_session_create();
	arq_quic_connection_set_user(connection, session);
	if (!session) {
		arq_quic_connection_close(connection, false, 0x1 /* INTERNAL_ERROR */, NULL);
		return;
	}
	begin(session, connection);
	raw_client_begin(user, session);
}

static void upstream_ready(struct arq_quic_connection *connection, void *user)
{
	struct raw_session *session = user;
	begin(session, connection);
	arq_upstream_ready(session->upstream);
}

/* A target opened a stream for the client that its connection is for. */
static void link_stream(struct raw_session *session, int64_t id)
{
	struct raw_session *peer = session->peer;
	struct raw_pair *pair = peer ? raw_pair_create(peer->client->proxy, session, id) : NULL;
	if (!pair) {
		arq_quic_stream_reset(session->connection, id, session->reset_code);
		arq_quic_stream_stop(session->connection, id, session->reset_code);
		return;
	}
	raw_pair_wait(pair, peer->waiting);
	raw_session_open_waiting(peer);
}

static void stream_open(struct arq_quic_connection *connection, void *user, int64_t id)
{
	struct raw_session *session = user;
	if (session->upstream) {
		link_stream(session, id);
		return;
	}
	struct raw_pair *pair =
		session->client ? raw_pair_create(session->client->proxy, session, id) : NULL;
	if (pair)
		raw_client_stream(session->client, pair);
	else
		arq_quic_connection_close(connection, false, 0x1 /* INTERNAL_ERROR */, NULL);
}

static void stream_data(struct arq_quic_connection *connection, void *user, int64_t id,
			uint64_t offset, const uint8_t *data, size_t length, bool fin)
{
	struct raw_stream *stream = raw_stream_find(user, id);
	(void)offset;
	if (stream)
		raw_stream_data(stream, data, length, fin);
	else
		arq_quic_stream_consume(connection, id, length);
}

static void stream_acked(struct arq_quic_connection *connection, void *user, int64_t id,
			 uint64_t offset, uint64_t length)
{
	struct raw_stream *stream = raw_stream_find(user, id);
	(void)connection;
	(void)offset;
	if (stream && stream->state == RAW_OPEN)
		raw_stream_acked(stream, (size_t)length);
}

static void stream_reset(struct arq_quic_connection *connection, void *user, int64_t id,
			 uint64_t final_size, uint64_t code)
{
	struct raw_stream *stream = raw_stream_find(user, id);
	(void)connection;
	(void)final_size;
	if (stream)
		raw_stream_reset(stream, code);
}

static void stop_sending(struct arq_quic_connection *connection, void *user, int64_t id,
			 uint64_t code)
{
	struct raw_stream *stream = raw_stream_find(user, id);
	(void)connection;
	if (stream)
		raw_stream_stopped(stream, code);
}

static void stream_closed(struct arq_quic_connection *connection, void *user, int64_t id)
{
	struct raw_stream *stream = raw_stream_find(user, id);
	if (stream)
		raw_stream_closed(stream);
	else
		arq_quic_stream_release(connection, id); /* one that was refused at once */
}

static void streams_available(struct arq_quic_connection *connection, void *user)
{
	struct raw_session *session = user;
	(void)connection;
	raw_session_open_waiting(session);
	if (session->upstream && session->ready)
		arq_upstream_streams(session->upstream);
}

static void datagram(struct arq_quic_connection *connection, void *user, const uint8_t *data,
		     size_t length)
{
	struct raw_session *session = user;
	(void)connection;
	if (session->peer)
		(void)arq_quic_datagram_send(session->peer->connection, data, length);
}

/* --- QUIC's callbacks: sending ---------------------------------------------------------------- */

void raw_session_queue(struct raw_stream *stream)
{
	if (stream->queued || stream->blocked)
		return;
	stream->queued = true;
	TAILQ_INSERT_TAIL(&stream->session->output, stream, turn);
	arq_quic_connection_wake(stream->session->connection);
}

void raw_session_unqueue(struct raw_stream *stream)
{
	if (stream->queued)
		TAILQ_REMOVE(&stream->session->output, stream, turn);
	stream->queued = false;
}

static void next_write(struct arq_quic_connection *connection, void *user,
		       struct arq_quic_write *write)
{
	struct raw_session *session = user;
	struct raw_stream *stream = TAILQ_FIRST(&session->output);
	(void)connection;
	if (!stream)
		return;
	write->stream_id = stream->id;
	write->count = arq_send_buffer_peek(&stream->buffer, write->vecs, ARQ_QUIC_WRITE_VECS);
	/* Fewer vectors than there could be: they reach to the end. */
	write->fin = stream->tx_finished && write->count < ARQ_QUIC_WRITE_VECS;
}

static void written(struct arq_quic_connection *connection, void *user, int64_t id, size_t length)
{
	struct raw_session *session = user;
	struct raw_stream *stream = raw_stream_find(session, id);
	(void)connection;
	if (!stream || !stream->queued)
		return;
	arq_send_buffer_sent(&stream->buffer, length);
	raw_session_unqueue(stream);
	/* The others come first now. */
	if (!arq_send_buffer_all_sent(&stream->buffer))
		raw_session_queue(stream);
}

static void blocked(struct arq_quic_connection *connection, void *user, int64_t id)
{
	struct raw_stream *stream = raw_stream_find(user, id);
	(void)connection;
	if (!stream)
		return;
	raw_session_unqueue(stream);
	stream->blocked = true;
}

static void unblocked(struct arq_quic_connection *connection, void *user, int64_t id)
{
	struct raw_stream *stream = raw_stream_find(user, id);
	(void)connection;
	if (!stream || !stream->blocked)
		return;
	stream->blocked = false;
	if (stream->state == RAW_OPEN && !stream->tx_over)
		raw_session_queue(stream);
}

static void shut(struct arq_quic_connection *connection, void *user, int64_t id)
{
	struct raw_stream *stream = raw_stream_find(user, id);
	(void)connection;
	if (stream)
		raw_session_unqueue(stream);
}

/* --- the end ---------------------------------------------------------------------------------- */

static void lose_streams(struct raw_session *session, bool blame)
{
	struct raw_stream *stream;
	if (session->waiting)
		raw_waiting_refuse(session->waiting);
	for (size_t i = 0; i < RAW_BUCKETS; i++) {
		while ((stream = LIST_FIRST(&session->streams[i])))
			raw_stream_lost(stream, blame);
	}
}

/* Whether the end of a connection speaks against the target. */
static bool is_failure(const struct arq_quic_close *close)
{
	return close->kind != ARQ_QUIC_CLOSE_LOCAL_APPLICATION &&
	       close->kind != ARQ_QUIC_CLOSE_SHUTDOWN;
}

static void client_closed(struct arq_quic_connection *connection, void *user,
			  const struct arq_quic_close *close)
{
	struct raw_session *session = user;
	(void)connection;
	if (!session)
		return;
	lose_streams(session, false);
	if (session->client)
		raw_client_end(session->client, close);
	raw_session_destroy(session);
}

static void upstream_closed(struct arq_quic_connection *connection, void *user,
			    const struct arq_quic_close *close)
{
	struct raw_session *session = user;
	(void)connection;
	lose_streams(session, is_failure(close));
	raw_link_lost(session, close);
	arq_upstream_closed(session->upstream, close);
	raw_session_destroy(session);
}

#define COMMON_OPS                                                                                \
	.stream_open = stream_open, .stream_data = stream_data, .stream_acked = stream_acked,     \
	.stream_reset = stream_reset, .stop_sending = stop_sending,                               \
	.stream_closed = stream_closed, .streams_available = streams_available,                   \
	.unblocked = unblocked, .next_write = next_write, .written = written, .blocked = blocked, \
	.shut = shut, .datagram = datagram

const struct arq_quic_ops raw_client_ops = {
	.ready = client_ready, COMMON_OPS, .closed = client_closed};
const struct arq_quic_ops raw_upstream_ops = {
	.ready = upstream_ready, COMMON_OPS, .closed = upstream_closed};
