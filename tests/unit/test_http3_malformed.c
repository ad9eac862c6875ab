/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What RFC 9114 forbids, sent by a client that writes its frames by hand: the stream ends with the
 * right error, the session goes on, and nothing a client sends does more harm than that.
 */
#include "test_http3_frames.h"
#include "test_http3_lab.h"
#include "test_http3_rude.h"

#include <criterion/criterion.h>
#include <gnutls/crypto.h>
#include <stdlib.h>
#include <string.h>

static bool rude_is_ready(void *user)
{
	return ((struct rude *)user)->ready;
}

static void rude_connect(struct h3lab *l, struct rude *rude)
{
	struct arq_quic_connect_options options = {
		.io = &l->lab.client_io.io,
		.tls = l->lab.client_tls,
		.server_name = "localhost",
		.alpn = "h3",
		.ops = &rude_ops,
		.user = rude,
	};
	struct arq_error error = {0};

	*rude = (struct rude){0};
	arq_quic_transport_default(&options.transport);
	lab_path(false, &options.path);
	cr_assert_eq(
		arq_quic_connect(l->lab.client, &options, l->lab.now, &rude->connection, &error), 0,
		"%s", error.text);
	cr_assert(lab_run(&l->lab, 20 * LAB_SECOND, rude_is_ready, rude));
}

static void rude_send(struct h3lab *l, struct rude *rude)
{
	arq_quic_connection_wake(rude->connection);
	h3lab_wait(l, LAB_SECOND);
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
	struct rude_stream *good;
	struct rude rude;

	h3lab_listen(l);
	for (size_t i = 0; i < sizeof(malformed) / sizeof(malformed[0]); i++) {
		struct rude_stream *bad;

		rude_connect(l, &rude);
		bad = rude_open(&rude, true);
		rude_put_headers(bad, malformed[i].lines);
		if (malformed[i].data)
			rude_put_data(bad, malformed[i].data);
		if (malformed[i].trailers)
			rude_put_headers(bad, malformed[i].trailers);
		bad->fin = true;
		rude_send(l, &rude);
		cr_expect(bad->reset, "%s: not reset", malformed[i].what);
		cr_expect_eq(bad->code, ARQ_H3_MESSAGE_ERROR, "%s: 0x%jx", malformed[i].what,
			     (uintmax_t)bad->code);
		cr_expect(bad->closed, "%s: not closed", malformed[i].what);
		cr_expect(!rude.closed, "%s: session closed", malformed[i].what);
		good = rude_open(&rude, true);
		rude_put_headers(good, START "host\0LOCALHOST\0");
		good->fin = true;
		rude_send(l, &rude);
		cr_expect(good->received > 11 && !good->reset, "%s: session is no use",
			  malformed[i].what);
		arq_quic_connection_close(rude.connection, true, ARQ_H3_NO_ERROR, NULL);
		h3lab_wait(l, LAB_SECOND);
		rude_free(&rude);
	}
	cr_assert_eq(h3lab_counters(l, true).messages_malformed,
		     sizeof(malformed) / sizeof(malformed[0]));
	h3lab_destroy(l);
}

Test(http3_malformed, end_before_any_frame)
{
	struct h3lab *l = h3lab_new();
	struct rude_stream *stream;
	struct rude rude;

	h3lab_listen(l);
	rude_connect(l, &rude);
	stream = rude_open(&rude, true);
	stream->fin = true;
	rude_send(l, &rude);
	cr_assert(stream->reset && stream->closed && !rude.closed);
	cr_assert_eq(stream->code, ARQ_H3_REQUEST_INCOMPLETE);
	rude_free(&rude);
	h3lab_destroy(l);
}

/* --- errors of the connection ----------------------------------------------------------------- */

static void expect_connection_error(bool bidirectional, const void *bytes, size_t length, bool fin,
				    uint64_t code)
{
	struct h3lab *l = h3lab_new();
	struct rude_stream *stream;
	struct rude rude;

	h3lab_listen(l);
	rude_connect(l, &rude);
	stream = rude_open(&rude, bidirectional);
	rude_put(stream, bytes, length);
	stream->fin = fin;
	rude_send(l, &rude);
	cr_expect(rude.closed);
	cr_expect_eq(rude.close.kind, ARQ_QUIC_CLOSE_PEER_APPLICATION);
	cr_expect_eq(rude.close.code, code, "0x%jx", (uintmax_t)rude.close.code);
	cr_expect_eq(h3lab_counters(l, true).protocol_errors, 1);
	rude_free(&rude);
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
	struct rude_stream *grease, *stream;
	struct rude rude;

	h3lab_listen(l);
	rude_connect(l, &rude);
	grease = rude_open(&rude, false);
	rude_put(grease, "\x21grease", 7);
	stream = rude_open(&rude, true);
	rude_put(stream, "\x21\5grease", 7); /* a frame of a reserved type */
	rude_put_headers(stream, START);
	stream->fin = true;
	rude_send(l, &rude);
	cr_assert(!rude.closed && stream->received > 11 && !stream->reset);
	rude_free(&rude);
	h3lab_destroy(l);
}

/* --- noise ------------------------------------------------------------------------------------ */

static void put_noise(struct rude_stream *stream)
{
	uint8_t noise[256];
	size_t length = 1 + (size_t)random() % sizeof(noise);

	gnutls_rnd(GNUTLS_RND_NONCE, noise, length);
	rude_put(stream, noise, length);
}

static void put_bent(struct rude_stream *stream)
{
	rude_put_headers(stream, random() % 2 ? START : POST);
	rude_put_data(stream, "some body");
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
		struct rude rude;

		rude_connect(l, &rude);
		for (size_t i = 0; i < 8; i++) {
			bool bidirectional = random() % 4;
			struct rude_stream *stream = rude_open(&rude, bidirectional);

			if (!bidirectional)
				rude_put(stream, &(uint8_t){(uint8_t)(random() % 4)}, 1);
			if (random() % 2)
				put_bent(stream);
			else
				put_noise(stream);
			stream->fin = random() % 2;
		}
		arq_quic_connection_wake(rude.connection);
		h3lab_wait(l, 20 * LAB_MILLISECOND);
		if (!rude.closed)
			arq_quic_connection_close(rude.connection, true, ARQ_H3_NO_ERROR, NULL);
		while (!rude.closed)
			lab_step(&l->lab);
		rude_free(&rude);
	}
	x = h3lab_get(l, "/hello");
	h3lab_finish(l, x);
	cr_assert(x->clean, "other sessions go on");
	h3lab_wait(l, 10 * LAB_SECOND);
	cr_assert_eq(h3lab_counters(l, true).sessions, 1);
	cr_assert_eq(h3lab_counters(l, true).streams, 0);
	h3lab_destroy(l);
}
