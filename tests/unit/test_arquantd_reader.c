// SPDX-License-Identifier: BSD-2-Clause
/*
 * An HTTP/3 client that stops reading, for test_arquantd_gateway.sh: no client that others wrote
 * can be told to.
 *
 *	test_arquantd_reader ADDRESS:PORT PATH REQUESTS PAUSE_AFTER
 *
 * Sends REQUESTS (at most 100) GETs at once. When PAUSE_AFTER bytes have come in all, it prints
 * "paused" and consumes nothing more until SIGUSR1. At the end it prints a line for each request,
 * "complete STATUS LENGTH" or "broken STATUS LENGTH CODE", and exits 0.
 */
#include "userspace/http3/http3.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#define REQUESTS_MAX 100

struct reader;

struct call {
	struct reader *reader;
	struct arq_h3_stream *stream; /* NULL once closed */
	unsigned int status;
	uint64_t length, owed;
	bool complete;
	uint64_t code;
};

struct reader {
	struct arq_io *io;
	struct arq_quic_endpoint *endpoint;
	struct arq_h3 *h3;
	struct arq_h3_session *session;
	const char *path;
	size_t count, closed;
	uint64_t received, pause_after;
	bool paused, resumed, gone;
	int signals;
	struct call calls[REQUESTS_MAX];
};

static void die(const char *what, const char *why)
{
	fprintf(stderr, "reader: %s: %s\n", what, why);
	exit(1);
}

static void on_response(struct arq_h3_stream *stream, void *user,
			const struct arq_h3_response *response)
{
	struct call *call = user;
	(void)stream;
	call->status = response->status;
}

static void on_body(struct arq_h3_stream *stream, void *user, const uint8_t *data, size_t length)
{
	struct call *call = user;
	struct reader *reader = call->reader;
	(void)data;
	call->length += length;
	reader->received += length;
	if (!reader->paused && !reader->resumed && reader->received >= reader->pause_after) {
		reader->paused = true;
		puts("paused");
		fflush(stdout);
	}
	if (reader->paused)
		call->owed += length;
	else
		arq_h3_stream_consume(stream, length);
}

static void on_end(struct arq_h3_stream *stream, void *user)
{
	struct call *call = user;
	(void)stream;
	call->complete = true;
}

static void on_code(struct arq_h3_stream *stream, void *user, uint64_t code)
{
	struct call *call = user;
	(void)stream;
	call->code = code;
}

static void on_call_closed(struct arq_h3_stream *stream, void *user, bool clean, uint64_t code)
{
	struct call *call = user;
	(void)stream;
	if (!clean && !call->code)
		call->code = code;
	call->stream = NULL;
	call->reader->closed++;
}

static const struct arq_h3_stream_ops call_ops = {
	.on_response = on_response,
	.on_body = on_body,
	.on_end = on_end,
	.on_reset = on_code,
	.on_stop_sending = on_code,
	.on_closed = on_call_closed,
};

static void on_ready(struct arq_h3_session *session, void *user)
{
	struct reader *reader = user;
	const struct arq_h3_request request = {
		.method = arq_h3_text("GET"),
		.scheme = arq_h3_text("https"),
		.authority = arq_h3_text("localhost"),
		.path = arq_h3_text(reader->path),
	};
	for (size_t i = 0; i < reader->count; i++) {
		struct call *call = &reader->calls[i];
		call->reader = reader;
		int code = arq_h3_request(session, &request, false, &call_ops, call, &call->stream);
		if (code != 0)
			die("request", strerror(-code));
	}
}

static void on_session_closed(struct arq_h3_session *session, void *user,
			      const struct arq_quic_close *close)
{
	struct reader *reader = user;
	(void)session;
	(void)close;
	reader->gone = true;
}

static const struct arq_h3_session_ops session_ops = {
	.on_ready = on_ready,
	.on_closed = on_session_closed,
};

static uint64_t clock_now(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void begin(struct reader *reader, const char *remote)
{
	struct arq_error error = {0};
	struct arq_io_udp_options io = {.offload = true};
	struct arq_quic_endpoint_options endpoint;
	struct arq_h3_options h3;
	struct arq_quic_client_tls_options tls = {.insecure = true};
	struct arq_h3_connect_options connect = {
		.server_name = "localhost", .ops = &session_ops, .user = reader};

	arq_quic_endpoint_options_default(&endpoint);
	arq_h3_options_default(&h3);
	arq_address_parse(&io.bind, "127.0.0.1:1");
	io.bind.in.sin_port = 0;
	if (arq_address_parse(&connect.path.remote, remote) != 0 ||
	    arq_io_udp_create(&io, &reader->io, &error) != 0 ||
	    arq_quic_endpoint_create(&endpoint, &reader->endpoint, &error) != 0 ||
	    arq_h3_create(&h3, &reader->h3) != 0 ||
	    arq_quic_client_tls_create(&tls, &connect.tls, &error) != 0)
		die("start", error.text);
	connect.io = reader->io;
	arq_io_udp_local(reader->io, &connect.path.local);
	arq_h3_transport(reader->h3, false, &connect.transport);
	if (arq_h3_connect(reader->h3, reader->endpoint, &connect, clock_now(), &reader->session,
			   &error) != 0)
		die("connect", error.text);
	arq_quic_client_tls_put(connect.tls);
}

static void resume(struct reader *reader)
{
	reader->paused = false;
	reader->resumed = true;
	for (size_t i = 0; i < reader->count; i++) {
		struct call *call = &reader->calls[i];
		if (call->stream)
			arq_h3_stream_consume(call->stream, call->owed);
	}
}

static void serve_round(struct reader *reader)
{
	struct pollfd waiting[] = {{.fd = arq_io_fd(reader->io), .events = POLLIN},
				   {.fd = reader->signals, .events = POLLIN}};
	struct arq_rx_packet packets[ARQ_IO_BATCH];
	struct signalfd_siginfo info;
	uint64_t now = clock_now(), expiry = arq_quic_expiry(reader->endpoint);
	uint64_t wait = expiry > now ? (expiry - now) / 1000000 : 0;
	int count;

	poll(waiting, 2, wait < 1000 ? (int)wait : 1000);
	now = clock_now();
	while ((count = arq_io_receive(reader->io, packets, ARQ_IO_BATCH)) > 0) {
		arq_quic_receive(reader->endpoint, reader->io, packets, (size_t)count, now);
		arq_io_release(reader->io, packets, (size_t)count);
	}
	if (read(reader->signals, &info, sizeof(info)) == (ssize_t)sizeof(info))
		resume(reader);
	arq_quic_run(reader->endpoint, now);
}

int main(int argc, char **argv)
{
	static struct reader reader;
	sigset_t set;
	if (argc != 5)
		die("usage", "test_arquantd_reader ADDRESS:PORT PATH REQUESTS PAUSE_AFTER");
	reader.path = argv[2];
	reader.count = strtoul(argv[3], NULL, 10);
	reader.pause_after = strtoull(argv[4], NULL, 10);
	if (reader.count > REQUESTS_MAX)
		die("usage", "too many requests");
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	reader.signals = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);

	begin(&reader, argv[1]);
	while (!reader.gone && reader.closed < reader.count)
		serve_round(&reader);
	for (size_t i = 0; i < reader.count; i++) {
		const struct call *call = &reader.calls[i];
		if (call->complete)
			printf("complete %u %llu\n", call->status,
			       (unsigned long long)call->length);
		else
			printf("broken %u %llu %#llx\n", call->status,
			       (unsigned long long)call->length, (unsigned long long)call->code);
	}
	if (!reader.gone)
		arq_h3_session_close(reader.session, ARQ_H3_NO_ERROR);
	arq_quic_run(reader.endpoint, clock_now());
	arq_quic_endpoint_destroy(reader.endpoint);
	arq_h3_destroy(reader.h3);
	arq_io_destroy(reader.io);
	return 0;
}
