// SPDX-License-Identifier: BSD-2-Clause
#include "progs/firewall/slots.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* More than twice as many as there are slots. A power of two. */
#define HASHES 32768

/* Slots in use by what their rules say. */
struct index {
	uint16_t slots[HASHES]; /* 0: free */
};

static bool in_use(const struct arq_rule_slot *slot)
{
	for (uint32_t i = 0; i < ARQ_GENERATIONS; i++) {
		if (slot->numbers[i])
			return true;
	}
	return false;
}

static void add(struct index *index, const struct arq_rule_slot *slots, uint32_t slot)
{
	uint32_t at = (uint32_t)slots[slot].meaning[0] % HASHES;

	while (index->slots[at])
		at = (at + 1) % HASHES;
	index->slots[at] = (uint16_t)slot;
}

/* The slot of a rule, 0 if it has none. */
static uint32_t find(const struct index *index, const struct arq_rule_slot *slots,
		     const struct arq_compiled_rule *rule)
{
	uint32_t at = (uint32_t)rule->meaning[0] % HASHES;

	for (; index->slots[at]; at = (at + 1) % HASHES) {
		const struct arq_rule_slot *slot = &slots[index->slots[at]];
		if (memcmp(slot->meaning, rule->meaning, sizeof(slot->meaning)) == 0 &&
		    strcmp(slot->name, rule->name) == 0)
			return index->slots[at];
	}
	return 0;
}

/* Makes a free slot that of a rule. */
static void take(const struct arq_slots *slots, uint32_t slot, const struct arq_compiled_rule *rule,
		 uint32_t action)
{
	for (uint32_t cpu = 0; cpu < slots->cpus; cpu++)
		memset(&slots->counters[cpu].slots[slot], 0, sizeof(struct arq_rule_count));
	slots->limits[slot] = (struct arq_limit_state){0};
	memcpy(slots->slots[slot].name, rule->name, sizeof(rule->name));
	memcpy(slots->slots[slot].meaning, rule->meaning, sizeof(rule->meaning));
	slots->slots[slot].action = action;
}

void arq_slots_release(const struct arq_slots *slots, uint32_t number)
{
	for (uint32_t slot = 1; slot < ARQ_RULE_SLOTS; slot++)
		slots->slots[slot].numbers[number] = 0;
}

int arq_slots_assign(const struct arq_slots *slots, const struct arq_compiled *compiled,
		     uint32_t number)
{
	struct arq_generation *image = compiled->image;
	struct arq_rule_slot *all = slots->slots;
	uint32_t free_slot = 1;

	struct index *index = calloc(1, sizeof(*index));
	if (!index)
		return -ENOMEM;
	arq_slots_release(slots, number);
	for (uint32_t slot = 1; slot < ARQ_RULE_SLOTS; slot++) {
		if (in_use(&all[slot]))
			add(index, all, slot);
	}
	/* Those that have a slot first, so that nobody takes it from them. */
	for (uint32_t i = 0; i < compiled->rule_count; i++) {
		bool here = image->valid[i / 64] >> i % 64 & 1;
		uint32_t slot = here ? find(index, all, &compiled->rules[i]) : 0;
		image->consequences[i].slot = (uint16_t)slot;
		if (slot)
			all[slot].numbers[number] = i + 1;
	}
	for (uint32_t i = 0; i < compiled->rule_count; i++) {
		if (image->consequences[i].slot || !(image->valid[i / 64] >> i % 64 & 1))
			continue;
		uint32_t slot = i + 1;
		if (in_use(&all[slot])) {
			while (in_use(&all[free_slot]))
				free_slot++;
			slot = free_slot;
		}
		take(slots, slot, &compiled->rules[i], image->consequences[i].action);
		all[slot].numbers[number] = i + 1;
		image->consequences[i].slot = (uint16_t)slot;
	}
	free(index);
	return 0;
}
