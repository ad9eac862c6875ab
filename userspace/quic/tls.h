/* SPDX-License-Identifier: BSD-2-Clause */
/* TLS sessions for connections, by the credentials that quic.h hands out. */
#ifndef ARQUANT_QUIC_TLS_H
#define ARQUANT_QUIC_TLS_H

#include "userspace/quic/quic.h"

#include <gnutls/gnutls.h>
#include <ngtcp2/ngtcp2_crypto.h>

/*
 * Server session with the ALPN names of `applications`, first preferred. `ref` must stay where it
 * is as long as the session. Returns 0 and *session, or -ENOMEM.
 */
int tls_server_session(struct arq_quic_tls *tls, const struct arq_quic_application *applications,
		       size_t count, ngtcp2_crypto_conn_ref *ref, gnutls_session_t *session);

/* Client session; `server_name` stays where it is as long as the session. Returns the same. */
int tls_client_session(struct arq_quic_client_tls *tls, const char *server_name, const char *alpn,
		       ngtcp2_crypto_conn_ref *ref, gnutls_session_t *session);

#endif
