/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * QUIC (RFC 9000, 9001, 9002, versions 1 and 2) on top of userspace/io, by ngtcp2 and GnuTLS.
 *
 * One `struct arq_quic_endpoint` belongs to one worker thread and holds everything of it: the table
 * of connection ids, the connections it accepted and those it opened, timers, and the order in
 * which connections may send. No function of it may be called from another thread; nothing in here
 * blocks, sleeps, starts a thread or reads a clock: every call that needs the time gets it as
 * `now`, nanoseconds of CLOCK_MONOTONIC, read once per round of the worker's loop:
 *
 *	now = clock;
 *	while ((n = arq_io_receive(io, packets, ARQ_IO_BATCH)) > 0) {
 *		arq_quic_receive(endpoint, io, packets, n, now);
 *		arq_io_release(io, packets, n);
 *	}
 *	arq_quic_admit(endpoint, now), as often as there is time for newcomers
 *	arq_quic_run(endpoint, now);
 *	wait until arq_io_fd(io) is readable (or writable, while arq_io_pending(io)), or
 *	arq_quic_expiry(endpoint) has come
 *
 * So a whole batch is taken in, then everything that has something to say writes, then each io is
 * flushed once.
 *
 * The application above (HTTP/3, raw streams) is a `struct arq_quic_ops` and a user pointer. Its
 * callbacks run inside arq_quic_receive and arq_quic_run only, never inside a call that the
 * application makes. From a callback every function of this header may be called, on any connection
 * of the same endpoint, except arq_quic_receive, arq_quic_run and arq_quic_endpoint_destroy.
 * A `struct arq_quic_connection *` is valid until `closed` returns for it, which happens exactly
 * once for each connection that `ready` was called for or that arq_quic_connect returned.
 * A server connection is unknown to the application before its handshake is complete.
 *
 * Sending is a pull: when the connection may send, its write loop asks the application
 * (`next_write`) for a stream and bytes of it, puts what fits into a packet and tells how much that
 * was (`written`). The bytes must stay where they are until `stream_acked` covers them or
 * `stream_closed` was called. Whoever has new bytes calls arq_quic_connection_wake.
 *
 * Receiving gives no flow control credit by itself: whoever is done with received bytes says so
 * with arq_quic_stream_consume. What was not consumed, the peer cannot follow up on: that bounds
 * memory.
 *
 * Nothing a peer sends can abort the process; memory is bounded by limits and counted.
 */
#ifndef ARQUANT_QUIC_QUIC_H
#define ARQUANT_QUIC_QUIC_H

#include "userspace/common/address.h"
#include "userspace/common/error.h"
#include "userspace/common/histogram.h"
#include "userspace/io/io.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct arq_quic_endpoint;
struct arq_quic_connection;
struct arq_quic_listener;
struct arq_quic_tls;
struct arq_quic_client_tls;

/* --- TLS credentials -------------------------------------------------------------------------- */

#define ARQ_QUIC_SECRET_LENGTH 32

/* PEM files: certificate chain, leaf first, and the leaf's private key. Borrowed strings. */
struct arq_quic_certificate {
	const char *certificate;
	const char *key;
};

/*
 * What notices repeated 0-RTT (RFC 8446 section 8): every ClientHello whose early data was taken is
 * remembered for as long as it could be taken again, by all workers of the process together. The
 * tickets that allow 0-RTT can be opened by this process only, so no other host and no earlier or
 * later process has to know. A table of fixed size (4 MiB, half a million early handshakes in an
 * hour); when there is no place, early data is refused and the client goes on without.
 *
 * Counted as arq_quic_tls is; any thread. One for a process, to outlive reloads.
 */
struct arq_quic_replay;

/* Returns 0 and *replay with one reference, -ENOMEM or -EIO. */
int arq_quic_replay_create(struct arq_quic_replay **replay);
struct arq_quic_replay *arq_quic_replay_get(struct arq_quic_replay *replay);
void arq_quic_replay_put(struct arq_quic_replay *replay); /* NULL is allowed */

enum arq_quic_client_auth {
	ARQ_QUIC_CLIENT_AUTH_OFF, /* no certificate is asked for */
	ARQ_QUIC_CLIENT_AUTH_OPTIONAL, /* one that is shown must be good */
	ARQ_QUIC_CLIENT_AUTH_REQUIRED,
};

struct arq_quic_tls_options {
	const struct arq_quic_certificate *certificates; /* the first is the default */
	size_t count; /* at least 1 */
	/*
	 * ARQ_QUIC_SECRET_LENGTH octets from which the keys of session tickets derive; whoever has
	 * the same takes the tickets. The keys change by themselves every 18 hours, by the clock;
	 * a ticket is good for 6. NULL: no tickets, every visit is a whole handshake.
	 */
	const uint8_t *secret;
	struct arq_quic_replay *replay; /* take 0-RTT, watched by this; NULL: never */
	enum arq_quic_client_auth client_auth;
	const char *client_ca; /* PEM file: who signs clients' certificates; unless OFF */
};

/*
 * Reads the certificates of a server. The name that a client asks for (SNI) chooses the first whose
 * subject alternative names cover it, wildcards included; the first of all serves the rest.
 * TLS 1.3 only, X25519, P-256 and P-384.
 *
 * The set is immutable and counted: workers share it, connections keep it while they need it.
 * Created with one reference. Any thread may call these three functions.
 * Returns 0 and *tls, or a negative errno with file, cause and remedy in `error`.
 */
int arq_quic_tls_create(const struct arq_quic_tls_options *options, struct arq_quic_tls **tls,
			struct arq_error *error);
struct arq_quic_tls *arq_quic_tls_get(struct arq_quic_tls *tls);
void arq_quic_tls_put(struct arq_quic_tls *tls); /* NULL is allowed */

/* The same certificates and keys in the same order, byte for byte, whatever their files' names. */
bool arq_quic_tls_equal(const struct arq_quic_tls *a, const struct arq_quic_tls *b);

/* How connections that we open check the server. */
struct arq_quic_client_tls_options {
	const char *ca_file; /* PEM file of trusted authorities; NULL: the system's */
	bool insecure; /* take any certificate: only for tests and trusted networks */
	const char *certificate; /* PEM files to show to servers that ask; NULL: none */
	const char *key;
};

/* As above, for the client role. */
int arq_quic_client_tls_create(const struct arq_quic_client_tls_options *options,
			       struct arq_quic_client_tls **tls, struct arq_error *error);
struct arq_quic_client_tls *arq_quic_client_tls_get(struct arq_quic_client_tls *tls);
void arq_quic_client_tls_put(struct arq_quic_client_tls *tls); /* NULL is allowed */

/* The same authorities are trusted. */
bool arq_quic_client_tls_equal(const struct arq_quic_client_tls *a,
			       const struct arq_quic_client_tls *b);

/* --- clients ---------------------------------------------------------------------------------- */

/*
 * How many connections each client has past its handshake, by its IPv4 address or the first 64 bits
 * of its IPv6 address; of all workers, who share it. To outlive their endpoints.
 */
struct arq_quic_sources;

/* Returns 0 and *sources, -ENOMEM or -EIO. */
int arq_quic_sources_create(struct arq_quic_sources **sources);
void arq_quic_sources_destroy(struct arq_quic_sources *sources); /* NULL is allowed */

/* --- the application above -------------------------------------------------------------------- */

enum arq_quic_close_kind {
	ARQ_QUIC_CLOSE_LOCAL_TRANSPORT, /* we found an error; code of RFC 9000 section 20.1 */
	ARQ_QUIC_CLOSE_LOCAL_APPLICATION, /* the application closed; its code */
	ARQ_QUIC_CLOSE_PEER_TRANSPORT, /* CONNECTION_CLOSE 0x1c; code of RFC 9000 section 20.1 */
	ARQ_QUIC_CLOSE_PEER_APPLICATION, /* CONNECTION_CLOSE 0x1d; the application's code */
	ARQ_QUIC_CLOSE_IDLE, /* nothing heard for the idle timeout */
	ARQ_QUIC_CLOSE_SILENT, /* nothing heard for transport.silence, though it owes an ACK */
	ARQ_QUIC_CLOSE_HANDSHAKE_TIMEOUT,
	ARQ_QUIC_CLOSE_STATELESS_RESET, /* the peer lost its state */
	ARQ_QUIC_CLOSE_VERSION, /* client: the server speaks none of our versions */
	ARQ_QUIC_CLOSE_EARLY_REFUSED, /* client: the server took no 0-RTT; begin anew without */
	ARQ_QUIC_CLOSE_SHUTDOWN, /* the endpoint is being destroyed */
};

struct arq_quic_close {
	enum arq_quic_close_kind kind;
	uint64_t code; /* where the kind has one; a TLS alert is 0x100 + alert */
	const char *reason; /* for people, printable ASCII, may be empty; valid during the call */
};

/* "local-transport", "idle", ...: stable names for logs and metrics. */
const char *arq_quic_close_kind_name(enum arq_quic_close_kind kind);

struct arq_quic_vec {
	const uint8_t *data;
	size_t length;
};

#define ARQ_QUIC_WRITE_VECS 16 /* more pieces than that do not fit one packet usefully */

/* What the application wants to send next on a connection. */
struct arq_quic_write {
	int64_t stream_id; /* -1: nothing */
	bool fin; /* the stream ends with the last byte of vecs */
	size_t count; /* of vecs; may be 0 with fin */
	struct arq_quic_vec vecs[ARQ_QUIC_WRITE_VECS];
};

/*
 * Callbacks; `user` is the connection's (arq_quic_connection_set_user). Those marked * may be NULL.
 * An application that finds an error closes the connection by arq_quic_connection_close and
 * returns; no further callback but `closed` follows.
 */
struct arq_quic_ops {
	/*
	 * The handshake is complete; or, with 0-RTT, streams work already though it is not (see
	 * arq_quic_connection_early). On a server, `user` is that of the struct
	 * arq_quic_application whose ALPN was negotiated; set the connection's own here.
	 */
	void (*ready)(struct arq_quic_connection *connection, void *user);

	/* * The peer opened a stream. */
	void (*stream_open)(struct arq_quic_connection *connection, void *user, int64_t stream_id);

	/* Bytes in order; `fin` with the last ones (length may be 0). Valid during the call. */
	void (*stream_data)(struct arq_quic_connection *connection, void *user, int64_t stream_id,
			    uint64_t offset, const uint8_t *data, size_t length, bool fin);

	/* The peer acknowledged bytes [offset, offset + length), which grow without gaps. */
	void (*stream_acked)(struct arq_quic_connection *connection, void *user, int64_t stream_id,
			     uint64_t offset, uint64_t length);

	/* RESET_STREAM: the peer abandoned its sending side. */
	void (*stream_reset)(struct arq_quic_connection *connection, void *user, int64_t stream_id,
			     uint64_t final_size, uint64_t code);

	/*
	 * STOP_SENDING: the peer does not want more; our sending side has been reset already with
	 * this code, never offer it again. May come more than once for a stream, and then with a
	 * code of 0; also for one whose end the peer has already.
	 */
	void (*stop_sending)(struct arq_quic_connection *connection, void *user, int64_t stream_id,
			     uint64_t code);

	/* Both directions are finished and acknowledged, or reset. The last call for the stream. */
	void (*stream_closed)(struct arq_quic_connection *connection, void *user,
			      int64_t stream_id);

	/* * The peer lets us open more streams; see arq_quic_connection_streams_left. */
	void (*streams_available)(struct arq_quic_connection *connection, void *user);

	/* * The peer gave flow control credit to a stream that `blocked` was called for. */
	void (*unblocked)(struct arq_quic_connection *connection, void *user, int64_t stream_id);

	/* * What to send next. Called until stream_id stays -1 or the connection may not send. */
	void (*next_write)(struct arq_quic_connection *connection, void *user,
			   struct arq_quic_write *write);

	/* * `length` bytes (0 for a lone FIN) of what next_write offered went into a packet. */
	void (*written)(struct arq_quic_connection *connection, void *user, int64_t stream_id,
			size_t length);

	/* * The stream has no flow control credit: do not offer it until `unblocked`. */
	void (*blocked)(struct arq_quic_connection *connection, void *user, int64_t stream_id);

	/* * The stream's sending side is gone: never offer it again. */
	void (*shut)(struct arq_quic_connection *connection, void *user, int64_t stream_id);

	/*
	 * * Client: the server gave a ticket. The data is opaque and for one
	 * arq_quic_connect_options.resumption; valid during the call. Without this callback no
	 * tickets are asked for.
	 */
	void (*resumption)(struct arq_quic_connection *connection, void *user, const uint8_t *data,
			   size_t length);

	/* * A DATAGRAM frame (RFC 9221). Valid during the call. */
	void (*datagram)(struct arq_quic_connection *connection, void *user, const uint8_t *data,
			 size_t length);

	/* * The time set by arq_quic_connection_set_timer has come. */
	void (*timer)(struct arq_quic_connection *connection, void *user, uint64_t now);

	/* The end; `connection` is gone when this returns. No stream_closed comes any more. */
	void (*closed)(struct arq_quic_connection *connection, void *user,
		       const struct arq_quic_close *close);
};

/* An application protocol that a listener offers. */
struct arq_quic_application {
	const char *alpn; /* e.g. "h3"; 1 to 255 octets */
	const struct arq_quic_ops *ops;
	void *user; /* given to ops->ready of an accepted connection */
	uint64_t excessive_load; /* its code for peers that only cost */
};

/* --- endpoint --------------------------------------------------------------------------------- */

enum arq_quic_retry {
	ARQ_QUIC_RETRY_AUTO, /* above a number of half-open connections */
	ARQ_QUIC_RETRY_ALWAYS,
	ARQ_QUIC_RETRY_NEVER, /* but when ngtcp2 demands it */
};

#define ARQ_QUIC_SERVER_ID_MAX  13
#define ARQ_QUIC_CID_KEY_LENGTH 16

/*
 * The layout of the connection ids that we issue, draft-ietf-quic-load-balancers; see cid_layout.h.
 * The worker's number follows `server_id` in two octets, as part of the server id.
 */
struct arq_quic_cid_options {
	uint8_t config_id; /* 0 to 6 */
	uint8_t server_id_length; /* 0 to ARQ_QUIC_SERVER_ID_MAX */
	uint8_t nonce_length; /* 4 or more; all together 19 at most */
	bool encrypted;
	uint8_t server_id[ARQ_QUIC_SERVER_ID_MAX]; /* this host's */
	uint8_t key[ARQ_QUIC_CID_KEY_LENGTH]; /* shared with the balancers */
};

struct arq_quic_endpoint_options {
	uint16_t worker; /* this worker's number, named in every CID we issue */
	uint16_t workers; /* how many there are */
	uint8_t secret[ARQ_QUIC_SECRET_LENGTH]; /* shared by all workers and by all restarts that
						   shall understand each other's tokens and send
						   stateless resets for each other's connections */
	struct arq_quic_cid_options cids; /* the same for all workers */
	uint32_t max_connections; /* of both roles */
	/*
	 * Bytes of connections' state (as `memory` of the counters, and an estimate for TLS in
	 * handshakes): near it nobody new is taken, beyond it what has been silent for longest
	 * goes. 0: no limit.
	 */
	uint64_t max_memory;
	/*
	 * Connections that a client may have, as `sources` counts them; 0: no limit. Beyond it, new
	 * ones are refused: at once when the address is proven by a token, and else it is asked to
	 * prove it, for others could make a client use up what it may have.
	 */
	uint32_t max_per_source;
	struct arq_quic_sources *sources; /* borrowed; NULL: nobody counts */
	uint32_t max_half_open; /* accepted, handshake not complete */
	uint32_t retry_threshold; /* half-open connections, or in a second newcomers that came to
				     nothing, from which ARQ_QUIC_RETRY_AUTO acts */
	enum arq_quic_retry retry;
	uint32_t stateless_resets; /* a second, at most */
	/*
	 * Packets that may begin a connection wait for arq_quic_admit: so many that are proven and
	 * so many others; the rest is dropped. While half the places of the others are taken,
	 * ARQ_QUIC_RETRY_AUTO acts. 0: arq_quic_receive takes them at once.
	 */
	uint32_t waiting;

	/*
	 * A packet whose CID names another worker; copy it there, where arq_quic_receive takes it.
	 * NULL: such packets are dropped. Called inside arq_quic_receive.
	 */
	void (*foreign_packet)(void *user, uint16_t worker, struct arq_io *io,
			       const struct arq_rx_packet *packet);

	/*
	 * A client's connection is closed for frames beyond a budget; `remote` finished its
	 * handshake from there, `io` is what its last packet came by. NULL: nobody wants to know.
	 * Called inside arq_quic_receive.
	 */
	void (*abused)(void *user, struct arq_io *io, const union arq_address *remote);
	void *user;
};

/* One worker, a random secret, ids of 12 octets in clear, 65536 connections, 4096 half-open, Retry
 * from 1024, 100 resets/s. */
void arq_quic_endpoint_options_default(struct arq_quic_endpoint_options *options);

/* Returns 0 and *endpoint, or a negative errno with the reason in `error`. */
int arq_quic_endpoint_create(const struct arq_quic_endpoint_options *options,
			     struct arq_quic_endpoint **endpoint, struct arq_error *error);

/*
 * Frees everything at once, without a word to the peers: close the connections first and run until
 * arq_quic_connections() is 0 for a polite end. Applications get `closed` (ARQ_QUIC_CLOSE_SHUTDOWN)
 * for what is left. The ios are not touched.
 */
void arq_quic_endpoint_destroy(struct arq_quic_endpoint *endpoint);

/* Another limit than the option's; connections beyond it stay. */
void arq_quic_endpoint_set_max_connections(struct arq_quic_endpoint *endpoint, uint32_t maximum);

/* Another limit than the option's; what is beyond it goes with the next runs. */
void arq_quic_endpoint_set_max_memory(struct arq_quic_endpoint *endpoint, uint64_t maximum);

/* Another limit of connections from a client; those that it has stay. */
void arq_quic_endpoint_set_max_per_source(struct arq_quic_endpoint *endpoint, uint32_t maximum);

/*
 * Takes in a batch received from `io` (or handed over by another worker). Sends nothing yet.
 * Returns how many were for connections: the others cost next to nothing, where packets wait.
 */
size_t arq_quic_receive(struct arq_quic_endpoint *endpoint, struct arq_io *io,
			const struct arq_rx_packet *packets, size_t count, uint64_t now);

/*
 * Takes in a packet that waits (options.waiting), of who has proven its address by a token first.
 * Returns false when none does. It may cost a microsecond (a Retry) or some hundred (the server's
 * part of a handshake), so have an eye on the clock.
 */
bool arq_quic_admit(struct arq_quic_endpoint *endpoint, uint64_t now);

/* Does a packet wait? */
bool arq_quic_waiting(const struct arq_quic_endpoint *endpoint);

/* packets_established of the counters: while it grows, there are others to be served. */
uint64_t arq_quic_established_packets(const struct arq_quic_endpoint *endpoint);

/* Timers that are due, then output of all connections that have some, flush, and clean-up. */
void arq_quic_run(struct arq_quic_endpoint *endpoint, uint64_t now);

/*
 * When arq_quic_run must be called at the latest, without regard to packets that arrive: a time to
 * compare with `now`, UINT64_MAX for never, 0 for at once.
 */
uint64_t arq_quic_expiry(const struct arq_quic_endpoint *endpoint);

/* Connections known to applications or in handshake; closing and draining ones do not count. */
size_t arq_quic_connections(const struct arq_quic_endpoint *endpoint);

/*
 * Forgets an io before it is destroyed: its connections end at the next arq_quic_run, without a
 * packet (ARQ_QUIC_CLOSE_SHUTDOWN).
 */
void arq_quic_io_gone(struct arq_quic_endpoint *endpoint, struct arq_io *io);

/*
 * What happened since creation; the names are stable, they appear in metrics.
 *	field, what it counts
 */
#define ARQ_QUIC_COUNTERS(X)                                                            \
	X(packets_received, "datagrams given to the endpoint")                          \
	X(packets_established, "of these, for connections past their handshake")        \
	X(packets_sent, "datagrams sent")                                               \
	X(accepted, "server connections created")                                       \
	X(connects, "client connections created")                                       \
	X(handshakes_completed, "handshakes completed, both roles")                     \
	X(handshakes_resumed, "of these, with a session ticket")                        \
	X(early_data_accepted, "server handshakes whose 0-RTT was taken")               \
	X(tickets_sent, "session tickets given to clients")                             \
	X(handshakes_failed_tls, "handshakes ended by a TLS alert, ours or the peer's") \
	X(handshakes_failed_timeout, "handshakes that took too long")                   \
	X(handshakes_failed_other, "handshakes that failed otherwise")                  \
	X(closed_local, "connections we closed after the handshake")                    \
	X(closed_peer, "connections the peer closed after the handshake")               \
	X(closed_idle, "connections that timed out idle")                               \
	X(closed_silent, "connections whose peer acknowledged nothing any more")        \
	X(closed_abuse, "connections closed for frames beyond a budget")                \
	X(closed_memory, "connections closed as memory was short, also in handshake")   \
	X(closed_reset, "connections ended by a stateless reset")                       \
	X(retry_sent, "Retry packets sent")                                             \
	X(retry_accepted, "Initials with a valid Retry token")                          \
	X(token_invalid, "Initials with a Retry token that is wrong or too old")        \
	X(token_accepted, "Initials with a valid NEW_TOKEN token")                      \
	X(version_negotiation_sent, "Version Negotiation packets sent")                 \
	X(stateless_reset_sent, "stateless resets sent")                                \
	X(close_repeated, "packets answered by a stored CONNECTION_CLOSE")              \
	X(foreign, "packets handed to another worker")                                  \
	X(dropped_foreign, "packets of another worker with no way to hand them over")   \
	X(dropped_malformed, "datagrams that are no QUIC packet")                       \
	X(dropped_initial_size, "Initials in datagrams under 1200 bytes")               \
	X(dropped_version_size, "unknown versions in datagrams under 1200 bytes")       \
	X(dropped_unknown, "packets for no connection, not worth a stateless reset")    \
	X(dropped_limit, "Initials refused for a limit on connections")                 \
	X(refused_source, "connections refused as their client has as many as it may")  \
	X(dropped_busy, "packets of newcomers beyond the time that there is for them")  \
	X(dropped_no_listener, "Initials to an address nobody listens on")              \
	X(dropped_no_slot, "stateless answers that found no room to send")              \
	X(dropped_closing, "packets for closing or draining connections, unanswered")   \
	X(output_stalled, "times a connection had output and no slot was free")         \
	X(paths_migrated, "times a connection moved to another path")                   \
	X(congestion_events, "times loss or congestion marks narrowed a connection's window")

struct arq_quic_counters {
#define ARQ_QUIC_COUNTER_FIELD(name, meaning) uint64_t name;
	ARQ_QUIC_COUNTERS(ARQ_QUIC_COUNTER_FIELD)
#undef ARQ_QUIC_COUNTER_FIELD
	/* Gauges. */
	uint64_t connections; /* as arq_quic_connections() */
	uint64_t half_open; /* of these, accepted and in handshake */
	uint64_t closing; /* closing or draining: a packet and its ids kept for 3 PTO */
	uint64_t memory; /* bytes that ngtcp2 and we hold for connections (not GnuTLS) */
	uint64_t memory_peak; /* the most it has been */
	/* Round trips of clients' connections, smoothed, when the handshake was complete. */
	struct arq_histogram rtt;
};

void arq_quic_counters_read(const struct arq_quic_endpoint *endpoint,
			    struct arq_quic_counters *counters);

/* --- transport parameters --------------------------------------------------------------------- */

enum arq_quic_congestion_control {
	ARQ_QUIC_CUBIC, /* RFC 9438 */
	ARQ_QUIC_BBR, /* ngtcp2's, of version 2 */
};

/* RFC 9000 section 18.2. Credits are what the peer may send before we consume anything. */
struct arq_quic_transport {
	uint64_t max_data; /* bytes, all streams of the connection */
	uint64_t max_stream_data_bidi_local; /* bytes, streams we open */
	uint64_t max_stream_data_bidi_remote; /* bytes, streams the peer opens */
	uint64_t max_stream_data_uni; /* bytes */
	uint64_t max_streams_bidi; /* the peer may have open at a time */
	uint64_t max_streams_uni;
	uint64_t idle_timeout; /* ns; clamped to 1 s to 10 min */
	uint64_t handshake_timeout; /* ns */
	uint64_t keep_alive; /* ns without a packet after which a PING goes out; 0: never */
	uint64_t silence; /* ns of silence while something is unacknowledged; then the peer is taken
			     for dead. 0: only the idle timeout ends it */
	uint16_t max_udp_payload; /* bytes we send at most, 1200 to ARQ_IO_PAYLOAD_MAX */
	enum arq_quic_congestion_control congestion_control;
	uint64_t max_datagram; /* octets of DATAGRAM frames that are taken; 0: none are */
};

/* 1 MiB a connection, 256 KiB a stream, 100 and 3 streams, idle 30 s, handshake 10 s, 1472. */
void arq_quic_transport_default(struct arq_quic_transport *transport);

/* --- server ----------------------------------------------------------------------------------- */

struct arq_quic_listener_options {
	union arq_address address; /* connections to it; the any address takes every one */
	struct arq_quic_tls *tls; /* the listener takes its own reference */
	const struct arq_quic_application *applications; /* by preference; copied */
	size_t application_count;
	struct arq_quic_transport transport;
};

/*
 * Accepts connections to an address, from whichever io they come. The listener belongs to the
 * endpoint and goes with it. Returns 0 and *listener, or a negative errno with the reason.
 */
int arq_quic_listen(struct arq_quic_endpoint *endpoint,
		    const struct arq_quic_listener_options *options,
		    struct arq_quic_listener **listener, struct arq_error *error);

/*
 * Credentials and transport parameters for connections to come; the ones that are keep theirs. The
 * listener takes its own reference.
 */
void arq_quic_listener_update(struct arq_quic_listener *listener, struct arq_quic_tls *tls,
			      const struct arq_quic_transport *transport);

/* Accepts no more connections (drain), CONNECTION_REFUSED for new ones. Existing ones stay. */
void arq_quic_listener_stop(struct arq_quic_listener *listener);

/* --- client ----------------------------------------------------------------------------------- */

struct arq_quic_connect_options {
	struct arq_io *io; /* to send from; its packets must come to this endpoint */
	struct arq_path path; /* local and remote address; local as the io receives on */
	struct arq_quic_client_tls *tls; /* the connection takes its own reference */
	const char *server_name; /* SNI and the name in the certificate; copied; an IP literal is
				    checked as address and not sent */
	const char *alpn; /* copied */
	const struct arq_quic_ops *ops;
	void *user; /* the connection's from the start */
	struct arq_quic_transport transport;
	const uint8_t *resumption; /* what ops->resumption gave; NULL: a whole handshake */
	size_t resumption_length;
	/*
	 * Send at once, as 0-RTT, if `resumption` allows: `ready` comes with the first run. What is
	 * sent so may be repeated by others. A server that takes none ends it
	 * (ARQ_QUIC_CLOSE_EARLY_REFUSED); nothing of it was processed then.
	 */
	bool early_data;
};

/*
 * Starts a connection; `ready` follows, or `closed`. Returns 0 and *connection, -ENOBUFS when the
 * endpoint has max_connections, or another negative errno with the reason in `error`.
 */
int arq_quic_connect(struct arq_quic_endpoint *endpoint,
		     const struct arq_quic_connect_options *options, uint64_t now,
		     struct arq_quic_connection **connection, struct arq_error *error);

/* --- connection ------------------------------------------------------------------------------- */

void arq_quic_connection_set_user(struct arq_quic_connection *connection, void *user);
void *arq_quic_connection_user(const struct arq_quic_connection *connection);
struct arq_quic_endpoint *
arq_quic_connection_endpoint(const struct arq_quic_connection *connection);

bool arq_quic_connection_is_server(const struct arq_quic_connection *connection);

/*
 * The current, validated path: this is the client's address for access decisions and logs.
 * Valid until the next receive or run.
 */
const struct arq_path *arq_quic_connection_path(const struct arq_quic_connection *connection);

/* Negotiated ALPN, and the server name asked for (SNI; "" if none). Live as the connection does. */
const char *arq_quic_connection_alpn(const struct arq_quic_connection *connection);
const char *arq_quic_connection_server_name(const struct arq_quic_connection *connection);

/* The version in use, as on the wire: 1, or 0x6b3343cf for version 2. */
uint32_t arq_quic_connection_version(const struct arq_quic_connection *connection);

/* The handshake used a ticket (known once it is complete). */
bool arq_quic_connection_resumed(const struct arq_quic_connection *connection);

/*
 * `ready` was called and the handshake is not complete: what the peer sends now is 0-RTT, which
 * somebody may have recorded and repeated, from an address that need not be its own.
 */
bool arq_quic_connection_early(const struct arq_quic_connection *connection);

/*
 * Whom the client's verified certificate names (RFC 4514, "CN=..."); "" without one. Live as the
 * connection does.
 */
const char *arq_quic_connection_peer_subject(const struct arq_quic_connection *connection);

/* Smoothed round trip time and probe timeout in ns. */
uint64_t arq_quic_connection_rtt(const struct arq_quic_connection *connection);
uint64_t arq_quic_connection_pto(const struct arq_quic_connection *connection);

/* There is something to send: the next arq_quic_run asks `next_write`. Cheap, may repeat. */
void arq_quic_connection_wake(struct arq_quic_connection *connection);

/* Calls ops->timer at `at` (ns, as now); 0 takes it back. One for a connection. */
void arq_quic_connection_set_timer(struct arq_quic_connection *connection, uint64_t at);

/*
 * Ends the connection with CONNECTION_CLOSE: application (0x1d) or transport (0x1c) code, and a
 * short reason that the peer can read (NULL: none). It is sent by the next arq_quic_run, which also
 * calls `closed`. The first close wins.
 */
void arq_quic_connection_close(struct arq_quic_connection *connection, bool application,
			       uint64_t code, const char *reason);

/* It was closed from either side, and `closed` is still to come. */
bool arq_quic_connection_is_closing(const struct arq_quic_connection *connection);

/*
 * Sends a DATAGRAM frame: copied, and gone when the packet is lost. Returns 0; -EMSGSIZE when the
 * peer takes none, or none so large, or a packet of this path has no room for it; -EAGAIN when
 * ARQ_QUIC_DATAGRAMS wait to be sent already; -EPIPE when the connection is closing; -ENOMEM.
 */
#define ARQ_QUIC_DATAGRAMS 64 /* a tenth of a megabyte: more is late, and so is worth nothing */
int arq_quic_datagram_send(struct arq_quic_connection *connection, const uint8_t *data,
			   size_t length);

/* --- streams ---------------------------------------------------------------------------------- */

/* Streams we may open now. */
uint64_t arq_quic_connection_streams_left(const struct arq_quic_connection *connection,
					  bool bidirectional);

/*
 * Opens a stream. Returns 0 and *stream_id, -EAGAIN when the peer's limit is reached (wait for
 * streams_available), -EPIPE when the connection is closing, -ENOMEM.
 */
int arq_quic_stream_open(struct arq_quic_connection *connection, bool bidirectional,
			 int64_t *stream_id);

/*
 * Abandons the sending side (RESET_STREAM), or tells the peer to (STOP_SENDING), with an
 * application code. A stream that is gone already is no error. Returns 0 or -ENOMEM.
 */
int arq_quic_stream_reset(struct arq_quic_connection *connection, int64_t stream_id, uint64_t code);
int arq_quic_stream_stop(struct arq_quic_connection *connection, int64_t stream_id, uint64_t code);

/*
 * The peer may send `length` bytes more than it could, on the stream and, with `connection_too`, on
 * the connection: for streams that wait for credit rather than for the path.
 */
void arq_quic_stream_widen(struct arq_quic_connection *connection, int64_t stream_id,
			   uint64_t length, bool connection_too);

/*
 * We are done with `length` received bytes: credit for stream and connection. Of a stream that is
 * gone, only the connection is credited, so call it for every byte received, once.
 */
void arq_quic_stream_consume(struct arq_quic_connection *connection, int64_t stream_id,
			     uint64_t length);

/*
 * Credits the peer with one more stream of its kind. Nothing does it by itself: call it when the
 * stream's work is torn down, not just when it was closed.
 */
void arq_quic_stream_release(struct arq_quic_connection *connection, int64_t stream_id);

#endif
