// SPDX-License-Identifier: BSD-2-Clause
#include "progs/firewall/label_set.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define NONE UINT32_MAX

/* 128 MB of them; a policy of any sense has a thousandth. */
#define MEMBERS_MAX (8u << 20)

static uint64_t mix(uint64_t hash, uint64_t value)
{
	hash = (hash ^ value) * 0x9e3779b97f4a7c15;
	return hash ^ hash >> 29;
}

static uint64_t hash_members(const struct arq_label *members, size_t count)
{
	uint64_t hash = count;

	for (size_t i = 0; i < count; i++)
		hash = mix(mix(hash, members[i].label), members[i].expires);
	return hash;
}

static bool same_members(const struct arq_label *a, const struct arq_label *b, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (a[i].label != b[i].label || a[i].expires != b[i].expires)
			return false;
	}
	return true;
}

static int reserve(void **array, size_t wanted, size_t *capacity, size_t size)
{
	if (wanted <= *capacity)
		return 0;
	size_t larger = *capacity ? *capacity : 64;
	while (larger < wanted)
		larger *= 2;
	void *moved = reallocarray(*array, larger, size);
	if (!moved)
		return -ENOMEM;
	*array = moved;
	*capacity = larger;
	return 0;
}

/* Where the set with these members is in the hash table, or where it should be. */
static uint32_t *find_slot(const struct arq_label_sets *sets, const struct arq_label *members,
			   size_t count)
{
	uint32_t at = (uint32_t)hash_members(members, count) & (sets->slot_count - 1);

	for (;; at = (at + 1) & (sets->slot_count - 1)) {
		uint32_t number = sets->slots[at];
		if (number == NONE)
			return &sets->slots[at];
		const struct arq_label_set *set = &sets->sets[number];
		if (set->count == count && same_members(sets->members + set->first, members, count))
			return &sets->slots[at];
	}
}

static int enlarge_slots(struct arq_label_sets *sets)
{
	uint32_t wanted = sets->slot_count ? sets->slot_count * 2 : 1024;
	uint32_t *slots = malloc((size_t)wanted * sizeof(*slots));

	if (!slots)
		return -ENOMEM;
	memset(slots, 0xff, (size_t)wanted * sizeof(*slots));
	free(sets->slots);
	sets->slots = slots;
	sets->slot_count = wanted;
	for (uint32_t i = 0; i < sets->count; i++) {
		const struct arq_label_set *set = &sets->sets[i];
		*find_slot(sets, sets->members + set->first, set->count) = i;
	}
	return 0;
}

static int append(struct arq_label_sets *sets, const struct arq_label *members, size_t count,
		  uint32_t *result)
{
	size_t capacity = sets->capacity;

	if (sets->member_count + count > MEMBERS_MAX)
		return -E2BIG;
	int status = reserve((void **)&sets->members, sets->member_count + count,
			     &sets->member_capacity, sizeof(*members));
	if (status == 0)
		status = reserve((void **)&sets->sets, (size_t)sets->count + 1, &capacity,
				 sizeof(*sets->sets));
	if (status)
		return status;
	sets->capacity = (uint32_t)capacity;
	sets->sets[sets->count] = (struct arq_label_set){
		.first = sets->member_count,
		.count = (uint32_t)count,
		.class = NONE,
		.ref = NONE,
	};
	for (size_t i = 0; i < count; i++)
		sets->members[sets->member_count++] = members[i];
	*result = sets->count++;
	return 0;
}

/* `members` are not those of a set, which may move. */
static int intern(struct arq_label_sets *sets, const struct arq_label *members, size_t count,
		  uint32_t *result)
{
	if (sets->count * 2 >= sets->slot_count) {
		int status = enlarge_slots(sets);
		if (status)
			return status;
	}
	uint32_t *slot = find_slot(sets, members, count);
	if (*slot != NONE) {
		*result = *slot;
		return 0;
	}
	int status = append(sets, members, count, result);
	if (status == 0)
		*slot = *result;
	return status;
}

int arq_label_sets_init(struct arq_label_sets *sets)
{
	uint32_t empty, class;

	*sets = (struct arq_label_sets){0};
	for (size_t i = 0; i < ARQ_LABEL_MEMORIES; i++)
		sets->memories[i].set = NONE;
	int status = intern(sets, NULL, 0, &empty);
	return status ? status : arq_label_sets_class(sets, empty, &class);
}

void arq_label_sets_free(struct arq_label_sets *sets)
{
	free(sets->members);
	free(sets->sets);
	free(sets->slots);
	free(sets->scratch);
	free(sets->classes);
	*sets = (struct arq_label_sets){0};
}

static int copy_with(struct arq_label_sets *sets, uint32_t number, uint32_t label, uint64_t expires,
		     uint32_t *result)
{
	const struct arq_label_set *set = &sets->sets[number];
	const struct arq_label *from = sets->members + set->first;
	size_t at = 0, count = 0;

	int status = reserve((void **)&sets->scratch, (size_t)set->count + 1,
			     &sets->scratch_capacity, sizeof(*from));
	if (status)
		return status;
	for (; at < set->count && from[at].label < label; at++)
		sets->scratch[count++] = from[at];
	if (at < set->count && from[at].label == label) {
		if (from[at].expires > expires)
			expires = from[at].expires;
		at++;
	}
	sets->scratch[count++] = (struct arq_label){.label = label, .expires = expires};
	for (; at < set->count; at++)
		sets->scratch[count++] = from[at];
	return intern(sets, sets->scratch, count, result);
}

int arq_label_sets_add(struct arq_label_sets *sets, uint32_t set, uint32_t label, uint64_t expires,
		       uint32_t *result)
{
	uint64_t hash = mix(mix(set, label), expires);
	struct arq_label_memory *memory = &sets->memories[hash % ARQ_LABEL_MEMORIES];

	if (memory->set == set && memory->label == label && memory->expires == expires) {
		*result = memory->result;
		return 0;
	}
	int status = copy_with(sets, set, label, expires, result);
	if (status == 0)
		*memory = (struct arq_label_memory){set, label, *result, expires};
	return status;
}

uint64_t arq_label_sets_expire(const struct arq_label_sets *sets, uint32_t number)
{
	const struct arq_label_set *set = &sets->sets[number];
	uint64_t first = ARQ_LABEL_FOREVER;

	for (uint32_t i = 0; i < set->count; i++) {
		if (sets->members[set->first + i].expires < first)
			first = sets->members[set->first + i].expires;
	}
	return first;
}

uint32_t arq_label_sets_expiring(const struct arq_label_sets *sets, uint32_t number)
{
	const struct arq_label_set *set = &sets->sets[number];
	uint32_t expiring = 0;

	for (uint32_t i = 0; i < set->count; i++)
		expiring += sets->members[set->first + i].expires != ARQ_LABEL_FOREVER;
	return expiring;
}

int arq_label_sets_after(struct arq_label_sets *sets, uint32_t number, uint64_t now,
			 uint32_t *result)
{
	const struct arq_label_set *set = &sets->sets[number];
	size_t count = 0;

	int status = reserve((void **)&sets->scratch, set->count, &sets->scratch_capacity,
			     sizeof(*sets->scratch));
	if (status)
		return status;
	for (uint32_t i = 0; i < set->count; i++) {
		if (sets->members[set->first + i].expires > now)
			sets->scratch[count++] = sets->members[set->first + i];
	}
	return intern(sets, sets->scratch, count, result);
}

/* The set of the same labels, none of which expires. */
static int make_permanent(struct arq_label_sets *sets, uint32_t number, uint32_t *result)
{
	const struct arq_label_set *set = &sets->sets[number];

	int status = reserve((void **)&sets->scratch, set->count, &sets->scratch_capacity,
			     sizeof(*sets->scratch));
	if (status)
		return status;
	for (uint32_t i = 0; i < set->count; i++) {
		sets->scratch[i] = sets->members[set->first + i];
		sets->scratch[i].expires = ARQ_LABEL_FOREVER;
	}
	return intern(sets, sets->scratch, set->count, result);
}

int arq_label_sets_class(struct arq_label_sets *sets, uint32_t number, uint32_t *class)
{
	size_t capacity = sets->class_capacity;
	uint32_t permanent;

	*class = sets->sets[number].class;
	if (*class != NONE)
		return 0;
	int status = make_permanent(sets, number, &permanent);
	if (status == 0)
		status = reserve((void **)&sets->classes, (size_t)sets->class_count + 1, &capacity,
				 sizeof(*sets->classes));
	if (status)
		return status;
	sets->class_capacity = (uint32_t)capacity;
	if (sets->sets[permanent].class == NONE) {
		sets->sets[permanent].class = sets->class_count;
		sets->classes[sets->class_count++] = permanent;
	}
	*class = sets->sets[permanent].class;
	sets->sets[number].class = *class;
	return 0;
}
