// SPDX-License-Identifier: BSD-2-Clause
#include "tests/bench/loader.h"

#include "tests/bench/cpu.h"
#include "tests/bench/loop.h"
#include "userspace/http3/http3.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#define SECOND LOOP_SECOND

/* Handshakes under way at a time: a queue of them longer than this says more about us. */
#define OPENING_MAX 100

/* After a failed handshake; so that a server that is away is not flooded. */
#define RETRY_NS (SECOND / 10)

/* Servers give up idle connections after some 30 s. */
#define KEEP_ALIVE_NS (10 * SECOND)

/* For the last packets, when all connections are closed at the end. */
#define GOODBYE_NS SECOND

enum phase {
	PHASE_WARM_UP,
	PHASE_MEASURE,
	PHASE_DRAIN, /* what is under way may end, nothing is begun */
	PHASE_CLOSE,
};

struct loader;

struct client {
	struct loader *loader;
	struct arq_h3_session *session; /* NULL: waits for its turn to connect */
	TAILQ_ENTRY(client) entry; /* of `waiting` or `able` */
	uint64_t begun; /* when it connected; while it waits: not before this */
	uint32_t under_way;
	uint32_t asked; /* requests on this connection */
	bool open;
	bool retiring; /* asks for nothing any more */
	bool able; /* is in that list: open, and has room for a request */
};

struct request {
	struct client *client;
	STAILQ_ENTRY(request) entry; /* of `free` or `again` */
	uint64_t due;
	uint64_t bytes;
	unsigned int status;
	uint64_t ended; /* when the answer was complete; 0: not yet */
	bool measured;
};

TAILQ_HEAD(clients, client);
STAILQ_HEAD(requests, request);

struct loader {
	const struct load_options *options;
	struct load_result *result;
	struct loop loop;
	struct arq_h3 *h3;
	struct arq_quic_client_tls *tls;
	struct arq_quic_transport transport;
	uint32_t next_socket;
	struct client *clients;
	struct clients waiting;
	struct clients able;
	struct request *requests;
	struct requests free;
	struct requests again;
	uint32_t opening;
	uint64_t begun; /* requests, in the measured time */
	uint64_t finished; /* of these, answered or failed */
	uint64_t under_way; /* requests, all */
	uint64_t asked; /* requests, all that were ever put on the way */
	uint64_t next_due; /* with a rate */
	enum phase phase;
	uint64_t phase_end;
	uint64_t measured_from;
	uint64_t cpu_from;
};

static bool is_measuring(const struct loader *loader)
{
	return loader->phase == PHASE_MEASURE;
}

/* The last entry takes whatever finds no room. */
static void note_failure(struct load_result *result, const char *kind)
{
	uint32_t i = 0;

	while (i < result->failure_count && strcmp(result->failures[i].kind, kind) != 0)
		i++;
	if (i == LOAD_FAILURES_MAX)
		i--;
	if (i == result->failure_count) {
		snprintf(result->failures[i].kind, sizeof(result->failures[i].kind), "%s",
			 i == LOAD_FAILURES_MAX - 1 ? "other" : kind);
		result->failure_count++;
	}
	result->failures[i].count++;
}

/* --- requests --------------------------------------------------------------------------------- */

static void set_able(struct client *client)
{
	struct loader *loader = client->loader;
	bool able = client->open && !client->retiring &&
		    client->under_way < loader->options->streams &&
		    arq_h3_session_streams_left(client->session) > 0;

	if (able && !client->able)
		TAILQ_INSERT_TAIL(&loader->able, client, entry);
	else if (!able && client->able)
		TAILQ_REMOVE(&loader->able, client, entry);
	client->able = able;
}

/* The connection has done its part: it ends when its last request does. */
static void retire(struct client *client)
{
	client->retiring = true;
	set_able(client);
	if (client->under_way == 0)
		arq_h3_session_close(client->session, ARQ_H3_NO_ERROR);
}

static void on_response(struct arq_h3_stream *stream, void *user,
			const struct arq_h3_response *response)
{
	struct request *request = user;
	(void)stream;
	request->status = response->status;
}

static void on_body(struct arq_h3_stream *stream, void *user, const uint8_t *data, size_t length)
{
	struct request *request = user;
	(void)data;
	request->bytes += length;
	if (is_measuring(request->client->loader))
		request->client->loader->result->bytes += length;
	arq_h3_stream_consume(stream, length);
}

static void on_end(struct arq_h3_stream *stream, void *user)
{
	struct request *request = user;
	(void)stream;
	request->ended = loop_clock();
}

/* on_closed says the same. */
static void on_reset(struct arq_h3_stream *stream, void *user, uint64_t code)
{
	(void)stream;
	(void)user;
	(void)code;
}

/* What is wrong with the answer, into `text`; NULL when nothing is. */
static const char *judge(const struct request *request, uint64_t code, char *text, size_t size)
{
	int64_t expect = request->client->loader->options->expect;

	if (!request->ended)
		snprintf(text, size, "reset 0x%" PRIx64, code);
	else if (request->status < 200 || request->status > 299)
		snprintf(text, size, "status %u", request->status);
	else if (expect >= 0 && request->bytes != (uint64_t)expect)
		snprintf(text, size, "length");
	else
		return NULL;
	return text;
}

static void settle(struct loader *loader, struct request *request, const char *failure)
{
	struct load_result *result = loader->result;

	STAILQ_INSERT_HEAD(&loader->free, request, entry);
	if (loader->phase == PHASE_CLOSE)
		return; /* counted as unanswered */
	if (request->measured)
		loader->finished++;
	if (failure && request->measured) {
		result->failed++;
		note_failure(result, failure);
	} else if (!failure && is_measuring(loader)) {
		/* Begun before or within, answered within: that is the rate. */
		result->answered++;
		histogram_add(&result->latency, request->ended - request->due);
	}
}

static void on_closed(struct arq_h3_stream *stream, void *user, bool clean, uint64_t code)
{
	struct request *request = user;
	struct client *client = request->client;
	struct loader *loader = client->loader;
	char text[64];

	(void)stream;
	(void)clean;
	client->under_way--;
	loader->under_way--;
	if (!request->ended && code == ARQ_H3_REQUEST_REJECTED) {
		loader->result->rejected++;
		STAILQ_INSERT_TAIL(&loader->again, request, entry);
	} else {
		settle(loader, request, judge(request, code, text, sizeof(text)));
	}
	if (client->retiring && client->under_way == 0)
		arq_h3_session_close(client->session, ARQ_H3_NO_ERROR);
	set_able(client);
}

static const struct arq_h3_stream_ops stream_ops = {
	.on_response = on_response,
	.on_body = on_body,
	.on_end = on_end,
	.on_reset = on_reset,
	.on_closed = on_closed,
};

static uint64_t interval(const struct load_options *options)
{
	return (uint64_t)((double)SECOND / options->rate);
}

/* The request that is to go next; NULL when none is due, or all were begun. */
static struct request *next_request(struct loader *loader)
{
	const struct load_options *options = loader->options;
	struct request *request = STAILQ_FIRST(&loader->again);

	if (request) {
		STAILQ_REMOVE_HEAD(&loader->again, entry);
		return request;
	}
	request = STAILQ_FIRST(&loader->free);
	if (!request || loader->phase >= PHASE_DRAIN ||
	    (options->requests && loader->begun >= options->requests) ||
	    (options->rate > 0 && loader->next_due > loader->loop.now))
		return NULL;
	STAILQ_REMOVE_HEAD(&loader->free, entry);
	request->due = loop_clock();
	request->measured = is_measuring(loader);
	if (options->rate > 0) {
		request->due = loader->next_due;
		loader->next_due += interval(options);
	}
	loader->begun += request->measured;
	return request;
}

/* Puts it on the way. Returns false when the connection takes none just now. */
static bool ask(struct client *client, struct request *request)
{
	const struct load_options *options = client->loader->options;
	char value[24];
	const struct arq_h3_field key = {
		arq_h3_text(options->key ? options->key : ""),
		{value, (size_t)snprintf(value, sizeof(value), "%" PRIu64, client->loader->asked)},
	};
	const struct arq_h3_request message = {
		.method = arq_h3_text("GET"),
		.scheme = arq_h3_text("https"),
		.authority = arq_h3_text(options->host),
		.path = arq_h3_text(options->path),
		.fields = &key,
		.field_count = options->key != NULL,
	};
	struct arq_h3_stream *stream;

	request->client = client;
	request->bytes = 0;
	request->status = 0;
	request->ended = 0;
	if (arq_h3_request(client->session, &message, false, &stream_ops, request, &stream))
		return false;
	client->under_way++;
	client->loader->under_way++;
	client->asked++;
	client->loader->asked++;
	return true;
}

/* Whoever can takes what is due, in turn. */
static void dispatch(struct loader *loader)
{
	const struct load_options *options = loader->options;
	struct client *client;

	while ((client = TAILQ_FIRST(&loader->able))) {
		struct request *request = next_request(loader);
		if (!request)
			return;
		if (!ask(client, request)) {
			STAILQ_INSERT_HEAD(&loader->again, request, entry);
			TAILQ_REMOVE(&loader->able, client, entry);
			client->able =
				false; /* on_streams or the end of a request brings it back */
			continue;
		}
		TAILQ_REMOVE(&loader->able, client, entry);
		client->able = false;
		if (options->per_connection && client->asked == options->per_connection)
			client->retiring = true;
		set_able(client);
	}
}

/* --- connections ------------------------------------------------------------------------------ */

static void await_turn(struct client *client, uint64_t at)
{
	struct loader *loader = client->loader;

	*client = (struct client){.loader = loader, .begun = at};
	if (at)
		TAILQ_INSERT_TAIL(&loader->waiting, client, entry);
	else
		TAILQ_INSERT_HEAD(&loader->waiting, client, entry);
}

static void session_ready(struct arq_h3_session *session, void *user)
{
	struct client *client = user;
	struct loader *loader = client->loader;

	(void)session;
	client->open = true;
	loader->opening--;
	if (is_measuring(loader)) {
		loader->result->opened++;
		histogram_add(&loader->result->opening, loop_clock() - client->begun);
	}
	set_able(client);
}

static void session_streams(struct arq_h3_session *session, void *user)
{
	(void)session;
	set_able(user);
}

static void session_goaway(struct arq_h3_session *session, void *user, int64_t id)
{
	(void)session;
	(void)id;
	retire(user);
}

/* The server's end in order: it said so, or nothing was under way. */
static bool is_orderly(const struct arq_quic_close *close)
{
	bool application = close->kind == ARQ_QUIC_CLOSE_PEER_APPLICATION ||
			   close->kind == ARQ_QUIC_CLOSE_LOCAL_APPLICATION;
	return application && close->code == ARQ_H3_NO_ERROR;
}

static void session_closed(struct arq_h3_session *session, void *user,
			   const struct arq_quic_close *close)
{
	struct client *client = user;
	struct loader *loader = client->loader;
	struct load_result *result = loader->result;
	char text[64];

	(void)session;
	if (client->able)
		TAILQ_REMOVE(&loader->able, client, entry);
	if (!client->open)
		loader->opening--;
	if (loader->phase == PHASE_CLOSE)
		return;
	if (client->open && is_orderly(close)) {
		await_turn(client, 0);
		return;
	}
	if (loader->phase >= PHASE_MEASURE) {
		snprintf(text, sizeof(text), "%s: %s 0x%" PRIx64,
			 client->open ? "connection" : "handshake",
			 arq_quic_close_kind_name(close->kind), close->code);
		note_failure(result, text);
		*(client->open ? &result->lost : &result->unopened) += 1;
	}
	await_turn(client, loader->loop.now + RETRY_NS);
}

static const struct arq_h3_session_ops session_ops = {
	.on_ready = session_ready,
	.on_streams = session_streams,
	.on_goaway = session_goaway,
	.on_closed = session_closed,
};

static int open_client(struct loader *loader, struct client *client, struct arq_error *error)
{
	struct arq_h3_connect_options options = {
		.io = loader->loop.ios[loader->next_socket++ % loader->loop.io_count],
		.tls = loader->tls,
		.server_name = loader->options->host,
		.transport = loader->transport,
		.ops = &session_ops,
		.user = client,
	};
	arq_io_udp_local(options.io, &options.path.local);
	options.path.remote = loader->options->server;
	client->begun = loop_clock();
	return arq_h3_connect(loader->h3, loader->loop.endpoint, &options, loader->loop.now,
			      &client->session, error);
}

/*
 * When the next connection may be opened; UINT64_MAX: not as things are. With one request on each
 * a rate is one of connections: those being opened stand for what falls due next.
 */
static uint64_t opens_at(const struct loader *loader)
{
	const struct load_options *options = loader->options;
	const struct client *client = TAILQ_FIRST(&loader->waiting);
	uint64_t at;

	if (!client || loader->phase >= PHASE_DRAIN || loader->opening >= OPENING_MAX)
		return UINT64_MAX;
	if (options->rate <= 0 || options->per_connection != 1)
		return client->begun;
	at = loader->next_due + loader->opening * interval(options);
	return at > client->begun ? at : client->begun;
}

static int open_clients(struct loader *loader, struct arq_error *error)
{
	while (opens_at(loader) <= loader->loop.now) {
		struct client *client = TAILQ_FIRST(&loader->waiting);

		TAILQ_REMOVE(&loader->waiting, client, entry);
		loader->opening++;
		int code = open_client(loader, client, error);
		if (code < 0)
			return code;
	}
	return 0;
}

/* --- time ------------------------------------------------------------------------------------- */

static uint64_t watched_time(const struct load_options *options)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < options->watched_count; i++) {
		uint64_t ns;
		if (cpu_time(options->watched[i], &ns) == 0)
			sum += ns;
	}
	return sum;
}

static void begin_measuring(struct loader *loader)
{
	loader->phase = PHASE_MEASURE;
	loader->measured_from = loader->loop.now;
	loader->cpu_from = watched_time(loader->options);
	loader->phase_end = loader->options->duration_ns
				    ? loader->loop.now + loader->options->duration_ns
				    : UINT64_MAX;
}

static void end_measuring(struct loader *loader)
{
	struct load_result *result = loader->result;

	result->seconds = (double)(loader->loop.now - loader->measured_from) / (double)SECOND;
	result->cpu_seconds =
		(double)(watched_time(loader->options) - loader->cpu_from) / (double)SECOND;
	loader->phase = PHASE_DRAIN;
	loader->phase_end = loader->loop.now + loader->options->patience_ns;
}

static void end_draining(struct loader *loader)
{
	/* What never came; settled here, as nothing else will be said of it. */
	for (uint64_t lost = loader->begun - loader->finished; lost > 0; lost--) {
		loader->result->failed++;
		note_failure(loader->result, "unanswered");
	}
	loader->phase = PHASE_CLOSE;
	loader->phase_end = loader->loop.now + GOODBYE_NS;
	for (uint32_t i = 0; i < loader->options->connections; i++) {
		if (loader->clients[i].session)
			arq_h3_session_close(loader->clients[i].session, ARQ_H3_NO_ERROR);
	}
}

static void change_phase(struct loader *loader)
{
	const struct load_options *options = loader->options;

	if (loader->phase == PHASE_WARM_UP && loader->loop.now >= loader->phase_end)
		begin_measuring(loader);
	if (is_measuring(loader) && (loader->loop.now >= loader->phase_end ||
				     (options->requests && loader->finished >= options->requests)))
		end_measuring(loader);
	if (loader->phase == PHASE_DRAIN &&
	    (loader->loop.now >= loader->phase_end || loader->begun == loader->finished))
		end_draining(loader);
}

/* --- the loop --------------------------------------------------------------------------------- */

static uint64_t next_time(const struct loader *loader)
{
	uint64_t at = loader->phase_end;
	uint64_t opens = opens_at(loader);

	/* What is due and still here waits for a connection, not for the clock. */
	if (loader->options->rate > 0 && loader->next_due > loader->loop.now &&
	    loader->next_due < at && loader->phase < PHASE_DRAIN)
		at = loader->next_due;
	return opens < at ? opens : at;
}

static int serve_round(struct loader *loader, struct arq_error *error)
{
	int code = loop_wait(&loader->loop, next_time(loader));

	if (code < 0)
		return arq_error_set(error, code, "waiting: %s", strerror(-code));
	change_phase(loader);
	code = open_clients(loader, error);
	dispatch(loader);
	arq_quic_run(loader->loop.endpoint, loader->loop.now);
	return code;
}

/* --- life ------------------------------------------------------------------------------------- */

static int create_sockets(struct loader *loader, struct arq_error *error)
{
	struct arq_io_udp_options options = {
		.bind.sa.sa_family = loader->options->server.sa.sa_family, .offload = true};

	if (loader->options->sockets == 0 || loader->options->sockets > LOOP_IOS_MAX)
		return arq_error_set(error, -EINVAL, "sockets: 1 to %d", LOOP_IOS_MAX);
	for (uint32_t i = 0; i < loader->options->sockets; i++) {
		struct arq_io *io;
		int code = arq_io_udp_create(&options, &io, error);
		if (code == 0)
			code = loop_add(&loader->loop, io);
		if (code < 0)
			return arq_error_set(error, code, "socket: %s", strerror(-code));
	}
	return 0;
}

static int create_rooms(struct loader *loader, struct arq_error *error)
{
	const struct load_options *options = loader->options;
	const struct arq_quic_client_tls_options tls = {.insecure = true};
	struct arq_quic_endpoint_options endpoint;
	struct arq_h3_options h3;

	arq_h3_options_default(&h3);
	h3.stream_window = options->window;
	if (options->streams > h3.max_streams)
		h3.max_streams = options->streams;
	int code = arq_h3_create(&h3, &loader->h3);
	if (code < 0)
		return arq_error_set(error, code, "HTTP/3: %s", strerror(-code));
	arq_h3_transport(loader->h3, false, &loader->transport);
	loader->transport.handshake_timeout = options->patience_ns;
	loader->transport.keep_alive = KEEP_ALIVE_NS;
	arq_quic_endpoint_options_default(&endpoint);
	endpoint.max_connections = options->connections;
	code = arq_quic_endpoint_create(&endpoint, &loader->loop.endpoint, error);
	return code < 0 ? code : arq_quic_client_tls_create(&tls, &loader->tls, error);
}

static int create_clients(struct loader *loader, struct arq_error *error)
{
	const struct load_options *options = loader->options;
	/* One more, for the turn between an answer's end and its stream's. */
	size_t count = (size_t)options->connections * options->streams + 1;

	loader->clients = calloc(options->connections, sizeof(*loader->clients));
	loader->requests = calloc(count, sizeof(*loader->requests));
	if (!loader->clients || !loader->requests)
		return arq_error_set(error, -ENOMEM, "%u connections: out of memory",
				     options->connections);
	for (size_t i = 0; i < count; i++)
		STAILQ_INSERT_TAIL(&loader->free, &loader->requests[i], entry);
	for (uint32_t i = 0; i < options->connections; i++) {
		loader->clients[i].loader = loader;
		await_turn(&loader->clients[i], 1);
	}
	return 0;
}

static void destroy(struct loader *loader)
{
	loop_end(&loader->loop);
	arq_h3_destroy(loader->h3);
	arq_quic_client_tls_put(loader->tls);
	free(loader->clients);
	free(loader->requests);
}

int load_run(const struct load_options *options, struct load_result *result,
	     struct arq_error *error)
{
	struct loader loader = {.options = options, .result = result};
	int code = loop_begin(&loader.loop);

	*result = (struct load_result){0};
	if (code < 0)
		return arq_error_set(error, code, "epoll: %s", strerror(-code));
	TAILQ_INIT(&loader.waiting);
	TAILQ_INIT(&loader.able);
	STAILQ_INIT(&loader.free);
	STAILQ_INIT(&loader.again);
	if ((code = create_rooms(&loader, error)) == 0 &&
	    (code = create_sockets(&loader, error)) == 0)
		code = create_clients(&loader, error);
	loader.next_due = loader.loop.now;
	loader.phase_end = loader.loop.now + options->warm_up_ns;
	while (code == 0 &&
	       (loader.phase != PHASE_CLOSE || (arq_quic_connections(loader.loop.endpoint) > 0 &&
						loader.loop.now < loader.phase_end)))
		code = serve_round(&loader, error);
	loader.phase = PHASE_CLOSE;
	destroy(&loader);
	return code;
}
