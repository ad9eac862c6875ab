/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A client and a server session in a laboratory of test_quic_lab.h. The server's handler does what
 * the path says; the client's exchanges note what happened to them.
 *
 *	/hello		"hello world", a static body
 *	/echo		the request's body, coupled as a proxy couples
 *	/big		1 MiB, written whenever there is room
 *	/hold		takes the body and never consumes it
 *	/trailers	103, then 200 with a trailer
 *	/early		413 at once, and STOP_SENDING
 *	/reset		resets its response
 *	/large		a field section of 20 000 bytes
 *	anything else	is not accepted
 */
#ifndef ARQUANT_TESTS_UNIT_TEST_HTTP3_LAB_H
#define ARQUANT_TESTS_UNIT_TEST_HTTP3_LAB_H

#include "test_quic_lab.h"
#include "userspace/http3/http3.h"

#include <sys/queue.h>

struct h3lab;

/* A request as the client sees it. */
struct exchange {
	LIST_ENTRY(exchange) entry;
	struct arq_h3_stream *stream; /* NULL once closed */
	size_t to_send, sent; /* of the body */
	bool trailers; /* send one at the end */
	bool finished; /* our message is */
	bool hold; /* do not consume */
	unsigned int status, information;
	size_t received;
	bool mismatch;
	size_t trailer_count;
	bool ended, stopped, closed, clean;
	uint64_t reset, code;
};

struct h3lab {
	struct lab lab;
	struct arq_h3_options options;
	struct arq_h3 *server, *client;
	struct arq_h3_server service;
	struct arq_quic_application application;
	struct arq_h3_session *server_session, *client_session;
	bool client_ready, client_closed, server_closed;
	struct arq_quic_close client_close;
	uint8_t resumption[4096]; /* what the last ticket gave */
	size_t resumption_length;
	bool resume; /* connections to come do, with early data */
	const char *at_once; /* path of a request to start when ready; NULL: none */
	struct exchange *first; /* that request */
	unsigned int goaways;
	int64_t goaway_id;
	LIST_HEAD(, exchange) exchanges; /* freed with the laboratory */
	/* What the handler saw. */
	char last_request[256];
	bool last_early;
	size_t trailers_received, held, released;
	uint64_t server_reset;
};

extern const struct arq_h3_stream_ops exchange_ops;

/* Change `options` before the start. */
struct h3lab *h3lab_new(void);
void h3lab_listen(struct h3lab *l);
void h3lab_connect(struct h3lab *l); /* listens the first time, and does not wait */
void h3lab_start(struct h3lab *l); /* connects, and waits for the handshake */
void h3lab_destroy(struct h3lab *l);

void h3lab_wait(struct h3lab *l, uint64_t ns);

/* To https://localhost. */
struct arq_h3_request h3lab_message(const char *method, const char *path);
struct exchange *exchange_new(struct h3lab *l);

/* Starts one; NULL when no stream is left. */
struct exchange *h3lab_request(struct h3lab *l, const char *method, const char *path, bool body);
struct exchange *h3lab_get(struct h3lab *l, const char *path);
struct exchange *h3lab_post(struct h3lab *l, const char *path, size_t length);

/* Sends what there is room for. */
void h3lab_pump(struct exchange *x);

/* Waits until it is closed, a simulated ten minutes at most. */
void h3lab_finish(struct h3lab *l, struct exchange *x);

struct arq_h3_counters h3lab_counters(const struct h3lab *l, bool server);

#endif
