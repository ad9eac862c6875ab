/* SPDX-License-Identifier: BSD-2-Clause */
/* One connection: between QUIC's callbacks and nghttp3's. */
#include "userspace/http3/session.h"

#include <errno.h>
#include <string.h>

/* QPACK's dynamic table, each way: the size that the usual implementations choose. */
#define QPACK_TABLE 4096

/* A shutdown's final GOAWAY waits for requests that were under way: RFC 9114 section 5.2. */
#define SHUTDOWN_ROUND_TRIPS 2

static bool stream_is_bidi(int64_t id)
{
	return !(id & 2); /* RFC 9000 section 2.1 */
}

void session_fail(struct arq_h3_session *session, int error)
{
	session->h3->counters.protocol_errors++;
	arq_quic_connection_close(session->connection, true,
				  nghttp3_err_infer_quic_app_error_code(error),
				  nghttp3_strerror(error));
}

/* --- nghttp3's callbacks: messages ------------------------------------------------------------ */

static int begin_section(nghttp3_conn *conn, int64_t id, void *user, void *stream_user)
{
	struct arq_h3_stream *stream = stream_find(user, id);

	(void)stream_user;
	if (!stream)
		return NGHTTP3_ERR_CALLBACK_FAILURE;
	section_clear(&stream->section, &stream->session->h3->memory);
	return nghttp3_conn_set_stream_user_data(conn, id, stream);
}

static int recv_line(nghttp3_conn *conn, int64_t id, int32_t token, nghttp3_rcbuf *name,
		     nghttp3_rcbuf *value, uint8_t flags, void *user, void *stream_user)
{
	struct arq_h3_stream *stream = stream_user;
	struct arq_h3 *h3 = ((struct arq_h3_session *)user)->h3;

	(void)conn;
	(void)id;
	(void)flags;
	if (stream->rx_dead)
		return 0;
	switch (section_add(&stream->section, &h3->options, &h3->memory, token, name, value)) {
	case 0:
		return 0;
	case -E2BIG:
		section_clear(&stream->section, &h3->memory);
		stream_too_large(stream);
		return 0;
	default:
		return NGHTTP3_ERR_CALLBACK_FAILURE;
	}
}

static void malformed(struct arq_h3_stream *stream)
{
	stream->session->h3->counters.messages_malformed++;
	stream_abort(stream, ARQ_H3_MESSAGE_ERROR, ARQ_H3_MESSAGE_ERROR);
}

static void handle_request(struct arq_h3_stream *stream, bool end)
{
	struct arq_h3_session *session = stream->session;
	struct arq_h3 *h3 = session->h3;
	struct arq_h3_request request;

	if (section_request(&stream->section, h3->fields, &request)) {
		malformed(stream);
		return;
	}
	request.early = arq_quic_connection_early(session->connection);
	stream->priority = arq_h3_stream_priority(stream);
	session->ops->on_request(session, session->user, stream, &request, end);
	if (stream->ops) {
		h3->counters.requests_received++;
		return;
	}
	h3->counters.requests_rejected++;
	stream_abort(stream, ARQ_H3_REQUEST_REJECTED, ARQ_H3_REQUEST_REJECTED);
}

static void handle_response(struct arq_h3_stream *stream)
{
	struct arq_h3 *h3 = stream->session->h3;
	struct arq_h3_response response;

	if (section_response(&stream->section, h3->fields, &response)) {
		malformed(stream);
	} else if (response.status >= 200) {
		h3->counters.responses_received++;
		stream->ops->on_response(stream, stream->user, &response);
	} else if (stream->ops->on_information) {
		stream->ops->on_information(stream, stream->user, &response);
	}
}

static int end_headers(nghttp3_conn *conn, int64_t id, int fin, void *user, void *stream_user)
{
	struct arq_h3_session *session = user;
	struct arq_h3_stream *stream = stream_user;

	(void)conn;
	(void)id;
	if (!stream->rx_dead && session->server)
		handle_request(stream, fin);
	else if (!stream->rx_dead)
		handle_response(stream);
	section_clear(&stream->section, &session->h3->memory);
	return 0;
}

static int end_trailers(nghttp3_conn *conn, int64_t id, int fin, void *user, void *stream_user)
{
	struct arq_h3 *h3 = ((struct arq_h3_session *)user)->h3;
	struct arq_h3_stream *stream = stream_user;

	(void)conn;
	(void)id;
	(void)fin;
	if (!stream->rx_dead && stream->ops && stream->ops->on_trailers)
		stream->ops->on_trailers(stream, stream->user, h3->fields,
					 section_fields(&stream->section, h3->fields));
	section_clear(&stream->section, &h3->memory);
	return 0;
}

static int recv_data(nghttp3_conn *conn, int64_t id, const uint8_t *data, size_t length, void *user,
		     void *stream_user)
{
	struct arq_h3_session *session = user;
	struct arq_h3_stream *stream = stream_user;

	(void)conn;
	stream->delivered += length;
	session->h3->counters.body_received += length;
	if (stream->rx_dead || !stream->ops) {
		arq_quic_stream_consume(session->connection, id, length);
		return 0;
	}
	stream->unconsumed += length;
	stream->ops->on_body(stream, stream->user, data, length);
	return 0;
}

static int end_stream(nghttp3_conn *conn, int64_t id, void *user, void *stream_user)
{
	struct arq_h3_stream *stream = stream_user;

	(void)conn;
	(void)id;
	(void)user;
	if (stream->rx_dead)
		return 0;
	stream->rx_ended = true;
	if (stream->ops)
		stream->ops->on_end(stream, stream->user);
	return 0;
}

static int acked_stream_data(nghttp3_conn *conn, int64_t id, uint64_t length, void *user,
			     void *stream_user)
{
	(void)conn;
	(void)id;
	(void)user;
	stream_acked(stream_user, length);
	return 0;
}

/* Credit for what waited on QPACK; nothing does, since no stream may block on it. */
static int deferred_consume(nghttp3_conn *conn, int64_t id, size_t consumed, void *user,
			    void *stream_user)
{
	struct arq_h3_session *session = user;

	(void)conn;
	(void)stream_user;
	arq_quic_stream_consume(session->connection, id, consumed);
	return 0;
}

/* --- nghttp3's callbacks: errors and the session ---------------------------------------------- */

/*
 * nghttp3 asks for STOP_SENDING and then RESET_STREAM of a request stream that is malformed or came
 * after GOAWAY; for the unidirectional streams of types it does not know, just the former.
 */
static int ask_stop(nghttp3_conn *conn, int64_t id, uint64_t code, void *user, void *stream_user)
{
	struct arq_h3_session *session = user;

	(void)conn;
	(void)stream_user;
	if (!stream_is_bidi(id) || !stream_find(session, id))
		arq_quic_stream_stop(session->connection, id, code);
	return 0;
}

static int ask_reset(nghttp3_conn *conn, int64_t id, uint64_t code, void *user, void *stream_user)
{
	struct arq_h3_session *session = user;
	struct arq_h3_stream *stream = stream_find(session, id);

	(void)conn;
	(void)stream_user;
	if (!stream) {
		arq_quic_stream_reset(session->connection, id, code);
		return 0;
	}
	if (code == ARQ_H3_MESSAGE_ERROR)
		session->h3->counters.messages_malformed++;
	else
		session->h3->counters.requests_rejected++;
	stream_abort(stream, code, code);
	return 0;
}

static int recv_goaway(nghttp3_conn *conn, int64_t id, void *user)
{
	struct arq_h3_session *session = user;

	(void)conn;
	if (!session->server) {
		session->goaway = true;
		for (size_t i = 0; i < STREAM_BUCKETS; i++) {
			struct arq_h3_stream *stream;

			LIST_FOREACH (stream, &session->streams[i], entry) {
				if (stream->id >= id)
					stream_abort(stream, ARQ_H3_REQUEST_CANCELLED,
						     ARQ_H3_REQUEST_REJECTED);
			}
		}
	}
	if (session->ops->on_goaway)
		session->ops->on_goaway(session, session->user, id);
	return 0;
}

static const nghttp3_callbacks callbacks = {
	.acked_stream_data = acked_stream_data,
	.recv_data = recv_data,
	.deferred_consume = deferred_consume,
	.begin_headers = begin_section,
	.recv_header = recv_line,
	.end_headers = end_headers,
	.begin_trailers = begin_section,
	.recv_trailer = recv_line,
	.end_trailers = end_trailers,
	.stop_sending = ask_stop,
	.end_stream = end_stream,
	.reset_stream = ask_reset,
	.shutdown = recv_goaway,
};

/* --- beginning -------------------------------------------------------------------------------- */

static struct arq_h3_session *
session_create(struct arq_h3 *h3, const struct arq_h3_session_ops *ops, void *user, bool server)
{
	struct arq_h3_session *session = arq_memory_calloc(1, sizeof(*session), &h3->memory);

	if (!session)
		return NULL;
	session->h3 = h3;
	session->ops = ops;
	session->user = user;
	session->server = server;
	session->max_streams = h3->options.max_streams;
	h3->counters.sessions++;
	return session;
}

static void session_destroy(struct arq_h3_session *session)
{
	session->h3->counters.sessions--;
	nghttp3_conn_del(session->conn);
	arq_memory_free(session, &session->h3->memory);
}

/* Control stream, QPACK encoder and decoder stream: RFC 9114 section 6.2. */
static int bind_streams(struct arq_h3_session *session)
{
	int64_t ids[3];

	for (size_t i = 0; i < 3; i++) {
		int rv = arq_quic_stream_open(session->connection, false, &ids[i]);

		if (rv)
			return rv;
	}
	return nghttp3_conn_bind_control_stream(session->conn, ids[0]) ||
			       nghttp3_conn_bind_qpack_streams(session->conn, ids[1], ids[2])
		       ? -ENOMEM
		       : 0;
}

/* Returns 0, -EAGAIN when the peer does not allow the streams, -ENOMEM. */
static int session_begin(struct arq_h3_session *session)
{
	struct arq_h3 *h3 = session->h3;
	nghttp3_settings settings;
	int rv;

	nghttp3_settings_default(&settings);
	settings.max_field_section_size = h3->options.max_field_section;
	settings.qpack_max_dtable_capacity = QPACK_TABLE;
	settings.qpack_encoder_max_dtable_capacity = QPACK_TABLE;
	/* No stream of the peer's may wait for another: errors then belong to one stream. */
	settings.qpack_blocked_streams = 0;
	if (session->server) {
		rv = nghttp3_conn_server_new(&session->conn, &callbacks, &settings, &h3->allocator,
					     session);
		h3->counters.sessions_server++;
	} else {
		rv = nghttp3_conn_client_new(&session->conn, &callbacks, &settings, &h3->allocator,
					     session);
		h3->counters.sessions_client++;
	}
	if (rv)
		return -ENOMEM;
	if (session->server)
		nghttp3_conn_set_max_client_streams_bidi(session->conn, session->max_streams);
	return bind_streams(session);
}

static void session_start(struct arq_h3_session *session)
{
	int rv = session_begin(session);

	if (rv) {
		arq_quic_connection_close(
			session->connection, true,
			rv == -EAGAIN ? ARQ_H3_GENERAL_PROTOCOL_ERROR : ARQ_H3_INTERNAL_ERROR,
			rv == -EAGAIN ? "three unidirectional streams needed" : NULL);
		return;
	}
	if (session->ops->on_ready)
		session->ops->on_ready(session, session->user);
}

static void server_ready(struct arq_quic_connection *connection, void *user)
{
	struct arq_h3_server *server = user;
	struct arq_h3_session *session =
		session_create(server->h3, server->ops, server->user, true);

	arq_quic_connection_set_user(connection, session);
	if (!session) {
		arq_quic_connection_close(connection, true, ARQ_H3_INTERNAL_ERROR, NULL);
		return;
	}
	session->connection = connection;
	session_start(session);
}

static void client_ready(struct arq_quic_connection *connection, void *user)
{
	(void)connection;
	session_start(user);
}

/* --- QUIC's callbacks: receiving -------------------------------------------------------------- */

static void stream_open(struct arq_quic_connection *connection, void *user, int64_t id)
{
	struct arq_h3_session *session = user;

	/* Client: servers open no request streams, the transport parameters forbid it. */
	if (!stream_is_bidi(id) || !session->server)
		return;
	if (!stream_create(session, id))
		arq_quic_connection_close(connection, true, ARQ_H3_INTERNAL_ERROR, NULL);
}

/* RFC 9114, section 6.2.1: the type that a control stream begins with. */
#define CONTROL_STREAM 0

static void read_uni(struct arq_h3_session *session, int64_t id, const uint8_t *data, size_t length,
		     bool fin)
{
	nghttp3_ssize taken = nghttp3_conn_read_stream(session->conn, id, data, length, fin);

	if (taken < 0)
		session_fail(session, (int)taken);
	else
		arq_quic_stream_consume(session->connection, id, (uint64_t)taken);
	if (taken >= 0 && session->server && id == session->control_id)
		session_reprioritized(session);
}

/* The end of the stream before any frame: RFC 9114 section 4.1. */
static void incomplete(struct arq_h3_stream *stream)
{
	uint64_t code = stream->session->server ? ARQ_H3_REQUEST_INCOMPLETE : ARQ_H3_MESSAGE_ERROR;

	stream->session->h3->counters.messages_malformed++;
	stream_abort(stream, code, code);
}

static void stream_data(struct arq_quic_connection *connection, void *user, int64_t id,
			uint64_t offset, const uint8_t *data, size_t length, bool fin)
{
	struct arq_h3_session *session = user;
	struct arq_h3_stream *stream;
	nghttp3_ssize taken;

	if (!stream_is_bidi(id)) {
		if (offset == 0 && length > 0 && data[0] == CONTROL_STREAM)
			session->control_id = id;
		read_uni(session, id, data, length, fin);
		return;
	}
	stream = stream_find(session, id);
	if (!stream || stream->rx_dead) {
		arq_quic_stream_consume(connection, id, length);
		return;
	}
	if (length == 0 && !stream->rx_begun) {
		incomplete(stream);
		return;
	}
	stream->rx_begun = true;
	stream->delivered = 0;
	taken = nghttp3_conn_read_stream(session->conn, id, data, length, fin);
	if (taken == NGHTTP3_ERR_MALFORMED_HTTP_HEADER ||
	    taken == NGHTTP3_ERR_MALFORMED_HTTP_MESSAGING) {
		malformed(stream);
		taken = (nghttp3_ssize)(length - stream->delivered);
	}
	if (taken < 0)
		session_fail(session, (int)taken);
	else
		arq_quic_stream_consume(connection, id, (uint64_t)taken);
}

static void stream_reset(struct arq_quic_connection *connection, void *user, int64_t id,
			 uint64_t final_size, uint64_t code)
{
	struct arq_h3_session *session = user;
	struct arq_h3_stream *stream = stream_is_bidi(id) ? stream_find(session, id) : NULL;

	(void)connection;
	(void)final_size;
	if (!stream || stream->rx_dead || stream->rx_ended)
		return;
	session->h3->counters.streams_reset_by_peer++;
	stream->rx_dead = true;
	stream->error = code;
	nghttp3_conn_shutdown_stream_read(session->conn, id);
	if (stream->ops)
		stream->ops->on_reset(stream, stream->user, code);
	else
		stream_abort(stream, ARQ_H3_REQUEST_CANCELLED, code);
}

static void stop_sending(struct arq_quic_connection *connection, void *user, int64_t id,
			 uint64_t code)
{
	struct arq_h3_session *session = user;
	struct arq_h3_stream *stream = stream_is_bidi(id) ? stream_find(session, id) : NULL;

	(void)connection;
	nghttp3_conn_shutdown_stream_write(session->conn, id);
	if (!stream || stream->tx_dead)
		return;
	if (!code)
		code = ARQ_H3_NO_ERROR; /* not known; what else failed shows by itself */
	session->h3->counters.streams_stopped_by_peer++;
	stream->tx_dead = true;
	if (!stream->error && code != ARQ_H3_NO_ERROR)
		stream->error = code;
	if (stream->ops)
		stream->ops->on_stop_sending(stream, stream->user, code);
}

static void stream_closed(struct arq_quic_connection *connection, void *user, int64_t id)
{
	struct arq_h3_session *session = user;
	struct arq_h3_stream *stream = stream_is_bidi(id) ? stream_find(session, id) : NULL;
	int rv = nghttp3_conn_close_stream(
		session->conn, id, stream && stream->error ? stream->error : ARQ_H3_NO_ERROR);

	if (rv && rv != NGHTTP3_ERR_STREAM_NOT_FOUND)
		session_fail(session, rv);
	if (stream)
		stream_destroy(stream);
	arq_quic_stream_release(connection, id);
	if (session->server && stream_is_bidi(id))
		nghttp3_conn_set_max_client_streams_bidi(session->conn, ++session->max_streams);
	arq_quic_connection_wake(connection); /* a shutdown may be complete now */
}

static void streams_available(struct arq_quic_connection *connection, void *user)
{
	struct arq_h3_session *session = user;

	(void)connection;
	if (!session->server && session->conn && session->ops->on_streams)
		session->ops->on_streams(session, session->user);
}

static void resumption(struct arq_quic_connection *connection, void *user, const uint8_t *data,
		       size_t length)
{
	struct arq_h3_session *session = user;

	(void)connection;
	session->ops->on_resumption(session, session->user, data, length);
}

/* --- QUIC's callbacks: sending ---------------------------------------------------------------- */

static void stream_acked_quic(struct arq_quic_connection *connection, void *user, int64_t id,
			      uint64_t offset, uint64_t length)
{
	struct arq_h3_session *session = user;
	int rv = nghttp3_conn_add_ack_offset(session->conn, id, length);

	(void)connection;
	(void)offset;
	if (rv)
		session_fail(session, rv);
}

static void unblocked(struct arq_quic_connection *connection, void *user, int64_t id)
{
	struct arq_h3_session *session = user;

	(void)connection;
	if (nghttp3_conn_unblock_stream(session->conn, id))
		session_fail(session, NGHTTP3_ERR_NOMEM);
}

_Static_assert(sizeof(nghttp3_vec) == sizeof(struct arq_quic_vec) &&
		       offsetof(nghttp3_vec, base) == offsetof(struct arq_quic_vec, data) &&
		       offsetof(nghttp3_vec, len) == offsetof(struct arq_quic_vec, length),
	       "vectors are handed through as they are");

/* Everything is written, so the GOAWAY is too; with the last stream gone the session is over. */
static bool is_drained(const struct arq_h3_session *session)
{
	return session->shutdown == SHUTDOWN_FINAL && session->stream_count == 0;
}

static void next_write(struct arq_quic_connection *connection, void *user,
		       struct arq_quic_write *write)
{
	struct arq_h3_session *session = user;
	nghttp3_ssize count;
	int fin;

	if (!session || !session->conn)
		return;
	count = nghttp3_conn_writev_stream(session->conn, &write->stream_id, &fin,
					   (nghttp3_vec *)write->vecs, ARQ_QUIC_WRITE_VECS);
	if (count < 0) {
		write->stream_id = -1;
		session_fail(session, (int)count);
		return;
	}
	write->count = (size_t)count;
	write->fin = fin;
	if (write->stream_id < 0 && is_drained(session))
		arq_quic_connection_close(connection, true, ARQ_H3_NO_ERROR, NULL);
}

static void written(struct arq_quic_connection *connection, void *user, int64_t id, size_t length)
{
	struct arq_h3_session *session = user;

	(void)connection;
	if (nghttp3_conn_add_write_offset(session->conn, id, length))
		session_fail(session, NGHTTP3_ERR_NOMEM);
}

static void blocked(struct arq_quic_connection *connection, void *user, int64_t id)
{
	struct arq_h3_session *session = user;

	(void)connection;
	nghttp3_conn_block_stream(session->conn, id);
}

static void shut(struct arq_quic_connection *connection, void *user, int64_t id)
{
	struct arq_h3_session *session = user;

	(void)connection;
	nghttp3_conn_shutdown_stream_write(session->conn, id);
}

/* --- ending ----------------------------------------------------------------------------------- */

static void timer(struct arq_quic_connection *connection, void *user, uint64_t now)
{
	struct arq_h3_session *session = user;
	int rv = 0;

	if (!session || !session->conn)
		return;
	if (session->shutdown == SHUTDOWN_ASKED && session->server) {
		rv = nghttp3_conn_submit_shutdown_notice(session->conn);
		session->shutdown = SHUTDOWN_NOTICED;
		arq_quic_connection_set_timer(connection,
					      now + SHUTDOWN_ROUND_TRIPS *
							      arq_quic_connection_rtt(connection));
	} else if (session->shutdown == SHUTDOWN_ASKED || session->shutdown == SHUTDOWN_NOTICED) {
		rv = nghttp3_conn_shutdown(session->conn);
		session->shutdown = SHUTDOWN_FINAL;
	}
	if (rv)
		session_fail(session, rv);
	arq_quic_connection_wake(connection);
}

void arq_h3_session_shutdown(struct arq_h3_session *session)
{
	if (session->shutdown != SHUTDOWN_NOT)
		return;
	session->shutdown = SHUTDOWN_ASKED;
	if (!session->conn) /* no control stream to say it on, and no request that would be lost */
		arq_h3_session_close(session, ARQ_H3_NO_ERROR);
	else
		arq_quic_connection_set_timer(session->connection, 1);
}

void arq_h3_session_close(struct arq_h3_session *session, uint64_t code)
{
	arq_quic_connection_close(session->connection, true, code, NULL);
}

static uint64_t stream_error(const struct arq_quic_close *close)
{
	switch (close->kind) {
	case ARQ_QUIC_CLOSE_LOCAL_APPLICATION:
	case ARQ_QUIC_CLOSE_PEER_APPLICATION:
		return close->code == ARQ_H3_NO_ERROR ? ARQ_H3_REQUEST_CANCELLED : close->code;
	default:
		return ARQ_H3_INTERNAL_ERROR;
	}
}

static void closed(struct arq_quic_connection *connection, void *user,
		   const struct arq_quic_close *close)
{
	struct arq_h3_session *session = user;

	(void)connection;
	if (!session)
		return;
	for (size_t i = 0; i < STREAM_BUCKETS; i++) {
		struct arq_h3_stream *stream;

		while ((stream = LIST_FIRST(&session->streams[i]))) {
			if (!stream->error)
				stream->error = stream_error(close);
			stream_destroy(stream);
		}
	}
	if (session->ops->on_closed)
		session->ops->on_closed(session, session->user, close);
	session_destroy(session);
}

#define COMMON_OPS                                                                                 \
	.stream_open = stream_open, .stream_data = stream_data, .stream_acked = stream_acked_quic, \
	.stream_reset = stream_reset, .stop_sending = stop_sending,                                \
	.stream_closed = stream_closed, .streams_available = streams_available,                    \
	.unblocked = unblocked, .next_write = next_write, .written = written, .blocked = blocked,  \
	.shut = shut, .timer = timer, .closed = closed

static const struct arq_quic_ops server_ops = {.ready = server_ready, COMMON_OPS};
static const struct arq_quic_ops client_ops = {.ready = client_ready, COMMON_OPS};
/* Who does not keep tickets does not ask for them. */
static const struct arq_quic_ops resuming_client_ops = {
	.ready = client_ready, .resumption = resumption, COMMON_OPS};

/* --- public ----------------------------------------------------------------------------------- */

struct arq_quic_application arq_h3_application(struct arq_h3_server *server)
{
	return (struct arq_quic_application){"h3", &server_ops, server, ARQ_H3_EXCESSIVE_LOAD};
}

int arq_h3_connect(struct arq_h3 *h3, struct arq_quic_endpoint *endpoint,
		   const struct arq_h3_connect_options *options, uint64_t now,
		   struct arq_h3_session **made, struct arq_error *error)
{
	struct arq_h3_session *session = session_create(h3, options->ops, options->user, false);
	struct arq_quic_connect_options connect = {
		.io = options->io,
		.path = options->path,
		.tls = options->tls,
		.server_name = options->server_name,
		.alpn = "h3",
		.ops = options->ops->on_resumption ? &resuming_client_ops : &client_ops,
		.user = session,
		.transport = options->transport,
		.resumption = options->resumption,
		.resumption_length = options->resumption_length,
		.early_data = options->early_data,
	};
	int rv;

	if (!session)
		return arq_error_set(error, -ENOMEM, "no memory for an HTTP/3 session");
	rv = arq_quic_connect(endpoint, &connect, now, &session->connection, error);
	if (rv) {
		session_destroy(session);
		return rv;
	}
	*made = session;
	return 0;
}

void arq_h3_session_set_user(struct arq_h3_session *session, void *user)
{
	session->user = user;
}

void *arq_h3_session_user(const struct arq_h3_session *session)
{
	return session->user;
}

struct arq_quic_connection *arq_h3_session_connection(const struct arq_h3_session *session)
{
	return session->connection;
}

size_t arq_h3_session_streams(const struct arq_h3_session *session)
{
	return session->stream_count;
}

uint64_t arq_h3_session_streams_left(const struct arq_h3_session *session)
{
	if (session->server || !session->conn || session->goaway ||
	    session->shutdown != SHUTDOWN_NOT)
		return 0;
	return arq_quic_connection_streams_left(session->connection, true);
}
