/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From the configuration's words to what programs are loaded with. Pure memory, no privileges.
 */
#ifndef ARQUANT_POLICY_H
#define ARQUANT_POLICY_H

#include "userspace/common/config.h"

/*
 * Reads the files of the sets that have one (userspace/common/set_file.h), but not that of `but`
 * (NULL: all), whose entries are there already. Long files show how far it is on a terminal.
 * Returns 0, or a negative errno with file and line in `error`.
 */
int arq_policy_read_sets(struct arq_ruleset *ruleset, const struct arq_set *but,
			 struct arq_error *error);

#endif
