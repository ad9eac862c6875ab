/* SPDX-License-Identifier: BSD-2-Clause */
/* What the files of the pool share: a pool's insides, its targets and their connections. */
#ifndef ARQUANT_PROXY_TARGET_H
#define ARQUANT_PROXY_TARGET_H

#include "userspace/proxy/balance.h"
#include "userspace/proxy/check.h"
#include "userspace/proxy/pool.h"
#include "userspace/proxy/proxy.h"
#include "userspace/proxy/roster.h"

/* A connection to a target. */
struct arq_upstream {
	TAILQ_ENTRY(arq_upstream) entry;
	struct arq_pool_target *target;
	void *session; /* the application's */
	bool ready; /* the handshake was completed */
	bool leaving; /* gets nothing new: GOAWAY, shutdown, age, or it refused a stream */
	uint32_t streams; /* started on it and not given back */
	uint64_t opened; /* when its handshake began */
	uint64_t ready_at; /* and was completed */
	uint64_t idle_since; /* while there are none */
	struct arq_alarm age;
};

struct arq_pool_target {
	LIST_ENTRY(arq_pool_target) entry; /* while it leaves */
	struct arq_pool *pool;
	struct arq_roster *roster; /* a reference: the newest that it is in */
	const struct arq_roster_target *config; /* its entry there */
	size_t index; /* in the roster and in the pool; not while it leaves */
	uint64_t id; /* in the pool; never used again */
	bool leaving; /* no roster has it any more: it finishes what it has */
	struct arq_check *check; /* NULL: it is not checked, or by another worker */
	struct arq_tally_target *tally;
	TAILQ_HEAD(, arq_upstream) upstreams;
	uint32_t upstream_count;
	uint32_t connecting; /* of these, not ready yet */
	struct arq_pool_queue
		queues[ARQ_POOL_KINDS]; /* streams of one kind never wait for others */
	uint32_t waiting; /* in the queues */
	uint32_t requests; /* tickets out: waiting and started */
	bool unreachable; /* the last connection failed, and there is no other */
	uint32_t connect_failures; /* in a row */
	struct arq_alarm reconnect; /* while unreachable, or to have one at hand */
	uint64_t reached_at; /* when it was reachable again; 0: it always was */
};

struct arq_pool {
	struct arq_pool_context *context;
	const struct arq_config_pool *config;
	const struct arq_upstream_application *application;
	struct arq_quic_client_tls *tls;
	struct arq_balance *balance;
	struct arq_roster *roster; /* a reference; whose targets these are */
	bool checks; /* this worker checks the targets */
	uint64_t next_id; /* of targets */
	uint64_t seed; /* of all that is random */
	uint32_t requests; /* tickets out, of all targets */
	uint32_t retries; /* of these, retries */
	bool down; /* shut down: opens nothing any more */
	struct arq_balance_load *loads; /* of each target, filled for a choice */
	uint32_t target_count;
	struct arq_pool_target **targets; /* in the order of the roster */
	LIST_HEAD(, arq_pool_target) leaving;
};

/* --- target.c --------------------------------------------------------------------------------- */

/*
 * Entry `i` of the roster, checked if it is to be; takes a reference. Returns 0 and *target, or
 * -ENOMEM.
 */
int target_create(struct arq_pool *pool, struct arq_roster *roster, size_t i,
		  struct arq_pool_target **target);

/* It is entry `i` of another roster now. */
void target_move(struct arq_pool_target *target, struct arq_roster *roster, size_t i);

/* No roster has it any more: who waits for it goes to another, and its connections may end. */
void target_leave(struct arq_pool_target *target);

/* Nothing is left of it but itself. */
bool target_is_over(const struct arq_pool_target *target);

void target_destroy(struct arq_pool_target *target); /* NULL is allowed */

/*
 * Path, TLS and name for a connection to it; the application's part is left empty. Returns 0 or a
 * negative errno with the reason in `error`.
 */
int target_connect_options(const struct arq_pool_target *target,
			   struct arq_quic_connect_options *options, struct arq_error *error);

/* Serves the queues as far as connections have room, and opens one when they have not. */
void target_pump(struct arq_pool_target *target);

/* Ends its connections, at once or when they have no streams. */
void target_end(struct arq_pool_target *target, bool at_once);

/* It did what it was asked for, or did not: evidence for ejection. */
void target_succeeded(struct arq_pool_target *target);
void target_failed(struct arq_pool_target *target);

/* --- choice.c --------------------------------------------------------------------------------- */

/*
 * The target that is next; or, with `except`, a usable one that is not it. NULL when there is none.
 */
struct arq_pool_target *pool_choose(struct arq_pool *pool, uint64_t key,
				    const struct arq_pool_target *except);

/* --- pool.c ----------------------------------------------------------------------------------- */

/* Takes a waiting ticket out of its queue of its target and its deadline back. */
void ticket_dequeue(struct arq_pool_ticket *ticket);

/* Puts it back to the front, to wait on. */
void ticket_requeue(struct arq_pool_ticket *ticket);

/* A stream was opened for it: its time runs. */
void ticket_started(struct arq_pool_ticket *ticket, struct arq_upstream *upstream);
void ticket_unstarted(struct arq_pool_ticket *ticket); /* it was not, after all */

/*
 * Nobody will serve its queues soon: who has not tried another target does so, the others fail. Of
 * a target that leaves, all do so: it is not for them to suffer.
 */
void pool_move_queue(struct arq_pool_target *target, unsigned int status);

#endif
