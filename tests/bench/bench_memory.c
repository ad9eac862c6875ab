/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bench_memory [CONNECTIONS]: what an idle server connection holds after its handshake.
 *
 * Real handshakes in one process, over the wire in memory that the unit tests use: the clients are
 * freed as soon as theirs is complete, the server's connections stay. What the heap grew by,
 * divided by their number, is what each costs; of it, what went through the counted allocator is
 * ngtcp2's and ours, and the rest is GnuTLS's: the contexts of the packet protection keys, since a
 * server frees its session after the handshake. With session tickets, as arquantd has them.
 */
#include "tests/unit/test_quic_lab.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_COUNT 100000
#define BATCH         64 /* clients at a time */
#define STEPS         20 /* ms in which a batch's handshakes are complete */
#define TARGET        24 /* KiB */

static void on_ready(struct arq_quic_connection *connection, void *user)
{
	(void)connection;
	(void)user;
}

static void on_closed(struct arq_quic_connection *connection, void *user,
		      const struct arq_quic_close *close)
{
	(void)connection;
	(void)user;
	(void)close;
}

static const struct arq_quic_ops ops = {.ready = on_ready, .closed = on_closed};

static void serve(struct lab *lab, const uint8_t *secret, struct arq_quic_transport *transport)
{
	const struct arq_quic_application application = {"idle", &ops, NULL, 0};
	const struct arq_quic_certificate files = {lab->certificate.certificate,
						   lab->certificate.key};
	const struct arq_quic_tls_options options = {
		.certificates = &files, .count = 1, .secret = secret};
	struct arq_error error = {0};
	struct arq_quic_tls *tls;

	lab_listen(lab, &application, 1, transport);
	if (arq_quic_tls_create(&options, &tls, &error))
		exit(1);
	arq_quic_listener_update(lab->listener, tls, transport);
	arq_quic_tls_put(tls);
}

/* New clients for a batch: those before are gone without a word. */
static void visit(struct lab *lab, const struct arq_quic_transport *transport, size_t count)
{
	struct arq_quic_connect_options connect = {.io = &lab->client_io.io,
						   .tls = lab->client_tls,
						   .server_name = "localhost",
						   .alpn = "idle",
						   .ops = &ops,
						   .transport = *transport};
	struct arq_quic_endpoint_options options;
	struct arq_quic_connection *connection;
	struct arq_error error = {0};

	arq_quic_endpoint_destroy(lab->client);
	arq_quic_endpoint_options_default(&options);
	if (arq_quic_endpoint_create(&options, &lab->client, &error))
		exit(1);
	for (size_t i = 0; i < count; i++) {
		lab_path(false, &connect.path);
		connect.path.local.in.sin_port = htons((uint16_t)(1024 + i));
		if (arq_quic_connect(lab->client, &connect, lab->now, &connection, &error))
			exit(1);
	}
	for (int i = 0; i < STEPS; i++) {
		lab->horizon = lab->now + 2 * LAB_MILLISECOND;
		lab_step(lab);
	}
}

int main(int argc, char **argv)
{
	size_t wanted = argc > 1 ? strtoul(argv[1], NULL, 10) : DEFAULT_COUNT, begun;
	struct arq_quic_endpoint_options options;
	struct arq_quic_transport transport;
	struct arq_quic_counters before, after;
	size_t heap;
	struct lab lab;

	arq_quic_endpoint_options_default(&options);
	arq_quic_transport_default(&transport);
	options.max_connections = UINT32_MAX;
	options.retry = ARQ_QUIC_RETRY_NEVER;
	transport.idle_timeout = 600 * LAB_SECOND;
	lab_create(&lab, &options);
	serve(&lab, options.secret, &transport);
	visit(&lab, &transport, BATCH); /* what is made once */
	before = lab_counters(lab.server);
	heap = mallinfo2().uordblks;
	for (begun = 0; begun < wanted; begun += BATCH)
		visit(&lab, &transport, BATCH);
	after = lab_counters(lab.server);
	heap = mallinfo2().uordblks - heap;

	double count = (double)(after.connections - before.connections);
	double all = (double)heap / count / 1024;
	double counted = (double)(after.memory - before.memory) / count / 1024;

	printf("%.0f idle connections, %ju of them not through the handshake\n", count,
	       (uintmax_t)after.half_open);
	printf("each %6.1f KiB   target %d KiB: %s\n", all, TARGET,
	       all <= TARGET ? "met" : "not met");
	printf("     %6.1f KiB   ngtcp2 and ours, counted (ours: see struct arq_quic_connection)\n",
	       counted);
	printf("     %6.1f KiB   GnuTLS's contexts of keys, and the id table\n", all - counted);
	lab_destroy(&lab);
	return 0;
}
