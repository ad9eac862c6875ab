// SPDX-License-Identifier: BSD-2-Clause
#include "userspace/arquant/command.h"

#include "dispatcher/kernel.h"
#include "userspace/arquant/report.h"

#include <errno.h>
#include <getopt.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static const char help[] =
	"Usage: arquant status [IFACE...] [OPTION...]\n"
	"\n"
	"Shows the slots of the interfaces named, or of all that run an XDP program: slot, run\n"
	"priority, program id, name, load time, whose it is, and for ours the packets by the "
	"action\n"
	"that the program returned; below them the reasons of what was not simply passed.\n"
	"\n"
	"  -j, --json     print it as JSON (keys: status.schema.json)\n"
	"  -v, --verbose  after a failure, show what libbpf and libxdp said\n"
	"  -h, --help     print this\n";

struct options {
	bool json;
	bool help;
};

static int parse_options(struct options *options, int argc, char **argv)
{
	static const struct option known[] = {
		{"json", no_argument, NULL, 'j'},
		{"verbose", no_argument, NULL, 'v'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	int option, code = 0;

	opterr = 0;
	while (code == 0 && (option = getopt_long(argc, argv, ":jvh", known, NULL)) != -1) {
		switch (option) {
		case 'j':
			options->json = true;
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

/* Every interface that runs an XDP program; one that goes away while we look is no error. */
static int add_all(struct arq_report *report, struct arq_error *error)
{
	struct if_nameindex *all = if_nameindex();
	if (!all)
		return arq_error_set(error, -errno, "cannot list the interfaces: %s",
				     strerror(errno));

	int code = 0;
	for (struct if_nameindex *one = all; code == 0 && one->if_index; one++) {
		code = arq_report_add_if_used(report, one->if_name, error);
		if (code == -ENODEV) {
			arq_error_clear(error);
			code = 0;
		}
	}
	if_freenameindex(all);
	return code;
}

static int status(const struct options *options, char *const *names, size_t count,
		  struct arq_error *error)
{
	int code = arq_kernel_check_privileges(error);
	if (code)
		return code;
	struct arq_report *report = arq_report_create();
	if (!report)
		return arq_error_set(error, -ENOMEM, "out of memory");

	for (size_t i = 0; code == 0 && i < count; i++)
		code = arq_report_add(report, names[i], error);
	if (code == 0 && count == 0)
		code = add_all(report, error);
	if (code == 0 && options->json)
		arq_report_print_json(report, stdout);
	else if (code == 0)
		arq_report_print_table(report, stdout);
	arq_report_destroy(report);
	return code;
}

int arq_command_status(int argc, char **argv)
{
	struct options options = {0};
	struct arq_error error = {0};

	int code = parse_options(&options, argc, argv);
	if (code)
		return code;
	if (options.help) {
		fputs(help, stdout);
		return arq_command_finish("status");
	}
	code = status(&options, argv + optind, (size_t)(argc - optind), &error);
	return code ? arq_command_fail("status", &error) : arq_command_finish("status");
}
