/* SPDX-License-Identifier: BSD-2-Clause */
/* One request with its response. */
#include "userspace/http3/session.h"

#include <errno.h>
#include <string.h>

#define STATUS_DIGITS 3
#define DECIMAL_MAX   20 /* digits of a size_t */

/* A message that was read for so many windows is long, and its reader not slow. */
#define WIDE_AFTER 2

/* --- life ------------------------------------------------------------------------------------- */

static struct stream_list *bucket(struct arq_h3_session *session, int64_t id)
{
	/* The two low bits say who opened it and which way it goes. */
	return &session->streams[(uint64_t)id / 4 % STREAM_BUCKETS];
}

struct arq_h3_stream *stream_find(struct arq_h3_session *session, int64_t id)
{
	struct arq_h3_stream *stream;

	LIST_FOREACH (stream, bucket(session, id), entry) {
		if (stream->id == id)
			return stream;
	}
	return NULL;
}

struct arq_h3_stream *stream_create(struct arq_h3_session *session, int64_t id)
{
	struct arq_h3 *h3 = session->h3;
	struct arq_h3_stream *stream = arq_memory_calloc(1, sizeof(*stream), &h3->memory);

	if (!stream)
		return NULL;
	stream->session = session;
	stream->id = id;
	LIST_INSERT_HEAD(bucket(session, id), stream, entry);
	session->stream_count++;
	h3->counters.streams++;
	return stream;
}

void stream_destroy(struct arq_h3_stream *stream)
{
	struct arq_h3_session *session = stream->session;
	struct arq_h3 *h3 = session->h3;
	/* Body that is still here was never acknowledged: the peer stopped it. */
	bool clean = stream->rx_ended && stream->tx_finished && !stream->tx_dead &&
		     !stream->error && !stream->body.head;

	if (stream->unconsumed)
		arq_quic_stream_consume(session->connection, stream->id, stream->unconsumed);
	if (stream->ops)
		stream->ops->on_closed(stream, stream->user, clean,
				       clean           ? ARQ_H3_NO_ERROR
				       : stream->error ? stream->error
						       : ARQ_H3_REQUEST_CANCELLED);
	LIST_REMOVE(stream, entry);
	session->stream_count--;
	h3->widened -= stream->widened;
	h3->counters.streams--;
	section_clear(&stream->section, &h3->memory);
	arq_send_buffer_free(&stream->body, &h3->pool);
	arq_memory_free(stream, &h3->memory);
}

/* --- ending directions ------------------------------------------------------------------------ */

static void end_tx(struct arq_h3_stream *stream, uint64_t code)
{
	if (stream->tx_dead)
		return;
	/* The body stays until the stream is closed: nghttp3 and ngtcp2 still point into it. */
	stream->tx_dead = true;
	if (stream->session->conn)
		nghttp3_conn_shutdown_stream_write(stream->session->conn, stream->id);
	arq_quic_stream_reset(stream->session->connection, stream->id, code);
}

static void end_rx(struct arq_h3_stream *stream, uint64_t code)
{
	if (stream->rx_dead || stream->rx_ended)
		return;
	stream->rx_dead = true;
	if (stream->session->conn)
		nghttp3_conn_shutdown_stream_read(stream->session->conn, stream->id);
	arq_quic_stream_stop(stream->session->connection, stream->id, code);
}

void stream_abort(struct arq_h3_stream *stream, uint64_t code, uint64_t error)
{
	bool tell = stream->ops && !stream->rx_dead && !stream->rx_ended;

	if (!stream->error)
		stream->error = error;
	end_rx(stream, code);
	end_tx(stream, code);
	if (tell)
		stream->ops->on_reset(stream, stream->user, error);
}

void arq_h3_stream_reset(struct arq_h3_stream *stream, uint64_t code)
{
	if (!stream->error)
		stream->error = code;
	end_tx(stream, code);
}

void arq_h3_stream_stop(struct arq_h3_stream *stream, uint64_t code)
{
	if (stream->rx_dead || stream->rx_ended)
		return;
	/* An early response is whole although the request was not: no error by itself. */
	if (!stream->error && code != ARQ_H3_NO_ERROR)
		stream->error = code;
	end_rx(stream, code);
}

/* --- plain access ----------------------------------------------------------------------------- */

void arq_h3_stream_accept(struct arq_h3_stream *stream, const struct arq_h3_stream_ops *ops,
			  void *user)
{
	stream->ops = ops;
	stream->user = user;
}

void arq_h3_stream_set_user(struct arq_h3_stream *stream, void *user)
{
	stream->user = user;
}

struct arq_h3_session *arq_h3_stream_session(const struct arq_h3_stream *stream)
{
	return stream->session;
}

int64_t arq_h3_stream_id(const struct arq_h3_stream *stream)
{
	return stream->id;
}

/* --- receiving -------------------------------------------------------------------------------- */

/*
 * A window is a bound on the rate, too: that many bytes in the time that they take through both
 * connections, schedulers included. What is long gets a wider one while there is budget.
 */
static void widen(struct arq_h3_stream *stream)
{
	struct arq_h3_session *session = stream->session;
	struct arq_h3 *h3 = session->h3;
	size_t more = h3->options.wide_window - h3->options.stream_window;

	if (stream->widened || stream->rx_ended || stream->rx_dead ||
	    h3->widened + more > h3->options.wide_budget)
		return;
	h3->widened += more;
	stream->widened = more;
	arq_quic_stream_widen(session->connection, stream->id, more,
			      session->server && !session->widened);
	session->widened = true;
}

void arq_h3_stream_consume(struct arq_h3_stream *stream, size_t length)
{
	const struct arq_h3_options *options = &stream->session->h3->options;

	if (length > stream->unconsumed)
		length = stream->unconsumed;
	stream->unconsumed -= length;
	arq_quic_stream_consume(stream->session->connection, stream->id, length);
	if (options->wide_window <= options->stream_window)
		return;
	stream->consumed += length;
	if (stream->consumed >= WIDE_AFTER * options->stream_window) {
		stream->consumed = 0;
		widen(stream);
	}
}

/* --- sending: header sections ----------------------------------------------------------------- */

static void wake(struct arq_h3_stream *stream)
{
	arq_quic_connection_wake(stream->session->connection);
}

static int to_errno(int error)
{
	return error == 0 ? 0 : error == NGHTTP3_ERR_STREAM_NOT_FOUND ? -EPIPE : -ENOMEM;
}

/* The response side: may there be another header section? */
static int may_respond(const struct arq_h3_stream *stream)
{
	if (stream->tx_dead || !stream->session->server)
		return -EPIPE;
	return stream->tx_begun ? -EALREADY : 0;
}

/* Digits at the end of `text`: snprintf would cost more than encoding the whole section. */
static struct arq_h3_text decimal(char text[DECIMAL_MAX], size_t value)
{
	char *digit = text + DECIMAL_MAX;

	do
		*--digit = (char)('0' + value % 10);
	while (value /= 10);
	return (struct arq_h3_text){digit, (size_t)(text + DECIMAL_MAX - digit)};
}

/* ":status" and fields into the scratch. Returns their number, or -EINVAL. */
static ssize_t status_out(struct arq_h3_stream *stream, char status_text[STATUS_DIGITS],
			  unsigned int status, const struct arq_h3_field *fields, size_t count)
{
	struct arq_h3 *h3 = stream->session->h3;

	if (count > h3->options.max_fields_sent || status < 100 || status > 599 || status == 101)
		return -EINVAL;
	for (size_t i = STATUS_DIGITS; i > 0; status /= 10)
		status_text[--i] = (char)('0' + status % 10);
	h3->nv[0] = field_nv(":status", (struct arq_h3_text){status_text, STATUS_DIGITS});
	return fields_out(h3->nv, 1, fields, count);
}

static int submit_response(struct arq_h3_stream *stream, size_t count, bool end)
{
	static const nghttp3_data_reader reader = {stream_read_body};
	struct arq_h3_session *session = stream->session;
	int rv = nghttp3_conn_submit_response(session->conn, stream->id, session->h3->nv, count,
					      end ? NULL : &reader);

	if (rv)
		return to_errno(rv);
	stream->tx_begun = true;
	stream->tx_body = !end;
	stream->tx_finished = end;
	session->h3->counters.responses_sent++;
	wake(stream);
	return 0;
}

int arq_h3_stream_respond(struct arq_h3_stream *stream, unsigned int status,
			  const struct arq_h3_field *fields, size_t count, bool end)
{
	char status_text[STATUS_DIGITS];
	int rv = may_respond(stream);
	ssize_t total;

	if (rv)
		return rv;
	if (status < 200)
		return -EINVAL;
	total = status_out(stream, status_text, status, fields, count);
	return total < 0 ? (int)total : submit_response(stream, (size_t)total, end);
}

int arq_h3_stream_inform(struct arq_h3_stream *stream, unsigned int status,
			 const struct arq_h3_field *fields, size_t count)
{
	struct arq_h3_session *session = stream->session;
	char status_text[STATUS_DIGITS];
	int rv = may_respond(stream);
	ssize_t total;

	if (rv)
		return rv;
	if (status >= 200)
		return -EINVAL;
	total = status_out(stream, status_text, status, fields, count);
	if (total < 0)
		return (int)total;
	rv = nghttp3_conn_submit_info(session->conn, stream->id, session->h3->nv, (size_t)total);
	wake(stream);
	return to_errno(rv);
}

static int respond_static(struct arq_h3_stream *stream, unsigned int status,
			  const struct arq_h3_field *fields, size_t count, const uint8_t *body,
			  size_t length, void (*release)(void *user), void *user)
{
	char status_text[STATUS_DIGITS], length_text[DECIMAL_MAX];
	int rv = may_respond(stream);
	ssize_t total;

	if (rv)
		return rv;
	if (status < 200)
		return -EINVAL;
	total = status_out(stream, status_text, status, fields, count);
	if (total < 0)
		return (int)total;
	stream->session->h3->nv[total++] = field_nv("content-length", decimal(length_text, length));
	rv = submit_response(stream, (size_t)total, length == 0);
	if (rv || length == 0)
		return rv ? rv : 1; /* not kept: the caller of this releases */
	stream->tx_finished = true;
	rv = arq_send_buffer_append_static(&stream->body, body, length, release, user);
	if (rv)
		stream_abort(stream, ARQ_H3_INTERNAL_ERROR, ARQ_H3_INTERNAL_ERROR);
	return rv;
}

int arq_h3_stream_respond_static(struct arq_h3_stream *stream, unsigned int status,
				 const struct arq_h3_field *fields, size_t count,
				 const uint8_t *body, size_t length, void (*release)(void *user),
				 void *user)
{
	int rv = respond_static(stream, status, fields, count, body, length, release, user);

	if (rv && release)
		release(user);
	return rv > 0 ? 0 : rv;
}

void stream_too_large(struct arq_h3_stream *stream)
{
	struct arq_h3_session *session = stream->session;

	session->h3->counters.sections_too_large++;
	if (!session->server || stream->tx_begun || stream->ops) {
		stream_abort(stream, ARQ_H3_EXCESSIVE_LOAD, ARQ_H3_EXCESSIVE_LOAD);
		return;
	}
	/* RFC 9114 section 4.2.2: 431; the rest of the request is not wanted. */
	arq_h3_stream_respond(stream, 431, NULL, 0, true);
	end_rx(stream, ARQ_H3_EXCESSIVE_LOAD);
}

/* --- sending: body ---------------------------------------------------------------------------- */

size_t arq_h3_stream_room(const struct arq_h3_stream *stream)
{
	size_t limit = stream->session->h3->options.send_buffer;

	if (!stream->tx_body || stream->tx_finished || stream->tx_dead)
		return 0;
	return stream->body.buffered < limit ? limit - stream->body.buffered : 0;
}

/* nghttp3 looks the stream up, so it is told only when that matters. */
static void resume(struct arq_h3_stream *stream)
{
	if (stream->tx_waits)
		nghttp3_conn_resume_stream(stream->session->conn, stream->id);
	stream->tx_waits = false;
	wake(stream);
}

ssize_t arq_h3_stream_write(struct arq_h3_stream *stream, const uint8_t *data, size_t length)
{
	struct arq_h3_session *session = stream->session;
	size_t room = arq_h3_stream_room(stream);
	size_t taken;

	if (stream->tx_finished || stream->tx_dead)
		return -EPIPE;
	if (!stream->tx_begun)
		return -EINVAL;
	taken = arq_send_buffer_write(&stream->body, &session->h3->pool, data,
				      length < room ? length : room);
	if (taken < length) {
		stream->wants_room = true;
		session->h3->counters.write_short++;
	}
	if (taken)
		resume(stream);
	return (ssize_t)taken;
}

int arq_h3_stream_finish(struct arq_h3_stream *stream, const struct arq_h3_field *trailers,
			 size_t count)
{
	struct arq_h3_session *session = stream->session;
	struct arq_h3 *h3 = session->h3;

	if (stream->tx_finished || stream->tx_dead)
		return -EPIPE;
	if (!stream->tx_begun || count > h3->options.max_fields_sent)
		return -EINVAL;
	if (count) {
		ssize_t total = fields_out(h3->nv, 0, trailers, count);
		int rv;

		if (total < 0)
			return (int)total;
		/* They queue behind the body, whose end they mark. */
		rv = nghttp3_conn_submit_trailers(session->conn, stream->id, h3->nv, (size_t)total);
		if (rv)
			return to_errno(rv);
		stream->tx_trailers = true;
	}
	stream->tx_finished = true;
	resume(stream);
	return 0;
}

nghttp3_ssize stream_read_body(nghttp3_conn *conn, int64_t id, nghttp3_vec *vecs, size_t count,
			       uint32_t *flags, void *session_user, void *stream_user)
{
	struct arq_h3_stream *stream = stream_user;
	size_t taken = arq_send_buffer_peek(&stream->body, (struct arq_quic_vec *)vecs, count);

	(void)conn;
	(void)id;
	(void)session_user;
	/* nghttp3 does not ask for it again: it has them now. */
	for (size_t i = 0; i < taken; i++)
		arq_send_buffer_sent(&stream->body, vecs[i].len);
	if (stream->tx_finished && arq_send_buffer_all_sent(&stream->body)) {
		*flags = NGHTTP3_DATA_FLAG_EOF;
		if (stream->tx_trailers)
			*flags |= NGHTTP3_DATA_FLAG_NO_END_STREAM;
		return (nghttp3_ssize)taken;
	}
	if (taken)
		return (nghttp3_ssize)taken;
	stream->tx_waits = true;
	return NGHTTP3_ERR_WOULDBLOCK;
}

void stream_acked(struct arq_h3_stream *stream, uint64_t length)
{
	struct arq_h3 *h3 = stream->session->h3;
	size_t slabs = arq_send_buffer_acked(&stream->body, &h3->pool, length);

	h3->counters.body_sent += length;
	if (!stream->ops || stream->tx_dead)
		return;
	if (slabs && stream->ops->on_sent)
		stream->ops->on_sent(stream, stream->user, slabs);
	if (!stream->wants_room || arq_h3_stream_room(stream) == 0)
		return;
	stream->wants_room = false;
	if (stream->ops->on_writable)
		stream->ops->on_writable(stream, stream->user);
}

/* --- requests --------------------------------------------------------------------------------- */

static bool is_connect(const struct arq_h3_request *request)
{
	return request->method.length == 7 && memcmp(request->method.data, "CONNECT", 7) == 0;
}

/* The header section into the scratch. Returns the number of lines, or -EINVAL. */
static ssize_t request_out(struct arq_h3 *h3, const struct arq_h3_request *request)
{
	bool plain_connect = is_connect(request) && !request->protocol.data;
	size_t count = 0;

	if (request->field_count > h3->options.max_fields_sent || request->method.length == 0)
		return -EINVAL;
	if (plain_connect ? request->authority.length == 0
			  : request->scheme.length == 0 || request->path.length == 0)
		return -EINVAL;
	h3->nv[count++] = field_nv(":method", request->method);
	if (!plain_connect)
		h3->nv[count++] = field_nv(":scheme", request->scheme);
	if (request->authority.data)
		h3->nv[count++] = field_nv(":authority", request->authority);
	if (!plain_connect)
		h3->nv[count++] = field_nv(":path", request->path);
	if (request->protocol.data)
		h3->nv[count++] = field_nv(":protocol", request->protocol);
	for (size_t i = 0; i < count; i++) {
		if (!nghttp3_check_header_value(h3->nv[i].value, h3->nv[i].valuelen))
			return -EINVAL;
	}
	return fields_out(h3->nv, count, request->fields, request->field_count);
}

static int submit_request(struct arq_h3_stream *stream, size_t count, bool body)
{
	static const nghttp3_data_reader reader = {stream_read_body};
	struct arq_h3_session *session = stream->session;
	int rv = nghttp3_conn_submit_request(session->conn, stream->id, session->h3->nv, count,
					     body ? &reader : NULL, stream);

	if (rv)
		return to_errno(rv);
	stream->tx_begun = true;
	stream->tx_body = body;
	stream->tx_finished = !body;
	session->h3->counters.requests_sent++;
	wake(stream);
	return 0;
}

int arq_h3_request(struct arq_h3_session *session, const struct arq_h3_request *request, bool body,
		   const struct arq_h3_stream_ops *ops, void *user, struct arq_h3_stream **made)
{
	struct arq_h3_stream *stream;
	ssize_t count;
	int64_t id;
	int rv;

	if (session->server)
		return -EINVAL;
	if (session->goaway || session->shutdown != SHUTDOWN_NOT ||
	    arq_quic_connection_is_closing(session->connection))
		return -ESHUTDOWN;
	if (!session->conn)
		return -EAGAIN;
	count = request_out(session->h3, request);
	if (count < 0)
		return (int)count;
	rv = arq_quic_stream_open(session->connection, true, &id);
	if (rv)
		return rv == -EPIPE ? -ESHUTDOWN : rv;
	stream = stream_create(session, id);
	rv = stream ? submit_request(stream, (size_t)count, body) : -ENOMEM;
	if (rv) {
		/* Out of memory half way: nghttp3 may know the stream, so the session cannot go on.
		 */
		arq_h3_session_close(session, ARQ_H3_INTERNAL_ERROR);
		return rv;
	}
	stream->ops = ops;
	stream->user = user;
	*made = stream;
	return 0;
}
