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

#include <sys/queue.h>

TAILQ_HEAD(connection_list, arq_quic_connection);
LIST_HEAD(closing_list, closing);

/* Ios written to since the last flush. A worker has one for each listener kind, plus upstream. */
#define ENDPOINT_DIRTY_IOS 8

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

/* --- accept.c --------------------------------------------------------------------------------- */

/* A long header packet that no connection owns: a new connection, a Retry, or nothing. */
void accept_packet(struct arq_quic_endpoint *endpoint, struct arq_io *io,
		   const struct arq_rx_packet *packet);

#endif
