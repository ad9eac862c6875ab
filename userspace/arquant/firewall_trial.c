// SPDX-License-Identifier: BSD-2-Clause
#include "userspace/arquant/firewall_trial.h"

#include "progs/firewall/generation.h"
#include "progs/program.h"

#include <arquant/packet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <stdlib.h>
#include <string.h>

struct arq_firewall_trial {
	const struct arq_ruleset *ruleset;
	struct arq_program *program;
	int descriptor; /* of the program, the object's */
	struct arq_generations *generations;
	struct arq_counters_view *counters;
	uint64_t packets[ARQ_RULES_MAX]; /* of each rule, after the last frame */
	uint32_t slots[ARQ_RULES_MAX]; /* 0: a rule for another interface */
};

static void find_slots(struct arq_firewall_trial *trial)
{
	uint32_t current = arq_generations_current(trial->generations);

	for (uint32_t slot = 1; slot < ARQ_RULE_SLOTS; slot++) {
		const struct arq_rule_slot *rule = arq_generations_slot(trial->generations, slot);
		uint32_t number = rule->name[0] ? rule->numbers[current] : 0;
		if (number > 0 && number <= ARQ_RULES_MAX)
			trial->slots[number - 1] = slot;
	}
}

static int load(struct arq_firewall_trial *trial, const struct arq_program_options *options,
		struct arq_error *error)
{
	int code =
		arq_program_open(ARQ_PROGRAM_FIREWALL, options, NULL, NULL, &trial->program, error);
	if (code)
		return code;
	struct bpf_object *object = arq_program_object(trial->program);
	code = bpf_object__load(object);
	if (code)
		return arq_error_set(error, code, "cannot load the firewall's program: %s",
				     strerror(-code));
	trial->descriptor = bpf_program__fd(bpf_object__next_program(object, NULL));
	code = arq_generations_open_object(object, &trial->generations, error);
	if (code)
		return code;
	find_slots(trial);
	return arq_counters_open_map(bpf_object__find_map_fd_by_name(object, ".bss.counters"),
				     ARQ_PROGRAM_FIREWALL, &trial->counters, error);
}

int arq_firewall_trial_open(const struct arq_config *config, const char *interface,
			    struct arq_firewall_trial **trial, struct arq_error *error)
{
	const struct arq_program_options options = {
		.first = true,
		.chain = ARQ_PROGRAM_BIT(ARQ_PROGRAM_FIREWALL),
		.pass_malformed = config->firewall.malformed == ARQ_CONFIG_PASS,
		.ruleset = &config->firewall.ruleset,
		.interface = interface,
	};

	*trial = calloc(1, sizeof(**trial));
	if (!*trial)
		return arq_error_set(error, -ENOMEM, "out of memory");
	(*trial)->ruleset = &config->firewall.ruleset;
	int code = load(*trial, &options, error);
	if (code) {
		arq_firewall_trial_close(*trial);
		*trial = NULL;
	}
	return code;
}

void arq_firewall_trial_close(struct arq_firewall_trial *trial)
{
	if (!trial)
		return;
	if (trial->counters)
		arq_counters_close(trial->counters);
	arq_generations_close(trial->generations);
	arq_program_close(trial->program);
	free(trial);
}

/* The rule that counted the frame and decides; those that only count may have, too. */
static uint32_t who_decided(struct arq_firewall_trial *trial)
{
	uint32_t decided = 0;

	for (uint32_t i = 0; i < trial->ruleset->rule_count && i < ARQ_RULES_MAX; i++) {
		if (!trial->slots[i])
			continue;
		uint64_t packets =
			arq_generations_count(trial->generations, trial->slots[i]).packets;
		if (packets != trial->packets[i] &&
		    trial->ruleset->rules[i].action != ARQ_RULE_COUNT)
			decided = i + 1;
		trial->packets[i] = packets;
	}
	return decided;
}

int arq_firewall_trial_run(struct arq_firewall_trial *trial, const uint8_t *bytes, uint32_t length,
			   struct arq_firewall_decision *decision, struct arq_error *error)
{
	struct arq_counters before, after;
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = bytes, .data_size_in = length,
		    .repeat = 1);

	arq_counters_read(trial->counters, &before);
	int code = bpf_prog_test_run_opts(trial->descriptor, &options);
	if (code)
		return arq_error_set(error, code, "the kernel does not run the program: %s",
				     strerror(-code));
	arq_counters_read(trial->counters, &after);
	*decision = (struct arq_firewall_decision){options.retval != XDP_PASS, ARQ_REASON_NONE,
						   who_decided(trial)};
	for (uint32_t reason = 1; reason < ARQ_REASON_MAX; reason++) {
		if (after.reasons[reason] != before.reasons[reason])
			decision->reason = reason;
	}
	return 0;
}
