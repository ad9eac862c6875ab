// SPDX-License-Identifier: BSD-2-Clause
#include "userspace/arquant/command.h"

#include "dispatcher/chain.h"
#include "userspace/arquant/options.h"
#include "userspace/arquant/policy.h"
#include "userspace/arquant/report.h"
#include "userspace/common/config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char help[] =
	"Usage: arquant load [IFACE...] [OPTION...]\n"
	"\n"
	"Loads the configured programs on the interfaces named, or on all that the configuration\n"
	"has, all or none of them. Programs of ours that are loaded there already are replaced;\n"
	"counters, services and sockets are kept. Programs of others are left alone.\n"
	"\n"
	"  -c, --config FILE  read this configuration instead of " ARQ_CONFIG_PATH "\n"
	"  -b, --bundle       load the programs as one: in one slot, or alone on the interface\n"
	"                     where the kernel refuses to chain programs\n"
	"  -m, --mode MODE    auto, native or generic, instead of the configuration's mode\n"
	"  -j, --json         print what was loaded as JSON\n"
	"  -v, --verbose      after a failure, show what libbpf, libxdp and the kernel said\n"
	"  -h, --help         print this\n";

struct options {
	const char *config;
	int mode; /* enum arq_chain_mode, -1: the configuration's */
	bool bundle;
	bool json;
};

static int take_mode(const char *verb, const struct arq_option *option, const char *value)
{
	static const char *const names[] = {
		[ARQ_CHAIN_AUTO] = "auto",
		[ARQ_CHAIN_NATIVE] = "native",
		[ARQ_CHAIN_GENERIC] = "generic",
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(value, names[i]) == 0) {
			*(int *)option->to = (int)i;
			return 0;
		}
	}
	return arq_command_usage(verb, "'%.40s' is no mode (auto, native, generic)", value);
}

static const struct arq_config_interface *find_interface(const struct arq_config *config,
							 const char *name)
{
	for (uint32_t i = 0; i < config->interfaces_count; i++) {
		if (strcmp(config->interfaces[i].name, name) == 0)
			return &config->interfaces[i];
	}
	return NULL;
}

static enum arq_chain_mode chain_mode(enum arq_config_mode mode)
{
	switch (mode) {
	case ARQ_CONFIG_MODE_NATIVE:
		return ARQ_CHAIN_NATIVE;
	case ARQ_CONFIG_MODE_GENERIC:
		return ARQ_CHAIN_GENERIC;
	default:
		return ARQ_CHAIN_AUTO;
	}
}

/* The places in the chain. The bundle takes that of the first of its parts. */
static void fill_places(struct arq_chain_request *request,
			const struct arq_config_interface *interface)
{
	int first = -1;

	for (uint32_t id = 0; id < ARQ_PROGRAM_COUNT; id++)
		request->places[id] = arq_chain_default_place((enum arq_program_id)id);
	for (uint32_t i = 0; i < interface->chain_count; i++) {
		const struct arq_config_program *program = &interface->chain[i];
		request->places[program->id] = (struct arq_chain_place){
			.priority = program->priority,
			.chain_actions = program->chain_actions,
		};
		if (first < 0 || program->priority < request->places[first].priority)
			first = (int)program->id;
	}
	if (first >= 0)
		request->places[ARQ_PROGRAM_BUNDLE] = request->places[first];
}

static void fill_request(struct arq_chain_request *request,
			 const struct arq_config_interface *interface,
			 const struct arq_config *config, const struct options *options)
{
	*request = (struct arq_chain_request){
		.interface = interface->name,
		.mode = options->mode < 0 ? chain_mode(interface->mode)
					  : (enum arq_chain_mode)options->mode,
		.programs = interface->programs,
		.bundle = options->bundle,
		.options =
			{
				.pass_malformed = config->firewall.malformed == ARQ_CONFIG_PASS,
				.ruleset = &config->firewall.ruleset,
				.interface = interface->name,
				.guards = config->firewall.guards,
				.sample_one_in = config->sampler.one_in,
				.drop_one_in = config->sampler.drops_one_in,
				.snaplen = config->sampler.snaplen,
			},
	};
	fill_places(request, interface);
}

/* The requests for the interfaces named, or for all. Returns how many, or a negative errno. */
static int make_requests(struct arq_chain_request *requests, char *const *names, size_t count,
			 const struct arq_config *config, const struct options *options,
			 struct arq_error *error)
{
	for (size_t i = 0; i < count; i++) {
		const struct arq_config_interface *interface = find_interface(config, names[i]);
		if (!interface)
			return arq_error_set(error, -ENOENT,
					     "%s: no such entry under 'interfaces' in %s; add one, "
					     "so that it is said which programs to load",
					     names[i], config->path);
		fill_request(&requests[i], interface, config, options);
	}
	if (count > 0)
		return (int)count;
	for (uint32_t i = 0; i < config->interfaces_count; i++)
		fill_request(&requests[i], &config->interfaces[i], config, options);
	return (int)config->interfaces_count;
}

/*
 * What is there now, as a line for each interface or as the status of them. An interface can go
 * away between load and look: then the error says that the load was done.
 */
static int print_result(const struct arq_chain_request *requests, size_t count, bool json,
			struct arq_error *error)
{
	struct arq_report *report = arq_report_create();

	int code = report ? 0 : arq_error_set(error, -ENOMEM, "out of memory");
	for (size_t i = 0; code == 0 && i < count; i++)
		code = arq_report_add(report, requests[i].interface, error);
	if (code)
		arq_error_prefix(error, code,
				 "loaded, and the programs run, but they cannot be shown");
	if (code == 0 && json)
		arq_report_print_json(report, stdout);
	else if (code == 0)
		arq_report_print_summary(report, stdout);
	arq_report_destroy(report);
	return code;
}

static int load(struct arq_config *config, const struct options *options, char *const *names,
		size_t count, struct arq_error *error)
{
	if (config->interfaces_count == 0)
		return arq_error_set(error, -ENOENT,
				     "%s has no 'interfaces'; list those to load programs on",
				     config->path);
	size_t most = count > 0 ? count : config->interfaces_count;
	struct arq_chain_request *requests = calloc(most, sizeof(*requests));
	if (!requests)
		return arq_error_set(error, -ENOMEM, "out of memory");

	int made = 0;
	int code = arq_policy_read_sets(&config->firewall.ruleset, NULL, error);
	if (code == 0)
		made = make_requests(requests, names, count, config, options, error);
	if (made < 0)
		code = made;
	if (code == 0)
		code = arq_chain_load(requests, (size_t)made, error);
	if (code == 0)
		code = print_result(requests, (size_t)made, options->json, error);
	free(requests);
	return code;
}

int arq_command_load(int argc, char **argv)
{
	struct options options = {.config = ARQ_CONFIG_PATH, .mode = -1};
	const struct arq_option own[] = {
		{.name = "config", .letter = 'c', .text = &options.config},
		{.name = "bundle", .letter = 'b', .flag = &options.bundle},
		{.name = "mode", .letter = 'm', .take = take_mode, .to = &options.mode},
		{.name = "json", .letter = 'j', .flag = &options.json},
		ARQ_OPTION_VERBOSE,
		{0},
	};
	struct arq_options read = {.verb = "load", .help = help, .own = own};
	struct arq_config *config = NULL;
	struct arq_error error = {0};
	int code;

	if (!arq_options_read(&read, argc, argv, &code))
		return code;
	code = arq_command_check_twice("load", read.names, read.names_count);
	if (code)
		return code;

	arq_command_hold_signals();
	code = arq_config_load(options.config, &config, &error);
	if (code == 0)
		code = load(config, &options, read.names, read.names_count, &error);
	arq_config_destroy(config);
	return code ? arq_command_fail("load", &error) : arq_command_finish_change("load");
}
