/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The secret behind tokens and stateless resets: from a file, so that a restarted daemon can still
 * reset the connections of its predecessor and honours its tokens, or random for this run.
 */
#ifndef ARQUANT_ARQUANTD_SECRET_H
#define ARQUANT_ARQUANTD_SECRET_H

#include "userspace/common/config.h"
#include "userspace/common/error.h"
#include "userspace/quic/quic.h"

#include <stdint.h>

/*
 * Reads a file of 32 to 4096 bytes and hashes it (SHA-256) to the secret; NULL: makes a random one.
 * Returns 0, or a negative errno with the reason in `error`.
 */
int arq_secret_make(const char *path, uint8_t secret[ARQ_QUIC_SECRET_LENGTH],
		    struct arq_error *error);

/*
 * The layout of connection ids as configured, with the key from its file: 32 hexadecimal digits.
 * Returns 0, or a negative errno with the reason in `error`.
 */
int arq_secret_connection_ids(const struct arq_config_connection_ids *config,
			      struct arq_quic_cid_options *options, struct arq_error *error);

#endif
