/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * HTTP/3 (RFC 9114) in both roles, by nghttp3, on userspace/quic.
 *
 * One `struct arq_h3` belongs to one worker thread, beside its arq_quic_endpoint: options, counters
 * and the pool of buffers that bodies wait in. A `struct arq_h3_session` is one connection, a
 * `struct arq_h3_stream` is one request with its response; the same calls and callbacks serve both
 * roles, since a proxy has one of each and couples them. Threads, time and from where a callback
 * may come are as in userspace/quic/quic.h: callbacks run inside arq_quic_receive and arq_quic_run
 * only, and may call everything here but arq_h3_destroy.
 *
 * A stream pointer is valid until its `on_closed` returns, which comes exactly once for each stream
 * that was accepted (arq_h3_stream_accept) or started (arq_h3_request), always last; when a session
 * ends, before the session's own on_closed. A session pointer is valid until its on_closed returns.
 *
 * Back-pressure. Received body bytes count against the flow control of stream and connection until
 * the application says arq_h3_stream_consume: that is the only thing that lets the peer send more
 * body. (Headers and framing are credited at once.) Body to send is copied, once, into a bounded
 * buffer of the stream and stays there until the peer acknowledged it; arq_h3_stream_write takes
 * what fits, on_sent tells what left. So the coupling of a proxy is, in each direction,
 *
 *	on_body(a, data, n):  arq_h3_stream_write(b, data, n)
 *	on_sent(b, n):        arq_h3_stream_consume(a, n)
 *
 * and with a send buffer (struct arq_h3_options.send_buffer) at least as large as the window of a
 * stream (stream_window) the write always takes everything: nothing else has to be kept.
 *
 * Messages are checked as RFC 9114 sections 4.1 to 4.3 ask before the application sees them; a
 * malformed one ends its stream with H3_MESSAGE_ERROR, not the connection. Field sections over the
 * limit are answered with 431 (server) or end the stream with H3_EXCESSIVE_LOAD (client).
 */
#ifndef ARQUANT_HTTP3_HTTP3_H
#define ARQUANT_HTTP3_HTTP3_H

#include "userspace/common/error.h"
#include "userspace/quic/quic.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Error codes, RFC 9114 section 8.1. */
enum arq_h3_error {
	ARQ_H3_NO_ERROR = 0x0100,
	ARQ_H3_GENERAL_PROTOCOL_ERROR = 0x0101,
	ARQ_H3_INTERNAL_ERROR = 0x0102,
	ARQ_H3_STREAM_CREATION_ERROR = 0x0103,
	ARQ_H3_CLOSED_CRITICAL_STREAM = 0x0104,
	ARQ_H3_FRAME_UNEXPECTED = 0x0105,
	ARQ_H3_FRAME_ERROR = 0x0106,
	ARQ_H3_EXCESSIVE_LOAD = 0x0107,
	ARQ_H3_ID_ERROR = 0x0108,
	ARQ_H3_SETTINGS_ERROR = 0x0109,
	ARQ_H3_MISSING_SETTINGS = 0x010a,
	ARQ_H3_REQUEST_REJECTED = 0x010b,
	ARQ_H3_REQUEST_CANCELLED = 0x010c,
	ARQ_H3_REQUEST_INCOMPLETE = 0x010d,
	ARQ_H3_MESSAGE_ERROR = 0x010e,
	ARQ_H3_CONNECT_ERROR = 0x010f,
	ARQ_H3_VERSION_FALLBACK = 0x0110,
};

struct arq_h3;
struct arq_h3_session;
struct arq_h3_stream;

/* Octets with a length; not terminated by zero. data is NULL when absent. */
struct arq_h3_text {
	const char *data;
	size_t length;
};

/* A field line. Names are lower-case. Received ones are valid during the callback only. */
struct arq_h3_field {
	struct arq_h3_text name;
	struct arq_h3_text value;
};

/* A string literal or any C string, as text. */
struct arq_h3_text arq_h3_text(const char *string);

/* RFC 9114 section 4.3.1. The pseudo-header fields are not among `fields`. */
struct arq_h3_request {
	struct arq_h3_text method;
	struct arq_h3_text scheme;
	struct arq_h3_text authority; /* :authority, or what Host says when there is none */
	struct arq_h3_text path;
	struct arq_h3_text protocol; /* RFC 9220, absent otherwise */
	const struct arq_h3_field *fields; /* in order, without Host */
	size_t field_count;
	/*
	 * Server: it came as 0-RTT, before the handshake was complete, so somebody may have
	 * repeated it elsewhere: RFC 8470. Clients' own are never early here.
	 */
	bool early;
};

/* RFC 9114 section 4.3.2. */
struct arq_h3_response {
	unsigned int status; /* 100 to 599 */
	const struct arq_h3_field *fields;
	size_t field_count;
};

/* RFC 9218, section 4. */
struct arq_h3_priority {
	uint8_t urgency; /* 0, first, to ARQ_H3_URGENCY_MAX */
	bool incremental; /* of use in pieces, so share with others of the same urgency */
};

#define ARQ_H3_URGENCY_MAX 7
/* clang-format off */
#define ARQ_H3_PRIORITY_DEFAULT {3, false}
/* clang-format on */

bool arq_h3_priority_equal(const struct arq_h3_priority *a, const struct arq_h3_priority *b);

/*
 * Reads the value of a Priority field; what it does not name stays. Returns false, and changes
 * nothing, when it is none.
 */
bool arq_h3_priority_read(struct arq_h3_priority *priority, struct arq_h3_text value);

/* --- callbacks -------------------------------------------------------------------------------- */

/* Of one stream; `user` is the stream's. Those marked * may be NULL. */
struct arq_h3_stream_ops {
	/* * Client: an interim response, 1xx but 101. May come several times, before on_response.
	 */
	void (*on_information)(struct arq_h3_stream *stream, void *user,
			       const struct arq_h3_response *response);

	/* Client (NULL on a server): the final response's header section. */
	void (*on_response)(struct arq_h3_stream *stream, void *user,
			    const struct arq_h3_response *response);

	/* Body; answer each byte by arq_h3_stream_consume, now or later. Valid during the call. */
	void (*on_body)(struct arq_h3_stream *stream, void *user, const uint8_t *data,
			size_t length);

	/* * Trailer section, after the body and before on_end. */
	void (*on_trailers)(struct arq_h3_stream *stream, void *user,
			    const struct arq_h3_field *fields, size_t count);

	/* The peer's message is complete and well-formed, its length as announced. */
	void (*on_end)(struct arq_h3_stream *stream, void *user);

	/*
	 * * `length` bytes of body that arq_h3_stream_write took have been acknowledged by the
	 * peer; the send buffer has that much more room.
	 */
	void (*on_sent)(struct arq_h3_stream *stream, void *user, size_t length);

	/* * arq_h3_stream_write took less than it was given, and now there is room again. */
	void (*on_writable)(struct arq_h3_stream *stream, void *user);

	/*
	 * The peer's message ended before it was complete: it reset its side (code as it said), or
	 * it was malformed or too large (code as we reset it). No on_body, on_trailers, on_end
	 * follow. Our own side may still be open.
	 */
	void (*on_reset)(struct arq_h3_stream *stream, void *user, uint64_t code);

	/*
	 * The peer wants no more of our message (STOP_SENDING; H3_NO_ERROR: it has what it needs,
	 * or its code is not known). Our side is reset; writing returns -EPIPE. The peer's message
	 * may still be coming. Noticed when there is something to send; a stream without is closed
	 * instead, not clean.
	 */
	void (*on_stop_sending)(struct arq_h3_stream *stream, void *user, uint64_t code);

	/* * Server: the client changed the priority of its request, see arq_h3_stream_priority. */
	void (*on_priority)(struct arq_h3_stream *stream, void *user);

	/*
	 * The end, always; `stream` is gone when this returns. `clean`: both messages were complete
	 * and acknowledged. Otherwise `code` is the error that ended the stream (or session).
	 */
	void (*on_closed)(struct arq_h3_stream *stream, void *user, bool clean, uint64_t code);
};

/* Of a session; `user` is the session's. Those marked * may be NULL. */
struct arq_h3_session_ops {
	/*
	 * * The handshake is complete; a client may start requests. On a server `user` is that of
	 * struct arq_h3_server: set the session's own here (arq_h3_session_set_user).
	 */
	void (*on_ready)(struct arq_h3_session *session, void *user);

	/*
	 * Server (NULL on a client): a request's header section. `end`: no body and no trailers
	 * follow (on_end still comes). The handler calls arq_h3_stream_accept before it returns;
	 * otherwise the stream is refused with H3_REQUEST_REJECTED. It may respond at once.
	 */
	void (*on_request)(struct arq_h3_session *session, void *user, struct arq_h3_stream *stream,
			   const struct arq_h3_request *request, bool end);

	/*
	 * * Client: what arq_h3_connect_options.resumption takes, for one later connection; valid
	 * during the call.
	 */
	void (*on_resumption)(struct arq_h3_session *session, void *user, const uint8_t *data,
			      size_t length);

	/* * Client: arq_h3_session_streams_left grew. */
	void (*on_streams)(struct arq_h3_session *session, void *user);

	/*
	 * * The peer sent GOAWAY. On a client: requests on streams with an id of `id` or above were
	 * not processed (they end with H3_REQUEST_REJECTED and can be repeated elsewhere), new ones
	 * return -ESHUTDOWN. A first one may carry a very large id: it is only a notice.
	 */
	void (*on_goaway)(struct arq_h3_session *session, void *user, int64_t id);

	/* * The end; `session` is gone when this returns. All its streams were closed before. */
	void (*on_closed)(struct arq_h3_session *session, void *user,
			  const struct arq_quic_close *close);
};

/* --- the worker's part ------------------------------------------------------------------------ */

struct arq_h3_options {
	size_t max_field_section; /* bytes as RFC 9114 section 4.2.2 counts: name, value, 32 each */
	size_t max_fields; /* field lines of a section that is received */
	size_t max_fields_sent; /* and of one that is sent */
	size_t send_buffer; /* bytes a stream may have written and not acknowledged */
	size_t stream_window; /* bytes of a message that may be received and not consumed */
	size_t wide_window; /* the same of a message that has shown to be long, if that is more */
	size_t wide_budget; /* bytes that all wide windows together may be wider */
	size_t max_streams; /* requests a session may have open at a time */
	size_t pool_spare; /* free slabs kept for reuse, small ones of as many bytes besides */
};

/* 16 KiB and 100 field lines, both ways; 256 KiB to send and to receive, no wide windows; 100
 * streams; 256 slabs. */
void arq_h3_options_default(struct arq_h3_options *options);

/*
 * What happened since creation; names are stable, they appear in metrics.
 *	field, what it counts
 */
#define ARQ_H3_COUNTERS(X)                                                           \
	X(sessions_server, "server sessions begun")                                  \
	X(sessions_client, "client sessions begun")                                  \
	X(requests_received, "requests given to a handler")                          \
	X(requests_sent, "requests started")                                         \
	X(responses_sent, "final responses sent")                                    \
	X(responses_received, "final responses received")                            \
	X(messages_malformed, "messages that broke RFC 9114 and ended their stream") \
	X(sections_too_large, "field sections over the limit")                       \
	X(requests_rejected, "requests that no handler took")                        \
	X(streams_reset_by_peer, "messages the peer reset")                          \
	X(streams_stopped_by_peer, "messages of ours the peer wanted no more of")    \
	X(protocol_errors, "sessions closed because the peer broke the protocol")    \
	X(body_received, "bytes of body received")                                   \
	X(body_sent, "bytes of body sent and acknowledged")                          \
	X(write_short, "writes that did not fit the send buffer")

struct arq_h3_counters {
#define ARQ_H3_COUNTER_FIELD(name, meaning) uint64_t name;
	ARQ_H3_COUNTERS(ARQ_H3_COUNTER_FIELD)
#undef ARQ_H3_COUNTER_FIELD
	/* Gauges. */
	uint64_t sessions;
	uint64_t streams;
	uint64_t slabs; /* in use */
	uint64_t slabs_peak;
	uint64_t slabs_spare; /* kept for reuse */
	uint64_t memory; /* bytes nghttp3 holds */
};

/* Returns 0 and *h3, or -ENOMEM or -EINVAL. */
int arq_h3_create(const struct arq_h3_options *options, struct arq_h3 **h3);

/* All sessions must be gone: destroy the endpoint first. */
void arq_h3_destroy(struct arq_h3 *h3);

/* Another limit than the option's, from now on; peers of open sessions were told the old one. */
void arq_h3_set_max_field_section(struct arq_h3 *h3, size_t bytes);

void arq_h3_counters_read(const struct arq_h3 *h3, struct arq_h3_counters *counters);

/*
 * Transport parameters that fit the options. A server's: the window of a stream for each, and of
 * the connection four of them, so that a client cannot make us hold stream_window times
 * max_streams. A client's (pooled upstream connections): a connection window of the sum of all its
 * streams' windows, so that one stream whose body nobody consumes cannot stall the others.
 */
void arq_h3_transport(const struct arq_h3 *h3, bool server, struct arq_quic_transport *transport);

/* --- server ----------------------------------------------------------------------------------- */

/* What a listener needs to hand its connections to HTTP/3; outlives listener and sessions. */
struct arq_h3_server {
	struct arq_h3 *h3;
	const struct arq_h3_session_ops *ops;
	void *user;
};

/*
 * The application "h3" for struct arq_quic_listener_options.applications:
 *
 *	struct arq_quic_application application = arq_h3_application(&server);
 */
struct arq_quic_application arq_h3_application(struct arq_h3_server *server);

/* Takes a request: its callbacks and their user from now on. Only inside on_request. */
void arq_h3_stream_accept(struct arq_h3_stream *stream, const struct arq_h3_stream_ops *ops,
			  void *user);

/*
 * Sends the final response's header section; once. `end`: there is no body. A field of ours that
 * HTTP/3 forbids (Connection and the like) is -EINVAL. Returns 0, -EPIPE when our side is closed
 * or reset, -EALREADY when there was a final response, -ENOMEM.
 */
int arq_h3_stream_respond(struct arq_h3_stream *stream, unsigned int status,
			  const struct arq_h3_field *fields, size_t count, bool end);

/* An interim response, 1xx but 101, before the final one. Returns as respond. */
int arq_h3_stream_inform(struct arq_h3_stream *stream, unsigned int status,
			 const struct arq_h3_field *fields, size_t count);

/*
 * A whole response in one call. The body is not copied: `release(user)` is called when it is no
 * longer needed (also when this fails); NULL for what lives longer than the session. Adds
 * content-length. Not bounded by send_buffer, no on_sent.
 */
int arq_h3_stream_respond_static(struct arq_h3_stream *stream, unsigned int status,
				 const struct arq_h3_field *fields, size_t count,
				 const uint8_t *body, size_t length, void (*release)(void *user),
				 void *user);

/* --- client ----------------------------------------------------------------------------------- */

struct arq_h3_connect_options {
	struct arq_io *io; /* as in struct arq_quic_connect_options */
	struct arq_path path;
	struct arq_quic_client_tls *tls;
	const char *server_name;
	struct arq_quic_transport transport; /* see arq_h3_transport */
	const struct arq_h3_session_ops *ops;
	void *user;
	const uint8_t *resumption; /* as in struct arq_quic_connect_options; NULL: none */
	size_t resumption_length;
	bool early_data; /* on_ready comes at once, if the resumption allows */
};

/*
 * Opens a client session; on_ready follows, or on_closed.
 * Returns 0 and *session, or a negative errno with the reason in `error`.
 */
int arq_h3_connect(struct arq_h3 *h3, struct arq_quic_endpoint *endpoint,
		   const struct arq_h3_connect_options *options, uint64_t now,
		   struct arq_h3_session **session, struct arq_error *error);

/*
 * Starts a request on a ready client session. `request` (borrowed during the call) needs method,
 * scheme, authority, path (CONNECT: method and authority). `body`: a body or trailers follow by
 * arq_h3_stream_write and _finish. Returns 0 and *stream; -EAGAIN when the handshake is not done
 * or no stream is left (on_ready, on_streams); -ESHUTDOWN after GOAWAY, shutdown or close; -EINVAL
 * for a request HTTP/3 forbids; -ENOMEM.
 */
int arq_h3_request(struct arq_h3_session *session, const struct arq_h3_request *request, bool body,
		   const struct arq_h3_stream_ops *ops, void *user, struct arq_h3_stream **stream);

/* --- stream, both roles ----------------------------------------------------------------------- */

void arq_h3_stream_set_user(struct arq_h3_stream *stream, void *user);
struct arq_h3_session *arq_h3_stream_session(const struct arq_h3_stream *stream);
int64_t arq_h3_stream_id(const struct arq_h3_stream *stream);

/* Server: what the client asked for, by its request or later; responses go out by it. */
struct arq_h3_priority arq_h3_stream_priority(const struct arq_h3_stream *stream);

/*
 * Client: asks for another (PRIORITY_UPDATE). Server: decides in the client's place, once and for
 * all. Returns 0, -EINVAL, -EPIPE when the stream is gone, -ENOMEM.
 */
int arq_h3_stream_set_priority(struct arq_h3_stream *stream,
			       const struct arq_h3_priority *priority);

/*
 * Credits the peer with `length` bytes of body received by on_body. More than was received and not
 * yet consumed is cut to that. Bytes never consumed are credited to the connection when the stream
 * closes.
 */
void arq_h3_stream_consume(struct arq_h3_stream *stream, size_t length);

/*
 * Copies body into the send buffer. Returns how many bytes were taken, 0 to `length`; less than
 * `length` means on_writable follows. -EPIPE when our side is finished or reset. On a server after
 * arq_h3_stream_respond only (-EINVAL before).
 */
ssize_t arq_h3_stream_write(struct arq_h3_stream *stream, const uint8_t *data, size_t length);

/* Bytes that arq_h3_stream_write would take now. */
size_t arq_h3_stream_room(const struct arq_h3_stream *stream);

/*
 * Our message ends after what was written, with `count` trailer fields (0: none; copied).
 * Returns 0, -EPIPE when our side is finished or reset, -EINVAL (a field HTTP/3 forbids), -ENOMEM.
 */
int arq_h3_stream_finish(struct arq_h3_stream *stream, const struct arq_h3_field *trailers,
			 size_t count);

/* Abandons our message (RESET_STREAM with an ARQ_H3_ code). What was written is dropped. */
void arq_h3_stream_reset(struct arq_h3_stream *stream, uint64_t code);

/* Wants no more of the peer's message (STOP_SENDING). No on_body, on_end, on_reset follow. */
void arq_h3_stream_stop(struct arq_h3_stream *stream, uint64_t code);

/* --- session, both roles ---------------------------------------------------------------------- */

void arq_h3_session_set_user(struct arq_h3_session *session, void *user);
void *arq_h3_session_user(const struct arq_h3_session *session);
struct arq_quic_connection *arq_h3_session_connection(const struct arq_h3_session *session);

/* Requests open now, and how many more a client may start now (0 when not ready or going away). */
size_t arq_h3_session_streams(const struct arq_h3_session *session);
uint64_t arq_h3_session_streams_left(const struct arq_h3_session *session);

/*
 * Ends gracefully, RFC 9114 section 5.2. A server: GOAWAY as a notice, two round trips later GOAWAY
 * with the last request taken, and close with H3_NO_ERROR when these are done. A client: no new
 * requests, close when the open ones are done. A second call is none.
 */
void arq_h3_session_shutdown(struct arq_h3_session *session);

/* Ends at once with an ARQ_H3_ code; streams get on_closed by the next arq_quic_run. */
void arq_h3_session_close(struct arq_h3_session *session, uint64_t code);

#endif
