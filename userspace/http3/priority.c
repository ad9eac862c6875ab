/* SPDX-License-Identifier: BSD-2-Clause */
/* Extensible priorities: RFC 9218. */
#include "userspace/http3/session.h"

#include <errno.h>

static nghttp3_pri to_nghttp3(const struct arq_h3_priority *priority)
{
	return (nghttp3_pri){.urgency = priority->urgency, .inc = priority->incremental};
}

bool arq_h3_priority_equal(const struct arq_h3_priority *a, const struct arq_h3_priority *b)
{
	return a->urgency == b->urgency && a->incremental == b->incremental;
}

bool arq_h3_priority_read(struct arq_h3_priority *priority, struct arq_h3_text value)
{
	nghttp3_pri pri = to_nghttp3(priority);

	if (nghttp3_pri_parse_priority(&pri, (const uint8_t *)value.data, value.length))
		return false;
	*priority = (struct arq_h3_priority){(uint8_t)pri.urgency, pri.inc};
	return true;
}

struct arq_h3_priority arq_h3_stream_priority(const struct arq_h3_stream *stream)
{
	struct arq_h3_session *session = stream->session;
	nghttp3_pri pri;

	if (!session->server || !session->conn ||
	    nghttp3_conn_get_stream_priority(session->conn, &pri, stream->id))
		return (struct arq_h3_priority)ARQ_H3_PRIORITY_DEFAULT;
	return (struct arq_h3_priority){(uint8_t)pri.urgency, pri.inc};
}

int arq_h3_stream_set_priority(struct arq_h3_stream *stream, const struct arq_h3_priority *priority)
{
	struct arq_h3_session *session = stream->session;
	char text[] = "u=0, i";
	int rv;

	if (priority->urgency > ARQ_H3_URGENCY_MAX)
		return -EINVAL;
	if (!session->conn)
		return -EPIPE;
	if (session->server) {
		const nghttp3_pri pri = to_nghttp3(priority);

		stream->priority = *priority; /* the client did not change it */
		rv = nghttp3_conn_set_server_stream_priority(session->conn, stream->id, &pri);
	} else {
		text[2] = (char)('0' + priority->urgency);
		rv = nghttp3_conn_set_client_stream_priority(session->conn, stream->id,
							     (const uint8_t *)text,
							     priority->incremental ? 6 : 3);
	}
	arq_quic_connection_wake(session->connection);
	return rv == 0 ? 0 : rv == NGHTTP3_ERR_STREAM_NOT_FOUND ? -EPIPE : -ENOMEM;
}

/* nghttp3 does not say which stream a PRIORITY_UPDATE was for; there are few. */
void session_reprioritized(struct arq_h3_session *session)
{
	for (size_t i = 0; i < STREAM_BUCKETS; i++) {
		struct arq_h3_stream *stream;

		LIST_FOREACH (stream, &session->streams[i], entry) {
			const struct arq_h3_priority now = arq_h3_stream_priority(stream);

			if (!stream->ops || arq_h3_priority_equal(&now, &stream->priority))
				continue;
			stream->priority = now;
			if (stream->ops->on_priority)
				stream->ops->on_priority(stream, stream->user);
		}
	}
}
