// SPDX-License-Identifier: BSD-2-Clause
#include "userspace/arquant/firewall.h"

#include "progs/program.h"
#include "userspace/arquant/command.h"
#include "userspace/arquant/firewall_target.h"
#include "userspace/arquant/options.h"
#include "userspace/common/clock.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VERB "firewall show"

static const char help[] =
	"Usage: arquant firewall show [IFACE...] [OPTION...]\n"
	"\n"
	"Shows the rules in force on the interfaces named, or on all that run our firewall, in\n"
	"order, with what they do and the packets and bytes that they decided (or counted); then\n"
	"what the default decided, and the reasons of all that was not simply passed.\n"
	"\n"
	"  -j, --json     print it as JSON: \"interfaces\", each with \"name\", \"trial_seconds\" "
	"(0: "
	"not on\n"
	"                 trial), \"rules\" (\"number\", \"name\", \"action\", \"packets\", "
	"\"bytes\"), "
	"\"default\",\n"
	"                 \"reasons\"\n"
	"  -v, --verbose  after a failure, show what libbpf said\n"
	"  -h, --help     print this\n";

struct options {
	bool json;
};

/* What is in force on an interface, in order. */
struct rules {
	uint32_t count;
	uint32_t slots[ARQ_RULES_MAX]; /* of rule i + 1; 0: one for other interfaces */
	uint64_t trial_seconds;
	struct arq_counters counters;
};

static uint64_t trial_seconds(const struct arq_generations *generations)
{
	uint64_t end = arq_generations_trial_end(generations);
	uint64_t now = arq_clock_now();

	return end > now ? (end - now + 999999999u) / 1000000000u : 0;
}

static int read_rules(const struct arq_firewall_target *target, struct rules *rules,
		      struct arq_error *error)
{
	uint32_t current = arq_generations_current(target->generations);
	struct arq_counters_view *view = NULL;

	*rules = (struct rules){.trial_seconds = trial_seconds(target->generations)};
	for (uint32_t slot = 1; slot < ARQ_RULE_SLOTS; slot++) {
		const struct arq_rule_slot *rule = arq_generations_slot(target->generations, slot);
		uint32_t number = rule->name[0] ? rule->numbers[current] : 0;
		if (number == 0 || number > ARQ_RULES_MAX)
			continue;
		rules->slots[number - 1] = slot;
		if (number > rules->count)
			rules->count = number;
	}
	int code = arq_counters_open(target->directory, target->program, ARQ_PROGRAM_FIREWALL,
				     &view, error);
	if (code)
		return arq_error_prefix(error, code, "%s", target->name);
	arq_counters_read(view, &rules->counters);
	arq_counters_close(view);
	return 0;
}

/* --- for people ------------------------------------------------------------------------------- */

static void print_reasons(const struct arq_counters *counters)
{
	const char *before = "  reasons: ";

	for (uint32_t reason = 1; reason < ARQ_REASON_MAX; reason++) {
		if (!counters->reasons[reason])
			continue;
		printf("%s%s %" PRIu64, before, arq_reason_name(reason),
		       (uint64_t)counters->reasons[reason]);
		before = ", ";
	}
	if (before[0] == ',')
		putchar('\n');
}

static void print_line(const char *number, const char *name, const char *action,
		       const struct arq_rule_count *count)
{
	printf("  %5s  %-32s  %-6s  %14" PRIu64 "  %16" PRIu64 "\n", number, name, action,
	       (uint64_t)count->packets, (uint64_t)count->bytes);
}

static void print_target(const struct arq_firewall_target *target, const struct rules *rules)
{
	printf("%s: %" PRIu32 " rules", target->name, rules->count);
	if (rules->trial_seconds)
		printf(", on trial for another %" PRIu64 " s", rules->trial_seconds);
	printf("\n  %5s  %-32s  %-6s  %14s  %16s\n", "", "rule", "action", "packets", "bytes");
	for (uint32_t i = 0; i < rules->count; i++) {
		uint32_t slot = rules->slots[i];
		char number[16];
		if (!slot)
			continue;
		struct arq_rule_count count = arq_generations_count(target->generations, slot);
		const struct arq_rule_slot *rule = arq_generations_slot(target->generations, slot);
		snprintf(number, sizeof(number), "%" PRIu32, i + 1);
		print_line(number, rule->name, arq_rule_action_name(rule->action), &count);
	}
	struct arq_rule_count count =
		arq_generations_count(target->generations, ARQ_RULE_SLOT_DEFAULT);
	print_line("", "(default)", "", &count);
	print_reasons(&rules->counters);
}

/* --- for programs ----------------------------------------------------------------------------- */

static void add_count(struct json_object *object, const struct arq_rule_count *count)
{
	json_object_object_add(object, "packets", json_object_new_uint64(count->packets));
	json_object_object_add(object, "bytes", json_object_new_uint64(count->bytes));
}

static struct json_object *json_rules(const struct arq_firewall_target *target,
				      const struct rules *rules)
{
	struct json_object *array = json_object_new_array();

	for (uint32_t i = 0; i < rules->count; i++) {
		uint32_t slot = rules->slots[i];
		if (!slot)
			continue;
		struct json_object *object = json_object_new_object();
		struct arq_rule_count count = arq_generations_count(target->generations, slot);
		const struct arq_rule_slot *rule = arq_generations_slot(target->generations, slot);
		json_object_object_add(object, "number", json_object_new_uint64(i + 1));
		json_object_object_add(object, "name", json_object_new_string(rule->name));
		json_object_object_add(object, "action",
				       json_object_new_string(arq_rule_action_name(rule->action)));
		add_count(object, &count);
		json_object_array_add(array, object);
	}
	return array;
}

static struct json_object *json_target(const struct arq_firewall_target *target,
				       const struct rules *rules)
{
	struct json_object *object = json_object_new_object();
	struct json_object *reasons = json_object_new_object();
	struct json_object *rest = json_object_new_object();
	struct arq_rule_count count =
		arq_generations_count(target->generations, ARQ_RULE_SLOT_DEFAULT);

	json_object_object_add(object, "name", json_object_new_string(target->name));
	json_object_object_add(object, "trial_seconds",
			       json_object_new_uint64(rules->trial_seconds));
	json_object_object_add(object, "rules", json_rules(target, rules));
	add_count(rest, &count);
	json_object_object_add(object, "default", rest);
	for (uint32_t reason = 1; reason < ARQ_REASON_MAX; reason++) {
		if (rules->counters.reasons[reason])
			json_object_object_add(
				reasons, arq_reason_name(reason),
				json_object_new_uint64(rules->counters.reasons[reason]));
	}
	json_object_object_add(object, "reasons", reasons);
	return object;
}

/* --- the command ------------------------------------------------------------------------------ */

static int show(const struct options *options, char *const *names, size_t count,
		struct arq_error *error)
{
	struct arq_firewall_targets *targets = NULL;
	struct json_object *array = json_object_new_array();
	struct json_object *object = json_object_new_object();
	struct rules *rules = malloc(sizeof(*rules));

	json_object_object_add(object, "interfaces", array);
	int code = rules ? arq_firewall_targets_open(names, count, &targets, error)
			 : arq_error_set(error, -ENOMEM, "out of memory");
	for (size_t i = 0; code == 0 && i < targets->count; i++) {
		code = read_rules(&targets->items[i], rules, error);
		if (code == 0 && options->json)
			json_object_array_add(array, json_target(&targets->items[i], rules));
		else if (code == 0)
			print_target(&targets->items[i], rules);
	}
	if (code == 0 && options->json)
		puts(json_object_to_json_string_ext(
			object, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(object);
	free(rules);
	arq_firewall_targets_close(targets);
	return code;
}

int arq_firewall_show(int argc, char **argv)
{
	struct options options = {0};
	const struct arq_option own[] = {
		{.name = "json", .letter = 'j', .flag = &options.json},
		ARQ_OPTION_VERBOSE,
		{0},
	};
	struct arq_options read = {.verb = VERB, .help = help, .own = own};
	struct arq_error error = {0};
	int code;

	if (!arq_options_read(&read, argc, argv, &code))
		return code;
	code = show(&options, read.names, read.names_count, &error);
	return code ? arq_command_fail(VERB, &error) : arq_command_finish(VERB);
}
