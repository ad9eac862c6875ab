// SPDX-License-Identifier: BSD-2-Clause
/*
 * rude ADDRESS:PORT
 *
 * A client that opens streams of an HTTP/3 connection and resets each at once, as fast as the
 * server lets it, and prints how that ended: "closed by the server: 263", the code in decimal, or
 * another line. Exit status 0 when the server closed, 1 otherwise or after 20 s. For
 * test-offenders.
 */
#include "tests/bench/loop.h"
#include "tests/lab/swallow.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define PATIENCE (20 * LOOP_SECOND)

struct rude {
	struct arq_quic_connection *connection; /* NULL: it is over */
	struct arq_quic_close close;
};

static void reset_all(struct arq_quic_connection *connection, void *user)
{
	int64_t stream;

	(void)user;
	while (arq_quic_stream_open(connection, true, &stream) == 0)
		arq_quic_stream_reset(connection, stream, 0);
	arq_quic_connection_wake(connection);
}

static void send_nothing(struct arq_quic_connection *connection, void *user,
			 struct arq_quic_write *write)
{
	(void)connection;
	(void)user;
	*write = (struct arq_quic_write){.stream_id = -1};
}

static void closed(struct arq_quic_connection *connection, void *user,
		   const struct arq_quic_close *close)
{
	struct rude *rude = user;

	(void)connection;
	rude->close = *close;
	rude->connection = NULL;
}

static const struct arq_quic_ops ops = {
	.ready = reset_all,
	.streams_available = reset_all,
	.stream_data = swallow_data,
	.stream_acked = swallow_two,
	.stream_reset = swallow_two,
	.stop_sending = swallow_stop_sending,
	.stream_closed = swallow_closed,
	.next_write = send_nothing,
	.closed = closed,
};

static int connect_to(const union arq_address *server, struct loop *loop, struct rude *rude,
		      struct arq_error *error)
{
	struct arq_quic_client_tls_options trust = {.insecure = true};
	struct arq_quic_endpoint_options endpoint;
	struct arq_quic_connect_options options = {
		.server_name = "edge.example", .alpn = "h3", .ops = &ops, .user = rude};
	struct arq_io_udp_options udp = {.bind.sa.sa_family = server->sa.sa_family};

	arq_quic_endpoint_options_default(&endpoint);
	arq_quic_transport_default(&options.transport);
	int code = arq_quic_endpoint_create(&endpoint, &loop->endpoint, error);
	if (code == 0)
		code = arq_io_udp_create(&udp, &options.io, error);
	if (code == 0)
		code = loop_add(loop, options.io);
	if (code == 0)
		code = arq_quic_client_tls_create(&trust, &options.tls, error);
	if (code != 0)
		return code;
	arq_io_udp_local(options.io, &options.path.local);
	options.path.remote = *server;
	loop->now = loop_clock();
	code = arq_quic_connect(loop->endpoint, &options, loop->now, &rude->connection, error);
	arq_quic_client_tls_put(options.tls);
	return code;
}

int main(int argc, char **argv)
{
	struct arq_error error = {0};
	union arq_address server;
	struct rude rude = {0};
	struct loop loop = {0};

	if (argc != 2 || arq_address_parse(&server, argv[1]) != 0) {
		fprintf(stderr, "usage: rude ADDRESS:PORT\n");
		return 2;
	}
	int code = loop_begin(&loop);
	if (code == 0)
		code = connect_to(&server, &loop, &rude, &error);
	uint64_t end = loop_clock() + PATIENCE;
	while (code == 0 && rude.connection && loop.now < end) {
		arq_quic_run(loop.endpoint, loop.now);
		if (rude.connection)
			code = loop_wait(&loop, end);
	}
	bool by_server = !rude.connection && rude.close.kind == ARQ_QUIC_CLOSE_PEER_APPLICATION;
	if (code != 0)
		printf("could not: %s\n", error.text[0] ? error.text : strerror(-code));
	else if (rude.connection)
		printf("the server let it go on\n");
	else
		printf("closed %s: %" PRIu64 "\n",
		       by_server ? "by the server" : arq_quic_close_kind_name(rude.close.kind),
		       rude.close.code);
	loop_end(&loop);
	return !by_server;
}
