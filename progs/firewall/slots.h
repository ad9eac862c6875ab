/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which rule has which slot (arquant/firewall.h). Inside the firewall's control half; generation.h
 * is its face.
 */
#ifndef ARQUANT_PROGS_FIREWALL_SLOTS_H
#define ARQUANT_PROGS_FIREWALL_SLOTS_H

#include "progs/firewall/compile.h"

#include <arquant/firewall.h>
#include <stdint.h>

/* The maps' memory. */
struct arq_slots {
	struct arq_rule_slot *slots;
	struct arq_rule_counters *counters; /* by CPU */
	struct arq_limit_state *limits; /* by slot */
	uint32_t cpus;
};

/*
 * Gives each rule of `compiled` that is for the interface its slot in generation `number`, which
 * must not be in use: that of the rule which says the same in the other generation, or a free one,
 * whose counters and limit begin at 0; its own number if that is free. Writes them to
 * compiled->image->consequences. Returns 0 or -ENOMEM.
 */
int arq_slots_assign(const struct arq_slots *slots, const struct arq_compiled *compiled,
		     uint32_t number);

/* Nothing is in generation `number` any more. */
void arq_slots_release(const struct arq_slots *slots, uint32_t number);

#endif
