/* SPDX-License-Identifier: BSD-2-Clause */
/* HTTP/3 sessions of both roles against each other over a wire in memory. */
#include "test_http3_lab.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- messages --------------------------------------------------------------------------------- */

Test(http3_session, gets_a_static_body)
{
	struct h3lab *l = h3lab_new();
	struct exchange *x;

	h3lab_start(l);
	x = h3lab_get(l, "/hello");
	h3lab_finish(l, x);
	cr_assert_eq(x->status, 200);
	cr_assert_eq(x->received, 11);
	cr_assert(x->ended && x->clean);
	cr_assert_eq(x->code, ARQ_H3_NO_ERROR);
	cr_assert_str_eq(l->last_request, "GET https localhost /hello");
	h3lab_wait(l, LAB_SECOND);
	cr_assert_eq(l->released, 1, "when the client has acknowledged it");
	h3lab_destroy(l);
}

static bool session_closed(void *user)
{
	return ((struct h3lab *)user)->client_closed;
}

/* A request that comes as 0-RTT is marked, so that nobody acts on it twice; the next is not. */
Test(http3_session, marks_early_requests)
{
	struct h3lab *l = h3lab_new();
	struct arq_quic_certificate files;
	uint8_t secret[ARQ_QUIC_SECRET_LENGTH] = {1};
	struct arq_quic_tls_options options = {
		.certificates = &files, .count = 1, .secret = secret};
	struct arq_quic_transport transport;
	struct arq_error error = {0};
	struct arq_quic_tls *tls;
	struct exchange *x;

	h3lab_listen(l);
	files = (struct arq_quic_certificate){l->lab.certificate.certificate,
					      l->lab.certificate.key};
	cr_assert_eq(arq_quic_replay_create(&options.replay), 0);
	cr_assert_eq(arq_quic_tls_create(&options, &tls, &error), 0, "%s", error.text);
	arq_h3_transport(l->server, true, &transport);
	arq_quic_listener_update(l->lab.listener, tls, &transport);
	h3lab_start(l);
	h3lab_finish(l, h3lab_get(l, "/hello"));
	cr_assert(!l->last_early);
	h3lab_wait(l, LAB_SECOND);
	arq_h3_session_close(l->client_session, ARQ_H3_NO_ERROR);
	cr_assert(lab_run(&l->lab, LAB_SECOND, session_closed, l));
	l->client_ready = l->client_closed = l->server_closed = false;
	l->resume = true;
	l->at_once = "/hello";
	h3lab_connect(l);
	arq_quic_run(l->lab.client, l->lab.now);
	x = l->first;
	cr_assert_not_null(x, "at once");
	h3lab_finish(l, x);
	cr_assert_eq(x->status, 200);
	cr_assert(l->last_early);
	x = h3lab_get(l, "/hello");
	h3lab_finish(l, x);
	cr_assert(!l->last_early);
	cr_assert_eq(lab_counters(l->lab.server).early_data_accepted, 1);
	h3lab_destroy(l);
	arq_quic_tls_put(tls);
	arq_quic_replay_put(options.replay);
}

Test(http3_session, echoes_a_mebibyte_through_small_windows)
{
	struct h3lab *l = h3lab_new();
	struct exchange *x;

	l->options.send_buffer = 64 << 10;
	l->options.stream_window = 32 << 10;
	h3lab_start(l);
	x = h3lab_post(l, "/echo", 1 << 20);
	h3lab_finish(l, x);
	cr_assert_eq(x->status, 200);
	cr_assert_eq(x->received, 1 << 20);
	cr_assert(!x->mismatch && x->clean);
	h3lab_wait(l, LAB_SECOND);
	cr_assert_leq(h3lab_counters(l, true).slabs_peak, 3);
	cr_assert_eq(h3lab_counters(l, true).write_short, 0);
	cr_assert_eq(h3lab_counters(l, true).slabs, 0);
	h3lab_destroy(l);
}

Test(http3_session, survives_loss)
{
	struct h3lab *l = h3lab_new();
	struct exchange *x;

	h3lab_start(l);
	l->lab.client_io.drop_every = 9;
	l->lab.server_io.drop_every = 11;
	x = h3lab_post(l, "/echo", 400 << 10);
	h3lab_finish(l, x);
	cr_assert_eq(x->received, 400 << 10);
	cr_assert(!x->mismatch && x->clean);
	h3lab_destroy(l);
}

Test(http3_session, carries_trailers_and_interim_responses)
{
	struct h3lab *l = h3lab_new();
	struct exchange *x;

	h3lab_start(l);
	x = h3lab_request(l, "POST", "/trailers", true);
	x->to_send = 5000;
	x->trailers = true;
	h3lab_pump(x);
	h3lab_finish(l, x);
	cr_assert_eq(x->information, 103);
	cr_assert_eq(x->status, 200);
	cr_assert_eq(x->trailer_count, 1);
	cr_assert_eq(l->trailers_received, 1);
	cr_assert(x->clean);
	h3lab_destroy(l);
}

Test(http3_session, runs_a_hundred_requests_at_a_time)
{
	struct h3lab *l = h3lab_new();
	struct exchange *all[300];
	size_t done = 0;

	h3lab_start(l);
	for (size_t i = 0; i < 300; i++) {
		all[i] = h3lab_post(l, "/echo", 3000 + i);
		while (!all[i]) {
			lab_step(&l->lab);
			all[i] = h3lab_post(l, "/echo", 3000 + i);
		}
	}
	for (size_t i = 0; i < 300; i++) {
		h3lab_finish(l, all[i]);
		done += all[i]->clean && all[i]->received == 3000 + i && !all[i]->mismatch;
	}
	cr_assert_eq(done, 300);
	cr_assert_eq(h3lab_counters(l, true).requests_received, 300);
	h3lab_destroy(l);
}

/* --- back-pressure ---------------------------------------------------------------------------- */

/* A stream window of 64 KiB full of body: headers and framing take their few bytes of it. */
static void assert_a_window(size_t bytes)
{
	cr_assert_leq(bytes, 64 << 10);
	cr_assert_gt(bytes, (64 << 10) - 200, "%zu bytes", bytes);
}

/* A send buffer of 128 KiB in slabs, the first of which may be acknowledged in part. */
static void assert_a_buffer(size_t slabs)
{
	cr_assert_geq(slabs, 128 / 16);
	cr_assert_leq(slabs, 128 / 16 + 1);
}

/* A server that writes as fast as it may, and a client that does not read. */
Test(http3_session, unread_response_stops_the_server)
{
	struct h3lab *l = h3lab_new();
	struct exchange *x, *other;

	l->options.send_buffer = 128 << 10;
	l->options.stream_window = 64 << 10;
	h3lab_start(l);
	x = h3lab_request(l, "GET", "/big", false);
	x->hold = true;
	h3lab_wait(l, 3 * LAB_SECOND);
	assert_a_window(x->received);
	assert_a_buffer(h3lab_counters(l, true).slabs);
	/* Others go on: the connection's window is the sum of the streams'. */
	other = h3lab_post(l, "/echo", 300000);
	h3lab_finish(l, other);
	cr_assert(other->clean);
	x->hold = false;
	arq_h3_stream_consume(x->stream, x->received);
	h3lab_finish(l, x);
	cr_assert_eq(x->received, 1 << 20);
	cr_assert(x->clean && !x->mismatch);
	h3lab_destroy(l);
}

Test(http3_session, unread_request_stops_the_client)
{
	struct h3lab *l = h3lab_new();
	struct exchange *x;

	l->options.send_buffer = 128 << 10;
	l->options.stream_window = 64 << 10;
	h3lab_start(l);
	x = h3lab_post(l, "/hold", 1 << 20);
	h3lab_wait(l, 3 * LAB_SECOND);
	assert_a_window(l->held);
	assert_a_buffer(h3lab_counters(l, false).slabs);
	cr_assert_eq(arq_h3_stream_room(x->stream), 0);
	arq_h3_stream_reset(x->stream, ARQ_H3_REQUEST_CANCELLED);
	arq_h3_stream_stop(x->stream, ARQ_H3_REQUEST_CANCELLED);
	h3lab_finish(l, x);
	cr_assert(!x->clean);
	cr_assert_eq(l->server_reset, ARQ_H3_REQUEST_CANCELLED);
	cr_assert_eq(h3lab_counters(l, false).slabs, 0);
	/* What was never consumed is not lost for the connection. */
	for (int i = 0; i < 20; i++) {
		x = h3lab_post(l, "/hold", 1 << 20);
		h3lab_wait(l, LAB_SECOND);
		assert_a_window(l->held);
		arq_h3_stream_reset(x->stream, ARQ_H3_REQUEST_CANCELLED);
		arq_h3_stream_stop(x->stream, ARQ_H3_REQUEST_CANCELLED);
		h3lab_finish(l, x);
	}
	h3lab_destroy(l);
}

/* Of a response that is read up to 192 KiB and then not any more: the bytes that still come. */
static size_t come_unread(struct h3lab *l, struct exchange **made)
{
	struct exchange *x = *made = h3lab_request(l, "GET", "/big", false);
	size_t before;

	while (x->received < 192 << 10)
		lab_step(&l->lab);
	x->hold = true;
	before = x->received;
	h3lab_wait(l, 3 * LAB_SECOND);
	return x->received - before;
}

/* Long messages get a wider window, as far as the budget of all goes, and give it back. */
Test(http3_session, widens_the_window_of_what_is_long)
{
	struct h3lab *l = h3lab_new();
	struct exchange *x, *y;
	size_t wide, usual;

	l->options.send_buffer = 512 << 10;
	l->options.stream_window = 64 << 10;
	l->options.wide_window = 256 << 10;
	l->options.wide_budget = 192 << 10;
	h3lab_start(l);
	wide = come_unread(l, &x);
	cr_assert_leq(wide, 256 << 10);
	cr_assert_gt(wide, 192 << 10, "%zu bytes", wide);
	usual = come_unread(l, &y);
	cr_assert_leq(usual, 64 << 10);
	cr_assert_gt(usual, 32 << 10, "%zu bytes", usual);
	x->hold = y->hold = false;
	arq_h3_stream_consume(x->stream, wide);
	arq_h3_stream_consume(y->stream, usual);
	h3lab_finish(l, x);
	h3lab_finish(l, y);
	cr_assert(x->clean && !x->mismatch && x->received == 1 << 20);
	cr_assert(y->clean && !y->mismatch && y->received == 1 << 20);
	cr_assert_gt(come_unread(l, &x), 192 << 10, "the budget is whole again");
	h3lab_destroy(l);
}

/* --- priorities --------------------------------------------------------------------------------
 */

Test(http3_session, reads_priorities)
{
	static const struct {
		const char *value;
		struct arq_h3_priority priority;
		bool good;
	} values[] = {
		{"u=5", {5, true}, true},          {"i=?0", {2, false}, true},
		{"u=0, i=?0", {0, false}, true},   {"", {2, true}, true},
		{"other=1, u=7", {7, true}, true}, {"u=8", {2, true}, false},
		{"u=x", {2, true}, false},         {"i=1", {2, true}, false},
		{"u=5;", {2, true}, false},
	};

	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		struct arq_h3_priority priority = {2, true};

		cr_expect_eq(arq_h3_priority_read(&priority, arq_h3_text(values[i].value)),
			     values[i].good, "%s", values[i].value);
		cr_expect(arq_h3_priority_equal(&priority, &values[i].priority), "%s",
			  values[i].value);
	}
}

/* --- ends of streams -------------------------------------------------------------------------- */

Test(http3_session, server_resets)
{
	struct h3lab *l = h3lab_new();
	struct exchange *x;

	h3lab_start(l);
	x = h3lab_get(l, "/reset");
	h3lab_finish(l, x);
	cr_assert_eq(x->reset, ARQ_H3_INTERNAL_ERROR);
	cr_assert(!x->clean && !x->ended);
	cr_assert_eq(x->code, ARQ_H3_INTERNAL_ERROR);
	h3lab_destroy(l);
}

Test(http3_session, unaccepted_requests_are_rejected)
{
	struct h3lab *l = h3lab_new();
	struct exchange *x;

	h3lab_start(l);
	x = h3lab_get(l, "/ignore");
	h3lab_finish(l, x);
	cr_assert_eq(x->reset, ARQ_H3_REQUEST_REJECTED);
	cr_assert_eq(h3lab_counters(l, true).requests_rejected, 1);
	h3lab_destroy(l);
}

/* The whole response before the request is through, then STOP_SENDING with H3_NO_ERROR. */
Test(http3_session, early_response_is_whole)
{
	struct h3lab *l = h3lab_new();
	struct exchange *x;

	l->options.send_buffer = 64 << 10;
	h3lab_start(l);
	x = h3lab_post(l, "/early", 8 << 20);
	h3lab_finish(l, x);
	cr_assert_eq(x->status, 413);
	cr_assert(x->ended);
	cr_assert_eq(x->reset, 0);
	cr_assert(x->stopped);
	h3lab_destroy(l);
}

Test(http3_session, lost_connection_closes_every_stream)
{
	struct h3lab *l = h3lab_new();
	struct exchange *x, *y;

	h3lab_start(l);
	x = h3lab_post(l, "/hold", 1 << 20);
	y = h3lab_request(l, "POST", "/echo", true);
	h3lab_wait(l, LAB_SECOND);
	arq_h3_session_close(l->server_session, ARQ_H3_EXCESSIVE_LOAD);
	h3lab_finish(l, x);
	h3lab_finish(l, y);
	cr_assert(!x->clean && !y->clean);
	cr_assert_eq(x->code, ARQ_H3_EXCESSIVE_LOAD);
	h3lab_wait(l, 10 * LAB_SECOND);
	cr_assert(l->client_closed && l->server_closed);
	cr_assert_eq(h3lab_counters(l, true).memory, 0);
	cr_assert_eq(h3lab_counters(l, false).memory, 0);
	cr_assert_eq(h3lab_counters(l, true).sessions, 0);
	cr_assert_eq(h3lab_counters(l, false).slabs, 0);
	h3lab_destroy(l);
}

/* --- ends of sessions ------------------------------------------------------------------------- */

Test(http3_session, server_shuts_down_gracefully)
{
	struct h3lab *l = h3lab_new();
	struct arq_h3_stream *none;
	struct arq_h3_request request;
	struct exchange *x;

	h3lab_start(l);
	x = h3lab_request(l, "POST", "/echo", true);
	h3lab_wait(l, LAB_SECOND);
	arq_h3_session_shutdown(l->server_session);
	arq_h3_session_shutdown(l->server_session);
	h3lab_wait(l, 2 * LAB_SECOND);
	cr_assert_eq(l->goaways, 2, "a notice and the last id");
	cr_assert_eq(l->goaway_id, 4, "one request was taken");
	cr_assert(!l->client_closed, "a request is open");
	request = h3lab_message("GET", "/hello");
	cr_assert_eq(arq_h3_request(l->client_session, &request, false, &exchange_ops, NULL, &none),
		     -ESHUTDOWN);
	cr_assert_eq(arq_h3_session_streams_left(l->client_session), 0);
	x->to_send = 5000;
	h3lab_pump(x);
	h3lab_finish(l, x);
	cr_assert(x->clean);
	h3lab_wait(l, 2 * LAB_SECOND);
	cr_assert(l->client_closed && l->server_closed);
	cr_assert_eq(l->client_close.kind, ARQ_QUIC_CLOSE_PEER_APPLICATION);
	cr_assert_eq(l->client_close.code, ARQ_H3_NO_ERROR);
	h3lab_destroy(l);
}

Test(http3_session, client_shuts_down_gracefully)
{
	struct h3lab *l = h3lab_new();
	struct exchange *x;

	h3lab_start(l);
	x = h3lab_get(l, "/hello");
	arq_h3_session_shutdown(l->client_session);
	h3lab_finish(l, x);
	cr_assert(x->clean);
	h3lab_wait(l, 2 * LAB_SECOND);
	cr_assert(l->client_closed && l->server_closed);
	cr_assert_eq(l->client_close.code, ARQ_H3_NO_ERROR);
	h3lab_destroy(l);
}

Test(http3_session, shutdown_before_the_handshake_just_closes)
{
	struct h3lab *l = h3lab_new();

	h3lab_connect(l);
	arq_h3_session_shutdown(l->client_session);
	h3lab_wait(l, 2 * LAB_SECOND);
	cr_assert(l->client_closed);
	h3lab_destroy(l);
}

/* --- fields ----------------------------------------------------------------------------------- */

static int try_request(struct h3lab *l, const char *name, const char *value)
{
	struct arq_h3_field field = {arq_h3_text(name), arq_h3_text(value)};
	struct arq_h3_request request = h3lab_message("GET", "/hello");
	struct arq_h3_stream *stream;

	request.fields = &field;
	request.field_count = 1;
	return arq_h3_request(l->client_session, &request, false, &exchange_ops, exchange_new(l),
			      &stream);
}

Test(http3_session, sends_no_forbidden_fields)
{
	struct h3lab *l = h3lab_new();
	struct arq_h3_request request = h3lab_message("GET", "");
	struct arq_h3_stream *stream;

	h3lab_start(l);
	cr_assert_eq(try_request(l, "Upper", "x"), -EINVAL);
	cr_assert_eq(try_request(l, "connection", "close"), -EINVAL);
	cr_assert_eq(try_request(l, "te", "gzip"), -EINVAL);
	cr_assert_eq(try_request(l, ":path", "/x"), -EINVAL);
	cr_assert_eq(try_request(l, "x", "a\r\nb"), -EINVAL);
	cr_assert_eq(try_request(l, "", "x"), -EINVAL);
	cr_assert_eq(
		arq_h3_request(l->client_session, &request, false, &exchange_ops, NULL, &stream),
		-EINVAL);
	cr_assert_eq(try_request(l, "te", "trailers"), 0);
	h3lab_destroy(l);
}

Test(http3_session, refuses_large_sections_with_431)
{
	struct h3lab *l = h3lab_new();
	char *large = malloc(20000);
	struct arq_h3_field field = {arq_h3_text("x"), {large, 19000}};
	struct arq_h3_request request = h3lab_message("POST", "/echo");
	struct exchange *x;

	memset(large, 'a', 20000);
	h3lab_start(l);
	x = exchange_new(l);
	request.fields = &field;
	request.field_count = 1;
	cr_assert_eq(
		arq_h3_request(l->client_session, &request, true, &exchange_ops, x, &x->stream), 0);
	x->to_send = 100000;
	h3lab_pump(x);
	h3lab_finish(l, x);
	cr_assert_eq(x->status, 431);
	cr_assert_eq(h3lab_counters(l, true).sections_too_large, 1);
	cr_assert_eq(h3lab_counters(l, true).requests_received, 0);
	x = h3lab_get(l, "/hello");
	h3lab_finish(l, x);
	cr_assert(x->clean, "the session lives on");
	free(large);
	h3lab_destroy(l);
}

Test(http3_session, large_response_section_ends_its_stream)
{
	struct h3lab *l = h3lab_new();
	struct exchange *x;

	h3lab_start(l);
	x = h3lab_get(l, "/large");
	h3lab_finish(l, x);
	cr_assert_eq(x->status, 0);
	cr_assert_eq(x->reset, ARQ_H3_EXCESSIVE_LOAD);
	x = h3lab_get(l, "/hello");
	h3lab_finish(l, x);
	cr_assert(x->clean, "the session lives on");
	h3lab_destroy(l);
}
