// SPDX-License-Identifier: BSD-2-Clause
#include "userspace/proxy/pool.h"

#include "userspace/common/log.h"
#include "userspace/proxy/proxy.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A connection to a target. */
struct upstream {
	TAILQ_ENTRY(upstream) entry;
	struct arq_pool_target *target;
	struct arq_h3_session *session;
	bool ready; /* the handshake was completed */
	bool leaving; /* gets nothing new: GOAWAY, shutdown, or it refused a request */
};

struct arq_pool_target {
	struct arq_pool *pool;
	const struct arq_config_target *config;
	TAILQ_HEAD(, upstream) upstreams;
	uint32_t upstream_count;
	uint32_t connecting; /* of these, not ready yet */
	struct arq_pool_queue queue;
	uint32_t waiting; /* in the queue */
	uint32_t requests; /* tickets out: waiting and started */
	uint64_t pass_over_until;
	/* What certificate and SNI are checked against; the address when the config names none. */
	char server_name_text[INET6_ADDRSTRLEN];
	const char *server_name;
};

struct arq_pool {
	struct arq_pool_context *context;
	struct arq_quic_client_tls *tls;
	enum arq_config_policy policy;
	uint32_t turn;
	bool down; /* shut down: opens nothing any more */
	struct arq_pool_load *loads; /* of each target, filled for a choice */
	uint32_t target_count;
	struct arq_pool_target targets[];
};

static void pump(struct arq_pool_target *target);

/* --- the choice ------------------------------------------------------------------------------- */

static bool better(enum arq_config_policy policy, const struct arq_pool_load *a,
		   const struct arq_pool_load *b)
{
	if (a->pass_over != b->pass_over)
		return b->pass_over;
	return policy == ARQ_CONFIG_LEAST_REQUESTS && a->requests < b->requests;
}

int arq_pool_choose(enum arq_config_policy policy, const struct arq_pool_load *loads, size_t count,
		    int except, uint32_t *turn)
{
	int best = -1;
	for (size_t i = 0; i < count; i++) {
		int candidate = (int)((*turn + i) % count);
		if (candidate == except)
			continue;
		if (best < 0 || better(policy, &loads[candidate], &loads[best]))
			best = candidate;
	}
	if (best >= 0)
		*turn = (uint32_t)best + 1;
	return best;
}

static struct arq_pool_target *choose(struct arq_pool *pool, const struct arq_pool_target *except)
{
	for (uint32_t i = 0; i < pool->target_count; i++)
		pool->loads[i] = (struct arq_pool_load){
			.requests = pool->targets[i].requests,
			.pass_over = pool->targets[i].pass_over_until > pool->context->now,
		};
	int index = arq_pool_choose(pool->policy, pool->loads, pool->target_count,
				    except ? (int)(except - pool->targets) : -1, &pool->turn);
	return index < 0 ? NULL : &pool->targets[index];
}

/* --- tickets ---------------------------------------------------------------------------------- */

static void ticket_enqueue(struct arq_pool_target *target, struct arq_pool_ticket *ticket)
{
	ticket->target = target;
	ticket->attempts++;
	ticket->waiting = true;
	target->requests++;
	target->waiting++;
	TAILQ_INSERT_TAIL(&target->queue, ticket, queue_entry);
}

/* Takes it out of the target's queue; it stays among the deadlines. */
static void ticket_dequeue(struct arq_pool_ticket *ticket)
{
	struct arq_pool_target *target = ticket->target;
	TAILQ_REMOVE(&target->queue, ticket, queue_entry);
	target->waiting--;
	ticket->waiting = false;
}

static void deadline_set(struct arq_pool_context *context, struct arq_pool_ticket *ticket)
{
	/* All wait equally long, so the end of the list is the place. */
	ticket->deadline = context->now + ARQ_POOL_WAIT_TIMEOUT;
	TAILQ_INSERT_TAIL(&context->deadlines, ticket, deadline_entry);
}

void arq_pool_give_back(struct arq_pool_ticket *ticket)
{
	struct arq_pool_target *target = ticket->target;
	if (!target)
		return;
	if (ticket->waiting) {
		ticket_dequeue(ticket);
		TAILQ_REMOVE(&target->pool->context->deadlines, ticket, deadline_entry);
	}
	target->requests--;
	ticket->target = NULL;
}

static void ticket_fail(struct arq_pool_ticket *ticket, unsigned int status)
{
	arq_pool_give_back(ticket);
	ticket->fail(ticket, status);
}

void arq_pool_take(struct arq_pool *pool, struct arq_pool_ticket *ticket)
{
	struct arq_pool_target *target = choose(pool, NULL);
	if (pool->down || target->waiting >= ARQ_POOL_WAITING) {
		ticket->fail(ticket, 503);
		return;
	}
	ticket_enqueue(target, ticket);
	deadline_set(pool->context, ticket);
	pump(target);
}

void arq_pool_expire(struct arq_pool_context *context)
{
	struct arq_pool_ticket *ticket;
	while ((ticket = TAILQ_FIRST(&context->deadlines)) && ticket->deadline <= context->now) {
		context->counters->timeouts++;
		ticket_fail(ticket, 504);
	}
}

/*
 * Gives the first in the queue to the connection. Returns false when the connection did not take
 * it.
 */
static bool serve_one(struct upstream *upstream)
{
	struct arq_pool_target *target = upstream->target;
	struct arq_pool_context *context = target->pool->context;
	struct arq_pool_ticket *ticket = TAILQ_FIRST(&target->queue);

	ticket_dequeue(ticket);
	TAILQ_REMOVE(&context->deadlines, ticket, deadline_entry);
	int code = ticket->start(ticket, upstream->session);
	if (code != -EAGAIN && code != -ESHUTDOWN)
		return true;

	/* It was the oldest one: back to the front it goes, deadline unchanged. */
	ticket->waiting = true;
	target->waiting++;
	TAILQ_INSERT_HEAD(&target->queue, ticket, queue_entry);
	struct arq_pool_ticket *later = TAILQ_FIRST(&context->deadlines);
	while (later && later->deadline < ticket->deadline)
		later = TAILQ_NEXT(later, deadline_entry);
	if (later)
		TAILQ_INSERT_BEFORE(later, ticket, deadline_entry);
	else
		TAILQ_INSERT_TAIL(&context->deadlines, ticket, deadline_entry);
	if (code == -ESHUTDOWN)
		upstream->leaving = true;
	return false;
}

/* --- connections ------------------------------------------------------------------------------ */

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

static void pass_over(struct arq_pool_target *target)
{
	target->pass_over_until = target->pool->context->now + ARQ_POOL_PASS_OVER;
	target->pool->context->counters->upstream_failed++;
}

/* A connection is there that will have room again. */
static bool in_service(const struct arq_pool_target *target)
{
	const struct upstream *upstream;
	TAILQ_FOREACH (upstream, &target->upstreams, entry) {
		if (upstream->ready && !upstream->leaving)
			return true;
	}
	return false;
}

/* Nobody will serve this queue soon: who has not tried another target does so, the others fail. */
static void move_queue(struct arq_pool_target *target, unsigned int status)
{
	/* Tickets may come back to this queue while we go through it; look at each once. */
	for (uint32_t left = target->waiting; left > 0 && !TAILQ_EMPTY(&target->queue); left--) {
		struct arq_pool_ticket *ticket = TAILQ_FIRST(&target->queue);
		struct arq_pool_target *other = NULL;
		if (ticket->attempts < 2 && !target->pool->down)
			other = choose(target->pool, target);
		if (!other || other->waiting >= ARQ_POOL_WAITING) {
			ticket_fail(ticket, status);
			continue;
		}
		ticket_dequeue(ticket);
		target->requests--;
		ticket_enqueue(other, ticket);
		pump(other);
	}
}

static void on_ready(struct arq_h3_session *session, void *user)
{
	struct upstream *upstream = user;
	(void)session;
	upstream->ready = true;
	upstream->target->connecting--;
	upstream->target->pass_over_until = 0;
	pump(upstream->target);
}

static void on_streams(struct arq_h3_session *session, void *user)
{
	struct upstream *upstream = user;
	(void)session;
	pump(upstream->target);
}

static void on_goaway(struct arq_h3_session *session, void *user, int64_t id)
{
	struct upstream *upstream = user;
	(void)session;
	(void)id;
	upstream->leaving = true;
	pump(upstream->target);
}

static void report_failure(const struct arq_pool_target *target, const struct arq_quic_close *close)
{
	arq_log(ARQ_LOG_WARNING, "target %s: no connection: %s%s%s (code %#llx)",
		target->config->address_text, arq_quic_close_kind_name(close->kind),
		close->reason && close->reason[0] ? ", " : "", close->reason ? close->reason : "",
		(unsigned long long)close->code);
}

static void on_closed(struct arq_h3_session *session, void *user,
		      const struct arq_quic_close *close)
{
	struct upstream *upstream = user;
	struct arq_pool_target *target = upstream->target;
	bool was_ready = upstream->ready;
	(void)session;

	TAILQ_REMOVE(&target->upstreams, upstream, entry);
	target->upstream_count--;
	free(upstream);
	if (was_ready) {
		pump(target);
		return;
	}
	target->connecting--;
	if (!target->pool->down) {
		pass_over(target);
		report_failure(target, close);
	}
	if (!in_service(target))
		move_queue(target, close->kind == ARQ_QUIC_CLOSE_HANDSHAKE_TIMEOUT ? 504 : 502);
}

static const struct arq_h3_session_ops upstream_ops = {
	.on_ready = on_ready,
	.on_streams = on_streams,
	.on_goaway = on_goaway,
	.on_closed = on_closed,
};

static int connect_session(struct upstream *upstream, struct arq_error *error)
{
	struct arq_pool_target *target = upstream->target;
	struct arq_pool_context *context = target->pool->context;
	const union arq_address *remote = &target->config->address;
	struct arq_h3_connect_options options = {
		.io = remote->sa.sa_family == AF_INET ? context->upstream_v4 : context->upstream_v6,
		.path.remote = *remote,
		.tls = target->pool->tls,
		.server_name = target->server_name,
		.ops = &upstream_ops,
		.user = upstream,
	};
	int code = source_address(remote, options.io, &options.path.local);
	if (code != 0)
		return arq_error_set(error, code, "no route: %s", strerror(-code));
	arq_h3_transport(context->h3, false, &options.transport);
	options.transport.idle_timeout = context->idle_timeout;
	options.transport.handshake_timeout = ARQ_POOL_CONNECT_TIMEOUT;
	return arq_h3_connect(context->h3, context->endpoint, &options, context->now,
			      &upstream->session, error);
}

/* Returns false when no connection could even be begun. */
static bool open_upstream(struct arq_pool_target *target)
{
	struct arq_error error = {0};
	struct upstream *upstream = calloc(1, sizeof(*upstream));
	if (!upstream)
		return false;
	upstream->target = target;
	target->pool->context->counters->upstream_connects++;
	if (connect_session(upstream, &error) != 0) {
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

static struct upstream *with_room(struct arq_pool_target *target)
{
	struct upstream *upstream;
	TAILQ_FOREACH (upstream, &target->upstreams, entry) {
		if (upstream->ready && !upstream->leaving &&
		    arq_h3_session_streams_left(upstream->session) > 0)
			return upstream;
	}
	return NULL;
}

/* Serves the queue as far as connections have room, and opens one when they have not. */
static void pump(struct arq_pool_target *target)
{
	struct upstream *upstream;
	while (target->waiting > 0 && (upstream = with_room(target))) {
		if (!serve_one(upstream) && !upstream->leaving)
			break; /* it comes back by on_streams */
	}
	if (target->waiting == 0 || target->connecting > 0 || target->pool->down ||
	    target->upstream_count >= ARQ_POOL_CONNECTIONS)
		return;
	if (!open_upstream(target)) {
		pass_over(target);
		if (!in_service(target))
			move_queue(target, 503);
	}
}

/* --- life ------------------------------------------------------------------------------------- */

static void target_init(struct arq_pool_target *target, struct arq_pool *pool,
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

int arq_pool_create(const struct arq_config_pool *config, struct arq_quic_client_tls *tls,
		    struct arq_pool_context *context, struct arq_pool **pool)
{
	uint32_t count = config->targets_count;
	struct arq_pool *made = calloc(1, sizeof(*made) + count * sizeof(made->targets[0]));
	if (!made)
		return -ENOMEM;
	made->loads = calloc(count, sizeof(*made->loads));
	if (!made->loads) {
		free(made);
		return -ENOMEM;
	}
	made->context = context;
	made->tls = tls;
	made->policy = config->policy;
	made->target_count = count;
	for (uint32_t i = 0; i < count; i++)
		target_init(&made->targets[i], made, &config->targets[i]);
	*pool = made;
	return 0;
}

uint32_t arq_pool_connections(const struct arq_pool *pool)
{
	uint32_t count = 0;
	for (uint32_t i = 0; i < pool->target_count; i++)
		count += pool->targets[i].upstream_count;
	return count;
}

uint32_t arq_pool_connections_max(const struct arq_pool *pool)
{
	return pool->target_count * ARQ_POOL_CONNECTIONS;
}

void arq_pool_destroy(struct arq_pool *pool)
{
	if (!pool)
		return;
	free(pool->loads);
	free(pool);
}

void arq_pool_shutdown(struct arq_pool *pool)
{
	pool->down = true;
	for (uint32_t i = 0; i < pool->target_count; i++) {
		struct upstream *upstream;
		TAILQ_FOREACH (upstream, &pool->targets[i].upstreams, entry) {
			upstream->leaving = true;
			if (upstream->ready)
				arq_h3_session_shutdown(upstream->session);
			else
				arq_h3_session_close(upstream->session, ARQ_H3_NO_ERROR);
		}
	}
}

void arq_pool_close(struct arq_pool *pool)
{
	pool->down = true;
	for (uint32_t i = 0; i < pool->target_count; i++) {
		struct upstream *upstream;
		TAILQ_FOREACH (upstream, &pool->targets[i].upstreams, entry) {
			upstream->leaving = true;
			arq_h3_session_close(upstream->session, ARQ_H3_NO_ERROR);
		}
	}
}
