// SPDX-License-Identifier: BSD-2-Clause
#include "userspace/arquant/firewall.h"

#include "progs/firewall/compile.h"
#include "userspace/arquant/command.h"
#include "userspace/arquant/options.h"
#include "userspace/arquant/policy.h"
#include "userspace/common/config.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#define VERB "firewall check"

static const char help[] =
	"Usage: arquant firewall check [FILE] [OPTION...]\n"
	"\n"
	"Reads the configuration in FILE (default: " ARQ_CONFIG_PATH ") and the lists of\n"
	"prefixes that it names, without touching any interface and without privileges. Reports\n"
	"rules that are never reached, or change nothing, with the lines of those that decide\n"
	"before them, and sets that no rule names. An error names file, line, column and field.\n"
	"\n"
	"  -s, --strict   exit with status 1 also when something was found\n"
	"  -j, --json     print it as JSON: \"file\", \"rules\", \"sets\", \"findings\" (each "
	"\"rule\" "
	"or\n"
	"                 \"set\", \"line\", \"finding\", \"decided_by\")\n"
	"  -h, --help     print this\n";

struct options {
	bool strict;
	bool json;
};

static size_t count_prefixes(const struct arq_ruleset *ruleset)
{
	size_t count = 0;

	for (uint32_t i = 0; i < ruleset->set_count; i++)
		count += ruleset->sets[i].count;
	return count;
}

static int print_json(const char *path, const struct arq_ruleset *ruleset,
		      const struct arq_findings *findings, struct arq_error *error)
{
	struct json_object *object = json_object_new_object();
	struct json_object *found = arq_firewall_json_findings(ruleset, findings);

	if (!object || !found)
		return arq_error_set(error, -ENOMEM, "out of memory");
	json_object_object_add(object, "file", json_object_new_string(path));
	json_object_object_add(object, "rules", json_object_new_uint64(ruleset->rule_count));
	json_object_object_add(object, "sets", json_object_new_uint64(ruleset->set_count));
	json_object_object_add(object, "prefixes", json_object_new_uint64(count_prefixes(ruleset)));
	json_object_object_add(object, "findings", found);
	puts(json_object_to_json_string_ext(object, JSON_C_TO_STRING_PRETTY |
							    JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(object);
	return 0;
}

/* What the program's tables have no room for is found by making them. */
static int try_tables(const struct arq_config *config, struct arq_error *error)
{
	uint32_t count = config->interfaces_count ? config->interfaces_count : 1;
	int code = 0;

	for (uint32_t i = 0; code == 0 && i < count; i++) {
		struct arq_compiled *compiled = NULL;
		const char *name = config->interfaces_count ? config->interfaces[i].name : NULL;
		code = arq_compile(&config->firewall.ruleset, name, &compiled, error);
		arq_compiled_destroy(compiled);
		if (code)
			arq_error_prefix(error, code, "%s", config->path);
	}
	return code;
}

static int check(const struct options *options, const char *path, bool *found,
		 struct arq_error *error)
{
	struct arq_config *config = NULL;
	struct arq_findings findings = {0};

	int code = arq_config_load(path, &config, error);
	if (code)
		return code;
	struct arq_ruleset *ruleset = &config->firewall.ruleset;
	code = arq_policy_read_sets(ruleset, NULL, error);
	if (code == 0)
		code = try_tables(config, error);
	if (code == 0 && arq_ruleset_analyse(ruleset, &findings))
		code = arq_error_set(error, -ENOMEM, "out of memory for the analysis of %s", path);
	if (code) {
		arq_config_destroy(config);
		return code;
	}
	if (options->json) {
		code = print_json(path, ruleset, &findings, error);
	} else {
		arq_firewall_print_findings(path, ruleset, &findings);
		printf("%s: %" PRIu32 " rules, %" PRIu32 " sets with %zu prefixes, %" PRIu32
		       " findings\n",
		       path, ruleset->rule_count, ruleset->set_count, count_prefixes(ruleset),
		       findings.count);
	}
	*found = findings.count > 0;
	arq_findings_clear(&findings);
	arq_config_destroy(config);
	return code;
}

int arq_firewall_check(int argc, char **argv)
{
	struct options options = {0};
	const struct arq_option own[] = {
		{.name = "strict", .letter = 's', .flag = &options.strict},
		{.name = "json", .letter = 'j', .flag = &options.json},
		{0},
	};
	struct arq_options read = {.verb = VERB, .help = help, .own = own};
	struct arq_error error = {0};
	bool found = false;
	int code;

	if (!arq_options_read(&read, argc, argv, &code))
		return code;
	if (read.names_count > 1)
		return arq_command_usage(VERB, "more than one file is named");
	code = check(&options, read.names_count ? read.names[0] : ARQ_CONFIG_PATH, &found, &error);
	if (code)
		return arq_command_fail(VERB, &error);
	code = arq_command_finish(VERB);
	return code == ARQ_EXIT_DONE && options.strict && found ? ARQ_EXIT_FAILED : code;
}
