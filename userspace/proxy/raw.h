/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Raw QUIC streams: what clients open on connections of another ALPN than h3, carried on to
 * targets.
 *
 * A session is a QUIC connection, of a client or to a target. A pair is two streams, one of which
 * the peer opened (`from`) and the other we opened for it (`to`). What comes on either goes into
 * the send buffer of the other; its peer gets credit for what the other's peer acknowledged, so
 * neither holds more than a stream's window. FIN, RESET_STREAM and STOP_SENDING are done to the
 * other as they come, with their codes.
 *
 *	raw_stream.c    the two streams of a pair
 *	raw_session.c   connections of both sides: what QUIC says, and what is sent next
 *	raw_client.c    clients: the route of a connection, the target of a stream
 *	upstream_raw.c  connections to targets, as the pool opens and ends them
 *
 * With `forward: streams` each pair has a ticket of the pool for a stream on a connection that
 * clients share; targets cannot open streams there, as nobody could say whose they are. With
 * `forward: connections` a client's session has a ticket for a connection of its own (a link), and
 * each side's streams are opened on the other, and its DATAGRAM frames are sent on the
 * other. These wait for nothing: one that is too large there, or comes before there is a target, or
 * faster than it can go, is lost, as datagrams may be.
 *
 * Codes of streams mean something to the application only, so when an end of ours breaks off, both
 * sides get the pool's `reset_code`: the other side's connection was lost, no target could be
 * reached, or a target never takes streams of that kind.
 *
 * Everything belongs to one worker's thread.
 */
#ifndef ARQUANT_PROXY_RAW_H
#define ARQUANT_PROXY_RAW_H

#include "userspace/proxy/account.h"
#include "userspace/proxy/pool.h"
#include "userspace/proxy/view.h"
#include "userspace/quic/send_buffer.h"

#include <sys/queue.h>

struct raw_pair;
struct raw_session;

enum raw_state {
	RAW_WAITING, /* not opened yet: only a `to` */
	RAW_OPEN,
	RAW_CLOSED,
};

struct raw_stream {
	LIST_ENTRY(raw_stream) entry; /* of the session; while there is one */
	TAILQ_ENTRY(raw_stream) turn; /* of those with something to send, or that wait */
	struct raw_session *session; /* NULL: not opened yet, or the connection is gone */
	struct raw_pair *pair;
	struct raw_stream *other;
	int64_t id;
	struct arq_send_buffer buffer;
	size_t unconsumed; /* received, in the other's buffer, and not credited yet */
	enum raw_state state;
	bool queued; /* has something to send */
	bool blocked; /* without flow control credit */
	bool rx_over; /* nothing more comes, or we want no more: FIN, reset or stopped */
	bool tx_over; /* nothing more goes: reset or stopped */
	bool tx_finished; /* ends with what is in the buffer */
	bool fin_sent;
};

TAILQ_HEAD(raw_streams, raw_stream);

struct raw_pair {
	struct arq_pool_ticket ticket; /* first; not used in a link */
	struct arq_proxy *proxy;
	struct arq_view *view; /* a reference: the pool is of it; NULL in a link */
	struct arq_pool *pool; /* NULL in a link */
	uint64_t reset_code;
	struct arq_account account; /* all zeroes in a link */
	struct raw_stream from, to;
	struct raw_streams *waiting; /* link: the list that `to` is in; NULL: in none */
};

/* Streams are found by id: a small hash, since ids of open streams are close together. */
#define RAW_BUCKETS 64

/* Octets of DATAGRAM frames that are taken in a link: what any packet has. */
#define RAW_DATAGRAM 65535

/* Bytes of a stream that may be received and not consumed, each direction. */
#define RAW_STREAM_WINDOW 262144

/* Streams of each kind that a client, or all clients on a shared connection, may have open. */
#define RAW_STREAMS 100

/* A connection of either side. */
struct raw_session {
	struct arq_quic_connection *connection;
	struct raw_client *client; /* of a client */
	struct arq_upstream *upstream; /* to a target */
	struct raw_session *peer; /* of a link, when it is there */
	uint64_t reset_code;
	uint32_t open; /* streams */
	bool ready;
	bool ending; /* gets nothing new, closes with its last stream */
	bool linked; /* a client's own */
	bool offered[ARQ_POOL_KINDS]; /* the peer takes streams of this kind */
	LIST_HEAD(, raw_stream) streams[RAW_BUCKETS]; /* of pairs that are not over */
	struct raw_streams output; /* with something to send, in turn */
	struct raw_streams *waiting; /* link: to be opened here, a list for each kind; else NULL */
};

/* A client's connection and its own one to a target. */
struct raw_link {
	struct arq_pool_ticket ticket; /* first: the pool's callbacks find the link by it */
	struct arq_view *view; /* a reference */
	struct raw_session *client, *upstream; /* NULL once gone, or before it was there */
	struct raw_streams to_client[ARQ_POOL_KINDS], to_target[ARQ_POOL_KINDS]; /* wait */
};

/* A client's connection. */
struct raw_client {
	TAILQ_ENTRY(raw_client) entry;
	struct arq_proxy *proxy;
	struct raw_session *session;
	uint32_t listener;
	struct raw_link *link; /* NULL without */
};

/* What a listener offers besides HTTP/3: the user of its applications. */
struct raw_listener {
	struct arq_proxy *proxy;
	uint32_t listener; /* index in the configuration */
};

/* --- raw_stream.c ----------------------------------------------------------------------------- */

static inline enum arq_pool_kind raw_kind(int64_t id)
{
	return id & 2 ? ARQ_POOL_UNI : ARQ_POOL_BIDI;
}

struct raw_stream *raw_stream_find(struct raw_session *session, int64_t id);

/* A pair for a stream that the peer opened; its `to` waits. Returns NULL without memory. */
struct raw_pair *raw_pair_create(struct arq_proxy *proxy, struct raw_session *session, int64_t id);

/* `to` was opened: what was received meanwhile goes out. */
void raw_pair_opened(struct raw_pair *pair, struct raw_session *session, int64_t id);

/* Link: it waits for the peer to let us open it. */
void raw_pair_wait(struct raw_pair *pair, struct raw_streams *lists);

/* It will not be opened: both directions end with the pair's code. */
void raw_pair_refuse(struct raw_pair *pair);

/* What QUIC says of a stream. */
void raw_stream_data(struct raw_stream *stream, const uint8_t *data, size_t length, bool fin);
void raw_stream_acked(struct raw_stream *stream, size_t length);
void raw_stream_reset(struct raw_stream *stream, uint64_t code);
void raw_stream_stopped(struct raw_stream *stream, uint64_t code);
void raw_stream_closed(struct raw_stream *stream);

/* Its connection is gone; `blame`: that speaks against the target. */
void raw_stream_lost(struct raw_stream *stream, bool blame);

/* --- raw_session.c ---------------------------------------------------------------------------- */

/* Transport parameters for a side: what clients, or in a link targets, may open and send. */
void raw_transport(bool accepts, struct arq_quic_transport *transport);

/* Of a client's connections, for listeners; their user is a struct raw_listener. */
extern const struct arq_quic_ops raw_client_ops;

/* Of connections to targets; their user is the session. */
extern const struct arq_quic_ops raw_upstream_ops;

struct raw_session *raw_session_create(void); /* NULL without memory */
void raw_session_destroy(struct raw_session *session);

/* The stream has something to send. */
void raw_session_queue(struct raw_stream *stream);
void raw_session_unqueue(struct raw_stream *stream);

/* Link: opens what waits, as far as the peer lets us; or ends it. */
void raw_waiting_refuse(struct raw_streams *lists);
void raw_session_open_waiting(struct raw_session *session);

/* Ends when it has no streams, now perhaps. */
void raw_session_shutdown(struct raw_session *session);
void raw_session_idle(struct raw_session *session); /* it may have none now */

/* --- raw_client.c ----------------------------------------------------------------------------- */

/* The connection is ready: which route, and with `forward: connections` to which target. */
void raw_client_begin(const struct raw_listener *listener, struct raw_session *session);

/* A stream came from a client: to a target with it. */
void raw_client_stream(struct raw_client *client, struct raw_pair *pair);

/* Its connection is over, and its streams were told. */
void raw_client_end(struct raw_client *client, const struct arq_quic_close *close);

/* The connection that a client had for its own is over. */
void raw_link_lost(struct raw_session *upstream, const struct arq_quic_close *close);

#endif
