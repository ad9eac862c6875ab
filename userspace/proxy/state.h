/* SPDX-License-Identifier: BSD-2-Clause */
/* The insides of the proxy that its own files share. */
#ifndef ARQUANT_PROXY_STATE_H
#define ARQUANT_PROXY_STATE_H

#include "userspace/proxy/fields.h"
#include "userspace/proxy/pool.h"
#include "userspace/proxy/proxy.h"
#include "userspace/proxy/raw.h"
#include "userspace/proxy/record.h"
#include "userspace/proxy/route.h"
#include "userspace/proxy/tally.h"
#include "userspace/proxy/throttle.h"
#include "userspace/proxy/view.h"

#include <stdatomic.h>
#include <sys/queue.h>

/* What is compiled of a pool. */
struct arq_proxy_shared_pool {
	struct arq_quic_client_tls *tls; /* a reference */
	struct arq_roster *roster; /* a reference; another when the addresses of a name change */
	uint64_t identity; /* the same in two configurations: nothing of the pool differs */
};

struct arq_proxy_shared {
	atomic_size_t references;
	const struct arq_config_gateway *gateway;
	struct arq_route_table *routes;
	struct arq_proxy_shared_pool *pools; /* of each pool */
	struct arq_throttle *throttle; /* a reference; the same in all generations */
	uint64_t next_identity;
	void (*release)(void *user); /* NULL: nobody waits for the end */
	void *user;
};

/* A listener of the configuration, as the worker's connections know it. */
struct arq_proxy_listener {
	struct arq_proxy *proxy;
	uint32_t index;
	struct arq_h3_server server;
	struct raw_listener raw;
	struct arq_quic_application *applications; /* of each ALPN name */
};

/* A client's connection. */
struct arq_proxy_client {
	TAILQ_ENTRY(arq_proxy_client) entry;
	struct arq_proxy *proxy;
	struct arq_h3_session *session;
	uint32_t listener;
};

struct arq_proxy {
	struct arq_view *view; /* in force; a reference */
	struct arq_h3 *h3;
	struct arq_proxy_listener *listeners; /* of each listener of the configuration */
	uint32_t listener_count;
	struct arq_regex_scratch *scratch;
	uint32_t draw; /* for routes that split */
	struct arq_fields_random random;
	struct arq_pool_context context;
	LIST_HEAD(, arq_held_pool) pools; /* of all views */
	TAILQ_HEAD(, arq_proxy_client) clients;
	TAILQ_HEAD(, raw_client) raw_clients;
	struct arq_send_pool slabs; /* of raw streams */
	bool checks; /* this worker checks the pools' targets */
	bool draining;
	struct arq_proxy_counters counters;
	struct arq_tally *tally;
	struct arq_record_sink sink; /* of what is logged; `take` is NULL without a log */
};

/* A client's connection is gone; the last one ends the drain. */
void arq_proxy_client_gone(struct arq_proxy *proxy);

#endif
