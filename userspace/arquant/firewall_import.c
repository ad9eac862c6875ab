// SPDX-License-Identifier: BSD-2-Clause
/*
 * `arquant firewall import`: another list for a set. The list is read whole before anything
 * changes; the set's file is replaced in the moment before the new set is in force, so that the
 * next load finds what is in force.
 */
#include "userspace/arquant/firewall.h"

#include "dispatcher/pins.h"
#include "userspace/arquant/command.h"
#include "userspace/arquant/firewall_change.h"
#include "userspace/arquant/json.h"
#include "userspace/arquant/options.h"
#include "userspace/arquant/policy.h"
#include "userspace/arquant/progress.h"
#include "userspace/common/config.h"
#include "userspace/common/set_file.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define VERB "firewall import"

static const char help[] =
	"Usage: arquant firewall import SET FILE [IFACE...] [OPTION...]\n"
	"\n"
	"Replaces the prefixes of a set that the configuration has from a file by those of FILE,\n"
	"in one step: the set's own file, and what is in force on the interfaces named or on all\n"
	"that run our firewall. A line that is wrong changes nothing. Where stderr is a terminal, "
	"a\n"
	"long list shows how far it is.\n"
	"\n"
	"  FILE                a prefix a line, with tag and time if you like; -: standard input\n"
	"  -c, --config FILE   read this configuration instead of " ARQ_CONFIG_PATH "\n"
	"  -j, --json          print what was done as JSON: \"set\", \"file\", \"prefixes\",\n"
	"                      \"interfaces\"\n"
	"  -v, --verbose       after a failure, show what libbpf said\n"
	"  -h, --help          print this\n";

struct options {
	const char *config;
	bool json;
};

/* The list, and the set that gets it. */
struct import {
	struct arq_config *config;
	struct arq_set *set;
	char *text;
	size_t size;
	char path[PATH_MAX]; /* of the set's file, behind links */
	char fresh[PATH_MAX + 8]; /* beside it, with the new content; "": none */
};

/* --- the list --------------------------------------------------------------------------------- */

static int find_set(struct import *import, const char *name, struct arq_error *error)
{
	struct arq_ruleset *ruleset = &import->config->firewall.ruleset;

	for (uint32_t i = 0; i < ruleset->set_count && !import->set; i++) {
		if (strcmp(ruleset->sets[i].name, name) == 0)
			import->set = &ruleset->sets[i];
	}
	if (!import->set)
		return arq_error_set(error, -ENOENT,
				     "there is no set '%.63s'; define it under firewall.sets",
				     name);
	if (!import->set->file)
		return arq_error_set(error, -EINVAL,
				     "the set '%s' has its elements in the configuration; give it "
				     "a 'file', or change them there",
				     name);
	return 0;
}

static int read_list(struct import *import, const char *path, struct arq_error *error)
{
	const char *name = strcmp(path, "-") == 0 ? "standard input" : path;
	struct arq_progress progress;

	int code = arq_set_read_text(path, &import->text, &import->size, error);
	if (code)
		return code;
	arq_progress_begin(&progress, "reading", name);
	const struct arq_set_progress report = {arq_progress_report, &progress};
	code = arq_set_parse(import->set, name, import->text, import->size, &report, error);
	arq_progress_end(&progress);
	return code;
}

/* --- the set's file --------------------------------------------------------------------------- */

static int fail_file(const char *path, struct arq_error *error)
{
	return arq_error_set(error, -errno, "cannot write %s: %s; nothing has changed", path,
			     strerror(errno));
}

static int write_all(int file, const char *text, size_t size)
{
	while (size > 0) {
		ssize_t written = write(file, text, size);
		if (written < 0 && errno != EINTR)
			return -1;
		if (written > 0) {
			text += written;
			size -= (size_t)written;
		}
	}
	return fsync(file);
}

/* The new content beside the old file, with its owner and mode; a rename is left to do. */
static int write_fresh(struct import *import, struct arq_error *error)
{
	struct stat about = {.st_mode = 0644};

	if (!realpath(import->set->file, import->path)) {
		if (errno != ENOENT || strlen(import->set->file) >= sizeof(import->path))
			return fail_file(import->set->file, error);
		snprintf(import->path, sizeof(import->path), "%s", import->set->file);
	}
	bool there = stat(import->path, &about) == 0;
	snprintf(import->fresh, sizeof(import->fresh), "%s.XXXXXX", import->path);
	int file = mkstemp(import->fresh);
	if (file < 0) {
		fail_file(import->fresh, error);
		import->fresh[0] = '\0';
		return -EIO;
	}
	int code = 0;
	if (write_all(file, import->text, import->size) || fchmod(file, about.st_mode & 07777) ||
	    (there && fchown(file, about.st_uid, about.st_gid)))
		code = fail_file(import->fresh, error);
	if (close(file) && code == 0)
		code = fail_file(import->fresh, error);
	return code;
}

static int replace_file(struct import *import, struct arq_error *error)
{
	if (rename(import->fresh, import->path))
		return fail_file(import->path, error);
	import->fresh[0] = '\0';
	return 0;
}

/* --- the whole -------------------------------------------------------------------------------- */

static int change(struct import *import, const struct arq_firewall_targets *targets,
		  struct arq_error *error)
{
	int lock = arq_pins_lock(error);
	if (lock < 0)
		return lock;
	int code = arq_firewall_change_prepare(targets, &import->config->firewall, error);
	if (code == 0) {
		code = replace_file(import, error);
		if (code)
			arq_firewall_change_drop(targets);
		else
			arq_firewall_change_commit(targets, 0);
	}
	arq_pins_unlock(lock);
	return code;
}

static void print_done(const struct import *import, const struct arq_firewall_targets *targets,
		       bool json)
{
	struct json_object *object = json ? json_object_new_object() : NULL;
	struct json_object *interfaces = json ? json_object_new_array() : NULL;

	for (size_t i = 0; i < targets->count; i++) {
		if (json)
			json_object_array_add(interfaces,
					      json_object_new_string(targets->items[i].name));
		else
			printf("%s: %zu prefixes of '%s' in force\n", targets->items[i].name,
			       import->set->count, import->set->name);
	}
	if (!json)
		return;
	arq_json_add_text(object, "set", import->set->name);
	arq_json_add_text(object, "file", import->path);
	arq_json_add_number(object, "prefixes", import->set->count);
	json_object_object_add(object, "interfaces", interfaces);
	arq_json_print(object, false, stdout);
}

static int run(struct import *import, const struct options *options, char *const *arguments,
	       size_t count, struct arq_error *error)
{
	struct arq_firewall_targets *targets = NULL;

	int code = arq_config_load(options->config, &import->config, error);
	if (code == 0)
		code = find_set(import, arguments[0], error);
	if (code == 0)
		code = read_list(import, arguments[1], error);
	if (code == 0)
		code = arq_policy_read_sets(&import->config->firewall.ruleset, import->set, error);
	if (code == 0)
		code = arq_firewall_targets_open(arguments + 2, count - 2, &targets, error);
	if (code == 0)
		code = write_fresh(import, error);
	if (code == 0)
		code = change(import, targets, error);
	if (code == 0)
		print_done(import, targets, options->json);
	if (import->fresh[0])
		unlink(import->fresh);
	arq_firewall_targets_close(targets);
	return code;
}

int arq_firewall_import(int argc, char **argv)
{
	static struct import import;
	struct options options = {.config = ARQ_CONFIG_PATH};
	const struct arq_option own[] = {
		{.name = "config", .letter = 'c', .text = &options.config},
		{.name = "json", .letter = 'j', .flag = &options.json},
		ARQ_OPTION_VERBOSE,
		{0},
	};
	struct arq_options read = {.verb = VERB, .help = help, .own = own};
	struct arq_error error = {0};
	int code;

	if (!arq_options_read(&read, argc, argv, &code))
		return code;
	if (read.names_count < 2)
		return arq_command_usage(VERB, "the %s is missing",
					 read.names_count ? "file" : "name of the set");
	arq_command_hold_signals();
	code = run(&import, &options, read.names, read.names_count, &error);
	free(import.text);
	arq_config_destroy(import.config);
	return code ? arq_command_fail(VERB, &error) : arq_command_finish(VERB);
}
