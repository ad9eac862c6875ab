/* SPDX-License-Identifier: BSD-2-Clause */
/* A listener's TLS credentials, as the configuration says. */
#ifndef ARQUANT_ARQUANTD_CREDENTIALS_H
#define ARQUANT_ARQUANTD_CREDENTIALS_H

#include "userspace/common/config.h"
#include "userspace/quic/quic.h"

/*
 * Reads the listener's files. Session tickets derive from `secret` (ARQ_QUIC_SECRET_LENGTH octets).
 * `replay` is the daemon's record of early data, made here when it is NULL and a listener wants
 * early data; it is the same after a reload. Returns 0 and *tls with one reference, or a negative
 * errno with the reason in `error`.
 */
int arq_credentials_create(const struct arq_config_listener *listener, const uint8_t *secret,
			   struct arq_quic_replay **replay, struct arq_quic_tls **tls,
			   struct arq_error *error);

#endif
