/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Address validation tokens (RFC 9000 section 8.1) and stateless reset tokens (section 10.3). All
 * keys derive from the one secret of struct arq_quic_endpoint_options, so any worker that has it
 * understands what another one made. Each kind is sealed with a key of its own and checked as its
 * own kind only.
 *
 * Times in tokens are CLOCK_MONOTONIC: tokens do not outlive a reboot, and a NEW_TOKEN token of
 * another host is simply not accepted.
 */
#ifndef ARQUANT_QUIC_TOKEN_H
#define ARQUANT_QUIC_TOKEN_H

#include "userspace/common/address.h"
#include "userspace/quic/quic.h"

#include <ngtcp2/ngtcp2.h>
#include <ngtcp2/ngtcp2_crypto.h>
#include <stdint.h>

struct token_keys {
	uint8_t retry[ARQ_QUIC_SECRET_LENGTH];
	uint8_t new_token[ARQ_QUIC_SECRET_LENGTH];
	uint8_t stateless_reset[ARQ_QUIC_SECRET_LENGTH];
};

/* HKDF-Expand (RFC 5869) of the secret, a label for each key. Returns 0 or -EIO. */
int token_keys_derive(struct token_keys *keys, const uint8_t secret[ARQ_QUIC_SECRET_LENGTH]);

/* Returns the length, or a negative number. */
ngtcp2_ssize token_retry_write(const struct token_keys *keys,
			       uint8_t token[NGTCP2_CRYPTO_MAX_RETRY_TOKENLEN2], uint32_t version,
			       const union arq_address *remote, const ngtcp2_cid *retry_scid,
			       const ngtcp2_cid *original_dcid, uint64_t now);
ngtcp2_ssize token_new_write(const struct token_keys *keys,
			     uint8_t token[NGTCP2_CRYPTO_MAX_REGULAR_TOKENLEN],
			     const union arq_address *remote, uint64_t now);

enum token_verdict {
	TOKEN_NONE, /* no token, or none of ours: as if there were none */
	TOKEN_RETRY, /* a valid Retry token; *original_dcid is set */
	TOKEN_NEW, /* a valid NEW_TOKEN token */
	TOKEN_INVALID, /* a Retry token that is wrong or too old: INVALID_TOKEN */
};

/* What the token of an Initial is worth. */
enum token_verdict token_verify(const struct token_keys *keys, const ngtcp2_pkt_hd *header,
				const union arq_address *remote, uint64_t now,
				ngtcp2_cid *original_dcid);

/* Returns 0 or a negative number. */
int token_stateless_reset(const struct token_keys *keys, const ngtcp2_cid *cid,
			  uint8_t token[NGTCP2_STATELESS_RESET_TOKENLEN]);

#endif
