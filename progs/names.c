// SPDX-License-Identifier: BSD-2-Clause
/* The lists of arquant/reason.h and arquant/program.h as tables. */
#include "progs/program.h"

#include <arquant/firewall.h>
#include <string.h>

#define REASON_ENTRY(number, constant, text, words) [number] = {text, words},
static const struct {
	const char *name;
	const char *meaning;
} reasons[] = {ARQ_REASONS(REASON_ENTRY)};

_Static_assert(sizeof(reasons) / sizeof(reasons[0]) <= ARQ_REASON_MAX,
	       "the counters have room for every reason");

#define PROGRAM_ENTRY(number, constant, text, symbol, order) [number] = {text, symbol, order},
static const struct {
	const char *name;
	const char *function;
	int priority;
} programs[] = {ARQ_PROGRAMS(PROGRAM_ENTRY)};

static const char *const actions[ARQ_ACTIONS] = {"aborted", "drop",     "pass",
						 "tx",      "redirect", "invalid"};

const char *arq_reason_name(uint32_t reason)
{
	return reason < sizeof(reasons) / sizeof(reasons[0]) ? reasons[reason].name : "unknown";
}

const char *arq_reason_meaning(uint32_t reason)
{
	return reason < sizeof(reasons) / sizeof(reasons[0]) ? reasons[reason].meaning : "unknown";
}

const char *arq_rule_action_name(uint32_t action)
{
	static const char *const names[] = {
		[ARQ_RULE_DROP] = "drop",
		[ARQ_RULE_PASS] = "pass",
		[ARQ_RULE_COUNT] = "count",
		[ARQ_RULE_BLOCK] = "block",
	};

	return action < sizeof(names) / sizeof(names[0]) ? names[action] : "unknown";
}

const char *arq_action_name(uint32_t action)
{
	return action < ARQ_ACTIONS ? actions[action] : "unknown";
}

const char *arq_program_name(uint32_t id)
{
	return id < ARQ_PROGRAM_COUNT ? programs[id].name : "unknown";
}

int arq_program_by_name(const char *name)
{
	for (int id = 0; id < ARQ_PROGRAM_COUNT; id++) {
		if (strcmp(programs[id].name, name) == 0)
			return id;
	}
	return -1;
}

const char *arq_program_function(enum arq_program_id id)
{
	return programs[id].function;
}

int arq_program_priority(enum arq_program_id id)
{
	return programs[id].priority;
}

bool arq_program_parses(enum arq_program_id id)
{
	return id != ARQ_PROGRAM_SAMPLER && id != ARQ_PROGRAM_PASS;
}
