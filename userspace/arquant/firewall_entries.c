// SPDX-License-Identifier: BSD-2-Clause
/* `arquant firewall entries`: what the entries of a tracked set did on an interface. */
#include "dispatcher/kernel.h"
#include "dispatcher/pins.h"
#include "progs/firewall/lookup.h"
#include "progs/program.h"
#include "userspace/arquant/command.h"
#include "userspace/arquant/firewall.h"
#include "userspace/arquant/json.h"
#include "userspace/arquant/options.h"
#include "userspace/common/config.h"
#include "userspace/common/set_file.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define VERB   "firewall entries"
#define SECOND 1000000000ull

static const char help[] =
	"Usage: arquant firewall entries SET IFACE [OPTION...]\n"
	"\n"
	"Shows the entries of a set that has 'track: true', as its file is now: tag, expiry, the\n"
	"packets that met it as source or destination on the interface, and when the last one "
	"did.\n"
	"A packet that meets several entries counts for the longest.\n"
	"\n"
	"  -c, --config FILE  where the set is; default: " ARQ_CONFIG_PATH "\n"
	"      --seen         only entries that packets met\n"
	"  -j, --json         as JSON: \"set\", \"entries\", each with \"prefix\", \"tag\", "
	"\"until\",\n"
	"                     \"packets\", \"last_seen\"; what there is none of is absent\n"
	"  -v, --verbose      after a failure, show what libbpf said\n"
	"  -h, --help         print this\n";

struct options {
	const char *config;
	bool seen;
	bool json;
};

struct count {
	/*
	 * By generation. The next one begins with what the former counted, and the idle one lags
	 * behind; so the larger number is right.
	 */
	uint64_t hits[ARQ_LOOKUP_GENERATIONS];
	uint64_t last_seen; /* ns, CLOCK_MONOTONIC */
};

struct entries {
	const struct arq_set *set;
	struct count *counts; /* of each entry; of two that are the same the first's */
	uint32_t *slots; /* hash table of entries, UINT32_MAX: free */
	uint32_t mask;
	uint32_t index; /* ARQ_LOOKUP_INDEX that is being read */
};

/* --- counting --------------------------------------------------------------------------------- */

static uint32_t *find_slot(const struct entries *entries, const struct arq_prefix *prefix)
{
	uint64_t hash = prefix->length;

	for (size_t i = 0; i < sizeof(prefix->address); i++)
		hash = (hash ^ prefix->address[i]) * 0x100000001b3;
	uint32_t at = (uint32_t)(hash ^ hash >> 32) & entries->mask;
	for (;; at = (at + 1) & entries->mask) {
		uint32_t entry = entries->slots[at];
		if (entry == UINT32_MAX ||
		    memcmp(&entries->set->entries[entry].prefix, prefix, sizeof(*prefix)) == 0)
			return &entries->slots[at];
	}
}

static int entries_init(struct entries *entries, const struct arq_set *set)
{
	*entries = (struct entries){.set = set, .mask = 1023};
	while (entries->mask / 2 < set->count)
		entries->mask = entries->mask * 2 + 1;
	entries->counts = calloc(set->count + 1, sizeof(*entries->counts));
	entries->slots = malloc(((size_t)entries->mask + 1) * sizeof(*entries->slots));
	if (!entries->counts || !entries->slots)
		return -ENOMEM;
	memset(entries->slots, 0xff, ((size_t)entries->mask + 1) * sizeof(*entries->slots));
	for (size_t i = 0; i < set->count; i++) {
		uint32_t *slot = find_slot(entries, &set->entries[i].prefix);
		if (*slot == UINT32_MAX)
			*slot = (uint32_t)i;
	}
	return 0;
}

static int add_record(const struct arq_lookup_record *record, void *context)
{
	struct entries *entries = context;
	bool v4 = entries->index % ARQ_LOOKUP_TABLES < ARQ_LOOKUP_FROM_V6;
	struct arq_prefix prefix = {.family = v4 ? AF_INET : AF_INET6, .length = record->length};

	memcpy(prefix.address, record->address, sizeof(prefix.address));
	uint32_t entry = *find_slot(entries, &prefix);
	if (entry == UINT32_MAX)
		return 0;
	struct count *count = &entries->counts[entry];
	count->hits[entries->index / ARQ_LOOKUP_TABLES] += record->hits;
	if (record->last_seen > count->last_seen)
		count->last_seen = record->last_seen;
	return 0;
}

static int read_counts(struct entries *entries, const char *directory, struct arq_error *error)
{
	enum arq_program_id id = arq_program_pinned(ARQ_PROGRAM_BUNDLE, directory)
					 ? ARQ_PROGRAM_BUNDLE
					 : ARQ_PROGRAM_FIREWALL;

	int roots = arq_program_map_open(id, directory, "lookup_roots", error);
	if (roots < 0)
		return roots;
	int nodes = arq_program_map_open(id, directory, "lookup_nodes", error);
	int code = nodes < 0 ? nodes : 0;
	for (entries->index = 0; entries->index < ARQ_LOOKUP_MAPS && !code; entries->index++)
		code = arq_lookup_each_counted(roots, nodes, entries->index, add_record, entries);
	close(roots);
	if (nodes >= 0)
		close(nodes);
	return code && !error->text[0]
		       ? arq_error_set(error, code, "cannot read what was counted: %s",
				       strerror(-code))
		       : code;
}

/* --- printing --------------------------------------------------------------------------------- */

static uint64_t packets_of(const struct count *count)
{
	return count->hits[0] > count->hits[1] ? count->hits[0] : count->hits[1];
}

static time_t wall_seconds(uint64_t monotonic)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return time(NULL) - now.tv_sec + (time_t)(monotonic / SECOND);
}

static void format_time(time_t seconds, char text[32])
{
	struct tm tm;

	if (!seconds || !gmtime_r(&seconds, &tm) ||
	    strftime(text, 32, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
		memcpy(text, "-", 2);
}

static void print_entry(const struct entries *entries, size_t i)
{
	const struct arq_set_entry *entry = &entries->set->entries[i];
	const struct count *count = &entries->counts[i];
	char prefix[ARQ_PREFIX_TEXT_MAX], until[32], seen[32];

	format_time((time_t)entry->expires, until);
	format_time(count->last_seen ? wall_seconds(count->last_seen) : 0, seen);
	printf("%-43s %12" PRIu64 "  %-20s  %-20s  %s\n", arq_prefix_format(&entry->prefix, prefix),
	       packets_of(count), seen, until, entries->set->tags + entry->tag);
}

static int add_json(struct json_object *array, const struct entries *entries, size_t i)
{
	const struct arq_set_entry *entry = &entries->set->entries[i];
	const struct count *count = &entries->counts[i];
	struct json_object *object = json_object_new_object();
	char prefix[ARQ_PREFIX_TEXT_MAX];

	if (!object)
		return -ENOMEM;
	arq_json_add_text(object, "prefix", arq_prefix_format(&entry->prefix, prefix));
	if (entry->tag)
		arq_json_add_text(object, "tag", entries->set->tags + entry->tag);
	if (entry->expires)
		arq_json_add_time(object, "until", (time_t)entry->expires, -1);
	arq_json_add_number(object, "packets", packets_of(count));
	if (count->last_seen)
		arq_json_add_time(object, "last_seen", wall_seconds(count->last_seen), -1);
	return json_object_array_add(array, object) ? -ENOMEM : 0;
}

static int print_entries(const struct entries *entries, const struct options *options,
			 struct arq_error *error)
{
	struct json_object *object = options->json ? json_object_new_object() : NULL;
	struct json_object *array = options->json ? json_object_new_array() : NULL;
	int code = options->json && (!object || !array) ? -ENOMEM : 0;

	if (options->json && !code) {
		arq_json_add_text(object, "set", entries->set->name);
		json_object_object_add(object, "entries", array);
	} else if (!code) {
		printf("%-43s %12s  %-20s  %-20s  %s\n", "prefix", "packets", "last seen", "until",
		       "tag");
	}
	for (size_t i = 0; i < entries->set->count && !code; i++) {
		if (options->seen && packets_of(&entries->counts[i]) == 0)
			continue;
		if (options->json)
			code = add_json(array, entries, i);
		else
			print_entry(entries, i);
	}
	if (options->json && !code)
		arq_json_print(object, false, stdout);
	else
		json_object_put(object);
	return code ? arq_error_set(error, code, "out of memory") : 0;
}

/* --- the command ------------------------------------------------------------------------------ */

static int find_set(struct arq_ruleset *ruleset, const char *name, struct arq_set **set,
		    struct arq_error *error)
{
	for (uint32_t i = 0; i < ruleset->set_count; i++) {
		*set = &ruleset->sets[i];
		if (strcmp((*set)->name, name) != 0)
			continue;
		if (!(*set)->track)
			return arq_error_set(error, -EINVAL,
					     "set '%s' is not tracked; write 'track: true' to it, "
					     "and apply that",
					     name);
		if (!(*set)->file || (*set)->count)
			return 0;
		return arq_set_read_file(*set, (*set)->file, NULL, error);
	}
	return arq_error_set(error, -ENOENT, "there is no set '%.40s' in the configuration", name);
}

static int show(const struct options *options, const char *name, const char *interface,
		struct arq_error *error)
{
	struct arq_config *config = NULL;
	struct entries entries = {0};
	char directory[PATH_MAX];
	struct arq_set *set = NULL;

	unsigned int ifindex = if_nametoindex(interface);
	int code = ifindex ? arq_pins_path(directory, ifindex) : -ENODEV;
	if (code)
		return arq_error_set(error, code, "there is no interface '%.40s'; see 'ip link'",
				     interface);
	code = arq_kernel_check_privileges(error);
	if (!code)
		code = arq_config_load(options->config, &config, error);
	if (!code)
		code = find_set(&config->firewall.ruleset, name, &set, error);
	if (!code && set && entries_init(&entries, set))
		code = arq_error_set(error, -ENOMEM, "out of memory");
	if (!code)
		code = read_counts(&entries, directory, error);
	if (!code)
		code = print_entries(&entries, options, error);
	free(entries.counts);
	free(entries.slots);
	if (config)
		arq_config_destroy(config);
	return code;
}

int arq_firewall_entries(int argc, char **argv)
{
	struct options options = {.config = ARQ_CONFIG_PATH};
	const struct arq_option own[] = {
		{.name = "config", .letter = 'c', .text = &options.config},
		{.name = "seen", .flag = &options.seen},
		{.name = "json", .letter = 'j', .flag = &options.json},
		ARQ_OPTION_VERBOSE,
		{0},
	};
	struct arq_options read = {.verb = VERB, .help = help, .own = own};
	struct arq_error error = {0};
	int code;

	if (!arq_options_read(&read, argc, argv, &code))
		return code;
	if (read.names_count != 2)
		return arq_command_usage(VERB, "name a set and an interface");
	code = show(&options, read.names[0], read.names[1], &error);
	return code ? arq_command_fail(VERB, &error) : arq_command_finish(VERB);
}
