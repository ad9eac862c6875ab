/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Random firewall rules, and random packets aimed at the edges of what they match. Everything
 * follows from the state that is handed in: the same state, the same rules and packets.
 */
#ifndef ARQUANT_TESTS_UNIT_TEST_FIREWALL_RANDOM_H
#define ARQUANT_TESTS_UNIT_TEST_FIREWALL_RANDOM_H

#include "progs/firewall/rule.h"
#include "tests/unit/test_progs_frames.h"

/* The interface that some rules are for; others are for "other0". */
#define RANDOM_INTERFACE "eth0"

/* Makes a rule set of `count` rules. Clear it by arq_ruleset_clear(). */
void random_ruleset(struct arq_ruleset *ruleset, uint32_t count, uint64_t *random);

/* Makes a frame, at least 14 bytes long, for a rule set or for none of its rules. */
void random_frame(struct frame *frame, const struct arq_ruleset *ruleset, uint64_t *random);

/* A number below `limit`. */
uint32_t random_below(uint64_t *random, uint32_t limit);

#endif
