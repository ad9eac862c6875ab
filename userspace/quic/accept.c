/* SPDX-License-Identifier: BSD-2-Clause */
/* The door: which Initials become connections. */
#include "userspace/quic/connection.h"

/* Long header packet type bits of an Initial (RFC 9000 section 17.2.2, RFC 9369 section 3.2). */
static bool is_initial(const struct arq_rx_packet *packet)
{
	const uint8_t *p = packet->data;
	uint32_t version;

	if (packet->length < 5)
		return false;
	version = (uint32_t)p[1] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 8 | p[4];
	return (p[0] & 0x30) == (version == NGTCP2_PROTO_VER_V2 ? 0x10 : 0x00);
}

static bool wants_retry(const struct arq_quic_endpoint *endpoint)
{
	switch (endpoint->options.retry) {
	case ARQ_QUIC_RETRY_ALWAYS:
		return true;
	case ARQ_QUIC_RETRY_NEVER:
		return false;
	default:
		return endpoint->counters.half_open >= endpoint->options.retry_threshold;
	}
}

static bool is_full(const struct arq_quic_endpoint *endpoint)
{
	return endpoint->counters.connections >= endpoint->options.max_connections ||
	       endpoint->counters.half_open >= endpoint->options.max_half_open;
}

/* Counts the verdict. Returns false when the packet has been answered or is not worth it. */
static bool admit(struct arq_quic_endpoint *endpoint, const struct connection_accept *accept)
{
	switch (accept->verdict) {
	case TOKEN_INVALID:
		endpoint->counters.token_invalid++;
		stateless_close(endpoint, accept->io, accept->packet, accept->header,
				NGTCP2_INVALID_TOKEN);
		return false;
	case TOKEN_RETRY:
		endpoint->counters.retry_accepted++;
		break;
	case TOKEN_NEW:
		endpoint->counters.token_accepted++;
		break;
	case TOKEN_NONE:
		if (wants_retry(endpoint)) {
			stateless_retry(endpoint, accept->io, accept->packet, accept->header);
			return false;
		}
		break;
	}
	/* Only after a Retry may the client's first id be one that we chose, and shorter. */
	if (accept->verdict != TOKEN_RETRY &&
	    accept->header->dcid.datalen < NGTCP2_MIN_INITIAL_DCIDLEN) {
		endpoint->counters.dropped_malformed++;
		return false;
	}
	if (is_full(endpoint)) {
		endpoint->counters.dropped_limit++;
		return false;
	}
	return true;
}

void accept_packet(struct arq_quic_endpoint *endpoint, struct arq_io *io,
		   const struct arq_rx_packet *packet)
{
	struct connection_accept accept = {.io = io, .packet = packet};
	struct arq_quic_connection *connection;
	ngtcp2_cid original_dcid;
	ngtcp2_pkt_hd header;

	if (ngtcp2_accept(&header, packet->data, packet->length)) {
		if (is_initial(packet) && packet->length < NGTCP2_MAX_UDP_PAYLOAD_SIZE)
			endpoint->counters.dropped_initial_size++;
		else
			endpoint->counters.dropped_unknown++;
		return;
	}
	accept.header = &header;
	accept.listener = endpoint_listener(endpoint, &packet->path.local);
	if (!accept.listener) {
		endpoint->counters.dropped_no_listener++;
		return;
	}
	if (accept.listener->stopped) {
		endpoint->counters.dropped_limit++;
		stateless_close(endpoint, io, packet, &header, NGTCP2_CONNECTION_REFUSED);
		return;
	}
	accept.verdict = token_verify(&endpoint->keys, &header, &packet->path.remote, endpoint->now,
				      &original_dcid);
	accept.original_dcid = &original_dcid;
	if (!admit(endpoint, &accept) || connection_accept(endpoint, &accept, &connection))
		return;
	if (connection_receive(connection, io, packet) == NGTCP2_ERR_RETRY) {
		connection_destroy(connection);
		endpoint->counters.accepted--; /* it was none */
		stateless_retry(endpoint, io, packet, &header);
	}
}
