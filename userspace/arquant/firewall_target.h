/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The interfaces that a subcommand of `arquant firewall` works on: those named, or all of this
 * network namespace that run our firewall, in its own slot or in the bundle.
 */
#ifndef ARQUANT_COMMAND_FIREWALL_TARGET_H
#define ARQUANT_COMMAND_FIREWALL_TARGET_H

#include "progs/firewall/generation.h"
#include "userspace/common/error.h"

#include <limits.h>
#include <net/if.h>
#include <stddef.h>

#define ARQ_FIREWALL_TARGETS_MAX 64 /* as many as a configuration has interfaces */

struct arq_firewall_target {
	char name[IF_NAMESIZE];
	char directory[PATH_MAX]; /* of its pins */
	enum arq_program_id program; /* ARQ_PROGRAM_FIREWALL or _BUNDLE */
	struct arq_generations *generations;
};

struct arq_firewall_targets {
	size_t count;
	struct arq_firewall_target items[ARQ_FIREWALL_TARGETS_MAX];
};

/*
 * Finds and opens them: at least one. Needs the privileges of program.h. Returns 0 and *targets,
 * or a negative errno with the reason in `error`.
 */
int arq_firewall_targets_open(char *const *names, size_t count,
			      struct arq_firewall_targets **targets, struct arq_error *error);

/* NULL is fine. */
void arq_firewall_targets_close(struct arq_firewall_targets *targets);

#endif
