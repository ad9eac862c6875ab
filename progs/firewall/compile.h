/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From a rule set to the tables of a generation: what the program finds rules by (classify.h), the
 * look-up tables for addresses (lookup.h), and what makes a rule the same as one before it. In
 * memory, without privileges; generation.h brings the result into the kernel.
 *
 * A rule set has room for ARQ_RULES_MAX rules; the tables have room for ARQ_ROWS different
 * combinations of rules that a value of a field may match, which thousands of rules with ports and
 * prefixes of their own do not use up.
 */
#ifndef ARQUANT_PROGS_FIREWALL_COMPILE_H
#define ARQUANT_PROGS_FIREWALL_COMPILE_H

#include "progs/firewall/classify.h"
#include "progs/firewall/lookup.h"
#include "progs/firewall/rule.h"
#include "userspace/common/error.h"

#include <stdint.h>

struct arq_compiled_rule {
	char name[ARQ_RULE_NAME_MAX];
	uint64_t meaning[2]; /* hash of conditions and consequences; sets go by their names */
};

struct arq_compiled {
	struct arq_generation *image; /* slots of rules are 0: generation.h knows them */
	uint32_t row_count; /* of the image, in use */
	uint32_t block_count;
	struct arq_lookup
		*lookups[ARQ_LOOKUP_TABLES]; /* NULL: no prefix, or the field is not used */
	struct arq_compiled_rule *rules; /* all of the rule set, in order */
	uint32_t rule_count;
};

/*
 * Compiles a rule set for an interface (NULL: as if rules named no interfaces); rules for others
 * only keep their numbers. Returns 0 and *compiled, or a negative errno with the rule in `error`:
 * -E2BIG for too many rules or combinations, -EINVAL for a rule that contradicts rule.h.
 */
int arq_compile(const struct arq_ruleset *ruleset, const char *interface,
		struct arq_compiled **compiled, struct arq_error *error);

/* NULL is fine. */
void arq_compiled_destroy(struct arq_compiled *compiled);

/* Is the rule one for this interface? */
bool arq_rule_is_for(const struct arq_rule *rule, const char *interface);

#endif
