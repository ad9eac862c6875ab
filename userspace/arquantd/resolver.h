/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The addresses of targets that are names, kept up to date.
 *
 * A name is asked for again when the TTL of its answer is over, within the bounds of the
 * configuration and with a little chance, so that neither many names nor many gateways ask at one
 * moment. Its addresses are the last that were known: a question that fails, or an answer without
 * addresses, leaves them as they are; both families are judged by themselves, so a server that
 * fails for one takes nothing from the other. Failures are counted, and logged when they change.
 *
 * Main thread only; nothing blocks but arq_resolver_settle. Who uses the addresses is told by
 * arq_resolver_serve's result that some changed.
 */
#ifndef ARQUANT_ARQUANTD_RESOLVER_H
#define ARQUANT_ARQUANTD_RESOLVER_H

#include "userspace/common/config.h"
#include "userspace/common/error.h"
#include "userspace/proxy/roster.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arq_resolver;

#define ARQ_RESOLVER_REASON_MAX 96

/* What is known of a name; times are ns of CLOCK_MONOTONIC. */
struct arq_resolver_name {
	char *text;
	union arq_address addresses[ARQ_CONFIG_NAME_ADDRESSES_MAX]; /* port 0, ascending */
	size_t count;
	size_t left_out; /* of the last answer: there was no room for so many */
	uint64_t answered; /* when somebody said so; 0: nobody yet */
	uint64_t ttl_ns; /* of that answer */
	uint64_t due; /* when it is asked for next; UINT64_MAX: it is being asked for */
	uint32_t failures; /* in a row */
	char reason[ARQ_RESOLVER_REASON_MAX]; /* of the last failure; empty after an answer */
	bool tried; /* the first question is over */
	bool wanted; /* by the last configuration */
};

struct arq_resolver_counters {
	uint64_t questions; /* for a family's addresses of a name each */
	uint64_t failures; /* of these, without a definite answer */
	uint64_t empty; /* names that were said to have no address */
	uint64_t changes; /* of a name's addresses */
};

/* Returns 0 and *resolver, or a negative errno. */
int arq_resolver_create(struct arq_resolver **resolver);

/* NULL is allowed. */
void arq_resolver_destroy(struct arq_resolver *resolver);

/*
 * Asks for the names of these pools too from now on, of the servers and in the way that `gateway`
 * says. What is known of any name stays, until arq_resolver_forget drops those that the last
 * configuration does not have: so a reload can be taken back. Nothing is borrowed. `families`: of
 * which the host has addresses; a bit, 1 << AF_INET or 1 << AF_INET6, each. Returns 0, or a
 * negative errno with the reason in `error`, and everything goes on as before.
 */
int arq_resolver_configure(struct arq_resolver *resolver, const struct arq_config_gateway *gateway,
			   unsigned int families, struct arq_error *error);
void arq_resolver_forget(struct arq_resolver *resolver);

/* Waits until each name was asked for once, `patience_ns` at most. */
void arq_resolver_settle(struct arq_resolver *resolver, uint64_t patience_ns);

/* Readable when there is something to do. */
int arq_resolver_fd(const struct arq_resolver *resolver);

/* Milliseconds after which there is something to do all the same; -1: never. */
int arq_resolver_timeout(const struct arq_resolver *resolver);

/* Does what there is to do. Returns true when addresses of names changed since the last time. */
bool arq_resolver_serve(struct arq_resolver *resolver);

/* The addresses, for rosters; lives as the resolver. */
const struct arq_proxy_names *arq_resolver_names(const struct arq_resolver *resolver);

/* A name; NULL beyond the last. Until the next configure or forget. */
const struct arq_resolver_name *arq_resolver_at(const struct arq_resolver *resolver, size_t i);

struct arq_resolver_counters arq_resolver_read(const struct arq_resolver *resolver);

#endif
