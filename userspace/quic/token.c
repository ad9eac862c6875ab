/* SPDX-License-Identifier: BSD-2-Clause */
#include "userspace/quic/token.h"

#include "userspace/quic/tls.h"

#include <errno.h>
#include <gnutls/crypto.h>
#include <stdio.h>
#include <string.h>

/* First octets; the lowest bit is the epoch's. */
#define MARK_RETRY 0xc6
#define MARK_NEW   0x4e

#define HEAD (1 + TOKEN_NONCE)
#define TIME sizeof(uint64_t)

/* What a kind of token is. Each lifetime is an epoch at most: the key before is the oldest asked
 * for. */
static const struct {
	const char *label;
	uint64_t lifetime; /* ns */
	uint64_t epoch; /* ns */
	uint8_t mark;
} kinds[TOKEN_KINDS] = {
	/* A Retry is answered at once; a client that takes longer starts again. */
	[TOKEN_KIND_RETRY] = {"arquant retry", 10 * NGTCP2_SECONDS, 3600 * NGTCP2_SECONDS,
			      MARK_RETRY},
	/* Long enough for a visitor who comes back the same day. */
	[TOKEN_KIND_NEW] = {"arquant new token", 24 * 3600 * NGTCP2_SECONDS,
			    24 * 3600 * NGTCP2_SECONDS, MARK_NEW},
};

/* What a token is bound to, as octets. */
struct binding {
	size_t length;
	uint8_t octets[64];
};

static int derive(uint8_t *key, size_t length, const uint8_t *secret, const char *label,
		  uint64_t epoch)
{
	char text[64];
	const gnutls_datum_t info = {(uint8_t *)text,
				     (unsigned int)snprintf(text, sizeof(text), "%s %llu", label,
							    (unsigned long long)epoch)};

	return tls_derive(secret, &info, key, length);
}

int token_keys_derive(struct token_keys *keys, const uint8_t secret[ARQ_QUIC_SECRET_LENGTH])
{
	static const char label[] = "arquant stateless reset";
	const gnutls_datum_t info = {(uint8_t *)label, sizeof(label) - 1};

	*keys = (struct token_keys){0};
	memcpy(keys->secret, secret, sizeof(keys->secret));
	return tls_derive(secret, &info, keys->stateless_reset, sizeof(keys->stateless_reset))
		       ? -EIO
		       : 0;
}

void token_keys_release(struct token_keys *keys)
{
	for (int kind = 0; kind < TOKEN_KINDS; kind++) {
		for (int parity = 0; parity < 2; parity++) {
			if (keys->ciphers[kind][parity].handle)
				gnutls_aead_cipher_deinit(keys->ciphers[kind][parity].handle);
		}
	}
	explicit_bzero(keys, sizeof(*keys));
}

/* NULL when GnuTLS has no memory. */
static gnutls_aead_cipher_hd_t cipher_of(struct token_keys *keys, enum token_kind kind,
					 uint64_t epoch)
{
	struct token_cipher *cipher = &keys->ciphers[kind][epoch & 1];
	uint8_t octets[16];
	const gnutls_datum_t key = {octets, sizeof(octets)};

	if (cipher->handle && cipher->epoch == epoch)
		return cipher->handle;
	if (cipher->handle)
		gnutls_aead_cipher_deinit(cipher->handle);
	cipher->handle = NULL;
	cipher->epoch = epoch;
	if (derive(octets, sizeof(octets), keys->secret, kinds[kind].label, epoch) ||
	    gnutls_aead_cipher_init(&cipher->handle, GNUTLS_CIPHER_AES_128_GCM, &key))
		cipher->handle = NULL;
	explicit_bzero(octets, sizeof(octets));
	return cipher->handle;
}

static void append(struct binding *binding, const void *octets, size_t length)
{
	memcpy(binding->octets + binding->length, octets, length);
	binding->length += length;
}

/* Family and address, with the port for a Retry, whose client has no time to get another. */
static void bind_address(struct binding *binding, const union arq_address *remote, bool port)
{
	uint8_t family = remote->sa.sa_family == AF_INET6 ? 6 : 4;

	append(binding, &family, 1);
	if (family == 6)
		append(binding, &remote->in6.sin6_addr, sizeof(remote->in6.sin6_addr));
	else
		append(binding, &remote->in.sin_addr, sizeof(remote->in.sin_addr));
	if (port)
		append(binding, &remote->in.sin_port, sizeof(remote->in.sin_port));
}

static void bind_retry(struct binding *binding, const union arq_address *remote, uint32_t version,
		       const ngtcp2_cid *retry_scid)
{
	bind_address(binding, remote, true);
	append(binding, &version, sizeof(version));
	append(binding, retry_scid->data, retry_scid->datalen);
}

static ngtcp2_ssize token_write(struct token_keys *keys, enum token_kind kind, uint8_t *token,
				const struct binding *binding, const ngtcp2_cid *original_dcid,
				uint64_t now)
{
	uint64_t epoch = now / kinds[kind].epoch;
	gnutls_aead_cipher_hd_t cipher = cipher_of(keys, kind, epoch);
	uint8_t plain[TIME + NGTCP2_MAX_CIDLEN];
	size_t length = TIME, sealed = TOKEN_MAX - HEAD;

	memcpy(plain, &now, TIME);
	if (original_dcid) {
		memcpy(plain + TIME, original_dcid->data, original_dcid->datalen);
		length += original_dcid->datalen;
	}
	token[0] = kinds[kind].mark | (epoch & 1);
	if (!cipher || gnutls_rnd(GNUTLS_RND_NONCE, token + 1, TOKEN_NONCE) ||
	    gnutls_aead_cipher_encrypt(cipher, token + 1, TOKEN_NONCE, binding->octets,
				       binding->length, TOKEN_TAG, plain, length, token + HEAD,
				       &sealed))
		return -1;
	return (ngtcp2_ssize)(HEAD + sealed);
}

ngtcp2_ssize token_retry_write(struct token_keys *keys, uint8_t token[TOKEN_MAX], uint32_t version,
			       const union arq_address *remote, const ngtcp2_cid *retry_scid,
			       const ngtcp2_cid *original_dcid, uint64_t now)
{
	struct binding binding = {0};

	bind_retry(&binding, remote, version, retry_scid);
	return token_write(keys, TOKEN_KIND_RETRY, token, &binding, original_dcid, now);
}

ngtcp2_ssize token_new_write(struct token_keys *keys, uint8_t token[TOKEN_MAX],
			     const union arq_address *remote, uint64_t now)
{
	struct binding binding = {0};

	bind_address(&binding, remote, false);
	return token_write(keys, TOKEN_KIND_NEW, token, &binding, NULL, now);
}

/* Opens a token and looks at its time. Returns the octets that follow the time in `rest`, or -1. */
static int token_open(struct token_keys *keys, enum token_kind kind, const ngtcp2_pkt_hd *header,
		      const struct binding *binding, uint64_t now, uint8_t rest[NGTCP2_MAX_CIDLEN])
{
	uint64_t epoch = now / kinds[kind].epoch;
	uint8_t plain[TIME + NGTCP2_MAX_CIDLEN];
	size_t length = sizeof(plain);
	gnutls_aead_cipher_hd_t cipher;
	uint64_t made;

	if ((epoch & 1) != (header->token[0] & 1))
		epoch--; /* before the first there is none, and no such key makes a token */
	cipher = cipher_of(keys, kind, epoch);
	if (!cipher ||
	    gnutls_aead_cipher_decrypt(cipher, header->token + 1, TOKEN_NONCE, binding->octets,
				       binding->length, TOKEN_TAG, header->token + HEAD,
				       header->tokenlen - HEAD, plain, &length))
		return -1;
	memcpy(&made, plain, TIME);
	if (made > now || now - made > kinds[kind].lifetime)
		return -1;
	memcpy(rest, plain + TIME, length - TIME);
	return (int)(length - TIME);
}

static enum token_verdict verify_retry(struct token_keys *keys, const ngtcp2_pkt_hd *header,
				       const union arq_address *remote, uint64_t now,
				       ngtcp2_cid *original_dcid)
{
	struct binding binding = {0};
	int length;

	bind_retry(&binding, remote, header->version, &header->dcid);
	length = token_open(keys, TOKEN_KIND_RETRY, header, &binding, now, original_dcid->data);
	if (length < 0)
		return TOKEN_INVALID;
	original_dcid->datalen = (size_t)length;
	return TOKEN_RETRY;
}

static enum token_verdict verify_new(struct token_keys *keys, const ngtcp2_pkt_hd *header,
				     const union arq_address *remote, uint64_t now)
{
	uint8_t rest[NGTCP2_MAX_CIDLEN];
	struct binding binding = {0};

	bind_address(&binding, remote, false);
	return token_open(keys, TOKEN_KIND_NEW, header, &binding, now, rest) == 0 ? TOKEN_NEW
										  : TOKEN_NONE;
}

enum token_verdict token_verify(struct token_keys *keys, const ngtcp2_pkt_hd *header,
				const union arq_address *remote, uint64_t now,
				ngtcp2_cid *original_dcid)
{
	if (header->tokenlen < HEAD + TIME + TOKEN_TAG || header->tokenlen > TOKEN_MAX)
		return TOKEN_NONE;
	switch (header->token[0] & ~1) {
	case MARK_RETRY:
		return verify_retry(keys, header, remote, now, original_dcid);
	case MARK_NEW:
		return verify_new(keys, header, remote, now);
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
