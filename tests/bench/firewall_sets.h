/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The sets of prefixes that bench_firewall denies, each in three forms: our tables alone, the
 * kernel's LPM tries, and a set of rules. Prefixes are random, of lengths 20 to 32 and 40 to 64, in
 * the space that packets come from. Messages go to stderr.
 */
#ifndef ARQUANT_TESTS_BENCH_FIREWALL_SETS_H
#define ARQUANT_TESTS_BENCH_FIREWALL_SETS_H

#include "tests/bench/xdp.h"
#include "userspace/common/rule.h"

/* Index of a set. */
enum bench_set {
	BENCH_SET_8K,
	BENCH_SET_1M,
	BENCH_SETS,
};

/* Makes the prefixes. Returns 0 or a negative errno. */
int bench_sets_make(void);
void bench_sets_free(void);

/* A program that drops by one set and does nothing else; its descriptor, or a negative errno. Says
 * how large the tables are. */
int bench_sets_load_ours(enum bench_set set);
int bench_sets_load_tries(enum bench_set set);

/* Adds the set to a rule set without sets, as number 0. */
int bench_sets_add(struct arq_ruleset *ruleset, enum bench_set set);

/* Half of the packets from prefixes of the set. */
void bench_sets_packets(struct bench_packet *packets, enum bench_set set, bool v4);

#endif
