/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The access log: a line of JSON for each request that is over (access-log.schema.json).
 *
 * Workers put records into rings, one for each worker, and never wait: what does not fit is lost
 * and counted. One thread takes them out, formats them and writes whole lines. Who rotates the file
 * renames it and asks for it to be opened anew; until then lines go on to the renamed one, so none
 * is lost.
 */
#ifndef ARQUANT_ARQUANTD_ACCESS_LOG_H
#define ARQUANT_ARQUANTD_ACCESS_LOG_H

#include "userspace/common/error.h"
#include "userspace/proxy/record.h"

#include <stddef.h>
#include <stdint.h>

struct arq_access_log;

/* For `workers` workers; `path` is borrowed. Nothing is opened yet. Returns 0 and *log, or -ENOMEM.
 */
int arq_access_log_create(const char *path, uint16_t workers, struct arq_access_log **log);

/*
 * Opens the file, or makes it with mode 0640, and starts the thread: with the privileges that there
 * will be when it is opened anew, so that what works now works then. Returns 0, or a negative errno
 * with the reason in `error`.
 */
int arq_access_log_start(struct arq_access_log *log, struct arq_error *error);

/* Where a worker's records go; for the thread of that worker only. */
struct arq_record_sink arq_access_log_sink(struct arq_access_log *log, uint16_t worker);

/* Has the thread open the file anew. Any thread; not waited for. */
void arq_access_log_reopen(struct arq_access_log *log);

struct arq_access_log_counters {
	uint64_t written; /* records in the file */
	uint64_t lost_full; /* the ring was full, or no memory */
	uint64_t lost_failed; /* the file did not take them */
};

/* Any thread. */
void arq_access_log_read(const struct arq_access_log *log,
			 struct arq_access_log_counters *counters);

/* Writes what is there, when nobody puts anything in any more. NULL is allowed. */
void arq_access_log_destroy(struct arq_access_log *log);

#endif
