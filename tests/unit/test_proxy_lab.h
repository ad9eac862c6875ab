/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A client, the proxy and a backend in one thread, over loopback UDP: each with an endpoint of its
 * own, so that everything between them is real QUIC, and the test decides what both ends do. A
 * few other backends can stand in where the first one fails. Failures end the test by themselves.
 */
#ifndef ARQUANT_TEST_PROXY_LAB_H
#define ARQUANT_TEST_PROXY_LAB_H

#include "userspace/http3/http3.h"
#include "userspace/proxy/proxy.h"
#include "userspace/proxy/roster.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LAB_BACKENDS 3
#define LAB_TEXT_MAX 128
#define LAB_LINES    16

/* Field lines and what else was seen of a message, copied. */
struct lab_message {
	unsigned int status;
	char method[LAB_TEXT_MAX], path[LAB_TEXT_MAX], authority[LAB_TEXT_MAX];
	char names[LAB_LINES][LAB_TEXT_MAX], values[LAB_LINES][LAB_TEXT_MAX];
	size_t lines;
	char trailer[LAB_TEXT_MAX]; /* the first trailer line, "name: value" */
	uint64_t length; /* of the body */
	uint64_t sum; /* of it, order-sensitive */
	bool complete; /* on_end */
	bool reset;
	uint64_t reset_code;
	bool stopped; /* the peer wants no more of our message */
	uint64_t stop_code;
	bool closed, clean;
	uint64_t close_code;
};

/* A request of the client. */
struct lab_call {
	struct lab_message response;
	unsigned int informed[4]; /* interim responses */
	size_t informed_count;
	bool paused; /* does not consume what it receives */
	uint64_t owed; /* received and not consumed */
	uint64_t upload; /* bytes still to be sent */
	uint64_t uploaded;
	bool finish; /* after the upload; with the trailer if that is set */
	bool trailer;
	const char *via; /* sent with the request; NULL: none */
	const char *length; /* the same, of Content-Length */
	const char *priority; /* the same, of Priority */
	struct arq_h3_stream *stream; /* NULL once closed */
};

/* What a backend does with a request, by its path. */
struct lab_request {
	struct lab_message request;
	struct lab_backend *backend;
	struct arq_h3_stream *stream; /* NULL once closed */
	bool echo; /* the body goes back */
	uint64_t download; /* bytes still to be sent */
	uint64_t downloaded;
	bool keep; /* does not end after the download */
	bool paused; /* does not consume the request's body */
	uint64_t owed;
};

struct lab_backend {
	struct lab *lab;
	struct arq_io *io;
	struct arq_quic_endpoint *endpoint;
	struct arq_h3 *h3;
	struct arq_h3_server server;
	struct arq_quic_listener *listener;
	union arq_address address;
	struct arq_h3_session *session; /* the last that became ready, NULL once closed */
	struct lab_request requests[256];
	size_t count;
	size_t sessions;
	unsigned int refuse; /* requests from now on that are rejected */
	unsigned int fail; /* requests from now on that are answered by 500 */
	unsigned int reset; /* requests from now on that are reset before an answer */
	bool mute; /* answers no request */
	const char *priority; /* of responses from now on; NULL: none is said */
	bool deaf; /* receives nothing and sends nothing */
};

/* Instead of HTTP/3 on both ends: raw streams, which the test sees by itself. */
struct lab_raw {
	const char *alpn;
	const struct arq_quic_ops *backend; /* user: the struct lab_backend */
	const struct arq_quic_ops *client; /* user: the struct lab */
	uint64_t uni; /* unidirectional streams that backends take */
	uint64_t datagram; /* octets of DATAGRAM frames that both ends take */
	void *user; /* the test's */
};

struct lab {
	const struct lab_raw *raw; /* NULL: HTTP/3 */
	struct arq_config *config;
	struct lab_backend backends[LAB_BACKENDS];
	struct arq_proxy_shared *shared;
	struct arq_proxy *proxy;
	struct arq_quic_endpoint *front;
	struct arq_io *front_io, *upstream_io;
	union arq_address front_address;
	struct arq_quic_tls *tls;
	struct arq_io *client_io;
	union arq_address client_address;
	struct arq_quic_endpoint *client_endpoint;
	struct arq_h3 *client_h3;
	struct arq_quic_client_tls *client_tls;
	struct arq_h3_session *session;
	bool ready, gone;
	bool client_goaway;
	uint8_t resumption[4096]; /* what the last ticket gave */
	size_t resumption_length;
	struct arq_quic_replay *replay;
	void (*at_once)(struct lab *lab); /* while a connection that resumes is made */
	uint64_t now;
	uint64_t forward; /* nanoseconds that the lab's clock is ahead */
};

/* Who takes the proxy's records; nobody unless it is set before a start. */
extern struct arq_record_sink lab_sink;

/*
 * Who knows the addresses of names: then targets are b0.test, b1.test and so on, with the backends'
 * ports. NULL, as at first: they are addresses.
 */
extern const struct arq_proxy_names *lab_names;

/*
 * Starts everything and connects the client. `targets` of the pool "p": 1 to LAB_BACKENDS. Routes:
 * /direct and /nothing (204) are answered by the proxy, other hosts below .test go to the pool.
 */
struct lab *lab_start(size_t targets);

/*
 * The same with other YAML: lines of keys of the pool, indented by six (NULL: none more), and of
 * the list of routes, indented by four (NULL: those above). Where the pool has no `policy` it is
 * round-robin, where it has no `tls` nothing is verified; targets are appended, so that `targets:`
 * with some of the test's own comes last.
 */
struct lab *lab_start_with(size_t targets, const char *pool, const char *routes);

/*
 * The same with raw streams from end to end: the pool has raw->alpn, and the only route leads to
 * it. No client is connected yet.
 */
struct lab *lab_start_raw(size_t targets, const char *pool, const struct lab_raw *raw);

/* A connection of raw->client's; the test's ops hear of it. */
struct arq_quic_connection *lab_connect_raw(struct lab *lab, const char *server_name);

/* Ends and frees everything; leaks show in the sanitizer. */
void lab_stop(struct lab *lab);

/* Runs everybody until the expression holds; fails the test after 20 seconds. */
#define LAB_UNTIL(lab, expression)                      \
	do {                                            \
		for (lab_deadline(lab); !(expression);) \
			lab_round(lab, #expression);    \
	} while (0)

/*
 * Ends the client's connection and begins another that sends 0-RTT: `at_once` makes its requests.
 */
void lab_resume_early(struct lab *lab, void (*at_once)(struct lab *lab));

/* The pieces of LAB_UNTIL: sets the time by which the next rounds must succeed; one round. */
void lab_deadline(struct lab *lab);
void lab_round(struct lab *lab, const char *waiting_for);

/* Rounds for so long, whatever happens. */
void lab_rest(struct lab *lab, unsigned int milliseconds);

/* Begins a request; body of `upload` patterned bytes, and finish as set in the call before. */
void lab_call(struct lab *lab, struct lab_call *call, const char *method, const char *authority,
	      const char *path, bool body);

/* A paused call goes on reading. */
void lab_resume(struct lab_call *call);

/* A backend's paused request goes on reading. */
void lab_request_resume(struct lab_request *request);

/* Sum of `length` patterned bytes, as struct lab_message has it. */
uint64_t lab_sum(uint64_t length);

/* Value of a field, "" when there is none. */
const char *lab_value(const struct lab_message *message, const char *name);

void lab_counters(struct lab *lab, struct arq_proxy_counters *counters);

#endif
