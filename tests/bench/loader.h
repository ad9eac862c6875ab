/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Load on an HTTP/3 server: connections that ask and ask again, and what came of it. A client on
 * our own rooms (udp io, QUIC, HTTP/3), one thread, at home on one core.
 *
 * Closed loop: each connection has `streams` requests under way, and an answer is followed by the
 * next request. With a rate, requests (with per_connection 1: connections) fall due at even
 * distances whether or not the server keeps up, and their latency counts from that time.
 *
 * A connection that the server ends in order (GOAWAY) is replaced; requests it did not take
 * (H3_REQUEST_REJECTED) are asked again elsewhere. Neither is a failure. Everything else that is
 * not an answer with a status of 2xx and, where one is asked for, the right length, is.
 */
#ifndef ARQUANT_BENCH_LOADER_H
#define ARQUANT_BENCH_LOADER_H

#include "tests/bench/histogram.h"
#include "userspace/common/address.h"
#include "userspace/common/error.h"

#include <stdbool.h>
#include <stdint.h>

struct load_options {
	union arq_address server;
	const char *host; /* SNI and :authority */
	const char *path;
	const char *key; /* name of a field with another value in each request; NULL: none */
	uint32_t connections;
	uint32_t streams; /* requests under way on each; 0: connections idle */
	uint32_t per_connection; /* requests after which it is replaced; 0: never */
	uint32_t sockets; /* that connections are spread over: source ports, hence queues */
	uint64_t requests; /* ends after so many; 0: by time */
	uint64_t duration_ns;
	uint64_t warm_up_ns; /* before that, nothing counts */
	uint64_t patience_ns; /* for what is under way at the end, or shows no sign */
	double rate; /* a second; 0: closed loop */
	int64_t expect; /* bytes of each body; -1: any */
	uint32_t window; /* bytes of flow control a stream */
	const int *watched; /* processes whose CPU time is taken */
	uint32_t watched_count;
};

#define LOAD_FAILURES_MAX 32

struct load_failure {
	char kind[64]; /* "status 503", "reset 0x10c", "handshake: timeout", ... */
	uint64_t count;
};

/* Of the measured time. */
struct load_result {
	double seconds;
	uint64_t answered; /* requests */
	uint64_t failed;
	uint64_t rejected; /* by the server, not processed; asked again */
	uint64_t bytes; /* of bodies */
	uint64_t opened; /* handshakes completed */
	uint64_t unopened; /* handshakes failed */
	uint64_t lost; /* connections that ended with an error after the handshake */
	struct histogram latency; /* ns, of answered requests */
	struct histogram opening; /* ns, of handshakes */
	struct load_failure failures[LOAD_FAILURES_MAX];
	uint32_t failure_count;
	double cpu_seconds; /* of the watched processes */
};

/*
 * Runs to the end. Returns 0 and the result, also when requests failed, or a negative errno with
 * the reason in `error` when it could not begin or go on.
 */
int load_run(const struct load_options *options, struct load_result *result,
	     struct arq_error *error);

#endif
