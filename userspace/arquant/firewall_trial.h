/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The firewall's program with a configuration, on no interface: frames are run through it one by
 * one, and what it counted says how it decided. Needs the privileges of progs/program.h.
 */
#ifndef ARQUANT_COMMAND_FIREWALL_TRIAL_H
#define ARQUANT_COMMAND_FIREWALL_TRIAL_H

#include "userspace/common/config.h"
#include "userspace/common/error.h"

#include <stdbool.h>
#include <stdint.h>

#define ARQ_FIREWALL_FRAME_MIN 14 /* the kernel runs no program on less */

struct arq_firewall_trial;

struct arq_firewall_decision {
	bool drop; /* anything but passing it */
	uint32_t reason; /* enum arq_reason */
	uint32_t rule; /* that decided, counted from 1; 0: none */
};

/*
 * Loads the program with the rules for `interface` (NULL: of all), whose sets have been read.
 * Returns 0 and *trial, or a negative errno with the reason in `error`.
 */
int arq_firewall_trial_open(const struct arq_config *config, const char *interface,
			    struct arq_firewall_trial **trial, struct arq_error *error);

/* NULL is fine. */
void arq_firewall_trial_close(struct arq_firewall_trial *trial);

/* Runs a frame. Returns 0 and *decision, or a negative errno with the reason in `error`. */
int arq_firewall_trial_run(struct arq_firewall_trial *trial, const uint8_t *bytes, uint32_t length,
			   struct arq_firewall_decision *decision, struct arq_error *error);

#endif
