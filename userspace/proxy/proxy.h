/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The proxy: requests of HTTP/3 clients, answered by HTTP/3 upstreams or directly.
 *
 * `struct arq_proxy_shared` is what all workers read and nobody changes: a generation of the
 * configuration, compiled to routes, pools and their TLS credentials. `struct arq_proxy` is one
 * worker's: the requests in progress and the connections to upstreams. It lives on the worker's
 * endpoint and belongs to its thread.
 *
 * How the pieces fit:
 *
 *	route.h     which route a request takes, by its conditions (condition.h)
 *	forward.h   messages as they go on: fields.h, and what the route changes (rewrite.h)
 *	answer.h    responses of our own
 *	pool.h      targets and connections to them, per worker, reused by many requests
 *	roster.h    who the targets are: addresses, and what names have of them
 *	balance.h   which target is next
 *	upstream.h  what runs on a connection to a target: HTTP/3, or another protocol
 *	alarm.h     what is to be done at a time
 *	tally.h     what requests and targets came to, by name
 *	account.h   what one request comes to; record.h, as it is logged
 *	exchange.h  one request coupled with its upstream request, both ways, with back-pressure
 *	raw.h       raw streams of other protocols, coupled in the same way
 *	view.h      what the worker has for a configuration, so that another can take its place
 *
 * The worker tells the time once a round (arq_proxy_run), before it gives packets to the endpoint,
 * and comes back at arq_proxy_expiry() at the latest.
 */
#ifndef ARQUANT_PROXY_PROXY_H
#define ARQUANT_PROXY_PROXY_H

#include "userspace/common/config.h"
#include "userspace/common/error.h"
#include "userspace/http3/http3.h"
#include "userspace/io/io.h"
#include "userspace/proxy/record.h"
#include "userspace/quic/quic.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arq_proxy_shared;
struct arq_proxy;
struct arq_view;
struct arq_members;
struct arq_proxy_names; /* roster.h */
struct arq_tally;

/*
 * Compiles what the configuration says; it is borrowed and must outlive the result. `previous` is
 * the generation in force, NULL at the start: pools that it has, unchanged to the contents of
 * their files, are recognised, so that proxies keep their connections. `names` knows the addresses
 * of names, NULL: nobody does yet. Returns 0 and *shared with one reference, or a negative errno
 * with the reason in `error`.
 */
int arq_proxy_shared_create(const struct arq_config_gateway *gateway,
			    const struct arq_proxy_shared *previous,
			    const struct arq_proxy_names *names, struct arq_proxy_shared **shared,
			    struct arq_error *error);

/*
 * Addresses of names may have changed: gives pools that go by them other targets. The thread that
 * makes generations, while no proxy is created or prepared; arq_proxy_refresh of each proxy comes
 * after it. Returns how many pools have others, or -ENOMEM: some of them may, the others keep
 * what they had.
 */
int arq_proxy_shared_refresh(struct arq_proxy_shared *shared, const struct arq_proxy_names *names);

/*
 * Has `release(user)` called when the last reference has gone, in the thread that gave it up: what
 * the generation borrowed is no longer needed. Before any other thread has it.
 */
void arq_proxy_shared_on_release(struct arq_proxy_shared *shared, void (*release)(void *user),
				 void *user);

/* Any thread. */
struct arq_proxy_shared *arq_proxy_shared_get(struct arq_proxy_shared *shared);
void arq_proxy_shared_put(struct arq_proxy_shared *shared); /* NULL is allowed */

/*
 * What the daemon knows of the targets of pool `i` of its configuration. Lives until the next
 * arq_proxy_shared_refresh; the same thread.
 */
struct arq_members *arq_proxy_shared_members(const struct arq_proxy_shared *shared, uint32_t i);

struct arq_proxy_options {
	struct arq_proxy_shared *shared; /* the proxy takes references of its own */
	struct arq_quic_endpoint *endpoint; /* borrowed */
	struct arq_io *upstream_v4; /* where connections to upstreams go out; borrowed */
	struct arq_io *upstream_v6; /* NULL of a family that no target has */
	struct arq_record_sink sink; /* takes what is logged of requests; all zeroes: nobody */
	bool checks; /* this proxy checks the pools' targets, for all; one of the daemon's does */
};

/* Connections to upstreams that it may have now, those that end after a reload included. */
uint32_t arq_proxy_upstream_connections(const struct arq_proxy *proxy);

/*
 * Another generation takes the place of the one in force, in two steps, so that all workers do it
 * or none. arq_proxy_prepare makes ready whatever can fail, and changes nothing: returns 0 and
 * *view, or -ENOMEM. Then either the switch, for every request that begins from now on, or the
 * view is discarded (NULL is allowed).
 */
int arq_proxy_prepare(struct arq_proxy *proxy, struct arq_proxy_shared *shared,
		      struct arq_view **view);
void arq_proxy_switch(struct arq_proxy *proxy, struct arq_view *view);
void arq_proxy_discard(struct arq_view *view);

/*
 * Takes over what arq_proxy_shared_refresh changed in the generation in force: requests that begin
 * from now on, and those that wait, go to the targets that there are now; what is under way on one
 * that left is finished. Not from a callback. Returns 0; or -ENOMEM: some pools may still have the
 * targets of before, and get the others the next time.
 */
int arq_proxy_refresh(struct arq_proxy *proxy);

/* Returns 0 and *proxy, or -ENOMEM. */
int arq_proxy_create(const struct arq_proxy_options *options, struct arq_proxy **proxy);

/*
 * After the endpoint: its connections call back into the proxy until they are gone. NULL is
 * allowed.
 */
void arq_proxy_destroy(struct arq_proxy *proxy);

/*
 * What a listener of the endpoint, number `index` in the configuration, offers, so that its
 * connections' requests come here, and the transport parameters that go with it. Sets
 * `applications`, `application_count` and `transport`, which live as long as the proxy.
 */
void arq_proxy_listener(struct arq_proxy *proxy, uint32_t index,
			struct arq_quic_listener_options *options);

/* Notes the time and does what is due, such as giving up requests that waited too long. */
void arq_proxy_run(struct arq_proxy *proxy, uint64_t now);

/* When arq_proxy_run has something to do, UINT64_MAX for never. */
uint64_t arq_proxy_expiry(const struct arq_proxy *proxy);

/*
 * Begins the orderly end: clients are told to open no more requests (GOAWAY, RFC 9114 section
 * 5.2), those in progress are finished, upstream connections close when they have none. The
 * endpoint has no connections left when all is done.
 */
void arq_proxy_drain(struct arq_proxy *proxy);

/*
 * Ends what is left: all connections of both sides are closed, open streams with them. Always
 * before the endpoint is destroyed, so that nothing begins anew while it goes.
 */
void arq_proxy_close(struct arq_proxy *proxy);

/* Names are stable: they appear in logs and metrics.
 *	field, what it counts
 */
#define ARQ_PROXY_COUNTERS(X)                                                    \
	X(sessions, "HTTP/3 connections of clients")                             \
	X(requests, "requests of clients")                                       \
	X(direct, "requests answered by the proxy itself: respond, 404, errors") \
	X(upstream_connects, "connections to upstreams begun")                   \
	X(upstream_failed, "of these, those that never became usable")           \
	X(upstream_requests, "requests sent to upstreams")                       \
	X(retries, "requests sent to an upstream a second time")                 \
	X(client_resets, "requests that the client abandoned")                   \
	X(upstream_resets, "requests that failed at the upstream")               \
	X(timeouts, "requests that waited too long for an upstream")             \
	X(raw_connections, "connections of clients with raw streams")            \
	X(raw_streams, "raw streams of both sides that were to be carried on")   \
	X(raw_broken, "of these, those that found no target or lost it")

struct arq_proxy_counters {
#define ARQ_PROXY_COUNTER_FIELD(name, meaning) uint64_t name;
	ARQ_PROXY_COUNTERS(ARQ_PROXY_COUNTER_FIELD)
#undef ARQ_PROXY_COUNTER_FIELD
	uint64_t exchanges; /* gauge: requests in progress */
};

void arq_proxy_counters_read(const struct arq_proxy *proxy, struct arq_proxy_counters *counters);

/* Adds up what its requests and targets came to, and what targets have now. */
void arq_proxy_tally_read(const struct arq_proxy *proxy, struct arq_tally *sum);

/* Of its HTTP/3, both sides together. */
void arq_proxy_h3_counters_read(const struct arq_proxy *proxy, struct arq_h3_counters *counters);

#endif
