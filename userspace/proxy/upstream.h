/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A connection to a target of a pool, and what runs on it.
 *
 * The pool knows when to open one, how many streams it may carry, and when it shall end. What its
 * streams mean is the business of an application: HTTP/3 (arq_upstream_h3), or another that is
 * given to arq_pool_create. The application tells the pool what happens to a connection by the
 * arq_upstream_... calls below; whoever was given a connection by the pool (struct
 * arq_pool_ticket) finds the application's part by arq_upstream_session.
 *
 * Everything belongs to one worker's thread.
 */
#ifndef ARQUANT_PROXY_UPSTREAM_H
#define ARQUANT_PROXY_UPSTREAM_H

#include "userspace/http3/http3.h"
#include "userspace/quic/quic.h"

#include <stddef.h>
#include <stdint.h>

struct arq_upstream;
struct arq_pool_context;

/* What may be opened on a connection: RFC 9000, section 2.1. */
enum arq_pool_kind {
	ARQ_POOL_BIDI,
	ARQ_POOL_UNI,
};
#define ARQ_POOL_KINDS 2

struct arq_upstream_application {
	/*
	 * Begins a connection. `options` is complete but for ops, user and the stream limits of
	 * `transport`, which are QUIC's defaults. Returns 0 and *session,
	 * whatever the other calls need; or a negative errno with the reason in `error`.
	 */
	int (*connect)(struct arq_pool_context *context, struct arq_upstream *upstream,
		       struct arq_quic_connect_options *options, void **session,
		       struct arq_error *error);

	/* Streams of a kind that may be opened now, 0 before the handshake is done. */
	uint64_t (*streams_left)(const void *session, enum arq_pool_kind kind);

	/* No new streams; ends when those that are open have ended. */
	void (*shutdown)(void *session);

	/* Ends now: the arq_upstream_closed call comes with the next arq_quic_run. */
	void (*close)(void *session);
};

/* HTTP/3; its session is a struct arq_h3_session. */
extern const struct arq_upstream_application arq_upstream_h3;

/* Raw streams; its session is a struct raw_session (raw.h). */
extern const struct arq_upstream_application arq_upstream_raw;

/* What `connect` returned. */
void *arq_upstream_session(const struct arq_upstream *upstream);

/* --- from the application --------------------------------------------------------------------- */

/* The handshake is complete. */
void arq_upstream_ready(struct arq_upstream *upstream);

/* More streams may be opened than before. */
void arq_upstream_streams(struct arq_upstream *upstream);

/* The target wants no more streams on it (GOAWAY). */
void arq_upstream_leaving(struct arq_upstream *upstream);

/* The end; `upstream` is gone when this returns. All tickets started on it were given back before.
 */
void arq_upstream_closed(struct arq_upstream *upstream, const struct arq_quic_close *close);

#endif
