/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One request of a client, coupled with the request to an upstream that answers it.
 *
 *	client ── request ──▶ exchange ── request ──▶ upstream
 *	       ◀─ response ──          ◀─ response ──
 *
 * Bodies stream through, never whole: bytes received from one side are copied at once into the send
 * buffer of the other, and credited to their sender when the other side has acknowledged them.
 * Since the send buffer of a stream is as large as its widest receive window, the copy always fits;
 * a reader that stops stops its sender after one window. An exchange holds, at most: the request's
 * header section (kept for a retry), one window of request body while it waits for an upstream, and
 * a trailer section for each side. (The send buffers are HTTP/3's and bounded there.)
 *
 * How an end on one side reaches the other (RFC 9114 sections 4.1.1 and 8.1):
 *
 *	client resets, or stops the response	upstream: reset and stop, H3_REQUEST_CANCELLED
 *	upstream resets or is lost
 *	  before the final response		another try, once, if nothing of a body was sent and
 *						the upstream rejected it or the method is
 *						idempotent; else 502
 *	  after it				client: reset, H3_INTERNAL_ERROR; never a clean end
 *	upstream stops the request body		client: stop, H3_NO_ERROR; its response goes on
 *	response ends before the request	client: stop, H3_NO_ERROR; upstream: reset,
 *						H3_REQUEST_CANCELLED
 *	no upstream to be had			502, 503 or 504, see pool.h
 *
 * The proxy answers by itself: routes with `respond` or `redirect`, 404 where no route matches,
 * 400 where none can be told (route.h), 413 and 429 beyond the route's limits, 421 where a
 * connection of the host's own name would lead to another route, 500 where a rewrite gives no
 * path, 501 for CONNECT, 508 for a request that was here before.
 */
#ifndef ARQUANT_PROXY_EXCHANGE_H
#define ARQUANT_PROXY_EXCHANGE_H

#include "userspace/http3/http3.h"

#include <stdbool.h>

struct arq_proxy_client;

/*
 * Takes a request: accepts the stream and answers it, now or in the course of things. To be called
 * from on_request, with its arguments.
 */
void arq_exchange_begin(struct arq_proxy_client *from, struct arq_h3_stream *client,
			const struct arq_h3_request *request, bool end);

#endif
