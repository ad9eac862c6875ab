/* SPDX-License-Identifier: BSD-2-Clause */
/* The insides of the proxy that its own files share. */
#ifndef ARQUANT_PROXY_STATE_H
#define ARQUANT_PROXY_STATE_H

#include "userspace/proxy/pool.h"
#include "userspace/proxy/proxy.h"
#include "userspace/proxy/route.h"

#include <sys/queue.h>

struct arq_proxy_shared {
	const struct arq_config_gateway *gateway;
	struct arq_route_table *routes;
	struct arq_quic_client_tls **tls; /* of each pool */
};

/* A client's connection. */
struct arq_proxy_client {
	TAILQ_ENTRY(arq_proxy_client) entry;
	struct arq_proxy *proxy;
	struct arq_h3_session *session;
};

struct arq_proxy {
	const struct arq_proxy_shared *shared;
	struct arq_h3 *h3;
	struct arq_h3_server server;
	struct arq_pool_context context;
	struct arq_pool **pools; /* of each pool of the configuration */
	TAILQ_HEAD(, arq_proxy_client) clients;
	bool draining;
	struct arq_proxy_counters counters;
};

/* The worker's part of a pool of the configuration. */
struct arq_pool *arq_proxy_pool(const struct arq_proxy *proxy, const struct arq_config_pool *pool);

#endif
