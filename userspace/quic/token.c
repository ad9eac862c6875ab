/* SPDX-License-Identifier: BSD-2-Clause */
#include "userspace/quic/token.h"

#include "userspace/quic/tls.h"

#include <errno.h>
#include <gnutls/crypto.h>
#include <string.h>

/* A Retry is answered at once; a client that takes longer starts again. */
#define RETRY_LIFETIME (10 * NGTCP2_SECONDS)

/* Long enough for a visitor who comes back the same day. */
#define NEW_TOKEN_LIFETIME (24 * 3600ULL * NGTCP2_SECONDS)

static int derive(uint8_t key[ARQ_QUIC_SECRET_LENGTH], const uint8_t *secret, const char *label)
{
	const gnutls_datum_t info = {(uint8_t *)label, (unsigned int)strlen(label)};

	return tls_derive(secret, &info, key, ARQ_QUIC_SECRET_LENGTH);
}

int token_keys_derive(struct token_keys *keys, const uint8_t secret[ARQ_QUIC_SECRET_LENGTH])
{
	if (derive(keys->retry, secret, "arquant retry") ||
	    derive(keys->new_token, secret, "arquant new token") ||
	    derive(keys->stateless_reset, secret, "arquant stateless reset"))
		return -EIO;
	return 0;
}

ngtcp2_ssize token_retry_write(const struct token_keys *keys,
			       uint8_t token[NGTCP2_CRYPTO_MAX_RETRY_TOKENLEN2], uint32_t version,
			       const union arq_address *remote, const ngtcp2_cid *retry_scid,
			       const ngtcp2_cid *original_dcid, uint64_t now)
{
	return ngtcp2_crypto_generate_retry_token2(token, keys->retry, sizeof(keys->retry), version,
						   &remote->sa, arq_address_length(remote),
						   retry_scid, original_dcid, now);
}

ngtcp2_ssize token_new_write(const struct token_keys *keys,
			     uint8_t token[NGTCP2_CRYPTO_MAX_REGULAR_TOKENLEN],
			     const union arq_address *remote, uint64_t now)
{
	return ngtcp2_crypto_generate_regular_token(token, keys->new_token, sizeof(keys->new_token),
						    &remote->sa, arq_address_length(remote), now);
}

static enum token_verdict verify_retry(const struct token_keys *keys, const ngtcp2_pkt_hd *header,
				       const union arq_address *remote, uint64_t now,
				       ngtcp2_cid *original_dcid)
{
	switch (ngtcp2_crypto_verify_retry_token2(original_dcid, header->token, header->tokenlen,
						  keys->retry, sizeof(keys->retry), header->version,
						  &remote->sa, arq_address_length(remote),
						  &header->dcid, RETRY_LIFETIME, now)) {
	case 0:
		return TOKEN_RETRY;
	case NGTCP2_CRYPTO_ERR_VERIFY_TOKEN:
		return TOKEN_INVALID;
	default:
		return TOKEN_NONE;
	}
}

enum token_verdict token_verify(const struct token_keys *keys, const ngtcp2_pkt_hd *header,
				const union arq_address *remote, uint64_t now,
				ngtcp2_cid *original_dcid)
{
	if (header->tokenlen == 0)
		return TOKEN_NONE;
	switch (header->token[0]) {
	case NGTCP2_CRYPTO_TOKEN_MAGIC_RETRY2:
		return verify_retry(keys, header, remote, now, original_dcid);
	case NGTCP2_CRYPTO_TOKEN_MAGIC_REGULAR:
		if (ngtcp2_crypto_verify_regular_token(header->token, header->tokenlen,
						       keys->new_token, sizeof(keys->new_token),
						       &remote->sa, arq_address_length(remote),
						       NEW_TOKEN_LIFETIME, now) == 0)
			return TOKEN_NEW;
		return TOKEN_NONE;
	default:
		return TOKEN_NONE;
	}
}

int token_stateless_reset(const struct token_keys *keys, const ngtcp2_cid *cid,
			  uint8_t token[NGTCP2_STATELESS_RESET_TOKENLEN])
{
	return ngtcp2_crypto_generate_stateless_reset_token(token, keys->stateless_reset,
							    sizeof(keys->stateless_reset), cid);
}
