/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What runs on interfaces, for people and for programs: the chain of each, and the counters of
 * those programs in it that are ours. Read at once, printed later. The keys of the JSON form are
 * stable; status.schema.json says what they mean. Needs root to read, nothing to print. One thread.
 */
#ifndef ARQUANT_REPORT_H
#define ARQUANT_REPORT_H

#include "userspace/common/error.h"

#include <stdio.h>

struct arq_report;

/* An empty report, or NULL without memory. */
struct arq_report *arq_report_create(void);
void arq_report_destroy(struct arq_report *report);

/*
 * Adds an interface. Returns 0, or a negative errno with the reason in `error` (-ENODEV: there is
 * none of that name).
 */
int arq_report_add(struct arq_report *report, const char *interface, struct arq_error *error);

/* The same, but an interface without any XDP program is left out. */
int arq_report_add_if_used(struct arq_report *report, const char *interface,
			   struct arq_error *error);

/*
 * From now on the report is printed with rates, since `before`, which is borrowed and was made
 * earlier.
 */
void arq_report_compare(struct arq_report *report, const struct arq_report *before);

/* The slot table of each interface, with the reasons of our programs below. */
void arq_report_print_table(const struct arq_report *report, FILE *stream);

/* One line for each interface: what of ours runs there, and how. */
void arq_report_print_summary(const struct arq_report *report, FILE *stream);

/* One JSON document, and the same on one line. */
void arq_report_print_json(const struct arq_report *report, FILE *stream);
void arq_report_print_json_line(const struct arq_report *report, FILE *stream);

#endif
