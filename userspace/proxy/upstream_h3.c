// SPDX-License-Identifier: BSD-2-Clause
/* HTTP/3 on the connections of a pool. */
#include "userspace/proxy/pool.h"
#include "userspace/proxy/upstream.h"

static void on_ready(struct arq_h3_session *session, void *user)
{
	(void)session;
	arq_upstream_ready(user);
}

static void on_streams(struct arq_h3_session *session, void *user)
{
	(void)session;
	arq_upstream_streams(user);
}

static void on_goaway(struct arq_h3_session *session, void *user, int64_t id)
{
	(void)session;
	(void)id;
	arq_upstream_leaving(user);
}

static void on_closed(struct arq_h3_session *session, void *user,
		      const struct arq_quic_close *close)
{
	(void)session;
	arq_upstream_closed(user, close);
}

static const struct arq_h3_session_ops session_ops = {
	.on_ready = on_ready,
	.on_streams = on_streams,
	.on_goaway = on_goaway,
	.on_closed = on_closed,
};

static int connect_session(struct arq_pool_context *context, struct arq_upstream *upstream,
			   struct arq_quic_connect_options *quic, void **session,
			   struct arq_error *error)
{
	struct arq_h3_connect_options options = {
		.io = quic->io,
		.path = quic->path,
		.tls = quic->tls,
		.server_name = quic->server_name,
		.ops = &session_ops,
		.user = upstream,
	};
	struct arq_h3_session *made;

	arq_h3_transport(context->h3, false, &options.transport);
	options.transport.idle_timeout = quic->transport.idle_timeout;
	options.transport.handshake_timeout = quic->transport.handshake_timeout;
	options.transport.keep_alive = quic->transport.keep_alive;
	options.transport.silence = quic->transport.silence;
	int code = arq_h3_connect(context->h3, context->endpoint, &options, context->now, &made,
				  error);
	if (code == 0)
		*session = made;
	return code;
}

/* Requests are bidirectional, and nobody asks for others. */
static uint64_t streams_left(const void *session, enum arq_pool_kind kind)
{
	(void)kind;
	return arq_h3_session_streams_left(session);
}

static void shut_down(void *session)
{
	arq_h3_session_shutdown(session);
}

static void close_session(void *session)
{
	arq_h3_session_close(session, ARQ_H3_NO_ERROR);
}

const struct arq_upstream_application arq_upstream_h3 = {
	.connect = connect_session,
	.streams_left = streams_left,
	.shutdown = shut_down,
	.close = close_session,
};
