/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A client that completes the handshake like any other and then misbehaves: it puts frames of the
 * test's into a packet in place of its own. Whatever it does, it gets the error code that RFC 9000
 * names or silence, memory comes back, and an honest connection beside it goes on.
 */
#include "test_quic_echo.h"
#include "tests/lab/swallow.h"
#include "userspace/quic/tls.h"

#include <criterion/criterion.h>
#include <gnutls/crypto.h>
#include <ngtcp2/ngtcp2.h>
#include <ngtcp2/ngtcp2_crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HOSTILE_PORT 40001
#define EXCESSIVE    0x77 /* the echo's code for excessive load */
#define FILLER       1000 /* bytes of stream data, whose place the crafted frames take */

enum space { SPACE_1RTT, SPACE_INITIAL, SPACE_HANDSHAKE };

struct hostile {
	struct echo *echo;
	ngtcp2_conn *conn;
	ngtcp2_crypto_conn_ref ref;
	gnutls_session_t session;
	struct arq_path path;
	bool handshake_done, closed;
	int64_t stream;
	/* What goes into the next packet of the space instead of its own frames. */
	enum space space;
	uint8_t frames[ARQ_IO_PAYLOAD_MAX];
	size_t length;
	bool armed;
};

static struct hostile *hostile; /* the encryption callback does not say whose packet it is */

static enum space space_of(const uint8_t *header)
{
	if (!(header[0] & 0x80))
		return SPACE_1RTT;
	return (header[0] & 0x30) == 0 ? SPACE_INITIAL : SPACE_HANDSHAKE;
}

static int encrypt(uint8_t *dest, const ngtcp2_crypto_aead *aead,
		   const ngtcp2_crypto_aead_ctx *context, const uint8_t *plain, size_t length,
		   const uint8_t *nonce, size_t nonce_length, const uint8_t *header,
		   size_t header_length)
{
	uint8_t crafted[ARQ_IO_PAYLOAD_MAX] = {0}; /* PADDING */
	size_t at = 0;

	if (hostile->armed && space_of(header) == hostile->space && length >= hostile->length) {
		/* An Initial keeps its ClientHello; what fills it up makes room. */
		if (hostile->space == SPACE_INITIAL) {
			at = length - hostile->length;
			memcpy(crafted, plain, at);
		}
		memcpy(crafted + at, hostile->frames, hostile->length);
		hostile->armed = false;
		plain = crafted;
	}
	return ngtcp2_crypto_encrypt_cb(dest, aead, context, plain, length, nonce, nonce_length,
					header, header_length);
}

static void random_bytes(uint8_t *out, size_t length, const ngtcp2_rand_ctx *context)
{
	(void)context;
	gnutls_rnd(GNUTLS_RND_NONCE, out, length);
}

static int new_id(ngtcp2_conn *conn, ngtcp2_cid *cid, uint8_t *token, size_t length, void *user)
{
	(void)conn;
	(void)user;
	cid->datalen = length;
	gnutls_rnd(GNUTLS_RND_NONCE, cid->data, length);
	gnutls_rnd(GNUTLS_RND_NONCE, token, NGTCP2_STATELESS_RESET_TOKENLEN);
	return 0;
}

static int completed(ngtcp2_conn *conn, void *user)
{
	(void)conn;
	((struct hostile *)user)->handshake_done = true;
	return 0;
}

static const ngtcp2_callbacks callbacks = {
	.client_initial = ngtcp2_crypto_client_initial_cb,
	.recv_crypto_data = ngtcp2_crypto_recv_crypto_data_cb,
	.recv_retry = ngtcp2_crypto_recv_retry_cb,
	.handshake_completed = completed,
	.encrypt = encrypt,
	.decrypt = ngtcp2_crypto_decrypt_cb,
	.hp_mask = ngtcp2_crypto_hp_mask_cb,
	.rand = random_bytes,
	.get_new_connection_id = new_id,
	.update_key = ngtcp2_crypto_update_key_cb,
	.delete_crypto_aead_ctx = ngtcp2_crypto_delete_crypto_aead_ctx_cb,
	.delete_crypto_cipher_ctx = ngtcp2_crypto_delete_crypto_cipher_ctx_cb,
	.get_path_challenge_data = ngtcp2_crypto_get_path_challenge_data_cb,
	.version_negotiation = ngtcp2_crypto_version_negotiation_cb,
};

static ngtcp2_conn *get_conn(ngtcp2_crypto_conn_ref *ref)
{
	return ((struct hostile *)ref->user_data)->conn;
}

static ngtcp2_path ngtcp2_way(struct arq_path *path)
{
	return (ngtcp2_path){
		.local = {&path->local.sa, arq_address_length(&path->local)},
		.remote = {&path->remote.sa, arq_address_length(&path->remote)},
	};
}

static void hostile_create(struct hostile *h, struct echo *e)
{
	const struct tls_client_options tls = {.tls = e->lab.client_tls,
					       .server_name = "localhost",
					       .alpn = "hostile",
					       .ref = &h->ref};
	ngtcp2_cid dcid = {.datalen = 16}, scid = {.datalen = 8};
	ngtcp2_transport_params params;
	ngtcp2_settings settings;
	ngtcp2_path path;

	*h = (struct hostile){.echo = e, .stream = -1};
	hostile = h;
	h->ref = (ngtcp2_crypto_conn_ref){get_conn, h};
	lab_path(false, &h->path);
	h->path.local.in.sin_port = htons(HOSTILE_PORT);
	path = ngtcp2_way(&h->path);
	gnutls_rnd(GNUTLS_RND_NONCE, dcid.data, dcid.datalen);
	gnutls_rnd(GNUTLS_RND_NONCE, scid.data, scid.datalen);
	ngtcp2_settings_default(&settings);
	settings.initial_ts = e->lab.now;
	ngtcp2_transport_params_default(&params);
	params.initial_max_streams_uni = 3;
	params.initial_max_streams_bidi = 3;
	params.initial_max_data = 1 << 20;
	params.initial_max_stream_data_bidi_local = 1 << 16;
	cr_assert_eq(ngtcp2_conn_client_new(&h->conn, &dcid, &scid, &path, NGTCP2_PROTO_VER_V1,
					    &callbacks, &settings, &params, NULL, h),
		     0);
	cr_assert_eq(tls_client_session(&tls, &h->session), 0);
	ngtcp2_conn_set_tls_native_handle(h->conn, h->session);
}

static void hostile_destroy(struct hostile *h)
{
	ngtcp2_conn_del(h->conn);
	gnutls_deinit(h->session);
}

/* --- the wire, shared with the honest client -------------------------------------------------- */

static void to_server(struct hostile *h, const uint8_t *data, size_t length)
{
	struct lab_io *io = &h->echo->lab.server_io;
	struct lab_datagram *datagram = calloc(1, sizeof(*datagram));

	memcpy(datagram->data, data, length);
	datagram->length = (uint32_t)length;
	datagram->path = (struct arq_path){.local = h->path.remote, .remote = h->path.local};
	*io->tail = datagram;
	io->tail = &datagram->next;
}

static void write_packets(struct hostile *h)
{
	static const uint8_t filler[FILLER];
	const ngtcp2_vec vec = {(uint8_t *)filler, FILLER};
	uint8_t packet[ARQ_IO_PAYLOAD_MAX];

	for (;;) {
		bool fill = h->armed && h->space == SPACE_1RTT && h->handshake_done;
		ngtcp2_path_storage path;
		ngtcp2_ssize length, taken;
		ngtcp2_pkt_info info;

		if (h->closed)
			return;
		if (fill && h->stream < 0)
			cr_assert_eq(ngtcp2_conn_open_bidi_stream(h->conn, &h->stream, NULL), 0);
		ngtcp2_path_storage_zero(&path);
		length = ngtcp2_conn_writev_stream(
			h->conn, &path.path, &info, packet, NGTCP2_MAX_UDP_PAYLOAD_SIZE, &taken, 0,
			fill ? h->stream : -1, fill ? &vec : NULL, fill, h->echo->lab.now);
		if (length <= 0)
			return;
		to_server(h, packet, (size_t)length);
		ngtcp2_conn_update_pkt_tx_time(h->conn, h->echo->lab.now);
	}
}

/* Takes the datagrams that are ours from the wire, and leaves the others. */
static void read_packets(struct hostile *h)
{
	struct lab_io *io = &h->echo->lab.client_io;
	struct lab_datagram **link = &io->head, *datagram;
	ngtcp2_path path = ngtcp2_way(&h->path);

	while ((datagram = *link)) {
		const ngtcp2_pkt_info info = {0};

		if (arq_address_port(&datagram->path.local) != HOSTILE_PORT) {
			link = &datagram->next;
			continue;
		}
		*link = datagram->next;
		if (!h->closed && ngtcp2_conn_read_pkt(h->conn, &path, &info, datagram->data,
						       datagram->length, h->echo->lab.now))
			h->closed = true;
		free(datagram);
	}
	io->tail = link;
}

static void step(struct hostile *h)
{
	if (!h->closed && ngtcp2_conn_get_expiry(h->conn) <= h->echo->lab.now &&
	    ngtcp2_conn_handle_expiry(h->conn, h->echo->lab.now))
		h->closed = true;
	write_packets(h);
	lab_step(&h->echo->lab);
}

/* The honest client takes in what is left after us. */
static void before_client(struct lab *lab)
{
	(void)lab;
	read_packets(hostile);
}

static void shake(struct hostile *h)
{
	for (int i = 0; i < 100 && !h->handshake_done && !h->closed; i++)
		step(h);
	for (int i = 0; i < 20; i++)
		step(h); /* HANDSHAKE_DONE and ids */
}

static size_t parse(const char *hex, uint8_t *octets)
{
	size_t length = strlen(hex) / 2;

	for (size_t i = 0; i < length; i++) {
		unsigned int octet;

		cr_assert_eq(sscanf(hex + 2 * i, "%2x", &octet), 1, "%s", hex);
		octets[i] = (uint8_t)octet;
	}
	return length;
}

/* Sends `frames` repeated until `times`, in as many packets as it takes. */
static void misbehave(struct hostile *h, enum space space, const char *frames, size_t times)
{
	uint8_t one[ARQ_IO_PAYLOAD_MAX];
	size_t length = parse(frames, one);

	h->space = space;
	while (times && !h->closed) {
		size_t fit = space == SPACE_1RTT ? (FILLER - 50) / length : 1;

		if (fit > times)
			fit = times;
		for (size_t i = 0; i < fit; i++)
			memcpy(h->frames + i * length, one, length);
		h->length = fit * length;
		h->armed = true;
		times -= fit;
		for (int i = 0; i < 50 && h->armed && !h->closed; i++)
			step(h);
		cr_assert(!h->armed || h->closed, "it could not be sent");
	}
	for (int i = 0; i < 100 && !h->closed; i++)
		step(h);
}

/* --- the table -------------------------------------------------------------------------------- */

#define SILENCE UINT64_MAX

struct behaviour {
	const char *name;
	enum space space;
	const char *frames; /* in hexadecimal */
	size_t times;
	bool application; /* CONNECTION_CLOSE of type 0x1d */
	uint64_t code; /* RFC 9000 section 20.1, or SILENCE: the connection goes on */
};

#define TOKEN    "00112233445566778899aabbccddeeff"
#define OUTSIDE  "c000000010000000" /* 2^28, far beyond what flow control allows */
#define TOO_MANY "d000000000000001" /* 2^60 + 1 */

static const struct behaviour behaviours[] = {
	{"unknown frame type", SPACE_1RTT, "21", 1, false, NGTCP2_FRAME_ENCODING_ERROR},
	{"frame type in more octets than needed", SPACE_1RTT, "4001", 1, false,
	 NGTCP2_FRAME_ENCODING_ERROR},
	{"STREAM longer than its packet", SPACE_1RTT, "0a007fff", 1, false,
	 NGTCP2_FRAME_ENCODING_ERROR},
	{"STREAM on a stream only we may send on", SPACE_1RTT, "0a030161", 1, false,
	 NGTCP2_STREAM_STATE_ERROR},
	{"STREAM on a stream of ours that does not exist", SPACE_1RTT, "0a010161", 1, false,
	 NGTCP2_STREAM_STATE_ERROR},
	{"more bidirectional streams than allowed", SPACE_1RTT, "0a4fa00161", 1, false,
	 NGTCP2_STREAM_LIMIT_ERROR},
	{"more unidirectional streams than allowed", SPACE_1RTT, "0a4fa20161", 1, false,
	 NGTCP2_STREAM_LIMIT_ERROR},
	{"bytes beyond the stream's credit", SPACE_1RTT, "0e08" OUTSIDE "0161", 1, false,
	 NGTCP2_FLOW_CONTROL_ERROR},
	{"bytes beyond 2^62", SPACE_1RTT, "0e08ffffffffffffffff0161", 1, false,
	 NGTCP2_FLOW_CONTROL_ERROR},
	{"bytes after the end", SPACE_1RTT,
	 "0b080161"
	 "0e08050161",
	 1, false, NGTCP2_FINAL_SIZE_ERROR},
	{"another end", SPACE_1RTT,
	 "0b080161"
	 "0f08050161",
	 1, false, NGTCP2_FINAL_SIZE_ERROR},
	{"RESET_STREAM before what was received", SPACE_1RTT,
	 "0a0803616161"
	 "04080001",
	 1, false, NGTCP2_FINAL_SIZE_ERROR},
	{"RESET_STREAM beyond the credit", SPACE_1RTT, "040800" OUTSIDE, 1, false,
	 NGTCP2_FLOW_CONTROL_ERROR},
	/* ngtcp2 takes the general code here, as section 11 allows. */
	{"RESET_STREAM of a stream only we may send on", SPACE_1RTT, "04030000", 1, false,
	 NGTCP2_PROTOCOL_VIOLATION},
	{"STOP_SENDING of a stream only it may send on", SPACE_1RTT, "050200", 1, false,
	 NGTCP2_STREAM_STATE_ERROR},
	{"STOP_SENDING of a stream of ours that does not exist", SPACE_1RTT, "050100", 1, false,
	 NGTCP2_STREAM_STATE_ERROR},
	{"MAX_STREAM_DATA for a stream only it may send on", SPACE_1RTT, "110205", 1, false,
	 NGTCP2_STREAM_STATE_ERROR},
	{"MAX_STREAM_DATA for a stream of ours that does not exist", SPACE_1RTT, "110105", 1, false,
	 NGTCP2_STREAM_STATE_ERROR},
	{"STREAM_DATA_BLOCKED of a stream only we may send on", SPACE_1RTT, "150305", 1, false,
	 NGTCP2_STREAM_STATE_ERROR},
	{"MAX_STREAMS beyond 2^60", SPACE_1RTT, "12" TOO_MANY, 1, false,
	 NGTCP2_FRAME_ENCODING_ERROR},
	{"STREAMS_BLOCKED beyond 2^60", SPACE_1RTT, "16" TOO_MANY, 1, false,
	 NGTCP2_FRAME_ENCODING_ERROR},
	{"NEW_TOKEN from a client", SPACE_1RTT, "070161", 1, false, NGTCP2_PROTOCOL_VIOLATION},
	{"HANDSHAKE_DONE from a client", SPACE_1RTT, "1e", 1, false, NGTCP2_PROTOCOL_VIOLATION},
	{"NEW_CONNECTION_ID of no octets", SPACE_1RTT, "18050000" TOKEN, 1, false,
	 NGTCP2_FRAME_ENCODING_ERROR},
	{"NEW_CONNECTION_ID of 21 octets", SPACE_1RTT,
	 "18050015"
	 "0011223344" TOKEN TOKEN,
	 1, false, NGTCP2_FRAME_ENCODING_ERROR},
	{"NEW_CONNECTION_ID that retires itself", SPACE_1RTT,
	 "18050608"
	 "0011223344556677" TOKEN,
	 1, false, NGTCP2_FRAME_ENCODING_ERROR},
	{"more connection ids than allowed", SPACE_1RTT,
	 "18050008"
	 "0011223344556677" TOKEN "18060008"
	 "1011223344556677" TOKEN "18070008"
	 "2011223344556677" TOKEN "18080008"
	 "3011223344556677" TOKEN "18090008"
	 "4011223344556677" TOKEN "180a0008"
	 "5011223344556677" TOKEN "180b0008"
	 "6011223344556677" TOKEN "180c0008"
	 "7011223344556677" TOKEN,
	 1, false, NGTCP2_CONNECTION_ID_LIMIT_ERROR},
	{"two connection ids of one number", SPACE_1RTT,
	 "18010008"
	 "0011223344556677" TOKEN "18010008"
	 "1011223344556677" TOKEN,
	 1, false, NGTCP2_PROTOCOL_VIOLATION},
	{"RETIRE_CONNECTION_ID of one that was never given", SPACE_1RTT, "197fff", 1, false,
	 NGTCP2_PROTOCOL_VIOLATION},
	{"ACK of packets never sent", SPACE_1RTT,
	 "0253880000"
	 "00",
	 1, false, NGTCP2_PROTOCOL_VIOLATION},
	{"ACK below zero", SPACE_1RTT, "0205000009", 1, false, NGTCP2_FRAME_ENCODING_ERROR},
	{"CRYPTO after the handshake", SPACE_1RTT, "06000400000000", 1, false,
	 NGTCP2_CRYPTO_ERROR | GNUTLS_A_UNEXPECTED_MESSAGE},
	{"CRYPTO beyond the buffer", SPACE_1RTT, "06801000000161", 1, false,
	 NGTCP2_CRYPTO_BUFFER_EXCEEDED},
	{"DATAGRAM that was not negotiated", SPACE_1RTT, "310161", 1, false,
	 NGTCP2_PROTOCOL_VIOLATION},
	{"PATH_RESPONSE that nobody asked for", SPACE_1RTT, "1b0011223344556677", 1, false,
	 SILENCE},
	{"a few PINGs", SPACE_1RTT, "01", 100, false, SILENCE},
	{"a flood of PINGs", SPACE_1RTT, "01", 300, true, EXCESSIVE},
	{"a flood of PATH_CHALLENGEs", SPACE_1RTT, "1a0011223344556677", 200, true, EXCESSIVE},
	{"a flood of empty STREAM frames", SPACE_1RTT, "0a0800", 300, true, EXCESSIVE},
	{"a flood of RESET_STREAMs", SPACE_1RTT, "04080000", 600, true, EXCESSIVE},
	{"a flood of STOP_SENDINGs", SPACE_1RTT, "050000", 600, true, EXCESSIVE},
	{"a flood of DATA_BLOCKEDs", SPACE_1RTT, "1405", 1500, true, EXCESSIVE},
	/* Who errs in the very first packet is not answered: the address may be anybody's. */
	{"STREAM in an Initial", SPACE_INITIAL, "0a000161", 1, false, SILENCE},
	{"an application's close in an Initial", SPACE_INITIAL, "1d0000", 1, false, SILENCE},
	{"HANDSHAKE_DONE in a Handshake packet", SPACE_HANDSHAKE, "1e", 1, false,
	 NGTCP2_PROTOCOL_VIOLATION},
};

/* --- the server's side of the hostile connection ---------------------------------------------- */

static void ignore_ready(struct arq_quic_connection *connection, void *user)
{
	(void)connection;
	(void)user;
}

static void ignore_close(struct arq_quic_connection *connection, void *user,
			 const struct arq_quic_close *close)
{
	(void)connection;
	(void)user;
	(void)close;
}

static const struct arq_quic_ops swallowing_ops = {
	.ready = ignore_ready,
	.stream_data = swallow_data,
	.stream_acked = swallow_two,
	.stream_reset = swallow_two,
	.stop_sending = swallow_stop_sending,
	.stream_closed = swallow_closed,
	.closed = ignore_close,
};

/* --- trying them ------------------------------------------------------------------------------ */

/* The honest client sends so much again and has it back. */
static void expect_honest(struct echo *e, size_t length)
{
	size_t all = e->client.out_length + length;

	e->client.out_length = all;
	arq_quic_connection_wake(e->client.connection);
	for (int i = 0; i < 2000 && e->client.received < all; i++)
		step(hostile);
	cr_assert_eq(e->client.received, all);
	cr_assert(!e->client.mismatch && !e->client.closed);
}

static bool as_expected(const struct hostile *h, const struct behaviour *b)
{
	const ngtcp2_ccerr *error = ngtcp2_conn_get_ccerr(h->conn);

	if (b->code == SILENCE)
		return !h->closed;
	return h->closed && error->error_code == b->code &&
	       (error->type == NGTCP2_CCERR_TYPE_APPLICATION) == b->application;
}

static void try_behaviour(struct echo *e, const struct behaviour *b)
{
	const ngtcp2_ccerr *error;
	struct hostile h;

	hostile_create(&h, e);
	if (b->space == SPACE_1RTT)
		shake(&h);
	misbehave(&h, b->space, b->frames, b->times);
	error = ngtcp2_conn_get_ccerr(h.conn);
	cr_expect(as_expected(&h, b), "%s: %s, type %d, code %#jx", b->name,
		  h.closed ? "closed" : "goes on", error->type, (uintmax_t)error->error_code);
	expect_honest(e, 1000);
	hostile_destroy(&h);
}

/* What the endpoint told of who abused it. */
static struct {
	unsigned int count;
	union arq_address remote;
} abused;

static void note_abused(void *user, struct arq_io *io, const union arq_address *remote)
{
	(void)user;
	cr_assert_not_null(io);
	abused.count++;
	abused.remote = *remote;
}

Test(quic_hostile, table)
{
	size_t count = sizeof(behaviours) / sizeof(behaviours[0]);
	struct echo *e = echo_new();
	struct arq_quic_application applications[2];
	uint64_t memory;

	e->options.retry = ARQ_QUIC_RETRY_NEVER;
	e->options.abused = note_abused;
	e->transport.handshake_timeout = 2 * LAB_SECOND;
	e->transport.keep_alive = 5 * LAB_SECOND;
	echo_create(e);
	applications[0] = e->application;
	applications[1] =
		(struct arq_quic_application){"hostile", &swallowing_ops, NULL, EXCESSIVE};
	lab_listen(&e->lab, applications, 2, &e->transport); /* the latest is asked first */
	echo_shake_hands(e);
	e->lab.before_client = before_client;
	memory = lab_counters(e->lab.server).memory;
	for (size_t i = 0; i < count; i++)
		try_behaviour(e, &behaviours[i]);
	cr_assert_geq(count, 30);
	/* Nothing is left of them, once the closing states and idle times are over. */
	e->lab.before_client = NULL;
	lab_run(&e->lab, 100 * LAB_SECOND, never, NULL);
	cr_assert_eq(lab_counters(e->lab.server).connections, 1);
	cr_assert_eq(lab_counters(e->lab.server).closing, 0);
	cr_assert_lt(lab_counters(e->lab.server).memory, memory + (64 << 10));
	cr_assert_eq(lab_counters(e->lab.server).half_open, 0);
	cr_assert_eq(lab_counters(e->lab.server).closed_abuse, 6);
	cr_assert_eq(abused.count, 6);
	cr_assert_eq(abused.remote.sa.sa_family, AF_INET);
	cr_assert_neq(arq_address_port(&abused.remote), 0);
	echo_destroy(e);
}
