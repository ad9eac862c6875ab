/* SPDX-License-Identifier: BSD-2-Clause */
/* Connections: made, fed and noted as ended. */
#include "userspace/quic/connection.h"

#include "userspace/quic/sources.h"

#include <errno.h>
#include <gnutls/crypto.h>
#include <string.h>

/* Below a second, losses and delays would kill healthy connections; above, memory is tied up. */
#define IDLE_MIN NGTCP2_SECONDS
#define IDLE_MAX (600 * NGTCP2_SECONDS)

/* Clients choose the first Destination Connection ID; the longest is the hardest to guess. */
#define FIRST_DCID_LENGTH 18

/* What a path may carry above 1200: Ethernet, PPPoE, a common tunnel. UDP payload, bytes. */
static const uint16_t probes_ipv4[] = {1472, 1464, 1372};
static const uint16_t probes_ipv6[] = {1452, 1444, 1352};

static ngtcp2_conn *get_conn(ngtcp2_crypto_conn_ref *ref)
{
	return ((struct arq_quic_connection *)ref->user_data)->conn;
}

void connection_schedule(struct arq_quic_connection *connection)
{
	if (connection->pending)
		return;
	connection->pending = true;
	TAILQ_INSERT_TAIL(&connection->endpoint->pending, connection, pending_entry);
}

/* --- paths ------------------------------------------------------------------------------------ */

static bool same_way(const struct arq_path *a, const struct arq_path *b)
{
	return arq_address_equal(&a->remote, &b->remote) && arq_address_equal(&a->local, &b->local);
}

/* Keeps how a path is reached: io and next hop, for whatever is sent later by a timer. */
static void learn_path(struct arq_quic_connection *connection, struct arq_io *io,
		       const struct arq_path *path)
{
	const ngtcp2_path *current = ngtcp2_conn_get_path(connection->conn);
	struct connection_path *slot = NULL;

	for (size_t i = 0; i < connection->path_count; i++) {
		if (same_way(&connection->paths[i].path, path)) {
			connection->paths[i] = (struct connection_path){*path, io};
			return;
		}
	}
	if (connection->path_count < CONNECTION_PATHS) {
		slot = &connection->paths[connection->path_count++];
	} else {
		slot = &connection->paths[connection->path_next++ % CONNECTION_PATHS];
		/* The path in use is never forgotten. */
		if (arq_address_equal(&slot->path.remote,
				      (const union arq_address *)current->remote.addr))
			slot = &connection->paths[connection->path_next++ % CONNECTION_PATHS];
	}
	*slot = (struct connection_path){*path, io};
}

static ngtcp2_path to_ngtcp2(const struct arq_path *path)
{
	return (ngtcp2_path){
		.local = {(struct sockaddr *)&path->local.sa, arq_address_length(&path->local)},
		.remote = {(struct sockaddr *)&path->remote.sa, arq_address_length(&path->remote)},
	};
}

/* --- making one ------------------------------------------------------------------------------- */

static void settings_fill(ngtcp2_settings *settings, const struct arq_quic_transport *transport,
			  const struct arq_path *path, uint64_t now)
{
	bool ipv4 = path->remote.sa.sa_family == AF_INET;
	size_t payload = transport->max_udp_payload;

	if (payload < NGTCP2_MAX_UDP_PAYLOAD_SIZE || payload > ARQ_IO_PAYLOAD_MAX)
		payload = ARQ_IO_PAYLOAD_MAX;
	ngtcp2_settings_default(settings);
	settings->cc_algo = transport->congestion_control == ARQ_QUIC_BBR ? NGTCP2_CC_ALGO_BBR
									  : NGTCP2_CC_ALGO_CUBIC;
	settings->initial_ts = now;
	settings->handshake_timeout = transport->handshake_timeout;
	settings->max_tx_udp_payload_size = payload;
	settings->no_pmtud = payload == NGTCP2_MAX_UDP_PAYLOAD_SIZE;
	settings->pmtud_probes = ipv4 ? probes_ipv4 : probes_ipv6;
	settings->pmtud_probeslen = ipv4 ? sizeof(probes_ipv4) / sizeof(probes_ipv4[0])
					 : sizeof(probes_ipv6) / sizeof(probes_ipv6[0]);
}

static void params_fill(ngtcp2_transport_params *params, const struct arq_quic_transport *transport)
{
	uint64_t idle = transport->idle_timeout;

	ngtcp2_transport_params_default(params);
	params->initial_max_data = transport->max_data;
	params->initial_max_stream_data_bidi_local = transport->max_stream_data_bidi_local;
	params->initial_max_stream_data_bidi_remote = transport->max_stream_data_bidi_remote;
	params->initial_max_stream_data_uni = transport->max_stream_data_uni;
	params->initial_max_streams_bidi = transport->max_streams_bidi;
	params->initial_max_streams_uni = transport->max_streams_uni;
	params->max_idle_timeout = idle < IDLE_MIN ? IDLE_MIN : idle > IDLE_MAX ? IDLE_MAX : idle;
	params->max_udp_payload_size = ARQ_IO_PAYLOAD_MAX;
	params->max_datagram_frame_size = transport->max_datagram;
}

static struct arq_quic_connection *connection_alloc(struct arq_quic_endpoint *endpoint,
						    struct arq_io *io, const struct arq_path *path)
{
	struct arq_quic_connection *connection =
		arq_memory_calloc(1, sizeof(*connection), &endpoint->memory);

	if (!connection)
		return NULL;
	if (timer_reserve(&endpoint->timers)) {
		arq_memory_free(connection, &endpoint->memory);
		return NULL;
	}
	connection->owner.kind = CID_CONNECTION;
	connection->endpoint = endpoint;
	connection->timer = (struct timer){.owner = &connection->owner, .at = TIMER_NEVER};
	connection->application_timer = TIMER_NEVER;
	connection->owed_since = TIMER_NEVER;
	STAILQ_INIT(&connection->datagrams);
	connection->ref = (ngtcp2_crypto_conn_ref){get_conn, connection};
	connection->paths[0] = (struct connection_path){*path, io};
	connection->path_count = 1;
	TAILQ_INSERT_TAIL(&endpoint->connections, connection, entry);
	endpoint->counters.connections++;
	return connection;
}

static int enter_cid(struct arq_quic_connection *connection, const ngtcp2_cid *cid)
{
	return cid_table_insert(connection->endpoint->cids, cid->data, cid->datalen,
				&connection->owner, false);
}

static int accept_conn(struct arq_quic_connection *connection,
		       const struct connection_accept *accept)
{
	struct arq_quic_endpoint *endpoint = connection->endpoint;
	const struct arq_quic_transport *transport = &accept->listener->transport;
	const struct arq_path *arrival = &accept->packet->path;
	ngtcp2_path path = to_ngtcp2(arrival);
	ngtcp2_transport_params params;
	ngtcp2_settings settings;
	ngtcp2_cid scid;

	settings_fill(&settings, transport, arrival, endpoint->now);
	params_fill(&params, transport);
	params.original_dcid = accept->header->dcid;
	params.original_dcid_present = 1;
	if (accept->verdict == TOKEN_RETRY) {
		params.original_dcid = *accept->original_dcid;
		params.retry_scid = accept->header->dcid;
		params.retry_scid_present = 1;
		settings.token_type = NGTCP2_TOKEN_TYPE_RETRY;
	} else if (accept->verdict == TOKEN_NEW) {
		settings.token_type = NGTCP2_TOKEN_TYPE_NEW_TOKEN;
	}
	if (settings.token_type != NGTCP2_TOKEN_TYPE_UNKNOWN) {
		settings.token = accept->header->token;
		settings.tokenlen = accept->header->tokenlen;
	}
	endpoint_generate_cid(endpoint, &scid);
	if (token_stateless_reset(&endpoint->keys, &scid, params.stateless_reset_token))
		return -ENOMEM;
	params.stateless_reset_token_present = 1;
	if (ngtcp2_conn_server_new(&connection->conn, &accept->header->scid, &scid, &path,
				   accept->header->version, &connection_server_callbacks, &settings,
				   &params, &endpoint->allocator, connection))
		return -ENOMEM;
	if (enter_cid(connection, &scid) || enter_cid(connection, &accept->header->dcid))
		return -ENOMEM;
	connection->first_dcid = accept->header->dcid;
	return 0;
}

int connection_accept(struct arq_quic_endpoint *endpoint, const struct connection_accept *accept,
		      struct arq_quic_connection **made)
{
	struct arq_quic_listener *listener = accept->listener;
	struct tls_server_options session = {
		.applications = listener->applications,
		.application_count = listener->application_count,
		.ticket_key = listener->tickets ? listener->ticket_key : NULL,
		.anti_replay = &endpoint->anti_replay,
	};
	struct arq_quic_connection *connection;

	connection = connection_alloc(endpoint, accept->io, &accept->packet->path);
	if (!connection)
		return -ENOMEM;
	connection->server = true;
	connection->tickets = listener->tickets;
	budget_init(&connection->budget, endpoint->now);
	connection->applications = listener->applications;
	connection->application_count = listener->application_count;
	connection->tls = arq_quic_tls_get(listener->tls);
	endpoint->counters.half_open++;
	session.tls = connection->tls;
	session.ref = &connection->ref;
	if (accept_conn(connection, accept) || tls_server_session(&session, &connection->session)) {
		connection_destroy(connection);
		return -ENOMEM;
	}
	ngtcp2_conn_set_tls_native_handle(connection->conn, connection->session);
	endpoint->counters.accepted++;
	*made = connection;
	return 0;
}

static int connect_conn(struct arq_quic_connection *connection,
			const struct arq_quic_connect_options *options)
{
	struct arq_quic_endpoint *endpoint = connection->endpoint;
	ngtcp2_path path = to_ngtcp2(&options->path);
	ngtcp2_transport_params params;
	ngtcp2_settings settings;
	ngtcp2_cid scid, dcid;

	settings_fill(&settings, &options->transport, &options->path, endpoint->now);
	params_fill(&params, &options->transport);
	endpoint_generate_cid(endpoint, &scid);
	dcid.datalen = FIRST_DCID_LENGTH;
	if (gnutls_rnd(GNUTLS_RND_RANDOM, dcid.data, dcid.datalen) ||
	    ngtcp2_conn_client_new(&connection->conn, &dcid, &scid, &path, NGTCP2_PROTO_VER_V1,
				   &connection_client_callbacks, &settings, &params,
				   &endpoint->allocator, connection))
		return -ENOMEM;
	if (options->transport.keep_alive)
		ngtcp2_conn_set_keep_alive_timeout(connection->conn, options->transport.keep_alive);
	return enter_cid(connection, &scid);
}

/* What ops->resumption gave: length of the transport parameters, these, the ticket. */
static bool resumption_split(const struct arq_quic_connect_options *options, gnutls_datum_t *params,
			     gnutls_datum_t *ticket)
{
	const uint8_t *data = options->resumption;

	if (!data || options->resumption_length < CONNECTION_RESUMPTION_HEAD)
		return false;
	*params = (gnutls_datum_t){(uint8_t *)data + CONNECTION_RESUMPTION_HEAD,
				   (unsigned int)(data[0] << 8 | data[1])};
	if (params->size > options->resumption_length - CONNECTION_RESUMPTION_HEAD)
		return false;
	*ticket = (gnutls_datum_t){params->data + params->size,
				   (unsigned int)(options->resumption_length -
						  CONNECTION_RESUMPTION_HEAD - params->size)};
	return ticket->size > 0;
}

static int connect_session(struct arq_quic_connection *connection,
			   const struct arq_quic_connect_options *options)
{
	gnutls_datum_t params = {0}, ticket = {0};
	bool resume = resumption_split(options, &params, &ticket);
	const struct tls_client_options session = {
		.tls = connection->client_tls,
		.server_name = connection->server_name,
		.alpn = connection->alpn,
		.ref = &connection->ref,
		.on_ticket = options->ops->resumption ? connection_ticket : NULL,
		.ticket = resume ? &ticket : NULL,
		.early_data = resume && options->early_data,
	};

	if (tls_client_session(&session, &connection->session))
		return -ENOMEM;
	ngtcp2_conn_set_tls_native_handle(connection->conn, connection->session);
	if (session.early_data)
		connection->early_data = ngtcp2_conn_decode_and_set_0rtt_transport_params(
						 connection->conn, params.data, params.size) == 0;
	return 0;
}

static int connect_check(const struct arq_quic_endpoint *endpoint,
			 const struct arq_quic_connect_options *options, struct arq_error *error)
{
	size_t alpn = strlen(options->alpn);

	if (endpoint->counters.connections >= endpoint->options.max_connections)
		return arq_error_set(error, -ENOBUFS,
				     "all %u connections are in use: raise the limit or lower the "
				     "load",
				     endpoint->options.max_connections);
	if (alpn == 0 || alpn >= CONNECTION_NAME_MAX ||
	    strlen(options->server_name) >= CONNECTION_NAME_MAX)
		return arq_error_set(error, -EINVAL,
				     "server name and ALPN must have 1 to 255 characters");
	if (!arq_address_length(&options->path.remote) ||
	    options->path.remote.sa.sa_family != options->path.local.sa.sa_family)
		return arq_error_set(error, -EINVAL,
				     "local and remote address must be both IPv4 or both IPv6");
	return 0;
}

int arq_quic_connect(struct arq_quic_endpoint *endpoint,
		     const struct arq_quic_connect_options *options, uint64_t now,
		     struct arq_quic_connection **made, struct arq_error *error)
{
	struct arq_quic_connection *connection;
	int rv = connect_check(endpoint, options, error);

	if (rv)
		return rv;
	endpoint_clock(endpoint, now);
	connection = connection_alloc(endpoint, options->io, &options->path);
	if (!connection)
		return arq_error_set(error, -ENOMEM, "no memory for a connection");
	connection->ops = options->ops;
	connection->user = options->user;
	connection->client_tls = arq_quic_client_tls_get(options->tls);
	connection->silence = options->transport.silence;
	memcpy(connection->server_name, options->server_name, strlen(options->server_name));
	memcpy(connection->alpn, options->alpn, strlen(options->alpn));
	if (connect_conn(connection, options) || connect_session(connection, options)) {
		connection_destroy(connection);
		return arq_error_set(error, -ENOMEM, "no memory for a connection to %s",
				     options->server_name);
	}
	endpoint->counters.connects++;
	connection_schedule(connection);
	*made = connection;
	return 0;
}

size_t connection_cids(struct arq_quic_connection *connection, ngtcp2_cid **cids)
{
	size_t count = ngtcp2_conn_get_scid(connection->conn, NULL) + 1;

	*cids = arq_memory_malloc(count * sizeof(**cids), &connection->endpoint->memory);
	if (!*cids)
		return 0;
	count = ngtcp2_conn_get_scid(connection->conn, *cids);
	if (connection->first_dcid.datalen)
		(*cids)[count++] = connection->first_dcid;
	return count;
}

/* Whatever ids still lead here go; those that a closing record took over stay. */
static void forget_cids(struct arq_quic_connection *connection)
{
	ngtcp2_cid *cids;
	size_t count = connection_cids(connection, &cids);

	if (count == 0)
		cid_table_purge(connection->endpoint->cids, &connection->owner);
	for (size_t i = 0; i < count; i++)
		cid_table_remove(connection->endpoint->cids, cids[i].data, cids[i].datalen,
				 &connection->owner);
	arq_memory_free(cids, &connection->endpoint->memory);
}

void connection_destroy(struct arq_quic_connection *connection)
{
	struct arq_quic_endpoint *endpoint = connection->endpoint;

	for (size_t i = 0; i < connection->reset_token_count; i++)
		cid_table_remove(endpoint->reset_tokens, connection->reset_tokens[i],
				 NGTCP2_STATELESS_RESET_TOKENLEN, &connection->owner);
	if (connection->conn) {
		forget_cids(connection);
		ngtcp2_conn_del(connection->conn);
	}
	if (connection->source)
		sources_leave(endpoint->options.sources, connection->source);
	if (connection->session)
		gnutls_deinit(connection->session);
	arq_quic_tls_put(connection->tls);
	arq_quic_client_tls_put(connection->client_tls);
	arq_memory_free(connection->peer_subject, &endpoint->memory);
	while (connection->datagram_count)
		datagram_drop(connection);
	timer_set(&endpoint->timers, &connection->timer, TIMER_NEVER);
	timer_unreserve(&endpoint->timers);
	if (connection->pending)
		TAILQ_REMOVE(&endpoint->pending, connection, pending_entry);
	TAILQ_REMOVE(&endpoint->connections, connection, entry);
	endpoint->counters.connections--;
	if (connection->server && !connection->handshake_done)
		endpoint->counters.half_open--;
	arq_memory_free(connection, &endpoint->memory);
}

/* --- feeding one ------------------------------------------------------------------------------ */

/*
 * After the handshake a server has no more use for TLS: keys follow each other by QUIC's own means,
 * and the ticket has been handed to ngtcp2. What GnuTLS holds is about as much as all the rest.
 */
static void release_session(struct arq_quic_connection *connection)
{
	if (!connection->server || !connection->handshake_done || !connection->session)
		return;
	gnutls_deinit(connection->session);
	connection->session = NULL;
	ngtcp2_conn_set_tls_native_handle(connection->conn, NULL);
	arq_quic_tls_put(connection->tls);
	connection->tls = NULL;
}

static void tell_abused(const struct arq_quic_connection *connection, struct arq_io *io)
{
	const struct arq_quic_endpoint_options *options = &connection->endpoint->options;

	/* Before that, and on other paths, the address may be anybody's. */
	if (options->abused && connection->handshake_done)
		options->abused(options->user, io, &connection->proven);
}

static void end_excessive(struct arq_quic_connection *connection, struct arq_io *io)
{
	static const char why[] = "too many frames of a kind";
	bool known = connection->ready && connection->application;

	if (!connection->ending) {
		connection->endpoint->counters.closed_abuse++;
		tell_abused(connection, io);
	}
	connection_end(connection, ENDING_CLOSE,
		       known ? ARQ_QUIC_CLOSE_LOCAL_APPLICATION : ARQ_QUIC_CLOSE_LOCAL_TRANSPORT,
		       known ? connection->application->excessive_load : NGTCP2_PROTOCOL_VIOLATION,
		       (const uint8_t *)why, sizeof(why) - 1);
}

/* Acknowledgements and timers tell of loss; ngtcp2 1.11 tells us by its window only. */
static void watch_window(struct arq_quic_connection *connection)
{
	ngtcp2_conn_info info;

	ngtcp2_conn_get_conn_info(connection->conn, &info);
	if (info.cwnd < connection->window)
		connection->endpoint->counters.congestion_events++;
	connection->window = info.cwnd;
}

/* Our side of these streams was reset by ngtcp2 (RFC 9000, section 3.5); the application hears why.
 */
static void tell_stops(struct arq_quic_connection *connection, const struct budget_stop *stops,
		       size_t count)
{
	for (size_t i = 0; i < count && connection->ready && !connection->ending; i++)
		connection->ops->stop_sending(connection, connection->user, stops[i].stream_id,
					      stops[i].code);
}

int connection_receive(struct arq_quic_connection *connection, struct arq_io *io,
		       const struct arq_rx_packet *packet)
{
	ngtcp2_pkt_info info = {.ecn = packet->ecn};
	struct arq_path arrival = packet->path;
	const struct budget_stop *stops;
	size_t stop_count;
	ngtcp2_path path;
	int rv;

	connection->endpoint->counters.packets_established += connection->handshake_done;
	if (connection->ending) {
		connection->endpoint->counters.dropped_closing++;
		return 0;
	}
	/* Our own address as we named it when we connected, which may have been the any address. */
	if (!connection->server)
		arrival.local = connection->paths[0].path.local;
	path = to_ngtcp2(&arrival);
	budget_begin(connection->server ? &connection->budget : NULL, connection->endpoint->now);
	rv = ngtcp2_conn_read_pkt(connection->conn, &path, &info, packet->data, packet->length,
				  connection->endpoint->now);
	stop_count = budget_end(&stops);
	if (rv == NGTCP2_ERR_RETRY)
		return rv;
	connection->heard = connection->endpoint->now;
	reap_heard(connection);
	if (rv == 0)
		tell_stops(connection, stops, stop_count);
	if (connection->budget.exceeded)
		end_excessive(connection, io);
	release_session(connection);
	watch_window(connection);
	learn_path(connection, io, &arrival);
	if (rv)
		connection_fail(connection, rv);
	connection_schedule(connection);
	return 0;
}

uint64_t connection_silent_at(const struct arq_quic_connection *connection)
{
	uint64_t since = connection->owed_since;

	if (since == TIMER_NEVER)
		return TIMER_NEVER;
	return (connection->heard > since ? connection->heard : since) + connection->silence;
}

void connection_expire(struct arq_quic_connection *connection, uint64_t now)
{
	static const char silent[] = "no acknowledgement";

	int rv;

	connection_schedule(connection);
	if (connection->ending)
		return;
	if (connection_silent_at(connection) <= now) {
		connection_end(connection, ENDING_CLOSE, ARQ_QUIC_CLOSE_SILENT, NGTCP2_NO_ERROR,
			       (const uint8_t *)silent, sizeof(silent) - 1);
		return;
	}
	if (connection->application_timer <= now) {
		connection->application_timer = TIMER_NEVER;
		if (connection->ready && connection->ops->timer)
			connection->ops->timer(connection, connection->user, now);
	}
	if (connection->ending || ngtcp2_conn_get_expiry(connection->conn) > now)
		return;
	rv = ngtcp2_conn_handle_expiry(connection->conn, now);
	watch_window(connection);
	if (rv)
		connection_fail(connection, rv);
}

/* --- ending one ------------------------------------------------------------------------------- */

void connection_end(struct arq_quic_connection *connection, enum connection_ending ending,
		    enum arq_quic_close_kind kind, uint64_t code, const uint8_t *reason,
		    size_t reason_length)
{
	if (connection->ending)
		return;
	if (reason_length >= CONNECTION_REASON_MAX)
		reason_length = CONNECTION_REASON_MAX - 1;
	/* It may come from the peer and go to a log: printable ASCII only. */
	for (size_t i = 0; i < reason_length; i++)
		connection->reason[i] =
			reason[i] >= ' ' && reason[i] <= '~' ? (char)reason[i] : '?';
	connection->reason[reason_length] = '\0';
	connection->ending = ending;
	connection->close = (struct arq_quic_close){kind, code, connection->reason};
	connection_schedule(connection);
}

static void end_simple(struct arq_quic_connection *connection, enum connection_ending ending,
		       enum arq_quic_close_kind kind, uint64_t code, const char *reason)
{
	connection_end(connection, ending, kind, code, (const uint8_t *)reason, strlen(reason));
}

static void end_by_peer(struct arq_quic_connection *connection)
{
	const ngtcp2_ccerr *peer = ngtcp2_conn_get_ccerr(connection->conn);

	if (connection->reset_received)
		end_simple(connection, ENDING_DROP, ARQ_QUIC_CLOSE_STATELESS_RESET, 0, "");
	else
		connection_end(connection, ENDING_DRAIN,
			       peer->type == NGTCP2_CCERR_TYPE_APPLICATION
				       ? ARQ_QUIC_CLOSE_PEER_APPLICATION
				       : ARQ_QUIC_CLOSE_PEER_TRANSPORT,
			       peer->error_code, peer->reason, peer->reasonlen);
}

void connection_fail(struct arq_quic_connection *connection, int error)
{
	ngtcp2_ccerr ccerr;

	switch (error) {
	case NGTCP2_ERR_DRAINING:
		end_by_peer(connection);
		return;
	case NGTCP2_ERR_IDLE_CLOSE:
		end_simple(connection, ENDING_DROP, ARQ_QUIC_CLOSE_IDLE, 0, "");
		return;
	case NGTCP2_ERR_HANDSHAKE_TIMEOUT:
		end_simple(connection, ENDING_DROP, ARQ_QUIC_CLOSE_HANDSHAKE_TIMEOUT, 0, "");
		return;
	case NGTCP2_ERR_RECV_VERSION_NEGOTIATION:
		end_simple(connection, ENDING_DROP, ARQ_QUIC_CLOSE_VERSION, 0, "");
		return;
	case NGTCP2_ERR_CLOSING:
	case NGTCP2_ERR_DROP_CONN:
		end_simple(connection, ENDING_DROP, ARQ_QUIC_CLOSE_LOCAL_TRANSPORT,
			   NGTCP2_INTERNAL_ERROR, ngtcp2_strerror(error));
		return;
	case NGTCP2_ERR_CRYPTO: {
		uint8_t alert = ngtcp2_conn_get_tls_alert(connection->conn);

		end_simple(connection, ENDING_CLOSE, ARQ_QUIC_CLOSE_LOCAL_TRANSPORT,
			   NGTCP2_CRYPTO_ERROR | alert, gnutls_alert_get_name(alert) ?: "");
		return;
	}
	default:
		ngtcp2_ccerr_set_liberr(&ccerr, error, NULL, 0);
		end_simple(connection, ENDING_CLOSE, ARQ_QUIC_CLOSE_LOCAL_TRANSPORT,
			   ccerr.error_code, ngtcp2_strerror(error));
	}
}
