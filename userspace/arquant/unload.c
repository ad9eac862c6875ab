// SPDX-License-Identifier: BSD-2-Clause
#include "userspace/arquant/command.h"

#include "dispatcher/chain.h"
#include "userspace/arquant/options.h"

#include <stdio.h>

static const char help[] =
	"Usage: arquant unload IFACE... [OPTION...]\n"
	"       arquant unload --all [OPTION...]\n"
	"\n"
	"Takes our programs off the interfaces named, with their maps and pins. Programs of "
	"others\n"
	"stay in their chain.\n"
	"\n"
	"  -a, --all         every interface of this network namespace that has programs of ours, "
	"and\n"
	"                    what is left of interfaces that are gone\n"
	"  -p, --leave-pass  leave a program in their place that only passes packets: for drivers\n"
	"                    that reset their rings when the last XDP program goes. It is ours: "
	"the\n"
	"                    next load takes its place, an unload without this option takes it "
	"off\n"
	"  -v, --verbose     after a failure, show what libbpf, libxdp and the kernel said\n"
	"  -h, --help        print this\n";

struct options {
	bool all;
	bool leave_pass;
};

int arq_command_unload(int argc, char **argv)
{
	struct options options = {0};
	const struct arq_option own[] = {
		{.name = "all", .letter = 'a', .flag = &options.all},
		{.name = "leave-pass", .letter = 'p', .flag = &options.leave_pass},
		ARQ_OPTION_VERBOSE,
		{0},
	};
	struct arq_options read = {.verb = "unload", .help = help, .own = own};
	struct arq_error error = {0};
	int code;

	if (!arq_options_read(&read, argc, argv, &code))
		return code;
	size_t count = read.names_count;
	if (options.all && count > 0)
		return arq_command_usage("unload", "either --all or names of interfaces, not both");
	if (!options.all && count == 0)
		return arq_command_usage("unload", "an interface is missing (or --all)");
	code = arq_command_check_twice("unload", read.names, count);
	if (code)
		return code;

	arq_command_hold_signals();
	if (options.all)
		code = arq_chain_unload_all(&count, options.leave_pass, &error);
	else
		code = arq_chain_unload((const char *const *)read.names, count, options.leave_pass,
					&error);
	if (code)
		return arq_command_fail("unload", &error);
	printf("unloaded from %zu interface%s%s\n", count, count == 1 ? "" : "s",
	       options.leave_pass && count ? ", left a program that passes every packet" : "");
	return arq_command_finish_change("unload");
}
