// SPDX-License-Identifier: BSD-2-Clause
#include "userspace/arquant/sampler.h"

#include "userspace/arquant/command.h"

#include <stdio.h>
#include <string.h>

static struct subcommand {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *summary;
	char verb[24]; /* for messages about options */
} subcommands[] = {
	{"capture", arq_sampler_capture, "show sampled packets, or write them as pcapng",
	 "sampler capture"},
	{"export", arq_sampler_export, "send samples to sFlow collectors, or print them as JSON",
	 "sampler export"},
	{"set", arq_sampler_tune, "change rates and snap length, live", "sampler set"},
	{"top", arq_sampler_top, "show what takes the most bytes, as estimated", "sampler top"},
	{NULL, NULL, NULL, ""},
};

int arq_sampler_take_filter(const char *verb, const struct arq_option *option, const char *value)
{
	struct arq_error error = {0};

	return arq_filter_add(option->to, value, &error) ? arq_command_usage(verb, "%s", error.text)
							 : 0;
}

static int print_help(void)
{
	printf("Usage: arquant sampler WHAT [IFACE...] [OPTION...]\n"
	       "\n"
	       "Sees 1 packet in N of what crosses the interfaces, also what the firewall drops.\n"
	       "\n"
	       "What:\n");
	for (const struct subcommand *one = subcommands; one->name; one++)
		printf("  %-10s %s\n", one->name, one->summary);
	printf("\n"
	       "'arquant sampler WHAT --help' tells more.\n");
	return arq_command_finish("sampler");
}

int arq_command_sampler(int argc, char **argv)
{
	if (argc >= 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0))
		return print_help();
	if (argc < 2)
		return arq_command_usage("sampler", "what to do is missing");
	for (struct subcommand *one = subcommands; one->name; one++) {
		if (strcmp(argv[1], one->name) == 0) {
			argv[1] = one->verb;
			return one->run(argc - 1, argv + 1);
		}
	}
	return arq_command_usage("sampler", "'%.40s' is not known", argv[1]);
}
