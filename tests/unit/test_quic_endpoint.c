/* SPDX-License-Identifier: BSD-2-Clause */
/* Endpoints against each other over a wire in memory, with an application that echoes. */
#include "test_quic_echo.h"
#include "userspace/quic/sources.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <gnutls/crypto.h>
#include <ngtcp2/ngtcp2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- handshakes and data ---------------------------------------------------------------------- */

Test(quic_endpoint, echoes_a_mebibyte)
{
	struct echo *e = echo_new();

	echo_create(e);
	echo_shake_hands(e);
	cr_assert_str_eq(arq_quic_connection_alpn(e->server.connection), "echo");
	cr_assert_str_eq(arq_quic_connection_server_name(e->server.connection), "localhost");
	cr_assert_eq(arq_address_port(&arq_quic_connection_path(e->server.connection)->remote),
		     40000);
	echo_send(e, 1 << 20);
	echo_expect(e, 1 << 20);
	cr_assert_eq(lab_counters(e->lab.server).accepted, 1);
	cr_assert_eq(lab_counters(e->lab.server).handshakes_completed, 1);
	cr_assert_eq(lab_counters(e->lab.server).half_open, 0);
	cr_assert_gt(lab_counters(e->lab.server).memory, 0);
	echo_destroy(e);
}

Test(quic_endpoint, survives_loss)
{
	struct echo *e = echo_new();

	echo_create(e);
	e->lab.server_io.drop_every = 7;
	e->lab.client_io.drop_every = 5;
	echo_shake_hands(e);
	echo_send(e, 512 << 10);
	echo_expect(e, 512 << 10);
	echo_destroy(e);
}

Test(quic_endpoint, works_with_few_slots)
{
	struct echo *e = echo_new();

	echo_create(e);
	e->lab.server_io.slot_limit = 2;
	e->lab.client_io.slot_limit = 1;
	echo_shake_hands(e);
	echo_send(e, 256 << 10);
	echo_expect(e, 256 << 10);
	echo_destroy(e);
}

/* Nothing is lost when there is no slot at all for a while. */
Test(quic_endpoint, waits_for_slots)
{
	struct echo *e = echo_new();

	echo_create(e);
	echo_shake_hands(e);
	echo_send(e, 64 << 10);
	e->lab.client_io.slot_limit = 0;
	for (int i = 0; i < 20; i++)
		lab_step(&e->lab);
	cr_assert_eq(e->server.received, 0);
	cr_assert_gt(lab_counters(e->lab.client).output_stalled, 0);
	cr_assert_lt(arq_quic_expiry(e->lab.client), e->lab.now + LAB_MILLISECOND);
	e->lab.client_io.slot_limit = 64;
	echo_expect(e, 64 << 10);
	echo_destroy(e);
}

/* Credit is only given by consuming: a receiver that does not read stops the sender. */
Test(quic_endpoint, unread_data_stops_the_sender)
{
	struct echo *e = echo_new();
	uint64_t memory;

	e->transport.max_data = 64 << 10;
	e->transport.max_stream_data_bidi_remote = 32 << 10;
	echo_create(e);
	e->server.hold = true;
	echo_shake_hands(e);
	echo_send(e, 1 << 20);
	lab_run(&e->lab, 5 * LAB_SECOND, never, NULL);
	cr_assert_eq(e->server.received, 32 << 10);
	cr_assert_eq(e->client.out_sent, 32 << 10);
	memory = lab_counters(e->lab.server).memory;
	cr_assert_lt(memory, 256 << 10, "%ju bytes held", (uintmax_t)memory);
	e->server.hold = false;
	arq_quic_stream_consume(e->server.connection, e->server.stream, e->server.received);
	echo_expect(e, 1 << 20);
	echo_destroy(e);
}

Test(quic_endpoint, discovers_the_path_mtu)
{
	struct echo *e = echo_new();
	uint64_t longest = 0;

	echo_create(e);
	echo_shake_hands(e);
	echo_send(e, 1 << 20);
	echo_expect(e, 1 << 20);
	for (size_t i = 0; i < 8; i++)
		if (e->lab.server_io.last_lengths[i] > longest)
			longest = e->lab.server_io.last_lengths[i];
	cr_assert_gt(longest, 1400);
	cr_assert_leq(longest, ARQ_IO_PAYLOAD_MAX);
	echo_destroy(e);
}

static void mark_ce(struct lab_io *io, struct lab_datagram *datagram)
{
	size_t *marked = io->tap_user;

	*marked += datagram->ecn == NGTCP2_ECN_ECT_0;
}

Test(quic_endpoint, marks_packets_for_ecn)
{
	struct echo *e = echo_new();
	size_t marked = 0;

	echo_create(e);
	e->lab.client_io.tap = mark_ce;
	e->lab.client_io.tap_user = &marked;
	echo_shake_hands(e);
	echo_send(e, 64 << 10);
	echo_expect(e, 64 << 10);
	cr_assert_gt(marked, 10);
	echo_destroy(e);
}

Test(quic_endpoint, calls_the_application_timer)
{
	struct echo *e = echo_new();

	echo_create(e);
	echo_shake_hands(e);
	arq_quic_connection_set_timer(e->client.connection, e->lab.now + 50 * LAB_MILLISECOND);
	lab_run(&e->lab, 40 * LAB_MILLISECOND, never, NULL);
	cr_assert_eq(e->client.timer_calls, 0);
	lab_run(&e->lab, 40 * LAB_MILLISECOND, never, NULL);
	cr_assert_eq(e->client.timer_calls, 1);
	echo_destroy(e);
}

/* --- Retry, versions, resets ------------------------------------------------------------------ */

Test(quic_endpoint, retry_always)
{
	struct echo *e = echo_new();

	e->options.retry = ARQ_QUIC_RETRY_ALWAYS;
	echo_create(e);
	echo_shake_hands(e);
	echo_send(e, 10000);
	echo_expect(e, 10000);
	cr_assert_eq(lab_counters(e->lab.server).retry_sent, 1);
	cr_assert_eq(lab_counters(e->lab.server).retry_accepted, 1);
	cr_assert_eq(lab_counters(e->lab.server).accepted, 1);
	echo_destroy(e);
}

Test(quic_endpoint, retry_above_the_threshold)
{
	struct echo *e = echo_new();

	e->options.retry_threshold = 0;
	echo_create(e);
	echo_shake_hands(e);
	cr_assert_eq(lab_counters(e->lab.server).retry_sent, 1);
	echo_destroy(e);
}

static void spoil_token(struct lab_io *io, struct lab_datagram *datagram)
{
	ngtcp2_pkt_hd header;
	(void)io;

	if (ngtcp2_pkt_decode_hd_long(&header, datagram->data, datagram->length) > 0 &&
	    header.type == NGTCP2_PKT_INITIAL && header.tokenlen)
		datagram->data[header.token - datagram->data + (long)header.tokenlen - 1] ^= 1;
}

/* A token that says it is from a Retry and is not: INVALID_TOKEN, no connection. */
Test(quic_endpoint, refuses_a_forged_token)
{
	struct echo *e = echo_new();

	e->options.retry = ARQ_QUIC_RETRY_ALWAYS;
	echo_create(e);
	e->lab.client_io.tap = spoil_token;
	echo_connect(e);
	lab_run(&e->lab, 30 * LAB_SECOND, client_closed, e);
	cr_assert(e->client.closed);
	cr_assert_eq(lab_counters(e->lab.server).accepted, 0);
	cr_assert(!e->server.ready);
	echo_destroy(e);
}

static size_t version_packet(uint8_t *packet, size_t length)
{
	memset(packet, 0, length);
	packet[0] = 0xc0;
	packet[1] = 0x1a; /* version 0x1a2a3a4a: reserved, spoken by nobody */
	packet[2] = 0x2a;
	packet[3] = 0x3a;
	packet[4] = 0x4a;
	packet[5] = 8;
	memset(packet + 6, 'd', 8);
	packet[14] = 8;
	memset(packet + 15, 's', 8);
	return length;
}

Test(quic_endpoint, negotiates_versions)
{
	struct echo *e = echo_new();
	uint8_t packet[1200];

	echo_create(e);
	lab_inject(&e->lab.server_io, packet, version_packet(packet, 1199));
	lab_step(&e->lab);
	cr_assert_eq(lab_counters(e->lab.server).version_negotiation_sent, 0);
	cr_assert_eq(lab_counters(e->lab.server).dropped_version_size, 1);
	lab_inject(&e->lab.server_io, packet, version_packet(packet, 1200));
	lab_step(&e->lab);
	cr_assert_eq(lab_counters(e->lab.server).version_negotiation_sent, 1);
	cr_assert_leq(e->lab.server_io.last_lengths[1], 1200);
	echo_destroy(e);
}

static void truncate_initial(struct lab_io *io, struct lab_datagram *datagram)
{
	(void)io;
	datagram->length = 1199;
}

Test(quic_endpoint, drops_small_initials)
{
	struct echo *e = echo_new();

	echo_create(e);
	e->lab.client_io.tap = truncate_initial;
	echo_connect(e);
	lab_run(&e->lab, LAB_SECOND, never, NULL);
	cr_assert_gt(lab_counters(e->lab.server).dropped_initial_size, 0);
	cr_assert_eq(lab_counters(e->lab.server).accepted, 0);
	cr_assert_eq(e->lab.server_io.sent, 0);
	echo_destroy(e);
}

/* --- newcomers wait -----------------------------------------------------------------------------
 */

/* Initials of nobody: noise behind a header, each with an ID of its own. */
static void inject_initials(struct echo *e, unsigned int count)
{
	uint8_t packet[NGTCP2_MAX_UDP_PAYLOAD_SIZE];
	uint16_t rest = 0x4000 | (sizeof(packet) - 26);

	for (unsigned int i = 0; i < count; i++) {
		memset(packet, 0x55, sizeof(packet));
		memcpy(packet, "\xc0\x00\x00\x00\x01\x08", 6);
		gnutls_rnd(GNUTLS_RND_NONCE, packet + 6, 8);
		packet[14] = 8;
		packet[23] = 0;
		packet[24] = (uint8_t)(rest >> 8);
		packet[25] = (uint8_t)rest;
		lab_inject(&e->lab.server_io, packet, sizeof(packet));
	}
}

Test(quic_endpoint, newcomers_wait_until_there_is_time)
{
	struct echo *e = echo_new();

	e->options.waiting = 4;
	echo_create(e);
	e->lab.admissions = 0;
	echo_connect(e);
	lab_step(&e->lab);
	lab_step(&e->lab);
	cr_assert(arq_quic_waiting(e->lab.server));
	cr_assert_eq(arq_quic_expiry(e->lab.server), 0, "nobody may sleep over them");
	cr_assert_eq(lab_counters(e->lab.server).accepted, 0);
	e->lab.admissions = 1;
	cr_assert(lab_run(&e->lab, LAB_SECOND, both_ready, e));
	cr_assert_eq(lab_counters(e->lab.server).accepted, 1);
	cr_assert_not(arq_quic_waiting(e->lab.server));
	cr_assert_eq(lab_counters(e->lab.server).retry_sent, 0, "no pressure");
	echo_send(e, 10000);
	echo_expect(e, 10000);
	cr_assert_gt(lab_counters(e->lab.server).packets_established, 0);
	echo_destroy(e);
}

Test(quic_endpoint, pressure_asks_for_retry_and_drops)
{
	struct echo *e = echo_new();

	e->options.waiting = 8;
	echo_create(e);
	inject_initials(e, 100);
	lab_step(&e->lab);
	/* Four while half the places or more were taken, then three more who found less. */
	cr_assert_eq(lab_counters(e->lab.server).dropped_busy, 92);
	cr_assert_eq(lab_counters(e->lab.server).retry_sent, 4);
	cr_assert_leq(e->lab.server_io.last_lengths[1], NGTCP2_MAX_UDP_PAYLOAD_SIZE / 3);
	echo_destroy(e);
}

static unsigned int flood_of; /* Initials a step */

static void flood_server(struct lab *lab)
{
	/* The lab is the first member. */
	inject_initials((struct echo *)lab, flood_of);
}

/* Eight times as many noisy Initials come as there is time for, and the client gets in at once when
 * it has its token. */
Test(quic_endpoint, a_token_goes_past_the_flood)
{
	struct echo *e = echo_new();

	e->options.waiting = 8;
	e->options.retry = ARQ_QUIC_RETRY_ALWAYS;
	echo_create(e);
	e->lab.admissions = 2;
	e->lab.before_client = flood_server;
	echo_connect(e);
	lab_step(&e->lab);
	flood_of = 16;
	cr_assert(lab_run(&e->lab, LAB_SECOND / 2, both_ready, e), "before the first repetition");
	cr_assert_gt(lab_counters(e->lab.server).dropped_busy, 0);
	cr_assert_eq(lab_counters(e->lab.server).retry_accepted, 1);
	echo_destroy(e);
}

/* Also while there is time for all of them. */
Test(quic_endpoint, newcomers_that_come_to_nothing_ask_for_retry)
{
	struct echo *e = echo_new();

	e->options.retry_threshold = 10;
	echo_create(e);
	for (int i = 0; i < 30; i++) {
		inject_initials(e, 1);
		lab_step(&e->lab);
	}
	cr_assert_eq(lab_counters(e->lab.server).accepted, 10);
	cr_assert_eq(lab_counters(e->lab.server).retry_sent, 20);
	lab_run(&e->lab, LAB_SECOND, never, NULL);
	inject_initials(e, 1);
	lab_step(&e->lab);
	cr_assert_eq(lab_counters(e->lab.server).retry_sent, 21, "it is not over yet");
	lab_run(&e->lab, 2 * LAB_SECOND, never, NULL);
	echo_shake_hands(e);
	cr_assert_eq(lab_counters(e->lab.server).retry_sent, 21, "it is over");
	echo_destroy(e);
}

/* Who knows no version of ours waits as well, and is answered once. */
Test(quic_endpoint, unknown_versions_wait)
{
	struct echo *e = echo_new();
	uint8_t packet[1200];

	e->options.waiting = 4;
	echo_create(e);
	e->lab.admissions = 0;
	for (int i = 0; i < 6; i++)
		lab_inject(&e->lab.server_io, packet, version_packet(packet, 1200));
	lab_step(&e->lab);
	cr_assert_eq(lab_counters(e->lab.server).version_negotiation_sent, 0);
	cr_assert_eq(lab_counters(e->lab.server).dropped_busy, 2);
	e->lab.admissions = 10;
	lab_step(&e->lab);
	cr_assert_eq(lab_counters(e->lab.server).version_negotiation_sent, 4);
	echo_destroy(e);
}

/* The server forgot everything but its secret: the client learns it at once. */
Test(quic_endpoint, stateless_reset_ends_a_lost_connection)
{
	struct echo *e = echo_new();

	echo_create(e);
	echo_shake_hands(e);
	lab_run(&e->lab, LAB_SECOND, never, NULL);
	lab_restart_server(&e->lab, &e->options);
	echo_send(e, 10000);
	cr_assert(lab_run(&e->lab, 5 * LAB_SECOND, client_closed, e));
	cr_assert_eq(e->client.close.kind, ARQ_QUIC_CLOSE_STATELESS_RESET);
	cr_assert_geq(lab_counters(e->lab.server).stateless_reset_sent, 1);
	cr_assert_eq(lab_counters(e->lab.client).closed_reset, 1);
	echo_destroy(e);
}

Test(quic_endpoint, stateless_resets_are_shorter_and_limited)
{
	struct echo *e = echo_new();
	uint8_t packet[64] = {0x40, 11}; /* a first octet of ours */

	e->options.stateless_resets = 3;
	echo_create(e);
	lab_inject(&e->lab.server_io, packet, 21); /* nothing shorter would do */
	lab_step(&e->lab);
	cr_assert_eq(e->lab.server_io.sent, 0);
	for (size_t i = 0; i < 10; i++)
		lab_inject(&e->lab.server_io, packet, 30);
	lab_step(&e->lab);
	cr_assert_eq(e->lab.server_io.sent, 3);
	cr_assert_lt(e->lab.server_io.last_lengths[1], 30);
	echo_destroy(e);
}

/* --- ends ------------------------------------------------------------------------------------- */

Test(quic_endpoint, closes_with_the_applications_code)
{
	struct echo *e = echo_new();

	echo_create(e);
	echo_shake_hands(e);
	arq_quic_connection_close(e->client.connection, true, 0x123, "enough");
	cr_assert(arq_quic_connection_is_closing(e->client.connection));
	cr_assert(lab_run(&e->lab, LAB_SECOND, both_closed, e));
	cr_assert_eq(e->client.close.kind, ARQ_QUIC_CLOSE_LOCAL_APPLICATION);
	cr_assert_eq(e->server.close.kind, ARQ_QUIC_CLOSE_PEER_APPLICATION);
	cr_assert_eq(e->server.close.code, 0x123);
	cr_assert_str_eq(e->server.reason, "enough");
	cr_assert_eq(lab_counters(e->lab.client).closing, 1);
	lab_run(&e->lab, 5 * LAB_SECOND, never, NULL);
	cr_assert_eq(lab_counters(e->lab.client).closing, 0);
	cr_assert_eq(lab_counters(e->lab.server).closing, 0);
	cr_assert_eq(arq_quic_connections(e->lab.server), 0);
	cr_assert_eq(lab_counters(e->lab.server).memory, 0);
	cr_assert_eq(lab_counters(e->lab.client).memory, 0);
	echo_destroy(e);
}

struct recording {
	uint8_t data[ARQ_IO_PAYLOAD_MAX];
	size_t length;
};

static void record(struct lab_io *io, struct lab_datagram *datagram)
{
	struct recording *recording = io->tap_user;

	recording->length = datagram->length;
	memcpy(recording->data, datagram->data, datagram->length);
}

/* Packets that come after the close: answers to the 1st, 2nd, 4th, 8th. */
Test(quic_endpoint, closing_state_answers_ever_more_rarely)
{
	struct echo *e = echo_new();
	struct recording packet = {0};
	uint64_t before;

	echo_create(e);
	echo_shake_hands(e);
	e->lab.client_io.tap = record;
	e->lab.client_io.tap_user = &packet;
	echo_send(e, 100);
	echo_expect(e, 100);
	e->lab.client_io.cut = true;
	e->lab.server_io.cut = true;
	arq_quic_connection_close(e->server.connection, true, 7, NULL);
	lab_step(&e->lab);
	before = e->lab.server_io.sent;
	cr_assert_eq(lab_counters(e->lab.server).closing, 1);
	for (size_t i = 0; i < 10; i++)
		lab_inject(&e->lab.server_io, packet.data, packet.length);
	arq_quic_run(e->lab.server, e->lab.now);
	lab_step(&e->lab);
	cr_assert_eq(lab_counters(e->lab.server).close_repeated, 4);
	cr_assert_eq(e->lab.server_io.sent, before + 4);
	cr_assert_eq(lab_counters(e->lab.server).dropped_closing, 6);
	echo_destroy(e);
}

Test(quic_endpoint, idle_connections_go_silently)
{
	struct echo *e = echo_new();
	uint64_t sent;

	e->transport.idle_timeout = 5 * LAB_SECOND;
	echo_create(e);
	echo_shake_hands(e);
	lab_run(&e->lab, 2 * LAB_SECOND, never, NULL);
	sent = e->lab.server_io.sent + e->lab.client_io.sent;
	cr_assert(lab_run(&e->lab, 30 * LAB_SECOND, both_closed, e));
	cr_assert_eq(e->client.close.kind, ARQ_QUIC_CLOSE_IDLE);
	cr_assert_eq(e->server.close.kind, ARQ_QUIC_CLOSE_IDLE);
	cr_assert_eq(e->lab.server_io.sent + e->lab.client_io.sent, sent);
	cr_assert_eq(lab_counters(e->lab.server).closed_idle, 1);
	cr_assert_eq(lab_counters(e->lab.server).closing, 0);
	echo_destroy(e);
}

Test(quic_endpoint, keep_alive_keeps_it)
{
	struct echo *e = echo_new();

	e->transport.idle_timeout = 5 * LAB_SECOND;
	e->transport.keep_alive = 2 * LAB_SECOND;
	echo_create(e);
	echo_shake_hands(e);
	cr_assert(!lab_run(&e->lab, 30 * LAB_SECOND, client_closed, e));
	cr_assert(!e->server.closed);
	echo_destroy(e);
}

Test(quic_endpoint, handshake_times_out)
{
	struct echo *e = echo_new();

	e->transport.handshake_timeout = 3 * LAB_SECOND;
	echo_create(e);
	e->lab.client_io.cut = true;
	echo_connect(e);
	cr_assert(lab_run(&e->lab, 60 * LAB_SECOND, client_closed, e));
	cr_assert_eq(e->client.close.kind, ARQ_QUIC_CLOSE_HANDSHAKE_TIMEOUT);
	cr_assert_eq(lab_counters(e->lab.client).handshakes_failed_timeout, 1);
	echo_destroy(e);
}

Test(quic_endpoint, io_gone_ends_its_connections)
{
	struct echo *e = echo_new();

	echo_create(e);
	echo_shake_hands(e);
	arq_quic_io_gone(e->lab.client, &e->lab.client_io.io);
	arq_quic_run(e->lab.client, e->lab.now);
	cr_assert(e->client.closed);
	cr_assert_eq(e->client.close.kind, ARQ_QUIC_CLOSE_SHUTDOWN);
	echo_destroy(e);
}

/* --- limits and refusals ---------------------------------------------------------------------- */

Test(quic_endpoint, half_open_limit)
{
	struct echo *e = echo_new();

	e->options.max_half_open = 0;
	e->options.retry = ARQ_QUIC_RETRY_NEVER;
	echo_create(e);
	echo_connect(e);
	lab_run(&e->lab, LAB_SECOND, never, NULL);
	cr_assert_gt(lab_counters(e->lab.server).dropped_limit, 0);
	cr_assert_eq(lab_counters(e->lab.server).accepted, 0);
	echo_destroy(e);
}

Test(quic_endpoint, a_client_has_no_more_than_its_share)
{
	struct peer first_server = {0}, first_client = {0};
	struct echo *e = echo_new();

	e->options.max_per_source = 1;
	cr_assert_eq(arq_quic_sources_create(&e->options.sources), 0);
	echo_create(e);
	echo_shake_hands(e);
	arq_quic_connection_set_user(e->server.connection, &first_server);
	arq_quic_connection_set_user(e->client.connection, &first_client);
	struct arq_quic_connection *first = e->client.connection;
	echo_again(e);
	/* It has to prove that it is who has one already: nobody else can have it refused. */
	echo_connect(e);
	cr_assert(lab_run(&e->lab, 5 * LAB_SECOND, client_closed, e));
	cr_assert_eq(e->client.close.kind, ARQ_QUIC_CLOSE_PEER_TRANSPORT);
	cr_assert_eq(e->client.close.code, NGTCP2_CONNECTION_REFUSED);
	cr_assert_eq(lab_counters(e->lab.server).retry_sent, 1);
	cr_assert_eq(lab_counters(e->lab.server).refused_source, 1);
	cr_assert_not(first_client.closed);
	arq_quic_connection_close(first, true, 0, NULL);
	lab_run(&e->lab, LAB_SECOND, never, NULL);
	cr_assert(first_server.closed);
	echo_again(e);
	echo_shake_hands(e);
	echo_send(e, 1000);
	echo_expect(e, 1000);
	struct arq_quic_sources *sources = e->options.sources;
	echo_destroy(e);
	arq_quic_sources_destroy(sources);
}

/* Two handshakes at a time find the same place free: the second to end does not get it. */
Test(quic_endpoint, a_client_has_no_more_than_its_share_at_a_time)
{
	struct arq_quic_sources *sources;
	struct echo *e = echo_new();
	struct arq_path path;
	bool counted;

	e->options.max_per_source = 1;
	cr_assert_eq(arq_quic_sources_create(&sources), 0);
	e->options.sources = sources;
	echo_create(e);
	echo_connect(e);
	lab_step(&e->lab);
	lab_step(&e->lab);
	cr_assert_eq(lab_counters(e->lab.server).half_open, 1);
	lab_path(true, &path);
	uint64_t key = sources_key(sources, &path.remote);
	cr_assert(sources_enter(sources, key, 1, &counted) && counted);
	cr_assert(lab_run(&e->lab, 5 * LAB_SECOND, client_closed, e));
	cr_assert_eq(e->client.close.code, NGTCP2_CONNECTION_REFUSED);
	cr_assert_not(e->server.ready);
	cr_assert_eq(sources_count(sources, key), 1);
	echo_destroy(e);
	arq_quic_sources_destroy(sources);
}

/* Near the limit nobody new is taken, and who is there stays. */
Test(quic_endpoint, memory_near_its_limit_refuses_newcomers)
{
	struct echo *e = echo_new();

	echo_create(e);
	echo_shake_hands(e);
	arq_quic_endpoint_set_max_memory(e->lab.server, lab_counters(e->lab.server).memory);
	inject_initials(e, 4);
	lab_step(&e->lab);
	cr_assert_eq(lab_counters(e->lab.server).dropped_limit, 4);
	cr_assert_eq(lab_counters(e->lab.server).closed_memory, 0);
	echo_send(e, 100);
	cr_assert_not(e->client.closed);
	echo_destroy(e);
}

Test(quic_endpoint, memory_beyond_its_limit_takes_the_longest_silent)
{
	struct peer silent_server = {0}, silent_client = {0};
	struct echo *e = echo_new();
	uint64_t memory;

	echo_create(e);
	arq_quic_endpoint_set_max_memory(e->lab.server, UINT64_MAX);
	echo_shake_hands(e);
	arq_quic_connection_set_user(e->server.connection, &silent_server);
	arq_quic_connection_set_user(e->client.connection, &silent_client);
	echo_again(e);
	echo_shake_hands(e);
	cr_assert_eq(lab_counters(e->lab.server).connections, 2);
	memory = lab_counters(e->lab.server).memory;
	arq_quic_endpoint_set_max_memory(e->lab.server, memory / 4 * 3);
	lab_step(&e->lab);
	lab_step(&e->lab);
	cr_assert(silent_server.closed && silent_client.closed);
	cr_assert_eq(silent_client.close.kind, ARQ_QUIC_CLOSE_PEER_TRANSPORT);
	cr_assert_eq(silent_client.close.code, NGTCP2_NO_ERROR);
	cr_assert_eq(lab_counters(e->lab.server).closed_memory, 1);
	cr_assert_lt(lab_counters(e->lab.server).memory, memory);
	arq_quic_endpoint_set_max_memory(e->lab.server, 0);
	echo_send(e, 1000);
	echo_expect(e, 1000);
	echo_destroy(e);
}

/* Who is in its handshake goes before who only says nothing. */
Test(quic_endpoint, memory_beyond_its_limit_takes_handshakes_first)
{
	struct peer other_server = {0}, other_client = {0};
	struct echo *e = echo_new();

	echo_create(e);
	arq_quic_endpoint_set_max_memory(e->lab.server, UINT64_MAX);
	echo_shake_hands(e);
	arq_quic_connection_set_user(e->server.connection, &other_server);
	arq_quic_connection_set_user(e->client.connection, &other_client);
	echo_again(e);
	e->lab.server_io.cut = true;
	echo_connect(e);
	lab_step(&e->lab);
	lab_step(&e->lab);
	cr_assert_eq(lab_counters(e->lab.server).half_open, 1);
	arq_quic_endpoint_set_max_memory(e->lab.server, lab_counters(e->lab.server).memory);
	lab_step(&e->lab);
	cr_assert_eq(lab_counters(e->lab.server).half_open, 0);
	cr_assert_eq(lab_counters(e->lab.server).closed_memory, 1);
	cr_assert_not(other_server.closed);
	echo_destroy(e);
}

Test(quic_endpoint, connection_limit_of_a_client)
{
	struct echo *e = echo_new();
	struct arq_quic_connect_options options = {
		.server_name = "localhost", .alpn = "echo", .ops = &echo_ops, .user = &e->client};
	struct arq_quic_connection *connection;
	struct arq_quic_endpoint_options none = e->options;
	struct arq_quic_endpoint *endpoint;
	struct arq_error error = {0};

	echo_create(e);
	none.max_connections = 0;
	cr_assert_eq(arq_quic_endpoint_create(&none, &endpoint, &error), 0);
	options.io = &e->lab.client_io.io;
	options.tls = e->lab.client_tls;
	options.transport = e->transport;
	lab_path(false, &options.path);
	cr_assert_eq(arq_quic_connect(endpoint, &options, e->lab.now, &connection, &error),
		     -ENOBUFS);
	cr_assert_neq(error.text[0], '\0');
	arq_quic_endpoint_destroy(endpoint);
	echo_destroy(e);
}

Test(quic_endpoint, stopped_listener_refuses)
{
	struct echo *e = echo_new();

	echo_create(e);
	arq_quic_listener_stop(e->lab.listener);
	echo_connect(e);
	cr_assert(lab_run(&e->lab, 20 * LAB_SECOND, client_closed, e));
	cr_assert_eq(e->client.close.kind, ARQ_QUIC_CLOSE_PEER_TRANSPORT);
	cr_assert_eq(e->client.close.code, NGTCP2_CONNECTION_REFUSED);
	echo_destroy(e);
}

Test(quic_endpoint, alpn_mismatch_is_refused)
{
	struct echo *e = echo_new();

	echo_create(e);
	echo_connect_as(e, "localhost", "other");
	cr_assert(lab_run(&e->lab, 20 * LAB_SECOND, client_closed, e));
	cr_assert_eq(e->client.close.kind, ARQ_QUIC_CLOSE_PEER_TRANSPORT);
	cr_assert_eq(e->client.close.code, NGTCP2_CRYPTO_ERROR | GNUTLS_A_NO_APPLICATION_PROTOCOL);
	cr_assert(!e->server.ready && !e->server.closed, "the application never knew it");
	cr_assert_eq(lab_counters(e->lab.server).handshakes_failed_tls, 1);
	echo_destroy(e);
}

Test(quic_endpoint, wrong_name_is_refused_by_the_client)
{
	struct echo *e = echo_new();

	echo_create(e);
	echo_connect_as(e, "example.org", "echo");
	cr_assert(lab_run(&e->lab, 20 * LAB_SECOND, client_closed, e));
	cr_assert_eq(e->client.close.kind, ARQ_QUIC_CLOSE_LOCAL_TRANSPORT);
	cr_assert_eq(e->client.close.code & ~0xffULL, NGTCP2_CRYPTO_ERROR);
	cr_assert(!e->client.ready);
	echo_destroy(e);
}

/* --- other workers ---------------------------------------------------------------------------- */

struct foreign {
	size_t count;
	uint16_t worker;
	size_t length;
};

static void foreign_packet(void *user, uint16_t worker, struct arq_io *io,
			   const struct arq_rx_packet *packet)
{
	struct foreign *foreign = user;

	(void)io;
	foreign->count++;
	foreign->worker = worker;
	foreign->length = packet->length;
}

Test(quic_endpoint, hands_over_packets_of_other_workers)
{
	struct echo *e = echo_new();
	struct foreign foreign = {0};
	uint8_t packet[100] = {0x40, 11, 0, 2};

	e->options.workers = 4;
	e->options.worker = 1;
	e->options.foreign_packet = foreign_packet;
	e->options.user = &foreign;
	echo_create(e);
	lab_inject(&e->lab.server_io, packet, sizeof(packet));
	packet[3] = 4; /* there is no worker 4: nobody's, so a stateless reset */
	lab_inject(&e->lab.server_io, packet, sizeof(packet));
	lab_step(&e->lab);
	cr_assert_eq(foreign.count, 1);
	cr_assert_eq(foreign.worker, 2);
	cr_assert_eq(foreign.length, sizeof(packet));
	cr_assert_eq(lab_counters(e->lab.server).foreign, 1);
	cr_assert_eq(lab_counters(e->lab.server).stateless_reset_sent, 1);
	echo_shake_hands(e);
	echo_destroy(e);
}

/* An encrypted layout that is as short as may be, with another host's octets in front. */
Test(quic_endpoint, hands_over_encrypted_ids)
{
	struct echo *e = echo_new();
	struct foreign foreign = {0};
	struct arq_quic_endpoint *other;
	struct arq_error error = {0};
	struct recording packet = {0};
	struct arq_rx_packet received;

	e->options.workers = 4;
	e->options.worker = 1;
	e->options.foreign_packet = foreign_packet;
	e->options.user = &foreign;
	e->options.cids = (struct arq_quic_cid_options){.config_id = 3,
							.server_id_length = 1,
							.server_id = {0xab},
							.nonce_length = 4,
							.encrypted = true,
							.key = {1, 2, 3}};
	echo_create(e);
	e->lab.client_io.tap = record;
	e->lab.client_io.tap_user = &packet;
	echo_shake_hands(e);
	echo_send(e, 1000);
	echo_expect(e, 1000);
	/* The last packet, now at worker 0. */
	e->options.worker = 0;
	cr_assert_eq(arq_quic_endpoint_create(&e->options, &other, &error), 0);
	received = (struct arq_rx_packet){.data = packet.data, .length = (uint32_t)packet.length};
	lab_path(true, &received.path);
	arq_quic_receive(other, &e->lab.server_io.io, &received, 1, e->lab.now);
	cr_assert_eq(foreign.count, 1);
	cr_assert_eq(foreign.worker, 1);
	arq_quic_endpoint_destroy(other);
	/* Another host's: nobody here to hand it to, and no business of ours to reset it. */
	e->options.cids.server_id[0] = 0xac;
	cr_assert_eq(arq_quic_endpoint_create(&e->options, &other, &error), 0);
	arq_quic_receive(other, &e->lab.server_io.io, &received, 1, e->lab.now);
	cr_assert_eq(foreign.count, 1);
	cr_assert_eq(lab_counters(other).dropped_unknown, 1);
	arq_quic_endpoint_destroy(other);
	echo_destroy(e);
}

/* --- migration -------------------------------------------------------------------------------- */

static void rebind(struct lab_io *io, struct lab_datagram *datagram)
{
	(void)io;
	datagram->path.remote.in.sin_port = htons(40001); /* a NAT forgot and chose anew */
}

Test(quic_endpoint, follows_a_nat_rebinding)
{
	struct echo *e = echo_new();

	echo_create(e);
	echo_shake_hands(e);
	lab_run(&e->lab, LAB_SECOND, never, NULL);
	e->lab.client_io.tap = rebind;
	echo_send(e, 100000);
	echo_expect(e, 100000);
	lab_run(&e->lab, LAB_SECOND, never, NULL);
	cr_assert_eq(arq_address_port(&arq_quic_connection_path(e->server.connection)->remote),
		     40001);
	cr_assert_geq(lab_counters(e->lab.server).paths_migrated, 1);
	echo_destroy(e);
}

/* --- noise ------------------------------------------------------------------------------------ */

#define KEPT 64

struct corpus {
	struct recording packets[KEPT];
	size_t count;
};

static void collect(struct lab_io *io, struct lab_datagram *datagram)
{
	struct corpus *corpus = io->tap_user;
	struct recording *one = &corpus->packets[corpus->count++ % KEPT];

	one->length = datagram->length;
	memcpy(one->data, datagram->data, datagram->length);
}

static void mutate(struct recording *packet)
{
	for (long n = random() % 8; n >= 0; n--)
		packet->data[(size_t)random() % (random() % 2 ? 40 : packet->length)] ^=
			(uint8_t)random();
	if (random() % 4 == 0)
		packet->length = 1 + (size_t)random() % packet->length;
}

/* Real packets, bent: whatever they do, nothing breaks, and the connection goes on. */
Test(quic_endpoint, mutated_packets_do_no_harm)
{
	struct echo *e = echo_new();
	struct corpus *corpus = calloc(1, sizeof(*corpus));

	srandom(3);
	e->options.retry = ARQ_QUIC_RETRY_NEVER;
	e->options.max_half_open = 500;
	e->transport.handshake_timeout = LAB_SECOND;
	echo_create(e);
	e->lab.client_io.tap = collect;
	e->lab.client_io.tap_user = corpus;
	echo_shake_hands(e);
	echo_send(e, 20000);
	echo_expect(e, 20000);
	e->lab.client_io.tap = NULL;
	for (size_t i = 0; i < 20000; i++) {
		struct recording packet =
			corpus->packets[(size_t)random() %
					(corpus->count < KEPT ? corpus->count : KEPT)];

		mutate(&packet);
		lab_inject(random() % 8 ? &e->lab.server_io : &e->lab.client_io, packet.data,
			   packet.length);
		if (i % 16 == 0)
			lab_step(&e->lab);
	}
	lab_run(&e->lab, 10 * LAB_SECOND, never, NULL);
	cr_assert(!e->client.closed && !e->server.closed);
	cr_assert_eq(lab_counters(e->lab.server).half_open, 0);
	cr_assert_eq(arq_quic_connections(e->lab.server), 1);
	free(corpus);
	echo_destroy(e);
}

Test(quic_endpoint, random_datagrams_do_no_harm)
{
	struct echo *e = echo_new();
	uint8_t packet[ARQ_IO_PAYLOAD_MAX];

	srandom(4);
	echo_create(e);
	echo_shake_hands(e);
	lab_inject(&e->lab.server_io, packet, 0);
	for (size_t i = 0; i < 20000; i++) {
		size_t length = 1 + (size_t)random() % (i % 2 ? 64 : sizeof(packet));

		gnutls_rnd(GNUTLS_RND_NONCE, packet, length);
		if (i % 3 == 0)
			memcpy(packet + 1, "\0\0\0\1", length > 4 ? 4 : length - 1);
		lab_inject(&e->lab.server_io, packet, length);
		if (i % 32 == 0)
			lab_step(&e->lab);
	}
	echo_send(e, 1000);
	echo_expect(e, 1000);
	echo_destroy(e);
}
