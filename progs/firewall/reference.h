/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the firewall should do, said a second time and as plainly as possible: a parser that goes
 * through a frame field by field, and an interpreter that asks one rule after the other as rule.h
 * defines them. Nothing here is shared with the program or the compiler. Tests hold the program
 * against it, and `arquant firewall test` shows both. No privileges.
 */
#ifndef ARQUANT_PROGS_FIREWALL_REFERENCE_H
#define ARQUANT_PROGS_FIREWALL_REFERENCE_H

#include "progs/firewall/rule.h"

#include <arquant/packet.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Fills all of `packet` but its identity, as the programs' parser does. */
void arq_reference_parse(const uint8_t *bytes, size_t length, struct arq_packet *packet);

struct arq_reference_question {
	const struct arq_ruleset *ruleset;
	const char *interface; /* NULL: rules for any interface count */
	uint32_t now; /* for sets' entries, seconds since 1970 */
	bool pass_malformed;
};

struct arq_reference_answer {
	bool drop;
	uint32_t reason; /* enum arq_reason */
	bool malformed; /* dropped before any rule was asked */
	uint32_t rule; /* that decided, counted from 1; 0: the default verdict */
	uint32_t counted_by; /* rules before it that only counted */
	uint64_t counted[ARQ_RULES_MAX / 64]; /* bit rule - 1 of each of them */
};

/*
 * Decides about a frame. Limits are not kept and blocks are not set: a rule with a limit decides as
 * if the packet were within it.
 */
void arq_reference_decide(const struct arq_reference_question *question, const uint8_t *bytes,
			  size_t length, struct arq_reference_answer *answer);

#endif
