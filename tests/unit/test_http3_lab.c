/* SPDX-License-Identifier: BSD-2-Clause */
#include "test_http3_lab.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BIG   (1 << 20)
#define CHUNK 5000 /* written at a time: neither a divisor of slabs nor of packets */
#define LARGE 20000

static uint8_t pattern(size_t offset)
{
	return (uint8_t)(offset * 31 + (offset >> 8));
}

static void fill(uint8_t *out, size_t offset, size_t length)
{
	for (size_t i = 0; i < length; i++)
		out[i] = pattern(offset + i);
}

static bool text_is(struct arq_h3_text text, const char *string)
{
	return text.length == strlen(string) && memcmp(text.data, string, text.length) == 0;
}

/* --- the server's handler --------------------------------------------------------------------- */

struct handler {
	struct h3lab *l;
	struct arq_h3_stream *stream;
	enum { ECHO, BIG_BODY, HOLD, PLAIN } what;
	size_t sent;
	bool trailer;
};

static void big_pump(struct handler *handler)
{
	uint8_t chunk[CHUNK];

	while (handler->sent < BIG) {
		size_t length = BIG - handler->sent < CHUNK ? BIG - handler->sent : CHUNK;
		ssize_t taken;

		fill(chunk, handler->sent, length);
		taken = arq_h3_stream_write(handler->stream, chunk, length);
		if (taken < 0)
			return;
		handler->sent += (size_t)taken;
		if ((size_t)taken < length)
			return;
	}
	cr_assert_eq(arq_h3_stream_finish(handler->stream, NULL, 0), 0);
}

static void server_body(struct arq_h3_stream *stream, void *user, const uint8_t *data,
			size_t length)
{
	struct handler *handler = user;

	switch (handler->what) {
	case ECHO:
		cr_assert_eq(arq_h3_stream_write(stream, data, length), (ssize_t)length,
			     "a send buffer as large as the window takes everything");
		break;
	case HOLD:
		handler->l->held += length;
		break;
	default:
		arq_h3_stream_consume(stream, length);
	}
}

static void server_sent(struct arq_h3_stream *stream, void *user, size_t length)
{
	if (((struct handler *)user)->what == ECHO)
		arq_h3_stream_consume(stream, length);
}

static void server_trailers(struct arq_h3_stream *stream, void *user,
			    const struct arq_h3_field *fields, size_t count)
{
	struct handler *handler = user;

	(void)stream;
	cr_assert(count == 1 && text_is(fields[0].name, "x-check"));
	handler->l->trailers_received += count;
}

static void server_end(struct arq_h3_stream *stream, void *user)
{
	static const struct arq_h3_field trailer = {{"x-sum", 5}, {"42", 2}};
	struct handler *handler = user;

	if (handler->trailer)
		cr_assert_eq(arq_h3_stream_finish(stream, &trailer, 1), 0);
	else if (handler->what == ECHO)
		cr_assert_eq(arq_h3_stream_finish(stream, NULL, 0), 0);
}

static void server_writable(struct arq_h3_stream *stream, void *user)
{
	(void)stream;
	big_pump(user);
}

static void server_reset(struct arq_h3_stream *stream, void *user, uint64_t code)
{
	struct handler *handler = user;

	handler->l->server_reset = code;
	arq_h3_stream_reset(stream, ARQ_H3_REQUEST_CANCELLED);
}

static void server_stop(struct arq_h3_stream *stream, void *user, uint64_t code)
{
	(void)stream;
	(void)user;
	(void)code;
}

static void server_stream_closed(struct arq_h3_stream *stream, void *user, bool clean,
				 uint64_t code)
{
	(void)stream;
	(void)clean;
	(void)code;
	free(user);
}

static const struct arq_h3_stream_ops handler_ops = {
	.on_body = server_body,
	.on_trailers = server_trailers,
	.on_end = server_end,
	.on_sent = server_sent,
	.on_writable = server_writable,
	.on_reset = server_reset,
	.on_stop_sending = server_stop,
	.on_closed = server_stream_closed,
};

static void released(void *user)
{
	((struct h3lab *)user)->released++;
}

static void respond_large(struct arq_h3_stream *stream)
{
	char *value = malloc(LARGE);
	struct arq_h3_field field = {{"x", 1}, {value, LARGE}};

	memset(value, 'v', LARGE);
	cr_assert_eq(arq_h3_stream_respond(stream, 200, &field, 1, true), 0);
	free(value);
}

static void respond_trailers(struct handler *handler)
{
	static const struct arq_h3_field link = {{"link", 4}, {"</a>", 4}};

	handler->what = PLAIN;
	handler->trailer = true;
	cr_assert_eq(arq_h3_stream_inform(handler->stream, 103, &link, 1), 0);
	cr_assert_eq(arq_h3_stream_inform(handler->stream, 101, NULL, 0), -EINVAL);
	cr_assert_eq(arq_h3_stream_respond(handler->stream, 200, NULL, 0, false), 0);
	cr_assert_eq(arq_h3_stream_respond(handler->stream, 200, NULL, 0, false), -EALREADY);
	cr_assert_eq(arq_h3_stream_write(handler->stream, (const uint8_t *)"body", 4), 4);
}

static void respond_early(struct arq_h3_stream *stream)
{
	cr_assert_eq(arq_h3_stream_respond(stream, 413, NULL, 0, true), 0);
	arq_h3_stream_stop(stream, ARQ_H3_NO_ERROR);
	cr_assert_eq(arq_h3_stream_write(stream, (const uint8_t *)"x", 1), -EPIPE);
}

static void respond(struct handler *handler, struct arq_h3_text path)
{
	struct arq_h3_stream *stream = handler->stream;

	handler->what = PLAIN;
	if (text_is(path, "/hello")) {
		cr_assert_eq(arq_h3_stream_respond_static(stream, 200, NULL, 0,
							  (const uint8_t *)"hello world", 11,
							  released, handler->l),
			     0);
	} else if (text_is(path, "/trailers")) {
		respond_trailers(handler);
	} else if (text_is(path, "/early")) {
		respond_early(stream);
	} else if (text_is(path, "/reset")) {
		cr_assert_eq(arq_h3_stream_respond(stream, 200, NULL, 0, false), 0);
		arq_h3_stream_reset(stream, ARQ_H3_INTERNAL_ERROR);
	} else if (text_is(path, "/large")) {
		respond_large(stream);
	} else if (text_is(path, "/hold")) {
		handler->what = HOLD;
		handler->l->held = 0;
	} else {
		handler->what = text_is(path, "/big") ? BIG_BODY : ECHO;
		cr_assert_eq(arq_h3_stream_respond(stream, 200, NULL, 0, false), 0);
		if (handler->what == BIG_BODY)
			big_pump(handler);
	}
}

static void server_request(struct arq_h3_session *session, void *user, struct arq_h3_stream *stream,
			   const struct arq_h3_request *request, bool end)
{
	static const char *const known[] = {"/hello",    "/echo",  "/big",   "/hold",
					    "/trailers", "/early", "/reset", "/large"};
	struct h3lab *l = user;
	struct handler *handler;

	(void)session;
	(void)end;
	l->last_early = request->early;
	snprintf(l->last_request, sizeof(l->last_request), "%.*s %.*s %.*s %.*s",
		 (int)request->method.length, request->method.data, (int)request->scheme.length,
		 request->scheme.data, (int)request->authority.length, request->authority.data,
		 (int)request->path.length, request->path.data);
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (!text_is(request->path, known[i]))
			continue;
		handler = calloc(1, sizeof(*handler));
		handler->l = l;
		handler->stream = stream;
		arq_h3_stream_accept(stream, &handler_ops, handler);
		respond(handler, request->path);
		return;
	}
}

static void server_ready(struct arq_h3_session *session, void *user)
{
	((struct h3lab *)user)->server_session = session;
}

static void server_session_closed(struct arq_h3_session *session, void *user,
				  const struct arq_quic_close *close)
{
	struct h3lab *l = user;

	(void)session;
	(void)close;
	l->server_closed = true;
	l->server_session = NULL;
}

static const struct arq_h3_session_ops server_ops = {
	.on_ready = server_ready,
	.on_request = server_request,
	.on_closed = server_session_closed,
};

/* --- the client ------------------------------------------------------------------------------- */

void h3lab_pump(struct exchange *x)
{
	static const struct arq_h3_field trailer = {{"x-check", 7}, {"1", 1}};
	uint8_t chunk[CHUNK];

	while (!x->finished && x->sent < x->to_send) {
		size_t left = x->to_send - x->sent;
		size_t length = left < CHUNK ? left : CHUNK;
		ssize_t taken;

		fill(chunk, x->sent, length);
		taken = arq_h3_stream_write(x->stream, chunk, length);
		if (taken < 0)
			return;
		x->sent += (size_t)taken;
		if ((size_t)taken < length)
			return;
	}
	if (!x->finished)
		cr_assert_eq(
			arq_h3_stream_finish(x->stream, x->trailers ? &trailer : NULL, x->trailers),
			0);
	x->finished = true;
}

static void client_information(struct arq_h3_stream *stream, void *user,
			       const struct arq_h3_response *response)
{
	(void)stream;
	cr_assert_eq(response->field_count, 1);
	((struct exchange *)user)->information = response->status;
}

static void client_response(struct arq_h3_stream *stream, void *user,
			    const struct arq_h3_response *response)
{
	struct exchange *x = user;

	(void)stream;
	cr_assert_eq(x->status, 0);
	x->status = response->status;
}

static void client_body(struct arq_h3_stream *stream, void *user, const uint8_t *data,
			size_t length)
{
	struct exchange *x = user;

	for (size_t i = 0; i < length; i++)
		x->mismatch |= data[i] != pattern(x->received + i);
	x->received += length;
	if (!x->hold)
		arq_h3_stream_consume(stream, length);
}

static void client_trailers(struct arq_h3_stream *stream, void *user,
			    const struct arq_h3_field *fields, size_t count)
{
	(void)stream;
	(void)fields;
	((struct exchange *)user)->trailer_count = count;
}

static void client_end(struct arq_h3_stream *stream, void *user)
{
	(void)stream;
	((struct exchange *)user)->ended = true;
}

static void client_writable(struct arq_h3_stream *stream, void *user)
{
	(void)stream;
	h3lab_pump(user);
}

static void client_reset(struct arq_h3_stream *stream, void *user, uint64_t code)
{
	struct exchange *x = user;

	cr_assert(!x->ended && !x->reset);
	x->reset = code;
	arq_h3_stream_reset(stream, ARQ_H3_REQUEST_CANCELLED);
}

static void client_stop(struct arq_h3_stream *stream, void *user, uint64_t code)
{
	(void)stream;
	(void)code;
	((struct exchange *)user)->stopped = true;
}

static void client_stream_closed(struct arq_h3_stream *stream, void *user, bool clean,
				 uint64_t code)
{
	struct exchange *x = user;

	(void)stream;
	cr_assert(!x->closed, "closed comes once");
	x->closed = true;
	x->clean = clean;
	x->code = code;
	x->stream = NULL;
}

const struct arq_h3_stream_ops exchange_ops = {
	.on_information = client_information,
	.on_response = client_response,
	.on_body = client_body,
	.on_trailers = client_trailers,
	.on_end = client_end,
	.on_writable = client_writable,
	.on_reset = client_reset,
	.on_stop_sending = client_stop,
	.on_closed = client_stream_closed,
};

static void client_ready(struct arq_h3_session *session, void *user)
{
	struct h3lab *l = user;

	(void)session;
	l->client_ready = true;
	if (l->at_once)
		l->first = h3lab_get(l, l->at_once);
}

static void client_goaway(struct arq_h3_session *session, void *user, int64_t id)
{
	struct h3lab *l = user;

	(void)session;
	l->goaways++;
	l->goaway_id = id;
}

static void client_session_closed(struct arq_h3_session *session, void *user,
				  const struct arq_quic_close *close)
{
	struct h3lab *l = user;

	(void)session;
	l->client_closed = true;
	l->client_close = *close;
	l->client_session = NULL;
}

static void client_resumption(struct arq_h3_session *session, void *user, const uint8_t *data,
			      size_t length)
{
	struct h3lab *l = user;

	(void)session;
	cr_assert_leq(length, sizeof(l->resumption));
	memcpy(l->resumption, data, length);
	l->resumption_length = length;
}

static const struct arq_h3_session_ops client_ops = {
	.on_ready = client_ready,
	.on_resumption = client_resumption,
	.on_goaway = client_goaway,
	.on_closed = client_session_closed,
};

/* --- the laboratory --------------------------------------------------------------------------- */

struct h3lab *h3lab_new(void)
{
	struct h3lab *l = calloc(1, sizeof(*l));

	arq_h3_options_default(&l->options);
	LIST_INIT(&l->exchanges);
	return l;
}

void h3lab_listen(struct h3lab *l)
{
	struct arq_quic_transport transport;

	lab_create(&l->lab, NULL);
	cr_assert_eq(arq_h3_create(&l->options, &l->server), 0);
	cr_assert_eq(arq_h3_create(&l->options, &l->client), 0);
	l->service = (struct arq_h3_server){l->server, &server_ops, l};
	l->application = arq_h3_application(&l->service);
	arq_h3_transport(l->server, true, &transport);
	lab_listen(&l->lab, &l->application, 1, &transport);
}

void h3lab_connect(struct h3lab *l)
{
	struct arq_h3_connect_options options = {
		.io = NULL, .server_name = "localhost", .ops = &client_ops, .user = l};
	struct arq_error error = {0};

	if (!l->lab.listener)
		h3lab_listen(l);
	if (l->resume) {
		options.resumption = l->resumption;
		options.resumption_length = l->resumption_length;
		options.early_data = true;
	}
	options.io = &l->lab.client_io.io;
	options.tls = l->lab.client_tls;
	lab_path(false, &options.path);
	arq_h3_transport(l->client, false, &options.transport);
	cr_assert_eq(arq_h3_connect(l->client, l->lab.client, &options, l->lab.now,
				    &l->client_session, &error),
		     0, "%s", error.text);
}

static bool is_ready(void *user)
{
	struct h3lab *l = user;

	return l->client_ready && l->server_session;
}

void h3lab_start(struct h3lab *l)
{
	h3lab_connect(l);
	cr_assert(lab_run(&l->lab, 20 * LAB_SECOND, is_ready, l));
}

void h3lab_destroy(struct h3lab *l)
{
	struct exchange *x;

	lab_destroy(&l->lab);
	cr_assert_eq(h3lab_counters(l, true).memory, 0);
	cr_assert_eq(h3lab_counters(l, false).memory, 0);
	arq_h3_destroy(l->server);
	arq_h3_destroy(l->client);
	while ((x = LIST_FIRST(&l->exchanges))) {
		LIST_REMOVE(x, entry);
		free(x);
	}
	free(l);
}

static bool never(void *user)
{
	(void)user;
	return false;
}

void h3lab_wait(struct h3lab *l, uint64_t ns)
{
	lab_run(&l->lab, ns, never, NULL);
}

struct arq_h3_request h3lab_message(const char *method, const char *path)
{
	return (struct arq_h3_request){
		.method = arq_h3_text(method),
		.scheme = arq_h3_text("https"),
		.authority = arq_h3_text("localhost"),
		.path = arq_h3_text(path),
	};
}

struct exchange *exchange_new(struct h3lab *l)
{
	struct exchange *x = calloc(1, sizeof(*x));

	LIST_INSERT_HEAD(&l->exchanges, x, entry);
	return x;
}

struct exchange *h3lab_request(struct h3lab *l, const char *method, const char *path, bool body)
{
	struct exchange *x = exchange_new(l);
	struct arq_h3_request request = h3lab_message(method, path);
	int rv = arq_h3_request(l->client_session, &request, body, &exchange_ops, x, &x->stream);

	cr_assert(rv == 0 || rv == -EAGAIN);
	return rv ? NULL : x;
}

struct exchange *h3lab_get(struct h3lab *l, const char *path)
{
	return h3lab_request(l, "GET", path, false);
}

struct exchange *h3lab_post(struct h3lab *l, const char *path, size_t length)
{
	struct exchange *x = h3lab_request(l, "POST", path, true);

	if (x) {
		x->to_send = length;
		h3lab_pump(x);
	}
	return x;
}

static bool is_closed(void *user)
{
	return ((struct exchange *)user)->closed;
}

void h3lab_finish(struct h3lab *l, struct exchange *x)
{
	cr_assert(lab_run(&l->lab, 600 * LAB_SECOND, is_closed, x),
		  "not closed: %zu of %zu sent, %zu received, status %u", x->sent, x->to_send,
		  x->received, x->status);
}

struct arq_h3_counters h3lab_counters(const struct h3lab *l, bool server)
{
	struct arq_h3_counters counters;

	arq_h3_counters_read(server ? l->server : l->client, &counters);
	return counters;
}
