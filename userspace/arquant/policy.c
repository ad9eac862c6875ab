// SPDX-License-Identifier: BSD-2-Clause
#include "userspace/arquant/policy.h"

#include "userspace/arquant/progress.h"
#include "userspace/common/set_file.h"

static int read_set(struct arq_set *set, struct arq_error *error)
{
	struct arq_progress progress;

	arq_progress_begin(&progress, "reading", set->name);
	const struct arq_set_progress report = {arq_progress_report, &progress};
	int status = arq_set_read_file(set, set->file, &report, error);
	arq_progress_end(&progress);
	return status ? arq_error_prefix(error, status, "firewall set '%s'", set->name) : 0;
}

int arq_policy_read_sets(struct arq_ruleset *ruleset, const struct arq_set *but,
			 struct arq_error *error)
{
	int status = 0;

	for (uint32_t i = 0; i < ruleset->set_count && status == 0; i++) {
		struct arq_set *set = &ruleset->sets[i];
		if (set->file && set != but)
			status = read_set(set, error);
	}
	return status;
}
