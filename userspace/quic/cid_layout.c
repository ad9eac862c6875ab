/* SPDX-License-Identifier: BSD-2-Clause */
#include "userspace/quic/cid_layout.h"

#include <errno.h>
#include <string.h>

#define HALF_MAX  ((CID_PLAIN_MAX + 1) / 2)
#define NONCE_MIN 4

int cid_layout_init(struct cid_layout *layout, const struct arq_quic_cid_options *options)
{
	const gnutls_datum_t key = {(uint8_t *)options->key, sizeof(options->key)};
	uint8_t zero[CID_BLOCK] = {0};
	const gnutls_datum_t iv = {zero, sizeof(zero)};
	size_t server = options->server_id_length + CID_WORKER_LENGTH;

	*layout = (struct cid_layout){
		.options = *options,
		.server_length = server,
		.length = 1 + server + options->nonce_length,
	};
	if (options->config_id >= CID_CONFIGS ||
	    options->server_id_length > sizeof(options->server_id) ||
	    options->nonce_length < NONCE_MIN || layout->length > NGTCP2_MAX_CIDLEN)
		return -EINVAL;
	/* One block of CBC with no vector is ECB, which GnuTLS does not offer by itself. */
	if (options->encrypted &&
	    gnutls_cipher_init(&layout->cipher, GNUTLS_CIPHER_AES_128_CBC, &key, &iv))
		return -ENOMEM;
	return 0;
}

void cid_layout_release(struct cid_layout *layout)
{
	if (layout->cipher)
		gnutls_cipher_deinit(layout->cipher);
	explicit_bzero(layout, sizeof(*layout));
}

/* AES-ECB of one block, in place. */
static void encrypt_block(const struct cid_layout *layout, uint8_t block[CID_BLOCK])
{
	uint8_t zero[CID_BLOCK] = {0};

	gnutls_cipher_set_iv(layout->cipher, zero, sizeof(zero));
	gnutls_cipher_encrypt(layout->cipher, block, CID_BLOCK);
}

static void decrypt_block(const struct cid_layout *layout, uint8_t block[CID_BLOCK])
{
	uint8_t zero[CID_BLOCK] = {0};

	gnutls_cipher_set_iv(layout->cipher, zero, sizeof(zero));
	gnutls_cipher_decrypt(layout->cipher, block, CID_BLOCK);
}

/* --- four passes ------------------------------------------------------------------------------ */

/* Both halves have the middle octet when there is an odd number, four bits of it each. */
struct halves {
	size_t plain_length, half;
	uint8_t left[HALF_MAX], right[HALF_MAX];
};

static void keep_nibbles(struct halves *halves)
{
	if (halves->plain_length % 2 == 0)
		return;
	halves->left[halves->half - 1] &= 0xf0;
	halves->right[0] &= 0x0f;
}

static void split(struct halves *halves, const uint8_t *octets, size_t length)
{
	halves->plain_length = length;
	halves->half = (length + 1) / 2;
	memcpy(halves->left, octets, halves->half);
	memcpy(halves->right, octets + length - halves->half, halves->half);
	keep_nibbles(halves);
}

static void join(const struct halves *halves, uint8_t *octets)
{
	uint8_t middle = halves->left[halves->half - 1];

	memcpy(octets, halves->left, halves->half);
	memcpy(octets + halves->plain_length - halves->half, halves->right, halves->half);
	if (halves->plain_length % 2)
		octets[halves->half - 1] |= middle;
}

/* Odd passes change the right half by the left, even ones the left by the right. */
static void pass(const struct cid_layout *layout, struct halves *halves, uint8_t number)
{
	const uint8_t *from = number % 2 ? halves->left : halves->right;
	uint8_t *to = number % 2 ? halves->right : halves->left;
	uint8_t block[CID_BLOCK] = {0};

	memcpy(block, from, halves->half);
	block[CID_BLOCK - 2] = (uint8_t)halves->plain_length;
	block[CID_BLOCK - 1] = number;
	encrypt_block(layout, block);
	for (size_t i = 0; i < halves->half; i++)
		to[i] ^= block[i];
	keep_nibbles(halves);
}

/* --- whole ids -------------------------------------------------------------------------------- */

void cid_layout_encode(const struct cid_layout *layout, const uint8_t *plain, uint8_t *cid)
{
	size_t length = layout->length - 1;
	struct halves halves;

	cid[0] = (uint8_t)(layout->options.config_id << 5 | length);
	memcpy(cid + 1, plain, length);
	if (!layout->cipher)
		return;
	if (length == CID_BLOCK) {
		encrypt_block(layout, cid + 1);
		return;
	}
	split(&halves, plain, length);
	for (uint8_t number = 1; number <= 4; number++)
		pass(layout, &halves, number);
	join(&halves, cid + 1);
}

void cid_layout_decode(const struct cid_layout *layout, const uint8_t *cid, uint8_t *plain)
{
	size_t length = layout->length - 1;
	struct halves halves;

	memcpy(plain, cid + 1, length);
	if (!layout->cipher)
		return;
	if (length == CID_BLOCK) {
		decrypt_block(layout, plain);
		return;
	}
	split(&halves, cid + 1, length);
	for (uint8_t number = 4; number >= 1; number--)
		pass(layout, &halves, number);
	join(&halves, plain);
}

bool cid_layout_generate(const struct cid_layout *layout, ngtcp2_cid *cid, uint16_t worker)
{
	size_t host = layout->options.server_id_length;
	uint8_t plain[CID_PLAIN_MAX];

	memcpy(plain, layout->options.server_id, host);
	plain[host] = (uint8_t)(worker >> 8);
	plain[host + 1] = (uint8_t)worker;
	if (gnutls_rnd(GNUTLS_RND_NONCE, plain + layout->server_length,
		       layout->options.nonce_length))
		return false;
	cid->datalen = layout->length;
	cid_layout_encode(layout, plain, cid->data);
	return true;
}

int cid_layout_worker(const struct cid_layout *layout, const uint8_t *cid, size_t length)
{
	size_t host = layout->options.server_id_length;
	uint8_t plain[CID_PLAIN_MAX];

	if (length != layout->length ||
	    cid[0] != (layout->options.config_id << 5 | (layout->length - 1)))
		return -1;
	cid_layout_decode(layout, cid, plain);
	if (memcmp(plain, layout->options.server_id, host) != 0)
		return -1;
	return plain[host] << 8 | plain[host + 1];
}
