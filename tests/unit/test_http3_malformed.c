/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What RFC 9114 forbids, sent by a client that writes its frames by hand: the stream ends with the
 * right error, the session goes on, and nothing a client sends does more harm than that.
 */
#include "test_http3_frames.h"
#include "test_http3_lab.h"

#include <criterion/criterion.h>
#include <gnutls/crypto.h>
#include <stdlib.h>
#include <string.h>

#define RAW_STREAMS 16

/* --- a client without manners ----------------------------------------------------------------- */

struct raw_stream {
	int64_t id;
	uint8_t out[65536];
	size_t length, sent;
	bool fin, fin_sent, blocked;
	bool reset, closed;
	uint64_t code;
	uint8_t in[4096]; /* the beginning of the answer */
	size_t received;
};

struct raw {
	struct arq_quic_connection *connection;
	bool ready, closed;
	struct arq_quic_close close;
	struct raw_stream *streams[RAW_STREAMS];
	size_t count;
};

static struct raw_stream *raw_find(struct raw *raw, int64_t id)
{
	for (size_t i = 0; i < raw->count; i++) {
		if (raw->streams[i]->id == id)
			return raw->streams[i];
	}
	return NULL;
}

static void raw_ready(struct arq_quic_connection *connection, void *user)
{
	(void)connection;
	((struct raw *)user)->ready = true;
}

static void raw_data(struct arq_quic_connection *connection, void *user, int64_t id,
		     uint64_t offset, const uint8_t *data, size_t length, bool fin)
{
	struct raw_stream *stream = raw_find(user, id);

	(void)fin;
	arq_quic_stream_consume(connection, id, length);
	if (stream && offset + length <= sizeof(stream->in)) {
		memcpy(stream->in + offset, data, length);
		stream->received += length;
	}
}

static void raw_acked(struct arq_quic_connection *connection, void *user, int64_t id,
		      uint64_t offset, uint64_t length)
{
	(void)connection;
	(void)user;
	(void)id;
	(void)offset;
	(void)length;
}

static void raw_reset(struct arq_quic_connection *connection, void *user, int64_t id,
		      uint64_t final_size, uint64_t code)
{
	struct raw_stream *stream = raw_find(user, id);

	(void)connection;
	(void)final_size;
	if (stream) {
		stream->reset = true;
		stream->code = code;
	}
}

static void raw_shut(struct arq_quic_connection *connection, void *user, int64_t id)
{
	struct raw_stream *stream = raw_find(user, id);

	(void)connection;
	if (stream) {
		stream->sent = stream->length;
		stream->fin_sent = true;
	}
}

static void raw_stop(struct arq_quic_connection *connection, void *user, int64_t id, uint64_t code)
{
	(void)code;
	raw_shut(connection, user, id);
}

static void raw_stream_closed(struct arq_quic_connection *connection, void *user, int64_t id)
{
	struct raw_stream *stream = raw_find(user, id);

	(void)connection;
	if (stream)
		stream->closed = true;
}

static void raw_next(struct arq_quic_connection *connection, void *user,
		     struct arq_quic_write *write)
{
	struct raw *raw = user;

	(void)connection;
	for (size_t i = 0; i < raw->count; i++) {
		struct raw_stream *stream = raw->streams[i];

		if (stream->blocked || stream->fin_sent ||
		    (stream->sent == stream->length && !stream->fin))
			continue;
		write->stream_id = stream->id;
		write->vecs[0].data = stream->out + stream->sent;
		write->vecs[0].length = stream->length - stream->sent;
		write->count = 1;
		write->fin = stream->fin;
		return;
	}
}

static void raw_written(struct arq_quic_connection *connection, void *user, int64_t id,
			size_t length)
{
	struct raw_stream *stream = raw_find(user, id);

	(void)connection;
	stream->sent += length;
	stream->fin_sent = stream->fin && stream->sent == stream->length;
}

static void raw_blocked(struct arq_quic_connection *connection, void *user, int64_t id)
{
	(void)connection;
	raw_find(user, id)->blocked = true;
}

static void raw_unblocked(struct arq_quic_connection *connection, void *user, int64_t id)
{
	struct raw_stream *stream = raw_find(user, id);

	(void)connection;
	if (stream)
		stream->blocked = false;
}

static void raw_closed(struct arq_quic_connection *connection, void *user,
		       const struct arq_quic_close *close)
{
	struct raw *raw = user;

	(void)connection;
	raw->closed = true;
	raw->close = *close;
}

static const struct arq_quic_ops raw_ops = {
	.ready = raw_ready,
	.stream_data = raw_data,
	.stream_acked = raw_acked,
	.stream_reset = raw_reset,
	.stop_sending = raw_stop,
	.stream_closed = raw_stream_closed,
	.unblocked = raw_unblocked,
	.next_write = raw_next,
	.written = raw_written,
	.blocked = raw_blocked,
	.shut = raw_shut,
	.closed = raw_closed,
};

static bool raw_is_ready(void *user)
{
	return ((struct raw *)user)->ready;
}

static void raw_connect(struct h3lab *l, struct raw *raw)
{
	struct arq_quic_connect_options options = {
		.io = &l->lab.client_io.io,
		.tls = l->lab.client_tls,
		.server_name = "localhost",
		.alpn = "h3",
		.ops = &raw_ops,
		.user = raw,
	};
	struct arq_error error = {0};

	*raw = (struct raw){0};
	arq_quic_transport_default(&options.transport);
	lab_path(false, &options.path);
	cr_assert_eq(
		arq_quic_connect(l->lab.client, &options, l->lab.now, &raw->connection, &error), 0,
		"%s", error.text);
	cr_assert(lab_run(&l->lab, 20 * LAB_SECOND, raw_is_ready, raw));
}

static struct raw_stream *raw_open(struct raw *raw, bool bidirectional)
{
	struct raw_stream *stream = calloc(1, sizeof(*stream));

	cr_assert_lt(raw->count, RAW_STREAMS);
	cr_assert_eq(arq_quic_stream_open(raw->connection, bidirectional, &stream->id), 0);
	raw->streams[raw->count++] = stream;
	return stream;
}

static void raw_send(struct h3lab *l, struct raw *raw)
{
	arq_quic_connection_wake(raw->connection);
	h3lab_wait(l, LAB_SECOND);
}

static void raw_free(struct raw *raw)
{
	for (size_t i = 0; i < raw->count; i++)
		free(raw->streams[i]);
}

/* --- frames by hand --------------------------------------------------------------------------- */

static void put(struct raw_stream *stream, const void *data, size_t length)
{
	cr_assert_leq(stream->length + length, sizeof(stream->out));
	memcpy(stream->out + stream->length, data, length);
	stream->length += length;
}

static void put_headers(struct raw_stream *stream, const char *lines)
{
	uint8_t frame[FRAME_MAX];
	put(stream, frame, frame_headers(frame, lines));
}

static void put_data(struct raw_stream *stream, const char *data)
{
	uint8_t frame[FRAME_MAX];
	put(stream, frame, frame_data(frame, data, strlen(data)));
}

#define START ":method\0GET\0:scheme\0https\0:authority\0localhost\0:path\0/hello\0"
#define POST  ":method\0POST\0:scheme\0https\0:authority\0localhost\0:path\0/echo\0"

/* --- malformed requests ----------------------------------------------------------------------- */

static const struct {
	const char *what;
	const char *lines;
	const char *data; /* NULL: none */
	const char *trailers;
} malformed[] = {
	{"upper case", START "Name\0x\0", NULL, NULL},
	{"connection", START "connection\0close\0", NULL, NULL},
	{"transfer-encoding", START "transfer-encoding\0chunked\0", NULL, NULL},
	{"keep-alive", START "keep-alive\0x\0", NULL, NULL},
	{"upgrade", START "upgrade\0websocket\0", NULL, NULL},
	{"te", START "te\0gzip\0", NULL, NULL},
	{"no method", ":scheme\0https\0:authority\0localhost\0:path\0/\0", NULL, NULL},
	{"no scheme", ":method\0GET\0:authority\0localhost\0:path\0/\0", NULL, NULL},
	{"no path", ":method\0GET\0:scheme\0https\0:authority\0localhost\0", NULL, NULL},
	{"empty path", ":method\0GET\0:scheme\0https\0:authority\0localhost\0:path\0\0", NULL,
	 NULL},
	{"no authority", ":method\0GET\0:scheme\0https\0:path\0/\0", NULL, NULL},
	{"empty authority", ":method\0GET\0:scheme\0https\0:authority\0\0:path\0/\0", NULL, NULL},
	{"user in authority", ":method\0GET\0:scheme\0https\0:authority\0u@localhost\0:path\0/\0",
	 NULL, NULL},
	{"other host", START "host\0example.org\0", NULL, NULL},
	{"two hosts", START "host\0localhost\0host\0localhost\0", NULL, NULL},
	{"twice", START ":path\0/\0", NULL, NULL},
	{"late", START "a\0b\0:method\0GET\0", NULL, NULL},
	{"unknown pseudo", START ":new\0x\0", NULL, NULL},
	{"response's", START ":status\000200\0", NULL, NULL},
	{"two lengths", POST "content-length\0001\0content-length\0001\0", "x", NULL},
	{"odd length", POST "content-length\0-1\0", "x", NULL},
	{"too short", POST "content-length\00010\0", "short", NULL},
	{"too long", POST "content-length\0003\0", "longer", NULL},
	{"pseudo in trailers", POST, "x", ":path\0/\0"},
};

Test(http3_malformed, requests_end_their_stream_only)
{
	struct h3lab *l = h3lab_new();
	struct raw_stream *good;
	struct raw raw;

	h3lab_listen(l);
	for (size_t i = 0; i < sizeof(malformed) / sizeof(malformed[0]); i++) {
		struct raw_stream *bad;

		raw_connect(l, &raw);
		bad = raw_open(&raw, true);
		put_headers(bad, malformed[i].lines);
		if (malformed[i].data)
			put_data(bad, malformed[i].data);
		if (malformed[i].trailers)
			put_headers(bad, malformed[i].trailers);
		bad->fin = true;
		raw_send(l, &raw);
		cr_expect(bad->reset, "%s: not reset", malformed[i].what);
		cr_expect_eq(bad->code, ARQ_H3_MESSAGE_ERROR, "%s: 0x%jx", malformed[i].what,
			     (uintmax_t)bad->code);
		cr_expect(bad->closed, "%s: not closed", malformed[i].what);
		cr_expect(!raw.closed, "%s: session closed", malformed[i].what);
		good = raw_open(&raw, true);
		put_headers(good, START "host\0LOCALHOST\0");
		good->fin = true;
		raw_send(l, &raw);
		cr_expect(good->received > 11 && !good->reset, "%s: session is no use",
			  malformed[i].what);
		arq_quic_connection_close(raw.connection, true, ARQ_H3_NO_ERROR, NULL);
		h3lab_wait(l, LAB_SECOND);
		raw_free(&raw);
	}
	cr_assert_eq(h3lab_counters(l, true).messages_malformed,
		     sizeof(malformed) / sizeof(malformed[0]));
	h3lab_destroy(l);
}

Test(http3_malformed, end_before_any_frame)
{
	struct h3lab *l = h3lab_new();
	struct raw_stream *stream;
	struct raw raw;

	h3lab_listen(l);
	raw_connect(l, &raw);
	stream = raw_open(&raw, true);
	stream->fin = true;
	raw_send(l, &raw);
	cr_assert(stream->reset && stream->closed && !raw.closed);
	cr_assert_eq(stream->code, ARQ_H3_REQUEST_INCOMPLETE);
	raw_free(&raw);
	h3lab_destroy(l);
}

/* --- errors of the connection ----------------------------------------------------------------- */

static void expect_connection_error(bool bidirectional, const void *bytes, size_t length, bool fin,
				    uint64_t code)
{
	struct h3lab *l = h3lab_new();
	struct raw_stream *stream;
	struct raw raw;

	h3lab_listen(l);
	raw_connect(l, &raw);
	stream = raw_open(&raw, bidirectional);
	put(stream, bytes, length);
	stream->fin = fin;
	raw_send(l, &raw);
	cr_expect(raw.closed);
	cr_expect_eq(raw.close.kind, ARQ_QUIC_CLOSE_PEER_APPLICATION);
	cr_expect_eq(raw.close.code, code, "0x%jx", (uintmax_t)raw.close.code);
	cr_expect_eq(h3lab_counters(l, true).protocol_errors, 1);
	raw_free(&raw);
	h3lab_destroy(l);
}

Test(http3_malformed, errors_of_the_connection)
{
	/* DATA before HEADERS. */
	expect_connection_error(true, "\0\1x", 3, false, ARQ_H3_FRAME_UNEXPECTED);
	/* SETTINGS on a request stream. */
	expect_connection_error(true, "\4\0", 2, false, ARQ_H3_FRAME_UNEXPECTED);
	/* A frame cut short by the end of the stream. */
	expect_connection_error(true, "\1\x40\x80\0\0", 5, true, ARQ_H3_FRAME_ERROR);
	/* A control stream that begins with GOAWAY. */
	expect_connection_error(false, "\0\7\1\0", 4, false, ARQ_H3_MISSING_SETTINGS);
	/* A control stream that ends. */
	expect_connection_error(false, "\0\4\0", 3, true, ARQ_H3_CLOSED_CRITICAL_STREAM);
	/* A field section that refers to a table entry that was never made. */
	expect_connection_error(true, "\1\3\2\0\x80", 5, true, 0x200 /* QPACK decompression */);
	/* A push stream from a client. */
	expect_connection_error(false, "\1\0", 2, false, ARQ_H3_STREAM_CREATION_ERROR);
}

Test(http3_malformed, unknown_streams_and_frames_are_ignored)
{
	struct h3lab *l = h3lab_new();
	struct raw_stream *grease, *stream;
	struct raw raw;

	h3lab_listen(l);
	raw_connect(l, &raw);
	grease = raw_open(&raw, false);
	put(grease, "\x21grease", 7);
	stream = raw_open(&raw, true);
	put(stream, "\x21\5grease", 7); /* a frame of a reserved type */
	put_headers(stream, START);
	stream->fin = true;
	raw_send(l, &raw);
	cr_assert(!raw.closed && stream->received > 11 && !stream->reset);
	raw_free(&raw);
	h3lab_destroy(l);
}

/* --- noise ------------------------------------------------------------------------------------ */

static void put_noise(struct raw_stream *stream)
{
	uint8_t noise[256];
	size_t length = 1 + (size_t)random() % sizeof(noise);

	gnutls_rnd(GNUTLS_RND_NONCE, noise, length);
	put(stream, noise, length);
}

static void put_bent(struct raw_stream *stream)
{
	put_headers(stream, random() % 2 ? START : POST);
	put_data(stream, "some body");
	for (long n = random() % 6; n >= 0; n--)
		stream->out[(size_t)random() % stream->length] ^= (uint8_t)random();
}

/* Frames bent at random and plain noise, on streams of both kinds. */
Test(http3_malformed, noise_does_no_harm)
{
	struct h3lab *l = h3lab_new();
	struct exchange *x;

	srandom(5);
	h3lab_start(l);
	for (size_t round = 0; round < 400; round++) {
		struct raw raw;

		raw_connect(l, &raw);
		for (size_t i = 0; i < 8; i++) {
			bool bidirectional = random() % 4;
			struct raw_stream *stream = raw_open(&raw, bidirectional);

			if (!bidirectional)
				put(stream, &(uint8_t){(uint8_t)(random() % 4)}, 1);
			if (random() % 2)
				put_bent(stream);
			else
				put_noise(stream);
			stream->fin = random() % 2;
		}
		arq_quic_connection_wake(raw.connection);
		h3lab_wait(l, 20 * LAB_MILLISECOND);
		if (!raw.closed)
			arq_quic_connection_close(raw.connection, true, ARQ_H3_NO_ERROR, NULL);
		while (!raw.closed)
			lab_step(&l->lab);
		raw_free(&raw);
	}
	x = h3lab_get(l, "/hello");
	h3lab_finish(l, x);
	cr_assert(x->clean, "other sessions go on");
	h3lab_wait(l, 10 * LAB_SECOND);
	cr_assert_eq(h3lab_counters(l, true).sessions, 1);
	cr_assert_eq(h3lab_counters(l, true).streams, 0);
	h3lab_destroy(l);
}
