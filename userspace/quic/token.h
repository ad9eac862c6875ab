/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Address validation tokens (RFC 9000 section 8.1) and stateless reset tokens (section 10.3). All
 * keys derive from the one secret of struct arq_quic_endpoint_options, so any worker that has it
 * understands what another one made. Each kind is sealed with a key of its own and checked as its
 * own kind only.
 *
 * A token is one octet (kind, and the lowest bit of its epoch), a nonce, and sealed by AES-128-GCM
 * the time and, for a Retry, the client's first destination connection ID. What it is bound to is
 * authenticated and not in it: the address, for a Retry also the port, the version and the ID that
 * the client has to use. An epoch is a span of time with a key of its own (an hour for Retry, a day
 * for NEW_TOKEN), so that no key sees so many random nonces that two of them meet. The keys of two
 * epochs are kept ready: to make or to check a token takes a tenth of a microsecond, which counts
 * when thousands come in a second that are forged.
 *
 * Times in tokens are CLOCK_MONOTONIC: tokens do not outlive a reboot, and a NEW_TOKEN token of
 * another host is simply not accepted.
 */
#ifndef ARQUANT_QUIC_TOKEN_H
#define ARQUANT_QUIC_TOKEN_H

#include "userspace/common/address.h"
#include "userspace/quic/quic.h"

#include <gnutls/crypto.h>
#include <ngtcp2/ngtcp2.h>
#include <ngtcp2/ngtcp2_crypto.h>
#include <stdint.h>

#define TOKEN_NONCE 12
#define TOKEN_TAG   16

/* Octets of the longest token. */
#define TOKEN_MAX (1 + TOKEN_NONCE + sizeof(uint64_t) + NGTCP2_MAX_CIDLEN + TOKEN_TAG)

enum token_kind { TOKEN_KIND_RETRY, TOKEN_KIND_NEW, TOKEN_KINDS };

/* A key that is ready for use. */
struct token_cipher {
	gnutls_aead_cipher_hd_t handle; /* NULL: none yet */
	uint64_t epoch;
};

/* Of one thread. */
struct token_keys {
	uint8_t secret[ARQ_QUIC_SECRET_LENGTH];
	uint8_t stateless_reset[ARQ_QUIC_SECRET_LENGTH];
	struct token_cipher ciphers[TOKEN_KINDS][2]; /* of even and of odd epochs */
};

/* HKDF-Expand (RFC 5869) of the secret, a label for each key. Returns 0 or -EIO. */
int token_keys_derive(struct token_keys *keys, const uint8_t secret[ARQ_QUIC_SECRET_LENGTH]);
void token_keys_release(struct token_keys *keys);

/* Returns the length, or a negative number. */
ngtcp2_ssize token_retry_write(struct token_keys *keys, uint8_t token[TOKEN_MAX], uint32_t version,
			       const union arq_address *remote, const ngtcp2_cid *retry_scid,
			       const ngtcp2_cid *original_dcid, uint64_t now);
ngtcp2_ssize token_new_write(struct token_keys *keys, uint8_t token[TOKEN_MAX],
			     const union arq_address *remote, uint64_t now);

enum token_verdict {
	TOKEN_NONE, /* no token, or none of ours: as if there were none */
	TOKEN_RETRY, /* a valid Retry token; *original_dcid is set */
	TOKEN_NEW, /* a valid NEW_TOKEN token */
	TOKEN_INVALID, /* a Retry token that is wrong or too old: INVALID_TOKEN */
};

/* What the token of an Initial is worth. */
enum token_verdict token_verify(struct token_keys *keys, const ngtcp2_pkt_hd *header,
				const union arq_address *remote, uint64_t now,
				ngtcp2_cid *original_dcid);

/* Returns 0 or a negative number. */
int token_stateless_reset(const struct token_keys *keys, const ngtcp2_cid *cid,
			  uint8_t token[NGTCP2_STATELESS_RESET_TOKENLEN]);

#endif
