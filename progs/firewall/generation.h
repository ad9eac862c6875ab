/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Generations of rules in a loaded program: two places for the tables of a rule set, of which one
 * is in force (arquant/generation.h). A change fills the other place and then stores one word, so
 * every packet is decided by the old rules or by the new ones, and none is lost:
 *
 *   arq_generation_prepare()   fills the place that is not in force; nothing changes for packets
 *   arq_generation_commit()    it is in force, for good or on trial
 *   arq_generation_confirm()   ends the trial: now for good
 *   arq_generation_drop()      frees the place that is not in force: what was prepared and is not
 *                              wanted, or what was in force before
 *
 * What was in force before stays until it is dropped or until the next prepare. A trial that nobody
 * confirms ends by itself, whether or not the process that began it lives.
 *
 * Rules keep their slots, and with them their counters, over a change of the rules and over a
 * change of the program, when the rules in force have one of the same name that says the same.
 *
 * Needs what program.h needs. Not for two threads at once; two processes must be kept apart by the
 * lock of dispatcher/pins.h.
 */
#ifndef ARQUANT_PROGS_FIREWALL_GENERATION_H
#define ARQUANT_PROGS_FIREWALL_GENERATION_H

#include "progs/firewall/compile.h"
#include "progs/program.h"
#include "userspace/common/error.h"

#include <arquant/firewall.h>
#include <stdbool.h>
#include <stdint.h>

struct arq_generations;
struct arq_guards;

/*
 * Opens those of a loaded program, ARQ_PROGRAM_FIREWALL or _BUNDLE. Returns 0 and *generations, or
 * a negative errno with the reason in `error` (-ENOENT: not loaded).
 */
int arq_generations_open(enum arq_program_id id, const char *pin_directory,
			 struct arq_generations **generations, struct arq_error *error);

/* The same for an object whose maps exist; they may be closed afterwards. */
int arq_generations_open_object(const struct bpf_object *object,
				struct arq_generations **generations, struct arq_error *error);

/* NULL is fine. Changes nothing in the kernel. */
void arq_generations_close(struct arq_generations *generations);

/*
 * For a program that is not running yet: what is prepared and committed next gets this number.
 */
void arq_generations_begin(struct arq_generations *generations, uint32_t number);

/* The number of the generation in force at this moment. */
uint32_t arq_generations_current(const struct arq_generations *generations);

/* ns of CLOCK_MONOTONIC at which the trial of the generation in force ends; 0: none. */
uint64_t arq_generations_trial_end(const struct arq_generations *generations);

/*
 * Fills the generation that is not in force: rules, and what the guards are set to
 * (arquant/guards.h; NULL: no guards). Both are borrowed during the call. Returns 0, or a negative
 * errno with the reason in `error`, and then there is nothing in its place: -EBUSY while the one in
 * force is on trial (the other one is what it would go back to).
 */
int arq_generation_prepare(struct arq_generations *generations, const struct arq_compiled *compiled,
			   const struct arq_guards *guards, struct arq_error *error);

/*
 * Puts the generation that is not in force into force: for good (`trial_ns` 0), or for a time,
 * after which the one before is in force again. Ends a shadow evaluation.
 */
void arq_generation_commit(struct arq_generations *generations, uint64_t trial_ns);

/* Ends a trial: the generation in force stays. Returns 0, or -ENOENT when none is on trial. */
int arq_generation_confirm(struct arq_generations *generations);

/* Goes back to the generation before the trial at once. Returns 0, or -ENOENT. */
int arq_generation_revert(struct arq_generations *generations);

/* Frees the generation that is not in force, unless it is what a trial would go back to (-EBUSY).
 */
int arq_generation_drop(struct arq_generations *generations);

/*
 * For so long, has every packet classified by the generation that is not in force, too, and counts
 * those that it would decide by another rule or otherwise (map `shadow_counters`, emptied before);
 * 0 ends it. Limits do not count there. Returns 0 or a negative errno.
 */
int arq_generation_shadow(struct arq_generations *generations, uint64_t for_ns);

/* The next pair that was decided differently: *key is the one before, zero-filled for the first
 * with `first`. Returns 1 with *key and *packets, 0 after the last one, or a negative errno. */
int arq_generation_shadow_next(const struct arq_generations *generations, bool first,
			       struct arq_shadow_key *key, uint64_t *packets);

/* The rule of a slot, below ARQ_RULE_SLOTS; its memory is the map's and changes with it. */
const struct arq_rule_slot *arq_generations_slot(const struct arq_generations *generations,
						 uint32_t slot);

/* What a slot counted, of all CPUs. */
struct arq_rule_count arq_generations_count(const struct arq_generations *generations,
					    uint32_t slot);

#endif
