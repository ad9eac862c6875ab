/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a trace found, for people and for programs. The keys of the JSON form are stable;
 * trace.schema.json says what they mean. One thread.
 */
#ifndef ARQUANT_COMMAND_TRACE_REPORT_H
#define ARQUANT_COMMAND_TRACE_REPORT_H

#include "dispatcher/trace.h"
#include "progs/sampler/control.h"

#include <stdio.h>

struct arq_trace_report {
	const struct arq_trace_run *run;
	bool skip_foreign; /* as the run was told */
	struct arq_rule_names rules; /* of the firewall there */
	uint64_t actions[ARQ_ACTIONS]; /* packets so far, by what became of them */
};

/* One packet and what the chain did with it. */
struct arq_trace_seen {
	uint64_t number; /* in its file; 0: of none */
	const uint8_t *frame;
	size_t length;
	size_t captured; /* less than length: the rest is zero */
	const struct arq_trace_result *result;
};

/* A table of slots, and the verdict. */
void arq_trace_print_table(struct arq_trace_report *report, const struct arq_trace_seen *seen,
			   FILE *stream);

/* One line, for packets of a file. */
void arq_trace_print_line(struct arq_trace_report *report, const struct arq_trace_seen *seen,
			  FILE *stream);

/* What holds for all packets: how many of what, and what to know about it. */
void arq_trace_print_end(const struct arq_trace_report *report, FILE *stream);

/* One JSON object on a line. */
void arq_trace_print_json(struct arq_trace_report *report, const struct arq_trace_seen *seen,
			  FILE *stream);

#endif
