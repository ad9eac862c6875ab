// SPDX-License-Identifier: BSD-2-Clause
#include "userspace/arquant/firewall_target.h"

#include "dispatcher/kernel.h"
#include "dispatcher/pins.h"
#include "progs/program.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int open_target(struct arq_firewall_targets *targets, const char *name,
		       const char *directory, struct arq_error *error)
{
	if (targets->count == ARQ_FIREWALL_TARGETS_MAX)
		return arq_error_set(error, -ENOSPC, "more than %d interfaces; name fewer",
				     ARQ_FIREWALL_TARGETS_MAX);
	struct arq_firewall_target *target = &targets->items[targets->count];
	snprintf(target->name, sizeof(target->name), "%s", name);
	snprintf(target->directory, sizeof(target->directory), "%s", directory);
	target->program = arq_program_pinned(ARQ_PROGRAM_BUNDLE, directory) ? ARQ_PROGRAM_BUNDLE
									    : ARQ_PROGRAM_FIREWALL;
	if (!arq_program_pinned(target->program, directory))
		return arq_error_set(error, -ENOENT,
				     "%s: our firewall is not loaded; 'arquant load %s' does that",
				     name, name);
	int code = arq_generations_open(target->program, directory, &target->generations, error);
	if (code)
		return arq_error_prefix(error, code, "%s", name);
	targets->count++;
	return 0;
}

struct visit {
	struct arq_firewall_targets *targets;
	struct arq_error *error;
};

/* What has no firewall among what is pinned is passed over. */
static int visit_pins(const char *directory, unsigned int ifindex, bool here, void *context)
{
	struct visit *visit = context;
	char name[IF_NAMESIZE];

	if (!here || !if_indextoname(ifindex, name))
		return 0;
	if (!arq_program_pinned(ARQ_PROGRAM_FIREWALL, directory) &&
	    !arq_program_pinned(ARQ_PROGRAM_BUNDLE, directory))
		return 0;
	return open_target(visit->targets, name, directory, visit->error);
}

static int open_all(struct arq_firewall_targets *targets, struct arq_error *error)
{
	struct visit visit = {targets, error};

	int code = arq_pins_walk(visit_pins, &visit);
	if (code && !error->text[0])
		return arq_error_set(error, code, "cannot look for firewalls: %s", strerror(-code));
	if (!code && !targets->count)
		return arq_error_set(error, -ENOENT,
				     "no interface runs our firewall; load it by 'arquant load'");
	return code;
}

static int open_named(struct arq_firewall_targets *targets, char *const *names, size_t count,
		      struct arq_error *error)
{
	char directory[PATH_MAX];
	int code = 0;

	for (size_t i = 0; !code && i < count; i++) {
		unsigned int ifindex = if_nametoindex(names[i]);
		for (size_t j = 0; j < i; j++) {
			if (strcmp(names[i], names[j]) == 0)
				return arq_error_set(error, -EINVAL, "'%s' is named twice",
						     names[i]);
		}
		code = ifindex ? arq_pins_path(directory, ifindex) : -ENODEV;
		code = code ? arq_error_set(error, code,
					    "there is no interface '%.40s'; see 'ip link'",
					    names[i])
			    : open_target(targets, names[i], directory, error);
	}
	return code;
}

int arq_firewall_targets_open(char *const *names, size_t count,
			      struct arq_firewall_targets **targets, struct arq_error *error)
{
	*targets = NULL;
	int code = arq_kernel_check_privileges(error);
	if (code)
		return code;
	struct arq_firewall_targets *opened = calloc(1, sizeof(*opened));
	if (!opened)
		return arq_error_set(error, -ENOMEM, "out of memory");
	code = count ? open_named(opened, names, count, error) : open_all(opened, error);
	if (code) {
		arq_firewall_targets_close(opened);
		return code;
	}
	*targets = opened;
	return 0;
}

void arq_firewall_targets_close(struct arq_firewall_targets *targets)
{
	if (!targets)
		return;
	for (size_t i = 0; i < targets->count; i++)
		arq_generations_close(targets->items[i].generations);
	free(targets);
}
