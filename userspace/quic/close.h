/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is left of a connection that ended (RFC 9000 section 10.2): its ids, the packet that closed
 * it, and a deadline of three probe timeouts. Closing: packets that still come are answered with
 * the closing packet, the 1st, 2nd, 4th, 8th and so on. Draining: silence.
 */
#ifndef ARQUANT_QUIC_CLOSE_H
#define ARQUANT_QUIC_CLOSE_H

#include "userspace/quic/endpoint.h"

struct closing {
	struct cid_owner owner; /* first: the id table points here */
	LIST_ENTRY(closing) entry;
	struct timer timer;
	struct arq_io *io;
	struct arq_path path;
	uint64_t received; /* packets since it closed */
	uint32_t length; /* of the packet; 0: draining */
	uint8_t packet[NGTCP2_MAX_UDP_PAYLOAD_SIZE];
	size_t cid_count;
	ngtcp2_cid cids[];
};

/*
 * Takes over the ids of a connection until `deadline`, with its closing packet (length 0: none).
 * Without memory, or past the endpoint's limit, the ids are just forgotten.
 */
void closing_begin(struct arq_quic_endpoint *endpoint, struct arq_io *io,
		   const struct arq_path *path, const ngtcp2_cid *cids, size_t cid_count,
		   const struct cid_owner *from, const uint8_t *packet, uint32_t length,
		   uint64_t deadline);

void closing_receive(struct arq_quic_endpoint *endpoint, struct closing *closing);

void closing_end(struct arq_quic_endpoint *endpoint, struct closing *closing);

#endif
