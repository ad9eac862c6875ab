/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the daemon tells of itself: generation, listeners, and each worker's counters at one moment
 * of it. The keys are stable (userspace/arquantd/gateway-status.schema.json). Main thread.
 */
#ifndef ARQUANT_ARQUANTD_STATUS_H
#define ARQUANT_ARQUANTD_STATUS_H

#include "userspace/arquantd/binding.h"
#include "userspace/arquantd/generation.h"
#include "userspace/arquantd/resolver.h"
#include "userspace/arquantd/worker.h"

#include <json-c/json.h>

struct arq_status_source {
	const struct arq_generation *generation;
	const struct arq_bindings *bindings;
	struct arq_worker *const *workers;
	uint16_t workers_count;
	const struct arq_access_log *access_log; /* NULL: there is none */
	const struct arq_resolver *resolver;
	bool draining;
};

/* An object for the caller to put, NULL for want of memory; a worker that has ended is left out. */
struct json_object *arq_status_read(const struct arq_status_source *source);

/*
 * Gives targets of that address, or that the configuration writes so, no new requests in any pool,
 * or ends that. Returns how many there are in all pools.
 */
size_t arq_status_drain(const struct arq_generation *generation, const char *address, bool drain);

#endif
