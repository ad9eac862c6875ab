// SPDX-License-Identifier: BSD-2-Clause
#include "userspace/proxy/target.h"

#include "userspace/common/log.h"
#include "userspace/proxy/hash.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* How long until an unreachable target is tried again, doubling with each failure: short, since a
 * restart takes no longer; bounded, so that one that was down for an hour is found in seconds. */
#define RECONNECT_MIN UINT64_C(500000000)
#define RECONNECT_MAX UINT64_C(10000000000)

static void reconnect(struct arq_alarm *alarm);
static void grow_old(struct arq_alarm *alarm);
static void replace(struct arq_pool_target *target);

/* --- life ------------------------------------------------------------------------------------- */

/* It opens no more connections. */
static bool is_ended(const struct arq_pool_target *target)
{
	return target->pool->down || target->leaving;
}

int target_create(struct arq_pool *pool, struct arq_roster *roster, size_t i,
		  struct arq_pool_target **target)
{
	struct arq_pool_target *made = calloc(1, sizeof(*made));
	if (!made)
		return -ENOMEM;
	made->pool = pool;
	made->id = ++pool->next_id;
	target_move(made, roster, i);
	made->tally = arq_tally_target(pool->context->tally, pool->config->name,
				       made->config->configured);
	made->reconnect.ring = reconnect;
	TAILQ_INIT(&made->upstreams);
	for (int kind = 0; kind < ARQ_POOL_KINDS; kind++)
		TAILQ_INIT(&made->queues[kind]);
	if (pool->checks && arq_check_create(made, &made->check) != 0) {
		target_destroy(made);
		return -ENOMEM;
	}
	replace(made);
	*target = made;
	return 0;
}

void target_move(struct arq_pool_target *target, struct arq_roster *roster, size_t i)
{
	struct arq_roster *before = target->roster;
	target->roster = arq_roster_get(roster);
	target->config = &roster->targets[i];
	target->index = i;
	arq_roster_put(before);
}

void target_leave(struct arq_pool_target *target)
{
	target->leaving = true;
	LIST_INSERT_HEAD(&target->pool->leaving, target, entry);
	pool_move_queue(target, 503);
	target_end(target, false);
}

bool target_is_over(const struct arq_pool_target *target)
{
	return target->upstream_count == 0 && target->requests == 0 &&
	       (!target->check || !arq_check_connected(target->check));
}

void target_destroy(struct arq_pool_target *target)
{
	if (!target)
		return;
	arq_alarm_clear(&target->pool->context->alarms, &target->reconnect);
	arq_check_destroy(target->check);
	arq_roster_put(target->roster);
	free(target);
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

static uint64_t idle_timeout(const struct arq_pool_target *target)
{
	uint64_t own = target->pool->config->connections.idle_timeout_ns;
	return own ? own : target->pool->context->idle_timeout;
}

int target_connect_options(const struct arq_pool_target *target,
			   struct arq_quic_connect_options *options, struct arq_error *error)
{
	const struct arq_pool_context *context = target->pool->context;
	const struct arq_config_connections *connections = &target->pool->config->connections;
	const union arq_address *remote = &target->config->address;

	*options = (struct arq_quic_connect_options){
		.io = remote->sa.sa_family == AF_INET ? context->upstream_v4 : context->upstream_v6,
		.path.remote = *remote,
		.tls = target->pool->tls,
		.server_name = target->config->server_name,
		.alpn = target->pool->config->alpn,
	};
	if (!options->io)
		return arq_error_set(error, -EAFNOSUPPORT,
				     "this host had no such addresses when arquantd started");
	arq_quic_transport_default(&options->transport);
	options->transport.idle_timeout = idle_timeout(target);
	options->transport.handshake_timeout = connections->connect_timeout_ns;
	options->transport.keep_alive = connections->keep_alive_ns;
	options->transport.silence = connections->silence_ns;
	int code = source_address(remote, options->io, &options->path.local);
	return code ? arq_error_set(error, code, "no route: %s", strerror(-code)) : 0;
}

static int connect_upstream(struct arq_upstream *upstream, struct arq_error *error)
{
	struct arq_pool *pool = upstream->target->pool;
	struct arq_quic_connect_options options;
	int code = target_connect_options(upstream->target, &options, error);
	return code ? code
		    : pool->application->connect(pool->context, upstream, &options,
						 &upstream->session, error);
}

/* Returns false when no connection could even be begun. */
static bool open_upstream(struct arq_pool_target *target)
{
	struct arq_error error = {0};
	struct arq_upstream *upstream = calloc(1, sizeof(*upstream));
	if (!upstream)
		return false;
	upstream->target = target;
	upstream->age.ring = grow_old;
	upstream->opened = target->pool->context->now;
	target->pool->context->counters->upstream_connects++;
	target->tally->connects++;
	if (connect_upstream(upstream, &error) != 0) {
		arq_log(ARQ_LOG_WARNING, "target %s: no connection: %s", target->config->text,
			error.text);
		free(upstream);
		return false;
	}
	TAILQ_INSERT_TAIL(&target->upstreams, upstream, entry);
	target->upstream_count++;
	target->connecting++;
	return true;
}

/* --- serving the queue ------------------------------------------------------------------------ */

/*
 * The other end may have closed it by its idle timeout, without a word (RFC 9000, section 10.1),
 * while ours still runs: what is nearly as old gets nothing new.
 */
static bool is_stale(const struct arq_upstream *upstream)
{
	const struct arq_pool *pool = upstream->target->pool;
	uint64_t timeout = idle_timeout(upstream->target);
	return upstream->streams == 0 && pool->config->connections.keep_alive_ns == 0 &&
	       pool->context->now - upstream->idle_since > timeout - timeout / 10;
}

static struct arq_upstream *with_room(struct arq_pool_target *target, enum arq_pool_kind kind)
{
	uint32_t streams = target->pool->config->connections.streams;
	struct arq_upstream *upstream;
	TAILQ_FOREACH (upstream, &target->upstreams, entry) {
		if (upstream->ready && !upstream->leaving && !is_stale(upstream) &&
		    (streams == 0 || upstream->streams < streams) &&
		    target->pool->application->streams_left(upstream->session, kind) > 0)
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

/* How much of its wait, until now, was for the handshake of the connection that it gets. */
static uint64_t handshake_of(const struct arq_pool_ticket *ticket,
			     const struct arq_upstream *upstream)
{
	uint64_t begun = ticket->since > upstream->opened ? ticket->since : upstream->opened;
	return upstream->ready_at > begun ? upstream->ready_at - begun : 0;
}

/* Gives the ticket to the connection. Returns false when it was not taken. */
static bool serve_one(struct arq_upstream *upstream, struct arq_pool_ticket *ticket)
{
	struct arq_pool_target *target = upstream->target;
	bool is_retry = ticket->retry; /* the callee may be done with the ticket */

	ticket->connect = handshake_of(ticket, upstream);
	ticket_dequeue(ticket);
	ticket_started(ticket, upstream);
	int code = ticket->start(ticket, upstream);
	if (code != -EAGAIN && code != -ESHUTDOWN) {
		target->tally->requests++;
		target->tally->retries += is_retry;
		return true;
	}
	ticket_unstarted(ticket);
	ticket_requeue(ticket);
	if (code == -ESHUTDOWN)
		upstream->leaving = true;
	return false;
}

/* With `preconnect`, one takes the place of one that ends, before a request needs it. */
static void replace(struct arq_pool_target *target)
{
	struct arq_pool_context *context = target->pool->context;
	if (target->pool->config->connections.preconnect && !target->unreachable &&
	    !is_ended(target))
		arq_alarm_set(&context->alarms, &target->reconnect, context->now);
}

void target_succeeded(struct arq_pool_target *target)
{
	if (!target->leaving)
		arq_member_succeeded(target->roster->members, target->index);
}

void target_failed(struct arq_pool_target *target)
{
	const struct arq_pool *pool = target->pool;
	uint64_t time = 0;
	if (!target->leaving)
		time = arq_member_failed(target->roster->members, target->index,
					 pool->context->now);
	if (time > 0)
		arq_log(ARQ_LOG_WARNING, "pool %s: target %s is ejected for %.1f s",
			pool->config->name, target->config->text, (double)time / 1e9);
}

/* A connection could not be made: others are chosen until the next attempt, by itself, succeeds. */
static void connect_failed(struct arq_pool_target *target)
{
	struct arq_pool_context *context = target->pool->context;
	uint64_t wait = RECONNECT_MIN;

	context->counters->upstream_failed++;
	target->tally->connects_failed++;
	target_failed(target);
	for (uint32_t n = target->connect_failures; n > 0 && wait < RECONNECT_MAX; n--)
		wait *= 2;
	if (wait > RECONNECT_MAX)
		wait = RECONNECT_MAX;
	/* Workers shall not all come at once: up to a quarter sooner. */
	wait -= arq_hash_mix(context->now ^ (uintptr_t)target) % (wait / 4);
	target->connect_failures++;
	if (in_service(target) || is_ended(target))
		return;
	target->unreachable = true;
	arq_alarm_set(&context->alarms, &target->reconnect, context->now + wait);
}

static void reconnect(struct arq_alarm *alarm)
{
	struct arq_pool_target *target =
		(struct arq_pool_target *)((char *)alarm -
					   offsetof(struct arq_pool_target, reconnect));
	bool wanted = target->unreachable ||
		      (target->pool->config->connections.preconnect && !in_service(target));
	if (wanted && !is_ended(target) && target->connecting == 0 && !open_upstream(target))
		connect_failed(target);
}

/* Its time is over: what it has is finished, and the next request opens another. */
static void grow_old(struct arq_alarm *alarm)
{
	struct arq_upstream *upstream =
		(struct arq_upstream *)((char *)alarm - offsetof(struct arq_upstream, age));
	upstream->leaving = true;
	upstream->target->pool->application->shutdown(upstream->session);
	replace(upstream->target);
}

static void serve(struct arq_pool_target *target, enum arq_pool_kind kind)
{
	struct arq_pool_ticket *ticket;
	struct arq_upstream *upstream;
	while ((ticket = TAILQ_FIRST(&target->queues[kind])) &&
	       (upstream = with_room(target, kind))) {
		if (!serve_one(upstream, ticket) && !upstream->leaving)
			break; /* it comes back by arq_upstream_streams */
	}
}

/* One handshake at a time serves everybody who waits, unless each needs a connection. */
static bool connects_enough(const struct arq_pool_target *target)
{
	bool each = target->pool->config->forward == ARQ_CONFIG_FORWARD_CONNECTIONS;
	return target->connecting >= (each ? target->waiting : 1);
}

void target_pump(struct arq_pool_target *target)
{
	for (int kind = 0; kind < ARQ_POOL_KINDS; kind++)
		serve(target, (enum arq_pool_kind)kind);
	if (target->waiting == 0 || connects_enough(target) || is_ended(target) ||
	    target->upstream_count >= target->pool->config->connections.max)
		return;
	if (!open_upstream(target)) {
		connect_failed(target);
		if (!in_service(target))
			pool_move_queue(target, 502);
	}
}

/* --- from the application --------------------------------------------------------------------- */

void *arq_upstream_session(const struct arq_upstream *upstream)
{
	return upstream->session;
}

void arq_upstream_ready(struct arq_upstream *upstream)
{
	struct arq_pool_target *target = upstream->target;
	struct arq_pool_context *context = target->pool->context;
	upstream->ready = true;
	upstream->ready_at = upstream->idle_since = context->now;
	target->connecting--;
	target->connect_failures = 0;
	uint64_t max_age = target->pool->config->connections.max_age_ns, now = context->now;
	/* Up to a tenth sooner, so that what was opened together does not end together. */
	if (max_age)
		arq_alarm_set(&context->alarms, &upstream->age,
			      now + max_age -
				      arq_hash_mix(now ^ (uintptr_t)upstream) % (max_age / 10 + 1));
	if (target->unreachable) {
		target->unreachable = false;
		target->reached_at = now;
		arq_alarm_clear(&context->alarms, &target->reconnect);
	}
	target_pump(target);
}

void arq_upstream_streams(struct arq_upstream *upstream)
{
	target_pump(upstream->target);
}

void arq_upstream_leaving(struct arq_upstream *upstream)
{
	upstream->leaving = true;
	target_pump(upstream->target);
	replace(upstream->target);
}

static void report_failure(const struct arq_pool_target *target, const struct arq_quic_close *close)
{
	arq_log(ARQ_LOG_WARNING, "target %s: no connection: %s%s%s (code %#llx)",
		target->config->text, arq_quic_close_kind_name(close->kind),
		close->reason && close->reason[0] ? ", " : "", close->reason ? close->reason : "",
		(unsigned long long)close->code);
}

void arq_upstream_closed(struct arq_upstream *upstream, const struct arq_quic_close *close)
{
	struct arq_pool_target *target = upstream->target;
	bool was_ready = upstream->ready;

	TAILQ_REMOVE(&target->upstreams, upstream, entry);
	target->upstream_count--;
	arq_alarm_clear(&target->pool->context->alarms, &upstream->age);
	free(upstream);
	if (was_ready) {
		/* Who has died without a word does not answer the next handshake, either. */
		if (close->kind == ARQ_QUIC_CLOSE_SILENT && !is_ended(target)) {
			report_failure(target, close);
			connect_failed(target);
		}
		target_pump(target);
		replace(target);
		return;
	}
	target->connecting--;
	if (!is_ended(target)) {
		report_failure(target, close);
		connect_failed(target);
	}
	if (!in_service(target))
		pool_move_queue(target,
				close->kind == ARQ_QUIC_CLOSE_HANDSHAKE_TIMEOUT ? 504 : 502);
}

void target_end(struct arq_pool_target *target, bool at_once)
{
	const struct arq_upstream_application *application = target->pool->application;
	struct arq_upstream *upstream;
	arq_alarm_clear(&target->pool->context->alarms, &target->reconnect);
	if (target->check)
		arq_check_stop(target->check);
	TAILQ_FOREACH (upstream, &target->upstreams, entry) {
		upstream->leaving = true;
		if (upstream->ready && !at_once)
			application->shutdown(upstream->session);
		else
			application->close(upstream->session);
	}
}
