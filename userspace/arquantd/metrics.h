/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the daemon counts, as Prometheus' metrics. Their names, labels and meanings are one table:
 * it is what is exposed, what `arquantd --metrics` lists, and what the manual page has.
 *
 * Nothing is counted for this alone: a reading asks every worker once, between two rounds of its
 * loop, as `arquant gateway status` does, and costs nothing while nobody asks. Main thread.
 *
 * How many series there are is bounded by the configuration: requests by listener, route and pool
 * as far as there were any (tally.h), targets by pool and address, the rest by worker.
 */
#ifndef ARQUANT_ARQUANTD_METRICS_H
#define ARQUANT_ARQUANTD_METRICS_H

#include "userspace/arquantd/generation.h"
#include "userspace/arquantd/resolver.h"
#include "userspace/arquantd/worker.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct arq_metrics_reloads {
	uint64_t done, refused;
	bool last_refused;
};

struct arq_metrics_source {
	const struct arq_generation *generation;
	struct arq_worker *const *workers;
	uint16_t workers_count;
	const struct arq_access_log *access_log; /* NULL: there is none */
	const struct arq_offenders *offenders; /* NULL: nobody blocks them */
	const struct arq_resolver *resolver;
	struct arq_metrics_reloads reloads;
	bool draining;
	double started; /* seconds since 1970 */
};

/* The text in exposition.h's format, of *length bytes, for the caller to free; NULL for want of
 * memory. A worker that has ended is left out. */
char *arq_metrics_text(const struct arq_metrics_source *source, size_t *length);

/* One line for each metric: name, type, labels or "-", help, with tabs between. */
void arq_metrics_list(FILE *out);

/* Whether a counter of struct arq_worker_counters, by its offset, is exposed. */
bool arq_metrics_has(size_t offset);

#endif
