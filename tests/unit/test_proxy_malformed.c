// SPDX-License-Identifier: BSD-2-Clause
/*
 * What RFC 9114 forbids, through the gateway, from both sides: a table of requests and one of
 * responses. Whoever sends it is told by the right error, nothing of it reaches the other side, and
 * others are served meanwhile.
 */
#include "test_http3_frames.h"
#include "test_http3_rude.h"
#include "test_proxy_lab.h"

#include <criterion/criterion.h>
#include <nghttp3/nghttp3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define QPACK_DECOMPRESSION_FAILED 0x200
#define QPACK_ENCODER_STREAM_ERROR 0x201
#define QPACK_DECODER_STREAM_ERROR 0x202

/* Nobody who fails gets a second chance, and nobody waits long. */
#define ONCE                                                                \
	"      connections: { connect_timeout: 300ms, idle_timeout: 1s }\n" \
	"      timeouts: { wait: 2s, try: 1s, response: 3s, stall: 1s }\n"  \
	"      ejection: { failures: 0 }\n"                                 \
	"      retries: { attempts: 1 }\n"

#define LENGTH(list) (sizeof(list) / sizeof((list)[0]))

/* Octets with zeroes in them, and how many. */
#define OCTETS(literal) literal, sizeof(literal) - 1

/* --- requests -----------------------------------------------------------------------------------
 */

#define GET(path)  ":method\0GET\0:scheme\0https\0:authority\0a.test\0:path\0" path "\0"
#define POST(path) ":method\0POST\0:scheme\0https\0:authority\0a.test\0:path\0" path "\0"
#define START      GET("/download/10")
#define ECHO       POST("/echo")

/* Lines of a header section that is too long: each is "a: b". */
#define TEN(lines) lines lines lines lines lines lines lines lines lines lines

/* What becomes of it. */
enum fate {
	STREAM, /* reset with the code */
	CONNECTION, /* closed with the code */
	STATUS, /* answered */
	FORWARDED, /* in order, or made so: the backend answers 200 */
};

enum place {
	REQUEST, /* a bidirectional stream */
	CONTROL, /* after the type of the control stream */
	CONTROL_TWICE, /* the same, and once more */
	ENCODER, /* after the type of QPACK's encoder stream */
	DECODER, /* and of its decoder stream */
	OTHER, /* a unidirectional stream, from its type on */
};

static const struct request {
	const char *what;
	enum fate fate;
	uint64_t code; /* or status */
	const char *lines; /* HEADERS first; NULL: none */
	const char *data; /* then DATA */
	const char *trailers; /* then HEADERS */
	const char *octets; /* then this */
	size_t length;
	enum place place;
	bool open; /* the stream is left open */
} requests[] = {
#define BAD(what, lines)                                                                       \
	{                                                                                      \
		what, STREAM, ARQ_H3_MESSAGE_ERROR, lines, NULL, NULL, NULL, 0, REQUEST, false \
	}
	/* Section 4.2: fields. */
	BAD("name in upper case", START "Name\0x\0"),
	BAD("connection", START "connection\0close\0"),
	BAD("keep-alive", START "keep-alive\0x\0"),
	BAD("proxy-connection", START "proxy-connection\0x\0"),
	BAD("transfer-encoding", START "transfer-encoding\0chunked\0"),
	BAD("upgrade", START "upgrade\0websocket\0"),
	BAD("te: gzip", START "te\0gzip\0"),
	BAD("te: trailers and more", START "te\0trailers, gzip\0"),
	/* Section 4.3: pseudo-header fields. */
	BAD("unknown", START ":new\0x\0"),
	BAD("of a response", START ":status\000200\0"),
	BAD("after another field",
	    ":method\0GET\0a\0b\0:scheme\0https\0:authority\0a.test\0:path\0/\0"),
	BAD("method twice", START ":method\0GET\0"),
	BAD("scheme twice", START ":scheme\0https\0"),
	BAD("authority twice", START ":authority\0a.test\0"),
	BAD("path twice", START ":path\0/\0"),
	BAD("no method", ":scheme\0https\0:authority\0a.test\0:path\0/\0"),
	BAD("no scheme", ":method\0GET\0:authority\0a.test\0:path\0/\0"),
	BAD("no path", ":method\0GET\0:scheme\0https\0:authority\0a.test\0"),
	BAD("no authority and no host", ":method\0GET\0:scheme\0https\0:path\0/\0"),
	BAD("no field at all", ""),
	BAD("empty path", ":method\0GET\0:scheme\0https\0:authority\0a.test\0:path\0\0"),
	BAD("relative path", GET("download/10")),
	BAD("asterisk without OPTIONS", GET("*")),
	BAD("path with a space", GET("/a b")),
	BAD("path with a control character", GET("/a\x01")),
	BAD("path with a line feed", GET("/\nx: y")),
	BAD("empty authority", ":method\0GET\0:scheme\0https\0:authority\0\0:path\0/\0"),
	BAD("user in the authority",
	    ":method\0GET\0:scheme\0https\0:authority\0u@a.test\0:path\0/\0"),
	BAD("authority with a space",
	    ":method\0GET\0:scheme\0https\0:authority\0a .test\0:path\0/\0"),
	BAD("another host", START "host\0b.test\0"),
	BAD("two hosts", START "host\0a.test\0host\0a.test\0"),
	BAD("method with a space", ":method\0G T\0:scheme\0https\0:authority\0a.test\0:path\0/\0"),
	BAD("scheme with a space", ":method\0GET\0:scheme\0ht tp\0:authority\0a.test\0:path\0/\0"),
	BAD("protocol without CONNECT", START ":protocol\0websocket\0"),
	BAD("CONNECT with a path", ":method\0CONNECT\0:authority\0a.test:1\0:path\0/\0"),
	BAD("CONNECT without authority", ":method\0CONNECT\0"),
	/* Section 4.1.2: content-length. */
	BAD("lengths that differ", ECHO "content-length\0001\0content-length\0002\0"),
	BAD("length twice", ECHO "content-length\0001\0content-length\0001\0"),
	BAD("negative length", ECHO "content-length\0-1\0"),
	BAD("length of letters", ECHO "content-length\0ten\0"),
	BAD("length beyond all", ECHO "content-length\00099999999999999999999\0"),
	BAD("length without a body", ECHO "content-length\0005\0"),
	{"body too short", STREAM, ARQ_H3_MESSAGE_ERROR, ECHO "content-length\00010\0", "short",
	 NULL, NULL, 0, REQUEST, false},
	{"body too long", STREAM, ARQ_H3_MESSAGE_ERROR, ECHO "content-length\0003\0", "longer",
	 NULL, NULL, 0, REQUEST, false},
	/* Section 4.3: trailers. */
	{"pseudo-header in trailers", STREAM, ARQ_H3_MESSAGE_ERROR, ECHO, "x", ":path\0/\0", NULL,
	 0, REQUEST, false},
	{"upper case in trailers", STREAM, ARQ_H3_MESSAGE_ERROR, ECHO, "x", "Name\0x\0", NULL, 0,
	 REQUEST, false},
	{"connection in trailers", STREAM, ARQ_H3_MESSAGE_ERROR, ECHO, "x", "connection\0close\0",
	 NULL, 0, REQUEST, false},
	/* Section 4.1: order of frames, and the end. */
	{"nothing", STREAM, ARQ_H3_REQUEST_INCOMPLETE, NULL, NULL, NULL, NULL, 0, REQUEST, false},
	{"DATA first", CONNECTION, ARQ_H3_FRAME_UNEXPECTED, NULL, "x", NULL, NULL, 0, REQUEST,
	 false},
	{"HEADERS after trailers", CONNECTION, ARQ_H3_FRAME_UNEXPECTED, ECHO, "x", "a\0b\0",
	 OCTETS("\1\2\0\0"), REQUEST, true},
	{"DATA after trailers", CONNECTION, ARQ_H3_FRAME_UNEXPECTED, ECHO, "x", "a\0b\0",
	 OCTETS("\0\1x"), REQUEST, true},
	/* Section 7: frames where they must not be. */
	{"SETTINGS in a request", CONNECTION, ARQ_H3_FRAME_UNEXPECTED, NULL, NULL, NULL,
	 OCTETS("\4\0"), REQUEST, true},
	{"GOAWAY in a request", CONNECTION, ARQ_H3_FRAME_UNEXPECTED, NULL, NULL, NULL,
	 OCTETS("\7\1\0"), REQUEST, true},
	{"CANCEL_PUSH in a request", CONNECTION, ARQ_H3_FRAME_UNEXPECTED, NULL, NULL, NULL,
	 OCTETS("\3\1\0"), REQUEST, true},
	{"MAX_PUSH_ID in a request", CONNECTION, ARQ_H3_FRAME_UNEXPECTED, NULL, NULL, NULL,
	 OCTETS("\x0d\1\0"), REQUEST, true},
	{"PUSH_PROMISE of a client", CONNECTION, ARQ_H3_FRAME_UNEXPECTED, NULL, NULL, NULL,
	 OCTETS("\5\3\0\0\0"), REQUEST, true},
	{"PRIORITY of HTTP/2", CONNECTION, ARQ_H3_FRAME_UNEXPECTED, NULL, NULL, NULL,
	 OCTETS("\2\0"), REQUEST, true},
	{"PING of HTTP/2", CONNECTION, ARQ_H3_FRAME_UNEXPECTED, NULL, NULL, NULL, OCTETS("\6\0"),
	 REQUEST, true},
	{"WINDOW_UPDATE of HTTP/2", CONNECTION, ARQ_H3_FRAME_UNEXPECTED, NULL, NULL, NULL,
	 OCTETS("\x08\0"), REQUEST, true},
	{"CONTINUATION of HTTP/2", CONNECTION, ARQ_H3_FRAME_UNEXPECTED, NULL, NULL, NULL,
	 OCTETS("\x09\0"), REQUEST, true},
	{"half a frame", CONNECTION, ARQ_H3_FRAME_ERROR, NULL, NULL, NULL, OCTETS("\1\x40\x80\0\0"),
	 REQUEST, false},
	{"frame of a reserved type", FORWARDED, 200, START, NULL, NULL, OCTETS("\x21\6grease"),
	 REQUEST, false},
	/* Section 6.2: streams that must be there, and once. */
	{"control stream without SETTINGS", CONNECTION, ARQ_H3_MISSING_SETTINGS, NULL, NULL, NULL,
	 OCTETS("\7\1\0"), CONTROL, true},
	{"SETTINGS twice", CONNECTION, ARQ_H3_FRAME_UNEXPECTED, NULL, NULL, NULL,
	 OCTETS("\4\0\4\0"), CONTROL, true},
	{"control stream twice", CONNECTION, ARQ_H3_STREAM_CREATION_ERROR, NULL, NULL, NULL,
	 OCTETS("\4\0"), CONTROL_TWICE, true},
	{"control stream that ends", CONNECTION, ARQ_H3_CLOSED_CRITICAL_STREAM, NULL, NULL, NULL,
	 OCTETS("\4\0"), CONTROL, false},
	{"HEADERS on the control stream", CONNECTION, ARQ_H3_FRAME_UNEXPECTED, NULL, NULL, NULL,
	 OCTETS("\4\0\1\2\0\0"), CONTROL, true},
	{"DATA on the control stream", CONNECTION, ARQ_H3_FRAME_UNEXPECTED, NULL, NULL, NULL,
	 OCTETS("\4\0\0\1x"), CONTROL, true},
	{"PUSH_PROMISE on the control stream", CONNECTION, ARQ_H3_FRAME_UNEXPECTED, NULL, NULL,
	 NULL, OCTETS("\4\0\5\3\0\0\0"), CONTROL, true},
	{"setting of HTTP/2", CONNECTION, ARQ_H3_SETTINGS_ERROR, NULL, NULL, NULL,
	 OCTETS("\4\2\2\0"), CONTROL, true},
	{"setting out of range", CONNECTION, ARQ_H3_SETTINGS_ERROR, NULL, NULL, NULL,
	 OCTETS("\4\2\x08\2"), CONTROL, true},
	{"setting cut short", CONNECTION, ARQ_H3_FRAME_ERROR, NULL, NULL, NULL, OCTETS("\4\1\6"),
	 CONTROL, true},
	/* RFC 9114 has H3_ID_ERROR for it. */
	{"push ids that shrink", CONNECTION, ARQ_H3_FRAME_ERROR, NULL, NULL, NULL,
	 OCTETS("\4\0\x0d\1\5\x0d\1\4"), CONTROL, true},
	{"push stream of a client", CONNECTION, ARQ_H3_STREAM_CREATION_ERROR, NULL, NULL, NULL,
	 OCTETS("\1\0"), OTHER, true},
	/* RFC 9204. */
	{"encoder stream that ends", CONNECTION, ARQ_H3_CLOSED_CRITICAL_STREAM, NULL, NULL, NULL,
	 NULL, 0, ENCODER, false},
	{"decoder stream that ends", CONNECTION, ARQ_H3_CLOSED_CRITICAL_STREAM, NULL, NULL, NULL,
	 NULL, 0, DECODER, false},
	{"table larger than offered", CONNECTION, QPACK_ENCODER_STREAM_ERROR, NULL, NULL, NULL,
	 OCTETS("\x3f\xff\xff\x7f"), ENCODER, true},
	{"increment of nothing", CONNECTION, QPACK_DECODER_STREAM_ERROR, NULL, NULL, NULL,
	 OCTETS("\0"), DECODER, true},
	{"entry that was never made", CONNECTION, QPACK_DECOMPRESSION_FAILED, NULL, NULL, NULL,
	 OCTETS("\1\3\2\0\x80"), REQUEST, false},
	/* What is answered. */
	{"too many fields", STATUS, 431, START TEN(TEN("a\0b\0")), NULL, NULL, NULL, 0, REQUEST,
	 false},
	{"CONNECT", STATUS, 501, ":method\0CONNECT\0:authority\0a.test:1\0", NULL, NULL, NULL, 0,
	 REQUEST, false},
	/* What only looks wrong. */
	{"host like the authority", FORWARDED, 200, START "host\0A.test\0", NULL, NULL, NULL, 0,
	 REQUEST, false},
	{"te: trailers", FORWARDED, 200, START "te\0trailers\0", NULL, NULL, NULL, 0, REQUEST,
	 false},
	{"host alone", FORWARDED, 200,
	 ":method\0GET\0:scheme\0https\0:path\0/download/10\0host\0a.test\0", NULL, NULL, NULL, 0,
	 REQUEST, false},
/* nghttp3 takes away fields whose names or values cannot be, where RFC 9114 wants the message
 * refused; they are never seen again. */
#define TAKEN_AWAY(what, line)                                                        \
	{                                                                             \
		what, FORWARDED, 200, START line, NULL, NULL, NULL, 0, REQUEST, false \
	}
	TAKEN_AWAY("name with a space", "x odd\0x\0"),
	TAKEN_AWAY("name with a colon", "x:odd\0x\0"),
	TAKEN_AWAY("name with a line feed", "x\nodd\0x\0"),
	TAKEN_AWAY("name beyond ASCII", "x-\xc3\xb6"
					"dd\0x\0"),
	TAKEN_AWAY("value with a line feed", "x-odd\0a\nb\0"),
	TAKEN_AWAY("value with a carriage return", "x-odd\0a\rb\0"),
	TAKEN_AWAY("value with a control character", "x-odd\0a\x01"
						     "b\0"),
	TAKEN_AWAY("value with a delete", "x-odd\0a\x7f\0"),
};

static void write_request(struct rude *rude, const struct request *request,
			  struct rude_stream **stream)
{
	static const char *const types[] = {
		[CONTROL] = "\0", [CONTROL_TWICE] = "\0", [ENCODER] = "\2", [DECODER] = "\3"};
	*stream = rude_open(rude, request->place == REQUEST);
	if (request->place != REQUEST && request->place != OTHER)
		rude_put(*stream, types[request->place], 1);
	if (request->lines)
		rude_put_headers(*stream, request->lines);
	if (request->data)
		rude_put_data(*stream, request->data);
	if (request->trailers)
		rude_put_headers(*stream, request->trailers);
	if (request->octets)
		rude_put(*stream, request->octets, request->length);
	(*stream)->fin = !request->open;
}

/* The status of an answer of frames whose HEADERS come first. Its fields are not compressed by us,
 * so the decoder is nghttp3's. */
static unsigned int status_of(const struct rude_stream *stream)
{
	nghttp3_qpack_decoder *decoder;
	nghttp3_qpack_stream_context *context;
	nghttp3_qpack_nv nv = {0};
	unsigned int status = 0;
	uint8_t flags;
	size_t at = 1, head = 2;
	cr_assert_gt(stream->received, 3);
	cr_assert_eq(stream->in[0], 1, "the answer begins with HEADERS");
	size_t length = stream->in[at] & 0x3f;
	if (stream->in[at] >> 6 == 1) {
		length = length << 8 | stream->in[at + 1];
		head = 3;
	}
	cr_assert_leq(head + length, sizeof(stream->in));
	cr_assert_eq(nghttp3_qpack_decoder_new(&decoder, 0, 0, nghttp3_mem_default()), 0);
	cr_assert_eq(nghttp3_qpack_stream_context_new(&context, 0, nghttp3_mem_default()), 0);
	nghttp3_ssize used = nghttp3_qpack_decoder_read_request(decoder, context, &nv, &flags,
								stream->in + head, length, 1);
	if (used > 0 && flags & NGHTTP3_QPACK_DECODE_FLAG_EMIT) {
		nghttp3_vec value = nghttp3_rcbuf_get_buf(nv.value);
		cr_assert_eq(nv.token, NGHTTP3_QPACK_TOKEN__STATUS);
		status = (unsigned int)strtoul((const char *)value.base, NULL, 10);
		nghttp3_rcbuf_decref(nv.name);
		nghttp3_rcbuf_decref(nv.value);
	}
	nghttp3_qpack_stream_context_del(context);
	nghttp3_qpack_decoder_del(decoder);
	return status;
}

static bool is_over(const struct rude *rude, const struct rude_stream *stream, enum fate fate)
{
	switch (fate) {
	case CONNECTION:
		return rude->closed;
	case STREAM:
		return stream->reset || rude->closed;
	default:
		return stream->closed || stream->reset || rude->closed;
	}
}

/* Nothing of it: no message that the backend could take for a whole one. */
static void expect_nothing_passed(const struct lab *lab, size_t before, const char *what)
{
	const struct lab_backend *backend = &lab->backends[0];
	for (size_t i = before; i < backend->count; i++)
		cr_expect_not(backend->requests[i].request.complete,
			      "%s: the backend has a whole request", what);
}

static void check_fate(const struct request *request, const struct rude *rude,
		       const struct rude_stream *stream)
{
	const char *what = request->what;
	switch (request->fate) {
	case STREAM:
		cr_expect(stream->reset && stream->code == request->code, "%s: reset %d, 0x%llx",
			  what, stream->reset, (unsigned long long)stream->code);
		cr_expect_not(rude->closed, "%s: closed, 0x%llx", what,
			      (unsigned long long)rude->close.code);
		cr_expect_eq(stream->received, 0, "%s: something is answered", what);
		break;
	case CONNECTION:
		cr_expect(rude->closed && rude->close.kind == ARQ_QUIC_CLOSE_PEER_APPLICATION &&
				  rude->close.code == request->code,
			  "%s: closed %d, 0x%llx", what, rude->closed,
			  (unsigned long long)rude->close.code);
		break;
	default:
		cr_expect_not(rude->closed || stream->reset, "%s: closed or reset", what);
		if (stream->received > 0)
			cr_expect_eq(status_of(stream), request->code, "%s: %u", what,
				     status_of(stream));
		cr_expect_gt(stream->received, 0, "%s: no answer", what);
	}
}

static void end_client(struct lab *lab, struct rude *rude)
{
	if (!rude->closed)
		arq_quic_connection_close(rude->connection, true, ARQ_H3_NO_ERROR, NULL);
	LAB_UNTIL(lab, rude->closed);
	rude_free(rude);
}

static void expect_served(struct lab *lab, const char *what)
{
	struct lab_call call = {0};
	lab_call(lab, &call, "GET", "a.test", "/direct", false);
	LAB_UNTIL(lab, call.response.closed);
	cr_expect(call.response.status == 200 && call.response.clean, "%s: others are not served",
		  what);
}

/* The fields that we add have other names, and none of them begins so. */
static void expect_no_odd(const struct lab_message *message, const char *what)
{
	for (size_t i = 0; i < message->lines; i++)
		cr_expect_not(message->names[i][0] == 'x' && strstr(message->names[i], "dd"),
			      "%s: it is passed on: %s", what, message->names[i]);
}

static void try_request(struct lab *lab, const struct request *request)
{
	struct rude rude = {0};
	const struct lab_raw client = {.alpn = "h3", .client = &rude_ops};
	struct rude_stream *stream, *second;
	size_t before = lab->backends[0].count;

	lab->raw = &client;
	rude.connection = lab_connect_raw(lab, "localhost");
	arq_quic_connection_set_user(rude.connection, &rude);
	LAB_UNTIL(lab, rude.ready);
	write_request(&rude, request, &stream);
	if (request->place == CONTROL_TWICE)
		write_request(&rude, request, &second);
	arq_quic_connection_wake(rude.connection);
	/* Rounds are a millisecond at most; what has not happened by then, check_fate says. */
	lab_deadline(lab);
	for (int i = 0; i < 1500 && !is_over(&rude, stream, request->fate); i++)
		lab_round(lab, request->what);
	check_fate(request, &rude, stream);
	if (request->fate == FORWARDED) {
		cr_expect_eq(lab->backends[0].count, before + 1, "%s: not forwarded",
			     request->what);
		expect_no_odd(&lab->backends[0].requests[before].request, request->what);
	} else {
		end_client(lab, &rude);
		expect_nothing_passed(lab, before, request->what);
		expect_served(lab, request->what);
		return;
	}
	end_client(lab, &rude);
}

Test(malformed, requests, .timeout = 120)
{
	struct lab *lab = lab_start_with(1, ONCE, NULL);
	for (size_t i = 0; i < LENGTH(requests); i++)
		try_request(lab, &requests[i]);
	printf("%zu requests\n", LENGTH(requests));
	lab_stop(lab);
}

/* --- responses ----------------------------------------------------------------------------------
 */

#define OK ":status\000200\0"

/* What the client sees. */
enum sight {
	REFUSED, /* 502 in the response's place */
	BROKEN, /* a response that began, or 502; never one that ends */
	PASSED, /* the response, as far as there is one */
};

static const struct response {
	const char *what;
	enum sight sight;
	const char *lines; /* HEADERS first; NULL: none */
	const char *more; /* then HEADERS, as after an interim response */
	const char *data; /* then DATA */
	const char *trailers; /* then HEADERS */
	const char *octets; /* then this */
	size_t length;
	uint64_t code; /* of the connection's close; 0: it stays */
	const char *control; /* on a unidirectional stream, from its type on; no response then */
	size_t control_length;
	const char *method; /* NULL: GET */
	bool control_ends;
} responses[] = {
#define WRONG(what, lines)                                                               \
	{                                                                                \
		what, REFUSED, lines, NULL, NULL, NULL, NULL, 0, 0, NULL, 0, NULL, false \
	}
	/* Section 4.2: fields. */
	WRONG("name in upper case", OK "Server\0x\0"),
	WRONG("connection", OK "connection\0close\0"),
	WRONG("keep-alive", OK "keep-alive\0x\0"),
	WRONG("proxy-connection", OK "proxy-connection\0x\0"),
	WRONG("transfer-encoding", OK "transfer-encoding\0chunked\0"),
	WRONG("upgrade", OK "upgrade\0h2c\0"),
	/* Section 4.3.2: the status. */
	WRONG("no status", "server\0x\0"),
	WRONG("no field at all", ""),
	WRONG("status of letters", ":status\0abc\0"),
	WRONG("status of two digits", ":status\00020\0"),
	WRONG("status of four digits", ":status\0002000\0"),
	WRONG("status 99", ":status\000099\0"),
	WRONG("status 600", ":status\000600\0"),
	WRONG("negative status", ":status\000-20\0"),
	WRONG("empty status", ":status\0\0"),
	WRONG("status twice", OK OK),
	WRONG("status after another field", "server\0x\0" OK),
	WRONG("unknown pseudo-header", OK ":new\0x\0"),
	WRONG("path", OK ":path\0/\0"),
	WRONG("method", ":method\0GET\0" OK),
	WRONG("status 101", ":status\000101\0"),
	/* Section 4.1.2: content-length. */
	WRONG("lengths that differ", OK "content-length\0001\0content-length\0002\0"),
	WRONG("length of letters", OK "content-length\0ten\0"),
	WRONG("negative length", OK "content-length\0-1\0"),
	WRONG("length beyond all", OK "content-length\00099999999999999999999\0"),
	{"body too short", BROKEN, OK "content-length\00010\0", NULL, "abc", NULL, NULL, 0, 0, NULL,
	 0, NULL, false},
	{"body too long", BROKEN, OK "content-length\0002\0", NULL, "abc", NULL, NULL, 0, 0, NULL,
	 0, NULL, false},
	{"no body for a length", BROKEN, OK "content-length\0002\0", NULL, NULL, NULL, NULL, 0, 0,
	 NULL, 0, NULL, false},
	{"body of 204", BROKEN, ":status\000204\0", NULL, "abc", NULL, NULL, 0, 0, NULL, 0, NULL,
	 false},
	{"body of 304", BROKEN, ":status\000304\0", NULL, "abc", NULL, NULL, 0, 0, NULL, 0, NULL,
	 false},
	{"body for HEAD", BROKEN, OK, NULL, "abc", NULL, NULL, 0, 0, NULL, 0, "HEAD", false},
	{"length for HEAD", PASSED, OK "content-length\0003\0", NULL, NULL, NULL, NULL, 0, 0, NULL,
	 0, "HEAD", false},
	/* Section 4.1: interim responses, trailers, order. */
	WRONG("interim response only", ":status\000103\0"),
	{"interim response first", PASSED, ":status\000103\0", OK, "abc", NULL, NULL, 0, 0, NULL, 0,
	 NULL, false},
	{"body of an interim response", REFUSED, ":status\000103\0", NULL, "abc", NULL, NULL, 0,
	 ARQ_H3_FRAME_UNEXPECTED, NULL, 0, NULL, false},
	{"status in trailers", BROKEN, OK, NULL, "abc", OK, NULL, 0, 0, NULL, 0, NULL, false},
	{"upper case in trailers", BROKEN, OK, NULL, "abc", "Name\0x\0", NULL, 0, 0, NULL, 0, NULL,
	 false},
	{"connection in trailers", BROKEN, OK, NULL, "abc", "connection\0close\0", NULL, 0, 0, NULL,
	 0, NULL, false},
	/* RFC 9114 has H3_FRAME_UNEXPECTED for the connection; nghttp3 1.8 takes it for a malformed
	 * message, on the client's side. */
	{"HEADERS after trailers", BROKEN, OK, NULL, "abc", "a\0b\0", OCTETS("\1\2\0\0"), 0, NULL,
	 0, NULL, false},
	{"DATA after trailers", BROKEN, OK, NULL, "abc", "a\0b\0", OCTETS("\0\1x"), 0, NULL, 0,
	 NULL, false},
	WRONG("nothing", NULL),
	{"DATA first", REFUSED, NULL, NULL, "abc", NULL, NULL, 0, ARQ_H3_FRAME_UNEXPECTED, NULL, 0,
	 NULL, false},
	/* Section 7: frames where they must not be. */
	{"SETTINGS in a response", BROKEN, OK, NULL, "abc", NULL, OCTETS("\4\0"),
	 ARQ_H3_FRAME_UNEXPECTED, NULL, 0, NULL, false},
	{"MAX_PUSH_ID in a response", BROKEN, OK, NULL, "abc", NULL, OCTETS("\x0d\1\0"),
	 ARQ_H3_FRAME_UNEXPECTED, NULL, 0, NULL, false},
	{"PING of HTTP/2", BROKEN, OK, NULL, "abc", NULL, OCTETS("\6\0"), ARQ_H3_FRAME_UNEXPECTED,
	 NULL, 0, NULL, false},
	{"half a frame", BROKEN, OK, NULL, "abc", NULL, OCTETS("\0\x40\x50xyz"), ARQ_H3_FRAME_ERROR,
	 NULL, 0, NULL, false},
	{"frame of a reserved type", PASSED, OK, NULL, "abc", NULL, OCTETS("\x21\6grease"), 0, NULL,
	 0, NULL, false},
	{"too many fields", REFUSED, OK TEN(TEN("a\0b\0")), NULL, NULL, NULL, NULL, 0, 0, NULL, 0,
	 NULL, false},
/* Section 6.2: streams that must be there, and once; what servers may not send. */
#define LOST(what, code, octets, ends)                                                           \
	{                                                                                        \
		what, REFUSED, NULL, NULL, NULL, NULL, NULL, 0, code, OCTETS(octets), NULL, ends \
	}
	LOST("control stream without SETTINGS", ARQ_H3_MISSING_SETTINGS, "\0\7\1\0", false),
	LOST("SETTINGS twice", ARQ_H3_FRAME_UNEXPECTED, "\0\4\0\4\0", false),
	LOST("control stream that ends", ARQ_H3_CLOSED_CRITICAL_STREAM, "\0\4\0", true),
	LOST("HEADERS on the control stream", ARQ_H3_FRAME_UNEXPECTED, "\0\4\0\1\2\0\0", false),
	LOST("MAX_PUSH_ID of a server", ARQ_H3_FRAME_UNEXPECTED, "\0\4\0\x0d\1\0", false),
	LOST("setting of HTTP/2", ARQ_H3_SETTINGS_ERROR, "\0\4\2\2\0", false),
	LOST("GOAWAY of a stream that is no request", ARQ_H3_ID_ERROR, "\0\4\0\7\1\1", false),
	/* RFC 9114 has H3_ID_ERROR for it. */
	LOST("push stream that was not allowed", ARQ_H3_STREAM_CREATION_ERROR, "\1\0", false),
	LOST("encoder stream that ends", ARQ_H3_CLOSED_CRITICAL_STREAM, "\2", true),
	LOST("increment of nothing", QPACK_DECODER_STREAM_ERROR, "\3\0", false),
};

/* Something that a backend without manners sends, once. */
struct outgoing {
	int64_t id;
	const uint8_t *octets;
	size_t length;
	bool fin;
	bool sent;
};

#define OUTGOING_MAX 8

/* A backend that answers every request by the same octets, or does something else instead. */
struct backend {
	const struct response *response;
	uint8_t octets[2 * FRAME_MAX];
	size_t length;
	struct outgoing outgoing[OUTGOING_MAX];
	size_t count;
	bool closed;
	struct arq_quic_close close;
};

static void send_octets(struct arq_quic_connection *connection, struct backend *backend,
			const struct outgoing *outgoing)
{
	cr_assert_lt(backend->count, OUTGOING_MAX);
	backend->outgoing[backend->count++] = *outgoing;
	arq_quic_connection_wake(connection);
}

static void backend_ready(struct arq_quic_connection *connection, void *user)
{
	(void)connection;
	(void)user;
}

static void backend_data(struct arq_quic_connection *connection, void *user, int64_t id,
			 uint64_t offset, const uint8_t *data, size_t length, bool fin)
{
	struct backend *backend = user;
	const struct response *response = backend->response;
	struct outgoing outgoing = {id, backend->octets, backend->length, true, false};
	(void)offset;
	(void)data;
	arq_quic_stream_consume(connection, id, length);
	if (!fin || (id & 3) != 0)
		return;
	if (response->control) {
		cr_assert_eq(arq_quic_stream_open(connection, false, &outgoing.id), 0);
		outgoing.octets = (const uint8_t *)response->control;
		outgoing.length = response->control_length;
		outgoing.fin = response->control_ends;
	}
	send_octets(connection, backend, &outgoing);
}

static void backend_acked(struct arq_quic_connection *connection, void *user, int64_t id,
			  uint64_t offset, uint64_t length)
{
	(void)connection;
	(void)user;
	(void)id;
	(void)offset;
	(void)length;
}

static void backend_gone(struct arq_quic_connection *connection, void *user, int64_t id)
{
	struct backend *backend = user;
	(void)connection;
	for (size_t i = 0; i < backend->count; i++) {
		if (backend->outgoing[i].id == id)
			backend->outgoing[i].sent = true;
	}
}

static void backend_reset(struct arq_quic_connection *connection, void *user, int64_t id,
			  uint64_t final_size, uint64_t code)
{
	backend_acked(connection, user, id, final_size, code);
}

static void backend_stop(struct arq_quic_connection *connection, void *user, int64_t id,
			 uint64_t code)
{
	(void)code;
	backend_gone(connection, user, id);
}

static void backend_next(struct arq_quic_connection *connection, void *user,
			 struct arq_quic_write *write)
{
	struct backend *backend = user;
	(void)connection;
	for (size_t i = 0; i < backend->count; i++) {
		const struct outgoing *outgoing = &backend->outgoing[i];
		if (outgoing->sent)
			continue;
		write->stream_id = outgoing->id;
		write->vecs[0] = (struct arq_quic_vec){outgoing->octets, outgoing->length};
		write->count = 1;
		write->fin = outgoing->fin;
		return;
	}
}

/* They fit one packet: what was begun is all. */
static void backend_written(struct arq_quic_connection *connection, void *user, int64_t id,
			    size_t length)
{
	(void)length;
	backend_gone(connection, user, id);
}

static void backend_closed(struct arq_quic_connection *connection, void *user,
			   const struct arq_quic_close *close)
{
	struct backend *backend = user;
	(void)connection;
	backend->closed = true;
	backend->close = *close;
}

static const struct arq_quic_ops backend_ops = {
	.ready = backend_ready,
	.stream_data = backend_data,
	.stream_acked = backend_acked,
	.stream_reset = backend_reset,
	.stop_sending = backend_stop,
	.stream_closed = backend_gone,
	.next_write = backend_next,
	.written = backend_written,
	.shut = backend_gone,
	.closed = backend_closed,
};

/* Puts it in the place of one of the lab's that nobody has connected to yet. */
static void stand_in(struct lab *lab, struct lab_backend *place, const char *alpn,
		     struct backend *backend)
{
	const struct arq_quic_application application = {
		.alpn = alpn, .ops = &backend_ops, .user = backend};
	struct arq_quic_endpoint_options endpoint;
	struct arq_quic_listener_options options = {
		.address = place->address,
		.tls = lab->tls,
		.applications = &application,
		.application_count = 1,
	};
	struct arq_error error = {0};
	arq_quic_endpoint_destroy(place->endpoint);
	arq_quic_endpoint_options_default(&endpoint);
	cr_assert_eq(arq_quic_endpoint_create(&endpoint, &place->endpoint, &error), 0);
	arq_quic_transport_default(&options.transport);
	cr_assert_eq(arq_quic_listen(place->endpoint, &options, &place->listener, &error), 0, "%s",
		     error.text);
}

static void build(struct backend *backend, const struct response *response)
{
	uint8_t *end = backend->octets;
	*backend = (struct backend){.response = response};
	if (response->lines)
		end += frame_headers(end, response->lines);
	if (response->more)
		end += frame_headers(end, response->more);
	if (response->data)
		end += frame_data(end, response->data, strlen(response->data));
	if (response->trailers)
		end += frame_headers(end, response->trailers);
	if (response->octets)
		memcpy(end, response->octets, response->length);
	backend->length = (size_t)(end - backend->octets) + response->length;
	cr_assert_lt(backend->length, 1100);
}

static void check_sight(const struct response *response, const struct lab_message *seen)
{
	bool refused = seen->complete && seen->status == 502;
	bool broken = seen->reset && !seen->complete && seen->reset_code == ARQ_H3_INTERNAL_ERROR;
	bool passed = seen->complete && seen->status == 200 &&
		      seen->length == (response->data ? strlen(response->data) : 0);
	bool good = response->sight == REFUSED  ? refused
		    : response->sight == PASSED ? passed
						: broken || refused;
	cr_expect(good, "%s: status %u, complete %d, reset %d code %#llx, %llu bytes",
		  response->what, seen->status, seen->complete, seen->reset,
		  (unsigned long long)seen->reset_code, (unsigned long long)seen->length);
	for (size_t i = 0; i < seen->lines && response->sight == REFUSED; i++)
		cr_expect_str_neq(seen->names[i], "server", "%s: a field is passed on",
				  response->what);
}

static void try_response(const struct response *response)
{
	static struct backend backend;
	struct lab *lab = lab_start_with(1, ONCE, NULL);
	struct lab_call call = {0};
	stand_in(lab, &lab->backends[0], "h3", &backend);
	build(&backend, response);
	lab_call(lab, &call, response->method ? response->method : "GET", "a.test", "/x", false);
	LAB_UNTIL(lab, call.response.closed);
	check_sight(response, &call.response);
	if (response->code) {
		LAB_UNTIL(lab, backend.closed);
		cr_expect(backend.close.kind == ARQ_QUIC_CLOSE_PEER_APPLICATION &&
				  backend.close.code == response->code,
			  "%s: closed with 0x%llx", response->what,
			  (unsigned long long)backend.close.code);
	} else {
		cr_expect_not(backend.closed, "%s: the connection is closed, 0x%llx",
			      response->what, (unsigned long long)backend.close.code);
	}
	expect_served(lab, response->what);
	lab_stop(lab);
}

Test(malformed, responses, .timeout = 120)
{
	for (size_t i = 0; i < LENGTH(responses); i++)
		try_response(&responses[i]);
	printf("%zu responses\n", LENGTH(responses));
}

Test(malformed, target_of_another_protocol)
{
	static struct backend backend;
	struct lab *lab = lab_start_with(1, ONCE, NULL);
	struct lab_call call = {0};
	stand_in(lab, &lab->backends[0], "not-h3", &backend);
	lab_call(lab, &call, "GET", "a.test", "/x", false);
	LAB_UNTIL(lab, call.response.closed);
	cr_expect_eq(call.response.status, 502);
	lab_stop(lab);
}
