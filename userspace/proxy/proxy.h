/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The proxy: requests of HTTP/3 clients, answered by HTTP/3 upstreams or directly.
 *
 * `struct arq_proxy_shared` is what all workers read and nobody changes: compiled routes, pools and
 * their TLS credentials. `struct arq_proxy` is one worker's: the requests in progress and the
 * connections to upstreams. It lives on the worker's endpoint and belongs to its thread.
 *
 * How the pieces fit:
 *
 *	route.h     host and path of a request name a route
 *	fields.h    which fields are forwarded, and which are added
 *	pool.h      a target and a connection to it, per worker, reused by many requests
 *	exchange.h  one request coupled with its upstream request, both ways, with back-pressure
 *
 * The worker tells the time once a round (arq_proxy_run), before it gives packets to the endpoint,
 * and comes back at arq_proxy_expiry() at the latest.
 */
#ifndef ARQUANT_PROXY_PROXY_H
#define ARQUANT_PROXY_PROXY_H

#include "userspace/common/config.h"
#include "userspace/common/error.h"
#include "userspace/io/io.h"
#include "userspace/quic/quic.h"

#include <stddef.h>
#include <stdint.h>

struct arq_proxy_shared;
struct arq_proxy;

/*
 * Compiles what the configuration says; it is borrowed and must outlive the result. Returns 0 and
 * *shared, or a negative errno with the reason in `error`.
 */
int arq_proxy_shared_create(const struct arq_config_gateway *gateway,
			    struct arq_proxy_shared **shared, struct arq_error *error);

/* No proxy may use it any more. NULL is allowed. */
void arq_proxy_shared_destroy(struct arq_proxy_shared *shared);

/* Connections to upstreams that one proxy has at most. */
uint32_t arq_proxy_upstream_connections(const struct arq_proxy_shared *shared);

struct arq_proxy_options {
	const struct arq_proxy_shared *shared; /* borrowed */
	struct arq_quic_endpoint *endpoint; /* borrowed */
	struct arq_io *upstream_v4; /* where connections to upstreams go out; borrowed */
	struct arq_io *upstream_v6; /* NULL of a family that no target has */
};

/* Returns 0 and *proxy, or -ENOMEM. */
int arq_proxy_create(const struct arq_proxy_options *options, struct arq_proxy **proxy);

/*
 * After the endpoint: its connections call back into the proxy until they are gone. NULL is
 * allowed.
 */
void arq_proxy_destroy(struct arq_proxy *proxy);

/*
 * What a listener of the endpoint offers, so that its connections' requests come here, and the
 * transport parameters that go with it.
 */
void arq_proxy_listener(struct arq_proxy *proxy, struct arq_quic_application *application,
			struct arq_quic_transport *transport);

/* Notes the time and does what is due: requests that waited too long for an upstream. */
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
	X(timeouts, "requests that waited too long for an upstream")

struct arq_proxy_counters {
#define ARQ_PROXY_COUNTER_FIELD(name, meaning) uint64_t name;
	ARQ_PROXY_COUNTERS(ARQ_PROXY_COUNTER_FIELD)
#undef ARQ_PROXY_COUNTER_FIELD
	uint64_t exchanges; /* gauge: requests in progress */
};

void arq_proxy_counters_read(const struct arq_proxy *proxy, struct arq_proxy_counters *counters);

#endif
