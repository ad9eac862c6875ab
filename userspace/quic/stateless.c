/* SPDX-License-Identifier: BSD-2-Clause */
/* Answers that need no connection: Version Negotiation, Retry, refusals, stateless resets. */
#include "userspace/quic/endpoint.h"

#include <gnutls/crypto.h>
#include <ngtcp2/ngtcp2_crypto.h>
#include <string.h>

/*
 * A stateless reset looks like a short header packet (RFC 9000 section 10.3): five octets that seem
 * random at least, then the token. Longer than 43 buys no better disguise.
 */
#define RESET_MIN (NGTCP2_MIN_STATELESS_RESET_RANDLEN + NGTCP2_STATELESS_RESET_TOKENLEN)
#define RESET_MAX 43

/* The slot goes out with what was written, or back. */
static bool finish(struct arq_quic_endpoint *endpoint, struct arq_io *io, struct arq_tx_slot *slot,
		   ngtcp2_ssize length, const struct arq_rx_packet *packet)
{
	if (length <= 0) {
		arq_io_cancel(io, slot);
		return false;
	}
	endpoint_commit(endpoint, io, slot, (uint32_t)length, &packet->path, 0);
	return true;
}

static bool reserve(struct arq_quic_endpoint *endpoint, struct arq_io *io, struct arq_tx_slot *slot)
{
	if (endpoint_reserve(endpoint, io, slot))
		return true;
	endpoint->counters.dropped_no_slot++;
	return false;
}

void stateless_version_negotiation(struct arq_quic_endpoint *endpoint, struct arq_io *io,
				   const struct arq_rx_packet *packet,
				   const ngtcp2_version_cid *ids)
{
	uint8_t random;
	/* A reserved version first, so that clients learn to ignore what they do not know. */
	uint32_t versions[] = {NGTCP2_RESERVED_VERSION_MASK, NGTCP2_PROTO_VER_V1,
			       NGTCP2_PROTO_VER_V2};
	struct arq_tx_slot slot;

	if (!reserve(endpoint, io, &slot))
		return;
	gnutls_rnd(GNUTLS_RND_NONCE, &random, sizeof(random));
	if (finish(endpoint, io, &slot,
		   ngtcp2_pkt_write_version_negotiation(slot.data, slot.capacity, random, ids->scid,
							ids->scidlen, ids->dcid, ids->dcidlen,
							versions, 3),
		   packet))
		endpoint->counters.version_negotiation_sent++;
}

void stateless_retry(struct arq_quic_endpoint *endpoint, struct arq_io *io,
		     const struct arq_rx_packet *packet, const ngtcp2_pkt_hd *header)
{
	uint8_t token[TOKEN_MAX];
	ngtcp2_ssize token_length;
	struct arq_tx_slot slot;
	ngtcp2_cid scid;

	endpoint_generate_cid(endpoint, &scid);
	token_length = token_retry_write(&endpoint->keys, token, header->version,
					 &packet->path.remote, &scid, &header->dcid, endpoint->now);
	if (token_length < 0 || !reserve(endpoint, io, &slot))
		return;
	if (finish(endpoint, io, &slot,
		   ngtcp2_crypto_write_retry(slot.data, slot.capacity, header->version,
					     &header->scid, &scid, &header->dcid, token,
					     (size_t)token_length),
		   packet)) {
		endpoint->counters.retry_sent++;
		endpoint_note_idle(endpoint, 1);
	}
}

void stateless_close(struct arq_quic_endpoint *endpoint, struct arq_io *io,
		     const struct arq_rx_packet *packet, const ngtcp2_pkt_hd *header, uint64_t code)
{
	struct arq_tx_slot slot;

	if (!reserve(endpoint, io, &slot))
		return;
	finish(endpoint, io, &slot,
	       ngtcp2_crypto_write_connection_close(slot.data, slot.capacity, header->version,
						    &header->scid, &header->dcid, code, NULL, 0),
	       packet);
}

/* Token bucket of one second's worth. */
static bool reset_allowed(struct arq_quic_endpoint *endpoint)
{
	if (endpoint->now - endpoint->reset_tokens_at >= NGTCP2_SECONDS) {
		endpoint->reset_tokens_at = endpoint->now;
		endpoint->resets_left = endpoint->options.stateless_resets;
	}
	if (endpoint->resets_left == 0)
		return false;
	endpoint->resets_left--;
	return true;
}

void stateless_reset(struct arq_quic_endpoint *endpoint, struct arq_io *io,
		     const struct arq_rx_packet *packet)
{
	uint8_t random[RESET_MAX - NGTCP2_STATELESS_RESET_TOKENLEN];
	uint8_t token[NGTCP2_STATELESS_RESET_TOKENLEN];
	size_t length = packet->length - 1; /* shorter than the trigger: two ends cannot loop */
	struct arq_tx_slot slot;
	ngtcp2_cid cid;

	if (length > RESET_MAX)
		length = RESET_MAX;
	if (length < RESET_MIN || !reset_allowed(endpoint)) {
		endpoint->counters.dropped_unknown++;
		return;
	}
	ngtcp2_cid_init(&cid, packet->data + 1, endpoint->layout.length);
	if (token_stateless_reset(&endpoint->keys, &cid, token) ||
	    gnutls_rnd(GNUTLS_RND_NONCE, random, sizeof(random)) || !reserve(endpoint, io, &slot))
		return;
	if (finish(endpoint, io, &slot,
		   ngtcp2_pkt_write_stateless_reset(slot.data, slot.capacity, token, random,
						    length - NGTCP2_STATELESS_RESET_TOKENLEN),
		   packet))
		endpoint->counters.stateless_reset_sent++;
}
