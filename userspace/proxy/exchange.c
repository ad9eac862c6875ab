// SPDX-License-Identifier: BSD-2-Clause
#include "userspace/proxy/exchange.h"

#include "userspace/proxy/account.h"
#include "userspace/proxy/answer.h"
#include "userspace/proxy/direct.h"
#include "userspace/proxy/forward.h"
#include "userspace/proxy/rewrite.h"
#include "userspace/proxy/state.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct exchange {
	struct arq_pool_ticket ticket; /* first: the pool's callbacks find the exchange by it */
	struct arq_proxy *proxy;
	struct arq_view *view; /* a reference: route and pool are of it */
	const struct arq_route *route;
	struct arq_pool *pool;
	struct arq_h3_stream *client; /* NULL once closed */
	struct arq_h3_stream *upstream; /* NULL before it was started and once closed */
	struct arq_message_request *head;
	struct arq_message_body early; /* request body that arrived before the upstream stream */
	struct arq_message_section *request_trailers;
	struct arq_message_section *response_trailers;
	struct arq_account account;
	struct arq_h3_priority priority; /* that its header section asks for */
	bool is_head; /* the method is HEAD: a response has no body */
	bool idempotent;
	bool has_body; /* body or trailers follow the request's header section */
	bool body_sent; /* some of it went to an upstream, so it cannot be sent again */
	bool request_complete; /* as received from the client */
	bool request_stopped; /* the upstream wants no more of it */
	bool responded; /* a final response began */
	bool over; /* the response is complete or given up: nothing more to couple */
};

static const struct arq_config_forwarding *forwarding_of(const struct arq_view *view)
{
	return &arq_view_shared(view)->gateway->forwarding;
}

/* --- life ------------------------------------------------------------------------------------- */

static void free_if_done(struct exchange *x)
{
	if (x->client || x->upstream || x->ticket.target)
		return;
	x->proxy->counters.exchanges--;
	arq_message_body_clear(&x->early);
	free(x->request_trailers);
	free(x->response_trailers);
	free(x->head);
	arq_view_put(x->view);
	free(x);
}

/* Our answer instead of an upstream's; or, when that had begun, its visible failure. */
static void give_up(struct exchange *x, unsigned int status)
{
	if (x->over)
		return;
	x->over = true;
	if (!x->client)
		return;
	if (x->responded) {
		arq_h3_stream_reset(x->client, ARQ_H3_INTERNAL_ERROR);
		if (!x->request_complete)
			arq_h3_stream_stop(x->client, ARQ_H3_INTERNAL_ERROR);
		return;
	}
	const struct arq_answer answer = {.response = arq_answer_own(status)};
	x->proxy->counters.direct++;
	arq_account_answered(&x->account, x->proxy, status);
	x->account.sent = arq_answer_send(x->client, x->is_head, &answer);
	if (!x->request_complete)
		arq_h3_stream_stop(x->client, ARQ_H3_NO_ERROR);
}

/* The client is no longer interested, or what it sends is no request. */
static void cancel_upstream(struct exchange *x)
{
	x->over = true;
	if (x->upstream) {
		arq_h3_stream_reset(x->upstream, ARQ_H3_REQUEST_CANCELLED);
		arq_h3_stream_stop(x->upstream, ARQ_H3_REQUEST_CANCELLED);
	} else {
		arq_pool_give_back(&x->ticket);
	}
}

/* Nobody expects to get here: a copy that had to fit did not, or memory ran out. */
static void break_off(struct exchange *x)
{
	arq_account_failed(&x->account, ARQ_RECORD_GATEWAY, ARQ_H3_INTERNAL_ERROR);
	give_up(x, 502);
	cancel_upstream(x);
}

/* A request's body of so many bytes is more than its route takes. */
static bool exceeds(const struct arq_route *route, uint64_t length)
{
	return route->config->limits.body && length > route->config->limits.body;
}

/* RFC 9110, section 15.5.14. */
static void refuse_body(struct exchange *x)
{
	arq_account_failed(&x->account, ARQ_RECORD_GATEWAY, ARQ_H3_REQUEST_CANCELLED);
	give_up(x, 413);
	cancel_upstream(x);
}

/* --- the request, towards the upstream -------------------------------------------------------- */

static void request_body(struct exchange *x, const uint8_t *data, size_t length)
{
	if (x->over || x->request_stopped) {
		arq_h3_stream_consume(x->client, length);
		return;
	}
	if (!x->upstream) {
		if (arq_message_body_append(&x->early, data, length) != 0)
			break_off(x);
		return;
	}
	arq_pool_progress(&x->ticket);
	ssize_t taken = arq_h3_stream_write(x->upstream, data, length);
	if (taken == -EPIPE)
		arq_h3_stream_consume(x->client, length); /* on_stop_sending or on_closed tells */
	else if (taken < 0 || (size_t)taken != length)
		break_off(x);
	else
		x->body_sent = true;
}

static void request_end(struct exchange *x)
{
	if (x->over || !x->upstream || !x->request_complete || !x->has_body || x->request_stopped)
		return;
	const struct arq_message_section *trailers = x->request_trailers;
	int code = arq_h3_stream_finish(x->upstream, trailers ? trailers->fields : NULL,
					trailers ? trailers->count : 0);
	x->body_sent = true;
	if (code != 0 && code != -EPIPE)
		break_off(x);
}

static void on_client_body(struct arq_h3_stream *stream, void *user, const uint8_t *data,
			   size_t length)
{
	struct exchange *x = user;
	(void)stream;
	x->account.received += length;
	if (!x->over && exceeds(x->route, x->account.received))
		refuse_body(x);
	request_body(x, data, length);
}

static void on_client_trailers(struct arq_h3_stream *stream, void *user,
			       const struct arq_h3_field *fields, size_t count)
{
	struct exchange *x = user;
	(void)stream;
	if (x->over || x->request_trailers)
		return;
	x->request_trailers = arq_message_section_copy(fields, count);
	if (!x->request_trailers)
		break_off(x);
}

static void on_client_end(struct arq_h3_stream *stream, void *user)
{
	struct exchange *x = user;
	(void)stream;
	x->request_complete = true;
	request_end(x);
}

static void on_client_sent(struct arq_h3_stream *stream, void *user, size_t length)
{
	struct exchange *x = user;
	(void)stream;
	arq_pool_progress(&x->ticket);
	if (x->upstream)
		arq_h3_stream_consume(x->upstream, length);
}

static void on_client_reset(struct arq_h3_stream *stream, void *user, uint64_t code)
{
	struct exchange *x = user;
	if (x->over)
		return;
	arq_account_failed(&x->account, ARQ_RECORD_CLIENT, code);
	x->proxy->counters.client_resets++;
	arq_h3_stream_reset(stream, ARQ_H3_REQUEST_CANCELLED);
	cancel_upstream(x);
}

static void on_client_stop_sending(struct arq_h3_stream *stream, void *user, uint64_t code)
{
	struct exchange *x = user;
	if (x->over)
		return;
	arq_account_failed(&x->account, ARQ_RECORD_CLIENT, code);
	x->proxy->counters.client_resets++;
	if (!x->request_complete)
		arq_h3_stream_stop(stream, ARQ_H3_REQUEST_CANCELLED);
	cancel_upstream(x);
}

static void on_client_closed(struct arq_h3_stream *stream, void *user, bool clean, uint64_t code)
{
	struct exchange *x = user;
	(void)clean;
	x->client = NULL;
	/* Many a client leaves without acknowledging the last response: that is no error. */
	if (!x->over)
		arq_account_failed(&x->account, ARQ_RECORD_CLIENT, code);
	arq_account_end(&x->account, x->proxy, stream);
	if (!x->over)
		cancel_upstream(x);
	free_if_done(x);
}

/* As the request said, or by PRIORITY_UPDATE before or after it: RFC 9218, section 7. */
static void pass_priority(const struct exchange *x)
{
	const struct arq_h3_priority priority = arq_h3_stream_priority(x->client);
	(void)arq_h3_stream_set_priority(x->upstream, &priority); /* a wish */
}

static void on_client_priority(struct arq_h3_stream *stream, void *user)
{
	struct exchange *x = user;
	(void)stream;
	if (x->upstream && !x->over)
		pass_priority(x);
}

static const struct arq_h3_stream_ops client_ops = {
	.on_body = on_client_body,
	.on_trailers = on_client_trailers,
	.on_end = on_client_end,
	.on_sent = on_client_sent,
	.on_reset = on_client_reset,
	.on_stop_sending = on_client_stop_sending,
	.on_priority = on_client_priority,
	.on_closed = on_client_closed,
};

/* --- the response, towards the client --------------------------------------------------------- */

static void on_upstream_information(struct arq_h3_stream *stream, void *user,
				    const struct arq_h3_response *response)
{
	struct exchange *x = user;
	struct arq_h3_field fields[ARQ_FIELDS_SENT];
	(void)stream;
	if (!x || x->over || response->field_count > ARQ_FIELDS_MAX)
		return;
	/* One that cannot be passed on is no loss: it is a hint. */
	size_t count = arq_fields_forward(response->fields, response->field_count, false, fields);
	(void)arq_h3_stream_inform(x->client, response->status, fields, count);
}

/* The first value of a field; data NULL when there is none. */
static struct arq_h3_text find_value(const struct arq_h3_field *fields, size_t count,
				     const char *name)
{
	size_t length = strlen(name);
	for (size_t i = 0; i < count; i++) {
		if (fields[i].name.length == length &&
		    memcmp(fields[i].name.data, name, length) == 0)
			return fields[i].value;
	}
	return (struct arq_h3_text){0};
}

/* The upstream knows better what its response is: RFC 9218, section 8. */
static void obey_priority(struct exchange *x, const struct arq_h3_response *response)
{
	struct arq_h3_text value = find_value(response->fields, response->field_count, "priority");
	struct arq_h3_priority priority, asked;
	if (!value.data)
		return;
	priority = asked = arq_h3_stream_priority(x->client);
	if (arq_h3_priority_read(&priority, value) && !arq_h3_priority_equal(&priority, &asked))
		(void)arq_h3_stream_set_priority(x->client, &priority);
}

static void on_upstream_response(struct arq_h3_stream *stream, void *user,
				 const struct arq_h3_response *response)
{
	struct exchange *x = user;
	struct arq_fields_texts texts;
	struct arq_h3_field fields[ARQ_FIELDS_SENT];
	(void)stream;
	if (!x || x->over)
		return;
	if (response->field_count > ARQ_FIELDS_MAX) {
		break_off(x);
		return;
	}
	size_t count =
		arq_forward_response(x->route, forwarding_of(x->view), response, &texts, fields);
	if (arq_h3_stream_respond(x->client, response->status, fields, count, false) != 0) {
		break_off(x);
		return;
	}
	x->responded = true;
	obey_priority(x, response);
	arq_account_answered(&x->account, x->proxy, response->status);
	arq_pool_report(&x->ticket, response->status < 500 ? ARQ_POOL_ANSWERED : ARQ_POOL_ERROR);
}

static void on_upstream_body(struct arq_h3_stream *stream, void *user, const uint8_t *data,
			     size_t length)
{
	struct exchange *x = user;
	if (!x || x->over) {
		arq_h3_stream_consume(stream, length);
		return;
	}
	arq_pool_progress(&x->ticket);
	ssize_t taken = arq_h3_stream_write(x->client, data, length);
	if (taken < 0 || (size_t)taken != length)
		break_off(x);
	else
		x->account.sent += length;
}

static void on_upstream_trailers(struct arq_h3_stream *stream, void *user,
				 const struct arq_h3_field *fields, size_t count)
{
	struct exchange *x = user;
	(void)stream;
	if (!x || x->over || x->response_trailers)
		return;
	x->response_trailers = arq_message_section_copy(fields, count);
	if (!x->response_trailers)
		break_off(x);
}

static void on_upstream_end(struct arq_h3_stream *stream, void *user)
{
	struct exchange *x = user;
	if (!x || x->over)
		return;
	const struct arq_message_section *trailers = x->response_trailers;
	if (arq_h3_stream_finish(x->client, trailers ? trailers->fields : NULL,
				 trailers ? trailers->count : 0) != 0) {
		break_off(x);
		return;
	}
	x->over = true;
	if (!x->request_complete) {
		arq_h3_stream_stop(x->client, ARQ_H3_NO_ERROR);
		arq_h3_stream_reset(stream, ARQ_H3_REQUEST_CANCELLED);
	}
}

static void on_upstream_sent(struct arq_h3_stream *stream, void *user, size_t length)
{
	struct exchange *x = user;
	(void)stream;
	if (!x)
		return;
	arq_pool_progress(&x->ticket);
	if (x->client)
		arq_h3_stream_consume(x->client, length);
}

/* Lets go of the upstream's stream, which may never close by itself: its target may be hung. */
static void abandon_upstream(struct exchange *x)
{
	if (x->upstream) {
		arq_h3_stream_reset(x->upstream, ARQ_H3_REQUEST_CANCELLED);
		arq_h3_stream_stop(x->upstream, ARQ_H3_REQUEST_CANCELLED);
		arq_h3_stream_set_user(x->upstream, NULL);
		x->upstream = NULL;
	}
	arq_pool_give_back(&x->ticket);
}

/* `rejected`: what was rejected was not acted upon, so any method may be repeated (RFC 9114,
 * section 4.1.1). */
static bool may_retry(const struct exchange *x, bool rejected)
{
	return !x->responded && !x->body_sent && x->client &&
	       (rejected || (x->idempotent && !x->has_body)) &&
	       arq_pool_may_retry(x->pool, &x->ticket);
}

static void retry(struct exchange *x)
{
	abandon_upstream(x);
	x->request_stopped = false;
	x->proxy->counters.retries++;
	arq_pool_take(x->pool, &x->ticket);
}

static void upstream_failed(struct exchange *x, uint64_t code)
{
	bool rejected = code == ARQ_H3_REQUEST_REJECTED;
	if (x->over)
		return;
	arq_account_failed(&x->account, ARQ_RECORD_UPSTREAM, code);
	x->proxy->counters.upstream_resets++;
	if (!rejected)
		arq_pool_report(&x->ticket, ARQ_POOL_BROKEN);
	if (may_retry(x, rejected))
		retry(x);
	else
		give_up(x, 502);
}

/* The pool has waited long enough for what was started. */
static void late(struct arq_pool_ticket *ticket)
{
	struct exchange *x = (struct exchange *)ticket;
	if (!x->over && may_retry(x, false)) {
		retry(x);
		return;
	}
	arq_account_failed(&x->account, ARQ_RECORD_GATEWAY, ARQ_H3_REQUEST_CANCELLED);
	abandon_upstream(x);
	give_up(x, 504);
	free_if_done(x);
}

static void on_upstream_reset(struct arq_h3_stream *stream, void *user, uint64_t code)
{
	struct exchange *x = user;
	if (x)
		upstream_failed(x, code);
	/* Our side of it has no use any more, whatever comes of the request. */
	arq_h3_stream_reset(stream, ARQ_H3_REQUEST_CANCELLED);
}

static void on_upstream_stop_sending(struct arq_h3_stream *stream, void *user, uint64_t code)
{
	struct exchange *x = user;
	(void)stream;
	(void)code;
	if (!x)
		return;
	x->request_stopped = true;
	if (x->client && !x->over && !x->request_complete)
		arq_h3_stream_stop(x->client, ARQ_H3_NO_ERROR);
}

static void on_upstream_closed(struct arq_h3_stream *stream, void *user, bool clean, uint64_t code)
{
	struct exchange *x = user;
	(void)stream;
	(void)clean;
	if (!x)
		return;
	x->upstream = NULL;
	upstream_failed(x, code);
	if (x->over)
		arq_pool_give_back(&x->ticket);
	free_if_done(x);
}

static const struct arq_h3_stream_ops upstream_ops = {
	.on_information = on_upstream_information,
	.on_response = on_upstream_response,
	.on_body = on_upstream_body,
	.on_trailers = on_upstream_trailers,
	.on_end = on_upstream_end,
	.on_sent = on_upstream_sent,
	.on_reset = on_upstream_reset,
	.on_stop_sending = on_upstream_stop_sending,
	.on_closed = on_upstream_closed,
};

/* --- begin ------------------------------------------------------------------------------------ */

/* The pool has a connection for us. */
static int start(struct arq_pool_ticket *ticket, struct arq_upstream *upstream)
{
	struct exchange *x = (struct exchange *)ticket;
	int code = arq_h3_request(arq_upstream_session(upstream), &x->head->request, x->has_body,
				  &upstream_ops, x, &x->upstream);
	if (code == -EAGAIN || code == -ESHUTDOWN)
		return code;
	if (code != 0) {
		x->upstream = NULL;
		arq_pool_give_back(ticket);
		give_up(x, 502);
		return code;
	}
	x->proxy->counters.upstream_requests++;
	arq_account_started(&x->account, x->proxy, ticket);
	const struct arq_h3_priority now = arq_h3_stream_priority(x->client);
	if (!arq_h3_priority_equal(&now, &x->priority))
		pass_priority(x);
	if (x->early.length)
		request_body(x, x->early.data, x->early.length);
	arq_message_body_clear(&x->early);
	request_end(x);
	return 0;
}

static void fail(struct arq_pool_ticket *ticket, unsigned int status)
{
	struct exchange *x = (struct exchange *)ticket;
	give_up(x, status);
}

static bool method_is(struct arq_h3_text method, const char *name)
{
	return method.length == strlen(name) && memcmp(method.data, name, method.length) == 0;
}

/* RFC 9110, section 9.2.2. */
static bool is_idempotent(struct arq_h3_text method)
{
	static const char *const methods[] = {"GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE"};
	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
		if (method_is(method, methods[i]))
			return true;
	}
	return false;
}

static const union arq_address *client_address(const struct arq_h3_stream *client)
{
	const struct arq_quic_connection *connection =
		arq_h3_session_connection(arq_h3_stream_session(client));
	return &arq_quic_connection_path(connection)->remote;
}

/* Returns 0 and *made, or what arq_forward_request returns. */
static int exchange_create(struct arq_proxy *proxy, struct arq_h3_stream *client,
			   const struct arq_route *route, const struct arq_h3_request *request,
			   bool end, struct exchange **made)
{
	const struct arq_forward forward = {
		.route = route,
		.config = forwarding_of(proxy->view),
		.random = &proxy->random,
		.scratch = proxy->scratch,
		.client = client_address(client),
	};
	struct exchange *x = calloc(1, sizeof(*x));
	if (!x)
		return -ENOMEM;
	int code = arq_forward_request(&forward, request, &x->head);
	if (code != 0) {
		free(x);
		return code;
	}
	x->ticket.start = start;
	x->ticket.fail = fail;
	x->ticket.late = late;
	x->ticket.timeouts = &route->config->timeouts;
	x->ticket.attempts_max = route->config->retries.attempts;
	x->proxy = proxy;
	x->view = arq_view_get(proxy->view);
	x->route = route;
	x->client = client;
	x->priority = (struct arq_h3_priority)ARQ_H3_PRIORITY_DEFAULT;
	struct arq_h3_text wish = find_value(request->fields, request->field_count, "priority");
	if (wish.data)
		(void)arq_h3_priority_read(&x->priority, wish);
	x->is_head = method_is(request->method, "HEAD");
	x->idempotent = is_idempotent(request->method);
	x->has_body = !end;
	proxy->counters.exchanges++;
	*made = x;
	return 0;
}

/* --- answers without an upstream -------------------------------------------------------------- */

struct begin {
	struct arq_proxy *proxy;
	uint32_t listener;
	struct arq_h3_stream *client;
	const struct arq_h3_request *request;
	bool end;
	const struct arq_config_route *route; /* NULL: none was found */
};

static void answer(const struct begin *begin, const struct arq_answer *answer)
{
	const struct arq_direct direct = {
		.proxy = begin->proxy,
		.row = arq_view_requests(begin->proxy->view, begin->listener, begin->route, NULL),
		.client = begin->client,
		.request = begin->request,
		.end = begin->end,
	};
	arq_direct_answer(&direct, answer);
}

static void refuse(const struct begin *begin, unsigned int status)
{
	answer(begin, &(struct arq_answer){.response = arq_answer_own(status)});
}

/* RFC 6585, section 4, with the whole seconds until the next one is welcome. */
static void refuse_for(const struct begin *begin, uint64_t wait_ns)
{
	char seconds[24];
	snprintf(seconds, sizeof(seconds), "%llu",
		 (unsigned long long)((wait_ns + 999999999) / 1000000000));
	answer(begin, &(struct arq_answer){
			      .response = arq_answer_own(429),
			      .field = {arq_h3_text("retry-after"), arq_h3_text(seconds)},
		      });
}

/* Nanoseconds until the client may make this request; 0: it may. */
static uint64_t too_soon(const struct begin *begin)
{
	const struct arq_config_route_limits *limits = &begin->route->limits;
	struct arq_throttle *throttle = arq_view_shared(begin->proxy->view)->throttle;
	if (!limits->rate)
		return 0;
	uint64_t key =
		arq_throttle_key(throttle, begin->route->name, client_address(begin->client));
	return arq_throttle_take(throttle, key, limits->interval_ns, limits->burst,
				 begin->proxy->context.now);
}

/* Whether the request says so before its body comes: RFC 9110, section 8.6. HTTP/3 has checked that
 * it is a number. */
static bool declares_too_much(const struct arq_route *route, const struct arq_h3_request *request)
{
	struct arq_h3_text value =
		find_value(request->fields, request->field_count, "content-length");
	uint64_t length = 0;
	for (size_t i = 0; i < value.length && length < UINT64_MAX / 16; i++)
		length = length * 10 + (uint64_t)(value.data[i] - '0');
	return exceeds(route, length);
}

/* Of a request that no route takes. */
static unsigned int status_unrouted(int code)
{
	return code == -ENOENT ? 404 : code == -EXDEV ? 421 : 400;
}

/* Of what could not be made from a request and its route. */
static unsigned int status_of(int code)
{
	switch (code) {
	case -E2BIG:
		return 400;
	case -EINVAL:
		return 500;
	case -ELOOP:
		return 508;
	default:
		return 503;
	}
}

static void redirect(const struct begin *begin, const struct arq_route *route)
{
	const struct arq_config_response empty = arq_answer_empty(route->config->redirect->status);
	struct arq_rewrite_output output;
	struct arq_h3_text location;
	int code = arq_rewrite_location(route, begin->proxy->scratch, begin->request, &output,
					&location);
	if (code != 0) {
		refuse(begin, status_of(code));
		return;
	}
	answer(begin, &(struct arq_answer){.response = &empty,
					   .headers = &route->config->response_headers,
					   .field = {arq_h3_text("location"), location}});
}

static void ask_upstream(const struct begin *begin, const struct arq_route *route)
{
	struct arq_proxy *proxy = begin->proxy;
	struct exchange *x;
	if (declares_too_much(route, begin->request)) {
		refuse(begin, 413);
		return;
	}
	int code = exchange_create(proxy, begin->client, route, begin->request, begin->end, &x);
	if (code != 0) {
		refuse(begin, status_of(code));
		return;
	}
	/* Steps of the golden ratio, also every so many of them, are spread evenly. */
	proxy->draw += 0x9e3779b9u;
	const struct arq_config_pool *pool = arq_route_pool(route, proxy->draw);
	x->pool = arq_view_pool(x->view, pool);
	arq_account_begin(&x->account, proxy,
			  arq_view_requests(x->view, begin->listener, begin->route, pool),
			  begin->client, begin->request);
	x->ticket.key = arq_pool_key(x->pool, begin->request, client_address(begin->client));
	arq_h3_stream_accept(begin->client, &client_ops, x);
	arq_pool_take(x->pool, &x->ticket);
}

/*
 * Whether it must wait until the client's handshake is over: it may be one that somebody recorded,
 * and sends again (RFC 8470, section 4).
 */
static bool is_too_early(const struct arq_config_route *route, const struct arq_h3_request *request)
{
	if (!request->early || route->early_data == ARQ_CONFIG_EARLY_ALL)
		return false;
	return route->early_data == ARQ_CONFIG_EARLY_NONE ||
	       !(method_is(request->method, "GET") || method_is(request->method, "HEAD") ||
		 method_is(request->method, "OPTIONS") || method_is(request->method, "TRACE"));
}

void arq_exchange_begin(struct arq_proxy_client *from, struct arq_h3_stream *client,
			const struct arq_h3_request *request, bool end)
{
	struct arq_proxy *proxy = from->proxy;
	struct begin begin = {proxy, from->listener, client, request, end, NULL};
	const struct arq_route_request wanted = {
		.message = request,
		.server_name =
			arq_quic_connection_server_name(arq_h3_session_connection(from->session)),
		.listener = from->listener,
	};
	struct arq_route_match match;

	proxy->counters.requests++;
	if (request->protocol.data || method_is(request->method, "CONNECT")) {
		refuse(&begin, 501);
		return;
	}
	int code = arq_route_table_find(arq_view_shared(proxy->view)->routes, proxy->scratch,
					&wanted, &match);
	if (code != 0) {
		refuse(&begin, status_unrouted(code));
		return;
	}
	const struct arq_config_route *config = begin.route = match.route->config;
	bool ours = config->respond || config->redirect;
	if (!ours && is_too_early(config, request)) {
		refuse(&begin, 425); /* it comes again, and counts then */
		return;
	}
	uint64_t wait = too_soon(&begin);
	if (wait)
		refuse_for(&begin, wait);
	else if (config->respond)
		answer(&begin, &(struct arq_answer){.response = config->respond,
						    .headers = &config->response_headers,
						    .view = proxy->view});
	else if (config->redirect)
		redirect(&begin, match.route);
	else
		ask_upstream(&begin, match.route);
}
