/* SPDX-License-Identifier: BSD-2-Clause */
/* Client credentials and sessions. */
#include "userspace/quic/tls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <gnutls/crypto.h>
#include <gnutls/x509.h>
#include <ngtcp2/ngtcp2_crypto_gnutls.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

struct arq_quic_client_tls {
	atomic_size_t references;
	uint8_t digest[TLS_DIGEST_LENGTH]; /* of who is trusted, and of who we are */
	gnutls_priority_t priorities;
	gnutls_certificate_credentials_t credentials;
	bool insecure;
};

static int trust_load(struct arq_quic_client_tls *tls, const char *ca_file, struct arq_error *error)
{
	if (!ca_file) {
		int rv = gnutls_certificate_set_x509_system_trust(tls->credentials);

		if (rv > 0)
			return 0;
		return arq_error_set(error, -ENOENT,
				     "the system has no trusted certificate authorities: install "
				     "ca-certificates, or name a file with the authority to trust");
	}
	gnutls_datum_t pem = {0};
	int rv = tls_file_load(ca_file, "certificate authority", &pem, error);

	if (!rv)
		rv = tls_trust(tls->credentials, ca_file, &pem, error);
	tls_content_free(&pem);
	return rv;
}

/* Who is trusted, by the certificates and not by their files. */
static int trust_digest(struct arq_quic_client_tls *tls, gnutls_hash_hd_t hash)
{
	gnutls_x509_trust_list_iter_t iterator = NULL;
	gnutls_x509_trust_list_t list;
	gnutls_x509_crt_t authority;
	int rv = 0;

	gnutls_certificate_get_trust_list(tls->credentials, &list);
	while (!rv && !gnutls_x509_trust_list_iter_get_ca(list, &iterator, &authority)) {
		uint8_t print[TLS_DIGEST_LENGTH];
		size_t length = sizeof(print);

		rv = gnutls_x509_crt_get_fingerprint(authority, GNUTLS_DIG_SHA256, print, &length);
		if (!rv)
			rv = gnutls_hash(hash, print, length);
		gnutls_x509_crt_deinit(authority);
	}
	gnutls_x509_trust_list_iter_deinit(iterator);
	return rv ? -ENOMEM : 0;
}

static void client_tls_free(struct arq_quic_client_tls *tls)
{
	if (tls->credentials)
		gnutls_certificate_free_credentials(tls->credentials);
	if (tls->priorities)
		gnutls_priority_deinit(tls->priorities);
	free(tls);
}

static int client_tls_load(struct arq_quic_client_tls *tls,
			   const struct arq_quic_client_tls_options *options, gnutls_hash_hd_t hash,
			   struct arq_error *error)
{
	const struct arq_quic_certificate own = {options->certificate, options->key};
	int rv = tls_priorities(&tls->priorities, error);

	if (!rv && gnutls_certificate_allocate_credentials(&tls->credentials))
		rv = arq_error_set(error, -ENOMEM, "no memory for TLS credentials");
	if (!rv && !tls->insecure)
		rv = trust_load(tls, options->ca_file, error);
	if (!rv && trust_digest(tls, hash))
		rv = arq_error_set(error, -ENOMEM, "no memory for TLS credentials");
	if (!rv && options->certificate)
		rv = tls_key_pair(tls->credentials, &own, NULL, hash, error);
	return rv;
}

int arq_quic_client_tls_create(const struct arq_quic_client_tls_options *options,
			       struct arq_quic_client_tls **tls, struct arq_error *error)
{
	struct arq_quic_client_tls *made = calloc(1, sizeof(*made));
	gnutls_hash_hd_t hash;
	int rv;

	if (!made || gnutls_hash_init(&hash, GNUTLS_DIG_SHA256)) {
		free(made);
		return arq_error_set(error, -ENOMEM, "no memory for TLS credentials");
	}
	made->references = 1;
	made->insecure = options->insecure;
	rv = client_tls_load(made, options, hash, error);
	gnutls_hash_deinit(hash, made->digest);
	if (rv) {
		client_tls_free(made);
		return rv;
	}
	*tls = made;
	return 0;
}

struct arq_quic_client_tls *arq_quic_client_tls_get(struct arq_quic_client_tls *tls)
{
	atomic_fetch_add_explicit(&tls->references, 1, memory_order_relaxed);
	return tls;
}

void arq_quic_client_tls_put(struct arq_quic_client_tls *tls)
{
	if (tls && atomic_fetch_sub_explicit(&tls->references, 1, memory_order_acq_rel) == 1)
		client_tls_free(tls);
}

bool arq_quic_client_tls_equal(const struct arq_quic_client_tls *a,
			       const struct arq_quic_client_tls *b)
{
	return a->insecure == b->insecure && memcmp(a->digest, b->digest, TLS_DIGEST_LENGTH) == 0;
}

static bool is_ip_literal(const char *name)
{
	uint8_t address[16];

	return inet_pton(AF_INET, name, address) == 1 || inet_pton(AF_INET6, name, address) == 1;
}

int tls_client_session(const struct tls_client_options *options, gnutls_session_t *session)
{
	const gnutls_datum_t name = {(uint8_t *)options->alpn, (unsigned int)strlen(options->alpn)};
	const struct arq_quic_client_tls *tls = options->tls;
	const char *server = options->server_name;
	unsigned int flags = GNUTLS_CLIENT;

	if (!options->on_ticket && !options->ticket)
		flags |= GNUTLS_NO_TICKETS;
	if (options->early_data)
		flags |= GNUTLS_ENABLE_EARLY_DATA | GNUTLS_NO_END_OF_EARLY_DATA;
	if (gnutls_init(session, flags))
		return -ENOMEM;
	gnutls_session_set_ptr(*session, options->ref);
	if (!tls->insecure)
		gnutls_session_set_verify_cert(*session, server, 0);
	if (options->on_ticket)
		gnutls_handshake_set_hook_function(*session, GNUTLS_HANDSHAKE_NEW_SESSION_TICKET,
						   GNUTLS_HOOK_POST, options->on_ticket);
	if (gnutls_priority_set(*session, tls->priorities) ||
	    ngtcp2_crypto_gnutls_configure_client_session(*session) ||
	    gnutls_credentials_set(*session, GNUTLS_CRD_CERTIFICATE, tls->credentials) ||
	    gnutls_alpn_set_protocols(*session, &name, 1, GNUTLS_ALPN_MANDATORY) ||
	    (!is_ip_literal(server) &&
	     gnutls_server_name_set(*session, GNUTLS_NAME_DNS, server, strlen(server)))) {
		gnutls_deinit(*session);
		*session = NULL;
		return -ENOMEM;
	}
	/* One that cannot be read, or has expired: a whole handshake does as well. */
	if (options->ticket)
		gnutls_session_set_data(*session, options->ticket->data, options->ticket->size);
	return 0;
}
