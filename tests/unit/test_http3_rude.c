// SPDX-License-Identifier: BSD-2-Clause
#include "test_http3_rude.h"

#include "test_http3_frames.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static struct rude_stream *rude_find(struct rude *rude, int64_t id)
{
	for (size_t i = 0; i < rude->count; i++) {
		if (rude->streams[i]->id == id)
			return rude->streams[i];
	}
	return NULL;
}

static void rude_ready(struct arq_quic_connection *connection, void *user)
{
	(void)connection;
	((struct rude *)user)->ready = true;
}

static void rude_data(struct arq_quic_connection *connection, void *user, int64_t id,
		      uint64_t offset, const uint8_t *data, size_t length, bool fin)
{
	struct rude_stream *stream = rude_find(user, id);

	(void)fin;
	arq_quic_stream_consume(connection, id, length);
	if (stream && offset + length <= sizeof(stream->in)) {
		memcpy(stream->in + offset, data, length);
		stream->received += length;
	}
}

static void rude_acked(struct arq_quic_connection *connection, void *user, int64_t id,
		       uint64_t offset, uint64_t length)
{
	(void)connection;
	(void)user;
	(void)id;
	(void)offset;
	(void)length;
}

static void rude_reset(struct arq_quic_connection *connection, void *user, int64_t id,
		       uint64_t final_size, uint64_t code)
{
	struct rude_stream *stream = rude_find(user, id);

	(void)connection;
	(void)final_size;
	if (stream) {
		stream->reset = true;
		stream->code = code;
	}
}

static void rude_shut(struct arq_quic_connection *connection, void *user, int64_t id)
{
	struct rude_stream *stream = rude_find(user, id);

	(void)connection;
	if (stream) {
		stream->sent = stream->length;
		stream->fin_sent = true;
	}
}

static void rude_stop(struct arq_quic_connection *connection, void *user, int64_t id, uint64_t code)
{
	(void)code;
	rude_shut(connection, user, id);
}

static void rude_stream_closed(struct arq_quic_connection *connection, void *user, int64_t id)
{
	struct rude_stream *stream = rude_find(user, id);

	(void)connection;
	if (stream)
		stream->closed = true;
}

static void rude_next(struct arq_quic_connection *connection, void *user,
		      struct arq_quic_write *write)
{
	struct rude *rude = user;

	(void)connection;
	for (size_t i = 0; i < rude->count; i++) {
		struct rude_stream *stream = rude->streams[i];

		if (stream->blocked || stream->fin_sent ||
		    (stream->sent == stream->length && !stream->fin))
			continue;
		write->stream_id = stream->id;
		write->vecs[0].data = stream->out + stream->sent;
		write->vecs[0].length = stream->length - stream->sent;
		write->count = 1;
		write->fin = stream->fin;
		return;
	}
}

static void rude_written(struct arq_quic_connection *connection, void *user, int64_t id,
			 size_t length)
{
	struct rude_stream *stream = rude_find(user, id);

	(void)connection;
	stream->sent += length;
	stream->fin_sent = stream->fin && stream->sent == stream->length;
}

static void rude_blocked(struct arq_quic_connection *connection, void *user, int64_t id)
{
	(void)connection;
	rude_find(user, id)->blocked = true;
}

static void rude_unblocked(struct arq_quic_connection *connection, void *user, int64_t id)
{
	struct rude_stream *stream = rude_find(user, id);

	(void)connection;
	if (stream)
		stream->blocked = false;
}

static void rude_closed(struct arq_quic_connection *connection, void *user,
			const struct arq_quic_close *close)
{
	struct rude *rude = user;

	(void)connection;
	rude->closed = true;
	rude->close = *close;
}

const struct arq_quic_ops rude_ops = {
	.ready = rude_ready,
	.stream_data = rude_data,
	.stream_acked = rude_acked,
	.stream_reset = rude_reset,
	.stop_sending = rude_stop,
	.stream_closed = rude_stream_closed,
	.unblocked = rude_unblocked,
	.next_write = rude_next,
	.written = rude_written,
	.blocked = rude_blocked,
	.shut = rude_shut,
	.closed = rude_closed,
};

struct rude_stream *rude_open(struct rude *rude, bool bidirectional)
{
	struct rude_stream *stream = calloc(1, sizeof(*stream));

	cr_assert_lt(rude->count, RUDE_STREAMS);
	cr_assert_eq(arq_quic_stream_open(rude->connection, bidirectional, &stream->id), 0);
	rude->streams[rude->count++] = stream;
	return stream;
}

void rude_free(struct rude *rude)
{
	for (size_t i = 0; i < rude->count; i++)
		free(rude->streams[i]);
}

/* --- frames by hand --------------------------------------------------------------------------- */

void rude_put(struct rude_stream *stream, const void *data, size_t length)
{
	cr_assert_leq(stream->length + length, sizeof(stream->out));
	memcpy(stream->out + stream->length, data, length);
	stream->length += length;
}

void rude_put_headers(struct rude_stream *stream, const char *lines)
{
	uint8_t frame[FRAME_MAX];
	rude_put(stream, frame, frame_headers(frame, lines));
}

void rude_put_data(struct rude_stream *stream, const char *data)
{
	uint8_t frame[FRAME_MAX];
	rude_put(stream, frame, frame_data(frame, data, strlen(data)));
}
