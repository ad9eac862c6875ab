/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An application for the laboratory: the client sends a pattern on one stream, the server sends
 * back what it gets.
 */
#ifndef ARQUANT_TESTS_UNIT_TEST_QUIC_ECHO_H
#define ARQUANT_TESTS_UNIT_TEST_QUIC_ECHO_H

#include "test_quic_lab.h"

#define ECHO_MAX       (2 << 20)
#define RESUMPTION_MAX 4096

struct peer {
	struct arq_quic_connection *connection;
	bool ready, closed, fin_received, blocked, hold;
	bool early; /* received something before the handshake was complete */
	struct arq_quic_close close;
	char reason[64];
	char subject[64]; /* server: of the client's certificate */
	bool resumed;
	int64_t stream;
	uint8_t *out;
	size_t out_length, out_sent, out_acked;
	bool out_fin, fin_sent;
	size_t received;
	bool mismatch; /* received something else than what the pattern says */
	unsigned int timer_calls;
	uint8_t resumption[RESUMPTION_MAX]; /* client: what the last ticket gave */
	size_t resumption_length;
};

struct echo {
	struct lab lab;
	struct peer server, client;
	struct arq_quic_endpoint_options options;
	struct arq_quic_application application;
	struct arq_quic_transport transport;
	bool resume, early_data; /* of the connections to come */
};

/* The byte of the pattern at an offset. */
uint8_t echo_pattern(size_t offset);

extern const struct arq_quic_ops echo_ops;

/* Options are the defaults; change them, then create. */
struct echo *echo_new(void);
void echo_create(struct echo *e);
void echo_destroy(struct echo *e);

/* Forgets both ends' part of a connection that is over. */
void echo_again(struct echo *e);

void echo_connect_as(struct echo *e, const char *name, const char *alpn);
void echo_connect(struct echo *e); /* "localhost", "echo" */
void echo_shake_hands(struct echo *e);

/* The client sends so much of the pattern, with FIN; all of it comes back. */
void echo_send(struct echo *e, size_t length);
void echo_expect(struct echo *e, size_t length);

/* For lab_run; `user` is the struct echo. */
bool both_ready(void *user);
bool client_closed(void *user);
bool server_closed(void *user);
bool both_closed(void *user);
bool never(void *user);

#endif
