// SPDX-License-Identifier: BSD-2-Clause
#include "userspace/arquant/sampler_options.h"

#include "userspace/arquant/command.h"

#include <stdio.h>
#include <string.h>

/* Those that several have, and --verbose and --help, which all have. */
static const struct option shared[] = {
	{"json", no_argument, NULL, 'j'},           {"filter", required_argument, NULL, 'f'},
	{"duration", required_argument, NULL, 'd'}, {"verbose", no_argument, NULL, 'v'},
	{"help", no_argument, NULL, 'h'},
};

#define SHARED (sizeof(shared) / sizeof(shared[0]))

struct known {
	struct option all[ARQ_SAMPLER_OPTIONS_MAX + SHARED + 1];
	char letters[1 + 2 * (ARQ_SAMPLER_OPTIONS_MAX + SHARED) + 1];
	bool help;
};

static bool has(const struct arq_sampler_options *options, int letter)
{
	switch (letter) {
	case 'j':
		return options->json;
	case 'f':
		return options->filter;
	case 'd':
		return options->duration_ns;
	default:
		return true;
	}
}

/* What getopt_long(3) is to know. */
static void list_options(const struct arq_sampler_options *options, struct known *known)
{
	size_t count = 0;

	/* The colon has a missing value told from an option that is not known. */
	int length = snprintf(known->letters, sizeof(known->letters), ":%s", options->letters);
	for (const struct option *own = options->own; own->name; own++)
		known->all[count++] = *own;
	for (size_t i = 0; i < SHARED; i++) {
		if (!has(options, shared[i].val))
			continue;
		known->all[count++] = shared[i];
		length += snprintf(known->letters + length, sizeof(known->letters) - (size_t)length,
				   "%c%s", shared[i].val, shared[i].has_arg ? ":" : "");
	}
	known->all[count] = (struct option){0};
}

static int take_filter(const struct arq_sampler_options *options, const char *text)
{
	struct arq_error error = {0};

	return arq_filter_add(options->filter, text, &error)
		       ? arq_command_usage(options->verb, "%s", error.text)
		       : 0;
}

/* A shared option of which this one has none may be an own one: `set` has a -d of its own. */
static int take(const struct arq_sampler_options *options, int option, char **argv,
		struct known *known)
{
	if (option == '?' || option == ':')
		return arq_command_bad_option(argv, option);
	if (option == 'v') {
		arq_command_set_verbose();
		return 0;
	}
	if (option == 'h') {
		known->help = true;
		return 0;
	}
	if (option == 'j' && options->json) {
		*options->json = true;
		return 0;
	}
	if (option == 'f' && options->filter)
		return take_filter(options, optarg);
	if (option == 'd' && options->duration_ns)
		return arq_command_parse_duration(options->verb, optarg, options->duration_ns);
	return options->take(option, optarg, options->context);
}

bool arq_sampler_options_read(struct arq_sampler_options *options, int argc, char **argv,
			      int *status)
{
	struct known known = {0};
	int option;

	list_options(options, &known);
	opterr = 0;
	*status = 0;
	while (!*status && (option = getopt_long(argc, argv, known.letters, known.all, NULL)) != -1)
		*status = take(options, option, argv, &known);
	if (*status)
		return false;
	if (known.help) {
		fputs(options->help, stdout);
		*status = arq_command_finish(options->verb);
		return false;
	}
	options->names = argv + optind;
	options->names_count = (size_t)(argc - optind);
	return true;
}
