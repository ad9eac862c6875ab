// SPDX-License-Identifier: BSD-2-Clause
#include "test_proxy_lab.h"

#include "test_certificate.h"

#include <criterion/criterion.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define SECOND UINT64_C(1000000000)

const struct arq_proxy_names *lab_names;
struct arq_record_sink lab_sink;

static uint64_t deadline_time;

/* --- bodies ----------------------------------------------------------------------------------- */

/* Neither a power of two nor short: a shifted, lost or doubled piece changes the sum. */
static uint8_t pattern(uint64_t at)
{
	return (uint8_t)(at * 2654435761u >> 13);
}

static void sum_add(struct lab_message *message, const uint8_t *data, size_t length)
{
	uint64_t sum = message->sum;
	for (size_t i = 0; i < length; i++)
		sum = sum * 31 + data[i];
	message->sum = sum;
	message->length += length;
}

uint64_t lab_sum(uint64_t length)
{
	uint64_t sum = 0;
	for (uint64_t i = 0; i < length; i++)
		sum = sum * 31 + pattern(i);
	return sum;
}

/* Writes as much of `left` patterned bytes as there is room for. */
static void write_pattern(struct arq_h3_stream *stream, uint64_t *at, uint64_t *left)
{
	uint8_t piece[8192];
	while (*left > 0) {
		size_t length = *left < sizeof(piece) ? (size_t)*left : sizeof(piece);
		for (size_t i = 0; i < length; i++)
			piece[i] = pattern(*at + i);
		ssize_t taken = arq_h3_stream_write(stream, piece, length);
		if (taken < 0) {
			*left = 0;
			return;
		}
		*at += (uint64_t)taken;
		*left -= (uint64_t)taken;
		if ((size_t)taken < length)
			return;
	}
}

/* --- messages --------------------------------------------------------------------------------- */

static void copy_text(char to[LAB_TEXT_MAX], struct arq_h3_text text)
{
	snprintf(to, LAB_TEXT_MAX, "%.*s", (int)text.length, text.data ? text.data : "");
}

static void copy_fields(struct lab_message *message, const struct arq_h3_field *fields,
			size_t count)
{
	for (size_t i = 0; i < count && message->lines < LAB_LINES; i++) {
		copy_text(message->names[message->lines], fields[i].name);
		copy_text(message->values[message->lines], fields[i].value);
		message->lines++;
	}
}

static void copy_trailer(struct lab_message *message, const struct arq_h3_field *fields,
			 size_t count)
{
	if (count > 0)
		snprintf(message->trailer, LAB_TEXT_MAX, "%.*s: %.*s", (int)fields[0].name.length,
			 fields[0].name.data, (int)fields[0].value.length, fields[0].value.data);
}

const char *lab_value(const struct lab_message *message, const char *name)
{
	for (size_t i = 0; i < message->lines; i++) {
		if (strcmp(message->names[i], name) == 0)
			return message->values[i];
	}
	return "";
}

/* --- backend ---------------------------------------------------------------------------------- */

static const struct arq_h3_field trailer_line = {{"x-check", 7}, {"done", 4}};

static void backend_finish(struct lab_request *request)
{
	bool trailer = strcmp(request->request.path, "/trailers") == 0;
	cr_assert_eq(arq_h3_stream_finish(request->stream, trailer ? &trailer_line : NULL,
					  trailer ? 1 : 0),
		     0);
}

static void backend_respond(struct lab_request *request, unsigned int status, bool end)
{
	const char *priority = request->backend->priority;
	const struct arq_h3_field fields[] = {
		{arq_h3_text("x-backend"), arq_h3_text("yes")},
		{arq_h3_text("priority"), arq_h3_text(priority ? priority : "")},
	};
	cr_assert_eq(arq_h3_stream_respond(request->stream, status, fields, priority ? 2 : 1, end),
		     0);
}

static void backend_download(struct lab_request *request)
{
	write_pattern(request->stream, &request->downloaded, &request->download);
	if (request->download == 0 && !request->keep)
		backend_finish(request);
}

static void on_backend_body(struct arq_h3_stream *stream, void *user, const uint8_t *data,
			    size_t length)
{
	struct lab_request *request = user;
	sum_add(&request->request, data, length);
	if (request->echo)
		cr_assert_eq(arq_h3_stream_write(stream, data, length), (ssize_t)length);
	else if (request->paused)
		request->owed += length;
	else
		arq_h3_stream_consume(stream, length);
}

/* An echo takes no more than the other side takes: then a write always fits. */
static void on_backend_sent(struct arq_h3_stream *stream, void *user, size_t length)
{
	struct lab_request *request = user;
	if (request->echo)
		arq_h3_stream_consume(stream, length);
}

static void on_backend_trailers(struct arq_h3_stream *stream, void *user,
				const struct arq_h3_field *fields, size_t count)
{
	struct lab_request *request = user;
	(void)stream;
	copy_trailer(&request->request, fields, count);
}

static void on_backend_end(struct arq_h3_stream *stream, void *user)
{
	struct lab_request *request = user;
	(void)stream;
	request->request.complete = true;
	if (request->echo)
		backend_finish(request);
}

static void on_backend_writable(struct arq_h3_stream *stream, void *user)
{
	(void)stream;
	backend_download(user);
}

static void on_backend_reset(struct arq_h3_stream *stream, void *user, uint64_t code)
{
	struct lab_request *request = user;
	(void)stream;
	request->request.reset = true;
	request->request.reset_code = code;
}

static void on_backend_stop(struct arq_h3_stream *stream, void *user, uint64_t code)
{
	struct lab_request *request = user;
	(void)stream;
	request->request.stopped = true;
	request->request.stop_code = code;
}

static void on_backend_closed(struct arq_h3_stream *stream, void *user, bool clean, uint64_t code)
{
	struct lab_request *request = user;
	(void)stream;
	request->request.closed = true;
	request->request.clean = clean;
	request->request.close_code = code;
	request->stream = NULL;
}

static const struct arq_h3_stream_ops backend_stream_ops = {
	.on_body = on_backend_body,
	.on_trailers = on_backend_trailers,
	.on_end = on_backend_end,
	.on_sent = on_backend_sent,
	.on_writable = on_backend_writable,
	.on_reset = on_backend_reset,
	.on_stop_sending = on_backend_stop,
	.on_closed = on_backend_closed,
};

/* The number behind a prefix of the path; -1 when it has another. */
static long long number_after(const char *path, const char *prefix)
{
	size_t length = strlen(prefix);
	return strncmp(path, prefix, length) == 0 ? strtoll(path + length, NULL, 10) : -1;
}

static void backend_act(struct lab_request *request)
{
	const char *path = request->request.path;
	long long whole = number_after(path, "/download/"), part = number_after(path, "/part/");

	if (strcmp(path, "/trailers") == 0)
		whole = 1000;
	if (whole >= 0 || part >= 0) {
		request->keep = part >= 0;
		request->download = (uint64_t)(part >= 0 ? part : whole);
		backend_respond(request, 200, false);
		backend_download(request);
	} else if (strcmp(path, "/inform") == 0) {
		const struct arq_h3_field link = {arq_h3_text("link"), arq_h3_text("</a.css>")};
		cr_assert_eq(arq_h3_stream_inform(request->stream, 103, &link, 1), 0);
		backend_respond(request, 200, true);
	} else if (strcmp(path, "/early") == 0) {
		request->paused = true;
		backend_respond(request, 403, true);
	} else if (strcmp(path, "/stop") == 0) {
		backend_respond(request, 200, false);
		arq_h3_stream_stop(request->stream, ARQ_H3_NO_ERROR);
	} else if (strcmp(path, "/hang") == 0 || strcmp(path, "/hang-paused") == 0) {
		request->paused = strcmp(path, "/hang-paused") == 0;
	} else if (strcmp(path, "/empty") == 0) {
		backend_respond(request, 204, true);
	} else {
		request->echo = true;
		backend_respond(request, 200, false);
	}
}

static void on_backend_request(struct arq_h3_session *session, void *user,
			       struct arq_h3_stream *stream, const struct arq_h3_request *request,
			       bool end)
{
	struct lab_backend *backend = user;
	(void)session;
	(void)end;
	if (backend->refuse) {
		backend->refuse--;
		return;
	}
	cr_assert_lt(backend->count, sizeof(backend->requests) / sizeof(backend->requests[0]));
	struct lab_request *slot = &backend->requests[backend->count++];
	slot->backend = backend;
	slot->stream = stream;
	copy_text(slot->request.method, request->method);
	copy_text(slot->request.path, request->path);
	copy_text(slot->request.authority, request->authority);
	copy_fields(&slot->request, request->fields, request->field_count);
	arq_h3_stream_accept(stream, &backend_stream_ops, slot);
	if (backend->fail) {
		backend->fail--;
		backend_respond(slot, 500, true);
		return;
	}
	if (backend->reset) {
		backend->reset--;
		arq_h3_stream_reset(stream, ARQ_H3_INTERNAL_ERROR);
		return;
	}
	if (!backend->mute)
		backend_act(slot);
}

static void on_backend_ready(struct arq_h3_session *session, void *user)
{
	struct lab_backend *backend = user;
	backend->session = session;
	backend->sessions++;
}

static void on_backend_session_closed(struct arq_h3_session *session, void *user,
				      const struct arq_quic_close *close)
{
	struct lab_backend *backend = user;
	(void)close;
	if (backend->session == session)
		backend->session = NULL;
}

static const struct arq_h3_session_ops backend_ops = {
	.on_ready = on_backend_ready,
	.on_request = on_backend_request,
	.on_closed = on_backend_session_closed,
};

void lab_request_resume(struct lab_request *request)
{
	request->paused = false;
	arq_h3_stream_consume(request->stream, request->owed);
	request->owed = 0;
}

/* --- client ----------------------------------------------------------------------------------- */

static void client_upload(struct lab_call *call)
{
	write_pattern(call->stream, &call->uploaded, &call->upload);
	if (call->upload == 0 && call->finish) {
		call->finish = false;
		(void)arq_h3_stream_finish(call->stream, call->trailer ? &trailer_line : NULL,
					   call->trailer ? 1 : 0);
	}
}

static void on_call_information(struct arq_h3_stream *stream, void *user,
				const struct arq_h3_response *response)
{
	struct lab_call *call = user;
	(void)stream;
	if (call->informed_count < 4)
		call->informed[call->informed_count++] = response->status;
}

static void on_call_response(struct arq_h3_stream *stream, void *user,
			     const struct arq_h3_response *response)
{
	struct lab_call *call = user;
	(void)stream;
	call->response.status = response->status;
	copy_fields(&call->response, response->fields, response->field_count);
}

static void on_call_body(struct arq_h3_stream *stream, void *user, const uint8_t *data,
			 size_t length)
{
	struct lab_call *call = user;
	sum_add(&call->response, data, length);
	if (call->paused)
		call->owed += length;
	else
		arq_h3_stream_consume(stream, length);
}

static void on_call_trailers(struct arq_h3_stream *stream, void *user,
			     const struct arq_h3_field *fields, size_t count)
{
	struct lab_call *call = user;
	(void)stream;
	copy_trailer(&call->response, fields, count);
}

static void on_call_end(struct arq_h3_stream *stream, void *user)
{
	struct lab_call *call = user;
	(void)stream;
	call->response.complete = true;
}

static void on_call_writable(struct arq_h3_stream *stream, void *user)
{
	(void)stream;
	client_upload(user);
}

static void on_call_reset(struct arq_h3_stream *stream, void *user, uint64_t code)
{
	struct lab_call *call = user;
	(void)stream;
	call->response.reset = true;
	call->response.reset_code = code;
}

static void on_call_stop(struct arq_h3_stream *stream, void *user, uint64_t code)
{
	struct lab_call *call = user;
	(void)stream;
	call->response.stopped = true;
	call->response.stop_code = code;
}

static void on_call_closed(struct arq_h3_stream *stream, void *user, bool clean, uint64_t code)
{
	struct lab_call *call = user;
	(void)stream;
	call->response.closed = true;
	call->response.clean = clean;
	call->response.close_code = code;
	call->stream = NULL;
}

static const struct arq_h3_stream_ops call_ops = {
	.on_information = on_call_information,
	.on_response = on_call_response,
	.on_body = on_call_body,
	.on_trailers = on_call_trailers,
	.on_end = on_call_end,
	.on_writable = on_call_writable,
	.on_reset = on_call_reset,
	.on_stop_sending = on_call_stop,
	.on_closed = on_call_closed,
};

void lab_call(struct lab *lab, struct lab_call *call, const char *method, const char *authority,
	      const char *path, bool body)
{
	struct arq_h3_field fields[] = {
		{arq_h3_text("x-forwarded-for"), arq_h3_text("10.6.6.6")},
		{arq_h3_text("x-mine"), arq_h3_text("1")},
		{arq_h3_text("te"), arq_h3_text("trailers")},
		{{0}, {0}},
		{{0}, {0}},
		{{0}, {0}},
	};
	size_t count = 3;
	if (call->via)
		fields[count++] = (struct arq_h3_field){arq_h3_text("via"), arq_h3_text(call->via)};
	if (call->length)
		fields[count++] = (struct arq_h3_field){arq_h3_text("content-length"),
							arq_h3_text(call->length)};
	if (call->priority)
		fields[count++] =
			(struct arq_h3_field){arq_h3_text("priority"), arq_h3_text(call->priority)};
	const struct arq_h3_request request = {
		.method = arq_h3_text(method),
		.scheme = arq_h3_text("https"),
		.authority = arq_h3_text(authority),
		.path = arq_h3_text(path),
		.fields = fields,
		.field_count = count,
	};
	cr_assert_eq(arq_h3_request(lab->session, &request, body, &call_ops, call, &call->stream),
		     0);
	if (body)
		client_upload(call);
}

void lab_resume(struct lab_call *call)
{
	call->paused = false;
	if (call->stream)
		arq_h3_stream_consume(call->stream, call->owed);
	call->owed = 0;
}

static void on_session_ready(struct arq_h3_session *session, void *user)
{
	struct lab *lab = user;
	(void)session;
	lab->ready = true;
	if (lab->at_once)
		lab->at_once(lab);
}

static void on_session_resumption(struct arq_h3_session *session, void *user, const uint8_t *data,
				  size_t length)
{
	struct lab *lab = user;
	(void)session;
	cr_assert_leq(length, sizeof(lab->resumption));
	memcpy(lab->resumption, data, length);
	lab->resumption_length = length;
}

static void on_session_goaway(struct arq_h3_session *session, void *user, int64_t id)
{
	struct lab *lab = user;
	(void)session;
	(void)id;
	lab->client_goaway = true;
}

static void on_session_closed(struct arq_h3_session *session, void *user,
			      const struct arq_quic_close *close)
{
	struct lab *lab = user;
	(void)session;
	(void)close;
	lab->gone = true;
}

static const struct arq_h3_session_ops session_ops = {
	.on_ready = on_session_ready,
	.on_resumption = on_session_resumption,
	.on_goaway = on_session_goaway,
	.on_closed = on_session_closed,
};

/* --- rounds ----------------------------------------------------------------------------------- */

static uint64_t real_time(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * SECOND + (uint64_t)now.tv_nsec;
}

static void take(struct arq_io *io, struct arq_quic_endpoint *endpoint, uint64_t now)
{
	struct arq_rx_packet packets[ARQ_IO_BATCH];
	int count;
	while ((count = arq_io_receive(io, packets, ARQ_IO_BATCH)) > 0) {
		if (endpoint)
			arq_quic_receive(endpoint, io, packets, (size_t)count, now);
		arq_io_release(io, packets, (size_t)count);
	}
	cr_assert_eq(count, 0);
}

static void everybody(struct lab *lab)
{
	lab->now = real_time() + lab->forward;
	arq_proxy_run(lab->proxy, lab->now);
	take(lab->front_io, lab->front, lab->now);
	take(lab->upstream_io, lab->front, lab->now);
	arq_quic_run(lab->front, lab->now);
	for (size_t i = 0; i < LAB_BACKENDS; i++) {
		struct lab_backend *backend = &lab->backends[i];
		take(backend->io, backend->deaf ? NULL : backend->endpoint, lab->now);
		if (!backend->deaf)
			arq_quic_run(backend->endpoint, lab->now);
	}
	take(lab->client_io, lab->client_endpoint, lab->now);
	arq_quic_run(lab->client_endpoint, lab->now);
}

static void wait_for_packets(const struct lab *lab)
{
	struct pollfd waiting[3 + LAB_BACKENDS] = {
		{.fd = arq_io_fd(lab->front_io), .events = POLLIN},
		{.fd = arq_io_fd(lab->upstream_io), .events = POLLIN},
		{.fd = arq_io_fd(lab->client_io), .events = POLLIN},
	};
	for (size_t i = 0; i < LAB_BACKENDS; i++)
		waiting[3 + i] =
			(struct pollfd){.fd = arq_io_fd(lab->backends[i].io), .events = POLLIN};
	/* Timers of QUIC are finer, but a millisecond late is early enough here. */
	poll(waiting, sizeof(waiting) / sizeof(waiting[0]), 1);
}

void lab_deadline(struct lab *lab)
{
	(void)lab;
	deadline_time = real_time() + 20 * SECOND;
}

void lab_round(struct lab *lab, const char *waiting_for)
{
	wait_for_packets(lab);
	everybody(lab);
	cr_assert_lt(real_time(), deadline_time, "waited too long for %s", waiting_for);
}

void lab_rest(struct lab *lab, unsigned int milliseconds)
{
	uint64_t end = real_time() + milliseconds * (SECOND / 1000);
	while (real_time() < end) {
		wait_for_packets(lab);
		everybody(lab);
	}
}

void lab_counters(struct lab *lab, struct arq_proxy_counters *counters)
{
	arq_proxy_counters_read(lab->proxy, counters);
}

/* --- life ------------------------------------------------------------------------------------- */

static struct arq_io *open_io(const char *address, union arq_address *local)
{
	struct arq_error error = {0};
	struct arq_io_udp_options options = {0};
	struct arq_io *io;
	cr_assert_eq(arq_address_parse(&options.bind, address), 0);
	options.bind.in.sin_port = 0;
	cr_assert_eq(arq_io_udp_create(&options, &io, &error), 0, "%s", error.text);
	if (local)
		arq_io_udp_local(io, local);
	return io;
}

static struct arq_quic_endpoint *create_endpoint(void)
{
	struct arq_error error = {0};
	struct arq_quic_endpoint_options options;
	struct arq_quic_endpoint *endpoint;
	arq_quic_endpoint_options_default(&options);
	cr_assert_eq(arq_quic_endpoint_create(&options, &endpoint, &error), 0, "%s", error.text);
	return endpoint;
}

static struct arq_h3 *create_h3(void)
{
	struct arq_h3_options options;
	struct arq_h3 *h3;
	arq_h3_options_default(&options);
	cr_assert_eq(arq_h3_create(&options, &h3), 0);
	return h3;
}

static void start_backend(struct lab *lab, struct lab_backend *backend)
{
	struct arq_error error = {0};
	backend->io = open_io("127.0.0.1:1", &backend->address);
	backend->endpoint = create_endpoint();
	backend->h3 = create_h3();
	backend->server = (struct arq_h3_server){backend->h3, &backend_ops, backend};
	backend->lab = lab;
	const struct arq_quic_application application =
		lab->raw ? (struct arq_quic_application){lab->raw->alpn, lab->raw->backend, backend,
							 1}
			 : arq_h3_application(&backend->server);
	struct arq_quic_listener_options options = {
		.address = backend->address,
		.tls = lab->tls,
		.applications = &application,
		.application_count = 1,
	};
	arq_h3_transport(backend->h3, true, &options.transport);
	if (lab->raw) {
		arq_quic_transport_default(&options.transport);
		options.transport.max_streams_uni = lab->raw->uni;
		options.transport.max_datagram = lab->raw->datagram;
	}
	cr_assert_eq(arq_quic_listen(backend->endpoint, &options, &backend->listener, &error), 0,
		     "%s", error.text);
}

static const char routes_default[] =
	"    - { path: /direct, respond: { status: 200, body: \"pong\\n\", content_type: "
	"text/plain } }\n"
	"    - { path: /nothing, respond: { status: 204 } }\n"
	"    - { host: '*.test', pool: p }\n";

/* Everything through the configuration's own reader, which checks it and fills in defaults. */
static void configure(struct lab *lab, size_t targets, const char *pool, const char *routes)
{
	char text[ARQ_ADDRESS_TEXT_MAX], *yaml;
	struct arq_error error = {0};
	size_t size;
	FILE *out = open_memstream(&yaml, &size);

	cr_assert_not_null(out);
	arq_address_format(&lab->front_address, text);
	fprintf(out,
		"gateway:\n"
		"  limits: { max_connections: 100 }\n"
		"  listeners: [{ name: l, address: \"%s\", certificates: [{ certificate: c, key: "
		"k }]%s%s }]\n"
		"  pools:\n"
		"    - name: p\n"
		"%s",
		text, lab->raw ? ", alpn: " : "", lab->raw ? lab->raw->alpn : "", pool);
	if (lab->raw)
		fprintf(out, "      alpn: %s\n", lab->raw->alpn);
	if (!strstr(pool, " policy:"))
		fprintf(out, "      policy: round-robin\n");
	if (!strstr(pool, " tls:"))
		fprintf(out, "      tls: { verify: false }\n");
	if (!strstr(pool, " targets:"))
		fprintf(out, "      targets:\n");
	for (size_t i = 0; i < targets; i++) {
		arq_address_format(&lab->backends[i].address, text);
		if (lab_names)
			snprintf(text, sizeof(text), "b%zu.test:%u", i,
				 arq_address_port(&lab->backends[i].address));
		fprintf(out, "        - { address: \"%s\" }\n", text);
	}
	if (lab->raw)
		fprintf(out, "  routes: [{ alpn: %s, server_name: localhost, pool: p }]\n",
			lab->raw->alpn);
	else
		fprintf(out, "  routes:\n%s", routes ? routes : routes_default);
	cr_assert_eq(fclose(out), 0);
	cr_assert_eq(arq_config_parse("lab", yaml, size, &lab->config, &error), 0, "%s\n%s",
		     error.text, yaml);
	free(yaml);
}

static void start_proxy(struct lab *lab)
{
	struct arq_error error = {0};
	struct arq_quic_listener *listener;
	struct arq_quic_listener_options options = {.tls = lab->tls};

	lab->upstream_io = open_io("0.0.0.0:1", NULL);
	lab->front = create_endpoint();
	cr_assert_eq(arq_proxy_shared_create(&lab->config->gateway, NULL, lab_names, &lab->shared,
					     &error),
		     0, "%s", error.text);
	const struct arq_proxy_options proxy = {.shared = lab->shared,
						.endpoint = lab->front,
						.upstream_v4 = lab->upstream_io,
						.sink = lab_sink,
						.checks = true};
	cr_assert_eq(arq_proxy_create(&proxy, &lab->proxy), 0);
	arq_proxy_listener(lab->proxy, 0, &options);
	options.address = lab->front_address;
	cr_assert_eq(arq_quic_listen(lab->front, &options, &listener, &error), 0, "%s", error.text);
}

static void create_client(struct lab *lab)
{
	struct arq_error error = {0};
	const struct arq_quic_client_tls_options tls = {.insecure = true};

	lab->client_io = open_io("127.0.0.1:1", &lab->client_address);
	lab->client_endpoint = create_endpoint();
	lab->client_h3 = create_h3();
	cr_assert_eq(arq_quic_client_tls_create(&tls, &lab->client_tls, &error), 0, "%s",
		     error.text);
	lab->now = real_time();
}

struct arq_quic_connection *lab_connect_raw(struct lab *lab, const char *server_name)
{
	struct arq_error error = {0};
	struct arq_quic_connection *connection;
	struct arq_quic_connect_options options = {
		.io = lab->client_io,
		.path = {.local = lab->client_address, .remote = lab->front_address},
		.tls = lab->client_tls,
		.server_name = server_name,
		.alpn = lab->raw->alpn,
		.ops = lab->raw->client,
		.user = lab,
	};
	arq_quic_transport_default(&options.transport);
	options.transport.max_datagram = lab->raw->datagram;
	cr_assert_eq(
		arq_quic_connect(lab->client_endpoint, &options, lab->now, &connection, &error), 0,
		"%s", error.text);
	return connection;
}

static void connect_client(struct lab *lab)
{
	struct arq_error error = {0};
	struct arq_h3_connect_options options = {
		.server_name = "localhost", .ops = &session_ops, .user = lab};

	options.path.local = lab->client_address;
	options.io = lab->client_io;
	options.path.remote = lab->front_address;
	options.tls = lab->client_tls;
	if (lab->at_once) {
		options.resumption = lab->resumption;
		options.resumption_length = lab->resumption_length;
		options.early_data = true;
	}
	arq_h3_transport(lab->client_h3, false, &options.transport);
	cr_assert_eq(arq_h3_connect(lab->client_h3, lab->client_endpoint, &options, lab->now,
				    &lab->session, &error),
		     0, "%s", error.text);
}

void lab_resume_early(struct lab *lab, void (*at_once)(struct lab *lab))
{
	LAB_UNTIL(lab, lab->resumption_length > 0);
	arq_h3_session_close(lab->session, ARQ_H3_NO_ERROR);
	LAB_UNTIL(lab, lab->gone);
	lab->gone = lab->ready = false;
	lab->at_once = at_once;
	connect_client(lab);
}

struct lab *lab_start(size_t targets)
{
	return lab_start_with(targets, NULL, NULL);
}

static struct lab *start(size_t targets, const char *pool, const char *routes,
			 const struct lab_raw *raw)
{
	struct lab *lab = calloc(1, sizeof(*lab));
	struct arq_error error = {0};
	struct test_certificate files;

	cr_assert_not_null(lab);
	lab->raw = raw;
	test_certificate_make(&files, "localhost");
	const struct arq_quic_certificate certificate = {files.certificate, files.key};
	static const uint8_t secret[ARQ_QUIC_SECRET_LENGTH] = {1};
	cr_assert_eq(arq_quic_replay_create(&lab->replay), 0);
	const struct arq_quic_tls_options tls = {
		.certificates = &certificate, .count = 1, .secret = secret, .replay = lab->replay};
	cr_assert_eq(arq_quic_tls_create(&tls, &lab->tls, &error), 0, "%s", error.text);
	test_certificate_remove(&files);
	for (size_t i = 0; i < LAB_BACKENDS; i++)
		start_backend(lab, &lab->backends[i]);
	lab->front_io = open_io("127.0.0.1:1", &lab->front_address);
	configure(lab, targets, pool ? pool : "", routes);
	start_proxy(lab);
	create_client(lab);
	return lab;
}

struct lab *lab_start_with(size_t targets, const char *pool, const char *routes)
{
	struct lab *lab = start(targets, pool, routes, NULL);
	connect_client(lab);
	LAB_UNTIL(lab, lab->ready);
	return lab;
}

struct lab *lab_start_raw(size_t targets, const char *pool, const struct lab_raw *raw)
{
	return start(targets, pool, NULL, raw);
}

void lab_stop(struct lab *lab)
{
	arq_quic_endpoint_destroy(lab->client_endpoint);
	arq_h3_destroy(lab->client_h3);
	arq_proxy_close(lab->proxy);
	arq_quic_endpoint_destroy(lab->front);
	struct arq_proxy_counters counters;
	lab_counters(lab, &counters);
	cr_assert_eq(counters.exchanges, 0);
	arq_proxy_destroy(lab->proxy);
	arq_proxy_shared_put(lab->shared);
	arq_config_destroy(lab->config);
	for (size_t i = 0; i < LAB_BACKENDS; i++) {
		arq_quic_endpoint_destroy(lab->backends[i].endpoint);
		arq_h3_destroy(lab->backends[i].h3);
		arq_io_destroy(lab->backends[i].io);
	}
	arq_quic_client_tls_put(lab->client_tls);
	arq_quic_tls_put(lab->tls);
	arq_quic_replay_put(lab->replay);
	arq_io_destroy(lab->front_io);
	arq_io_destroy(lab->upstream_io);
	arq_io_destroy(lab->client_io);
	free(lab);
}
