/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A pool: targets, and the connections of this worker to them.
 *
 * Who needs an upstream takes a ticket and waits until the pool calls `start` with a connection
 * that has room for a stream. Connections are opened on demand, carry as many streams as the
 * target's MAX_STREAMS allows, and stay until the target or the idle timeout ends them; after
 * GOAWAY or the maximum age they finish what they have and get nothing new. When all are full
 * another is opened, up to `connections.max`; then tickets wait, in order, `limits.waiting` at
 * most. (Names in quotes are those of the pool's configuration, common/config.h.)
 *
 * Targets that fail their checks (check.h), are ejected (member.h) or could not be reached by this
 * worker get nothing while there are others; who waited for one that cannot be reached moves to
 * another target, once. One that cannot be reached is tried again by itself, after a time that
 * doubles, so that no request has to find out whether it is back. Nothing here knows what a request
 * is, or which protocol runs on the connections (upstream.h).
 *
 * Targets come and go with the addresses of names (roster.h): those that stay keep connections and
 * queues, those that go finish what they have.
 *
 * A pool with `forward: connections` has a connection for each ticket, which is for all that its
 * holder will open on it.
 *
 * Everything belongs to one worker's thread.
 */
#ifndef ARQUANT_PROXY_POOL_H
#define ARQUANT_PROXY_POOL_H

#include "userspace/common/config.h"
#include "userspace/io/io.h"
#include "userspace/proxy/alarm.h"
#include "userspace/proxy/roster.h"
#include "userspace/proxy/tally.h"
#include "userspace/proxy/upstream.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

struct arq_pool;
struct arq_pool_target;
struct arq_proxy_counters;

TAILQ_HEAD(arq_pool_queue, arq_pool_ticket);

/* Part of whatever needs an upstream; zero it before the first use. */
struct arq_pool_ticket {
	/*
	 * A connection that takes a stream now: open one, on arq_upstream_session(upstream).
	 * Returns 0, or what opening it returned: -EAGAIN and -ESHUTDOWN keep the ticket waiting
	 * for another connection, other errors have been dealt with by the callee (who has given
	 * the ticket back, if it was to be).
	 */
	int (*start)(struct arq_pool_ticket *ticket, struct arq_upstream *upstream);

	/* There will be none; the ticket has been given back. `status`: 502, 503 or 504. */
	void (*fail)(struct arq_pool_ticket *ticket, unsigned int status);

	/*
	 * What was started takes too long: `timeouts.try` or `timeouts.response`, and as long
	 * without arq_pool_progress, before arq_pool_report says that there is an answer;
	 * `timeouts.stall` without progress after it. The callee abandons the stream and gives the
	 * ticket back. NULL: nothing of that is watched.
	 */
	void (*late)(struct arq_pool_ticket *ticket);

	/* What consistent-hash chooses by: arq_pool_key for requests. */
	uint64_t key;

	enum arq_pool_kind kind; /* of stream that it is for */

	/* Instead of the pool's; NULL and 0: as the pool says. Borrowed while the ticket is out. */
	const struct arq_config_route_timeouts *timeouts;
	uint32_t attempts_max;

	/* The pool's own. */
	TAILQ_ENTRY(arq_pool_ticket) queue_entry; /* of a target, while waiting */
	struct arq_alarm deadline; /* of waiting, then of the answer, then of a stall */
	struct arq_pool_target *target; /* NULL: the ticket is not out */
	uint64_t last; /* id of the one that it was at, which may be gone */
	struct arq_upstream *upstream; /* that it was started on */
	uint64_t begun; /* when it was first taken */
	uint64_t since; /* when it began to wait, was started or answered */
	uint64_t progress; /* when something moved last */
	uint64_t connect; /* ns of its last wait that went into a handshake */
	uint8_t attempts; /* targets that it waited for */
	bool waiting; /* not started yet */
	bool answered; /* since it was started: an answer began */
	bool reported; /* since it was started */
	bool retry; /* counts as a retry */
};

/* What the pools of a worker share. */
struct arq_pool_context {
	struct arq_quic_endpoint *endpoint;
	struct arq_h3 *h3;
	struct arq_io *upstream_v4;
	struct arq_io *upstream_v6;
	uint64_t now;
	uint64_t idle_timeout; /* ns */
	struct arq_alarms alarms; /* of the pools, and of who uses them */
	struct arq_proxy_counters *counters;
	struct arq_tally *tally;
};

struct arq_pool_options {
	const struct arq_config_pool *config;
	struct arq_quic_client_tls *tls;
	struct arq_roster *roster; /* the pool takes a reference of its own */
	bool checks; /* this worker is the one that checks the targets */
	const struct arq_upstream_application *application;
	struct arq_pool_context *context;
};

/* What the options point to is borrowed and outlives the pool. Returns 0 and *pool, or -ENOMEM. */
int arq_pool_create(const struct arq_pool_options *options, struct arq_pool **pool);

/*
 * Another roster takes the place of the pool's. Tickets that wait for targets that leave move to
 * others. Not from a callback of the pool's. Returns 0; or -ENOMEM, and nothing was changed.
 */
int arq_pool_update(struct arq_pool *pool, struct arq_roster *roster);

/* The one it has. */
const struct arq_roster *arq_pool_roster(const struct arq_pool *pool);

/* Frees targets that left and have nothing to do any more. Not from a callback of the pool's. */
void arq_pool_sweep(struct arq_pool *pool);

/* Connections that it has, being made and ending ones included, and may have at most. */
uint32_t arq_pool_connections(const struct arq_pool *pool);
uint32_t arq_pool_connections_max(const struct arq_pool *pool);

/* Adds what its targets have to do now. */
void arq_pool_tally(const struct arq_pool *pool, struct arq_tally *sum);

/* All connections and tickets must be gone. NULL is allowed. */
void arq_pool_destroy(struct arq_pool *pool);

/*
 * The key of a request, for its ticket: of what the pool's `hash` names, or of the client's address
 * when the request has no such field or cookie. 0 with other policies. `request` may be NULL, for
 * what is no request.
 */
uint64_t arq_pool_key(const struct arq_pool *pool, const struct arq_h3_request *request,
		      const union arq_address *client);

/*
 * Asks for a connection; `start` or `fail` may be called before this returns. A ticket that was
 * given back and is taken again, for the same request, is a retry: it goes to another target than
 * before when there is one. Ask arq_pool_may_retry before.
 */
void arq_pool_take(struct arq_pool *pool, struct arq_pool_ticket *ticket);

enum arq_pool_outcome {
	ARQ_POOL_ANSWERED, /* a final response below 500, or what is as good */
	ARQ_POOL_ERROR, /* a response of 500 or above */
	ARQ_POOL_BROKEN, /* reset, lost or malformed before that */
	ARQ_POOL_LATE, /* no answer in time */
};

/*
 * Says how the target did with what was started on it, before the ticket is given back; of several
 * for one start the first counts. Not for what the target cannot be blamed for: cancelled by the
 * client, or rejected by a target that is going away. A ticket that is not out is no error.
 */
void arq_pool_report(struct arq_pool_ticket *ticket, enum arq_pool_outcome outcome);

/*
 * May it be taken again after this try has failed? No when it has had `retries.attempts`, when its
 * time is over, or when as many requests as `retries.budget` and `retries.min` allow are retries
 * now: then the targets have enough to do without. Whether repeating the request is safe is the
 * caller's to know.
 */
bool arq_pool_may_retry(const struct arq_pool *pool, const struct arq_pool_ticket *ticket);

/* The address of the target that it is at, in text; only while it is out, and as long. */
const char *arq_pool_ticket_target(const struct arq_pool_ticket *ticket);

/* Something of a body moved, on either side. Cheap. */
void arq_pool_progress(struct arq_pool_ticket *ticket);

/* The request is over, or no longer wanted. A ticket that is not out is no error. */
void arq_pool_give_back(struct arq_pool_ticket *ticket);

/* Lets each connection end when it has no streams left. */
void arq_pool_shutdown(struct arq_pool *pool);

/* Ends all connections now. */
void arq_pool_close(struct arq_pool *pool);

#endif
