/* SPDX-License-Identifier: BSD-2-Clause */
/* TLS sessions for connections, by the credentials that quic.h hands out. */
#ifndef ARQUANT_QUIC_TLS_H
#define ARQUANT_QUIC_TLS_H

#include "userspace/common/memory.h"
#include "userspace/quic/quic.h"

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <ngtcp2/ngtcp2_crypto.h>

#define TLS_DIGEST_LENGTH     32 /* SHA-256 */
#define TLS_TICKET_KEY_LENGTH 64 /* what GnuTLS asks for */

/*
 * The key of the tickets of a listener with these applications and transport parameters; it differs
 * for everything that a ticket must not be carried across. Returns false when there are no tickets.
 */
bool tls_ticket_key(const struct arq_quic_tls *tls, const struct arq_quic_application *applications,
		    size_t count, const struct arq_quic_transport *transport,
		    uint8_t key[TLS_TICKET_KEY_LENGTH]);

struct tls_server_options {
	struct arq_quic_tls *tls;
	const struct arq_quic_application *applications; /* by preference */
	size_t application_count;
	const uint8_t *ticket_key; /* NULL: none */
	gnutls_anti_replay_t *anti_replay; /* the thread's; made if it has not been yet */
	ngtcp2_crypto_conn_ref *ref; /* stays where it is as long as the session */
};

/*
 * Makes the thread's record of early data, if the credentials want one and there is none yet.
 * GnuTLS refuses early data by tickets that are older than the record: made only for the first
 * session, it would refuse what another worker's tickets promised. Returns 0 or a negative errno.
 */
int tls_begin_recording(const struct arq_quic_tls *tls, gnutls_anti_replay_t *anti_replay);

/* Returns 0 and *session, or -ENOMEM. */
int tls_server_session(const struct tls_server_options *options, gnutls_session_t *session);

/* The client's certificate's subject in memory of the caller's counter; NULL for none. */
char *tls_peer_subject(gnutls_session_t session, struct arq_memory *memory);

struct tls_client_options {
	struct arq_quic_client_tls *tls;
	const char *server_name; /* stays where it is as long as the session */
	const char *alpn;
	ngtcp2_crypto_conn_ref *ref; /* as above */
	gnutls_handshake_hook_func on_ticket; /* NULL: no tickets */
	const gnutls_datum_t *ticket; /* NULL: none */
	bool early_data;
};

/* Returns 0 and *session, or -ENOMEM. A ticket that GnuTLS does not like is left aside. */
int tls_client_session(const struct tls_client_options *options, gnutls_session_t *session);

/* --- what both roles use ---------------------------------------------------------------------- */

int tls_priorities(gnutls_priority_t *priorities, struct arq_error *error);
/* Reads a file once, so that what is checked, compared and used is the same; and frees it. */
int tls_file_load(const char *file, const char *what, gnutls_datum_t *content,
		  struct arq_error *error);
void tls_content_free(gnutls_datum_t *content);

/* Adds content and its length to a digest by which sets of credentials are told apart. */
int tls_digest_add(gnutls_hash_hd_t hash, const gnutls_datum_t *content);

/* Trusts the authorities in `pem`, which `file` held. */
int tls_trust(gnutls_certificate_credentials_t credentials, const char *file,
	      const gnutls_datum_t *pem, struct arq_error *error);

/* The pair of files into the credentials and the digest, and *leaf (NULL: not wanted). */
int tls_key_pair(gnutls_certificate_credentials_t credentials,
		 const struct arq_quic_certificate *files, gnutls_x509_crt_t *leaf,
		 gnutls_hash_hd_t hash, struct arq_error *error);

/* HKDF-Expand (RFC 5869) with SHA-256 of a secret of ARQ_QUIC_SECRET_LENGTH. Returns 0 or -EIO. */
int tls_derive(const uint8_t *secret, const gnutls_datum_t *info, uint8_t *key, size_t length);

#endif
