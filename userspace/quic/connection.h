/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One connection, either role: ngtcp2's object, the TLS session, the paths it was seen on and the
 * application above.
 *
 * How it ends: whoever finds a reason (a packet, a timer, the application) calls connection_fail or
 * connection_end, which only note it; the next arq_quic_run says goodbye to the peer, tells the
 * application and frees. So a batch may hold more packets of a connection that its first one ended,
 * and no callback ever finds its connection gone.
 */
#ifndef ARQUANT_QUIC_CONNECTION_H
#define ARQUANT_QUIC_CONNECTION_H

#include "userspace/quic/budget.h"
#include "userspace/quic/endpoint.h"

#include <gnutls/gnutls.h>
#include <ngtcp2/ngtcp2.h>
#include <ngtcp2/ngtcp2_crypto.h>

/* The current path, the one before, one being probed, and one more for a peer in a hurry. */
#define CONNECTION_PATHS 4

/* Peers' stateless reset tokens: of the ids in use on current, old and probed paths. */
#define CONNECTION_RESET_TOKENS 8

#define CONNECTION_REASON_MAX 128 /* bytes of a reason phrase kept, with the final zero */
#define CONNECTION_NAME_MAX   256 /* DNS name or ALPN, with the final zero */

#define CONNECTION_PARAMS_MAX      256 /* octets of the transport parameters that 0-RTT keeps */
#define CONNECTION_RESUMPTION_HEAD 2 /* octets that say how long the parameters are */

enum connection_ending {
	ENDING_NOT,
	ENDING_CLOSE, /* send CONNECTION_CLOSE, then the closing state */
	ENDING_DRAIN, /* the peer closed: silence, then the ids are free */
	ENDING_DROP, /* forget at once */
};

struct connection_path {
	struct arq_path path;
	struct arq_io *io; /* NULL: gone */
};

/* A DATAGRAM frame that waits for a packet. */
struct datagram {
	STAILQ_ENTRY(datagram) entry;
	size_t length;
	uint8_t data[];
};

STAILQ_HEAD(datagrams, datagram);

struct arq_quic_connection {
	struct cid_owner owner; /* first: the id table points here */
	TAILQ_ENTRY(arq_quic_connection) entry;
	TAILQ_ENTRY(arq_quic_connection) pending_entry;
	bool pending;
	bool server;
	bool handshake_done;
	bool ready; /* the application knows it */
	bool early_keys; /* 0-RTT keys are there: server, it was taken; client, it may be sent */
	bool early_data; /* client: the application asked for it */
	bool resumed;
	bool tickets; /* server: it may be given one */
	bool reset_received; /* a stateless reset for this connection came */
	struct arq_quic_endpoint *endpoint;
	const struct arq_quic_application *applications; /* server: of the listener */
	size_t application_count;
	const struct arq_quic_application *application; /* server: chosen by ALPN; NULL before */
	struct budget budget; /* server: of the client's frames */
	union arq_address proven; /* server: where the client finished the handshake */
	uint64_t source; /* server: the key by which it is counted there; 0: it is not */
	const struct arq_quic_ops *ops; /* NULL: server before the handshake is done */
	void *user;

	ngtcp2_conn *conn;
	/* Server: where the client sent its first packet, an id like ours; length 0: not entered.
	 * ngtcp2 knows it only once it could read that packet. */
	ngtcp2_cid first_dcid;
	ngtcp2_crypto_conn_ref ref;
	gnutls_session_t session; /* server: NULL once the handshake is complete */
	struct arq_quic_tls *tls; /* server */
	struct arq_quic_client_tls *client_tls; /* client */

	uint64_t window; /* bytes, the congestion window as it was last */

	struct timer timer; /* the earliest of ngtcp2's, the application's and that of silence */
	uint64_t application_timer;
	uint64_t silence; /* ns, of the transport's options; 0: not watched */
	uint64_t heard; /* when the last packet came */
	uint64_t owed_since; /* when it began to owe us an ACK; TIMER_NEVER: it does not */

	struct datagrams datagrams; /* to be sent */
	size_t datagram_count;

	struct connection_path paths[CONNECTION_PATHS];
	size_t path_count;
	size_t path_next; /* the one to replace when all are taken */

	uint8_t reset_tokens[CONNECTION_RESET_TOKENS][NGTCP2_STATELESS_RESET_TOKENLEN];
	size_t reset_token_count;

	enum connection_ending ending;
	struct arq_quic_close close; /* what the application is told; reason points to reason */
	char reason[CONNECTION_REASON_MAX];

	char *peer_subject; /* server: of the client's certificate, counted; NULL: none */
	char server_name[CONNECTION_NAME_MAX];
	char alpn[CONNECTION_NAME_MAX];
};

/* --- datagram.c ------------------------------------------------------------------------------- */

/* Takes the first that waits out of the queue and frees it. */
void datagram_drop(struct arq_quic_connection *connection);

/* --- connection.c ----------------------------------------------------------------------------- */

/* An Initial that was looked at and accepted. */
struct connection_accept {
	struct arq_quic_listener *listener;
	struct arq_io *io;
	const struct arq_rx_packet *packet;
	const ngtcp2_pkt_hd *header;
	enum token_verdict verdict;
	const ngtcp2_cid *original_dcid; /* of the Retry token, with TOKEN_RETRY */
};

/* Makes the server side; it has read nothing yet. Returns 0 and *connection, or -ENOMEM. */
int connection_accept(struct arq_quic_endpoint *endpoint, const struct connection_accept *accept,
		      struct arq_quic_connection **connection);

/* Takes it out of every table and list and frees it, without a word to anybody. */
void connection_destroy(struct arq_quic_connection *connection);

/*
 * The ids that lead to it, in memory of the endpoint's. Returns their number; 0 when there is no
 * memory, *cids is NULL then.
 */
size_t connection_cids(struct arq_quic_connection *connection, ngtcp2_cid **cids);

/* Puts it on the list of those that may have output. */
void connection_schedule(struct arq_quic_connection *connection);

/*
 * Gives a packet to ngtcp2. Returns 0, or NGTCP2_ERR_RETRY when the first Initial was not enough to
 * believe the client; every other failure is noted in the connection.
 */
int connection_receive(struct arq_quic_connection *connection, struct arq_io *io,
		       const struct arq_rx_packet *packet);

/* When its silence will have been too long; TIMER_NEVER when it owes us nothing. */
uint64_t connection_silent_at(const struct arq_quic_connection *connection);

/* Its timer has come. */
void connection_expire(struct arq_quic_connection *connection, uint64_t now);

/* Notes why it ends; the first reason stays. */
void connection_end(struct arq_quic_connection *connection, enum connection_ending ending,
		    enum arq_quic_close_kind kind, uint64_t code, const uint8_t *reason,
		    size_t reason_length);

/* The same for an error code of ngtcp2. */
void connection_fail(struct arq_quic_connection *connection, int error);

/* --- callbacks.c ------------------------------------------------------------------------------ */

extern const ngtcp2_callbacks connection_server_callbacks;
extern const ngtcp2_callbacks connection_client_callbacks;

/* GnuTLS's hook of a client session: a ticket has come. */
int connection_ticket(gnutls_session_t session, unsigned int type, unsigned int when,
		      unsigned int incoming, const gnutls_datum_t *message);

/* The application hears of it, once; false when it closed the connection over that. */
bool connection_ready(struct arq_quic_connection *connection);

/* --- output.c --------------------------------------------------------------------------------- */

/* How a path that ngtcp2 names is reached; the first one for a path never seen. */
const struct connection_path *connection_route(const struct arq_quic_connection *connection,
					       const ngtcp2_path *path);

enum connection_write_result {
	WRITE_IDLE, /* nothing more to send now; a timer or a packet brings it back */
	WRITE_AGAIN, /* had its turn, has more */
	WRITE_STALLED, /* no slot */
};

/* One turn of sending. */
enum connection_write_result connection_write(struct arq_quic_connection *connection, uint64_t now);

/*
 * Says goodbye as its ending asks, tells the application, and frees it. Returns false when there
 * was no slot for the last packet: nothing has happened then.
 */
bool connection_finish(struct arq_quic_connection *connection, uint64_t now);

/* Sets the timer anew, after ngtcp2's state may have changed. */
void connection_rearm(struct arq_quic_connection *connection);

#endif
