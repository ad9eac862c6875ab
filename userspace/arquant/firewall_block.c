// SPDX-License-Identifier: BSD-2-Clause
/* `arquant firewall block`, `unblock` and `blocks`: sources that are dropped for a time. */
#include "dispatcher/kernel.h"
#include "dispatcher/pins.h"
#include "progs/firewall/block.h"
#include "progs/program.h"
#include "userspace/arquant/command.h"
#include "userspace/arquant/firewall.h"
#include "userspace/arquant/json.h"
#include "userspace/arquant/options.h"
#include "userspace/common/config.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define TARGETS_MAX 64
#define SECOND      1000000000ull

static const char block_help[] =
	"Usage: arquant firewall block ADDRESS[/LENGTH] --for TIME [--reason TEXT] [IFACE...]\n"
	"\n"
	"Drops what the address, or the network, sends, from the next packet on until the time is\n"
	"over, on the interfaces named or on all that run our firewall: on all or on none. It "
	"comes\n"
	"before the rules, and outlives their changes and those of the program. Once more for the\n"
	"same prefix changes time and reason.\n"
	"\n"
	"  -f, --for TIME      as 30s, 10m or 24h; required\n"
	"      --for ever      until it is taken back\n"
	"  -r, --reason TEXT   shown by 'arquant firewall blocks', up to 63 bytes\n"
	"  -v, --verbose       after a failure, show what libbpf said\n"
	"  -h, --help          print this\n";

static const char unblock_help[] = "Usage: arquant firewall unblock ADDRESS[/LENGTH] [IFACE...]\n"
				   "\n"
				   "Takes back a block of exactly this prefix, also of one that a "
				   "rule made, on the interfaces\n"
				   "named or on all that run our firewall.\n"
				   "\n"
				   "  -v, --verbose       after a failure, show what libbpf said\n"
				   "  -h, --help          print this\n";

static const char blocks_help[] =
	"Usage: arquant firewall blocks [IFACE...] [OPTION...]\n"
	"\n"
	"Shows what is blocked now, by name and by rules, on the interfaces named or on all that "
	"run\n"
	"our firewall.\n"
	"\n"
	"  -j, --json          as JSON: \"interfaces\", each with \"name\" and \"blocks\": "
	"\"prefix\",\n"
	"                      \"manual\", \"reason\", \"rule\" (number, of blocks by rules), "
	"\"since\",\n"
	"                      \"left\" (seconds, absent: for ever), \"packets\", \"last_seen\"\n"
	"  -v, --verbose       after a failure, show what libbpf said\n"
	"  -h, --help          print this\n";

struct options {
	uint64_t duration_ns; /* 0: not given */
	const char *reason;
};

struct target {
	char name[IF_NAMESIZE];
	struct arq_blocks *blocks;
	struct arq_blocked_manual before; /* what a change takes the place of */
	bool was_blocked;
};

struct targets {
	size_t count;
	struct target items[TARGETS_MAX];
};

/* --- interfaces ------------------------------------------------------------------------------- */

static void close_targets(struct targets *targets)
{
	for (size_t i = 0; i < targets->count; i++)
		arq_blocks_close(targets->items[i].blocks);
	free(targets);
}

static int open_target(struct targets *targets, const char *name, const char *directory,
		       struct arq_error *error)
{
	if (targets->count == TARGETS_MAX)
		return arq_error_set(error, -ENOSPC, "more than %d interfaces; name fewer",
				     TARGETS_MAX);
	struct target *target = &targets->items[targets->count];
	snprintf(target->name, sizeof(target->name), "%s", name);
	int code = arq_blocks_open(directory, &target->blocks, error);
	if (code)
		return arq_error_prefix(error, code, "%s", name);
	targets->count++;
	return 0;
}

struct visit {
	struct targets *targets;
	struct arq_error *error;
};

/* What has no firewall is passed over. */
static int visit_pins(const char *directory, unsigned int ifindex, bool here, void *context)
{
	struct visit *visit = context;
	char name[IF_NAMESIZE];

	if (!here || !if_indextoname(ifindex, name) ||
	    (!arq_program_pinned(ARQ_PROGRAM_FIREWALL, directory) &&
	     !arq_program_pinned(ARQ_PROGRAM_BUNDLE, directory)))
		return 0;
	return open_target(visit->targets, name, directory, visit->error);
}

static int find_targets(struct targets *targets, char *const *names, size_t count,
			struct arq_error *error)
{
	struct visit visit = {targets, error};
	char directory[PATH_MAX];
	int code = 0;

	for (size_t i = 0; !code && i < count; i++) {
		unsigned int ifindex = if_nametoindex(names[i]);
		code = ifindex ? arq_pins_path(directory, ifindex) : -ENODEV;
		code = code ? arq_error_set(error, code,
					    "there is no interface '%.40s'; see 'ip link'",
					    names[i])
			    : open_target(targets, names[i], directory, error);
	}
	if (code || count)
		return code;
	code = arq_pins_walk(visit_pins, &visit);
	if (code && !error->text[0])
		return arq_error_set(error, code, "cannot look for firewalls: %s", strerror(-code));
	if (!code && !targets->count)
		return arq_error_set(error, -ENOENT,
				     "no interface runs our firewall; load it by 'arquant load'");
	return code;
}

static int open_targets(struct targets **targets, char *const *names, size_t count,
			struct arq_error *error)
{
	*targets = calloc(1, sizeof(**targets));
	if (!*targets)
		return arq_error_set(error, -ENOMEM, "out of memory");
	int code = arq_kernel_check_privileges(error);
	return code ? code : find_targets(*targets, names, count, error);
}

/* --- changes ---------------------------------------------------------------------------------- */

static uint64_t monotonic_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * SECOND + (uint64_t)now.tv_nsec;
}

/* Time that a block has left, ARQ_BLOCK_FOREVER for one without end. */
static uint64_t left_of(const struct arq_blocked *blocked)
{
	uint64_t now = monotonic_ns();

	if (blocked->expires == ARQ_BLOCK_FOREVER)
		return ARQ_BLOCK_FOREVER;
	return blocked->expires > now ? blocked->expires - now : 1;
}

static void take_back(struct target *target, const struct arq_prefix *prefix)
{
	struct arq_error unused = {0};

	if (target->was_blocked)
		arq_block_add(target->blocks, prefix, left_of(&target->before.blocked),
			      target->before.reason, &unused);
	else
		arq_block_remove(target->blocks, prefix, &unused);
}

static int block_all(struct targets *targets, const struct arq_prefix *prefix,
		     const struct options *options, struct arq_error *error)
{
	size_t done = 0;
	int code = 0;

	for (; done < targets->count; done++) {
		struct target *target = &targets->items[done];
		target->was_blocked = arq_block_get(target->blocks, prefix, &target->before) == 0;
		code = arq_block_add(target->blocks, prefix, options->duration_ns, options->reason,
				     error);
		if (code) {
			arq_error_prefix(error, code, "%s", target->name);
			break;
		}
	}
	while (code && done > 0)
		take_back(&targets->items[--done], prefix);
	return code;
}

/* Where it is not blocked there is nothing to do, unless it is blocked nowhere. */
static int unblock_all(struct targets *targets, const struct arq_prefix *prefix,
		       struct arq_error *error)
{
	size_t removed = 0;

	for (size_t i = 0; i < targets->count; i++) {
		struct arq_error one = {0};
		int code = arq_block_remove(targets->items[i].blocks, prefix, &one);
		if (code && code != -ENOENT)
			return arq_error_set(error, code, "%s: %s", targets->items[i].name,
					     one.text);
		removed += code == 0;
		if (code && i + 1 == targets->count && removed == 0)
			return arq_error_set(error, code, "%s: %s", targets->items[i].name,
					     one.text);
	}
	return 0;
}

/* --- listing ---------------------------------------------------------------------------------- */

static time_t wall_seconds(uint64_t monotonic)
{
	return time(NULL) - (time_t)((monotonic_ns() - monotonic) / SECOND);
}

static int add_json(const struct arq_block_view *view, void *context)
{
	struct json_object *object = json_object_new_object();
	char text[ARQ_PREFIX_TEXT_MAX];

	if (!object)
		return -ENOMEM;
	arq_json_add_text(object, "prefix", arq_prefix_format(&view->prefix, text));
	arq_json_add_bool(object, "manual", view->manual);
	if (view->manual)
		arq_json_add_text(object, "reason", view->reason);
	else
		arq_json_add_number(object, "rule", view->blocked.rule);
	arq_json_add_time(object, "since", wall_seconds(view->blocked.since), -1);
	if (view->blocked.expires != ARQ_BLOCK_FOREVER)
		arq_json_add_number(object, "left", left_of(&view->blocked) / SECOND);
	arq_json_add_number(object, "packets", view->blocked.hits);
	if (view->blocked.last_seen)
		arq_json_add_time(object, "last_seen", wall_seconds(view->blocked.last_seen), -1);
	return json_object_array_add(context, object) ? -ENOMEM : 0;
}

static int print_json(const struct targets *targets, struct arq_error *error)
{
	struct json_object *object = json_object_new_object();
	struct json_object *interfaces = json_object_new_array();
	int code = object && interfaces ? 0 : -ENOMEM;

	json_object_object_add(object, "interfaces", interfaces);
	for (size_t i = 0; i < targets->count && !code; i++) {
		struct json_object *one = json_object_new_object();
		struct json_object *blocks = json_object_new_array();
		arq_json_add_text(one, "name", targets->items[i].name);
		json_object_object_add(one, "blocks", blocks);
		json_object_array_add(interfaces, one);
		code = arq_blocks_each(targets->items[i].blocks, add_json, blocks, error);
	}
	if (code) {
		json_object_put(object);
		return error->text[0] ? code : arq_error_set(error, code, "out of memory");
	}
	arq_json_print(object, false, stdout);
	return 0;
}

/* Bytes that a terminal would not show as what they are become '?'. */
static void print_text(const char *text)
{
	for (; *text; text++)
		putchar((unsigned char)*text < ' ' || *text == 0x7f ? '?' : *text);
}

static int print_line(const struct arq_block_view *view, void *context)
{
	const char *interface = context;
	char text[ARQ_PREFIX_TEXT_MAX];

	printf("%-15s %-43s ", interface, arq_prefix_format(&view->prefix, text));
	if (view->blocked.expires == ARQ_BLOCK_FOREVER)
		printf("%10s", "ever");
	else
		printf("%9" PRIu64 "s", (uint64_t)(left_of(&view->blocked) / SECOND));
	printf(" %12" PRIu64 "  ", (uint64_t)view->blocked.hits);
	if (view->manual)
		print_text(view->reason);
	else
		printf("rule %u", view->blocked.rule);
	putchar('\n');
	return 0;
}

static int print_blocks(const struct targets *targets, struct arq_error *error)
{
	int code = 0;

	printf("%-15s %-43s %10s %12s  %s\n", "interface", "prefix", "for", "packets", "reason");
	for (size_t i = 0; i < targets->count && !code; i++)
		code = arq_blocks_each(targets->items[i].blocks, print_line,
				       (void *)(uintptr_t)targets->items[i].name, error);
	return code;
}

/* --- options ---------------------------------------------------------------------------------- */

static int take_time(const char *verb, const struct arq_option *option, const char *value)
{
	uint64_t *duration_ns = option->to;

	if (strcmp(value, "ever") == 0)
		*duration_ns = ARQ_BLOCK_FOREVER;
	else if (arq_duration_parse(value, duration_ns) || *duration_ns == 0)
		return arq_command_usage(verb, "'%.40s' is no time; write 30s, 10m, 24h or ever",
					 value);
	return 0;
}

static int take_reason(const char *verb, const struct arq_option *option, const char *value)
{
	const char **reason = option->to;

	*reason = value;
	if (strlen(value) < ARQ_BLOCK_REASON_MAX)
		return 0;
	return arq_command_usage(verb, "the reason has more than %d bytes",
				 ARQ_BLOCK_REASON_MAX - 1);
}

/* Runs `block` or `unblock` on the prefix and the interfaces that the arguments name. */
static int change(const struct options *options, const struct arq_options *read, bool add)
{
	struct targets *targets = NULL;
	struct arq_error error = {0};
	struct arq_prefix prefix;

	if (read->names_count == 0)
		return arq_command_usage(read->verb, "the address is missing");
	if (add && !options->duration_ns)
		return arq_command_usage(read->verb, "--for is missing: how long?");
	int code = arq_prefix_parse(&prefix, read->names[0], &error);
	if (!code)
		code = open_targets(&targets, read->names + 1, read->names_count - 1, &error);
	if (!code)
		code = add ? block_all(targets, &prefix, options, &error)
			   : unblock_all(targets, &prefix, &error);
	if (targets)
		close_targets(targets);
	return code ? arq_command_fail(read->verb, &error) : ARQ_EXIT_DONE;
}

int arq_firewall_block(int argc, char **argv)
{
	struct options options = {.reason = ""};
	const struct arq_option own[] = {
		{.name = "for", .letter = 'f', .take = take_time, .to = &options.duration_ns},
		{.name = "reason", .letter = 'r', .take = take_reason, .to = &options.reason},
		ARQ_OPTION_VERBOSE,
		{0},
	};
	struct arq_options read = {.verb = argv[0], .help = block_help, .own = own};
	int code;

	return arq_options_read(&read, argc, argv, &code) ? change(&options, &read, true) : code;
}

int arq_firewall_unblock(int argc, char **argv)
{
	const struct arq_option own[] = {ARQ_OPTION_VERBOSE, {0}};
	struct arq_options read = {.verb = argv[0], .help = unblock_help, .own = own};
	struct options options = {0};
	int code;

	return arq_options_read(&read, argc, argv, &code) ? change(&options, &read, false) : code;
}

int arq_firewall_blocks(int argc, char **argv)
{
	bool json = false;
	const struct arq_option own[] = {
		{.name = "json", .letter = 'j', .flag = &json},
		ARQ_OPTION_VERBOSE,
		{0},
	};
	struct arq_options read = {.verb = argv[0], .help = blocks_help, .own = own};
	struct targets *targets = NULL;
	struct arq_error error = {0};
	int code;

	if (!arq_options_read(&read, argc, argv, &code))
		return code;
	code = open_targets(&targets, read.names, read.names_count, &error);
	if (!code)
		code = json ? print_json(targets, &error) : print_blocks(targets, &error);
	if (targets)
		close_targets(targets);
	return code ? arq_command_fail(read.verb, &error) : arq_command_finish(read.verb);
}
