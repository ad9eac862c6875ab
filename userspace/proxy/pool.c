// SPDX-License-Identifier: BSD-2-Clause
#include "userspace/proxy/pool.h"

#include "userspace/proxy/hash.h"
#include "userspace/proxy/target.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

/* --- tickets ---------------------------------------------------------------------------------- */

static struct arq_pool_ticket *ticket_of(struct arq_alarm *alarm)
{
	return (struct arq_pool_ticket *)((char *)alarm -
					  offsetof(struct arq_pool_ticket, deadline));
}

/* `limit` after a time; 0 is no limit. */
static uint64_t after(uint64_t time, uint64_t limit)
{
	return limit ? time + limit : ARQ_ALARM_NEVER;
}

static uint64_t later(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* A time of the route's or, where it says nothing, of the pool's; 0 is no limit. */
static uint64_t limit(const struct arq_config_route_timeouts *route, uint64_t of_route,
		      uint64_t of_pool)
{
	return route && of_route != ARQ_CONFIG_AS_POOL ? of_route : of_pool;
}

#define TICKET_LIMIT(ticket, pool, name)                                             \
	limit((ticket)->timeouts, (ticket)->timeouts ? (ticket)->timeouts->name : 0, \
	      (pool)->config->timeouts.name)

/* When the ticket's patience ends. As long as a request's body moves, nobody waits for an answer.
 */
static uint64_t ticket_due(const struct arq_pool_ticket *ticket)
{
	const struct arq_pool *pool = ticket->target->pool;
	uint64_t response = TICKET_LIMIT(ticket, pool, response_ns);
	uint64_t end = after(later(ticket->begun, ticket->progress), response);
	uint64_t due;

	if (ticket->waiting) {
		due = after(ticket->since, pool->config->timeouts.wait_ns);
		end = after(ticket->begun, response);
	} else if (!ticket->late) {
		return ARQ_ALARM_NEVER;
	} else if (ticket->answered) {
		return after(later(ticket->since, ticket->progress),
			     TICKET_LIMIT(ticket, pool, stall_ns));
	} else {
		due = after(later(ticket->since, ticket->progress),
			    TICKET_LIMIT(ticket, pool, try_ns));
	}
	return due < end ? due : end;
}

/* It waits, was started or is answered from now on. */
static void ticket_enters(struct arq_pool_ticket *ticket)
{
	struct arq_pool_context *context = ticket->target->pool->context;
	ticket->since = context->now;
	arq_alarm_set(&context->alarms, &ticket->deadline, ticket_due(ticket));
}

static void ticket_wait(struct arq_pool_target *target, struct arq_pool_ticket *ticket)
{
	struct arq_pool *pool = target->pool;
	ticket->target = target;
	ticket->last = target->id;
	ticket->attempts++;
	ticket->waiting = true;
	target->requests++;
	target->waiting++;
	pool->requests++;
	pool->retries += ticket->retry;
	TAILQ_INSERT_TAIL(&target->queues[ticket->kind], ticket, queue_entry);
	ticket_enters(ticket);
}

void ticket_dequeue(struct arq_pool_ticket *ticket)
{
	struct arq_pool_target *target = ticket->target;
	TAILQ_REMOVE(&target->queues[ticket->kind], ticket, queue_entry);
	target->waiting--;
	ticket->waiting = false;
	arq_alarm_clear(&target->pool->context->alarms, &ticket->deadline);
}

void ticket_requeue(struct arq_pool_ticket *ticket)
{
	struct arq_pool_target *target = ticket->target;
	TAILQ_INSERT_HEAD(&target->queues[ticket->kind], ticket, queue_entry);
	target->waiting++;
	ticket->waiting = true;
	ticket_enters(ticket);
}

void ticket_started(struct arq_pool_ticket *ticket, struct arq_upstream *upstream)
{
	ticket->upstream = upstream;
	upstream->streams++;
	ticket->answered = ticket->reported = false;
	ticket_enters(ticket);
}

void ticket_unstarted(struct arq_pool_ticket *ticket)
{
	struct arq_pool_context *context = ticket->target->pool->context;
	arq_alarm_clear(&context->alarms, &ticket->deadline);
	if (ticket->upstream && --ticket->upstream->streams == 0)
		ticket->upstream->idle_since = context->now;
	ticket->upstream = NULL;
}

void arq_pool_give_back(struct arq_pool_ticket *ticket)
{
	struct arq_pool_target *target = ticket->target;
	if (!target)
		return;
	struct arq_pool *pool = target->pool;
	if (ticket->waiting)
		ticket_dequeue(ticket);
	else
		ticket_unstarted(ticket);
	target->requests--;
	pool->requests--;
	pool->retries -= ticket->retry;
	ticket->target = NULL;
}

static void ticket_fail(struct arq_pool_ticket *ticket, unsigned int status)
{
	arq_pool_give_back(ticket);
	ticket->fail(ticket, status);
}

static void ticket_late(struct arq_alarm *alarm)
{
	struct arq_pool_ticket *ticket = ticket_of(alarm);
	struct arq_pool_context *context = ticket->target->pool->context;
	uint64_t due = ticket_due(ticket);

	if (due > context->now) {
		arq_alarm_set(&context->alarms, alarm, due); /* something moved meanwhile */
		return;
	}
	context->counters->timeouts++;
	if (ticket->waiting) {
		ticket_fail(ticket, 504);
		return;
	}
	arq_pool_report(ticket, ARQ_POOL_LATE);
	ticket->late(ticket);
}

/* NULL: it has left. */
static const struct arq_pool_target *by_id(const struct arq_pool *pool, uint64_t id)
{
	for (uint32_t i = 0; i < pool->target_count; i++) {
		if (pool->targets[i]->id == id)
			return pool->targets[i];
	}
	return NULL;
}

void arq_pool_take(struct arq_pool *pool, struct arq_pool_ticket *ticket)
{
	struct arq_pool_target *target = NULL;
	if (ticket->attempts > 0)
		target = pool_choose(pool, ticket->key, by_id(pool, ticket->last));
	if (!target)
		target = pool_choose(pool, ticket->key, NULL);
	if (pool->down || !target) {
		ticket->fail(ticket, 503);
		return;
	}
	if (ticket->attempts == 0) {
		ticket->begun = pool->context->now;
		ticket->progress = 0;
	}
	ticket->retry = ticket->attempts > 0;
	ticket->deadline.ring = ticket_late;
	ticket_wait(target, ticket);
	target_pump(target);
}

static uint32_t attempts_max(const struct arq_pool *pool, const struct arq_pool_ticket *ticket)
{
	return ticket->attempts_max ? ticket->attempts_max : pool->config->retries.attempts;
}

bool arq_pool_may_retry(const struct arq_pool *pool, const struct arq_pool_ticket *ticket)
{
	const struct arq_config_retries *retries = &pool->config->retries;
	uint64_t allowed = (uint64_t)pool->requests * retries->budget / 100;
	if (allowed < retries->min)
		allowed = retries->min;
	/* One that is a retry already does not add to them. */
	return ticket->attempts < attempts_max(pool, ticket) && !pool->down &&
	       pool->retries - ticket->retry < allowed &&
	       after(ticket->begun, TICKET_LIMIT(ticket, pool, response_ns)) > pool->context->now;
}

void arq_pool_report(struct arq_pool_ticket *ticket, enum arq_pool_outcome outcome)
{
	struct arq_pool_target *target = ticket->target;
	if (!target)
		return;
	if (outcome <= ARQ_POOL_ERROR && !ticket->answered) {
		arq_histogram_observe(&target->tally->answer,
				      target->pool->context->now - ticket->since);
		ticket->answered = true;
		ticket_enters(ticket);
	}
	if (ticket->reported)
		return;
	ticket->reported = true;
	target->tally->errors += outcome == ARQ_POOL_ERROR;
	target->tally->broken += outcome == ARQ_POOL_BROKEN;
	target->tally->late += outcome == ARQ_POOL_LATE;
	if (outcome == ARQ_POOL_ANSWERED)
		target_succeeded(target);
	else
		target_failed(target);
}

const char *arq_pool_ticket_target(const struct arq_pool_ticket *ticket)
{
	return ticket->target->config->text;
}

void arq_pool_progress(struct arq_pool_ticket *ticket)
{
	if (ticket->target)
		ticket->progress = ticket->target->pool->context->now;
}

static struct arq_pool_ticket *first_waiting(struct arq_pool_target *target)
{
	struct arq_pool_ticket *ticket = NULL;
	for (int kind = 0; !ticket && kind < ARQ_POOL_KINDS; kind++)
		ticket = TAILQ_FIRST(&target->queues[kind]);
	return ticket;
}

void pool_move_queue(struct arq_pool_target *target, unsigned int status)
{
	const struct arq_pool *pool = target->pool;
	struct arq_pool_ticket *ticket;
	/* Tickets may come back to the queues while we go through them; look at each once. */
	for (uint32_t left = target->waiting; left > 0 && (ticket = first_waiting(target));
	     left--) {
		struct arq_pool_target *other = NULL;
		bool may = target->leaving || ticket->attempts < attempts_max(pool, ticket);
		if (may && !pool->down)
			other = pool_choose(target->pool, ticket->key, target);
		if (!other) {
			ticket_fail(ticket, status);
			continue;
		}
		arq_pool_give_back(ticket);
		ticket->attempts -= target->leaving;
		ticket_wait(other, ticket);
		target_pump(other);
	}
}

/* --- life ------------------------------------------------------------------------------------- */

static void end(struct arq_pool *pool, bool at_once)
{
	struct arq_pool_target *target;
	pool->down = true;
	for (uint32_t i = 0; i < pool->target_count; i++)
		target_end(pool->targets[i], at_once);
	LIST_FOREACH (target, &pool->leaving, entry)
		target_end(target, at_once);
}

/* What takes the place of the pool's own when its roster changes. */
struct change {
	struct arq_pool_target **targets;
	bool *kept; /* of the targets before: it is in the new roster */
	struct arq_balance_load *loads;
	struct arq_balance *balance;
	uint32_t made; /* of the new targets, those that are there */
};

static void change_free(struct change *change)
{
	free(change->targets);
	free(change->kept);
	free(change->loads);
	arq_balance_destroy(change->balance);
}

/* The target's index in the pool, or UINT32_MAX. It may be shared with another entry only by
 * mistake: each address is once in a roster. */
static uint32_t find(const struct arq_pool *pool, const struct arq_roster_target *wanted)
{
	for (uint32_t i = 0; i < pool->target_count; i++) {
		if (arq_roster_same_target(pool->targets[i]->config, wanted))
			return i;
	}
	return UINT32_MAX;
}

/* Makes ready whatever can fail; targets of the pool are found, and not changed. */
static int change_prepare(struct arq_pool *pool, struct arq_roster *roster, struct change *change)
{
	change->targets = calloc(roster->count + 1, sizeof(struct arq_pool_target *));
	change->kept = calloc(pool->target_count + 1, sizeof(*change->kept));
	change->loads = calloc(roster->count + 1, sizeof(*change->loads));
	if (!change->targets || !change->kept || !change->loads)
		return -ENOMEM;
	/* Anew each time: else round-robin would begin with the same one again and again. */
	pool->seed = arq_hash_mix(pool->seed);
	int code = arq_balance_create(pool->config->policy, roster->count, roster->maglev,
				      pool->seed, &change->balance);
	for (; code == 0 && change->made < roster->count; change->made++) {
		uint32_t before = find(pool, &roster->targets[change->made]);
		if (before == UINT32_MAX) {
			code = target_create(pool, roster, change->made,
					     &change->targets[change->made]);
			continue;
		}
		change->kept[before] = true;
		change->targets[change->made] = pool->targets[before];
	}
	return code;
}

/* Of what change_prepare made, only what is not the pool's already. */
static void change_undo(const struct arq_pool *pool, struct change *change)
{
	for (uint32_t i = 0; i < change->made; i++) {
		if (change->targets[i] && find(pool, change->targets[i]->config) == UINT32_MAX)
			target_destroy(change->targets[i]);
	}
	change_free(change);
}

int arq_pool_update(struct arq_pool *pool, struct arq_roster *roster)
{
	struct change change = {0};
	int code = change_prepare(pool, roster, &change);
	if (code != 0) {
		change_undo(pool, &change);
		return code;
	}
	struct change before = {.targets = pool->targets,
				.kept = change.kept,
				.loads = pool->loads,
				.balance = pool->balance};
	struct arq_roster *roster_before = pool->roster;
	uint32_t count_before = pool->target_count;

	pool->targets = change.targets;
	pool->loads = change.loads;
	pool->balance = change.balance;
	pool->target_count = (uint32_t)roster->count;
	pool->roster = arq_roster_get(roster);
	for (uint32_t i = 0; i < pool->target_count; i++)
		target_move(pool->targets[i], roster, i);
	for (uint32_t i = 0; i < count_before; i++) {
		if (!before.kept[i])
			target_leave(before.targets[i]);
	}
	change_free(&before);
	arq_roster_put(roster_before);
	return 0;
}

const struct arq_roster *arq_pool_roster(const struct arq_pool *pool)
{
	return pool->roster;
}

int arq_pool_create(const struct arq_pool_options *options, struct arq_pool **pool)
{
	const struct arq_config_pool *config = options->config;
	struct arq_pool *made = calloc(1, sizeof(*made));
	if (!made)
		return -ENOMEM;
	/* Without chance workers choose alike, nothing worse. */
	if (getrandom(&made->seed, sizeof(made->seed), GRND_NONBLOCK) != sizeof(made->seed))
		made->seed = options->context->now;
	made->config = config;
	made->context = options->context;
	made->tls = options->tls;
	made->application = options->application;
	made->checks = config->health && options->checks;
	LIST_INIT(&made->leaving);
	int code = arq_pool_update(made, options->roster);
	if (code != 0) {
		arq_pool_destroy(made);
		return code;
	}
	*pool = made;
	return 0;
}

static uint32_t target_connections(const struct arq_pool_target *target)
{
	return target->upstream_count + (target->check && arq_check_connected(target->check));
}

uint32_t arq_pool_connections(const struct arq_pool *pool)
{
	const struct arq_pool_target *target;
	uint32_t count = 0;
	for (uint32_t i = 0; i < pool->target_count; i++)
		count += target_connections(pool->targets[i]);
	LIST_FOREACH (target, &pool->leaving, entry)
		count += target_connections(target);
	return count;
}

uint32_t arq_pool_connections_max(const struct arq_pool *pool)
{
	const struct arq_pool_target *target;
	uint32_t count = pool->target_count * (pool->config->connections.max + pool->checks);
	LIST_FOREACH (target, &pool->leaving, entry)
		count += target_connections(target);
	return count;
}

static void tally_target(const struct arq_pool_target *target, struct arq_tally *sum)
{
	struct arq_tally_load *row = arq_tally_load(
		sum, target->pool->config->name, target->config->configured, target->config->text);
	row->active += target->requests;
	row->waiting += target->waiting;
	row->connections += target->upstream_count;
}

void arq_pool_tally(const struct arq_pool *pool, struct arq_tally *sum)
{
	const struct arq_pool_target *target;
	for (uint32_t i = 0; i < pool->target_count; i++)
		tally_target(pool->targets[i], sum);
	LIST_FOREACH (target, &pool->leaving, entry)
		tally_target(target, sum);
}

void arq_pool_sweep(struct arq_pool *pool)
{
	struct arq_pool_target *target, *next;
	for (target = LIST_FIRST(&pool->leaving); target; target = next) {
		next = LIST_NEXT(target, entry);
		if (!target_is_over(target))
			continue;
		LIST_REMOVE(target, entry);
		target_destroy(target);
	}
}

void arq_pool_destroy(struct arq_pool *pool)
{
	if (!pool)
		return;
	arq_pool_sweep(pool);
	for (uint32_t i = 0; i < pool->target_count; i++)
		target_destroy(pool->targets[i]);
	arq_roster_put(pool->roster);
	arq_balance_destroy(pool->balance);
	free(pool->targets);
	free(pool->loads);
	free(pool);
}

void arq_pool_shutdown(struct arq_pool *pool)
{
	end(pool, false);
}

void arq_pool_close(struct arq_pool *pool)
{
	end(pool, true);
}
