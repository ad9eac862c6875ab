// SPDX-License-Identifier: BSD-2-Clause
#include "userspace/arquant/sampler.h"

#include "userspace/arquant/command.h"

static const struct arq_subcommand subcommands[] = {
	{"capture", arq_sampler_capture, "show sampled packets, or write them as pcapng"},
	{"export", arq_sampler_export, "send samples to sFlow collectors, or print them as JSON"},
	{"set", arq_sampler_tune, "change rates and snap length, live"},
	{"top", arq_sampler_top, "show what takes the most bytes, as estimated"},
	{0},
};

int arq_sampler_take_filter(const char *verb, const struct arq_option *option, const char *value)
{
	struct arq_error error = {0};

	return arq_filter_add(option->to, value, &error) ? arq_command_usage(verb, "%s", error.text)
							 : 0;
}

int arq_command_sampler(int argc, char **argv)
{
	static const struct arq_command_group group = {
		.verb = "sampler",
		.head = "Usage: arquant sampler WHAT [IFACE...] [OPTION...]\n"
			"\n"
			"Sees 1 packet in N of what crosses the interfaces, also what the firewall "
			"drops.\n",
		.subcommands = subcommands,
	};

	return arq_command_run_group(&group, argc, argv);
}
