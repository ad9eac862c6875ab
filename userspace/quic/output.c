/* SPDX-License-Identifier: BSD-2-Clause */
/* Sending: the write loop of a connection, and its last words. */
#include "userspace/quic/close.h"
#include "userspace/quic/connection.h"

#include <string.h>

/*
 * Packets of one connection in a row: long enough for the kernel's segmentation offload to pay,
 * short enough that thousands of connections share a link without waiting milliseconds.
 */
#define TURN_PACKETS 32

/*
 * Times the application may be asked for one packet. Each time brings bytes, or takes a blocked or
 * finished stream out of its queue, so real ones need a handful; the bound is against an
 * application that offers the same stream for ever.
 */
#define OFFERS_MAX 512

const struct connection_path *connection_route(const struct arq_quic_connection *connection,
					       const ngtcp2_path *path)
{
	const union arq_address *local = (const union arq_address *)path->local.addr;
	const union arq_address *remote = (const union arq_address *)path->remote.addr;

	for (size_t i = 0; i < connection->path_count; i++) {
		const struct connection_path *known = &connection->paths[i];

		if (arq_address_equal(&known->path.remote, remote) &&
		    arq_address_equal(&known->path.local, local))
			return known;
	}
	return &connection->paths[0];
}

/* The io of the current path; NULL when it is gone. */
static struct arq_io *current_io(const struct arq_quic_connection *connection)
{
	return connection_route(connection, ngtcp2_conn_get_path(connection->conn))->io;
}

/* --- one packet ------------------------------------------------------------------------------- */

/* What the application wants to send, as ngtcp2 takes it; stream_id -1 for nothing. */
static void ask(struct arq_quic_connection *connection, struct arq_quic_write *write)
{
	size_t total = 0;

	write->stream_id = -1;
	write->fin = false;
	write->count = 0;
	/* Without credit on the connection nothing can go, whichever stream it is. */
	if (!connection->ready || connection->ending || !connection->ops->next_write ||
	    !ngtcp2_conn_get_max_data_left(connection->conn))
		return;
	connection->ops->next_write(connection, connection->user, write);
	for (size_t i = 0; i < write->count; i++)
		total += write->vecs[i].length;
	if (total == 0)
		write->count = 0; /* ngtcp2 insists that vectors hold something */
}

_Static_assert(sizeof(struct arq_quic_vec) == sizeof(ngtcp2_vec) &&
		       offsetof(struct arq_quic_vec, data) == offsetof(ngtcp2_vec, base) &&
		       offsetof(struct arq_quic_vec, length) == offsetof(ngtcp2_vec, len),
	       "vectors are handed through as they are");

/*
 * Puts what waits of DATAGRAM frames into the packet. Returns NGTCP2_ERR_WRITE_MORE when there is
 * room for other frames; else as ngtcp2 does.
 */
static ngtcp2_ssize fill_datagrams(struct arq_quic_connection *connection, struct arq_tx_slot *slot,
				   ngtcp2_path *path, ngtcp2_pkt_info *info, uint64_t now)
{
	while (connection->ready && connection->datagram_count) {
		struct datagram *datagram = STAILQ_FIRST(&connection->datagrams);
		/* ngtcp2 insists that vectors hold something. */
		const ngtcp2_vec vec = {datagram->data, datagram->length};
		int accepted = 0;
		ngtcp2_ssize length = ngtcp2_conn_writev_datagram(
			connection->conn, path, info, slot->data, slot->capacity, &accepted,
			NGTCP2_WRITE_DATAGRAM_FLAG_MORE, 0, &vec, datagram->length > 0, now);

		/* The peer's limit, or the path, is another than when it was queued. */
		if (length == NGTCP2_ERR_INVALID_STATE || length == NGTCP2_ERR_INVALID_ARGUMENT)
			accepted = 1;
		else if (length != NGTCP2_ERR_WRITE_MORE && !accepted)
			return length;
		datagram_drop(connection);
		if (length >= 0)
			return length;
	}
	return NGTCP2_ERR_WRITE_MORE;
}

/*
 * Fills one packet with frames of ngtcp2's own and data of as many streams as fit. Returns its
 * length, 0 when there is nothing to send or it is not allowed now, or an error of ngtcp2.
 */
static ngtcp2_ssize fill(struct arq_quic_connection *connection, struct arq_tx_slot *slot,
			 ngtcp2_path *path, ngtcp2_pkt_info *info, uint64_t now)
{
	const struct arq_quic_ops *ops = connection->ops;
	ngtcp2_ssize begun = fill_datagrams(connection, slot, path, info, now);

	if (begun != NGTCP2_ERR_WRITE_MORE)
		return begun;
	for (unsigned int offers = 0;; offers++) {
		struct arq_quic_write write = {.stream_id = -1};
		uint32_t flags = NGTCP2_WRITE_STREAM_FLAG_MORE;
		ngtcp2_ssize taken = -1, length;

		if (offers < OFFERS_MAX)
			ask(connection, &write);
		if (write.stream_id < 0)
			flags = NGTCP2_WRITE_STREAM_FLAG_NONE;
		else if (write.fin)
			flags |= NGTCP2_WRITE_STREAM_FLAG_FIN;
		length = ngtcp2_conn_writev_stream(
			connection->conn, path, info, slot->data, slot->capacity, &taken, flags,
			write.stream_id, (const ngtcp2_vec *)write.vecs, write.count, now);
		switch (length) {
		case NGTCP2_ERR_STREAM_DATA_BLOCKED:
			ops->blocked(connection, connection->user, write.stream_id);
			continue;
		case NGTCP2_ERR_STREAM_SHUT_WR:
			ops->stop_sending(connection, connection->user, write.stream_id, 0);
			continue;
		case NGTCP2_ERR_STREAM_NOT_FOUND:
			ops->shut(connection, connection->user, write.stream_id);
			continue;
		default:
			break;
		}
		if (taken >= 0)
			ops->written(connection, connection->user, write.stream_id, (size_t)taken);
		if (length != NGTCP2_ERR_WRITE_MORE)
			return length;
	}
}

/* One packet into a slot. Returns 1 when it went, 0 when there was none, or an error of ngtcp2. */
static int send_packet(struct arq_quic_connection *connection, struct arq_io *io,
		       struct arq_tx_slot *slot, uint64_t now)
{
	const struct connection_path *way;
	ngtcp2_pkt_info info = {0};
	ngtcp2_path_storage storage;
	ngtcp2_ssize length;

	ngtcp2_path_storage_zero(&storage);
	length = fill(connection, slot, &storage.path, &info, now);
	if (length <= 0) {
		arq_io_cancel(io, slot);
		return (int)length;
	}
	way = connection_route(connection, &storage.path);
	if (way->io != io) { /* a slot belongs to its io: a probe elsewhere is lost, as may be */
		arq_io_cancel(io, slot);
		return 1;
	}
	endpoint_commit(connection->endpoint, io, slot, (uint32_t)length, &way->path, info.ecn);
	return 1;
}

/* --- one turn --------------------------------------------------------------------------------- */

static size_t turn_length(struct arq_quic_connection *connection)
{
	size_t quantum = ngtcp2_conn_get_send_quantum(connection->conn) /
			 ngtcp2_conn_get_path_max_tx_udp_payload_size(connection->conn);

	return quantum == 0 ? 1 : quantum > TURN_PACKETS ? TURN_PACKETS : quantum;
}

/* Before the handshake is done its own timeout watches over it. */
static void watch_silence(struct arq_quic_connection *connection)
{
	ngtcp2_conn_info info;

	if (!connection->silence || !connection->handshake_done)
		return;
	ngtcp2_conn_get_conn_info(connection->conn, &info);
	if (info.bytes_in_flight == 0)
		connection->owed_since = TIMER_NEVER;
	else if (connection->owed_since == TIMER_NEVER)
		connection->owed_since = connection->endpoint->now;
}

void connection_rearm(struct arq_quic_connection *connection)
{
	uint64_t at = ngtcp2_conn_get_expiry(connection->conn);
	uint64_t silent_at;

	watch_silence(connection);
	silent_at = connection_silent_at(connection);
	if (silent_at < at)
		at = silent_at;

	if (connection->application_timer < at)
		at = connection->application_timer;
	timer_set(&connection->endpoint->timers, &connection->timer, at);
}

enum connection_write_result connection_write(struct arq_quic_connection *connection, uint64_t now)
{
	enum connection_write_result result = WRITE_AGAIN;
	struct arq_io *io = current_io(connection);
	size_t left = turn_length(connection);
	size_t sent = 0;

	if (!io) {
		connection_end(connection, ENDING_DROP, ARQ_QUIC_CLOSE_SHUTDOWN, 0, NULL, 0);
		return WRITE_AGAIN;
	}
	if (connection->early_data)
		connection_ready(connection);
	for (; left && !connection->ending; left--) {
		struct arq_tx_slot slot;
		int rv;

		if (!endpoint_reserve(connection->endpoint, io, &slot)) {
			result = WRITE_STALLED;
			break;
		}
		rv = send_packet(connection, io, &slot, now);
		if (rv < 0)
			connection_fail(connection, rv);
		if (rv <= 0) {
			result = WRITE_IDLE;
			break;
		}
		sent++;
	}
	if (sent)
		ngtcp2_conn_update_pkt_tx_time(connection->conn, now);
	connection_rearm(connection);
	return connection->ending ? WRITE_AGAIN : result;
}

/* --- last words ------------------------------------------------------------------------------- */

static void to_ccerr(const struct arq_quic_connection *connection, ngtcp2_ccerr *ccerr)
{
	const uint8_t *reason = (const uint8_t *)connection->reason;
	size_t length = strlen(connection->reason);

	if (connection->close.kind == ARQ_QUIC_CLOSE_LOCAL_APPLICATION)
		ngtcp2_ccerr_set_application_error(ccerr, connection->close.code, reason, length);
	else
		ngtcp2_ccerr_set_transport_error(ccerr, connection->close.code, reason, length);
}

/*
 * Sends CONNECTION_CLOSE and keeps a copy in `packet`. Returns its length, 0 when none could be
 * made (nothing was sent to or heard from the peer yet), -1 when there is no slot.
 */
static int send_close(struct arq_quic_connection *connection, uint8_t *packet, uint64_t now)
{
	struct arq_io *io = current_io(connection);
	const struct connection_path *way;
	ngtcp2_path_storage storage;
	ngtcp2_pkt_info info = {0};
	struct arq_tx_slot slot;
	ngtcp2_ssize length;
	ngtcp2_ccerr ccerr;

	if (!io)
		return 0;
	if (!endpoint_reserve(connection->endpoint, io, &slot))
		return -1;
	to_ccerr(connection, &ccerr);
	ngtcp2_path_storage_zero(&storage);
	length = ngtcp2_conn_write_connection_close(connection->conn, &storage.path, &info,
						    slot.data, NGTCP2_MAX_UDP_PAYLOAD_SIZE, &ccerr,
						    now);
	if (length <= 0) {
		arq_io_cancel(io, &slot);
		return 0;
	}
	memcpy(packet, slot.data, (size_t)length);
	way = connection_route(connection, &storage.path);
	endpoint_commit(connection->endpoint, io, &slot, (uint32_t)length, &way->path, info.ecn);
	return (int)length;
}

static void keep_ids(struct arq_quic_connection *connection, const uint8_t *packet, uint32_t length,
		     uint64_t now)
{
	struct arq_quic_endpoint *endpoint = connection->endpoint;
	const struct connection_path *way =
		connection_route(connection, ngtcp2_conn_get_path(connection->conn));
	ngtcp2_cid *cids;
	size_t count = connection_cids(connection, &cids);

	if (count == 0)
		return;
	closing_begin(endpoint, way->io, &way->path, cids, count, &connection->owner, packet,
		      length, now + 3 * ngtcp2_conn_get_pto(connection->conn));
	arq_memory_free(cids, &endpoint->memory);
}

static void count_end(const struct arq_quic_connection *connection)
{
	struct arq_quic_counters *counters = &connection->endpoint->counters;
	const struct arq_quic_close *close = &connection->close;
	bool transport = close->kind == ARQ_QUIC_CLOSE_LOCAL_TRANSPORT ||
			 close->kind == ARQ_QUIC_CLOSE_PEER_TRANSPORT;

	if (!connection->handshake_done) {
		if (connection->server)
			endpoint_note_idle(connection->endpoint, 1);
		if (transport && (close->code & ~0xffULL) == NGTCP2_CRYPTO_ERROR)
			counters->handshakes_failed_tls++;
		else if (close->kind == ARQ_QUIC_CLOSE_HANDSHAKE_TIMEOUT ||
			 close->kind == ARQ_QUIC_CLOSE_IDLE)
			counters->handshakes_failed_timeout++;
		else
			counters->handshakes_failed_other++;
		return;
	}
	switch (close->kind) {
	case ARQ_QUIC_CLOSE_PEER_TRANSPORT:
	case ARQ_QUIC_CLOSE_PEER_APPLICATION:
		counters->closed_peer++;
		break;
	case ARQ_QUIC_CLOSE_IDLE:
		counters->closed_idle++;
		break;
	case ARQ_QUIC_CLOSE_SILENT:
		counters->closed_silent++;
		break;
	case ARQ_QUIC_CLOSE_STATELESS_RESET:
		counters->closed_reset++;
		break;
	default:
		counters->closed_local++;
	}
}

bool connection_finish(struct arq_quic_connection *connection, uint64_t now)
{
	uint8_t packet[NGTCP2_MAX_UDP_PAYLOAD_SIZE];
	int length = 0;

	if (connection->ending == ENDING_CLOSE) {
		length = send_close(connection, packet, now);
		if (length < 0)
			return false;
	}
	if (connection->ending == ENDING_DRAIN || length > 0)
		keep_ids(connection, packet, (uint32_t)length, now);
	count_end(connection);
	/* Server connections are unknown to the application before they are ready. */
	if (connection->ops && (connection->ready || !connection->server))
		connection->ops->closed(connection, connection->user, &connection->close);
	connection_destroy(connection);
	return true;
}
