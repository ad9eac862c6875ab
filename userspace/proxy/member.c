// SPDX-License-Identifier: BSD-2-Clause
#include "userspace/proxy/member.h"

#include "userspace/proxy/roster.h"

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
	atomic_size_t references; /* sets that it is in */
};

struct arq_members {
	const struct arq_roster_target *targets;
	struct arq_config_ejection ejection;
	bool checked;
	pthread_mutex_t lock; /* for ejections, which look at all members */
	size_t count;
	struct member *list[];
};

/* What these words say does not order other memory: each stands for itself. */
#define READ(word)         atomic_load_explicit(&(word), memory_order_relaxed)
#define WRITE(word, value) atomic_store_explicit(&(word), (value), memory_order_relaxed)

/* --- life ------------------------------------------------------------------------------------- */

static struct member *find(const struct arq_members *members,
			   const struct arq_roster_target *target)
{
	for (size_t i = 0; members && i < members->count; i++) {
		if (strcmp(members->targets[i].text, target->text) == 0)
			return members->list[i];
	}
	return NULL;
}

/* The operator drained a name, and means whatever address it has. */
static bool is_name_drained(const struct arq_members *members,
			    const struct arq_roster_target *target)
{
	bool found = false;
	for (size_t i = 0; members && i < members->count; i++) {
		if (strcmp(members->targets[i].configured, target->configured) != 0)
			continue;
		if (!READ(members->list[i]->drained))
			return false;
		found = true;
	}
	return found;
}

static struct member *member_create(bool drained)
{
	struct member *member = aligned_alloc(_Alignof(struct member), sizeof(*member));
	if (!member)
		return NULL;
	memset(member, 0, sizeof(*member));
	member->references = 1;
	member->drained = drained;
	return member;
}

static void member_put(struct member *member)
{
	if (atomic_fetch_sub_explicit(&member->references, 1, memory_order_acq_rel) == 1)
		free(member);
}

void arq_members_destroy(struct arq_members *members)
{
	if (!members)
		return;
	for (size_t i = 0; i < members->count; i++)
		member_put(members->list[i]);
	pthread_mutex_destroy(&members->lock);
	free(members);
}

int arq_members_create(const struct arq_members_options *options,
		       const struct arq_members *previous, struct arq_members **members)
{
	struct arq_members *made =
		calloc(1, sizeof(*made) + options->count * sizeof(made->list[0]));
	if (!made)
		return -ENOMEM;
	made->targets = options->targets;
	made->ejection = options->ejection;
	made->checked = options->checked;
	pthread_mutex_init(&made->lock, NULL);
	for (size_t i = 0; i < options->count; i++) {
		const struct arq_roster_target *target = &options->targets[i];
		struct member *member = find(previous, target);
		if (member)
			atomic_fetch_add_explicit(&member->references, 1, memory_order_relaxed);
		else
			member = member_create(is_name_drained(previous, target));
		if (!member) {
			arq_members_destroy(made);
			return -ENOMEM;
		}
		made->list[made->count++] = member;
	}
	*members = made;
	return 0;
}

/* --- reading ---------------------------------------------------------------------------------- */

size_t arq_members_count(const struct arq_members *members)
{
	return members->count;
}

bool arq_member_usable(const struct arq_members *members, size_t i, uint64_t now)
{
	const struct member *member = members->list[i];
	return !(members->checked && READ(member->unhealthy)) && !READ(member->drained) &&
	       READ(member->ejected_until) <= now;
}

bool arq_member_drained(const struct arq_members *members, size_t i)
{
	return READ(members->list[i]->drained);
}

uint64_t arq_member_since(const struct arq_members *members, size_t i, uint64_t now)
{
	uint64_t since = READ(members->list[i]->since);
	uint64_t ejected_until = READ(members->list[i]->ejected_until);
	return ejected_until > since && ejected_until <= now ? ejected_until : since;
}

void arq_member_status(const struct arq_members *members, size_t i, uint64_t now,
		       struct arq_member_status *status)
{
	const struct member *member = members->list[i];
	uint64_t ejected_until = READ(member->ejected_until);
	*status = (struct arq_member_status){
		.address = members->targets[i].text,
		.configured = members->targets[i].configured,
		.healthy = !(members->checked && READ(member->unhealthy)),
		.drained = READ(member->drained),
		.ejected_for = ejected_until > now ? ejected_until - now : 0,
		.failures = READ(member->failures),
		.ejections = READ(member->ejections),
	};
}

/* --- passive ---------------------------------------------------------------------------------- */

void arq_member_succeeded(struct arq_members *members, size_t i)
{
	struct member *member = members->list[i];
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
		ejected += READ(members->list[i]->ejected_until) > now;
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
	struct member *member = members->list[i];
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
	struct member *member = members->list[i];
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
		struct member *member = members->list[i];
		if (strcmp(members->targets[i].text, address) != 0 &&
		    strcmp(members->targets[i].configured, address) != 0)
			continue;
		count++;
		if (!drain && READ(member->drained))
			WRITE(member->since, now);
		WRITE(member->drained, drain);
	}
	return count;
}
