// SPDX-License-Identifier: BSD-2-Clause
/*
 * serve [--xsk INTERFACE] ADDRESS:PORT CERTIFICATE KEY
 *
 * An HTTP/3 server on our own rooms that answers /N with N bytes, like ngtcp2's gtlsserver: for the
 * bulk that arquantd itself has no answer for (its responses are at most 64 KiB), and as a backend.
 * One thread; UDP, or the AF_XDP socket of an interface's queue 0 on which the redirect is loaded.
 * Says "serves" when it does; ends on SIGTERM.
 */
#include "dispatcher/pins.h"
#include "progs/redirect/services.h"
#include "tests/bench/loop.h"
#include "userspace/http3/http3.h"

#include <errno.h>
#include <net/if.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* The longest body: a piece of memory that fits the cache, seen over and over. */
#define BODY_PIECE (1u << 20)
#define BODY_MAX   (128ull * BODY_PIECE)

static volatile sig_atomic_t ended;
static uint8_t *content;

static void end(int signal)
{
	(void)signal;
	ended = 1;
}

static void __attribute__((noreturn)) fail(const struct arq_error *error)
{
	fprintf(stderr, "serve: %s\n", error->text);
	exit(1);
}

/* --- answers ---------------------------------------------------------------------------------- */

static void on_body(struct arq_h3_stream *stream, void *user, const uint8_t *data, size_t length)
{
	(void)user;
	(void)data;
	arq_h3_stream_consume(stream, length);
}

static void on_end(struct arq_h3_stream *stream, void *user)
{
	(void)stream;
	(void)user;
}

static void on_code(struct arq_h3_stream *stream, void *user, uint64_t code)
{
	(void)stream;
	(void)user;
	(void)code;
}

static void on_closed(struct arq_h3_stream *stream, void *user, bool clean, uint64_t code)
{
	(void)stream;
	(void)user;
	(void)clean;
	(void)code;
}

static const struct arq_h3_stream_ops stream_ops = {
	.on_body = on_body,
	.on_end = on_end,
	.on_reset = on_code,
	.on_stop_sending = on_code,
	.on_closed = on_closed,
};

/* "/N", N at most BODY_MAX. */
static bool read_length(struct arq_h3_text path, uint64_t *length)
{
	*length = 0;
	for (size_t i = 1; i < path.length; i++) {
		if (path.data[i] < '0' || path.data[i] > '9')
			return false;
		*length = *length * 10 + (uint64_t)(path.data[i] - '0');
		if (*length > BODY_MAX)
			return false;
	}
	return path.length > 1;
}

static void on_request(struct arq_h3_session *session, void *user, struct arq_h3_stream *stream,
		       const struct arq_h3_request *request, bool last)
{
	uint64_t length;

	(void)session;
	(void)user;
	(void)last;
	arq_h3_stream_accept(stream, &stream_ops, NULL);
	if (read_length(request->path, &length))
		arq_h3_stream_respond_static(stream, 200, NULL, 0, content, length, NULL, NULL);
	else
		arq_h3_stream_respond(stream, 404, NULL, 0, true);
}

static void session_closed(struct arq_h3_session *session, void *user,
			   const struct arq_quic_close *close)
{
	(void)session;
	(void)user;
	(void)close;
}

static const struct arq_h3_session_ops session_ops = {
	.on_request = on_request,
	.on_closed = session_closed,
};

/* Maps the content and touches it, for page faults cost more than sending. */
static int make_content(void)
{
	int file = memfd_create("content", MFD_CLOEXEC);

	content = mmap(NULL, BODY_MAX, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (file < 0 || ftruncate(file, BODY_PIECE) < 0 || content == MAP_FAILED)
		return -errno;
	for (uint64_t at = 0; at < BODY_MAX; at += BODY_PIECE) {
		if (mmap(content + at, BODY_PIECE, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_FIXED | MAP_POPULATE, file, 0) == MAP_FAILED)
			return -errno;
		memset(content + at, 'x', BODY_PIECE);
	}
	close(file);
	return 0;
}

/* --- life ------------------------------------------------------------------------------------- */

static int open_xsk(const char *interface, const union arq_address *address, struct arq_io **io,
		    struct arq_error *error)
{
	char pins[PATH_MAX];
	struct arq_io_xsk_options options = {.interface = interface};
	int services, code = arq_pins_path(pins, if_nametoindex(interface));

	if (code < 0)
		return arq_error_set(error, code, "%s: %s", interface, strerror(-code));
	services = arq_services_open(pins, error);
	if (services < 0)
		return services;
	options.xsks_map_fd = arq_xsks_open(pins, error);
	if (options.xsks_map_fd < 0)
		return options.xsks_map_fd;
	code = arq_io_xsk_create(&options, io, error);
	return code < 0 ? code : arq_service_add(services, address, error);
}

static int open_io(const char *interface, const union arq_address *address, struct loop *loop,
		   struct arq_error *error)
{
	const struct arq_io_udp_options udp = {.bind = *address, .offload = true};
	struct arq_io *io;
	int code = interface ? open_xsk(interface, address, &io, error)
			     : arq_io_udp_create(&udp, &io, error);

	if (code == 0)
		code = loop_add(loop, io);
	return code < 0 ? arq_error_set(error, code, "socket: %s", strerror(-code)) : 0;
}

static int listen_on(struct loop *loop, const union arq_address *address,
		     const struct arq_quic_certificate *files, struct arq_h3_server *server,
		     struct arq_error *error)
{
	struct arq_quic_application application = arq_h3_application(server);
	struct arq_quic_listener_options options = {
		.address = *address, .applications = &application, .application_count = 1};
	const struct arq_quic_tls_options tls = {.certificates = files, .count = 1};
	struct arq_quic_endpoint_options endpoint;
	struct arq_quic_listener *listener;
	int code;

	arq_quic_endpoint_options_default(&endpoint);
	if ((code = arq_quic_endpoint_create(&endpoint, &loop->endpoint, error)) < 0 ||
	    (code = arq_quic_tls_create(&tls, &options.tls, error)) < 0)
		return code;
	arq_h3_transport(server->h3, true, &options.transport);
	code = arq_quic_listen(loop->endpoint, &options, &listener, error);
	arq_quic_tls_put(options.tls);
	return code;
}

int main(int argc, char **argv)
{
	struct sigaction action = {.sa_handler = end};
	struct arq_h3_server server = {.ops = &session_ops};
	struct arq_quic_certificate files;
	struct arq_error error = {0};
	const char *interface = NULL;
	union arq_address address;
	struct arq_h3_options h3;
	struct loop loop;

	if (argc == 6 && strcmp(argv[1], "--xsk") == 0) {
		interface = argv[2];
		argv += 2;
		argc -= 2;
	}
	if (argc != 4 || arq_address_parse(&address, argv[1])) {
		fprintf(stderr, "usage: serve [--xsk INTERFACE] ADDRESS:PORT CERTIFICATE KEY\n");
		return 2;
	}
	files = (struct arq_quic_certificate){argv[2], argv[3]};
	content =
		mmap(NULL, BODY_MAX, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	arq_h3_options_default(&h3);
	if (make_content() < 0 || arq_h3_create(&h3, &server.h3) < 0 || loop_begin(&loop) < 0) {
		arq_error_set(&error, -errno, "%s", strerror(errno));
		fail(&error);
	}
	if (listen_on(&loop, &address, &files, &server, &error) < 0 ||
	    open_io(interface, &address, &loop, &error) < 0)
		fail(&error);
	sigaction(SIGTERM, &action, NULL);
	fprintf(stderr, "serves\n");
	while (!ended && loop_wait(&loop, UINT64_MAX) == 0)
		arq_quic_run(loop.endpoint, loop.now);
	loop_end(&loop);
	arq_h3_destroy(server.h3);
	return 0;
}
