/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A pool: targets, and the HTTP/3 connections of this worker to them.
 *
 * Who needs an upstream takes a ticket and waits until the pool calls `start` with a connection
 * that has room for a stream. Connections are opened on demand, carry as many requests as the
 * target's MAX_STREAMS allows, and stay until the target or the idle timeout ends them; after
 * GOAWAY they finish what they have and get nothing new. When all are full another is opened, up to
 * ARQ_POOL_CONNECTIONS; then requests wait, in order, ARQ_POOL_WAITING at most.
 *
 * A target whose connection never became usable is passed over for a moment while there are others,
 * and who waited for it moves to another target, once. Nothing here knows what a request is.
 *
 * Everything belongs to one worker's thread.
 */
#ifndef ARQUANT_PROXY_POOL_H
#define ARQUANT_PROXY_POOL_H

#include "userspace/common/config.h"
#include "userspace/http3/http3.h"
#include "userspace/io/io.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

/* Connections of one worker to one target. At the usual 100 streams each that is more than a
 * worker has in flight; a target that allows fewer streams shall not make us flood it. */
#define ARQ_POOL_CONNECTIONS 8

/* Requests that wait for a stream to one target. Each holds its header section and up to a window
 * of body; a longer queue would only be answered after its clients have left. */
#define ARQ_POOL_WAITING 1024

/* A handshake is two round trips and a signature: who needs longer is down or overwhelmed. */
#define ARQ_POOL_CONNECT_TIMEOUT UINT64_C(3000000000)

/* From asking to a stream, all attempts together: two connects and some queueing. */
#define ARQ_POOL_WAIT_TIMEOUT UINT64_C(8000000000)

/* How long a target that could not be reached is passed over: long enough that not every request
 * pays for finding out, short enough that a restarted one is found. */
#define ARQ_POOL_PASS_OVER UINT64_C(1000000000)

struct arq_pool;
struct arq_pool_target;
struct arq_proxy_counters;

TAILQ_HEAD(arq_pool_queue, arq_pool_ticket);

/* Part of whatever needs an upstream; zero it before the first use. */
struct arq_pool_ticket {
	/*
	 * A connection that takes a stream now: start the request. Returns 0, or what
	 * arq_h3_request returned: -EAGAIN and -ESHUTDOWN keep the ticket waiting for another
	 * connection, other errors have been dealt with by the callee (who has given the ticket
	 * back, if it was to be).
	 */
	int (*start)(struct arq_pool_ticket *ticket, struct arq_h3_session *session);

	/* There will be none; the ticket has been given back. `status`: 502, 503 or 504. */
	void (*fail)(struct arq_pool_ticket *ticket, unsigned int status);

	/* The pool's own. */
	TAILQ_ENTRY(arq_pool_ticket) queue_entry; /* of a target, while waiting */
	TAILQ_ENTRY(arq_pool_ticket) deadline_entry; /* while waiting */
	struct arq_pool_target *target; /* NULL: the ticket is not out */
	uint64_t deadline;
	uint8_t attempts; /* targets that it waited for */
	bool waiting; /* not started yet */
};

/* What the pools of a worker share. */
struct arq_pool_context {
	struct arq_quic_endpoint *endpoint;
	struct arq_h3 *h3;
	struct arq_io *upstream_v4;
	struct arq_io *upstream_v6;
	uint64_t now;
	uint64_t idle_timeout; /* ns */
	struct arq_pool_queue deadlines; /* all that wait, the soonest first */
	struct arq_proxy_counters *counters;
};

/*
 * `config`, `tls` and `context` are borrowed and outlive the pool. Returns 0 and *pool, or -ENOMEM.
 */
int arq_pool_create(const struct arq_config_pool *config, struct arq_quic_client_tls *tls,
		    struct arq_pool_context *context, struct arq_pool **pool);

/* Connections that it has, being made and ending ones included, and may have at most. */
uint32_t arq_pool_connections(const struct arq_pool *pool);
uint32_t arq_pool_connections_max(const struct arq_pool *pool);

/* All connections and tickets must be gone. NULL is allowed. */
void arq_pool_destroy(struct arq_pool *pool);

/*
 * Asks for a connection; `start` or `fail` may be called before this returns. A ticket that is
 * given back and used again for the same request remembers how many targets it has tried.
 */
void arq_pool_take(struct arq_pool *pool, struct arq_pool_ticket *ticket);

/* The request is over, or no longer wanted. A ticket that is not out is no error. */
void arq_pool_give_back(struct arq_pool_ticket *ticket);

/* Fails the tickets whose deadline has come, with 504. */
void arq_pool_expire(struct arq_pool_context *context);

/* Lets each connection end when it has no requests left. */
void arq_pool_shutdown(struct arq_pool *pool);

/* Ends all connections now. */
void arq_pool_close(struct arq_pool *pool);

/* --- the choice, apart for its tests ---------------------------------------------------------- */

struct arq_pool_load {
	uint32_t requests; /* that it serves and that wait for it */
	bool pass_over; /* could not be reached a moment ago */
};

/*
 * Chooses one of `count` targets (at least 1) but `except` (-1: none). Targets to pass over are
 * taken only when there are no others. Round-robin goes on after the last choice, kept in *turn;
 * least-requests takes the least loaded, and goes round among equals. Returns its index, or -1 when
 * `except` is the only one.
 */
int arq_pool_choose(enum arq_config_policy policy, const struct arq_pool_load *loads, size_t count,
		    int except, uint32_t *turn);

#endif
