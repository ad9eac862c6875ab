/* SPDX-License-Identifier: BSD-2-Clause */
/* Server credentials and sessions, and what both roles use. */
#include "userspace/quic/tls.h"

#include "userspace/quic/replay.h"

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

struct identity {
	gnutls_certificate_credentials_t credentials;
	gnutls_x509_crt_t leaf; /* for its names */
};

struct arq_quic_tls {
	atomic_size_t references;
	uint8_t digest[TLS_DIGEST_LENGTH]; /* of all files, and of what is asked of clients */
	gnutls_priority_t
		priorities; /* parsed once: that takes as long as some handshakes' share */
	enum arq_quic_client_auth client_auth;
	struct arq_quic_replay *replay; /* NULL: no 0-RTT */
	bool tickets;
	uint8_t ticket_secret[ARQ_QUIC_SECRET_LENGTH];
	size_t count;
	struct identity identities[];
};

int tls_priorities(gnutls_priority_t *priorities, struct arq_error *error)
{
	int rv = gnutls_priority_init(priorities, PRIORITIES, NULL);

	if (rv != GNUTLS_E_SUCCESS)
		return arq_error_set(error, -ENOTSUP,
				     "GnuTLS refuses the TLS 1.3 settings (%s): check the system's "
				     "crypto policy",
				     gnutls_strerror(rv));
	return 0;
}

/* --- files and keys ------------------------------------------------------------------------------
 */

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
int tls_file_load(const char *file, const char *what, gnutls_datum_t *content,
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

void tls_content_free(gnutls_datum_t *content)
{
	if (content->data)
		explicit_bzero(content->data, content->size);
	gnutls_free(content->data);
}

/* Lengths go in, so that bytes cannot move from one file to the next unnoticed. */
int tls_digest_add(gnutls_hash_hd_t hash, const gnutls_datum_t *content)
{
	return gnutls_hash(hash, &content->size, sizeof(content->size)) ||
	       gnutls_hash(hash, content->data, content->size);
}

static int key_pair_use(gnutls_certificate_credentials_t credentials,
			const struct arq_quic_certificate *files, const gnutls_datum_t *certificate,
			const gnutls_datum_t *key, struct arq_error *error)
{
	int rv = gnutls_certificate_set_x509_key_mem(credentials, certificate, key,
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

/* The leaf is read by itself: a message can then say which of the two files is wrong. */
static int leaf_load(gnutls_x509_crt_t *leaf, const char *file, const gnutls_datum_t *pem,
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
	*leaf = chain[0];
	for (unsigned int i = 1; i < count; i++)
		gnutls_x509_crt_deinit(chain[i]);
	gnutls_free(chain);
	return 0;
}

int tls_key_pair(gnutls_certificate_credentials_t credentials,
		 const struct arq_quic_certificate *files, gnutls_x509_crt_t *leaf,
		 gnutls_hash_hd_t hash, struct arq_error *error)
{
	gnutls_datum_t certificate = {0}, key = {0};
	int rv = tls_file_load(files->certificate, "certificate", &certificate, error);

	if (!rv)
		rv = tls_file_load(files->key, "private key", &key, error);
	if (!rv && leaf)
		rv = leaf_load(leaf, files->certificate, &certificate, error);
	if (!rv)
		rv = key_pair_use(credentials, files, &certificate, &key, error);
	if (!rv && (tls_digest_add(hash, &certificate) || tls_digest_add(hash, &key)))
		rv = arq_error_set(error, -ENOMEM, "no memory for certificate %s",
				   files->certificate);
	tls_content_free(&certificate);
	tls_content_free(&key);
	return rv;
}

int tls_trust(gnutls_certificate_credentials_t credentials, const char *file,
	      const gnutls_datum_t *pem, struct arq_error *error)
{
	int rv = gnutls_certificate_set_x509_trust_mem(credentials, pem, GNUTLS_X509_FMT_PEM);

	if (rv > 0)
		return 0;
	return arq_error_set(error, -EINVAL,
			     "%s holds no certificate of an authority in PEM form (%s)", file,
			     rv < 0 ? gnutls_strerror(rv) : "it is empty");
}

int tls_derive(const uint8_t *secret, const gnutls_datum_t *info, uint8_t *key, size_t length)
{
	const gnutls_datum_t in = {(uint8_t *)secret, ARQ_QUIC_SECRET_LENGTH};

	return gnutls_hkdf_expand(GNUTLS_MAC_SHA256, &in, info, key, length) ? -EIO : 0;
}

/* --- server ----------------------------------------------------------------------------------- */

/* The authorities that sign clients' certificates, into every set: which one serves is not known.
 */
static int clients_trust(struct arq_quic_tls *tls, const struct arq_quic_tls_options *options,
			 const gnutls_datum_t *ca, struct arq_error *error)
{
	int rv = 0;

	for (size_t i = 0; i < tls->count && !rv; i++)
		rv = tls_trust(tls->identities[i].credentials, options->client_ca, ca, error);
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
	arq_quic_replay_put(tls->replay);
	explicit_bzero(tls->ticket_secret, sizeof(tls->ticket_secret));
	free(tls);
}

/*
 * Tickets carry what was verified about the client over to its next visit, so their key depends on
 * what is asked of clients, and whom we trust to say it.
 */
static int tickets_init(struct arq_quic_tls *tls, const struct arq_quic_tls_options *options,
			const gnutls_datum_t *ca, struct arq_error *error)
{
	const uint8_t *secret = options->replay ? replay_secret(options->replay) : options->secret;
	uint8_t info[1 + TLS_DIGEST_LENGTH] = {(uint8_t)options->client_auth};
	const gnutls_datum_t context = {info, sizeof(info)};

	if (!options->secret)
		return 0;
	if ((ca->size && gnutls_hash_fast(GNUTLS_DIG_SHA256, ca->data, ca->size, info + 1)) ||
	    tls_derive(secret, &context, tls->ticket_secret, sizeof(tls->ticket_secret)))
		return arq_error_set(error, -EIO, "GnuTLS derives no key for session tickets");
	tls->tickets = true;
	tls->replay = options->replay ? arq_quic_replay_get(options->replay) : NULL;
	return 0;
}

static int tls_load(struct arq_quic_tls *tls, const struct arq_quic_tls_options *options,
		    gnutls_hash_hd_t hash, struct arq_error *error)
{
	const gnutls_datum_t secret = {tls->ticket_secret, sizeof(tls->ticket_secret)};
	gnutls_datum_t ca = {0};
	int rv = 0;

	for (size_t i = 0; i < tls->count && !rv; i++) {
		struct identity *identity = &tls->identities[i];

		if (gnutls_certificate_allocate_credentials(&identity->credentials))
			return arq_error_set(error, -ENOMEM, "no memory for certificates");
		rv = tls_key_pair(identity->credentials, &options->certificates[i], &identity->leaf,
				  hash, error);
	}
	if (!rv && options->client_auth != ARQ_QUIC_CLIENT_AUTH_OFF) {
		rv = tls_file_load(options->client_ca, "certificate authority", &ca, error);
		if (!rv)
			rv = clients_trust(tls, options, &ca, error);
	}
	if (!rv)
		rv = tickets_init(tls, options, &ca, error);
	if (!rv && (tls_digest_add(hash, &ca) || tls_digest_add(hash, &secret) ||
		    gnutls_hash(hash, &tls->client_auth, sizeof(tls->client_auth))))
		rv = arq_error_set(error, -ENOMEM, "no memory for certificates");
	tls_content_free(&ca);
	return rv;
}

int arq_quic_tls_create(const struct arq_quic_tls_options *options, struct arq_quic_tls **tls,
			struct arq_error *error)
{
	struct arq_quic_tls *made;
	gnutls_hash_hd_t hash;
	int rv;

	if (options->count == 0)
		return arq_error_set(error, -EINVAL,
				     "a QUIC listener needs a certificate: give at least one");
	made = calloc(1, sizeof(*made) + options->count * sizeof(made->identities[0]));
	if (!made || gnutls_hash_init(&hash, GNUTLS_DIG_SHA256)) {
		free(made);
		return arq_error_set(error, -ENOMEM, "no memory for certificates");
	}
	made->references = 1;
	made->count = options->count;
	made->client_auth = options->client_auth;
	rv = tls_priorities(&made->priorities, error);
	if (!rv)
		rv = tls_load(made, options, hash, error);
	gnutls_hash_deinit(hash, made->digest);
	if (rv) {
		tls_free(made);
		return rv;
	}
	*tls = made;
	return 0;
}

bool arq_quic_tls_equal(const struct arq_quic_tls *a, const struct arq_quic_tls *b)
{
	return memcmp(a->digest, b->digest, TLS_DIGEST_LENGTH) == 0;
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

bool tls_ticket_key(const struct arq_quic_tls *tls, const struct arq_quic_application *applications,
		    size_t count, const struct arq_quic_transport *transport,
		    uint8_t key[TLS_TICKET_KEY_LENGTH])
{
	/* 0-RTT goes by the parameters of the visit before (RFC 9000 section 7.4.1). */
	const uint64_t limits[] = {
		transport->max_data,
		transport->max_stream_data_bidi_local,
		transport->max_stream_data_bidi_remote,
		transport->max_stream_data_uni,
		transport->max_streams_bidi,
		transport->max_streams_uni,
	};
	uint8_t info[32];
	const gnutls_datum_t context = {info, sizeof(info)};
	gnutls_hash_hd_t hash;

	if (!tls->tickets || gnutls_hash_init(&hash, GNUTLS_DIG_SHA256))
		return false;
	gnutls_hash(hash, limits, sizeof(limits));
	for (size_t i = 0; i < count; i++)
		gnutls_hash(hash, applications[i].alpn, strlen(applications[i].alpn) + 1);
	gnutls_hash_deinit(hash, info);
	return tls_derive(tls->ticket_secret, &context, key, TLS_TICKET_KEY_LENGTH) == 0;
}

static int check_client(gnutls_session_t session)
{
	gnutls_typed_vdata_st purpose = {GNUTLS_DT_KEY_PURPOSE_OID,
					 (uint8_t *)GNUTLS_KP_TLS_WWW_CLIENT, 0};
	unsigned int count, status;

	/* Whether there has to be one, GnuTLS sees to. */
	if (!gnutls_certificate_get_peers(session, &count) || count == 0)
		return 0;
	if (gnutls_certificate_verify_peers(session, &purpose, 1, &status) || status)
		return GNUTLS_E_CERTIFICATE_ERROR;
	return 0;
}

static void ask_client(gnutls_session_t session, enum arq_quic_client_auth auth)
{
	if (auth == ARQ_QUIC_CLIENT_AUTH_OFF)
		return;
	gnutls_certificate_server_set_request(session, auth == ARQ_QUIC_CLIENT_AUTH_REQUIRED
							       ? GNUTLS_CERT_REQUIRE
							       : GNUTLS_CERT_REQUEST);
	gnutls_session_set_verify_function(session, check_client);
}

int tls_begin_recording(const struct arq_quic_tls *tls, gnutls_anti_replay_t *anti_replay)
{
	return tls->replay && !*anti_replay ? replay_recorder(tls->replay, anti_replay) : 0;
}

/* Tickets, and 0-RTT where it is wanted. Returns 0 or a negative number. */
static int allow_resumption(const struct tls_server_options *options, gnutls_session_t session)
{
	const gnutls_datum_t key = {(uint8_t *)options->ticket_key, TLS_TICKET_KEY_LENGTH};
	struct arq_quic_tls *tls = options->tls;

	if (!options->ticket_key)
		return 0;
	if (gnutls_session_ticket_enable_server(session, &key))
		return -1;
	if (!tls->replay)
		return 0;
	if (tls_begin_recording(tls, options->anti_replay))
		return -1;
	gnutls_anti_replay_set_ptr(*options->anti_replay, tls->replay);
	gnutls_anti_replay_enable(session, *options->anti_replay);
	/* QUIC has its own limits: RFC 9001 section 4.6.1. */
	return gnutls_record_set_max_early_data_size(session, 0xffffffff);
}

int tls_server_session(const struct tls_server_options *options, gnutls_session_t *session)
{
	unsigned int flags = GNUTLS_SERVER | GNUTLS_NO_AUTO_SEND_TICKET;
	struct arq_quic_tls *tls = options->tls;

	if (!options->ticket_key)
		flags |= GNUTLS_NO_TICKETS;
	else if (tls->replay)
		flags |= GNUTLS_ENABLE_EARLY_DATA | GNUTLS_NO_END_OF_EARLY_DATA;
	if (gnutls_init(session, flags))
		return -ENOMEM;
	gnutls_session_set_ptr(*session, options->ref);
	gnutls_db_set_ptr(*session, tls);
	gnutls_handshake_set_post_client_hello_function(*session, choose_identity);
	ask_client(*session, tls->client_auth);
	if (gnutls_priority_set(*session, tls->priorities) ||
	    ngtcp2_crypto_gnutls_configure_server_session(*session) ||
	    gnutls_credentials_set(*session, GNUTLS_CRD_CERTIFICATE,
				   tls->identities[0].credentials) ||
	    set_alpn(*session, options->applications, options->application_count) ||
	    allow_resumption(options, *session)) {
		gnutls_deinit(*session);
		*session = NULL;
		return -ENOMEM;
	}
	return 0;
}

char *tls_peer_subject(gnutls_session_t session, struct arq_memory *memory)
{
	unsigned int count;
	const gnutls_datum_t *chain = gnutls_certificate_get_peers(session, &count);
	gnutls_x509_crt_t leaf;
	gnutls_datum_t name;
	char *subject = NULL;

	if (!chain || count == 0 || gnutls_x509_crt_init(&leaf))
		return NULL;
	if (gnutls_x509_crt_import(leaf, chain, GNUTLS_X509_FMT_DER) == 0 &&
	    gnutls_x509_crt_get_dn3(leaf, &name, 0) == 0) {
		subject = arq_memory_malloc(name.size + 1, memory);
		if (subject) {
			memcpy(subject, name.data, name.size);
			subject[name.size] = '\0';
		}
		gnutls_free(name.data);
	}
	gnutls_x509_crt_deinit(leaf);
	return subject;
}
