// SPDX-License-Identifier: BSD-2-Clause
/* The proxy between a client and backends that do what the field guides warn of. */
#include "test_proxy_lab.h"

#include <criterion/criterion.h>
#include <string.h>

#define KIB UINT64_C(1024)
#define MIB (1024 * KIB)

static struct lab_request *last_request(struct lab_backend *backend)
{
	cr_assert_gt(backend->count, 0);
	return &backend->requests[backend->count - 1];
}

static void expect_complete(const struct lab_call *call, unsigned int status, uint64_t length)
{
	cr_assert_eq(call->response.status, status);
	cr_assert(call->response.complete);
	cr_assert_not(call->response.reset);
	cr_assert_eq(call->response.length, length);
	cr_assert_eq(call->response.sum, lab_sum(length));
}

Test(exchange, forwards_both_bodies_unchanged)
{
	static const uint64_t lengths[] = {0, 1, 1000, 65537, 3 * MIB + 17};
	struct lab *lab = lab_start(1);
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		struct lab_call call = {.upload = lengths[i], .finish = true};
		lab_call(lab, &call, "POST", "a.test", "/echo", true);
		LAB_UNTIL(lab, call.response.closed);
		expect_complete(&call, 200, lengths[i]);
		cr_assert(call.response.clean);
	}
	cr_assert_eq(lab->backends[0].sessions, 1, "the connection is used again");
	lab_stop(lab);
}

Test(exchange, forwards_heads_with_the_fields_of_a_proxy)
{
	struct lab *lab = lab_start(1);
	struct lab_call call = {0};
	lab_call(lab, &call, "GET", "a.test:4433", "/download/10?x=1", false);
	LAB_UNTIL(lab, call.response.closed);
	expect_complete(&call, 200, 10);
	cr_assert_str_eq(lab_value(&call.response, "x-backend"), "yes");
	cr_assert_str_eq(lab_value(&call.response, "via"), "3 arquant");

	const struct lab_message *request = &last_request(&lab->backends[0])->request;
	cr_assert_str_eq(request->method, "GET");
	cr_assert_str_eq(request->authority, "a.test:4433");
	cr_assert_str_eq(request->path, "/download/10?x=1");
	cr_assert_str_eq(lab_value(request, "x-mine"), "1");
	cr_assert_str_eq(lab_value(request, "te"), "trailers");
	cr_assert_str_eq(lab_value(request, "via"), "3 arquant");
	cr_assert_str_eq(lab_value(request, "x-forwarded-for"), "127.0.0.1");
	lab_stop(lab);
}

Test(exchange, forwards_trailers_both_ways)
{
	struct lab *lab = lab_start(1);
	struct lab_call down = {0};
	lab_call(lab, &down, "GET", "a.test", "/trailers", false);
	LAB_UNTIL(lab, down.response.closed);
	expect_complete(&down, 200, 1000);
	cr_assert_str_eq(down.response.trailer, "x-check: done");

	struct lab_call up = {.upload = 5000, .finish = true, .trailer = true};
	lab_call(lab, &up, "POST", "a.test", "/echo", true);
	LAB_UNTIL(lab, up.response.closed);
	expect_complete(&up, 200, 5000);
	cr_assert_str_eq(last_request(&lab->backends[0])->request.trailer, "x-check: done");
	lab_stop(lab);
}

Test(exchange, forwards_interim_responses)
{
	struct lab *lab = lab_start(1);
	struct lab_call call = {0};
	lab_call(lab, &call, "GET", "a.test", "/inform", false);
	LAB_UNTIL(lab, call.response.closed);
	cr_assert_eq(call.informed_count, 1);
	cr_assert_eq(call.informed[0], 103);
	expect_complete(&call, 200, 0);
	lab_stop(lab);
}

Test(exchange, answers_head_without_a_body)
{
	struct lab *lab = lab_start(1);
	struct lab_call empty = {0}, direct = {0}, none = {0};
	lab_call(lab, &empty, "HEAD", "a.test", "/empty", false);
	lab_call(lab, &direct, "HEAD", "a.test", "/direct", false);
	lab_call(lab, &none, "HEAD", "none.example", "/x", false);
	LAB_UNTIL(lab, empty.response.closed && direct.response.closed && none.response.closed);
	expect_complete(&empty, 204, 0);
	expect_complete(&direct, 200, 0);
	cr_assert_str_eq(lab_value(&direct.response, "content-length"), "5");
	expect_complete(&none, 404, 0);
	lab_stop(lab);
}

Test(exchange, answers_by_itself_where_no_upstream_is_asked)
{
	struct lab *lab = lab_start(1);
	struct lab_call direct = {0}, none = {0}, upload = {.upload = 100000, .finish = true};
	struct lab_call nothing = {0}, connect = {0};
	lab_call(lab, &direct, "GET", "any.example", "/direct", false);
	lab_call(lab, &none, "GET", "none.example", "/x", false);
	lab_call(lab, &upload, "POST", "any.example", "/direct", true);
	lab_call(lab, &nothing, "GET", "any.example", "/nothing", false);
	lab_call(lab, &connect, "CONNECT", "any.example:443", "", true);
	LAB_UNTIL(lab, direct.response.closed && none.response.closed && upload.response.complete);
	LAB_UNTIL(lab, nothing.response.closed && connect.response.complete);
	expect_complete(&nothing, 204, 0);
	cr_assert_eq(nothing.response.lines, 0);
	cr_assert_eq(connect.response.status, 501);
	cr_assert_eq(direct.response.status, 200);
	cr_assert_eq(direct.response.length, 5);
	cr_assert_str_eq(lab_value(&direct.response, "content-type"), "text/plain");
	cr_assert_eq(none.response.status, 404);
	cr_assert(none.response.complete);
	cr_assert_eq(upload.response.status, 200);
	cr_assert_eq(lab->backends[0].count, 0);
	lab_stop(lab);
}

Test(exchange, carries_many_requests_on_few_connections)
{
	enum { CALLS = 200 };
	static struct lab_call calls[CALLS];
	struct lab *lab = lab_start(1);
	size_t begun = 0, done = 0;
	lab_deadline(lab);
	while (done < CALLS) {
		while (begun < CALLS && arq_h3_session_streams_left(lab->session) > 0)
			lab_call(lab, &calls[begun++], "GET", "a.test", "/download/2000", false);
		lab_round(lab, "all responses");
		done = 0;
		for (size_t i = 0; i < begun; i++)
			done += calls[i].response.closed;
	}
	for (size_t i = 0; i < CALLS; i++)
		expect_complete(&calls[i], 200, 2000);
	/* A second one when the client's credit for a stream comes before the upstream's. */
	cr_assert_leq(lab->backends[0].sessions, 2);
	lab_stop(lab);
}

/* --- back-pressure ---------------------------------------------------------------------------- */

/* What a counter stays at: a busy machine may take its time to get there. */
static uint64_t settled(struct lab *lab, const uint64_t *counter)
{
	uint64_t value = 0;
	for (int quiet = 0; quiet < 3; quiet++) {
		lab_rest(lab, 150);
		if (*counter != value)
			quiet = -1;
		value = *counter;
	}
	return value;
}

Test(exchange, holds_no_more_than_windows_for_a_reader_that_stops)
{
	const uint64_t length = 24 * MIB;
	struct lab *lab = lab_start(1);
	struct lab_call slow = {.paused = true}, other = {0};
	lab_call(lab, &slow, "GET", "a.test", "/download/25165824", false);
	LAB_UNTIL(lab, slow.response.length > 0);

	/* What left the backend: windows of two streams and a send buffer, not the file. */
	uint64_t sent = settled(lab, &last_request(&lab->backends[0])->downloaded);
	cr_assert_geq(slow.response.length, 64 * KIB);
	cr_assert_lt(sent, 2 * MIB, "%llu", (unsigned long long)sent);

	/* Others on the same connections are not held up. */
	lab_call(lab, &other, "GET", "a.test", "/download/1000000", false);
	LAB_UNTIL(lab, other.response.closed);
	expect_complete(&other, 200, 1000000);

	lab_resume(&slow);
	LAB_UNTIL(lab, slow.response.closed);
	expect_complete(&slow, 200, length);
	lab_stop(lab);
}

Test(exchange, holds_no_more_than_windows_for_an_upstream_that_stops_reading)
{
	struct lab *lab = lab_start(1);
	struct lab_call call = {.upload = 8 * MIB, .finish = true};
	lab_call(lab, &call, "POST", "a.test", "/hang-paused", true);
	uint64_t sent = settled(lab, &call.uploaded);
	cr_assert_geq(sent, 64 * KIB);
	cr_assert_lt(sent, 2 * MIB);
	struct lab_request *request = last_request(&lab->backends[0]);
	lab_request_resume(request);
	LAB_UNTIL(lab, request->request.complete);
	cr_assert_eq(request->request.length, 8 * MIB);
	cr_assert_eq(request->request.sum, lab_sum(8 * MIB));
	lab_stop(lab);
}

/* --- ends that are not clean ------------------------------------------------------------------ */

static void cancel_call(struct lab_call *call)
{
	arq_h3_stream_reset(call->stream, ARQ_H3_REQUEST_CANCELLED);
	arq_h3_stream_stop(call->stream, ARQ_H3_REQUEST_CANCELLED);
}

Test(exchange, passes_a_client_s_reset_on)
{
	struct lab *lab = lab_start(1);
	struct lab_call call = {.upload = 1000};
	lab_call(lab, &call, "POST", "a.test", "/hang", true);
	LAB_UNTIL(lab, lab->backends[0].count == 1 && lab->backends[0].requests[0].request.length);
	cancel_call(&call);
	struct lab_message *request = &lab->backends[0].requests[0].request;
	LAB_UNTIL(lab, request->closed);
	cr_assert(request->reset);
	cr_assert_eq(request->reset_code, ARQ_H3_REQUEST_CANCELLED);
	cr_assert_not(request->complete);
	LAB_UNTIL(lab, call.response.closed);
	struct arq_proxy_counters counters;
	lab_counters(lab, &counters);
	cr_assert_eq(counters.client_resets, 1);
	lab_stop(lab);
}

Test(exchange, passes_a_client_s_stop_on)
{
	struct lab *lab = lab_start(1);
	struct lab_call call = {0};
	lab_call(lab, &call, "GET", "a.test", "/part/5000", false);
	LAB_UNTIL(lab, call.response.length == 5000);
	arq_h3_stream_stop(call.stream, ARQ_H3_REQUEST_CANCELLED);
	/* The backend has nothing more to write, so that all it sees is an unclean end. */
	struct lab_message *request = &last_request(&lab->backends[0])->request;
	LAB_UNTIL(lab, request->closed);
	cr_assert_not(request->clean);
	LAB_UNTIL(lab, call.response.closed);
	lab_stop(lab);
}

Test(exchange, never_ends_a_broken_response_cleanly)
{
	struct lab *lab = lab_start(1);
	struct lab_call call = {0};
	lab_call(lab, &call, "GET", "a.test", "/part/5000", false);
	LAB_UNTIL(lab, call.response.length == 5000);
	arq_h3_stream_reset(last_request(&lab->backends[0])->stream, ARQ_H3_REQUEST_CANCELLED);
	LAB_UNTIL(lab, call.response.closed);
	cr_assert(call.response.reset);
	cr_assert_eq(call.response.reset_code, ARQ_H3_INTERNAL_ERROR);
	cr_assert_not(call.response.complete);
	lab_stop(lab);
}

Test(exchange, resets_the_client_when_the_upstream_connection_is_lost)
{
	struct lab *lab = lab_start(1);
	struct lab_call call = {0};
	lab_call(lab, &call, "GET", "a.test", "/part/5000", false);
	LAB_UNTIL(lab, call.response.length == 5000);
	arq_h3_session_close(lab->backends[0].session, ARQ_H3_INTERNAL_ERROR);
	LAB_UNTIL(lab, call.response.closed);
	cr_assert(call.response.reset);
	cr_assert_eq(call.response.reset_code, ARQ_H3_INTERNAL_ERROR);
	cr_assert_not(call.response.complete);

	/* The next request gets a new connection. */
	struct lab_call next = {0};
	lab_call(lab, &next, "GET", "a.test", "/download/10", false);
	LAB_UNTIL(lab, next.response.closed);
	expect_complete(&next, 200, 10);
	cr_assert_eq(lab->backends[0].sessions, 2);
	lab_stop(lab);
}

Test(exchange, repeats_what_an_upstream_rejected)
{
	struct lab *lab = lab_start(1);
	struct lab_call get = {0}, post = {.upload = 0, .finish = false};
	lab->backends[0].refuse = 1;
	lab_call(lab, &get, "GET", "a.test", "/download/10", false);
	LAB_UNTIL(lab, get.response.closed);
	expect_complete(&get, 200, 10);

	/* Any method: nothing was acted upon, and no body has gone. */
	lab->backends[0].refuse = 1;
	lab_call(lab, &post, "POST", "a.test", "/download/10", false);
	LAB_UNTIL(lab, post.response.closed);
	expect_complete(&post, 200, 10);
	struct arq_proxy_counters counters;
	lab_counters(lab, &counters);
	cr_assert_eq(counters.retries, 2);
	lab_stop(lab);
}

Test(exchange, repeats_idempotent_requests_once_and_no_others)
{
	struct lab *lab = lab_start(1);
	struct lab_call get = {0}, post = {0}, twice = {0};
	lab->backends[0].reset = 1;
	lab_call(lab, &get, "GET", "a.test", "/download/10", false);
	LAB_UNTIL(lab, get.response.closed);
	expect_complete(&get, 200, 10);

	lab->backends[0].reset = 1;
	lab_call(lab, &post, "POST", "a.test", "/download/10", false);
	LAB_UNTIL(lab, post.response.closed);
	cr_assert_eq(post.response.status, 502);
	cr_assert(post.response.complete);

	lab->backends[0].reset = 2;
	lab_call(lab, &twice, "GET", "a.test", "/download/10", false);
	LAB_UNTIL(lab, twice.response.closed);
	cr_assert_eq(twice.response.status, 502);
	lab_stop(lab);
}

Test(exchange, forwards_an_early_response_whole_and_stops_the_upload)
{
	struct lab *lab = lab_start(1);
	struct lab_call call = {.upload = 4 * MIB, .finish = true};
	lab_call(lab, &call, "POST", "a.test", "/early", true);
	LAB_UNTIL(lab, call.response.complete && call.response.stopped);
	cr_assert_eq(call.response.status, 403);
	cr_assert_not(call.response.reset);
	cr_assert_eq(call.response.stop_code, ARQ_H3_NO_ERROR);
	LAB_UNTIL(lab, last_request(&lab->backends[0])->request.closed);
	lab_stop(lab);
}

Test(exchange, keeps_reading_the_response_of_an_upstream_that_stops_the_upload)
{
	struct lab *lab = lab_start(1);
	struct lab_call call = {.upload = 4 * MIB, .finish = true};
	lab_call(lab, &call, "POST", "a.test", "/stop", true);
	LAB_UNTIL(lab, call.response.stopped);
	cr_assert_eq(call.response.stop_code, ARQ_H3_NO_ERROR);
	struct lab_request *request = last_request(&lab->backends[0]);
	cr_assert_eq(arq_h3_stream_write(request->stream, (const uint8_t *)"late", 4), 4);
	cr_assert_eq(arq_h3_stream_finish(request->stream, NULL, 0), 0);
	LAB_UNTIL(lab, call.response.complete);
	cr_assert_eq(call.response.status, 200);
	cr_assert_eq(call.response.length, 4);
	lab_stop(lab);
}

Test(exchange, drops_everything_when_the_client_leaves)
{
	struct lab *lab = lab_start(1);
	struct lab_call calls[10];
	memset(calls, 0, sizeof(calls));
	for (size_t i = 0; i < 10; i++)
		lab_call(lab, &calls[i], "GET", "a.test", "/part/1000", false);
	LAB_UNTIL(lab, lab->backends[0].count == 10);
	arq_h3_session_close(lab->session, ARQ_H3_NO_ERROR);
	LAB_UNTIL(lab, lab->gone);
	struct arq_proxy_counters counters;
	lab_deadline(lab);
	do {
		lab_round(lab, "the exchanges to end");
		lab_counters(lab, &counters);
	} while (counters.exchanges > 0);
	LAB_UNTIL(lab, lab->backends[0].requests[9].request.closed);
	lab_stop(lab);
}

/* --- targets ---------------------------------------------------------------------------------- */

Test(exchange, goes_to_another_target_when_one_cannot_be_reached)
{
	struct lab *lab = lab_start(2);
	struct lab_call calls[4] = {{.upload = 2000, .finish = true}};
	lab->backends[0].deaf = true;
	for (size_t i = 0; i < 4; i++)
		lab_call(lab, &calls[i], i ? "GET" : "POST", "a.test", i ? "/download/10" : "/echo",
			 i == 0);
	LAB_UNTIL(lab, calls[0].response.closed && calls[1].response.closed &&
			       calls[2].response.closed && calls[3].response.closed);
	expect_complete(&calls[0], 200, 2000);
	for (size_t i = 1; i < 4; i++)
		expect_complete(&calls[i], 200, 10);
	cr_assert_eq(lab->backends[1].count, 4);
	lab_stop(lab);
}

Test(exchange, answers_504_when_no_target_answers)
{
	struct lab *lab = lab_start(2);
	struct lab_call call = {0};
	lab->backends[0].deaf = lab->backends[1].deaf = true;
	lab_call(lab, &call, "GET", "a.test", "/download/10", false);
	LAB_UNTIL(lab, call.response.closed);
	cr_assert_eq(call.response.status, 504);
	cr_assert(call.response.complete);
	lab_stop(lab);
}

Test(exchange, spreads_requests_over_the_targets)
{
	struct lab *lab = lab_start(2);
	struct lab_call calls[20];
	memset(calls, 0, sizeof(calls));
	for (size_t i = 0; i < 20; i++)
		lab_call(lab, &calls[i], "GET", "a.test", "/download/10", false);
	lab_deadline(lab);
	for (size_t i = 0; i < 20; i++) {
		while (!calls[i].response.closed)
			lab_round(lab, "a response");
		expect_complete(&calls[i], 200, 10);
	}
	cr_assert_eq(lab->backends[0].count, 10);
	cr_assert_eq(lab->backends[1].count, 10);
	lab_stop(lab);
}

Test(exchange, gives_nothing_new_to_an_upstream_that_goes_away)
{
	struct lab *lab = lab_start(1);
	struct lab_call slow = {.paused = true}, next = {0};
	lab_call(lab, &slow, "GET", "a.test", "/download/2000000", false);
	LAB_UNTIL(lab, slow.response.length > 0);
	arq_h3_session_shutdown(lab->backends[0].session);
	lab_rest(lab, 100);
	lab_call(lab, &next, "GET", "a.test", "/download/10", false);
	LAB_UNTIL(lab, next.response.closed);
	expect_complete(&next, 200, 10);
	cr_assert_eq(lab->backends[0].sessions, 2);
	lab_resume(&slow);
	LAB_UNTIL(lab, slow.response.closed);
	expect_complete(&slow, 200, 2000000);
	lab_stop(lab);
}

/* --- what a route changes --------------------------------------------------------------------- */

Test(exchange, rewrites_the_target_and_changes_fields)
{
	struct lab *lab = lab_start_with(
		1, NULL,
		"    - path: /v1/*\n"
		"      pool: p\n"
		"      rewrite: { host: 'in.test:1', prefix: /download/ }\n"
		"      request_headers: { remove: x-mine, set: [{ name: x-set, value: s }] }\n"
		"      response_headers:\n"
		"        remove: via\n"
		"        set: [{ name: x-backend, value: hidden }]\n"
		"        add: [{ name: x-added, value: '1' }]\n");
	struct lab_call call = {0};
	lab_call(lab, &call, "GET", "a.test", "/v1/7?q", false);
	LAB_UNTIL(lab, call.response.closed);
	expect_complete(&call, 200, 7);
	cr_assert_str_eq(lab_value(&call.response, "via"), "");
	cr_assert_str_eq(lab_value(&call.response, "x-backend"), "hidden");
	cr_assert_str_eq(lab_value(&call.response, "x-added"), "1");

	const struct lab_message *request = &last_request(&lab->backends[0])->request;
	cr_assert_str_eq(request->authority, "in.test:1");
	cr_assert_str_eq(request->path, "/download/7?q");
	cr_assert_str_eq(lab_value(request, "x-mine"), "");
	cr_assert_str_eq(lab_value(request, "x-set"), "s");
	cr_assert_str_eq(lab_value(request, "via"), "3 arquant");
	lab_stop(lab);
}

Test(exchange, redirects)
{
	struct lab *lab = lab_start_with(
		1, NULL,
		"    - path: /old/*\n"
		"      redirect: { status: 302, host: new.test, prefix: /new/ }\n"
		"      response_headers: { set: [{ name: cache-control, value: no-store }] }\n"
		"    - pool: p\n");
	struct lab_call call = {0}, upload = {.upload = 100000, .finish = true};
	lab_call(lab, &call, "GET", "a.test", "/old/x?y=1", false);
	lab_call(lab, &upload, "POST", "a.test", "/old/", true);
	LAB_UNTIL(lab, call.response.closed && upload.response.complete);
	cr_assert_eq(call.response.status, 302);
	cr_assert_eq(call.response.length, 0);
	cr_assert_str_eq(lab_value(&call.response, "location"), "https://new.test/new/x?y=1");
	cr_assert_str_eq(lab_value(&call.response, "cache-control"), "no-store");
	cr_assert_eq(upload.response.status, 302);
	cr_assert_eq(lab->backends[0].count, 0);
	lab_stop(lab);
}

Test(exchange, refuses_requests_that_come_round)
{
	struct lab *lab = lab_start_with(1, NULL, "    - pool: p\n  forwarding: { via: edge-1 }\n");
	struct lab_call call = {0}, round = {.via = "1.1 other, 3 edge-1"};
	lab_call(lab, &call, "GET", "a.test", "/download/10", false);
	lab_call(lab, &round, "GET", "a.test", "/download/10", false);
	LAB_UNTIL(lab, call.response.closed && round.response.closed);
	expect_complete(&call, 200, 10);
	cr_assert_str_eq(lab_value(&call.response, "via"), "3 edge-1");
	cr_assert_eq(round.response.status, 508);
	cr_assert_eq(lab->backends[0].count, 1);
	lab_stop(lab);
}

Test(exchange, refuses_what_no_route_can_be_told_for)
{
	struct lab *lab = lab_start_with(1, NULL,
					 "    - { path_regex: '/(a+)+[bc]', pool: p }\n"
					 "    - { path: /cut*, pool: p, rewrite: { regex: '^/cut', "
					 "replace: '' } }\n"
					 "    - pool: p\n");
	struct lab_call hostile = {0}, no_path = {0};
	lab_call(lab, &hostile, "GET", "a.test", "/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
		 false);
	lab_call(lab, &no_path, "GET", "a.test", "/cut", false);
	LAB_UNTIL(lab, hostile.response.closed && no_path.response.closed);
	cr_assert_eq(hostile.response.status, 400);
	cr_assert_eq(no_path.response.status, 500);
	cr_assert_eq(lab->backends[0].count, 0);
	lab_stop(lab);
}

/* What the backend knows of request i, once it is there. */
static bool has_priority(const struct lab *lab, size_t i, uint8_t urgency, bool incremental)
{
	const struct lab_backend *backend = &lab->backends[0];
	if (i >= backend->count || !backend->requests[i].stream)
		return false;
	const struct arq_h3_priority is = arq_h3_stream_priority(backend->requests[i].stream);
	return is.urgency == urgency && is.incremental == incremental;
}

/* A client's PRIORITY_UPDATE, before the proxy has sent the request on, and after. */
Test(exchange, passes_priorities_on)
{
	struct lab *lab = lab_start(1);
	struct lab_call call = {.priority = "u=5"}, other = {0};

	lab_call(lab, &other, "GET", "a.test", "/hang", false);
	LAB_UNTIL(lab, has_priority(lab, 0, 3, false));
	lab_call(lab, &call, "GET", "a.test", "/hang", false);
	cr_assert_eq(arq_h3_stream_set_priority(call.stream, &(struct arq_h3_priority){1, true}),
		     0);
	LAB_UNTIL(lab, has_priority(lab, 1, 1, true));
	cr_assert_str_eq(lab_value(&lab->backends[0].requests[1].request, "priority"), "u=5");
	cr_assert_eq(arq_h3_stream_set_priority(other.stream, &(struct arq_h3_priority){6, false}),
		     0);
	LAB_UNTIL(lab, has_priority(lab, 0, 6, false));
	cr_assert(has_priority(lab, 1, 1, true), "and no other's");
	lab_stop(lab);
}

/* What the upstream says of its response holds, so the client's change of mind goes nowhere. */
Test(exchange, obeys_the_priority_of_a_response)
{
	struct lab *lab = lab_start(1);
	struct lab_call said = {0}, open = {0};

	lab->backends[0].priority = "u=7";
	lab_call(lab, &said, "GET", "a.test", "/part/1000", false);
	LAB_UNTIL(lab, said.response.length == 1000);
	cr_assert_str_eq(lab_value(&said.response, "priority"), "u=7");
	lab->backends[0].priority = NULL;
	lab_call(lab, &open, "GET", "a.test", "/part/1000", false);
	LAB_UNTIL(lab, open.response.length == 1000);
	cr_assert_eq(arq_h3_stream_set_priority(said.stream, &(struct arq_h3_priority){1, false}),
		     0);
	cr_assert_eq(arq_h3_stream_set_priority(open.stream, &(struct arq_h3_priority){1, false}),
		     0);
	LAB_UNTIL(lab, has_priority(lab, 1, 1, false));
	cr_assert(has_priority(lab, 0, 3, false));
	lab_stop(lab);
}

/* --- what a route asks for in the place of its pool
 * -----------------------------------------------
 */

Test(exchange, takes_no_larger_body_than_a_route_does)
{
	struct lab *lab = lab_start_with(1, NULL, "    - { pool: p, limits: { body: 5000 } }\n");
	struct lab_call fits = {.upload = 5000, .finish = true, .length = "5000"};
	struct lab_call says = {.upload = 5001, .finish = true, .length = "5001"};
	struct lab_call is = {.upload = 200000, .finish = true};

	lab_call(lab, &fits, "POST", "a.test", "/echo", true);
	lab_call(lab, &says, "POST", "a.test", "/echo", true);
	LAB_UNTIL(lab, fits.response.closed && says.response.complete);
	expect_complete(&fits, 200, 5000);
	cr_assert_eq(says.response.status, 413);
	cr_assert_eq(lab->backends[0].count, 1);
	lab_call(lab, &is, "POST", "a.test", "/hang", true);
	LAB_UNTIL(lab, is.response.complete);
	cr_assert_eq(is.response.status, 413);
	cr_assert(is.response.stopped, "it need not send the rest");
	lab_rest(lab, 100);
	cr_assert(lab->backends[0].count == 1 || last_request(&lab->backends[0])->request.reset);
	lab_stop(lab);
}

Test(exchange, lets_a_client_ask_as_often_as_a_route_does)
{
	struct lab *lab = lab_start_with(
		1, NULL,
		"    - { path: /a, respond: { status: 200 }, limits: { rate: 2/10s } }\n"
		"    - { path: /b, pool: p, limits: { rate: 1/m, burst: 1 } }\n"
		"    - { respond: { status: 204 } }\n");
	struct lab_call a[4] = {0}, b[2] = {0}, other = {0};

	for (size_t i = 0; i < 3; i++)
		lab_call(lab, &a[i], "GET", "a.test", "/a", false);
	for (size_t i = 0; i < 2; i++)
		lab_call(lab, &b[i], "GET", "a.test", "/b", false);
	lab_call(lab, &other, "GET", "a.test", "/c", false);
	LAB_UNTIL(lab, a[2].response.closed && b[0].response.closed && b[1].response.closed &&
			       other.response.closed);
	cr_assert_eq(a[0].response.status, 200);
	cr_assert_eq(a[1].response.status, 200);
	cr_assert_eq(a[2].response.status, 429);
	cr_assert_str_eq(lab_value(&a[2].response, "retry-after"), "5");
	cr_assert_neq(b[0].response.status, 429);
	cr_assert_eq(b[1].response.status, 429);
	cr_assert_str_eq(lab_value(&b[1].response, "retry-after"), "60");
	cr_assert_eq(other.response.status, 204);
	cr_assert_eq(lab->backends[0].count, 1, "what is refused goes nowhere");
	lab->forward += UINT64_C(5000000000);
	lab_call(lab, &a[3], "GET", "a.test", "/a", false);
	LAB_UNTIL(lab, a[3].response.closed);
	cr_assert_eq(a[3].response.status, 200);
	lab_stop(lab);
}

Test(exchange, waits_as_long_as_a_route_does)
{
	struct lab *lab = lab_start_with(
		1, "      timeouts: { response: 60s }\n",
		"    - { path: /hasty*, pool: p, timeouts: { response: 200ms } }\n    - pool: p\n");
	struct lab_call hasty = {0}, patient = {0};

	lab->backends[0].mute = true;
	lab_call(lab, &patient, "GET", "a.test", "/x", false);
	lab_call(lab, &hasty, "GET", "a.test", "/hasty", false);
	LAB_UNTIL(lab, hasty.response.closed);
	cr_assert_eq(hasty.response.status, 504);
	cr_assert_not(patient.response.closed);
	lab_stop(lab);
}

Test(exchange, tries_as_often_as_a_route_does)
{
	struct lab *lab = lab_start_with(
		1, NULL,
		"    - { path: /once, pool: p, retries: { attempts: 1 } }\n    - pool: p\n");
	struct lab_call once = {0}, twice = {0};

	lab->backends[0].reset = 1;
	lab_call(lab, &once, "GET", "a.test", "/once", false);
	LAB_UNTIL(lab, once.response.closed);
	cr_assert_eq(once.response.status, 502);
	lab->backends[0].reset = 1;
	lab_call(lab, &twice, "GET", "a.test", "/download/10", false);
	LAB_UNTIL(lab, twice.response.closed);
	expect_complete(&twice, 200, 10);
	lab_stop(lab);
}

/* A client that has a connection to "localhost" asks for what is another connection's. */
Test(exchange, sends_requests_to_the_connection_of_their_host)
{
	struct lab *lab = lab_start_with(
		1, NULL,
		"    - { server_name: '*.test', respond: { status: 201 } }\n"
		"    - { server_name: localhost, host: localhost, respond: { status: 202 } }\n"
		"    - { path: /any, respond: { status: 204 } }\n");
	struct lab_call own = {0}, other = {0}, any = {0}, none = {0};

	lab_call(lab, &own, "GET", "localhost:4433", "/any", false);
	lab_call(lab, &other, "GET", "A.test", "/any", false);
	lab_call(lab, &any, "GET", "other.example", "/any", false);
	lab_call(lab, &none, "GET", "other.example", "/none", false);
	LAB_UNTIL(lab, own.response.closed && other.response.closed && any.response.closed &&
			       none.response.closed);
	cr_assert_eq(own.response.status, 202);
	cr_assert_eq(other.response.status, 421);
	cr_assert_eq(any.response.status, 204);
	cr_assert_eq(none.response.status, 404);
	lab_stop(lab);
}

/* --- early data ------------------------------------------------------------------------------- */

static struct lab_call early[5];

static void send_early(struct lab *lab)
{
	lab_call(lab, &early[0], "GET", "safe.test", "/download/10", false);
	lab_call(lab, &early[1], "POST", "safe.test", "/download/10", false);
	lab_call(lab, &early[2], "POST", "all.test", "/download/10", false);
	lab_call(lab, &early[3], "GET", "none.test", "/download/10", false);
	lab_call(lab, &early[4], "POST", "own.test", "/", false);
}

/* RFC 8470: what may be a repetition goes on only where nothing can come of it, and says so. */
Test(exchange, requests_in_early_data_are_refused_where_they_could_do_harm)
{
	static const unsigned int expected[] = {200, 425, 200, 425, 204};
	struct lab *lab = lab_start_with(1, NULL,
					 "    - { host: safe.test, pool: p }\n"
					 "    - { host: all.test, early_data: all, pool: p }\n"
					 "    - { host: none.test, early_data: none, pool: p }\n"
					 "    - { host: own.test, respond: { status: 204 } }\n");
	struct lab_call later = {0};

	lab_resume_early(lab, send_early);
	for (size_t i = 0; i < 5; i++) {
		LAB_UNTIL(lab, early[i].response.closed);
		cr_expect_eq(early[i].response.status, expected[i], "%zu: %u", i,
			     early[i].response.status);
	}
	cr_assert_eq(lab->backends[0].count, 2);
	for (size_t i = 0; i < 2; i++)
		cr_expect_str_eq(lab_value(&lab->backends[0].requests[i].request, "early-data"),
				 "1");
	lab_call(lab, &later, "POST", "safe.test", "/download/10", false);
	LAB_UNTIL(lab, later.response.closed);
	cr_expect_eq(later.response.status, 200);
	cr_expect_str_empty(lab_value(&lab->backends[0].requests[2].request, "early-data"));
	lab_stop(lab);
}

/* --- drain ------------------------------------------------------------------------------------ */

Test(exchange, finishes_what_is_open_when_it_drains)
{
	struct lab *lab = lab_start(1);
	struct lab_call slow = {.paused = true};
	lab_call(lab, &slow, "GET", "a.test", "/download/2000000", false);
	LAB_UNTIL(lab, slow.response.length > 0);
	arq_proxy_drain(lab->proxy);
	LAB_UNTIL(lab, lab->client_goaway);
	cr_assert_gt(arq_quic_connections(lab->front), 0);
	lab_resume(&slow);
	LAB_UNTIL(lab, slow.response.closed);
	expect_complete(&slow, 200, 2000000);
	LAB_UNTIL(lab, lab->gone);
	LAB_UNTIL(lab, arq_quic_connections(lab->front) == 0);
	lab_stop(lab);
}
