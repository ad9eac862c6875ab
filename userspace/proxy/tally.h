/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What requests came to, by listener, route and pool, and what targets did, by pool and target.
 *
 * Counted by name, not by place in the configuration: a row lives as long as the proxy, so that
 * counters never go back when a reload changes or takes away what they count. One tally for each
 * worker, without locks; whoever reads has them added up between two rounds of the worker's loop.
 * Rows are bounded; what comes after is counted in a row named "other".
 */
#ifndef ARQUANT_PROXY_TALLY_H
#define ARQUANT_PROXY_TALLY_H

#include "userspace/common/histogram.h"

#include <stddef.h>
#include <stdint.h>

/* What stands for a listener, route or pool that a request has none of. */
#define ARQ_TALLY_NONE "none"

/* Of a response's status; NONE: the request ended without one. */
enum arq_tally_class {
	ARQ_TALLY_2XX,
	ARQ_TALLY_3XX,
	ARQ_TALLY_4XX,
	ARQ_TALLY_5XX,
	ARQ_TALLY_NO_RESPONSE,
	ARQ_TALLY_CLASSES,
};

enum arq_tally_class arq_tally_class(unsigned int status); /* 0: no response */

#define ARQ_TALLY_NAMES 3

struct arq_tally_row {
	uint64_t hash;
	const char *names[ARQ_TALLY_NAMES]; /* in memory of the row's */
};

struct arq_tally_requests {
	struct arq_tally_row row; /* listener, route, pool */
	uint64_t ended[ARQ_TALLY_CLASSES];
	uint64_t received; /* bytes of bodies */
	uint64_t sent;
	struct arq_histogram duration; /* from the request's header section to the end of all */
};

struct arq_tally_target {
	struct arq_tally_row row; /* pool, target, "" */
	uint64_t requests; /* given to it */
	uint64_t retries; /* of these, second tries */
	uint64_t errors; /* answered by 5xx */
	uint64_t broken; /* reset, lost or malformed before an answer */
	uint64_t late; /* no answer in time */
	uint64_t connects;
	uint64_t connects_failed;
	struct arq_histogram answer; /* from a stream to the response's header section */
};

/* What a target has to do now; only in what arq_proxy_tally_read gives. */
struct arq_tally_load {
	struct arq_tally_row row; /* pool, target as configured, its address */
	uint64_t active; /* requests that it has or that wait for it */
	uint64_t waiting;
	uint64_t connections;
};

struct arq_tally;

/* Returns 0 and *tally, or -ENOMEM. */
int arq_tally_create(struct arq_tally **tally);
void arq_tally_destroy(struct arq_tally *tally); /* NULL is allowed */

/* The row of these names, made when it is the first; never NULL. Live as the tally does. */
struct arq_tally_requests *arq_tally_requests(struct arq_tally *tally, const char *listener,
					      const char *route, const char *pool);
struct arq_tally_target *arq_tally_target(struct arq_tally *tally, const char *pool,
					  const char *target);
struct arq_tally_load *arq_tally_load(struct arq_tally *tally, const char *pool, const char *target,
				      const char *address);

/* Adds all rows of another to it. */
void arq_tally_add(struct arq_tally *sum, const struct arq_tally *other);

/* Rows in the order in which they were made; NULL beyond the last. */
const struct arq_tally_requests *arq_tally_requests_at(const struct arq_tally *tally, size_t i);
const struct arq_tally_target *arq_tally_target_at(const struct arq_tally *tally, size_t i);
const struct arq_tally_load *arq_tally_load_at(const struct arq_tally *tally, size_t i);

#endif
