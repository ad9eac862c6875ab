// SPDX-License-Identifier: BSD-2-Clause
#include "userspace/arquant/firewall.h"

#include "userspace/arquant/command.h"

static const struct arq_subcommand subcommands[] = {
	{"apply", arq_firewall_apply, "put changed rules into force, or on trial"},
	{"block", arq_firewall_block, "drop what a source sends, for a time"},
	{"blocks", arq_firewall_blocks, "show what is blocked"},
	{"check", arq_firewall_check, "validate a configuration, and find rules without effect"},
	{"confirm", arq_firewall_confirm, "keep rules that are on trial"},
	{"entries", arq_firewall_entries, "show what the entries of a tracked set did"},
	{"import", arq_firewall_import, "put another list of prefixes into a set"},
	{"show", arq_firewall_show, "show the rules in force, and what they did"},
	{"test", arq_firewall_test, "show which rule decides the packets of a capture"},
	{"unblock", arq_firewall_unblock, "take a block back"},
	{0},
};

int arq_command_firewall(int argc, char **argv)
{
	static const struct arq_command_group group = {
		.verb = "firewall",
		.head = "Usage: arquant firewall WHAT [IFACE...] [OPTION...]\n"
			"\n"
			"Rules of the firewall: check them, change them under traffic, see what "
			"they do.\n",
		.subcommands = subcommands,
	};

	return arq_command_run_group(&group, argc, argv);
}
