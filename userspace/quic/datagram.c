// SPDX-License-Identifier: BSD-2-Clause
/* DATAGRAM frames (RFC 9221) on their way out. */
#include "userspace/quic/connection.h"

#include <errno.h>
#include <string.h>

/*
 * What a short header packet has besides a frame's data, at most: first octet, connection id,
 * packet number, the frame's type and length (RFC 9000 section 17.3, RFC 9221 section 4), and the
 * tag.
 */
#define PACKET_OVERHEAD (1 + NGTCP2_MAX_CIDLEN + 4 + 1 + 2 + 16)

/* The frame's type and length, which the peer's limit includes. */
#define FRAME_OVERHEAD 3

static bool fits(const struct arq_quic_connection *connection, size_t length)
{
	const ngtcp2_transport_params *peer =
		ngtcp2_conn_get_remote_transport_params(connection->conn);
	size_t packet = ngtcp2_conn_get_path_max_tx_udp_payload_size(connection->conn);

	return peer && length + FRAME_OVERHEAD <= peer->max_datagram_frame_size &&
	       length + PACKET_OVERHEAD <= packet;
}

int arq_quic_datagram_send(struct arq_quic_connection *connection, const uint8_t *data,
			   size_t length)
{
	struct datagram *datagram;

	if (connection->ending)
		return -EPIPE;
	if (!fits(connection, length))
		return -EMSGSIZE;
	if (connection->datagram_count == ARQ_QUIC_DATAGRAMS)
		return -EAGAIN;
	datagram = arq_memory_malloc(sizeof(*datagram) + length, &connection->endpoint->memory);
	if (!datagram)
		return -ENOMEM;
	datagram->length = length;
	if (length > 0) /* else there may be no data to point to */
		memcpy(datagram->data, data, length);
	STAILQ_INSERT_TAIL(&connection->datagrams, datagram, entry);
	connection->datagram_count++;
	connection_schedule(connection);
	return 0;
}

void datagram_drop(struct arq_quic_connection *connection)
{
	struct datagram *datagram = STAILQ_FIRST(&connection->datagrams);

	STAILQ_REMOVE_HEAD(&connection->datagrams, entry);
	connection->datagram_count--;
	arq_memory_free(datagram, &connection->endpoint->memory);
}
