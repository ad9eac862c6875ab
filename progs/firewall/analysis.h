/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is odd about a rule set, found without running it: rules that no packet reaches, that match
 * nothing, or that change nothing. Every finding is true; what is not found may still be there: the
 * analysis gives up on a rule whose packets fall into too many pieces, and does not know which
 * combinations of fields no packet has. Sets are taken as they are now, as if nothing expired.
 *
 * Pure memory, no privileges. 4096 rules take a second or so.
 */
#ifndef ARQUANT_PROGS_FIREWALL_ANALYSIS_H
#define ARQUANT_PROGS_FIREWALL_ANALYSIS_H

#include "userspace/common/rule.h"

enum arq_finding_kind {
	ARQ_FINDING_EMPTY, /* no packet can match the rule */
	ARQ_FINDING_UNREACHABLE, /* a former rule matches all that it does */
	ARQ_FINDING_SHADOWED, /* several former rules together do */
	ARQ_FINDING_REDUNDANT, /* without it, what it decides would be decided the same */
	ARQ_FINDING_UNDECIDED, /* too complicated to say */
	ARQ_FINDING_UNUSED_SET, /* no rule names the set */
};

/* Former rules that are named with a finding; more are counted. */
#define ARQ_FINDING_OTHERS_MAX 8

struct arq_finding {
	enum arq_finding_kind kind;
	uint32_t index; /* of the rule, or of the set, from 0 */
	uint32_t others[ARQ_FINDING_OTHERS_MAX]; /* rules, from 0; those before it that matter */
	uint32_t other_count; /* also beyond what is in others */
};

struct arq_findings {
	struct arq_finding *items; /* by rule, then sets */
	uint32_t count;
};

/* "unreachable": stable words for programs. */
const char *arq_finding_name(enum arq_finding_kind kind);

/* Returns 0, then arq_findings_clear() them, or -ENOMEM. */
int arq_ruleset_analyse(const struct arq_ruleset *ruleset, struct arq_findings *findings);

void arq_findings_clear(struct arq_findings *findings);

#endif
