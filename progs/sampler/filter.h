/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which samples a reader wants to see. A filter is a list of terms, KEY=VALUE or
 * KEY=VALUE,VALUE,... A sample passes when every term matches, and a term matches when one of its
 * values does:
 *
 *   slot=firewall           the program that took it: firewall, sampler
 *   verdict=drop            XDP action: aborted, drop, pass, tx, redirect
 *   reason=udp-length       a name of arquant/reason.h
 *   rule=bad-sources        a rule's name, or its number
 *   service=192.0.2.1:443   destination address and UDP port
 *   from=10.0.0.0/8         source address; to=: destination; flow=: one of the two
 *   proto=udp               IP protocol, by name or number
 *
 * One thread. No allocation after the terms are added.
 */
#ifndef ARQUANT_PROGS_SAMPLER_FILTER_H
#define ARQUANT_PROGS_SAMPLER_FILTER_H

#include "progs/sampler/control.h"
#include "progs/sampler/flow.h"
#include "userspace/common/address.h"
#include "userspace/common/error.h"

#include <arquant/sample.h>

#define ARQ_FILTER_TERMS_MAX  16
#define ARQ_FILTER_VALUES_MAX 16 /* of a term */

enum arq_filter_key {
	ARQ_FILTER_SLOT,
	ARQ_FILTER_VERDICT,
	ARQ_FILTER_REASON,
	ARQ_FILTER_RULE,
	ARQ_FILTER_SERVICE,
	ARQ_FILTER_FROM,
	ARQ_FILTER_TO,
	ARQ_FILTER_FLOW,
	ARQ_FILTER_PROTO,
	ARQ_FILTER_KEYS,
};

struct arq_filter_value {
	uint32_t number; /* of slot, verdict, reason, rule, protocol */
	char name[ARQ_RULE_NAME_MAX]; /* of a rule; "": by number */
	struct arq_prefix prefix;
	union arq_address address;
};

struct arq_filter_term {
	enum arq_filter_key key;
	unsigned int values_count;
	struct arq_filter_value values[ARQ_FILTER_VALUES_MAX];
};

/* Zero lets everything pass. */
struct arq_filter {
	unsigned int terms_count;
	struct arq_filter_term terms[ARQ_FILTER_TERMS_MAX];
};

/* Adds a term. Returns 0, or -EINVAL or -E2BIG with the reason in `error`. */
int arq_filter_add(struct arq_filter *filter, const char *term, struct arq_error *error);

/* `names` of the rules of the sample's interface; NULL for none. */
bool arq_filter_passes(const struct arq_filter *filter, const struct arq_sample *sample,
		       const struct arq_flow *flow, const struct arq_rule_names *names);

#endif
