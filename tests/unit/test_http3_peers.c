/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Against implementations that others put together: ngtcp2's own client and server (packages
 * ngtcp2-client and ngtcp2-server), over UDP sockets on loopback, in real time. Bodies must arrive
 * byte for byte.
 */
#include "test_certificate.h"
#include "userspace/http3/http3.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define KIB (1UL << 10)
#define MIB (1UL << 20)

#define DEADLINE_SECONDS 60

static const size_t sizes[] = {KIB, MIB, 20 * MIB};

static uint8_t pattern(size_t offset)
{
	return (uint8_t)(offset * 31 + (offset >> 8) + (offset >> 16));
}

/* --- a worker in small ------------------------------------------------------------------------ */

struct worker {
	struct test_certificate certificate;
	struct arq_io *io;
	union arq_address local;
	struct arq_quic_endpoint *endpoint;
	struct arq_h3 *h3;
	uint64_t deadline;
};

static uint64_t clock_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static void worker_create(struct worker *worker, bool offload)
{
	struct arq_io_udp_options bind = {.offload = offload};
	struct arq_quic_endpoint_options options;
	struct arq_h3_options h3_options;
	struct arq_error error = {0};

	test_certificate_make(&worker->certificate, "localhost");
	bind.bind.in = (struct sockaddr_in){.sin_family = AF_INET,
					    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	cr_assert_eq(arq_io_udp_create(&bind, &worker->io, &error), 0, "%s", error.text);
	arq_io_udp_local(worker->io, &worker->local);
	arq_quic_endpoint_options_default(&options);
	cr_assert_eq(arq_quic_endpoint_create(&options, &worker->endpoint, &error), 0);
	arq_h3_options_default(&h3_options);
	cr_assert_eq(arq_h3_create(&h3_options, &worker->h3), 0);
	worker->deadline = clock_now() + DEADLINE_SECONDS * 1000000000ULL;
}

static void worker_destroy(struct worker *worker)
{
	arq_quic_endpoint_destroy(worker->endpoint);
	arq_h3_destroy(worker->h3);
	arq_io_destroy(worker->io);
	test_certificate_remove(&worker->certificate);
}

static void worker_wait(struct worker *worker, uint64_t now)
{
	uint64_t expiry = arq_quic_expiry(worker->endpoint);
	/* Awake now and then, for children that end. */
	uint64_t delay = expiry <= now ? 0 : expiry - now;
	struct timespec timeout;
	struct pollfd fd = {.fd = arq_io_fd(worker->io), .events = POLLIN};

	if (delay > 10000000)
		delay = 10000000;
	timeout = (struct timespec){0, (long)delay};
	if (arq_io_pending(worker->io))
		fd.events |= POLLOUT;
	ppoll(&fd, 1, &timeout, NULL);
}

static void worker_step(struct worker *worker)
{
	struct arq_rx_packet packets[ARQ_IO_BATCH];
	uint64_t now = clock_now();
	int count;

	cr_assert_lt(now, worker->deadline, "takes more than %d s", DEADLINE_SECONDS);
	while ((count = arq_io_receive(worker->io, packets, ARQ_IO_BATCH)) > 0) {
		arq_quic_receive(worker->endpoint, worker->io, packets, (size_t)count, now);
		arq_io_release(worker->io, packets, (size_t)count);
	}
	arq_quic_run(worker->endpoint, now);
	worker_wait(worker, now);
}

/* --- children --------------------------------------------------------------------------------- */

static pid_t start(const char *const *arguments)
{
	pid_t pid = fork();

	cr_assert_geq(pid, 0);
	if (pid == 0) {
		int null = open("/dev/null", O_WRONLY);

		prctl(PR_SET_PDEATHSIG, SIGTERM); /* not longer than the test, should that fail */
		dup2(null, 1);
		dup2(null, 2);
		execvp(arguments[0], (char *const *)arguments);
		_exit(127);
	}
	return pid;
}

static void stop(pid_t pid)
{
	kill(pid, SIGTERM);
	waitpid(pid, NULL, 0);
}

/* The exit status once it ended, -1 before. */
static int ended(pid_t pid)
{
	int status;

	if (waitpid(pid, &status, WNOHANG) != pid)
		return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

/* --- their client, our server ----------------------------------------------------------------- */

struct download {
	struct arq_h3_stream *stream;
	size_t length, sent;
};

static void pump(struct download *download)
{
	uint8_t chunk[8192];

	while (download->sent < download->length) {
		size_t left = download->length - download->sent;
		size_t length = left < sizeof(chunk) ? left : sizeof(chunk);
		ssize_t taken;

		for (size_t i = 0; i < length; i++)
			chunk[i] = pattern(download->sent + i);
		taken = arq_h3_stream_write(download->stream, chunk, length);
		if (taken < 0)
			return;
		download->sent += (size_t)taken;
		if ((size_t)taken < length)
			return;
	}
	arq_h3_stream_finish(download->stream, NULL, 0);
}

static void server_body(struct arq_h3_stream *stream, void *user, const uint8_t *data,
			size_t length)
{
	(void)user;
	(void)data;
	arq_h3_stream_consume(stream, length);
}

static void server_end(struct arq_h3_stream *stream, void *user)
{
	(void)stream;
	(void)user;
}

static void server_writable(struct arq_h3_stream *stream, void *user)
{
	(void)stream;
	pump(user);
}

static void server_code(struct arq_h3_stream *stream, void *user, uint64_t code)
{
	(void)user;
	arq_h3_stream_reset(stream, code);
}

static void server_closed(struct arq_h3_stream *stream, void *user, bool clean, uint64_t code)
{
	(void)stream;
	(void)clean;
	(void)code;
	free(user);
}

static const struct arq_h3_stream_ops download_ops = {
	.on_body = server_body,
	.on_end = server_end,
	.on_writable = server_writable,
	.on_reset = server_code,
	.on_stop_sending = server_code,
	.on_closed = server_closed,
};

/* "/1024": that many bytes. */
static void server_request(struct arq_h3_session *session, void *user, struct arq_h3_stream *stream,
			   const struct arq_h3_request *request, bool end)
{
	struct download *download = calloc(1, sizeof(*download));
	char number[24] = "";

	(void)session;
	(void)user;
	(void)end;
	if (request->path.length > 1 && request->path.length < sizeof(number))
		memcpy(number, request->path.data + 1, request->path.length - 1);
	download->stream = stream;
	download->length = strtoul(number, NULL, 10);
	arq_h3_stream_accept(stream, &download_ops, download);
	cr_assert_eq(arq_h3_stream_respond(stream, 200, NULL, 0, false), 0);
	pump(download);
}

static const struct arq_h3_session_ops server_ops = {.on_request = server_request};

static void expect_file(const char *directory, size_t length)
{
	char path[PATH_MAX];
	uint8_t *data = malloc(length + 1);
	size_t wrong = 0;
	FILE *file;

	snprintf(path, sizeof(path), "%s/%zu", directory, length);
	file = fopen(path, "rb");
	cr_assert_not_null(file, "%s", path);
	cr_assert_eq(fread(data, 1, length + 1, file), length);
	for (size_t i = 0; i < length; i++)
		wrong += data[i] != pattern(i);
	cr_assert_eq(wrong, 0, "%zu bytes differ", wrong);
	fclose(file);
	free(data);
	unlink(path);
}

static void listen_on(struct worker *worker, struct arq_h3_server *server)
{
	struct arq_quic_application application;
	struct arq_quic_certificate files = {worker->certificate.certificate,
					     worker->certificate.key};
	const struct arq_quic_tls_options tls = {.certificates = &files, .count = 1};
	struct arq_quic_listener_options options = {.applications = &application,
						    .application_count = 1};
	struct arq_quic_listener *listener;
	struct arq_error error = {0};

	*server = (struct arq_h3_server){worker->h3, &server_ops, NULL};
	application = arq_h3_application(server);
	options.address = worker->local;
	arq_h3_transport(worker->h3, true, &options.transport);
	cr_assert_eq(arq_quic_tls_create(&tls, &options.tls, &error), 0, "%s", error.text);
	cr_assert_eq(arq_quic_listen(worker->endpoint, &options, &listener, &error), 0);
	arq_quic_tls_put(options.tls);
}

static void serve_gtlsclient(bool offload, const char *option)
{
	struct worker worker = {0};
	struct arq_h3_server server;
	char port[8], download[96], urls[3][64], directory[] = "/tmp/arq-test-XXXXXX";
	int status = -1;
	pid_t pid;

	worker_create(&worker, offload);
	listen_on(&worker, &server);
	cr_assert_not_null(mkdtemp(directory));
	snprintf(port, sizeof(port), "%u", arq_address_port(&worker.local));
	snprintf(download, sizeof(download), "--download=%s", directory);
	for (size_t i = 0; i < 3; i++)
		snprintf(urls[i], sizeof(urls[i]), "https://localhost/%zu", sizes[i]);
	const char *const arguments[] = {
		"gtlsclient", "-q",        download, "--exit-on-all-streams-close",
		option,       "127.0.0.1", port,     urls[0],
		urls[1],      urls[2],     NULL,
	};
	pid = start(arguments);
	while ((status = ended(pid)) < 0)
		worker_step(&worker);
	cr_assert_eq(status, 0, "gtlsclient exits %d (127: not installed)", status);
	for (size_t i = 0; i < 3; i++)
		expect_file(directory, sizes[i]);
	rmdir(directory);
	worker_destroy(&worker);
}

Test(http3_peers, gtlsclient_fetches)
{
	serve_gtlsclient(true, "--no-quic-dump");
}

Test(http3_peers, gtlsclient_fetches_without_offload)
{
	serve_gtlsclient(false, "--no-quic-dump");
}

Test(http3_peers, gtlsclient_fetches_over_loss)
{
	serve_gtlsclient(true, "--rx-loss=0.01");
}

Test(http3_peers, gtlsclient_fetches_by_version_2)
{
	serve_gtlsclient(true, "--version=0x6b3343cf");
}

Test(http3_peers, gtlsclient_updates_keys)
{
	serve_gtlsclient(true, "--key-update=20ms");
}

Test(http3_peers, gtlsclient_changes_its_address)
{
	serve_gtlsclient(true, "--change-local-addr=20ms");
}

/* --- their server, our client ----------------------------------------------------------------- */

struct fetch {
	struct arq_h3_session *session;
	bool ready, lost;
	unsigned int status;
	size_t length, received, wrong;
	bool ended, clean, closed;
};

static void client_response(struct arq_h3_stream *stream, void *user,
			    const struct arq_h3_response *response)
{
	(void)stream;
	((struct fetch *)user)->status = response->status;
}

static void client_body(struct arq_h3_stream *stream, void *user, const uint8_t *data,
			size_t length)
{
	struct fetch *fetch = user;

	for (size_t i = 0; i < length; i++)
		fetch->wrong += data[i] != pattern(fetch->received + i);
	fetch->received += length;
	arq_h3_stream_consume(stream, length);
}

static void client_end(struct arq_h3_stream *stream, void *user)
{
	(void)stream;
	((struct fetch *)user)->ended = true;
}

static void client_code(struct arq_h3_stream *stream, void *user, uint64_t code)
{
	(void)stream;
	(void)user;
	(void)code;
}

static void client_stream_closed(struct arq_h3_stream *stream, void *user, bool clean,
				 uint64_t code)
{
	struct fetch *fetch = user;

	(void)stream;
	(void)code;
	fetch->clean = clean;
	fetch->closed = true;
}

static const struct arq_h3_stream_ops fetch_ops = {
	.on_response = client_response,
	.on_body = client_body,
	.on_end = client_end,
	.on_reset = client_code,
	.on_stop_sending = client_code,
	.on_closed = client_stream_closed,
};

static void client_ready(struct arq_h3_session *session, void *user)
{
	(void)session;
	((struct fetch *)user)->ready = true;
}

static void client_closed(struct arq_h3_session *session, void *user,
			  const struct arq_quic_close *close)
{
	(void)session;
	(void)close;
	((struct fetch *)user)->lost = true;
}

static const struct arq_h3_session_ops client_ops = {
	.on_ready = client_ready,
	.on_closed = client_closed,
};

/* Not just a number: gtlsserver makes up bodies for those. */
static void write_file(const char *directory, size_t length)
{
	char path[PATH_MAX];
	FILE *file;

	snprintf(path, sizeof(path), "%s/file-%zu", directory, length);
	file = fopen(path, "wb");
	cr_assert_not_null(file);
	for (size_t i = 0; i < length; i++)
		fputc(pattern(i), file);
	fclose(file);
}

/* A UDP port that is free now. */
static void free_port(union arq_address *address)
{
	socklen_t length = sizeof(address->in);
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	address->in = (struct sockaddr_in){.sin_family = AF_INET,
					   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	cr_assert_eq(bind(fd, &address->sa, length), 0);
	cr_assert_eq(getsockname(fd, &address->sa, &length), 0);
	close(fd);
}

static bool connect_to(struct worker *worker, const union arq_address *remote, struct fetch *fetch)
{
	struct arq_quic_client_tls_options trust = {.ca_file = worker->certificate.certificate};
	struct arq_h3_connect_options options = {
		.io = worker->io,
		.path = {.local = worker->local, .remote = *remote},
		.server_name = "localhost",
		.ops = &client_ops,
		.user = fetch};
	struct arq_error error = {0};

	arq_h3_transport(worker->h3, false, &options.transport);
	options.transport.handshake_timeout = 300000000; /* the server may not be there yet */
	cr_assert_eq(arq_quic_client_tls_create(&trust, &options.tls, &error), 0, "%s", error.text);
	*fetch = (struct fetch){0};
	cr_assert_eq(arq_h3_connect(worker->h3, worker->endpoint, &options, clock_now(),
				    &fetch->session, &error),
		     0, "%s", error.text);
	arq_quic_client_tls_put(options.tls);
	while (!fetch->ready && !fetch->lost)
		worker_step(worker);
	return fetch->ready;
}

static void fetch_one(struct worker *worker, struct fetch *fetch, size_t length)
{
	struct arq_h3_stream *stream;
	struct arq_h3_request request;
	char path[24];

	snprintf(path, sizeof(path), "/file-%zu", length);
	request = (struct arq_h3_request){.method = arq_h3_text("GET"),
					  .scheme = arq_h3_text("https"),
					  .authority = arq_h3_text("localhost"),
					  .path = arq_h3_text(path)};
	fetch->received = fetch->wrong = 0;
	fetch->ended = fetch->clean = fetch->closed = false;
	cr_assert_eq(arq_h3_request(fetch->session, &request, false, &fetch_ops, fetch, &stream),
		     0);
	while (!fetch->closed)
		worker_step(worker);
	cr_assert_eq(fetch->status, 200);
	cr_assert_eq(fetch->received, length);
	cr_assert_eq(fetch->wrong, 0);
	cr_assert(fetch->ended && fetch->clean);
}

Test(http3_peers, gtlsserver_serves)
{
	struct worker worker = {0};
	struct fetch fetch = {0};
	union arq_address remote;
	char port[8], htdocs[PATH_MAX], directory[] = "/tmp/arq-test-XXXXXX";
	pid_t pid;

	worker_create(&worker, true);
	cr_assert_not_null(mkdtemp(directory));
	for (size_t i = 0; i < 3; i++)
		write_file(directory, sizes[i]);
	free_port(&remote);
	snprintf(port, sizeof(port), "%u", arq_address_port(&remote));
	snprintf(htdocs, sizeof(htdocs), "--htdocs=%s", directory);
	const char *const arguments[] = {
		"gtlsserver",
		"-q",
		htdocs,
		"127.0.0.1",
		port,
		worker.certificate.key,
		worker.certificate.certificate,
		NULL,
	};
	pid = start(arguments);
	while (!connect_to(&worker, &remote, &fetch))
		cr_assert_eq(ended(pid), -1, "gtlsserver ended (not installed?)");
	for (size_t i = 0; i < 3; i++)
		fetch_one(&worker, &fetch, sizes[i]);
	arq_h3_session_shutdown(fetch.session);
	while (!fetch.lost)
		worker_step(&worker);
	stop(pid);
	for (size_t i = 0; i < 3; i++) {
		snprintf(htdocs, sizeof(htdocs), "%s/file-%zu", directory, sizes[i]);
		unlink(htdocs);
	}
	rmdir(directory);
	worker_destroy(&worker);
}
