// SPDX-License-Identifier: BSD-2-Clause
#include "userspace/proxy/member.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* A cache line each: one target's trouble is not the others'. */
struct member {
	_Alignas(64) _Atomic uint64_t ejected_until;
	_Atomic uint64_t since; /* when it became usable, but for ejection */
	_Atomic uint32_t failures; /* in a row */
	_Atomic uint32_t ejected_in_a_row;
	_Atomic uint64_t ejections;
	_Atomic bool unhealthy;
	_Atomic bool drained;
	char *address;
};

struct arq_members {
	atomic_size_t references;
	struct arq_config_ejection ejection;
	pthread_mutex_t lock; /* for ejections, which look at all members */
	size_t count;
	struct member list[];
};

/* What these words say does not order other memory: each stands for itself. */
#define READ(word)         atomic_load_explicit(&(word), memory_order_relaxed)
#define WRITE(word, value) atomic_store_explicit(&(word), (value), memory_order_relaxed)

/* --- life ------------------------------------------------------------------------------------- */

static void inherit(struct member *member, const struct arq_members *previous)
{
	for (size_t i = 0; previous && i < previous->count; i++) {
		const struct member *before = &previous->list[i];
		if (strcmp(before->address, member->address) != 0)
			continue;
		WRITE(member->ejected_until, READ(before->ejected_until));
		WRITE(member->since, READ(before->since));
		WRITE(member->failures, READ(before->failures));
		WRITE(member->ejected_in_a_row, READ(before->ejected_in_a_row));
		WRITE(member->ejections, READ(before->ejections));
		WRITE(member->unhealthy, READ(before->unhealthy));
		WRITE(member->drained, READ(before->drained));
	}
}

static void members_free(struct arq_members *members)
{
	for (size_t i = 0; i < members->count; i++)
		free(members->list[i].address);
	pthread_mutex_destroy(&members->lock);
	free(members);
}

int arq_members_create(const struct arq_config_pool *config, const struct arq_members *previous,
		       struct arq_members **members)
{
	size_t size = sizeof(struct arq_members) + config->targets_count * sizeof(struct member);
	struct arq_members *made = aligned_alloc(_Alignof(struct member), size);
	if (!made)
		return -ENOMEM;
	memset(made, 0, size);
	made->references = 1;
	made->ejection = config->ejection;
	pthread_mutex_init(&made->lock, NULL);
	for (size_t i = 0; i < config->targets_count; i++) {
		made->list[i].address = strdup(config->targets[i].address_text);
		if (!made->list[i].address) {
			members_free(made);
			return -ENOMEM;
		}
		made->count++;
		inherit(&made->list[i], previous);
		/* Without checks nobody would ever find it well again. */
		if (!config->health)
			WRITE(made->list[i].unhealthy, false);
	}
	*members = made;
	return 0;
}

struct arq_members *arq_members_get(struct arq_members *members)
{
	atomic_fetch_add_explicit(&members->references, 1, memory_order_relaxed);
	return members;
}

void arq_members_put(struct arq_members *members)
{
	if (members &&
	    atomic_fetch_sub_explicit(&members->references, 1, memory_order_acq_rel) == 1)
		members_free(members);
}

/* --- reading ---------------------------------------------------------------------------------- */

size_t arq_members_count(const struct arq_members *members)
{
	return members->count;
}

bool arq_member_usable(const struct arq_members *members, size_t i, uint64_t now)
{
	const struct member *member = &members->list[i];
	return !READ(member->unhealthy) && !READ(member->drained) &&
	       READ(member->ejected_until) <= now;
}

bool arq_member_drained(const struct arq_members *members, size_t i)
{
	return READ(members->list[i].drained);
}

uint64_t arq_member_since(const struct arq_members *members, size_t i, uint64_t now)
{
	uint64_t since = READ(members->list[i].since);
	uint64_t ejected_until = READ(members->list[i].ejected_until);
	return ejected_until > since && ejected_until <= now ? ejected_until : since;
}

void arq_member_status(const struct arq_members *members, size_t i, uint64_t now,
		       struct arq_member_status *status)
{
	const struct member *member = &members->list[i];
	uint64_t ejected_until = READ(member->ejected_until);
	*status = (struct arq_member_status){
		.address = member->address,
		.healthy = !READ(member->unhealthy),
		.drained = READ(member->drained),
		.ejected_for = ejected_until > now ? ejected_until - now : 0,
		.failures = READ(member->failures),
		.ejections = READ(member->ejections),
	};
}

/* --- passive ---------------------------------------------------------------------------------- */

void arq_member_succeeded(struct arq_members *members, size_t i)
{
	struct member *member = &members->list[i];
	/* Reading first leaves the line in every core's cache while all is well. */
	if (READ(member->failures) != 0)
		WRITE(member->failures, 0);
	if (READ(member->ejected_in_a_row) != 0)
		WRITE(member->ejected_in_a_row, 0);
}

static bool may_eject_one_more(const struct arq_members *members, uint64_t now)
{
	size_t ejected = 1;
	for (size_t i = 0; i < members->count; i++)
		ejected += READ(members->list[i].ejected_until) > now;
	return ejected * 100 <= members->count * (size_t)members->ejection.max_percent;
}

/* Under the lock. Returns for how long. */
static uint64_t eject(struct arq_members *members, struct member *member, uint64_t now)
{
	const struct arq_config_ejection *ejection = &members->ejection;
	if (READ(member->ejected_until) > now || !may_eject_one_more(members, now))
		return 0;
	uint64_t time = ejection->time_ns;
	for (uint32_t n = READ(member->ejected_in_a_row); n > 0 && time < ejection->max_time_ns;
	     n--)
		time *= 2;
	if (time > ejection->max_time_ns)
		time = ejection->max_time_ns;
	WRITE(member->ejected_until, now + time);
	WRITE(member->ejected_in_a_row, READ(member->ejected_in_a_row) + 1);
	WRITE(member->ejections, READ(member->ejections) + 1);
	/* Probation: see the header. */
	WRITE(member->failures, ejection->failures - 1);
	return time;
}

uint64_t arq_member_failed(struct arq_members *members, size_t i, uint64_t now)
{
	struct member *member = &members->list[i];
	uint64_t time = 0;
	/* What fails while it is ejected had begun before, or was forced: nothing new. */
	if (members->ejection.failures == 0 || READ(member->ejected_until) > now)
		return 0;
	uint32_t failures =
		atomic_fetch_add_explicit(&member->failures, 1, memory_order_relaxed) + 1;
	if (failures < members->ejection.failures)
		return 0;
	pthread_mutex_lock(&members->lock);
	time = eject(members, member, now);
	pthread_mutex_unlock(&members->lock);
	return time;
}

/* --- checks and operators --------------------------------------------------------------------- */

bool arq_member_set_healthy(struct arq_members *members, size_t i, bool healthy, uint64_t now)
{
	struct member *member = &members->list[i];
	if (READ(member->unhealthy) != healthy)
		return false;
	if (healthy)
		WRITE(member->since, now);
	WRITE(member->unhealthy, !healthy);
	return true;
}

size_t arq_members_drain(struct arq_members *members, const char *address, bool drain, uint64_t now)
{
	size_t count = 0;
	for (size_t i = 0; i < members->count; i++) {
		struct member *member = &members->list[i];
		if (strcmp(member->address, address) != 0)
			continue;
		count++;
		if (!drain && READ(member->drained))
			WRITE(member->since, now);
		WRITE(member->drained, drain);
	}
	return count;
}
