/* SPDX-License-Identifier: BSD-2-Clause */
/* What the parts of this room share: the endpoint, its lists, and who may call what. */
#ifndef ARQUANT_QUIC_ENDPOINT_H
#define ARQUANT_QUIC_ENDPOINT_H

#include "userspace/common/memory.h"
#include "userspace/quic/cid.h"
#include "userspace/quic/cid_layout.h"
#include "userspace/quic/quic.h"
#include "userspace/quic/timer.h"
#include "userspace/quic/tls.h"
#include "userspace/quic/token.h"
#include "userspace/quic/waiting.h"

#include <sys/queue.h>

TAILQ_HEAD(connection_list, arq_quic_connection);
LIST_HEAD(closing_list, closing);

/* Ios written to since the last flush. A worker has one for each listener kind, plus upstream. */
#define ENDPOINT_DIRTY_IOS 8

/*
 * Newcomers that came to nothing, in the present second and in the one before: connections that
 * ended in their handshake, and Retry packets without an answer. A flood shows there also while
 * there is time for it.
 */
struct idle_newcomers {
	uint64_t second; /* the present one */
	int64_t now, before;
};

struct arq_quic_endpoint {
	struct arq_quic_endpoint_options options;
	struct arq_quic_counters counters;
	struct arq_memory memory;
	ngtcp2_mem allocator; /* counts into memory */
	struct token_keys keys;
	struct cid_layout layout; /* of our ids */
	struct cid_table *cids;
	struct cid_table *reset_tokens; /* stateless reset tokens of peers, 16 octets each */
	struct timer_heap timers;
	struct connection_list connections; /* all of them */
	struct connection_list pending; /* those that may have output */
	struct closing_list closings;
	struct arq_quic_listener *listeners;
	struct waiting waiting; /* what may begin a connection */
	struct idle_newcomers idle_newcomers;
	uint64_t now; /* the latest, never goes back: ngtcp2 relies on that */
	bool stalled; /* the last run left output for want of slots */
	uint64_t reset_tokens_at; /* stateless resets: token bucket, when it was filled up to ... */
	uint32_t resets_left; /* ... this many */
	gnutls_anti_replay_t anti_replay; /* this thread's; NULL until 0-RTT is offered */
	struct arq_io *dirty[ENDPOINT_DIRTY_IOS];
	size_t dirty_count;
};

struct arq_quic_listener {
	struct arq_quic_listener *next;
	struct arq_quic_endpoint *endpoint;
	union arq_address address;
	struct arq_quic_tls *tls;
	struct arq_quic_transport transport;
	bool stopped;
	bool tickets;
	uint8_t ticket_key[TLS_TICKET_KEY_LENGTH];
	size_t application_count;
	struct arq_quic_application applications[];
};

/* --- endpoint.c ------------------------------------------------------------------------------- */

/* Takes the clock reading; time never goes back here. Returns what holds. */
uint64_t endpoint_clock(struct arq_quic_endpoint *endpoint, uint64_t now);

/* Remembers to flush the io; reserve, counted; both ends of every way out. */
bool endpoint_reserve(struct arq_quic_endpoint *endpoint, struct arq_io *io,
		      struct arq_tx_slot *slot);
void endpoint_commit(struct arq_quic_endpoint *endpoint, struct arq_io *io,
		     struct arq_tx_slot *slot, uint32_t length, const struct arq_path *path,
		     uint8_t ecn);
void endpoint_flush(struct arq_quic_endpoint *endpoint);

/* Listener of a local address, NULL for none. */
struct arq_quic_listener *endpoint_listener(struct arq_quic_endpoint *endpoint,
					    const union arq_address *local);

/* A fresh connection id of ours that is not in use. */
void endpoint_generate_cid(struct arq_quic_endpoint *endpoint, ngtcp2_cid *cid);

/* --- stateless.c: answers that need no connection --------------------------------------------- */

/* To a datagram of 1200 bytes at least: an answer must not be larger than the question (RFC 9000
 * section 14.1). */
void stateless_version_negotiation(struct arq_quic_endpoint *endpoint, struct arq_io *io,
				   const struct arq_rx_packet *packet,
				   const ngtcp2_version_cid *ids);
void stateless_retry(struct arq_quic_endpoint *endpoint, struct arq_io *io,
		     const struct arq_rx_packet *packet, const ngtcp2_pkt_hd *header);
void stateless_close(struct arq_quic_endpoint *endpoint, struct arq_io *io,
		     const struct arq_rx_packet *packet, const ngtcp2_pkt_hd *header,
		     uint64_t code);
void stateless_reset(struct arq_quic_endpoint *endpoint, struct arq_io *io,
		     const struct arq_rx_packet *packet);

/* Counts newcomers that came to nothing; -1: one who did after all. */
void endpoint_note_idle(struct arq_quic_endpoint *endpoint, int count);

/* --- reap.c: memory, by options.max_memory --------------------------------------------------- */

/* Is it so short that nobody new is taken? From 15/16 of the limit. */
bool reap_refuses(const struct arq_quic_endpoint *endpoint);

/* A packet came for the connection: it is the last of those to go. */
void reap_heard(struct arq_quic_connection *connection);

/*
 * Beyond the limit, ends what is closing, then clients' connections, those in their handshake and
 * those silent for longest first. Sends nothing yet.
 */
void reap(struct arq_quic_endpoint *endpoint);

/* --- accept.c --------------------------------------------------------------------------------- */

/*
 * A long header packet that no connection owns: a new connection, a Retry, or nothing. One that has
 * not `waited` waits first, where packets do.
 */
void accept_packet(struct arq_quic_endpoint *endpoint, struct arq_io *io,
		   const struct arq_rx_packet *packet, bool waited);

/* Has it wait, or drops and counts it when there is no place. */
void accept_later(struct arq_quic_endpoint *endpoint, struct arq_io *io,
		  const struct arq_rx_packet *packet, enum waiting_rank rank);

#endif
