/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who asks for metrics: GET /metrics by HTTP/1.1 on a TCP address (gateway.admin.metrics), answered
 * in Prometheus' text format. Without encryption or passwords, as Prometheus' exporters are; hence
 * loopback, or a network of the operators'.
 *
 * libmicrohttpd without a thread of its own: the main thread waits for arq_exporter_fd and
 * arq_exporter_timeout and calls arq_exporter_serve, nothing blocks. A few clients at a time, each
 * with a bounded buffer and a time to say something.
 */
#ifndef ARQUANT_ARQUANTD_EXPORTER_H
#define ARQUANT_ARQUANTD_EXPORTER_H

#include "userspace/common/address.h"
#include "userspace/common/error.h"

#include <stddef.h>

struct arq_exporter;

struct arq_exporter_options {
	union arq_address address;
	/* The text, of *length bytes, for this to free; NULL for want of memory. */
	char *(*text)(void *user, size_t *length);
	const char *type; /* of the text, for HTTP; borrowed */
	void *user;
};

/* Returns 0 and *exporter, or a negative errno with the reason in `error`. */
int arq_exporter_open(const struct arq_exporter_options *options, struct arq_exporter **exporter,
		      struct arq_error *error);

/* Readable when there is something to do. */
int arq_exporter_fd(const struct arq_exporter *exporter);

/* Milliseconds after which there is something to do all the same; -1: never. */
int arq_exporter_timeout(const struct arq_exporter *exporter);

/* Does what there is to do. */
void arq_exporter_serve(struct arq_exporter *exporter);

/* NULL is allowed. */
void arq_exporter_close(struct arq_exporter *exporter);

#endif
