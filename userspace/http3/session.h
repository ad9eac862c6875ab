/* SPDX-License-Identifier: BSD-2-Clause */
/* What the parts of this room share: the worker's part, sessions, streams. */
#ifndef ARQUANT_HTTP3_SESSION_H
#define ARQUANT_HTTP3_SESSION_H

#include "userspace/common/memory.h"
#include "userspace/http3/fields.h"
#include "userspace/http3/http3.h"
#include "userspace/quic/send_buffer.h"

#include <nghttp3/nghttp3.h>
#include <sys/queue.h>

/* Pseudo header fields and content-length, beside max_fields_sent of the application's. */
#define NV_EXTRA 8

struct arq_h3 {
	struct arq_h3_options options;
	struct arq_h3_counters counters;
	struct arq_memory memory;
	nghttp3_mem allocator; /* counts into memory */
	struct arq_send_pool pool;
	nghttp3_nv *nv; /* scratch for a section on its way out: max_fields_sent + NV_EXTRA */
	struct arq_h3_field *fields; /* scratch for one on its way in: max_fields */
	size_t widened; /* bytes of wide_budget in use */
};

enum shutdown_stage {
	SHUTDOWN_NOT,
	SHUTDOWN_ASKED, /* the timer will say so to the peer */
	SHUTDOWN_NOTICED, /* GOAWAY without a real id is out */
	SHUTDOWN_FINAL, /* GOAWAY is out; ends with the last stream */
};

LIST_HEAD(stream_list, arq_h3_stream);

/* Streams are found by id: a small hash, since ids of open streams are close together. */
#define STREAM_BUCKETS 64

struct arq_h3_session {
	struct arq_h3 *h3;
	struct arq_quic_connection *connection;
	nghttp3_conn *conn; /* NULL before the handshake is done */
	const struct arq_h3_session_ops *ops;
	void *user;
	bool server;
	bool goaway; /* the peer's */
	bool widened; /* server: the connection's window is wide; credit cannot be taken back */
	int64_t control_id; /* server: the client's control stream, 0 while it is not known */
	enum shutdown_stage shutdown;
	uint64_t max_streams; /* server: requests the client may ever start, so far */
	size_t stream_count;
	struct stream_list streams[STREAM_BUCKETS];
};

struct arq_h3_stream {
	LIST_ENTRY(arq_h3_stream) entry;
	struct arq_h3_session *session;
	int64_t id;
	const struct arq_h3_stream_ops *ops; /* NULL: no application has it */
	void *user;
	struct section section; /* being received */
	struct arq_send_buffer body; /* being sent */
	size_t unconsumed; /* bytes of body given to the application, not yet credited */
	size_t delivered; /* bytes of body in the data being read now */
	size_t consumed; /* of body; up to WIDE_AFTER windows */
	size_t widened; /* bytes that its window is wider than stream_window */
	uint64_t error; /* why it ends; 0: no error */
	struct arq_h3_priority priority; /* server: as the application knows it */
	bool rx_begun; /* a byte of it was read */
	bool rx_ended; /* the peer's message is complete */
	bool rx_dead; /* no more of the peer's message is looked at */
	bool tx_begun; /* our header section is out: request, or final response */
	bool tx_body; /* nghttp3 asks arq_send_buffer_take for what follows */
	bool tx_finished; /* our message is complete */
	bool tx_trailers; /* with trailers after the body */
	bool tx_dead; /* our side was reset */
	bool tx_waits; /* nghttp3 found nothing to send, and asks again when it is told so */
	bool wants_room; /* on_writable is due */
};

/* --- session.c -------------------------------------------------------------------------------- */

/* Closes the connection for an error of nghttp3. */
void session_fail(struct arq_h3_session *session, int error);

/* --- priority.c --------------------------------------------------------------------------------
 */

/* Server: the client's control stream said something, maybe that priorities are others. */
void session_reprioritized(struct arq_h3_session *session);

/* --- stream.c --------------------------------------------------------------------------------- */

/* Returns NULL when there is no memory. */
struct arq_h3_stream *stream_create(struct arq_h3_session *session, int64_t id);
struct arq_h3_stream *stream_find(struct arq_h3_session *session, int64_t id);

/* The last of it: credits what is left, on_closed, freed. */
void stream_destroy(struct arq_h3_stream *stream);

/*
 * Ends both directions with `code`, as far as they are not ended, and tells the application of
 * `error` by on_reset when the peer's message was not complete.
 */
void stream_abort(struct arq_h3_stream *stream, uint64_t code, uint64_t error);

/* 431 for a request whose field section is over the limit; the response side of stream_abort. */
void stream_too_large(struct arq_h3_stream *stream);

/* nghttp3 asks for body. */
nghttp3_ssize stream_read_body(nghttp3_conn *conn, int64_t id, nghttp3_vec *vecs, size_t count,
			       uint32_t *flags, void *session_user, void *stream_user);

/* The peer acknowledged `length` bytes of body. */
void stream_acked(struct arq_h3_stream *stream, uint64_t length);

#endif
