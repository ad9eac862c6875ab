/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Text in Prometheus' exposition format, version 0.0.4: the lines of one metric after another, each
 * metric begun by its help and type. Label values may be any octets; they are escaped.
 */
#ifndef ARQUANT_ARQUANTD_EXPOSITION_H
#define ARQUANT_ARQUANTD_EXPOSITION_H

#include "userspace/common/histogram.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What HTTP calls it. */
#define ARQ_EXPOSITION_TYPE "text/plain; version=0.0.4; charset=utf-8"

struct arq_label {
	const char *name; /* NULL ends a list before its length */
	const char *value;
};

/* All zeroes is an empty one. */
struct arq_exposition {
	char *text; /* not terminated by zero; for the caller to free */
	size_t length;
	size_t capacity;
	bool failed; /* for want of memory: the text is not whole */
};

/* `type`: "counter", "gauge" or "histogram". */
void arq_exposition_begin(struct arq_exposition *out, const char *name, const char *type,
			  const char *help);

void arq_exposition_integer(struct arq_exposition *out, const char *name,
			    const struct arq_label *labels, size_t count, uint64_t value);

/* Of ns, written as seconds, exactly. */
void arq_exposition_seconds(struct arq_exposition *out, const char *name,
			    const struct arq_label *labels, size_t count, uint64_t ns);

/* The lines of buckets, sum and count; at most ARQ_EXPOSITION_LABELS labels. */
void arq_exposition_histogram(struct arq_exposition *out, const char *name,
			      const struct arq_label *labels, size_t count,
			      const struct arq_histogram *histogram);

#define ARQ_EXPOSITION_LABELS 6

#endif
