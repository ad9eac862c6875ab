// SPDX-License-Identifier: BSD-2-Clause
#include "userspace/arquant/firewall_change.h"

#include "progs/firewall/compile.h"
#include "userspace/arquant/progress.h"

static int prepare(const struct arq_firewall_target *target,
		   const struct arq_config_firewall *firewall, struct arq_error *error)
{
	struct arq_compiled *compiled = NULL;
	struct arq_progress progress;

	arq_progress_begin(&progress, "making the tables of", target->name);
	arq_progress_show(&progress);
	int code = arq_compile(&firewall->ruleset, target->name, &compiled, error);
	if (code == 0)
		code = arq_generation_prepare(target->generations, compiled, firewall->guards,
					      error);
	arq_compiled_destroy(compiled);
	arq_progress_end(&progress);
	return code ? arq_error_prefix(error, code, "%s", target->name) : 0;
}

int arq_firewall_change_prepare(const struct arq_firewall_targets *targets,
				const struct arq_config_firewall *firewall, struct arq_error *error)
{
	size_t done = 0;
	int code = 0;

	while (code == 0 && done < targets->count)
		code = prepare(&targets->items[done++], firewall, error);
	/* A target that failed has dropped what it had. */
	for (size_t i = 0; code && i + 1 < done; i++)
		arq_generation_drop(targets->items[i].generations);
	return code;
}

/* A store for each. What is not needed any more goes with the next change at last. */
void arq_firewall_change_commit(const struct arq_firewall_targets *targets, uint64_t trial_ns)
{
	for (size_t i = 0; i < targets->count; i++)
		arq_generation_commit(targets->items[i].generations, trial_ns);
	if (!trial_ns)
		arq_firewall_change_drop(targets);
}

void arq_firewall_change_drop(const struct arq_firewall_targets *targets)
{
	for (size_t i = 0; i < targets->count; i++)
		arq_generation_drop(targets->items[i].generations);
}
