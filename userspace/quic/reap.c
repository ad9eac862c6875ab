/* SPDX-License-Identifier: BSD-2-Clause */
/* What goes when memory is short, and in which order. */
#include "userspace/quic/close.h"
#include "userspace/quic/connection.h"

/* What GnuTLS holds for a handshake, which nobody counts: measured, about as much as ngtcp2's. */
#define TLS_SESSION (12 << 10)

/* A run frees so much at most: it has packets to send as well. */
#define REAPED_PER_RUN 16

/* Connections looked at for a handshake under way. */
#define LOOKED_AT 256

static uint64_t memory(const struct arq_quic_endpoint *endpoint)
{
	return endpoint->memory.used + endpoint->counters.half_open * TLS_SESSION;
}

bool reap_refuses(const struct arq_quic_endpoint *endpoint)
{
	uint64_t most = endpoint->options.max_memory;

	return most && memory(endpoint) >= most - most / 16;
}

void reap_heard(struct arq_quic_connection *connection)
{
	struct arq_quic_endpoint *endpoint = connection->endpoint;

	if (!endpoint->options.max_memory)
		return;
	TAILQ_REMOVE(&endpoint->connections, connection, entry);
	TAILQ_INSERT_TAIL(&endpoint->connections, connection, entry);
}

/*
 * Of the clients' connections that have been silent for longest: one in its handshake, or else the
 * first. NULL: there is none that is not ending already.
 */
static struct arq_quic_connection *longest_silent(struct arq_quic_endpoint *endpoint)
{
	struct arq_quic_connection *connection, *first = NULL;
	unsigned int looked_at = 0;

	TAILQ_FOREACH (connection, &endpoint->connections, entry) {
		if (!connection->server || connection->ending)
			continue;
		if (!connection->handshake_done)
			return connection;
		if (!first)
			first = connection;
		if (++looked_at == LOOKED_AT)
			break;
	}
	return first;
}

void reap(struct arq_quic_endpoint *endpoint)
{
	static const char why[] = "short of memory";
	uint64_t most = endpoint->options.max_memory;
	struct arq_quic_connection *connection;
	uint64_t left, each;

	if (!most || memory(endpoint) <= most)
		return;
	while (memory(endpoint) > most && !LIST_EMPTY(&endpoint->closings))
		closing_end(endpoint, LIST_FIRST(&endpoint->closings));
	/* What a connection holds is given back at its turn to send; until then, the mean. */
	left = memory(endpoint);
	each = left / (endpoint->counters.connections + 1);
	for (int ended = 0; left > most && ended < REAPED_PER_RUN; ended++) {
		connection = longest_silent(endpoint);
		if (!connection)
			return;
		connection_end(connection, connection->handshake_done ? ENDING_CLOSE : ENDING_DROP,
			       ARQ_QUIC_CLOSE_LOCAL_TRANSPORT, NGTCP2_NO_ERROR,
			       (const uint8_t *)why, sizeof(why) - 1);
		endpoint->counters.closed_memory++;
		left -= each;
	}
}
