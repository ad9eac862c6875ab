// SPDX-License-Identifier: BSD-2-Clause
#include "userspace/arquant/firewall.h"

#include "dispatcher/pins.h"
#include "userspace/arquant/command.h"
#include "userspace/arquant/firewall_target.h"
#include "userspace/arquant/options.h"

#include <errno.h>
#include <stdio.h>

#define VERB "firewall confirm"

static const char help[] =
	"Usage: arquant firewall confirm [IFACE...] [OPTION...]\n"
	"\n"
	"Keeps the rules that 'arquant firewall apply --confirm TIME' put on trial, on the\n"
	"interfaces named, or on all that have rules on trial.\n"
	"\n"
	"  -r, --rollback  go back to the rules before at once instead\n"
	"  -v, --verbose   after a failure, show what libbpf said\n"
	"  -h, --help      print this\n";

struct options {
	bool rollback;
};

static int nothing_on_trial(const char *name, struct arq_error *error)
{
	return arq_error_set(error, -ENOENT,
			     "%s%sno rules are on trial: they were confirmed before, or the time "
			     "was over and those before are in force again; see 'arquant firewall "
			     "show'",
			     name, name[0] ? ": " : "");
}

/* With interfaces named, each must be on trial; else those that are. */
static int end_trials(const struct arq_firewall_targets *targets, bool rollback, bool named,
		      struct arq_error *error)
{
	size_t ended = 0;

	for (size_t i = 0; named && i < targets->count; i++) {
		if (!arq_generations_trial_end(targets->items[i].generations))
			return nothing_on_trial(targets->items[i].name, error);
	}
	for (size_t i = 0; i < targets->count; i++) {
		struct arq_generations *generations = targets->items[i].generations;
		if (rollback ? arq_generation_revert(generations)
			     : arq_generation_confirm(generations))
			continue;
		ended++;
		arq_generation_drop(generations);
		printf("%s: %s\n", targets->items[i].name,
		       rollback ? "the rules before are in force again" : "confirmed");
	}
	return ended ? 0 : nothing_on_trial("", error);
}

static int confirm(const struct options *options, char *const *names, size_t count,
		   struct arq_error *error)
{
	struct arq_firewall_targets *targets = NULL;

	int code = arq_firewall_targets_open(names, count, &targets, error);
	if (code)
		return code;
	int lock = arq_pins_lock(error);
	if (lock >= 0) {
		code = end_trials(targets, options->rollback, count > 0, error);
		arq_pins_unlock(lock);
	}
	arq_firewall_targets_close(targets);
	return lock < 0 ? lock : code;
}

int arq_firewall_confirm(int argc, char **argv)
{
	struct options options = {0};
	const struct arq_option own[] = {
		{.name = "rollback", .letter = 'r', .flag = &options.rollback},
		ARQ_OPTION_VERBOSE,
		{0},
	};
	struct arq_options read = {.verb = VERB, .help = help, .own = own};
	struct arq_error error = {0};
	int code;

	if (!arq_options_read(&read, argc, argv, &code))
		return code;
	arq_command_hold_signals();
	code = confirm(&options, read.names, read.names_count, &error);
	return code ? arq_command_fail(VERB, &error) : arq_command_finish_change(VERB);
}
