/* SPDX-License-Identifier: BSD-2-Clause */
/* Session tickets, 0-RTT with its record of repetitions, and clients' certificates. */
#include "test_quic_echo.h"
#include "userspace/quic/replay.h"

#include <criterion/criterion.h>
#include <ngtcp2/ngtcp2.h>
#include <stdlib.h>
#include <string.h>

/* Credentials like the laboratory's, with tickets, for the server. */
static void use_tls(struct echo *e, struct arq_quic_tls_options *options)
{
	const struct arq_quic_certificate files = {e->lab.certificate.certificate,
						   e->lab.certificate.key};
	struct arq_error error = {0};
	struct arq_quic_tls *tls;

	options->certificates = &files;
	options->count = 1;
	cr_assert_eq(arq_quic_tls_create(options, &tls, &error), 0, "%s", error.text);
	arq_quic_listener_update(e->lab.listener, tls, &e->transport);
	arq_quic_tls_put(tls);
}

static void use_tickets(struct echo *e, struct arq_quic_replay *replay)
{
	struct arq_quic_tls_options options = {.secret = e->options.secret, .replay = replay};

	use_tls(e, &options);
}

static void visit(struct echo *e, size_t length)
{
	echo_shake_hands(e);
	echo_send(e, length);
	echo_expect(e, length);
	lab_run(&e->lab, LAB_SECOND, never, NULL);
	arq_quic_connection_close(e->client.connection, true, 0, NULL);
	cr_assert(lab_run(&e->lab, LAB_SECOND, both_closed, e));
}

Test(quic_resumption, a_ticket_shortens_the_next_visit)
{
	struct echo *e = echo_new();

	echo_create(e);
	use_tickets(e, NULL);
	visit(e, 1000);
	cr_assert_gt(e->client.resumption_length, 0);
	cr_assert_eq(lab_counters(e->lab.server).tickets_sent, 1);
	cr_assert(!e->client.resumed && !e->server.resumed);
	echo_again(e);
	e->resume = true;
	visit(e, 1000);
	cr_assert(e->client.resumed && e->server.resumed);
	cr_assert(!e->server.early);
	cr_assert_eq(lab_counters(e->lab.server).handshakes_resumed, 1);
	cr_assert_eq(lab_counters(e->lab.server).early_data_accepted, 0);
	echo_destroy(e);
}

/* Another worker, or a process after a restart: whoever has the secret. */
Test(quic_resumption, the_secret_is_all_that_a_ticket_needs)
{
	struct echo *e = echo_new();

	echo_create(e);
	use_tickets(e, NULL);
	visit(e, 1000);
	echo_again(e);
	lab_restart_server(&e->lab, &e->options);
	lab_listen(&e->lab, &e->application, 1, &e->transport);
	use_tickets(e, NULL);
	e->resume = true;
	visit(e, 1000);
	cr_assert(e->server.resumed);
	echo_again(e);
	e->options.secret[0] ^= 1;
	lab_restart_server(&e->lab, &e->options);
	lab_listen(&e->lab, &e->application, 1, &e->transport);
	use_tickets(e, NULL);
	visit(e, 1000);
	cr_assert(!e->server.resumed, "a ticket of another secret");
	echo_destroy(e);
}

Test(quic_resumption, no_tickets_without_a_secret)
{
	struct echo *e = echo_new();

	echo_create(e);
	visit(e, 1000);
	cr_assert_eq(e->client.resumption_length, 0);
	cr_assert_eq(lab_counters(e->lab.server).tickets_sent, 0);
	echo_destroy(e);
}

/* What a client kept may be cut off, or of another version of ours, by the time it is used. */
Test(quic_resumption, spoilt_parameters_are_left_aside)
{
	struct echo *e = echo_new();

	echo_create(e);
	use_tickets(e, NULL);
	visit(e, 100);
	e->resume = true;
	e->early_data = true;
	srandom(7);
	for (size_t i = 0; i < 30; i++) {
		size_t length = e->client.resumption_length;
		size_t head = 2 + (size_t)(e->client.resumption[0] << 8 | e->client.resumption[1]);
		uint8_t kept[RESUMPTION_MAX];

		memcpy(kept, e->client.resumption, length);
		if (i % 3)
			e->client.resumption[2 + (size_t)random() % (head - 2)] ^=
				(uint8_t)(1 + random() % 255);
		else
			e->client.resumption_length = i ? (size_t)random() % (head + 1) : 0;
		echo_again(e);
		echo_connect(e);
		lab_run(&e->lab, 30 * LAB_SECOND, both_ready, e);
		if (e->client.connection)
			arq_quic_connection_close(e->client.connection, true, 0, NULL);
		lab_run(&e->lab, 30 * LAB_SECOND, client_closed, e);
		cr_assert(e->client.closed);
		memcpy(e->client.resumption, kept, length);
		e->client.resumption_length = length;
	}
	echo_destroy(e);
}

/* --- 0-RTT ------------------------------------------------------------------------------------ */

struct kept {
	struct lab_datagram datagrams[2]; /* the ClientHello and what came with it */
	size_t count;
};

static void keep(struct lab_io *io, struct lab_datagram *datagram)
{
	struct kept *kept = io->tap_user;

	if (kept->count < 2)
		kept->datagrams[kept->count++] = *datagram;
}

static void early_visit(struct echo *e, size_t length)
{
	echo_again(e);
	e->resume = true;
	e->early_data = true;
	e->client.out_length = length;
	e->client.out_fin = true;
	echo_connect(e);
	echo_expect(e, length);
}

static void say_goodbye(struct echo *e)
{
	lab_run(&e->lab, LAB_SECOND, never, NULL);
	if (!e->client.closed)
		arq_quic_connection_close(e->client.connection, true, 0, NULL);
	cr_assert(lab_run(&e->lab, 2 * LAB_SECOND, both_closed, e));
}

Test(quic_resumption, early_data_arrives_with_the_handshake)
{
	struct echo *e = echo_new();
	struct arq_quic_replay *replay;

	cr_assert_eq(arq_quic_replay_create(&replay), 0);
	echo_create(e);
	use_tickets(e, replay);
	visit(e, 1000);
	early_visit(e, 500);
	cr_assert(e->server.early, "it came before the handshake was complete");
	cr_assert_eq(lab_counters(e->lab.server).early_data_accepted, 1);
	say_goodbye(e);
	early_visit(e, 100000);
	cr_assert(e->server.early);
	cr_assert_eq(lab_counters(e->lab.server).early_data_accepted, 2);
	say_goodbye(e);
	cr_assert_eq(lab_counters(e->lab.server).half_open, 0);
	lab_run(&e->lab, 10 * LAB_SECOND, never, NULL);
	cr_assert_eq(lab_counters(e->lab.server).memory, 0);
	echo_destroy(e);
	arq_quic_replay_put(replay);
}

/* The very same datagrams again, from elsewhere: the application must not see them twice. */
Test(quic_resumption, repeated_early_data_is_refused)
{
	struct echo *e = echo_new();
	struct arq_quic_replay *replay;
	struct kept *kept = calloc(1, sizeof(*kept));

	cr_assert_eq(arq_quic_replay_create(&replay), 0);
	echo_create(e);
	use_tickets(e, replay);
	visit(e, 1000);
	e->lab.client_io.tap = keep;
	e->lab.client_io.tap_user = kept;
	early_visit(e, 500);
	e->lab.client_io.tap = NULL;
	say_goodbye(e);
	lab_run(&e->lab, 10 * LAB_SECOND, never, NULL);
	e->server = (struct peer){.stream = -1, .out = e->server.out};
	/* To another worker, which knows nothing of the first visit's connection ids. */
	lab_restart_server(&e->lab, &e->options);
	lab_listen(&e->lab, &e->application, 1, &e->transport);
	use_tickets(e, replay);
	for (size_t i = 0; i < kept->count; i++)
		lab_inject(&e->lab.server_io, kept->datagrams[i].data, kept->datagrams[i].length);
	lab_run(&e->lab, 2 * LAB_SECOND, never, NULL);
	cr_assert_eq(lab_counters(e->lab.server).accepted, 1);
	cr_assert(!e->server.ready);
	cr_assert_eq(e->server.received, 0);
	cr_assert_eq(lab_counters(e->lab.server).early_data_accepted, 0);
	free(kept);
	echo_destroy(e);
	arq_quic_replay_put(replay);
}

/* The same without the restart, so that only the record can tell. */
Test(quic_resumption, the_record_alone_refuses)
{
	struct echo *e = echo_new();
	struct arq_quic_replay *replay;
	struct kept *kept = calloc(1, sizeof(*kept));

	cr_assert_eq(arq_quic_replay_create(&replay), 0);
	echo_create(e);
	use_tickets(e, replay);
	visit(e, 1000);
	e->lab.client_io.tap = keep;
	e->lab.client_io.tap_user = kept;
	early_visit(e, 500);
	e->lab.client_io.tap = NULL;
	say_goodbye(e);
	/* Long enough for the ids of the first visit to be free again. */
	lab_run(&e->lab, 30 * LAB_SECOND, never, NULL);
	e->server = (struct peer){.stream = -1, .out = e->server.out};
	for (size_t i = 0; i < kept->count; i++)
		lab_inject(&e->lab.server_io, kept->datagrams[i].data, kept->datagrams[i].length);
	lab_run(&e->lab, 2 * LAB_SECOND, never, NULL);
	cr_assert_eq(lab_counters(e->lab.server).accepted, 3, "a new connection, handshake only");
	cr_assert(!e->server.ready);
	cr_assert_eq(lab_counters(e->lab.server).early_data_accepted, 1);
	free(kept);
	echo_destroy(e);
	arq_quic_replay_put(replay);
}

static bool has_ended(void *user)
{
	struct echo *e = user;

	return e->client.closed;
}

/* A server that takes none: the application is told to begin anew. */
Test(quic_resumption, refused_early_data_ends_the_connection)
{
	struct echo *e = echo_new();
	struct arq_quic_replay *replay;

	cr_assert_eq(arq_quic_replay_create(&replay), 0);
	echo_create(e);
	use_tickets(e, replay);
	visit(e, 1000);
	/* A worker that started after the ticket was given cannot know what was repeated. */
	lab_restart_server(&e->lab, &e->options);
	lab_listen(&e->lab, &e->application, 1, &e->transport);
	use_tickets(e, replay);
	echo_again(e);
	e->resume = true;
	e->early_data = true;
	e->client.out_length = 500;
	e->client.out_fin = true;
	echo_connect(e);
	cr_assert(lab_run(&e->lab, 20 * LAB_SECOND, has_ended, e));
	cr_assert_eq(e->client.close.kind, ARQ_QUIC_CLOSE_EARLY_REFUSED);
	cr_assert_eq(e->server.received, 0);
	echo_again(e);
	e->early_data = false;
	visit(e, 500);
	cr_assert(e->server.resumed, "the ticket itself is good");
	echo_destroy(e);
	arq_quic_replay_put(replay);
}

/* Other limits than when the ticket was given: 0-RTT must not go by the old ones. */
Test(quic_resumption, tickets_are_bound_to_transport_parameters)
{
	struct echo *e = echo_new();

	echo_create(e);
	use_tickets(e, NULL);
	visit(e, 1000);
	lab_restart_server(&e->lab, &e->options);
	e->transport.max_data /= 2;
	lab_listen(&e->lab, &e->application, 1, &e->transport);
	use_tickets(e, NULL);
	echo_again(e);
	e->resume = true;
	visit(e, 1000);
	cr_assert(!e->server.resumed);
	echo_destroy(e);
}

Test(quic_resumption, the_record_remembers_and_forgets)
{
	struct arq_quic_replay *replay;
	uint8_t key[32] = {0};
	size_t taken = 0;

	cr_assert_eq(arq_quic_replay_create(&replay), 0);
	cr_assert(replay_add(replay, key, sizeof(key), 1000, 900));
	cr_assert(!replay_add(replay, key, sizeof(key), 1000, 900));
	cr_assert(!replay_add(replay, key, sizeof(key), 1099, 999));
	cr_assert(replay_add(replay, key, sizeof(key), 1100, 1000), "its time was over");
	for (uint32_t i = 1; i < 1000000; i++) {
		memcpy(key, &i, sizeof(i));
		taken += replay_add(replay, key, sizeof(key), 2000, 1000);
	}
	cr_assert_leq(taken, 8u << 16);
	cr_assert_gt(taken, 7u << 16, "%zu of the half million places used", taken);
	arq_quic_replay_put(replay);
}

/* --- clients' certificates -------------------------------------------------------------------- */

/* The client shows the certificate in `own` (NULL: none); its own client credentials replaced. */
static void show_certificate(struct echo *e, const struct test_certificate *own)
{
	const struct arq_quic_client_tls_options options = {
		.ca_file = e->lab.certificate.certificate,
		.certificate = own ? own->certificate : NULL,
		.key = own ? own->key : NULL,
	};
	struct arq_error error = {0};

	arq_quic_client_tls_put(e->lab.client_tls);
	cr_assert_eq(arq_quic_client_tls_create(&options, &e->lab.client_tls, &error), 0, "%s",
		     error.text);
}

struct clients {
	struct echo *echo;
	struct test_certificate alice, mallory;
};

static void clients_create(struct clients *c, enum arq_quic_client_auth auth)
{
	struct arq_quic_tls_options options = {.client_auth = auth};

	c->echo = echo_new();
	echo_create(c->echo);
	test_certificate_make(&c->alice, "alice");
	test_certificate_make(&c->mallory, "alice"); /* so she says */
	options.secret = c->echo->options.secret;
	options.client_ca = c->alice.certificate;
	use_tls(c->echo, &options);
}

static void clients_destroy(struct clients *c)
{
	test_certificate_remove(&c->alice);
	test_certificate_remove(&c->mallory);
	echo_destroy(c->echo);
}

/* How the visit of who shows `own` ends: 0, or the alert that the server sent. */
static uint64_t try_visit(struct echo *e, const struct test_certificate *own)
{
	show_certificate(e, own);
	echo_again(e);
	e->client.out_length = 100;
	e->client.out_fin = true;
	echo_connect(e);
	for (int i = 0; i < 3000 && !e->client.closed && !e->client.fin_received; i++)
		lab_step(&e->lab);
	if (e->client.closed)
		return e->client.close.code - NGTCP2_CRYPTO_ERROR;
	cr_assert(e->client.fin_received);
	say_goodbye(e);
	return 0;
}

Test(quic_resumption, required_client_certificates)
{
	struct clients c;

	clients_create(&c, ARQ_QUIC_CLIENT_AUTH_REQUIRED);
	cr_assert_eq(try_visit(c.echo, &c.alice), 0);
	cr_assert_str_eq(c.echo->server.subject, "CN=alice");
	cr_assert_eq(try_visit(c.echo, NULL), GNUTLS_A_CERTIFICATE_REQUIRED);
	cr_assert(!c.echo->server.ready);
	cr_assert_eq(try_visit(c.echo, &c.mallory), GNUTLS_A_BAD_CERTIFICATE);
	cr_assert(!c.echo->server.ready);
	cr_assert_eq(lab_counters(c.echo->lab.server).handshakes_failed_tls, 2);
	clients_destroy(&c);
}

Test(quic_resumption, optional_client_certificates)
{
	struct clients c;

	clients_create(&c, ARQ_QUIC_CLIENT_AUTH_OPTIONAL);
	cr_assert_eq(try_visit(c.echo, &c.alice), 0);
	cr_assert_str_eq(c.echo->server.subject, "CN=alice");
	cr_assert_eq(try_visit(c.echo, NULL), 0);
	cr_assert_str_eq(c.echo->server.subject, "");
	cr_assert_eq(try_visit(c.echo, &c.mallory), GNUTLS_A_BAD_CERTIFICATE);
	clients_destroy(&c);
}

/* Who was verified stays so with a ticket; and a ticket from elsewhere makes nobody verified. */
Test(quic_resumption, tickets_carry_the_client_not_past_the_check)
{
	struct arq_quic_tls_options options = {.client_auth = ARQ_QUIC_CLIENT_AUTH_REQUIRED};
	struct clients c;

	clients_create(&c, ARQ_QUIC_CLIENT_AUTH_REQUIRED);
	cr_assert_eq(try_visit(c.echo, &c.alice), 0);
	c.echo->resume = true;
	cr_assert_eq(try_visit(c.echo, NULL), 0);
	cr_assert(c.echo->server.resumed);
	cr_assert_str_eq(c.echo->server.subject, "CN=alice");
	/* A listener that asks nobody gives a ticket; the strict one must not take it. */
	use_tickets(c.echo, NULL);
	c.echo->resume = false;
	cr_assert_eq(try_visit(c.echo, NULL), 0);
	options.secret = c.echo->options.secret;
	options.client_ca = c.alice.certificate;
	use_tls(c.echo, &options);
	c.echo->resume = true;
	cr_assert_eq(try_visit(c.echo, NULL), GNUTLS_A_CERTIFICATE_REQUIRED);
	clients_destroy(&c);
}
