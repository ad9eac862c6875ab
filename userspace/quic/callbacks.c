/* SPDX-License-Identifier: BSD-2-Clause */
/* What ngtcp2 calls: the application hears of it, the id tables follow. */
#include "userspace/quic/connection.h"
#include "userspace/quic/sources.h"

#include <gnutls/crypto.h>
#include <string.h>

/* An application that closed the connection wants no more of it. */
static int verdict(const struct arq_quic_connection *connection)
{
	return connection->ending ? NGTCP2_ERR_CALLBACK_FAILURE : 0;
}

/* --- handshake -------------------------------------------------------------------------------- */

/* The application of the ALPN that TLS chose; GnuTLS insists that there is one. */
static const struct arq_quic_application *application(struct arq_quic_connection *connection)
{
	gnutls_datum_t alpn;

	if (gnutls_alpn_get_selected_protocol(connection->session, &alpn) ||
	    alpn.size >= CONNECTION_NAME_MAX)
		return NULL;
	for (size_t i = 0; i < connection->application_count; i++) {
		const struct arq_quic_application *one = &connection->applications[i];

		if (strlen(one->alpn) == alpn.size && memcmp(one->alpn, alpn.data, alpn.size) == 0)
			return one;
	}
	return NULL;
}

static void note_server_name(struct arq_quic_connection *connection)
{
	size_t length = sizeof(connection->server_name);
	unsigned int type;

	if (gnutls_server_name_get(connection->session, connection->server_name, &length, &type,
				   0) ||
	    type != GNUTLS_NAME_DNS)
		connection->server_name[0] = '\0';
}

static int send_new_token(struct arq_quic_connection *connection, const ngtcp2_path *path)
{
	struct arq_quic_endpoint *endpoint = connection->endpoint;
	uint8_t token[TOKEN_MAX];
	ngtcp2_ssize length;

	length = token_new_write(&endpoint->keys, token,
				 (const union arq_address *)path->remote.addr, endpoint->now);
	/* A convenience for the client's next visit: going without is no error. */
	if (length > 0)
		ngtcp2_conn_submit_new_token(connection->conn, token, (size_t)length);
	return 0;
}

bool connection_ready(struct arq_quic_connection *connection)
{
	if (connection->ready)
		return !connection->ending;
	connection->ready = true;
	connection->ops->ready(connection, connection->user);
	return !connection->ending;
}

/* Server: ALPN and name are known as soon as the ClientHello was read. */
static int introduce(struct arq_quic_connection *connection)
{
	const struct arq_quic_application *chosen = application(connection);

	if (!chosen)
		return NGTCP2_ERR_CALLBACK_FAILURE;
	connection->application = chosen;
	connection->ops = chosen->ops;
	connection->user = chosen->user;
	memcpy(connection->alpn, chosen->alpn, strlen(chosen->alpn) + 1);
	note_server_name(connection);
	return connection_ready(connection) ? 0 : NGTCP2_ERR_CALLBACK_FAILURE;
}

static int recv_rx_key(ngtcp2_conn *conn, ngtcp2_encryption_level level, void *user)
{
	struct arq_quic_connection *connection = user;

	(void)conn;
	if (level != NGTCP2_ENCRYPTION_LEVEL_0RTT)
		return 0;
	connection->early_keys = true;
	connection->endpoint->counters.early_data_accepted++;
	return 0;
}

/* With 0-RTT the application comes in as soon as it can answer. */
static int recv_tx_key(ngtcp2_conn *conn, ngtcp2_encryption_level level, void *user)
{
	struct arq_quic_connection *connection = user;

	(void)conn;
	if (level != NGTCP2_ENCRYPTION_LEVEL_1RTT || !connection->early_keys)
		return 0;
	return introduce(connection);
}

static void send_ticket(struct arq_quic_connection *connection)
{
	if (connection->tickets && gnutls_session_ticket_send(connection->session, 1, 0) == 0)
		connection->endpoint->counters.tickets_sent++;
}

/* A client's first packets need not have given a sample. */
static void note_rtt(struct arq_quic_connection *connection)
{
	ngtcp2_conn_info info;

	ngtcp2_conn_get_conn_info(connection->conn, &info);
	if (info.min_rtt != UINT64_MAX)
		arq_histogram_observe(&connection->endpoint->counters.rtt, info.smoothed_rtt);
}

static int server_completed(struct arq_quic_connection *connection)
{
	connection->endpoint->counters.half_open--;
	note_rtt(connection);
	connection->peer_subject =
		tls_peer_subject(connection->session, &connection->endpoint->memory);
	send_new_token(connection, ngtcp2_conn_get_path(connection->conn));
	send_ticket(connection);
	return connection->ready ? verdict(connection) : introduce(connection);
}

/* Whether what was sent early counts. */
static bool early_refused(struct arq_quic_connection *connection)
{
	static const char why[] = "";

	if (!connection->early_data || !connection->ready ||
	    gnutls_session_get_flags(connection->session) & GNUTLS_SFLAGS_EARLY_DATA)
		return false;
	connection_end(connection, ENDING_CLOSE, ARQ_QUIC_CLOSE_EARLY_REFUSED, 0,
		       (const uint8_t *)why, 0);
	return true;
}

/* Counts the connection for its client, which has now proven its address. False when it is one too
 * many, and ends. */
static bool enter_source(struct arq_quic_connection *connection)
{
	static const char why[] = "too many connections from this address";
	struct arq_quic_endpoint *endpoint = connection->endpoint;
	struct arq_quic_sources *sources = endpoint->options.sources;
	uint32_t most = endpoint->options.max_per_source;
	bool counted;
	uint64_t key;

	if (!sources)
		return true;
	key = sources_key(sources, &connection->proven);
	if (sources_enter(sources, key, most ? most : UINT32_MAX, &counted)) {
		connection->source = counted ? key : 0;
		return true;
	}
	endpoint->counters.refused_source++;
	connection_end(connection, ENDING_CLOSE, ARQ_QUIC_CLOSE_LOCAL_TRANSPORT,
		       NGTCP2_CONNECTION_REFUSED, (const uint8_t *)why, sizeof(why) - 1);
	return false;
}

static int handshake_completed(ngtcp2_conn *conn, void *user)
{
	struct arq_quic_connection *connection = user;

	memcpy(&connection->proven, ngtcp2_conn_get_path(conn)->remote.addr,
	       ngtcp2_conn_get_path(conn)->remote.addrlen);
	connection->handshake_done = true;
	connection->resumed = gnutls_session_is_resumed(connection->session);
	connection->endpoint->counters.handshakes_completed++;
	connection->endpoint->counters.handshakes_resumed += connection->resumed;
	if (connection->server)
		return enter_source(connection) ? server_completed(connection)
						: NGTCP2_ERR_CALLBACK_FAILURE;
	if (early_refused(connection))
		return NGTCP2_ERR_CALLBACK_FAILURE;
	return connection_ready(connection) ? 0 : NGTCP2_ERR_CALLBACK_FAILURE;
}

int connection_ticket(gnutls_session_t session, unsigned int type, unsigned int when,
		      unsigned int incoming, const gnutls_datum_t *message)
{
	ngtcp2_crypto_conn_ref *ref = gnutls_session_get_ptr(session);
	struct arq_quic_connection *connection = ref->user_data;
	struct arq_memory *memory = &connection->endpoint->memory;
	uint8_t params[CONNECTION_PARAMS_MAX];
	gnutls_datum_t ticket;
	ngtcp2_ssize length;
	uint8_t *all;

	(void)type;
	(void)when;
	(void)incoming;
	(void)message;
	length = ngtcp2_conn_encode_0rtt_transport_params(connection->conn, params, sizeof(params));
	if (length < 0 || gnutls_session_get_data2(session, &ticket))
		return 0;
	all = arq_memory_malloc(CONNECTION_RESUMPTION_HEAD + (size_t)length + ticket.size, memory);
	if (all) {
		all[0] = (uint8_t)(length >> 8);
		all[1] = (uint8_t)length;
		memcpy(all + CONNECTION_RESUMPTION_HEAD, params, (size_t)length);
		memcpy(all + CONNECTION_RESUMPTION_HEAD + length, ticket.data, ticket.size);
		connection->ops->resumption(connection, connection->user, all,
					    CONNECTION_RESUMPTION_HEAD + (size_t)length +
						    ticket.size);
	}
	arq_memory_free(all, memory);
	gnutls_free(ticket.data);
	return 0;
}

/* A server whose handshake is complete wants nothing more of TLS: RFC 9001 section 6. */
static int recv_crypto_data(ngtcp2_conn *conn, ngtcp2_encryption_level level, uint64_t offset,
			    const uint8_t *data, size_t length, void *user)
{
	struct arq_quic_connection *connection = user;

	if (connection->session)
		return ngtcp2_crypto_recv_crypto_data_cb(conn, level, offset, data, length, user);
	ngtcp2_conn_set_tls_alert(conn, GNUTLS_A_UNEXPECTED_MESSAGE);
	return NGTCP2_ERR_CRYPTO;
}

/* --- ids -------------------------------------------------------------------------------------- */

static int get_new_connection_id(ngtcp2_conn *conn, ngtcp2_cid *cid, uint8_t *token, size_t length,
				 void *user)
{
	struct arq_quic_connection *connection = user;

	(void)conn;
	(void)length; /* that of the first one, which is ours too */
	endpoint_generate_cid(connection->endpoint, cid);
	if (token_stateless_reset(&connection->endpoint->keys, cid, token) ||
	    cid_table_insert(connection->endpoint->cids, cid->data, cid->datalen,
			     &connection->owner, false))
		return NGTCP2_ERR_CALLBACK_FAILURE;
	return 0;
}

static int remove_connection_id(ngtcp2_conn *conn, const ngtcp2_cid *cid, void *user)
{
	struct arq_quic_connection *connection = user;

	(void)conn;
	cid_table_remove(connection->endpoint->cids, cid->data, cid->datalen, &connection->owner);
	return 0;
}

static void forget_reset_token(struct arq_quic_connection *connection, const uint8_t *token)
{
	for (size_t i = 0; i < connection->reset_token_count; i++) {
		if (memcmp(connection->reset_tokens[i], token, NGTCP2_STATELESS_RESET_TOKENLEN) !=
		    0)
			continue;
		cid_table_remove(connection->endpoint->reset_tokens, token,
				 NGTCP2_STATELESS_RESET_TOKENLEN, &connection->owner);
		memcpy(connection->reset_tokens[i],
		       connection->reset_tokens[--connection->reset_token_count],
		       NGTCP2_STATELESS_RESET_TOKENLEN);
		return;
	}
}

/* A stateless reset carries no id of ours: its token is how we find whom it means. */
static int dcid_status(ngtcp2_conn *conn, ngtcp2_connection_id_status_type type, uint64_t sequence,
		       const ngtcp2_cid *cid, const uint8_t *token, void *user)
{
	struct arq_quic_connection *connection = user;

	(void)conn;
	(void)sequence;
	(void)cid;
	if (!token)
		return 0;
	forget_reset_token(connection, token);
	if (type != NGTCP2_CONNECTION_ID_STATUS_TYPE_ACTIVATE ||
	    connection->reset_token_count == CONNECTION_RESET_TOKENS)
		return 0;
	/* One that another connection has already: whoever made both knows which it means. */
	if (cid_table_insert(connection->endpoint->reset_tokens, token,
			     NGTCP2_STATELESS_RESET_TOKENLEN, &connection->owner, false))
		return 0;
	memcpy(connection->reset_tokens[connection->reset_token_count++], token,
	       NGTCP2_STATELESS_RESET_TOKENLEN);
	return 0;
}

static int recv_stateless_reset(ngtcp2_conn *conn, const ngtcp2_pkt_stateless_reset *reset,
				void *user)
{
	struct arq_quic_connection *connection = user;

	(void)conn;
	(void)reset;
	connection->reset_received = true;
	return 0;
}

static void random_bytes(uint8_t *out, size_t length, const ngtcp2_rand_ctx *context)
{
	(void)context;
	gnutls_rnd(GNUTLS_RND_NONCE, out, length);
}

static int path_validation(ngtcp2_conn *conn, uint32_t flags, const ngtcp2_path *path,
			   const ngtcp2_path *old_path, ngtcp2_path_validation_result result,
			   void *user)
{
	struct arq_quic_connection *connection = user;

	(void)conn;
	if (result != NGTCP2_PATH_VALIDATION_RESULT_SUCCESS)
		return 0;
	if (old_path)
		connection->endpoint->counters.paths_migrated++;
	if (connection->server && flags & NGTCP2_PATH_VALIDATION_FLAG_NEW_TOKEN)
		send_new_token(connection, path);
	return 0;
}

/* --- streams ---------------------------------------------------------------------------------- */

static int stream_open(ngtcp2_conn *conn, int64_t id, void *user)
{
	struct arq_quic_connection *connection = user;

	(void)conn;
	if (connection->ready && connection->ops->stream_open)
		connection->ops->stream_open(connection, connection->user, id);
	return verdict(connection);
}

static int recv_stream_data(ngtcp2_conn *conn, uint32_t flags, int64_t id, uint64_t offset,
			    const uint8_t *data, size_t length, void *user, void *stream_user)
{
	struct arq_quic_connection *connection = user;

	(void)conn;
	(void)stream_user;
	if (connection->ready)
		connection->ops->stream_data(connection, connection->user, id, offset, data, length,
					     flags & NGTCP2_STREAM_DATA_FLAG_FIN);
	return verdict(connection);
}

static int acked_stream_data(ngtcp2_conn *conn, int64_t id, uint64_t offset, uint64_t length,
			     void *user, void *stream_user)
{
	struct arq_quic_connection *connection = user;

	(void)conn;
	(void)stream_user;
	if (connection->ready)
		connection->ops->stream_acked(connection, connection->user, id, offset, length);
	return verdict(connection);
}

static int stream_reset(ngtcp2_conn *conn, int64_t id, uint64_t final_size, uint64_t code,
			void *user, void *stream_user)
{
	struct arq_quic_connection *connection = user;

	(void)conn;
	(void)stream_user;
	if (connection->ready)
		connection->ops->stream_reset(connection, connection->user, id, final_size, code);
	return verdict(connection);
}

static int stream_close(ngtcp2_conn *conn, uint32_t flags, int64_t id, uint64_t code, void *user,
			void *stream_user)
{
	struct arq_quic_connection *connection = user;

	(void)conn;
	(void)flags;
	(void)code;
	(void)stream_user;
	if (connection->ready)
		connection->ops->stream_closed(connection, connection->user, id);
	return verdict(connection);
}

static int streams_available(ngtcp2_conn *conn, uint64_t max, void *user)
{
	struct arq_quic_connection *connection = user;

	(void)conn;
	(void)max;
	if (connection->ready && connection->ops->streams_available)
		connection->ops->streams_available(connection, connection->user);
	return verdict(connection);
}

static int stream_credit(ngtcp2_conn *conn, int64_t id, uint64_t max, void *user, void *stream_user)
{
	struct arq_quic_connection *connection = user;

	(void)conn;
	(void)max;
	(void)stream_user;
	if (connection->ready && connection->ops->unblocked)
		connection->ops->unblocked(connection, connection->user, id);
	return verdict(connection);
}

static int recv_datagram(ngtcp2_conn *conn, uint32_t flags, const uint8_t *data, size_t length,
			 void *user)
{
	struct arq_quic_connection *connection = user;

	(void)conn;
	(void)flags;
	if (connection->ready && connection->ops->datagram)
		connection->ops->datagram(connection, connection->user, data, length);
	return verdict(connection);
}

#define COMMON_CALLBACKS                                                                         \
	.recv_crypto_data = recv_crypto_data, .handshake_completed = handshake_completed,        \
	.encrypt = ngtcp2_crypto_encrypt_cb, .decrypt = budget_decrypt,                          \
	.hp_mask = ngtcp2_crypto_hp_mask_cb, .recv_stream_data = recv_stream_data,               \
	.acked_stream_data_offset = acked_stream_data, .stream_open = stream_open,               \
	.stream_close = stream_close, .recv_stateless_reset = recv_stateless_reset,              \
	.extend_max_local_streams_bidi = streams_available,                                      \
	.extend_max_local_streams_uni = streams_available, .rand = random_bytes,                 \
	.get_new_connection_id = get_new_connection_id,                                          \
	.remove_connection_id = remove_connection_id, .update_key = ngtcp2_crypto_update_key_cb, \
	.path_validation = path_validation, .stream_reset = stream_reset,                        \
	.extend_max_stream_data = stream_credit, .dcid_status = dcid_status,                     \
	.recv_datagram = recv_datagram,                                                          \
	.delete_crypto_aead_ctx = ngtcp2_crypto_delete_crypto_aead_ctx_cb,                       \
	.delete_crypto_cipher_ctx = ngtcp2_crypto_delete_crypto_cipher_ctx_cb,                   \
	.get_path_challenge_data = ngtcp2_crypto_get_path_challenge_data_cb,                     \
	.version_negotiation = ngtcp2_crypto_version_negotiation_cb

const ngtcp2_callbacks connection_server_callbacks = {
	COMMON_CALLBACKS,
	.recv_client_initial = ngtcp2_crypto_recv_client_initial_cb,
	.recv_rx_key = recv_rx_key,
	.recv_tx_key = recv_tx_key,
};

const ngtcp2_callbacks connection_client_callbacks = {
	COMMON_CALLBACKS,
	.client_initial = ngtcp2_crypto_client_initial_cb,
	.recv_retry = ngtcp2_crypto_recv_retry_cb,
};
