/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The firewall's policy in memory: rules in order, the first that matches decides, no match passes.
 * A rule matches source prefixes, of IPv4 and IPv6. It is built rule by rule, and prefix by prefix
 * or from a file; arq_program_open() compiles it into the program's tables.
 *
 * How first-match-wins becomes longest-prefix-match: every prefix of the policy becomes one entry,
 * whose value is the lowest-numbered rule among all prefixes that cover it (itself included). The
 * longest prefix that covers an address then carries the first rule that matches it. Entries that
 * would say the same as the entry around them are left out.
 *
 * A million prefixes take about 50 MB and a second. Not thread-safe.
 */
#ifndef ARQUANT_PROGS_FIREWALL_POLICY_H
#define ARQUANT_PROGS_FIREWALL_POLICY_H

#include "userspace/common/error.h"
#include "userspace/common/prefix.h"

#include <arquant/firewall.h>

#include <stddef.h>
#include <stdint.h>

struct arq_policy;

/* Returns a policy without rules, or NULL without memory. */
struct arq_policy *arq_policy_create(void);
void arq_policy_destroy(struct arq_policy *policy);

/*
 * Adds a rule at the end. `name` is copied: 1 to ARQ_RULE_NAME_MAX - 1 characters, unique.
 * Returns the number of the rule, counted from 1, or a negative errno with `error` set.
 */
int arq_policy_add_rule(struct arq_policy *policy, const char *name, enum arq_rule_action action,
			struct arq_error *error);

/* Adds a source prefix to rule `rule`. Returns 0, or a negative errno with `error` set. */
int arq_policy_add_source(struct arq_policy *policy, uint32_t rule, const struct arq_prefix *prefix,
			  struct arq_error *error);

/*
 * Adds every prefix of a text file: one a line, blanks around it ignored, '#' starts a comment,
 * empty lines are fine. All or nothing. Returns the number of prefixes added, or a negative errno
 * with file and line in `error`.
 */
int arq_policy_add_source_file(struct arq_policy *policy, uint32_t rule, const char *path,
			       struct arq_error *error);

/* Rules, and the name of rule 1 to count; NULL for another number. */
size_t arq_policy_rule_count(const struct arq_policy *policy);
const char *arq_policy_rule_name(const struct arq_policy *policy, uint32_t rule);

/* Source prefixes of all rules, of AF_INET or AF_INET6. */
size_t arq_policy_source_count(const struct arq_policy *policy, int family);

/* What the tables hold for one family. Keys and values are as the maps want them, in arrays. */
struct arq_policy_table {
	void *keys; /* struct arq_source_key_v4 or _v6 */
	struct arq_source_rule *values;
	uint32_t count;
};

/*
 * Compiles the prefixes of one family (AF_INET, AF_INET6). Returns 0, then arq_policy_table_free()
 * it; or -ENOMEM.
 */
int arq_policy_compile(const struct arq_policy *policy, int family, struct arq_policy_table *table);
void arq_policy_table_free(struct arq_policy_table *table);

/* Makes the filter that stands before the tables of both families. */
void arq_policy_filter(const struct arq_policy *policy, struct arq_source_filter *filter);

#endif
