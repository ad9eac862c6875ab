// SPDX-License-Identifier: BSD-2-Clause
#include "userspace/arquantd/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <gnutls/crypto.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

/* As much entropy as the secret has; nobody needs more than a page. */
#define FILE_MIN 32
#define FILE_MAX 4096

_Static_assert(ARQ_QUIC_SECRET_LENGTH == 32, "the secret is a SHA-256 hash");

static int read_file(const char *path, uint8_t *content, size_t capacity, size_t *length)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	int code = 0;
	*length = 0;
	while (*length < capacity) {
		ssize_t count = read(fd, content + *length, capacity - *length);
		if (count < 0 && errno == EINTR)
			continue;
		if (count < 0)
			code = -errno;
		if (count <= 0)
			break;
		*length += (size_t)count;
	}
	close(fd);
	return code;
}

int arq_secret_make(const char *path, uint8_t secret[ARQ_QUIC_SECRET_LENGTH],
		    struct arq_error *error)
{
	if (!path) {
		ssize_t count = getrandom(secret, ARQ_QUIC_SECRET_LENGTH, 0);
		return count == ARQ_QUIC_SECRET_LENGTH
			       ? 0
			       : arq_error_set(error, -EIO, "the kernel gave no random bytes");
	}

	uint8_t content[FILE_MAX + 1];
	size_t length = 0;
	int code = read_file(path, content, sizeof(content), &length);
	if (code != 0)
		return arq_error_set(error, code, "static_secret_file %s: %s", path,
				     strerror(-code));
	if (length < FILE_MIN || length > FILE_MAX)
		code = arq_error_set(error, -EINVAL,
				     "static_secret_file %s has to be %d to %d bytes; make one by "
				     "`head -c 32 /dev/urandom`",
				     path, FILE_MIN, FILE_MAX);
	else if (gnutls_hash_fast(GNUTLS_DIG_SHA256, content, length, secret) < 0)
		code = arq_error_set(error, -EIO, "static_secret_file %s: cannot be hashed", path);
	explicit_bzero(content, sizeof(content));
	return code;
}

static int read_key(const char *path, uint8_t key[ARQ_QUIC_CID_KEY_LENGTH], struct arq_error *error)
{
	uint8_t content[2 * ARQ_QUIC_CID_KEY_LENGTH + 2]; /* a new line, and one byte too many */
	size_t length = 0, size = ARQ_QUIC_CID_KEY_LENGTH;
	int code = read_file(path, content, sizeof(content), &length);
	if (code != 0)
		return arq_error_set(error, code, "connection_ids.key_file %s: %s", path,
				     strerror(-code));
	if (length > 0 && content[length - 1] == '\n')
		length--;
	const gnutls_datum_t digits = {content, (unsigned int)length};
	if (length != 2 * ARQ_QUIC_CID_KEY_LENGTH || gnutls_hex_decode(&digits, key, &size) < 0)
		code = arq_error_set(error, -EINVAL,
				     "connection_ids.key_file %s has to be %d hexadecimal digits; "
				     "make one by `openssl rand -hex %d`",
				     path, 2 * ARQ_QUIC_CID_KEY_LENGTH, ARQ_QUIC_CID_KEY_LENGTH);
	explicit_bzero(content, sizeof(content));
	return code;
}

_Static_assert(ARQ_CONFIG_SERVER_ID_MAX == ARQ_QUIC_SERVER_ID_MAX,
	       "the configuration takes what connection ids have room for");

int arq_secret_connection_ids(const struct arq_config_connection_ids *config,
			      struct arq_quic_cid_options *options, struct arq_error *error)
{
	*options = (struct arq_quic_cid_options){
		.config_id = (uint8_t)config->config_id,
		.server_id_length = (uint8_t)config->server_id_length,
		.nonce_length = (uint8_t)config->nonce_length,
		.encrypted = config->key_file != NULL,
	};
	memcpy(options->server_id, config->server_id, config->server_id_length);
	return config->key_file ? read_key(config->key_file, options->key, error) : 0;
}
