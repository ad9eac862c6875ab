/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Source prefixes of a policy in a form to sort, and their compilation to a table for
 * longest-prefix match. Inside the firewall's control half; policy.h is its face.
 */
#ifndef ARQUANT_PROGS_FIREWALL_SOURCE_H
#define ARQUANT_PROGS_FIREWALL_SOURCE_H

#include "progs/firewall/policy.h"

#include <stddef.h>
#include <stdint.h>

/* The address as a 128-bit number from its first bit on; IPv4 fills the first 32. */
struct arq_source {
	uint64_t high;
	uint64_t low;
	uint32_t rule; /* counted from 1 */
	uint8_t length;
};

struct arq_sources {
	struct arq_source *items;
	size_t count;
	size_t capacity;
};

/*
 * Compiles to one entry for each prefix that decides otherwise than the prefix around it; the
 * action is left to the caller. O(n log n). Returns 0 or -ENOMEM.
 */
int arq_sources_compile(const struct arq_sources *sources, int family,
			struct arq_policy_table *table);

/* Sets the bits of the prefixes of one family in its half of the filter. */
void arq_sources_filter(const struct arq_sources *sources, int family,
			uint8_t bits[ARQ_SOURCE_FILTER_BYTES]);

#endif
