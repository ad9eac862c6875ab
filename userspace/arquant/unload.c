// SPDX-License-Identifier: BSD-2-Clause
#include "userspace/arquant/command.h"

#include "dispatcher/chain.h"

#include <getopt.h>
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
	bool help;
};

static int parse_options(struct options *options, int argc, char **argv)
{
	static const struct option known[] = {
		{"all", no_argument, NULL, 'a'},
		{"leave-pass", no_argument, NULL, 'p'},
		{"verbose", no_argument, NULL, 'v'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	int option, code = 0;

	opterr = 0;
	while (code == 0 && (option = getopt_long(argc, argv, ":apvh", known, NULL)) != -1) {
		switch (option) {
		case 'a':
			options->all = true;
			break;
		case 'p':
			options->leave_pass = true;
			break;
		case 'v':
			arq_command_set_verbose();
			break;
		case 'h':
			options->help = true;
			break;
		default:
			code = arq_command_bad_option(argv, option);
			break;
		}
	}
	return code;
}

int arq_command_unload(int argc, char **argv)
{
	struct options options = {0};
	struct arq_error error = {0};

	int code = parse_options(&options, argc, argv);
	if (code)
		return code;
	if (options.help) {
		fputs(help, stdout);
		return arq_command_finish("unload");
	}
	const char *const *names = (const char *const *)argv + optind;
	size_t count = (size_t)(argc - optind);
	if (options.all && count > 0)
		return arq_command_usage("unload", "either --all or names of interfaces, not both");
	if (!options.all && count == 0)
		return arq_command_usage("unload", "an interface is missing (or --all)");
	code = arq_command_check_twice("unload", argv + optind, count);
	if (code)
		return code;

	arq_command_hold_signals();
	if (options.all)
		code = arq_chain_unload_all(&count, options.leave_pass, &error);
	else
		code = arq_chain_unload(names, count, options.leave_pass, &error);
	if (code)
		return arq_command_fail("unload", &error);
	printf("unloaded from %zu interface%s%s\n", count, count == 1 ? "" : "s",
	       options.leave_pass && count ? ", left a program that passes every packet" : "");
	return arq_command_finish("unload");
}
