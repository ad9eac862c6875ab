/* SPDX-License-Identifier: BSD-2-Clause */
/* The door: which Initials become connections. */
#include "userspace/quic/connection.h"
#include "userspace/quic/sources.h"

/* Long header packet type (RFC 9000 section 17.2, RFC 9369 section 3.2), in the order of version 1.
 */
enum long_type { LONG_INITIAL, LONG_0RTT, LONG_HANDSHAKE, LONG_RETRY };

static enum long_type type_of(const struct arq_rx_packet *packet)
{
	const uint8_t *p = packet->data;
	uint32_t version;
	uint8_t type;

	if (packet->length < 5)
		return LONG_RETRY; /* it is of no use either */
	version = (uint32_t)p[1] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 8 | p[4];
	type = p[0] >> 4 & 3;
	return (enum long_type)(version == NGTCP2_PROTO_VER_V2 ? (type + 3) & 3 : type);
}

/* More newcomers than there is time for, or many that come to nothing. */
static bool is_pressed(struct arq_quic_endpoint *endpoint)
{
	const struct waiting *waiting = &endpoint->waiting;
	const struct idle_newcomers *idle = &endpoint->idle_newcomers;
	int64_t many = endpoint->options.retry_threshold;

	endpoint_note_idle(endpoint, 0);
	return (waiting->size && waiting_count(waiting, WAITING_UNKNOWN) >= waiting->size / 2) ||
	       idle->now >= many || idle->before >= many;
}

static bool wants_retry(struct arq_quic_endpoint *endpoint)
{
	switch (endpoint->options.retry) {
	case ARQ_QUIC_RETRY_ALWAYS:
		return true;
	case ARQ_QUIC_RETRY_NEVER:
		return false;
	default:
		return endpoint->counters.half_open >= endpoint->options.retry_threshold ||
		       is_pressed(endpoint);
	}
}

static bool is_full(const struct arq_quic_endpoint *endpoint)
{
	return endpoint->counters.connections >= endpoint->options.max_connections ||
	       endpoint->counters.half_open >= endpoint->options.max_half_open ||
	       reap_refuses(endpoint);
}

static bool has_its_share(const struct arq_quic_endpoint *endpoint,
			  const struct connection_accept *accept)
{
	const struct arq_quic_endpoint_options *options = &endpoint->options;

	return options->max_per_source && options->sources &&
	       sources_count(options->sources,
			     sources_key(options->sources, &accept->packet->path.remote)) >=
		       options->max_per_source;
}

static void refuse_source(struct arq_quic_endpoint *endpoint,
			  const struct connection_accept *accept)
{
	endpoint->counters.refused_source++;
	stateless_close(endpoint, accept->io, accept->packet, accept->header,
			NGTCP2_CONNECTION_REFUSED);
}

/* Counts the verdict. Returns false when the packet has been answered or is not worth it. */
static bool admit(struct arq_quic_endpoint *endpoint, const struct connection_accept *accept)
{
	if (accept->listener->stopped) {
		endpoint->counters.dropped_limit++;
		stateless_close(endpoint, accept->io, accept->packet, accept->header,
				NGTCP2_CONNECTION_REFUSED);
		return false;
	}
	switch (accept->verdict) {
	case TOKEN_INVALID:
		endpoint->counters.token_invalid++;
		stateless_close(endpoint, accept->io, accept->packet, accept->header,
				NGTCP2_INVALID_TOKEN);
		return false;
	case TOKEN_RETRY:
		endpoint->counters.retry_accepted++;
		endpoint_note_idle(endpoint, -1);
		break;
	case TOKEN_NEW:
		endpoint->counters.token_accepted++;
		break;
	case TOKEN_NONE:
		if (wants_retry(endpoint) || has_its_share(endpoint, accept)) {
			stateless_retry(endpoint, accept->io, accept->packet, accept->header);
			return false;
		}
		break;
	}
	if (accept->verdict != TOKEN_NONE && has_its_share(endpoint, accept)) {
		refuse_source(endpoint, accept);
		return false;
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

void accept_later(struct arq_quic_endpoint *endpoint, struct arq_io *io,
		  const struct arq_rx_packet *packet, enum waiting_rank rank)
{
	if (!waiting_put(&endpoint->waiting, rank, io, packet))
		endpoint->counters.dropped_busy++;
}

/* What is no Initial that ngtcp2 would take. */
static void refuse(struct arq_quic_endpoint *endpoint, struct arq_io *io,
		   const struct arq_rx_packet *packet, bool waited)
{
	enum long_type type = type_of(packet);

	if (type == LONG_INITIAL && packet->length < NGTCP2_MAX_UDP_PAYLOAD_SIZE)
		endpoint->counters.dropped_initial_size++;
	else if (type == LONG_0RTT && !waited && arq_quic_waiting(endpoint))
		accept_later(endpoint, io, packet, WAITING_UNKNOWN); /* behind its Initial */
	else
		endpoint->counters.dropped_unknown++;
}

void accept_packet(struct arq_quic_endpoint *endpoint, struct arq_io *io,
		   const struct arq_rx_packet *packet, bool waited)
{
	struct connection_accept accept = {.io = io, .packet = packet};
	struct arq_quic_connection *connection;
	ngtcp2_cid original_dcid;
	ngtcp2_pkt_hd header;

	if (ngtcp2_accept(&header, packet->data, packet->length)) {
		refuse(endpoint, io, packet, waited);
		return;
	}
	accept.header = &header;
	accept.listener = endpoint_listener(endpoint, &packet->path.local);
	if (!accept.listener) {
		endpoint->counters.dropped_no_listener++;
		return;
	}
	accept.verdict = token_verify(&endpoint->keys, &header, &packet->path.remote, endpoint->now,
				      &original_dcid);
	accept.original_dcid = &original_dcid;
	if (endpoint->waiting.size && !waited) {
		accept_later(endpoint, io, packet,
			     accept.verdict == TOKEN_RETRY || accept.verdict == TOKEN_NEW
				     ? WAITING_PROVEN
				     : WAITING_UNKNOWN);
		return;
	}
	if (!admit(endpoint, &accept) || connection_accept(endpoint, &accept, &connection))
		return;
	if (connection_receive(connection, io, packet) == NGTCP2_ERR_RETRY) {
		connection_destroy(connection);
		endpoint->counters.accepted--; /* it was none */
		stateless_retry(endpoint, io, packet, &header);
	}
}
