// SPDX-License-Identifier: BSD-2-Clause
#include "userspace/arquant/firewall.h"

#include "dispatcher/pins.h"
#include "userspace/arquant/command.h"
#include "userspace/arquant/firewall_change.h"
#include "userspace/arquant/firewall_shadow.h"
#include "userspace/arquant/firewall_target.h"
#include "userspace/arquant/options.h"
#include "userspace/arquant/policy.h"
#include "userspace/common/config.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define VERB "firewall apply"

/* Shorter than a person's answer takes, and longer than anybody should leave it open. */
#define TRIAL_MIN 1000000000ull
#define TRIAL_MAX 86400000000000ull

static const char help[] =
	"Usage: arquant firewall apply [IFACE...] [OPTION...]\n"
	"\n"
	"Puts the rules, sets and settings of the configuration's 'firewall' into force on the\n"
	"interfaces named, or on all that run our firewall; on all of them or on none. Every "
	"packet\n"
	"is decided by the old rules or by the new ones, and none is lost. Rules that say the "
	"same\n"
	"under the same name keep their counters.\n"
	"\n"
	"  -c, --config FILE   read this configuration instead of " ARQ_CONFIG_PATH "\n"
	"  -t, --confirm TIME  on trial: after so long (30s, 5m) the rules before are in force "
	"again,\n"
	"                      unless 'arquant firewall confirm' came; the program itself sees to "
	"it\n"
	"  -s, --shadow TIME   do not put them into force: for so long, let packets be decided by\n"
	"                      both, and report those that the new rules would decide otherwise\n"
	"  -j, --json          print what was done, or what differs, as JSON\n"
	"  -v, --verbose       after a failure, show what libbpf said\n"
	"  -h, --help          print this\n";

struct options {
	const char *config;
	uint64_t trial_ns;
	uint64_t shadow_ns;
	bool json;
};

/* --- showing ---------------------------------------------------------------------------------- */

static void print_done(const struct arq_firewall_targets *targets,
		       const struct arq_ruleset *ruleset, const struct options *options)
{
	uint64_t seconds = options->trial_ns / 1000000000u;

	for (size_t i = 0; i < targets->count; i++) {
		const char *name = targets->items[i].name;
		if (options->json)
			printf("%s{\"name\": \"%s\", \"rules\": %" PRIu32
			       ", \"trial_seconds\": %" PRIu64 "}%s",
			       i ? ", " : "{\"interfaces\": [", name, ruleset->rule_count, seconds,
			       i + 1 == targets->count ? "]}\n" : "");
		else if (options->trial_ns)
			printf("%s: %" PRIu32 " rules in force for %" PRIu64
			       " s, then those before; 'arquant firewall confirm' keeps them\n",
			       name, ruleset->rule_count, seconds);
		else
			printf("%s: %" PRIu32 " rules in force\n", name, ruleset->rule_count);
	}
}

static int apply_to(const struct arq_firewall_targets *targets,
		    const struct arq_config_firewall *firewall, const struct options *options,
		    struct arq_error *error)
{
	int code = arq_firewall_change_prepare(targets, firewall, error);
	if (code)
		return code;
	if (options->shadow_ns)
		return arq_firewall_shadow(targets, options->shadow_ns, options->json, error);
	arq_firewall_change_commit(targets, options->trial_ns);
	print_done(targets, &firewall->ruleset, options);
	return 0;
}

static int apply(const struct options *options, char *const *names, size_t count,
		 struct arq_error *error)
{
	struct arq_firewall_targets *targets = NULL;
	struct arq_config *config = NULL;

	int code = arq_config_load(options->config, &config, error);
	if (code == 0)
		code = arq_policy_read_sets(&config->firewall.ruleset, NULL, error);
	if (code == 0)
		code = arq_firewall_targets_open(names, count, &targets, error);
	int lock = code ? -1 : arq_pins_lock(error);
	if (lock >= 0) {
		code = apply_to(targets, &config->firewall, options, error);
		arq_pins_unlock(lock);
	} else if (code == 0) {
		code = lock;
	}
	arq_firewall_targets_close(targets);
	arq_config_destroy(config);
	return code;
}

/* --- the command ------------------------------------------------------------------------------ */

static int take_time(const char *verb, const struct arq_option *option, const char *value)
{
	uint64_t *time = option->to;

	if (arq_duration_parse(value, time) || *time < TRIAL_MIN || *time > TRIAL_MAX)
		return arq_command_usage(verb, "'%.40s' for --%s is no duration from 1s to 24h",
					 value, option->name);
	return 0;
}

int arq_firewall_apply(int argc, char **argv)
{
	struct options options = {.config = ARQ_CONFIG_PATH};
	const struct arq_option own[] = {
		{.name = "config", .letter = 'c', .text = &options.config},
		{.name = "confirm", .letter = 't', .take = take_time, .to = &options.trial_ns},
		{.name = "shadow", .letter = 's', .take = take_time, .to = &options.shadow_ns},
		{.name = "json", .letter = 'j', .flag = &options.json},
		ARQ_OPTION_VERBOSE,
		{0},
	};
	struct arq_options read = {.verb = VERB, .help = help, .own = own};
	struct arq_error error = {0};
	int code;

	if (!arq_options_read(&read, argc, argv, &code))
		return code;
	if (options.trial_ns && options.shadow_ns)
		return arq_command_usage(VERB, "--confirm and --shadow exclude each other");
	arq_command_hold_signals();
	code = apply(&options, read.names, read.names_count, &error);
	return code ? arq_command_fail(VERB, &error) : arq_command_finish_change(VERB);
}
