// SPDX-License-Identifier: BSD-2-Clause
#include "userspace/proxy/pool.h"

#include "userspace/proxy/target.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

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

void ticket_dequeue(struct arq_pool_ticket *ticket)
{
	struct arq_pool_target *target = ticket->target;
	TAILQ_REMOVE(&target->queue, ticket, queue_entry);
	target->waiting--;
	ticket->waiting = false;
	arq_alarm_clear(&target->pool->context->alarms, &ticket->deadline);
}

void ticket_requeue(struct arq_pool_ticket *ticket)
{
	struct arq_pool_target *target = ticket->target;
	TAILQ_INSERT_HEAD(&target->queue, ticket, queue_entry);
	target->waiting++;
	ticket->waiting = true;
	arq_alarm_set(&target->pool->context->alarms, &ticket->deadline, ticket->deadline.at);
}

void arq_pool_give_back(struct arq_pool_ticket *ticket)
{
	struct arq_pool_target *target = ticket->target;
	if (!target)
		return;
	if (ticket->waiting)
		ticket_dequeue(ticket);
	target->requests--;
	ticket->target = NULL;
}

static void ticket_fail(struct arq_pool_ticket *ticket, unsigned int status)
{
	arq_pool_give_back(ticket);
	ticket->fail(ticket, status);
}

static void ticket_late(struct arq_alarm *alarm)
{
	struct arq_pool_ticket *ticket =
		(struct arq_pool_ticket *)((char *)alarm -
					   offsetof(struct arq_pool_ticket, deadline));
	ticket->target->pool->context->counters->timeouts++;
	ticket_fail(ticket, 504);
}

void arq_pool_take(struct arq_pool *pool, struct arq_pool_ticket *ticket)
{
	struct arq_pool_context *context = pool->context;
	struct arq_pool_target *target = pool_choose(pool, ticket->key, NULL);
	if (pool->down || !target || target->waiting >= ARQ_POOL_WAITING) {
		ticket->fail(ticket, 503);
		return;
	}
	ticket->deadline.ring = ticket_late;
	ticket_enqueue(target, ticket);
	arq_alarm_set(&context->alarms, &ticket->deadline, context->now + ARQ_POOL_WAIT_TIMEOUT);
	target_pump(target);
}

void arq_pool_report(struct arq_pool_ticket *ticket, enum arq_pool_outcome outcome)
{
	struct arq_pool_target *target = ticket->target;
	if (!target || ticket->reported)
		return;
	ticket->reported = true;
	if (outcome == ARQ_POOL_ANSWERED)
		arq_member_succeeded(target->pool->members, target_index(target));
	else
		target_failed(target);
}

void pool_move_queue(struct arq_pool_target *target, unsigned int status)
{
	/* Tickets may come back to this queue while we go through it; look at each once. */
	for (uint32_t left = target->waiting; left > 0 && !TAILQ_EMPTY(&target->queue); left--) {
		struct arq_pool_ticket *ticket = TAILQ_FIRST(&target->queue);
		struct arq_pool_target *other = NULL;
		if (ticket->attempts < 2 && !target->pool->down)
			other = pool_choose(target->pool, ticket->key, target);
		if (!other || other->waiting >= ARQ_POOL_WAITING) {
			ticket_fail(ticket, status);
			continue;
		}
		uint64_t deadline = ticket->deadline.at;
		arq_pool_give_back(ticket);
		ticket_enqueue(other, ticket);
		arq_alarm_set(&other->pool->context->alarms, &ticket->deadline, deadline);
		target_pump(other);
	}
}

/* --- life ------------------------------------------------------------------------------------- */

int arq_pool_maglev(const struct arq_config_pool *config, struct arq_maglev **maglev)
{
	*maglev = NULL;
	if (config->policy != ARQ_CONFIG_CONSISTENT_HASH)
		return 0;
	struct arq_maglev_target *targets = calloc(config->targets_count, sizeof(*targets));
	if (!targets)
		return -ENOMEM;
	for (uint32_t i = 0; i < config->targets_count; i++)
		targets[i] = (struct arq_maglev_target){
			.name = config->targets[i].address_text,
			.weight = config->targets[i].weight,
		};
	int code = arq_maglev_create(targets, config->targets_count, maglev);
	free(targets);
	return code;
}

int arq_pool_create(const struct arq_pool_options *options, struct arq_pool **pool)
{
	const struct arq_config_pool *config = options->config;
	uint32_t count = config->targets_count;
	struct arq_pool *made = calloc(1, sizeof(*made) + count * sizeof(made->targets[0]));
	uint64_t seed;
	if (!made)
		return -ENOMEM;
	/* Without chance workers choose alike, nothing worse. */
	if (getrandom(&seed, sizeof(seed), GRND_NONBLOCK) != sizeof(seed))
		seed = options->context->now;
	made->config = config;
	made->context = options->context;
	made->tls = options->tls;
	made->application = options->application;
	made->target_count = count;
	made->members = arq_members_get(options->members);
	made->loads = calloc(count, sizeof(*made->loads));
	int code = made->loads ? arq_balance_create(config->policy, count, options->maglev, seed,
						    &made->balance)
			       : -ENOMEM;
	if (code != 0) {
		arq_pool_destroy(made);
		return code;
	}
	for (uint32_t i = 0; i < count; i++)
		target_init(&made->targets[i], made, &config->targets[i]);
	if (config->health && options->checks) {
		code = arq_checks_create(made, &made->checks);
		if (code != 0) {
			arq_pool_destroy(made);
			return code;
		}
	}
	*pool = made;
	return 0;
}

uint32_t arq_pool_connections(const struct arq_pool *pool)
{
	uint32_t count = pool->checks ? arq_checks_connections(pool->checks) : 0;
	for (uint32_t i = 0; i < pool->target_count; i++)
		count += pool->targets[i].upstream_count;
	return count;
}

uint32_t arq_pool_connections_max(const struct arq_pool *pool)
{
	return pool->target_count * (ARQ_POOL_CONNECTIONS + (pool->checks != NULL));
}

void arq_pool_destroy(struct arq_pool *pool)
{
	if (!pool)
		return;
	arq_checks_destroy(pool->checks);
	arq_members_put(pool->members);
	arq_balance_destroy(pool->balance);
	free(pool->loads);
	free(pool);
}

static void end(struct arq_pool *pool, bool at_once)
{
	pool->down = true;
	if (pool->checks)
		arq_checks_stop(pool->checks);
	for (uint32_t i = 0; i < pool->target_count; i++)
		target_end(&pool->targets[i], at_once);
}

void arq_pool_shutdown(struct arq_pool *pool)
{
	end(pool, false);
}

void arq_pool_close(struct arq_pool *pool)
{
	end(pool, true);
}
