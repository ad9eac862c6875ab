/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The reload of the whole configuration while the daemon runs: read, checked and compiled aside,
 * then every worker switches to it between two rounds of its loop, or nothing changes at all.
 * Main thread.
 *
 * The files are read with the privileges that are left after the start, so the user of
 * gateway.user must be able to read the configuration, certificates, keys and authorities.
 */
#ifndef ARQUANT_ARQUANTD_RELOAD_H
#define ARQUANT_ARQUANTD_RELOAD_H

#include "userspace/arquantd/generation.h"
#include "userspace/arquantd/resolver.h"
#include "userspace/arquantd/worker.h"

#include <stddef.h>

/* How long a start or a reload waits for the addresses of names that nobody asked for before. */
#define ARQ_RELOAD_NAMES_PATIENCE UINT64_C(5000000000)

struct arq_reload_parts {
	struct arq_generation_secrets *secrets;
	struct arq_resolver *resolver; /* asks for the new configuration's names afterwards */
	struct arq_worker *const *workers;
	size_t workers_count;
};

/*
 * Replaces *generation, and destroys the one before, when all of the workers have taken the new
 * one. Returns 0, or a negative errno with the reason in `error` and all as it was.
 */
int arq_reload(struct arq_generation **generation, const struct arq_reload_parts *parts,
	       struct arq_error *error);

/* Logs a warning when a reload will not be able to read a file that the start could. */
void arq_reload_warn_unreadable(const struct arq_config *config);

#endif
