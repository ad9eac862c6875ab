// SPDX-License-Identifier: BSD-2-Clause
/* Raw streams on the connections of a pool. */
#include "userspace/proxy/raw.h"
#include "userspace/proxy/target.h"

#include <errno.h>

static int connect_session(struct arq_pool_context *context, struct arq_upstream *upstream,
			   struct arq_quic_connect_options *options, void **made,
			   struct arq_error *error)
{
	const struct arq_config_pool *config = upstream->target->pool->config;
	struct raw_session *session = raw_session_create();
	if (!session)
		return arq_error_set(error, -ENOMEM, "no memory for a connection");
	session->upstream = upstream;
	session->linked = config->forward == ARQ_CONFIG_FORWARD_CONNECTIONS;
	session->reset_code = config->reset_code;
	raw_transport(session->linked, &options->transport);
	if (session->linked)
		options->transport.max_datagram = RAW_DATAGRAM;
	options->ops = &raw_upstream_ops;
	options->user = session;
	int code = arq_quic_connect(context->endpoint, options, context->now, &session->connection,
				    error);
	if (code != 0) {
		raw_session_destroy(session);
		return code;
	}
	*made = session;
	return 0;
}

/* One that a client has for its own takes nobody else. */
static uint64_t streams_left(const void *user, enum arq_pool_kind kind)
{
	const struct raw_session *session = user;
	if (!session->ready || session->ending)
		return 0;
	if (session->linked)
		return session->peer == NULL;
	if (!session->offered[kind])
		return 1; /* so that whoever waits for one is told at once that there is none */
	if (session->open >= RAW_STREAMS)
		return 0;
	uint64_t left =
		arq_quic_connection_streams_left(session->connection, kind == ARQ_POOL_BIDI);
	return left < RAW_STREAMS - session->open ? left : RAW_STREAMS - session->open;
}

static void shut_down(void *user)
{
	struct raw_session *session = user;
	/* A client's own ends with the client. */
	if (!session->peer)
		raw_session_shutdown(session);
}

static void close_session(void *user)
{
	struct raw_session *session = user;
	arq_quic_connection_close(session->connection, true, 0, NULL);
}

const struct arq_upstream_application arq_upstream_raw = {
	.connect = connect_session,
	.streams_left = streams_left,
	.shutdown = shut_down,
	.close = close_session,
};
