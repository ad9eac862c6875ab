// SPDX-License-Identifier: BSD-2-Clause
#include "userspace/arquant/sampler.h"

#include "dispatcher/kernel.h"
#include "dispatcher/pins.h"
#include "progs/sampler/control.h"
#include "progs/sampler/json.h"
#include "userspace/arquant/command.h"
#include "userspace/arquant/options.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VERB "sampler set"

static const char help[] =
	"Usage: arquant sampler set [IFACE...] [OPTION...]\n"
	"\n"
	"Changes how the sampler of the interfaces named, or of all that have one, takes samples, "
	"from\n"
	"the next packet on. Prints what is in force then; without options, what is in force now.\n"
	"'arquant load' goes back to the configuration.\n"
	"\n"
	"  -n, --one-in N        1 packet in N that passes becomes a sample; 0: none\n"
	"  -d, --drops N         the same for packets that the firewall drops\n"
	"  -s, --snaplen BYTES   of a packet that a sample carries, 14 to 1536\n"
	"  -j, --json            print it as JSON\n" ARQ_SAMPLER_HELP_END;

#define SNAPLEN_MIN 14 /* the Ethernet header */

#define UNCHANGED UINT64_MAX

struct options {
	uint64_t one_in;
	uint64_t drop_one_in;
	uint64_t snaplen;
	bool json;
};

struct target {
	char name[IF_NAMESIZE];
	char directory[PATH_MAX];
	struct arq_sampler_rates before, rates;
};

struct targets {
	unsigned int count;
	struct target all[ARQ_READER_RINGS_MAX];
};

/* --- interfaces ------------------------------------------------------------------------------- */

static int add_target(struct targets *targets, const char *name, const char *directory,
		      struct arq_error *error)
{
	if (targets->count == ARQ_READER_RINGS_MAX)
		return arq_error_set(error, -ENOSPC, "more than %d interfaces; name fewer",
				     ARQ_READER_RINGS_MAX);
	struct target *target = &targets->all[targets->count];
	snprintf(target->name, sizeof(target->name), "%s", name);
	snprintf(target->directory, sizeof(target->directory), "%s", directory);
	int code = arq_sampler_get(directory, &target->before, error);
	if (code)
		return arq_error_prefix(error, code, "%s", name);
	targets->count++;
	return 0;
}

static int visit_pins(const char *directory, unsigned int ifindex, bool here, void *context)
{
	struct arq_error error = {0};
	char name[IF_NAMESIZE];

	if (!here || !if_indextoname(ifindex, name))
		return 0;
	int code = add_target(context, name, directory, &error);
	return code == -ENOENT ? 0 : code;
}

static int find_targets(struct targets *targets, char *const *names, size_t count,
			struct arq_error *error)
{
	char directory[PATH_MAX];
	int code = 0;

	for (size_t i = 0; !code && i < count; i++) {
		unsigned int ifindex = if_nametoindex(names[i]);
		code = ifindex ? arq_pins_path(directory, ifindex) : -ENODEV;
		code = code ? arq_error_set(error, code,
					    "there is no interface '%.40s'; see 'ip link'",
					    names[i])
			    : add_target(targets, names[i], directory, error);
	}
	if (code || count)
		return code;
	code = arq_pins_walk(visit_pins, targets);
	if (code)
		return arq_error_set(error, code, "cannot look for samplers: %s", strerror(-code));
	if (!targets->count)
		return arq_error_set(error, -ENOENT,
				     "no interface has a sampler; load one by 'arquant load'");
	return 0;
}

/* --- rates ------------------------------------------------------------------------------------ */

static bool changes(const struct options *options)
{
	return options->one_in != UNCHANGED || options->drop_one_in != UNCHANGED ||
	       options->snaplen != UNCHANGED;
}

/* All or none: what was changed before a failure is taken back. */
static int set_targets(const struct options *options, struct targets *targets,
		       struct arq_error *error)
{
	struct arq_error unused = {0};
	unsigned int done = 0;
	int code = 0;

	for (; !code && done < targets->count; done++) {
		struct target *target = &targets->all[done];
		target->rates = target->before;
		if (options->one_in != UNCHANGED)
			target->rates.one_in = (uint32_t)options->one_in;
		if (options->drop_one_in != UNCHANGED)
			target->rates.drop_one_in = (uint32_t)options->drop_one_in;
		if (options->snaplen != UNCHANGED)
			target->rates.snaplen = (uint32_t)options->snaplen;
		if (changes(options))
			code = arq_sampler_set(target->directory, &target->rates, error);
		if (code)
			arq_error_prefix(error, code, "%s", target->name);
	}
	while (code && done > 0) {
		done--;
		arq_sampler_set(targets->all[done].directory, &targets->all[done].before, &unused);
	}
	return code;
}

static void print_targets(const struct targets *targets, bool json)
{
	if (json)
		fputs("{\"interfaces\":[", stdout);
	for (unsigned int i = 0; i < targets->count; i++) {
		const struct target *target = &targets->all[i];
		const struct arq_sampler_rates *rates = &target->rates;
		if (json) {
			fputs(i ? ",{\"name\":" : "{\"name\":", stdout);
			arq_json_string(stdout, target->name);
			printf(",\"one_in\":%" PRIu32 ",\"drops_one_in\":%" PRIu32
			       ",\"snaplen\":%" PRIu32 "}",
			       rates->one_in, rates->drop_one_in, rates->snaplen);
		} else {
			printf("%s: 1 in %" PRIu32 ", drops 1 in %" PRIu32 ", %" PRIu32
			       " bytes of each\n",
			       target->name, rates->one_in, rates->drop_one_in, rates->snaplen);
		}
	}
	if (json)
		fputs("]}\n", stdout);
}

static int tune(const struct options *options, char *const *names, size_t count,
		struct arq_error *error)
{
	struct targets *targets = calloc(1, sizeof(*targets));

	if (!targets)
		return arq_error_set(error, -ENOMEM, "out of memory");
	int code = arq_kernel_check_privileges(error);
	if (!code)
		code = find_targets(targets, names, count, error);
	if (!code)
		code = set_targets(options, targets, error);
	if (!code)
		print_targets(targets, options->json);
	free(targets);
	return code;
}

/* --- the command ------------------------------------------------------------------------------ */

int arq_sampler_tune(int argc, char **argv)
{
	struct options options = {UNCHANGED, UNCHANGED, UNCHANGED, false};
	const struct arq_option own[] = {
		{.name = "one-in", .letter = 'n', .number = &options.one_in, .max = UINT32_MAX},
		{.name = "drops", .letter = 'd', .number = &options.drop_one_in, .max = UINT32_MAX},
		{.name = "snaplen",
		 .letter = 's',
		 .number = &options.snaplen,
		 .min = SNAPLEN_MIN,
		 .max = ARQ_SNAPLEN_MAX},
		{.name = "json", .letter = 'j', .flag = &options.json},
		ARQ_OPTION_VERBOSE,
		{0},
	};
	struct arq_options read = {.verb = VERB, .help = help, .own = own};
	struct arq_error error = {0};
	int code;

	if (!arq_options_read(&read, argc, argv, &code))
		return code;
	code = tune(&options, read.names, read.names_count, &error);
	return code ? arq_command_fail(VERB, &error) : arq_command_finish_change(VERB);
}
