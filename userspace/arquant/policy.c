// SPDX-License-Identifier: BSD-2-Clause
#include "userspace/arquant/policy.h"

#include "userspace/common/set_file.h"

int arq_policy_read_sets(struct arq_ruleset *ruleset, struct arq_error *error)
{
	for (uint32_t i = 0; i < ruleset->set_count; i++) {
		struct arq_set *set = &ruleset->sets[i];
		int status = set->file ? arq_set_read_file(set, set->file, NULL, error) : 0;
		if (status)
			return arq_error_prefix(error, status, "firewall set '%s'", set->name);
	}
	return 0;
}
