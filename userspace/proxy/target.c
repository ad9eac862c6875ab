// SPDX-License-Identifier: BSD-2-Clause
#include "userspace/proxy/target.h"

#include "userspace/common/log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void target_init(struct arq_pool_target *target, struct arq_pool *pool,
		 const struct arq_config_target *config)
{
	target->pool = pool;
	target->config = config;
	TAILQ_INIT(&target->upstreams);
	TAILQ_INIT(&target->queue);
	target->server_name = config->server_name;
	if (target->server_name)
		return;
	const void *address = config->address.sa.sa_family == AF_INET
				      ? (const void *)&config->address.in.sin_addr
				      : (const void *)&config->address.in6.sin6_addr;
	target->server_name = inet_ntop(config->address.sa.sa_family, address,
					target->server_name_text, sizeof(target->server_name_text));
}

/* --- opening ---------------------------------------------------------------------------------- */

/*
 * The address that the kernel would send from: QUIC tells paths apart by both ends, and the socket
 * is bound to any address. Connecting a datagram socket sends nothing.
 */
static int source_address(const union arq_address *remote, struct arq_io *io,
			  union arq_address *local)
{
	union arq_address bound;
	arq_io_udp_local(io, &bound);

	int fd = socket(remote->sa.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	socklen_t length = sizeof(*local);
	int code = 0;
	memset(local, 0, sizeof(*local));
	if (connect(fd, &remote->sa, arq_address_length(remote)) < 0 ||
	    getsockname(fd, &local->sa, &length) < 0)
		code = -errno;
	close(fd);

	if (local->sa.sa_family == AF_INET)
		local->in.sin_port = bound.in.sin_port;
	else
		local->in6.sin6_port = bound.in6.sin6_port;
	return code;
}

static int connect_upstream(struct arq_upstream *upstream, struct arq_error *error)
{
	struct arq_pool_target *target = upstream->target;
	struct arq_pool *pool = target->pool;
	struct arq_pool_context *context = pool->context;
	const union arq_address *remote = &target->config->address;
	struct arq_quic_connect_options options = {
		.io = remote->sa.sa_family == AF_INET ? context->upstream_v4 : context->upstream_v6,
		.path.remote = *remote,
		.tls = pool->tls,
		.server_name = target->server_name,
	};
	int code = source_address(remote, options.io, &options.path.local);
	if (code != 0)
		return arq_error_set(error, code, "no route: %s", strerror(-code));
	arq_quic_transport_default(&options.transport);
	options.transport.idle_timeout = context->idle_timeout;
	options.transport.handshake_timeout = ARQ_POOL_CONNECT_TIMEOUT;
	return pool->application->connect(context, upstream, &options, &upstream->session, error);
}

/* Returns false when no connection could even be begun. */
static bool open_upstream(struct arq_pool_target *target)
{
	struct arq_error error = {0};
	struct arq_upstream *upstream = calloc(1, sizeof(*upstream));
	if (!upstream)
		return false;
	upstream->target = target;
	target->pool->context->counters->upstream_connects++;
	if (connect_upstream(upstream, &error) != 0) {
		arq_log(ARQ_LOG_WARNING, "target %s: no connection: %s",
			target->config->address_text, error.text);
		free(upstream);
		return false;
	}
	TAILQ_INSERT_TAIL(&target->upstreams, upstream, entry);
	target->upstream_count++;
	target->connecting++;
	return true;
}

/* --- serving the queue ------------------------------------------------------------------------ */

static struct arq_upstream *with_room(struct arq_pool_target *target)
{
	struct arq_upstream *upstream;
	TAILQ_FOREACH (upstream, &target->upstreams, entry) {
		if (upstream->ready && !upstream->leaving &&
		    target->pool->application->streams_left(upstream->session) > 0)
			return upstream;
	}
	return NULL;
}

/* A connection is there that will have room again. */
static bool in_service(const struct arq_pool_target *target)
{
	const struct arq_upstream *upstream;
	TAILQ_FOREACH (upstream, &target->upstreams, entry) {
		if (upstream->ready && !upstream->leaving)
			return true;
	}
	return false;
}

/* Gives the first in the queue to the connection. Returns false when it was not taken. */
static bool serve_one(struct arq_upstream *upstream)
{
	struct arq_pool_ticket *ticket = TAILQ_FIRST(&upstream->target->queue);

	ticket_dequeue(ticket);
	int code = ticket->start(ticket, upstream);
	if (code != -EAGAIN && code != -ESHUTDOWN)
		return true;
	ticket_requeue(ticket);
	if (code == -ESHUTDOWN)
		upstream->leaving = true;
	return false;
}

static void pass_over(struct arq_pool_target *target)
{
	target->pass_over_until = target->pool->context->now + ARQ_POOL_PASS_OVER;
	target->pool->context->counters->upstream_failed++;
}

void target_pump(struct arq_pool_target *target)
{
	struct arq_upstream *upstream;
	while (target->waiting > 0 && (upstream = with_room(target))) {
		if (!serve_one(upstream) && !upstream->leaving)
			break; /* it comes back by arq_upstream_streams */
	}
	if (target->waiting == 0 || target->connecting > 0 || target->pool->down ||
	    target->upstream_count >= ARQ_POOL_CONNECTIONS)
		return;
	if (!open_upstream(target)) {
		pass_over(target);
		if (!in_service(target))
			pool_move_queue(target, 503);
	}
}

/* --- from the application --------------------------------------------------------------------- */

void *arq_upstream_session(const struct arq_upstream *upstream)
{
	return upstream->session;
}

void arq_upstream_ready(struct arq_upstream *upstream)
{
	upstream->ready = true;
	upstream->target->connecting--;
	upstream->target->pass_over_until = 0;
	target_pump(upstream->target);
}

void arq_upstream_streams(struct arq_upstream *upstream)
{
	target_pump(upstream->target);
}

void arq_upstream_leaving(struct arq_upstream *upstream)
{
	upstream->leaving = true;
	target_pump(upstream->target);
}

static void report_failure(const struct arq_pool_target *target, const struct arq_quic_close *close)
{
	arq_log(ARQ_LOG_WARNING, "target %s: no connection: %s%s%s (code %#llx)",
		target->config->address_text, arq_quic_close_kind_name(close->kind),
		close->reason && close->reason[0] ? ", " : "", close->reason ? close->reason : "",
		(unsigned long long)close->code);
}

void arq_upstream_closed(struct arq_upstream *upstream, const struct arq_quic_close *close)
{
	struct arq_pool_target *target = upstream->target;
	bool was_ready = upstream->ready;

	TAILQ_REMOVE(&target->upstreams, upstream, entry);
	target->upstream_count--;
	free(upstream);
	if (was_ready) {
		target_pump(target);
		return;
	}
	target->connecting--;
	if (!target->pool->down) {
		pass_over(target);
		report_failure(target, close);
	}
	if (!in_service(target))
		pool_move_queue(target,
				close->kind == ARQ_QUIC_CLOSE_HANDSHAKE_TIMEOUT ? 504 : 502);
}

void target_end(struct arq_pool_target *target, bool at_once)
{
	const struct arq_upstream_application *application = target->pool->application;
	struct arq_upstream *upstream;
	TAILQ_FOREACH (upstream, &target->upstreams, entry) {
		upstream->leaving = true;
		if (upstream->ready && !at_once)
			application->shutdown(upstream->session);
		else
			application->close(upstream->session);
	}
}
