/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What connection ids of ours look like: draft-ietf-quic-load-balancers.
 *
 *	octet 0		3 bits configuration id, 5 bits length of the rest
 *	server id	the host's octets (may be none), then two of the worker's number, big endian
 *	nonce		random
 *
 * So a host has one server id for each worker, all with the same beginning: a balancer knows the
 * host by the beginning, and whoever got a packet at the host knows the worker by the end. With a
 * key all but the first octet is encrypted: by one AES-128 block when server id and nonce are
 * 16 octets together, else by a Feistel network of four rounds over it.
 *
 * A layout belongs to one thread.
 */
#ifndef ARQUANT_QUIC_CID_LAYOUT_H
#define ARQUANT_QUIC_CID_LAYOUT_H

#include "userspace/quic/quic.h"

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <ngtcp2/ngtcp2.h>

#define CID_WORKER_LENGTH 2 /* octets of the worker's number at the end of the server id */

/* Server id and nonce together: what a connection id has room for, and one AES block. */
#define CID_PLAIN_MAX   (NGTCP2_MAX_CIDLEN - 1)
#define CID_BLOCK       16
#define CID_CONFIGS     7 /* configuration ids; 7 itself says "not routable" */
#define CID_LENGTH_BITS 0x1f

struct cid_layout {
	struct arq_quic_cid_options options;
	size_t server_length; /* octets of the server id, the worker's included */
	size_t length; /* of a whole connection id */
	gnutls_cipher_hd_t cipher; /* NULL: not encrypted */
};

/* Returns 0, -EINVAL for lengths that the draft does not allow, or -ENOMEM. */
int cid_layout_init(struct cid_layout *layout, const struct arq_quic_cid_options *options);
void cid_layout_release(struct cid_layout *layout);

/* A new connection id of the worker's; false when there is no randomness. */
bool cid_layout_generate(const struct cid_layout *layout, ngtcp2_cid *cid, uint16_t worker);

/* The worker that a connection id names, or -1 when it cannot be of this host and configuration. */
int cid_layout_worker(const struct cid_layout *layout, const uint8_t *cid, size_t length);

/* Server id and nonce to a connection id, and back; for both, layout->length - 1 octets of plain.
 */
void cid_layout_encode(const struct cid_layout *layout, const uint8_t *plain, uint8_t *cid);
void cid_layout_decode(const struct cid_layout *layout, const uint8_t *cid, uint8_t *plain);

#endif
