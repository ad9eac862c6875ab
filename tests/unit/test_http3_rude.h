/* SPDX-License-Identifier: BSD-2-Clause */
/* A client of HTTP/3 without manners: it writes its streams' octets by hand, and sees what ends. */
#ifndef ARQUANT_TESTS_UNIT_TEST_HTTP3_RUDE_H
#define ARQUANT_TESTS_UNIT_TEST_HTTP3_RUDE_H

#include "userspace/quic/quic.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RUDE_STREAMS 16

struct rude_stream {
	int64_t id;
	uint8_t out[65536];
	size_t length, sent;
	bool fin, fin_sent, blocked;
	bool reset, closed;
	uint64_t code;
	uint8_t in[4096]; /* the beginning of the answer */
	size_t received;
};

struct rude {
	struct arq_quic_connection *connection;
	bool ready, closed;
	struct arq_quic_close close;
	struct rude_stream *streams[RUDE_STREAMS];
	size_t count;
};

/* For a connection whose user is a struct rude, zeroed but for `connection`. */
extern const struct arq_quic_ops rude_ops;

/* A stream to write to; wake the connection when something is there. */
struct rude_stream *rude_open(struct rude *rude, bool bidirectional);

/* Once the connection is closed. */
void rude_free(struct rude *rude);

/* Octets; HEADERS as frame_headers takes them; DATA. */
void rude_put(struct rude_stream *stream, const void *data, size_t length);
void rude_put_headers(struct rude_stream *stream, const char *lines);
void rude_put_data(struct rude_stream *stream, const char *data);

#endif
