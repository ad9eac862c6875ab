/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the firewall's program and those who control it or read it share.
 *
 * Everything that decides and that a change of the rules changes is a generation: the tables of
 * one rule set, in maps of maps with two elements (progs/firewall/generation.h). Which of the two
 * is in force says one live word, `struct arq_generation_live` (arquant/generation.h) in section
 * `.data.live`, pinned as "live". What must outlive a change is outside of the generations:
 *
 *   rule_slots     array of struct arq_rule_slot, mmapable: the rules by name. A rule has a slot,
 *                  a number from 1 on that it keeps as long as a rule of its name and meaning is in
 *                  force, whatever its place in the order becomes. Verdicts and samples name rules
 *                  by their slots. In a rule set that is loaded first, slot and place are the same.
 *   rule_counters  array of struct arq_rule_counters by CPU, mmapable
 *
 * Both are pinned and taken over by a program that replaces another.
 */
#ifndef ARQUANT_FIREWALL_H
#define ARQUANT_FIREWALL_H

#include <linux/types.h>

#define ARQ_RULES_MAX     4096 /* of a rule set; prefixes belong into sets */
#define ARQ_RULE_NAME_MAX 64 /* with the final zero */

/* Room for two generations that have no rule in common, and slot 0. */
#define ARQ_RULE_SLOTS (2 * ARQ_RULES_MAX + 256)

/* The default verdict's counters. */
#define ARQ_RULE_SLOT_DEFAULT 0

enum arq_rule_action {
	ARQ_RULE_DROP,
	ARQ_RULE_PASS,
	ARQ_RULE_COUNT, /* counts the packet; the next rule that matches decides */
	ARQ_RULE_BLOCK, /* drops it, and whatever its source sends for a time */
};

#define ARQ_GENERATIONS 2

/* What holds beside the rules; part of a generation. */
struct arq_firewall_settings {
	__u8 default_action; /* enum arq_rule_action: PASS or DROP */
	__u8 default_control; /* not 0: the default verdict is for control traffic, too */
	__u8 reserved[6];
};

/* Value of `rule_slots`, at the slot. */
struct arq_rule_slot {
	char name[ARQ_RULE_NAME_MAX]; /* empty: free */
	__u64 meaning[2]; /* hash of what the rule says */
	__u32 numbers[ARQ_GENERATIONS]; /* its place in each, counted from 1; 0: not in it */
	__u32 action; /* enum arq_rule_action */
	__u32 reserved;
};

struct arq_rule_count {
	__u64 packets;
	__u64 bytes; /* of frames, as they came */
};

/* Value of `rule_counters`, at the CPU. Each CPU writes its own without atomics. */
struct arq_rule_counters {
	struct arq_rule_count slots[ARQ_RULE_SLOTS];
};

/* Key of the hash map `shadow_counters`: packets that the generations decide differently. */
struct arq_shadow_key {
	__u32 live; /* slot of the rule that decided; ARQ_RULE_SLOT_DEFAULT: none */
	__u32 shadow; /* slot of the rule that the other generation would have decided by */
	__u8 live_action; /* enum arq_rule_action */
	__u8 shadow_action;
	__u8 reserved[2];
};

#define ARQ_SHADOW_PAIRS_MAX 4096

#endif
