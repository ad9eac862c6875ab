/* SPDX-License-Identifier: BSD-2-Clause */
/* What a report holds, for those who print it (inside report.h's module). */
#ifndef ARQUANT_REPORT_ENTRY_H
#define ARQUANT_REPORT_ENTRY_H

#include "dispatcher/chain.h"
#include "userspace/arquant/report.h"

#include <arquant/counters.h>
#include <arquant/program.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* An interface, and the counters of our programs there by enum arq_program_id. */
struct arq_report_entry {
	struct arq_chain chain;
	unsigned int protocol; /* of the dispatcher, 0: none, or unknown */
	bool present[ARQ_PROGRAM_COUNT]; /* in a slot, or a part of the bundle that is */
	bool missing[ARQ_PROGRAM_COUNT]; /* pinned, and in no slot: somebody took it out */
	bool has_counters[ARQ_PROGRAM_COUNT];
	struct arq_counters counters[ARQ_PROGRAM_COUNT];
};

struct arq_report {
	uint64_t read_ns; /* CLOCK_MONOTONIC */
	const struct arq_report *before; /* for rates; NULL: none */
	size_t count;
	struct arq_report_entry *entries;
};

/* The parts that the bundle can have, in the order they run. */
#define ARQ_REPORT_PARTS 3
extern const enum arq_program_id arq_report_parts[ARQ_REPORT_PARTS];

/* Seconds since the report before; 0 when there is none. */
double arq_report_seconds(const struct arq_report *report);

/*
 * The program's counters in the report before, for a rate; NULL when there are none, or they were
 * begun anew since.
 */
const struct arq_counters *arq_report_before(const struct arq_report *report,
					     const struct arq_report_entry *entry, int program);

#endif
