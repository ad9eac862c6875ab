/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From ranges of rules to rows: goes once through the values of a field, from one boundary of any
 * rule's range to the next, and makes the row of the rules that match in between. Inside the
 * compiler; compile.h is its face.
 */
#ifndef ARQUANT_PROGS_FIREWALL_SWEEP_H
#define ARQUANT_PROGS_FIREWALL_SWEEP_H

#include "progs/firewall/rows.h"
#include "progs/firewall/rule.h"

#include <stddef.h>
#include <stdint.h>

struct arq_boundary {
	uint64_t at; /* from this value on */
	uint32_t rule; /* from 0 on */
	bool matches; /* it does, or no more */
};

struct arq_sweep {
	uint32_t highest; /* value of the field */
	struct arq_bitmap always; /* rules that match every value */
	struct arq_boundary *boundaries;
	size_t count;
	size_t capacity;
};

/* A field with the values 0 to `highest`. */
void arq_sweep_begin(struct arq_sweep *sweep, uint32_t highest);
void arq_sweep_end(struct arq_sweep *sweep);

/*
 * The rule matches the values in any of the ranges (`negate`: in none). `ranges` is sorted in
 * place. Returns 0 or -ENOMEM.
 */
int arq_sweep_add(struct arq_sweep *sweep, uint32_t rule, struct arq_range *ranges, size_t count,
		  bool negate);

/* What sweep_run() found: values from `low` to `high` have this row. */
typedef int (*arq_sweep_visit)(uint32_t low, uint32_t high, uint16_t row, void *context);

/* Calls `visit` for neighbouring ranges from 0 to the highest value. Returns 0, or -E2BIG, or what
 * `visit` returned other than 0. */
int arq_sweep_run(struct arq_sweep *sweep, struct arq_rows_store *store, arq_sweep_visit visit,
		  void *context);

/* The same into a table with an element for each value. */
int arq_sweep_fill(struct arq_sweep *sweep, struct arq_rows_store *store, uint16_t *table);

#endif
