/* SPDX-License-Identifier: BSD-2-Clause */
/* The endpoint: whose packet is it, who may send, what time is it. */
#include "userspace/quic/endpoint.h"

#include "userspace/quic/close.h"
#include "userspace/quic/connection.h"

#include <errno.h>
#include <gnutls/crypto.h>
#include <stdlib.h>
#include <string.h>

/*
 * Packets that one run sends at most before the worker looks for received ones again. Sealing one
 * takes about a microsecond, and the receive rings hold more than a millisecond's worth.
 */
#define RUN_PACKETS 1024

/*
 * When no slot is free, or the kernel did not take everything: the time in which a 10 Gb/s card
 * sends about eighty full packets.
 */
#define STALL_DELAY (100 * NGTCP2_MICROSECONDS)

/* --- life ------------------------------------------------------------------------------------- */

void arq_quic_endpoint_options_default(struct arq_quic_endpoint_options *options)
{
	*options = (struct arq_quic_endpoint_options){
		.workers = 1,
		.max_connections = 65536,
		.max_half_open = 4096,
		.retry_threshold = 1024,
		.retry = ARQ_QUIC_RETRY_AUTO,
		.stateless_resets = 100,
		.cids.nonce_length = 9,
	};
	gnutls_rnd(GNUTLS_RND_KEY, options->secret, sizeof(options->secret));
}

void arq_quic_transport_default(struct arq_quic_transport *transport)
{
	*transport = (struct arq_quic_transport){
		.max_data = 1 << 20,
		.max_stream_data_bidi_local = 256 << 10,
		.max_stream_data_bidi_remote = 256 << 10,
		.max_stream_data_uni = 64 << 10,
		.max_streams_bidi = 100,
		.max_streams_uni = 3,
		.idle_timeout = 30 * NGTCP2_SECONDS,
		.handshake_timeout = 10 * NGTCP2_SECONDS,
		.max_udp_payload = ARQ_IO_PAYLOAD_MAX,
	};
}

int arq_quic_endpoint_create(const struct arq_quic_endpoint_options *options,
			     struct arq_quic_endpoint **made, struct arq_error *error)
{
	struct arq_quic_endpoint *endpoint;
	int code;

	if (options->workers == 0 || options->worker >= options->workers)
		return arq_error_set(error, -EINVAL, "worker %u of %u does not exist",
				     options->worker, options->workers);
	endpoint = calloc(1, sizeof(*endpoint));
	if (!endpoint)
		return arq_error_set(error, -ENOMEM, "no memory for a QUIC endpoint");
	code = cid_layout_init(&endpoint->layout, &options->cids);
	if (code) {
		free(endpoint);
		return arq_error_set(error, code,
				     code == -EINVAL ? "server id and nonce of connection ids do "
						       "not fit"
						     : "no memory for a QUIC endpoint");
	}
	endpoint->options = *options;
	endpoint->allocator = (ngtcp2_mem){&endpoint->memory, arq_memory_malloc, arq_memory_free,
					   arq_memory_calloc, arq_memory_realloc};
	TAILQ_INIT(&endpoint->connections);
	TAILQ_INIT(&endpoint->pending);
	LIST_INIT(&endpoint->closings);
	endpoint->cids = cid_table_create();
	endpoint->reset_tokens = cid_table_create();
	if (!endpoint->cids || !endpoint->reset_tokens ||
	    waiting_init(&endpoint->waiting, options->waiting) ||
	    token_keys_derive(&endpoint->keys, options->secret)) {
		arq_quic_endpoint_destroy(endpoint);
		return arq_error_set(error, -ENOMEM, "no memory for a QUIC endpoint");
	}
	*made = endpoint;
	return 0;
}

static void listener_free(struct arq_quic_listener *listener)
{
	arq_quic_tls_put(listener->tls);
	explicit_bzero(listener->ticket_key, sizeof(listener->ticket_key));
	for (size_t i = 0; i < listener->application_count; i++)
		free((char *)listener->applications[i].alpn);
	free(listener);
}

void arq_quic_endpoint_destroy(struct arq_quic_endpoint *endpoint)
{
	struct arq_quic_connection *connection;
	struct arq_quic_listener *listener;
	struct closing *closing;

	if (!endpoint)
		return;
	while ((connection = TAILQ_FIRST(&endpoint->connections))) {
		connection_end(connection, ENDING_DROP, ARQ_QUIC_CLOSE_SHUTDOWN, 0, NULL, 0);
		connection->ending = ENDING_DROP;
		connection_finish(connection, endpoint->now);
	}
	while ((closing = LIST_FIRST(&endpoint->closings)))
		closing_end(endpoint, closing);
	while ((listener = endpoint->listeners)) {
		endpoint->listeners = listener->next;
		listener_free(listener);
	}
	cid_layout_release(&endpoint->layout);
	cid_table_destroy(endpoint->cids);
	cid_table_destroy(endpoint->reset_tokens);
	timer_heap_free(&endpoint->timers);
	waiting_release(&endpoint->waiting);
	if (endpoint->anti_replay)
		gnutls_anti_replay_deinit(endpoint->anti_replay);
	token_keys_release(&endpoint->keys);
	explicit_bzero(&endpoint->options, sizeof(endpoint->options));
	arq_memory_trim(&endpoint->memory);
	free(endpoint);
}

void arq_quic_endpoint_set_max_connections(struct arq_quic_endpoint *endpoint, uint32_t maximum)
{
	endpoint->options.max_connections = maximum;
}

void arq_quic_endpoint_set_max_memory(struct arq_quic_endpoint *endpoint, uint64_t maximum)
{
	endpoint->options.max_memory = maximum;
}

void arq_quic_endpoint_set_max_per_source(struct arq_quic_endpoint *endpoint, uint32_t maximum)
{
	endpoint->options.max_per_source = maximum;
}

/* --- listeners -------------------------------------------------------------------------------- */

static int applications_copy(struct arq_quic_listener *listener,
			     const struct arq_quic_listener_options *options)
{
	for (size_t i = 0; i < options->application_count; i++) {
		char *alpn = strdup(options->applications[i].alpn);

		if (!alpn)
			return -ENOMEM;
		listener->applications[i] = options->applications[i];
		listener->applications[i].alpn = alpn;
		listener->application_count++;
	}
	return 0;
}

int arq_quic_listen(struct arq_quic_endpoint *endpoint,
		    const struct arq_quic_listener_options *options,
		    struct arq_quic_listener **made, struct arq_error *error)
{
	size_t count = options->application_count;
	struct arq_quic_listener *listener;

	if (count == 0)
		return arq_error_set(error, -EINVAL,
				     "a QUIC listener needs at least one application protocol");
	for (size_t i = 0; i < count; i++) {
		size_t length = strlen(options->applications[i].alpn);

		if (length == 0 || length >= CONNECTION_NAME_MAX)
			return arq_error_set(error, -EINVAL,
					     "an ALPN name must have 1 to 255 characters");
	}
	listener = calloc(1, sizeof(*listener) + count * sizeof(listener->applications[0]));
	if (!listener)
		return arq_error_set(error, -ENOMEM, "no memory for a QUIC listener");
	listener->endpoint = endpoint;
	listener->address = options->address;
	listener->transport = options->transport;
	if (applications_copy(listener, options)) {
		listener_free(listener);
		return arq_error_set(error, -ENOMEM, "no memory for a QUIC listener");
	}
	arq_quic_listener_update(listener, options->tls, &options->transport);
	listener->next = endpoint->listeners;
	endpoint->listeners = listener;
	*made = listener;
	return 0;
}

void arq_quic_listener_update(struct arq_quic_listener *listener, struct arq_quic_tls *tls,
			      const struct arq_quic_transport *transport)
{
	struct arq_quic_tls *old = listener->tls;

	listener->tls = arq_quic_tls_get(tls);
	listener->transport = *transport;
	listener->tickets = tls_ticket_key(tls, listener->applications, listener->application_count,
					   &listener->transport, listener->ticket_key);
	/* Without memory the first session tries again. */
	tls_begin_recording(tls, &listener->endpoint->anti_replay);
	arq_quic_tls_put(old);
}

void arq_quic_listener_stop(struct arq_quic_listener *listener)
{
	listener->stopped = true;
}

/* An exact address wins over the any address of the same family and port. */
struct arq_quic_listener *endpoint_listener(struct arq_quic_endpoint *endpoint,
					    const union arq_address *local)
{
	struct arq_quic_listener *any = NULL, *listener;

	for (listener = endpoint->listeners; listener; listener = listener->next) {
		if (arq_address_equal(&listener->address, local))
			return listener;
		if (arq_address_is_any(&listener->address) &&
		    listener->address.sa.sa_family == local->sa.sa_family &&
		    arq_address_port(&listener->address) == arq_address_port(local))
			any = listener;
	}
	return any;
}

/* --- shared services -------------------------------------------------------------------------- */

uint64_t endpoint_clock(struct arq_quic_endpoint *endpoint, uint64_t now)
{
	if (now > endpoint->now)
		endpoint->now = now;
	return endpoint->now;
}

void endpoint_generate_cid(struct arq_quic_endpoint *endpoint, ngtcp2_cid *cid)
{
	/* Without randomness there would be no TLS either. */
	do
		cid_layout_generate(&endpoint->layout, cid, endpoint->options.worker);
	while (cid_table_find(endpoint->cids, cid->data, cid->datalen));
}

void endpoint_note_idle(struct arq_quic_endpoint *endpoint, int count)
{
	struct idle_newcomers *idle = &endpoint->idle_newcomers;
	uint64_t second = endpoint->now / NGTCP2_SECONDS;

	if (second != idle->second) {
		idle->before = second == idle->second + 1 ? idle->now : 0;
		idle->now = 0;
		idle->second = second;
	}
	idle->now += count;
}

static void note_dirty(struct arq_quic_endpoint *endpoint, struct arq_io *io)
{
	for (size_t i = 0; i < endpoint->dirty_count; i++) {
		if (endpoint->dirty[i] == io)
			return;
	}
	if (endpoint->dirty_count == ENDPOINT_DIRTY_IOS)
		endpoint_flush(endpoint);
	if (endpoint->dirty_count < ENDPOINT_DIRTY_IOS)
		endpoint->dirty[endpoint->dirty_count++] = io;
	else
		arq_io_flush(io); /* every other one is stuck: no batching for this one */
}

bool endpoint_reserve(struct arq_quic_endpoint *endpoint, struct arq_io *io,
		      struct arq_tx_slot *slot)
{
	if (!arq_io_reserve(io, slot)) {
		/* What is queued may be all that is in the way. */
		arq_io_flush(io);
		if (!arq_io_reserve(io, slot)) {
			endpoint->counters.output_stalled++;
			return false;
		}
	}
	if (slot->capacity >= NGTCP2_MAX_UDP_PAYLOAD_SIZE)
		return true;
	arq_io_cancel(io, slot); /* QUIC cannot work over that: RFC 9000 section 14 */
	endpoint->counters.output_stalled++;
	return false;
}

void endpoint_commit(struct arq_quic_endpoint *endpoint, struct arq_io *io,
		     struct arq_tx_slot *slot, uint32_t length, const struct arq_path *path,
		     uint8_t ecn)
{
	arq_io_commit(io, slot, length, path, ecn);
	endpoint->counters.packets_sent++;
	note_dirty(endpoint, io);
}

void endpoint_flush(struct arq_quic_endpoint *endpoint)
{
	size_t left = 0;

	for (size_t i = 0; i < endpoint->dirty_count; i++) {
		arq_io_flush(endpoint->dirty[i]);
		/* What the kernel did not take leaves with a later flush. */
		if (arq_io_pending(endpoint->dirty[i]))
			endpoint->dirty[left++] = endpoint->dirty[i];
	}
	endpoint->dirty_count = left;
}

size_t arq_quic_connections(const struct arq_quic_endpoint *endpoint)
{
	return endpoint->counters.connections;
}

void arq_quic_counters_read(const struct arq_quic_endpoint *endpoint,
			    struct arq_quic_counters *counters)
{
	*counters = endpoint->counters;
	counters->memory = endpoint->memory.used;
	counters->memory_peak = endpoint->memory.peak;
}

void arq_quic_io_gone(struct arq_quic_endpoint *endpoint, struct arq_io *io)
{
	struct arq_quic_connection *connection;
	struct closing *closing;

	endpoint_flush(endpoint);
	endpoint->dirty_count = 0; /* of the others, what is stuck leaves with their next packet */
	waiting_forget(&endpoint->waiting, io);
	TAILQ_FOREACH (connection, &endpoint->connections, entry) {
		for (size_t i = 0; i < connection->path_count; i++) {
			if (connection->paths[i].io == io)
				connection->paths[i].io = NULL;
		}
		connection_schedule(connection); /* one without an io ends when it is to send */
	}
	LIST_FOREACH (closing, &endpoint->closings, entry) {
		if (closing->io == io)
			closing->io = NULL;
	}
}

/* --- input ------------------------------------------------------------------------------------ */

/* A packet for no connection here may still be another worker's. Returns true if it was. */
static bool is_foreign(struct arq_quic_endpoint *endpoint, struct arq_io *io,
		       const struct arq_rx_packet *packet, const ngtcp2_version_cid *ids)
{
	int worker = cid_layout_worker(&endpoint->layout, ids->dcid, ids->dcidlen);

	if (worker < 0 || worker == endpoint->options.worker || worker >= endpoint->options.workers)
		return false;
	if (!endpoint->options.foreign_packet) {
		endpoint->counters.dropped_foreign++;
		return true;
	}
	endpoint->counters.foreign++;
	endpoint->options.foreign_packet(endpoint->options.user, (uint16_t)worker, io, packet);
	return true;
}

/* A short header and no known id: the peer's stateless reset, or an id we forgot. */
static void unknown_short(struct arq_quic_endpoint *endpoint, struct arq_io *io,
			  const struct arq_rx_packet *packet)
{
	struct cid_owner *owner = NULL;

	if (packet->length >= 5 + NGTCP2_STATELESS_RESET_TOKENLEN)
		owner = cid_table_find(endpoint->reset_tokens,
				       packet->data + packet->length -
					       NGTCP2_STATELESS_RESET_TOKENLEN,
				       NGTCP2_STATELESS_RESET_TOKENLEN);
	if (owner)
		connection_receive((struct arq_quic_connection *)owner, io, packet);
	else if (cid_layout_worker(&endpoint->layout, packet->data + 1, endpoint->layout.length) >=
		 0)
		stateless_reset(endpoint, io, packet);
	else
		endpoint->counters.dropped_unknown++;
}

/* Datagrams that ngtcp2's look at the header refused. */
static void unreadable(struct arq_quic_endpoint *endpoint, struct arq_io *io,
		       const struct arq_rx_packet *packet, int error, const ngtcp2_version_cid *ids,
		       bool waited)
{
	bool long_header = packet->data[0] & 0x80;

	if (error == NGTCP2_ERR_VERSION_NEGOTIATION &&
	    packet->length >= NGTCP2_MAX_UDP_PAYLOAD_SIZE &&
	    endpoint_listener(endpoint, &packet->path.local)) {
		if (endpoint->waiting.size && !waited)
			accept_later(endpoint, io, packet, WAITING_UNKNOWN);
		else
			stateless_version_negotiation(endpoint, io, packet, ids);
	} else if (long_header && packet->length >= 7 &&
		   packet->length < NGTCP2_MAX_UDP_PAYLOAD_SIZE) {
		endpoint->counters.dropped_version_size++;
	} else {
		endpoint->counters.dropped_malformed++;
	}
}

/* Returns whether it was a connection's. */
static bool receive_packet(struct arq_quic_endpoint *endpoint, struct arq_io *io,
			   const struct arq_rx_packet *packet, bool waited)
{
	ngtcp2_version_cid ids;
	struct cid_owner *owner;
	int rv;

	if (packet->length == 0) {
		endpoint->counters.dropped_malformed++;
		return false;
	}
	rv = ngtcp2_pkt_decode_version_cid(&ids, packet->data, packet->length,
					   endpoint->layout.length);
	if (rv) {
		unreadable(endpoint, io, packet, rv, &ids, waited);
		return false;
	}
	owner = cid_table_find(endpoint->cids, ids.dcid, ids.dcidlen);
	if (owner && owner->kind == CID_CONNECTION) {
		connection_receive((struct arq_quic_connection *)owner, io, packet);
		return true;
	}
	if (owner)
		closing_receive(endpoint, (struct closing *)owner);
	else if (is_foreign(endpoint, io, packet, &ids))
		return false;
	else if (packet->data[0] & 0x80)
		accept_packet(endpoint, io, packet, waited);
	else
		unknown_short(endpoint, io, packet);
	return false;
}

size_t arq_quic_receive(struct arq_quic_endpoint *endpoint, struct arq_io *io,
			const struct arq_rx_packet *packets, size_t count, uint64_t now)
{
	size_t owned = 0;

	endpoint_clock(endpoint, now);
	endpoint->counters.packets_received += count;
	for (size_t i = 0; i < count; i++)
		owned += receive_packet(endpoint, io, &packets[i], false);
	return owned;
}

bool arq_quic_admit(struct arq_quic_endpoint *endpoint, uint64_t now)
{
	struct waiting_packet *waiting = waiting_take(&endpoint->waiting);
	struct arq_rx_packet packet;

	if (!waiting)
		return false;
	endpoint_clock(endpoint, now);
	packet = (struct arq_rx_packet){.data = waiting->data,
					.length = waiting->length,
					.ecn = waiting->ecn,
					.path = waiting->path};
	if (waiting->io)
		receive_packet(endpoint, waiting->io, &packet, true);
	return true;
}

bool arq_quic_waiting(const struct arq_quic_endpoint *endpoint)
{
	return waiting_count(&endpoint->waiting, WAITING_PROVEN) ||
	       waiting_count(&endpoint->waiting, WAITING_UNKNOWN);
}

uint64_t arq_quic_established_packets(const struct arq_quic_endpoint *endpoint)
{
	return endpoint->counters.packets_established;
}

/* --- output ----------------------------------------------------------------------------------- */

static void expire(struct arq_quic_endpoint *endpoint, uint64_t now)
{
	struct timer *timer;

	while ((timer = timer_first(&endpoint->timers)) && timer->at <= now) {
		timer_set(&endpoint->timers, timer, TIMER_NEVER);
		if (timer->owner->kind == CID_CLOSING)
			closing_end(endpoint, (struct closing *)timer->owner);
		else
			connection_expire((struct arq_quic_connection *)timer->owner, now);
	}
}

/* The connection's turn. Returns false when it must wait for a slot. */
static bool take_turn(struct arq_quic_endpoint *endpoint, struct arq_quic_connection *connection,
		      uint64_t now)
{
	TAILQ_REMOVE(&endpoint->pending, connection, pending_entry);
	connection->pending = false;
	if (!connection->ending) {
		switch (connection_write(connection, now)) {
		case WRITE_IDLE:
			return true;
		case WRITE_AGAIN:
			connection_schedule(connection);
			return true;
		case WRITE_STALLED:
			break;
		}
	} else if (connection_finish(connection, now)) {
		return true;
	}
	/* First in line when there are slots again. */
	if (connection->pending)
		TAILQ_REMOVE(&endpoint->pending, connection, pending_entry);
	connection->pending = true;
	TAILQ_INSERT_HEAD(&endpoint->pending, connection, pending_entry);
	return false;
}

void arq_quic_run(struct arq_quic_endpoint *endpoint, uint64_t now)
{
	uint64_t until = endpoint->counters.packets_sent + RUN_PACKETS;
	struct arq_quic_connection *connection;

	now = endpoint_clock(endpoint, now);
	expire(endpoint, now);
	reap(endpoint);
	endpoint->stalled = false;
	while (!endpoint->stalled && endpoint->counters.packets_sent < until &&
	       (connection = TAILQ_FIRST(&endpoint->pending)))
		endpoint->stalled = !take_turn(endpoint, connection, now);
	endpoint_flush(endpoint);
}

uint64_t arq_quic_expiry(const struct arq_quic_endpoint *endpoint)
{
	const struct timer *timer = timer_first(&endpoint->timers);
	uint64_t at = timer ? timer->at : UINT64_MAX;

	if (arq_quic_waiting(endpoint) || (!TAILQ_EMPTY(&endpoint->pending) && !endpoint->stalled))
		return 0;
	if ((endpoint->stalled || endpoint->dirty_count) && endpoint->now + STALL_DELAY < at)
		at = endpoint->now + STALL_DELAY;
	return at;
}
