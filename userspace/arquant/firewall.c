// SPDX-License-Identifier: BSD-2-Clause
#include "userspace/arquant/firewall.h"

#include "userspace/arquant/command.h"

#include <stdio.h>
#include <string.h>

static struct subcommand {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *summary;
	char verb[24]; /* for messages about options */
} subcommands[] = {
	{"apply", arq_firewall_apply, "put changed rules into force, or on trial",
	 "firewall apply"},
	{"block", arq_firewall_block, "drop what a source sends, for a time", "firewall block"},
	{"blocks", arq_firewall_blocks, "show what is blocked", "firewall blocks"},
	{"check", arq_firewall_check, "validate a configuration, and find rules without effect",
	 "firewall check"},
	{"confirm", arq_firewall_confirm, "keep rules that are on trial", "firewall confirm"},
	{"entries", arq_firewall_entries, "show what the entries of a tracked set did",
	 "firewall entries"},
	{"import", arq_firewall_import, "put another list of prefixes into a set",
	 "firewall import"},
	{"show", arq_firewall_show, "show the rules in force, and what they did", "firewall show"},
	{"test", arq_firewall_test, "show which rule decides the packets of a capture",
	 "firewall test"},
	{"unblock", arq_firewall_unblock, "take a block back", "firewall unblock"},
	{NULL, NULL, NULL, ""},
};

static int print_help(void)
{
	printf("Usage: arquant firewall WHAT [IFACE...] [OPTION...]\n"
	       "\n"
	       "Rules of the firewall: check them, change them under traffic, see what they do.\n"
	       "\n"
	       "What:\n");
	for (const struct subcommand *one = subcommands; one->name; one++)
		printf("  %-10s %s\n", one->name, one->summary);
	printf("\n"
	       "'arquant firewall WHAT --help' tells more.\n");
	return arq_command_finish("firewall");
}

int arq_command_firewall(int argc, char **argv)
{
	if (argc >= 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0))
		return print_help();
	if (argc < 2)
		return arq_command_usage("firewall", "what to do is missing");
	for (struct subcommand *one = subcommands; one->name; one++) {
		if (strcmp(argv[1], one->name) == 0) {
			argv[1] = one->verb;
			return one->run(argc - 1, argv + 1);
		}
	}
	return arq_command_usage("firewall", "'%.40s' is not known", argv[1]);
}
