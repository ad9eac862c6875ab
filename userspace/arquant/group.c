// SPDX-License-Identifier: BSD-2-Clause
#include "userspace/arquant/command.h"

#include <stdio.h>
#include <string.h>

#define VERB_MAX 32

static int print_help(const struct arq_command_group *group)
{
	printf("%s\n"
	       "What:\n",
	       group->head);
	for (const struct arq_subcommand *one = group->subcommands; one->name; one++)
		printf("  %-10s %s\n", one->name, one->summary);
	printf("\n"
	       "'arquant %s WHAT --help' tells more.\n",
	       group->verb);
	return arq_command_finish(group->verb);
}

int arq_command_run_group(const struct arq_command_group *group, int argc, char **argv)
{
	char verb[VERB_MAX];

	if (argc >= 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0))
		return print_help(group);
	if (argc < 2)
		return arq_command_usage(group->verb, "what to do is missing");
	for (const struct arq_subcommand *one = group->subcommands; one->name; one++) {
		if (strcmp(argv[1], one->name) == 0) {
			snprintf(verb, sizeof(verb), "%s %s", group->verb, one->name);
			argv[1] = verb;
			return one->run(argc - 1, argv + 1);
		}
	}
	return arq_command_usage(group->verb, "'%.40s' is not known", argv[1]);
}
