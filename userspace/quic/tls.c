/* SPDX-License-Identifier: BSD-2-Clause */
#include "userspace/quic/tls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <gnutls/crypto.h>
#include <gnutls/x509.h>
#include <ngtcp2/ngtcp2_crypto_gnutls.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* RFC 9001: TLS 1.3 only, no compatibility mode; the groups that clients of today offer. */
#define PRIORITIES                                                                       \
	"NONE:+VERS-TLS1.3:+AES-128-GCM:+AES-256-GCM:+CHACHA20-POLY1305:+AEAD:+SIGN-ALL" \
	":-SIGN-RSA-SHA1:-SIGN-DSA-SHA1:-SIGN-ECDSA-SHA1:+CTYPE-X509"                    \
	":+GROUP-X25519:+GROUP-SECP256R1:+GROUP-SECP384R1"                               \
	":%DISABLE_TLS13_COMPAT_MODE"

/* RFC 6066 names are DNS names, 255 octets at most. */
#define SERVER_NAME_MAX 256

#define DIGEST_LENGTH 32 /* SHA-256 */

struct identity {
	gnutls_certificate_credentials_t credentials;
	gnutls_x509_crt_t leaf; /* for its names */
};

struct arq_quic_tls {
	atomic_size_t references;
	uint8_t digest[DIGEST_LENGTH]; /* of all files */
	gnutls_priority_t
		priorities; /* parsed once: that takes as long as some handshakes' share */
	size_t count;
	struct identity identities[];
};

struct arq_quic_client_tls {
	atomic_size_t references;
	uint8_t digest[DIGEST_LENGTH]; /* of who is trusted */
	gnutls_priority_t priorities;
	gnutls_certificate_credentials_t credentials;
	bool insecure;
};

static int priorities_init(gnutls_priority_t *priorities, struct arq_error *error)
{
	int rv = gnutls_priority_init(priorities, PRIORITIES, NULL);

	if (rv != GNUTLS_E_SUCCESS)
		return arq_error_set(error, -ENOTSUP,
				     "GnuTLS refuses the TLS 1.3 settings (%s): check the system's "
				     "crypto policy",
				     gnutls_strerror(rv));
	return 0;
}

/* --- server ----------------------------------------------------------------------------------- */

static int file_readable(const char *file, const char *what, struct arq_error *error)
{
	if (access(file, R_OK) == 0)
		return 0;
	int code = -errno;
	return arq_error_set(error, code, "cannot read %s %s: %s; check the path%s", what, file,
			     strerror(-code),
			     code == -EACCES ? ", and that the user we run as may read it" : "");
}

/* Read once: what is checked, compared and used is then the same, also while a file is replaced. */
static int file_load(const char *file, const char *what, gnutls_datum_t *content,
		     struct arq_error *error)
{
	int code = file_readable(file, what, error);

	if (code)
		return code;
	int rv = gnutls_load_file(file, content);
	if (rv != GNUTLS_E_SUCCESS)
		return arq_error_set(error, -EIO, "cannot read %s %s: %s", what, file,
				     gnutls_strerror(rv));
	return 0;
}

static void content_free(gnutls_datum_t *content)
{
	if (content->data)
		explicit_bzero(content->data, content->size);
	gnutls_free(content->data);
}

/* The leaf is read by itself: a message can then say which of the two files is wrong. */
static int leaf_load(struct identity *identity, const char *file, const gnutls_datum_t *pem,
		     struct arq_error *error)
{
	gnutls_x509_crt_t *chain = NULL;
	unsigned int count = 0;
	int rv = gnutls_x509_crt_list_import2(&chain, &count, pem, GNUTLS_X509_FMT_PEM, 0);

	if (rv < 0 || count == 0)
		return arq_error_set(error, -EINVAL,
				     "%s holds no certificate chain in PEM form (%s): give a file "
				     "with the leaf certificate first",
				     file, rv < 0 ? gnutls_strerror(rv) : "it is empty");
	identity->leaf = chain[0];
	for (unsigned int i = 1; i < count; i++)
		gnutls_x509_crt_deinit(chain[i]);
	gnutls_free(chain);
	return 0;
}

static int identity_use(struct identity *identity, const struct arq_quic_certificate *files,
			const gnutls_datum_t *certificate, const gnutls_datum_t *key,
			struct arq_error *error)
{
	int rv = leaf_load(identity, files->certificate, certificate, error);

	if (rv)
		return rv;
	if (gnutls_certificate_allocate_credentials(&identity->credentials))
		return arq_error_set(error, -ENOMEM, "no memory for certificate %s",
				     files->certificate);
	rv = gnutls_certificate_set_x509_key_mem(identity->credentials, certificate, key,
						 GNUTLS_X509_FMT_PEM);
	if (rv == GNUTLS_E_CERTIFICATE_KEY_MISMATCH)
		return arq_error_set(error, -EINVAL,
				     "key %s does not belong to certificate %s: give the pair that "
				     "was made together",
				     files->key, files->certificate);
	if (rv < 0)
		return arq_error_set(error, -EINVAL,
				     "cannot use certificate %s with key %s: %s; both must be PEM "
				     "files, the key without a passphrase",
				     files->certificate, files->key, gnutls_strerror(rv));
	return 0;
}

/* Lengths go in, so that bytes cannot move from one file to the next unnoticed. */
static int digest_add(gnutls_hash_hd_t hash, const gnutls_datum_t *content)
{
	return gnutls_hash(hash, &content->size, sizeof(content->size)) ||
	       gnutls_hash(hash, content->data, content->size);
}

static int identity_load(struct identity *identity, const struct arq_quic_certificate *files,
			 gnutls_hash_hd_t hash, struct arq_error *error)
{
	gnutls_datum_t certificate = {0}, key = {0};
	int rv = file_load(files->certificate, "certificate", &certificate, error);

	if (!rv)
		rv = file_load(files->key, "private key", &key, error);
	if (!rv)
		rv = identity_use(identity, files, &certificate, &key, error);
	if (!rv && (digest_add(hash, &certificate) || digest_add(hash, &key)))
		rv = arq_error_set(error, -ENOMEM, "no memory for certificate %s",
				   files->certificate);
	content_free(&certificate);
	content_free(&key);
	return rv;
}

static void tls_free(struct arq_quic_tls *tls)
{
	for (size_t i = 0; i < tls->count; i++) {
		if (tls->identities[i].leaf)
			gnutls_x509_crt_deinit(tls->identities[i].leaf);
		if (tls->identities[i].credentials)
			gnutls_certificate_free_credentials(tls->identities[i].credentials);
	}
	if (tls->priorities)
		gnutls_priority_deinit(tls->priorities);
	free(tls);
}

static int identities_load(struct arq_quic_tls *tls,
			   const struct arq_quic_certificate *certificates, struct arq_error *error)
{
	gnutls_hash_hd_t hash;

	if (gnutls_hash_init(&hash, GNUTLS_DIG_SHA256))
		return arq_error_set(error, -ENOMEM, "no memory for certificates");
	int rv = 0;
	for (size_t i = 0; i < tls->count && !rv; i++)
		rv = identity_load(&tls->identities[i], &certificates[i], hash, error);
	gnutls_hash_deinit(hash, tls->digest);
	return rv;
}

int arq_quic_tls_create(const struct arq_quic_certificate *certificates, size_t count,
			struct arq_quic_tls **tls, struct arq_error *error)
{
	struct arq_quic_tls *made;
	int rv;

	if (count == 0)
		return arq_error_set(error, -EINVAL,
				     "a QUIC listener needs a certificate: give at least one");
	made = calloc(1, sizeof(*made) + count * sizeof(made->identities[0]));
	if (!made)
		return arq_error_set(error, -ENOMEM, "no memory for certificates");
	made->references = 1;
	made->count = count;
	rv = priorities_init(&made->priorities, error);
	if (!rv)
		rv = identities_load(made, certificates, error);
	if (rv) {
		tls_free(made);
		return rv;
	}
	*tls = made;
	return 0;
}

bool arq_quic_tls_equal(const struct arq_quic_tls *a, const struct arq_quic_tls *b)
{
	return memcmp(a->digest, b->digest, DIGEST_LENGTH) == 0;
}

struct arq_quic_tls *arq_quic_tls_get(struct arq_quic_tls *tls)
{
	atomic_fetch_add_explicit(&tls->references, 1, memory_order_relaxed);
	return tls;
}

void arq_quic_tls_put(struct arq_quic_tls *tls)
{
	if (tls && atomic_fetch_sub_explicit(&tls->references, 1, memory_order_acq_rel) == 1)
		tls_free(tls);
}

/* The client hello is in: choose the certificate by the name it asks for. */
static int choose_identity(gnutls_session_t session)
{
	const struct arq_quic_tls *tls = gnutls_db_get_ptr(session);
	const struct identity *chosen = &tls->identities[0];
	char name[SERVER_NAME_MAX];
	size_t length = sizeof(name);
	unsigned int type;

	if (tls->count > 1 &&
	    gnutls_server_name_get(session, name, &length, &type, 0) == GNUTLS_E_SUCCESS &&
	    type == GNUTLS_NAME_DNS) {
		for (size_t i = 0; i < tls->count; i++) {
			if (!gnutls_x509_crt_check_hostname(tls->identities[i].leaf, name))
				continue;
			chosen = &tls->identities[i];
			break;
		}
	}
	return gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, chosen->credentials);
}

#define ALPN_MAX 16 /* a listener that speaks more protocols is a mistake */

static int set_alpn(gnutls_session_t session, const struct arq_quic_application *applications,
		    size_t count)
{
	gnutls_datum_t names[ALPN_MAX];

	for (size_t i = 0; i < count && i < ALPN_MAX; i++) {
		names[i].data = (uint8_t *)applications[i].alpn;
		names[i].size = (unsigned int)strlen(applications[i].alpn);
	}
	return gnutls_alpn_set_protocols(session, names,
					 (unsigned int)(count < ALPN_MAX ? count : ALPN_MAX),
					 GNUTLS_ALPN_MANDATORY | GNUTLS_ALPN_SERVER_PRECEDENCE);
}

int tls_server_session(struct arq_quic_tls *tls, const struct arq_quic_application *applications,
		       size_t count, ngtcp2_crypto_conn_ref *ref, gnutls_session_t *session)
{
	/* No tickets: resumption comes with shared, rotating keys or not at all. */
	if (gnutls_init(session, GNUTLS_SERVER | GNUTLS_NO_TICKETS | GNUTLS_NO_AUTO_SEND_TICKET))
		return -ENOMEM;
	gnutls_session_set_ptr(*session, ref);
	gnutls_db_set_ptr(*session, tls);
	gnutls_handshake_set_post_client_hello_function(*session, choose_identity);
	if (gnutls_priority_set(*session, tls->priorities) ||
	    ngtcp2_crypto_gnutls_configure_server_session(*session) ||
	    gnutls_credentials_set(*session, GNUTLS_CRD_CERTIFICATE,
				   tls->identities[0].credentials) ||
	    set_alpn(*session, applications, count)) {
		gnutls_deinit(*session);
		*session = NULL;
		return -ENOMEM;
	}
	return 0;
}

/* --- client ----------------------------------------------------------------------------------- */

static int trust_load(struct arq_quic_client_tls *tls, const char *ca_file, struct arq_error *error)
{
	int rv;

	if (!ca_file) {
		rv = gnutls_certificate_set_x509_system_trust(tls->credentials);
		if (rv > 0)
			return 0;
		return arq_error_set(error, -ENOENT,
				     "the system has no trusted certificate authorities: install "
				     "ca-certificates, or name a file with the authority to trust");
	}
	rv = file_readable(ca_file, "certificate authority", error);
	if (rv)
		return rv;
	rv = gnutls_certificate_set_x509_trust_file(tls->credentials, ca_file, GNUTLS_X509_FMT_PEM);
	if (rv > 0)
		return 0;
	return arq_error_set(error, -EINVAL,
			     "%s holds no certificate of an authority in PEM form (%s)", ca_file,
			     rv < 0 ? gnutls_strerror(rv) : "it is empty");
}

/* Who is trusted, and nothing else, tells two sets apart. */
static int trust_digest(struct arq_quic_client_tls *tls)
{
	gnutls_x509_trust_list_iter_t iterator = NULL;
	gnutls_x509_trust_list_t list;
	gnutls_x509_crt_t authority;
	gnutls_hash_hd_t hash;

	if (gnutls_hash_init(&hash, GNUTLS_DIG_SHA256))
		return -ENOMEM;
	gnutls_certificate_get_trust_list(tls->credentials, &list);
	int rv = 0;
	while (!rv && !gnutls_x509_trust_list_iter_get_ca(list, &iterator, &authority)) {
		uint8_t print[DIGEST_LENGTH];
		size_t length = sizeof(print);

		rv = gnutls_x509_crt_get_fingerprint(authority, GNUTLS_DIG_SHA256, print, &length);
		if (!rv)
			rv = gnutls_hash(hash, print, length);
		gnutls_x509_crt_deinit(authority);
	}
	gnutls_x509_trust_list_iter_deinit(iterator);
	gnutls_hash_deinit(hash, tls->digest);
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

int arq_quic_client_tls_create(const struct arq_quic_client_tls_options *options,
			       struct arq_quic_client_tls **tls, struct arq_error *error)
{
	struct arq_quic_client_tls *made = calloc(1, sizeof(*made));
	int rv;

	if (!made)
		return arq_error_set(error, -ENOMEM, "no memory for TLS credentials");
	made->references = 1;
	made->insecure = options->insecure;
	rv = priorities_init(&made->priorities, error);
	if (!rv && gnutls_certificate_allocate_credentials(&made->credentials))
		rv = arq_error_set(error, -ENOMEM, "no memory for TLS credentials");
	if (!rv && !made->insecure)
		rv = trust_load(made, options->ca_file, error);
	if (!rv && trust_digest(made))
		rv = arq_error_set(error, -ENOMEM, "no memory for TLS credentials");
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
	return a->insecure == b->insecure && memcmp(a->digest, b->digest, DIGEST_LENGTH) == 0;
}

static bool is_ip_literal(const char *name)
{
	uint8_t address[16];

	return inet_pton(AF_INET, name, address) == 1 || inet_pton(AF_INET6, name, address) == 1;
}

int tls_client_session(struct arq_quic_client_tls *tls, const char *server_name, const char *alpn,
		       ngtcp2_crypto_conn_ref *ref, gnutls_session_t *session)
{
	const gnutls_datum_t name = {(uint8_t *)alpn, (unsigned int)strlen(alpn)};

	if (gnutls_init(session, GNUTLS_CLIENT | GNUTLS_NO_TICKETS))
		return -ENOMEM;
	gnutls_session_set_ptr(*session, ref);
	if (!tls->insecure)
		gnutls_session_set_verify_cert(*session, server_name, 0);
	if (gnutls_priority_set(*session, tls->priorities) ||
	    ngtcp2_crypto_gnutls_configure_client_session(*session) ||
	    gnutls_credentials_set(*session, GNUTLS_CRD_CERTIFICATE, tls->credentials) ||
	    gnutls_alpn_set_protocols(*session, &name, 1, GNUTLS_ALPN_MANDATORY) ||
	    (!is_ip_literal(server_name) &&
	     gnutls_server_name_set(*session, GNUTLS_NAME_DNS, server_name, strlen(server_name)))) {
		gnutls_deinit(*session);
		*session = NULL;
		return -ENOMEM;
	}
	return 0;
}
