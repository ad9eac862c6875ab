/* SPDX-License-Identifier: BSD-2-Clause */
/* What applications may ask of connections and streams. */
#include "userspace/quic/connection.h"

#include <errno.h>
#include <string.h>

/* RFC 9000 section 2.1. */
static bool stream_is_bidi(int64_t id)
{
	return !(id & 2);
}

static bool stream_is_ours(const struct arq_quic_connection *connection, int64_t id)
{
	return (id & 1) == connection->server;
}

/* --- connection ------------------------------------------------------------------------------- */

void arq_quic_connection_set_user(struct arq_quic_connection *connection, void *user)
{
	connection->user = user;
}

void *arq_quic_connection_user(const struct arq_quic_connection *connection)
{
	return connection->user;
}

struct arq_quic_endpoint *arq_quic_connection_endpoint(const struct arq_quic_connection *connection)
{
	return connection->endpoint;
}

bool arq_quic_connection_is_server(const struct arq_quic_connection *connection)
{
	return connection->server;
}

const struct arq_path *arq_quic_connection_path(const struct arq_quic_connection *connection)
{
	return &connection_route(connection, ngtcp2_conn_get_path(connection->conn))->path;
}

const char *arq_quic_connection_alpn(const struct arq_quic_connection *connection)
{
	return connection->alpn;
}

const char *arq_quic_connection_server_name(const struct arq_quic_connection *connection)
{
	return connection->server_name;
}

bool arq_quic_connection_resumed(const struct arq_quic_connection *connection)
{
	return connection->resumed;
}

bool arq_quic_connection_early(const struct arq_quic_connection *connection)
{
	return connection->ready && !connection->handshake_done;
}

const char *arq_quic_connection_peer_subject(const struct arq_quic_connection *connection)
{
	return connection->peer_subject ? connection->peer_subject : "";
}

uint32_t arq_quic_connection_version(const struct arq_quic_connection *connection)
{
	uint32_t negotiated = ngtcp2_conn_get_negotiated_version(connection->conn);

	return negotiated ? negotiated : ngtcp2_conn_get_client_chosen_version(connection->conn);
}

uint64_t arq_quic_connection_rtt(const struct arq_quic_connection *connection)
{
	ngtcp2_conn_info info;

	ngtcp2_conn_get_conn_info(connection->conn, &info);
	return info.smoothed_rtt;
}

uint64_t arq_quic_connection_pto(const struct arq_quic_connection *connection)
{
	return ngtcp2_conn_get_pto(connection->conn);
}

void arq_quic_connection_wake(struct arq_quic_connection *connection)
{
	connection_schedule(connection);
}

void arq_quic_connection_set_timer(struct arq_quic_connection *connection, uint64_t at)
{
	connection->application_timer = at ? at : TIMER_NEVER;
	/* The run that is to come sets the heap's node, with ngtcp2's own time in sight. */
	connection_schedule(connection);
}

void arq_quic_connection_close(struct arq_quic_connection *connection, bool application,
			       uint64_t code, const char *reason)
{
	connection_end(connection, ENDING_CLOSE,
		       application ? ARQ_QUIC_CLOSE_LOCAL_APPLICATION
				   : ARQ_QUIC_CLOSE_LOCAL_TRANSPORT,
		       code, (const uint8_t *)reason, reason ? strlen(reason) : 0);
}

bool arq_quic_connection_is_closing(const struct arq_quic_connection *connection)
{
	return connection->ending != ENDING_NOT;
}

const char *arq_quic_close_kind_name(enum arq_quic_close_kind kind)
{
	static const char *const names[] = {
		[ARQ_QUIC_CLOSE_LOCAL_TRANSPORT] = "local-transport",
		[ARQ_QUIC_CLOSE_LOCAL_APPLICATION] = "local-application",
		[ARQ_QUIC_CLOSE_PEER_TRANSPORT] = "peer-transport",
		[ARQ_QUIC_CLOSE_PEER_APPLICATION] = "peer-application",
		[ARQ_QUIC_CLOSE_IDLE] = "idle",
		[ARQ_QUIC_CLOSE_SILENT] = "silent",
		[ARQ_QUIC_CLOSE_HANDSHAKE_TIMEOUT] = "handshake-timeout",
		[ARQ_QUIC_CLOSE_STATELESS_RESET] = "stateless-reset",
		[ARQ_QUIC_CLOSE_VERSION] = "version",
		[ARQ_QUIC_CLOSE_EARLY_REFUSED] = "early-refused",
		[ARQ_QUIC_CLOSE_SHUTDOWN] = "shutdown",
	};

	return kind < sizeof(names) / sizeof(names[0]) ? names[kind] : "unknown";
}

/* --- streams ---------------------------------------------------------------------------------- */

uint64_t arq_quic_connection_streams_left(const struct arq_quic_connection *connection,
					  bool bidirectional)
{
	if (connection->ending)
		return 0;
	return bidirectional ? ngtcp2_conn_get_streams_bidi_left(connection->conn)
			     : ngtcp2_conn_get_streams_uni_left(connection->conn);
}

int arq_quic_stream_open(struct arq_quic_connection *connection, bool bidirectional, int64_t *id)
{
	int rv;

	if (connection->ending)
		return -EPIPE;
	rv = bidirectional ? ngtcp2_conn_open_bidi_stream(connection->conn, id, NULL)
			   : ngtcp2_conn_open_uni_stream(connection->conn, id, NULL);
	if (rv == 0)
		return 0;
	return rv == NGTCP2_ERR_STREAM_ID_BLOCKED ? -EAGAIN : -ENOMEM;
}

int arq_quic_stream_reset(struct arq_quic_connection *connection, int64_t id, uint64_t code)
{
	int rv;

	if (connection->ending || (!stream_is_bidi(id) && !stream_is_ours(connection, id)))
		return 0;
	rv = ngtcp2_conn_shutdown_stream_write(connection->conn, 0, id, code);
	connection_schedule(connection);
	return rv == 0 || rv == NGTCP2_ERR_STREAM_NOT_FOUND ? 0 : -ENOMEM;
}

int arq_quic_stream_stop(struct arq_quic_connection *connection, int64_t id, uint64_t code)
{
	int rv;

	if (connection->ending || (!stream_is_bidi(id) && stream_is_ours(connection, id)))
		return 0;
	rv = ngtcp2_conn_shutdown_stream_read(connection->conn, 0, id, code);
	connection_schedule(connection);
	return rv == 0 || rv == NGTCP2_ERR_STREAM_NOT_FOUND ? 0 : -ENOMEM;
}

void arq_quic_stream_consume(struct arq_quic_connection *connection, int64_t id, uint64_t length)
{
	if (connection->ending || length == 0)
		return;
	if (stream_is_bidi(id) || !stream_is_ours(connection, id))
		ngtcp2_conn_extend_max_stream_offset(connection->conn, id, length);
	ngtcp2_conn_extend_max_offset(connection->conn, length);
	connection_schedule(connection);
}

void arq_quic_stream_widen(struct arq_quic_connection *connection, int64_t id, uint64_t length,
			   bool connection_too)
{
	if (connection->ending)
		return;
	ngtcp2_conn_extend_max_stream_offset(connection->conn, id, length);
	if (connection_too)
		ngtcp2_conn_extend_max_offset(connection->conn, length);
	connection_schedule(connection);
}

void arq_quic_stream_release(struct arq_quic_connection *connection, int64_t id)
{
	if (connection->ending || stream_is_ours(connection, id))
		return;
	if (stream_is_bidi(id))
		ngtcp2_conn_extend_max_streams_bidi(connection->conn, 1);
	else
		ngtcp2_conn_extend_max_streams_uni(connection->conn, 1);
	connection_schedule(connection);
}
