// SPDX-License-Identifier: BSD-2-Clause
#include "userspace/arquant/command.h"

#include "dispatcher/kernel.h"
#include "userspace/arquant/loop.h"
#include "userspace/arquant/options.h"
#include "userspace/arquant/report.h"

#include <errno.h>
#include <net/if.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char help[] =
	"Usage: arquant status [IFACE...] [OPTION...]\n"
	"\n"
	"Shows the slots of the interfaces named, or of all that run an XDP program: slot, run\n"
	"priority, program id, name, tag, load time, the actions after which the next slot runs,\n"
	"whose it is, and for ours the packets by the action that the program returned; below "
	"them\n"
	"the reasons of what was not simply passed. 'arquant monitor' counts foreign programs.\n"
	"\n"
	"  -w, --watch [TIME]  again every TIME, default 2s, with packets a second, until Ctrl-C\n"
	"  -c, --count N       with --watch: end after N times\n"
	"  -j, --json          print it as JSON (keys: status.schema.json); watching, on one line\n"
	"  -v, --verbose       after a failure, show what libbpf and libxdp said\n"
	"  -h, --help          print this\n";

#define WATCH_NS 2000000000u

struct options {
	uint64_t watch_ns; /* 0: once */
	uint64_t count; /* 0: no end */
	bool json;
};

/* --- once ------------------------------------------------------------------------------------- */

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

/* `again`: an interface that is gone was there before, and may come back. */
static int add_named(struct arq_report *report, char *const *names, size_t count, bool again,
		     struct arq_error *error)
{
	int code = 0;

	for (size_t i = 0; code == 0 && i < count; i++) {
		code = arq_report_add(report, names[i], error);
		if (code == -ENODEV && again) {
			arq_error_clear(error);
			code = 0;
		}
	}
	return code;
}

/* Returns 0 and *report, to be destroyed, or a negative errno with the reason in `error`. */
static int read_report(char *const *names, size_t count, bool again, struct arq_report **report,
		       struct arq_error *error)
{
	*report = arq_report_create();
	if (!*report)
		return arq_error_set(error, -ENOMEM, "out of memory");
	int code = count ? add_named(*report, names, count, again, error) : add_all(*report, error);
	if (code == 0)
		return 0;
	arq_report_destroy(*report);
	*report = NULL;
	return code;
}

static int print_once(const struct options *options, char *const *names, size_t count,
		      struct arq_error *error)
{
	struct arq_report *report;

	int code = read_report(names, count, false, &report, error);
	if (code)
		return code;
	if (options->json)
		arq_report_print_json(report, stdout);
	else
		arq_report_print_table(report, stdout);
	arq_report_destroy(report);
	return 0;
}

/* --- again and again -------------------------------------------------------------------------- */

/* On a terminal over what was there; else one block or line after the other. */
static int print_again(const struct options *options, const struct arq_report *report)
{
	if (options->json) {
		arq_report_print_json_line(report, stdout);
	} else if (isatty(STDOUT_FILENO)) {
		fputs("\033[H\033[2J", stdout);
		arq_report_print_table(report, stdout);
	} else {
		arq_report_print_table(report, stdout);
		putchar('\n');
	}
	return fflush(stdout) ? -errno : 0;
}

/* Returns 1 after a signal, 0 when it is time, or a negative errno. */
static int wait_until(int stop, uint64_t time_ns)
{
	struct pollfd fd = {.fd = stop, .events = POLLIN};
	int left;

	while ((left = arq_loop_time_left(arq_loop_now_ns(), &time_ns, 1)) > 0) {
		int count = poll(&fd, 1, left);
		if (count > 0)
			return 1;
		if (count < 0 && errno != EINTR)
			return -errno;
	}
	return 0;
}

static int watch(const struct options *options, char *const *names, size_t count,
		 struct arq_error *error)
{
	struct arq_report *before = NULL, *report;
	uint64_t next = arq_loop_now_ns(), turns = 0;
	int stop = arq_loop_catch_signals(error);
	int code = stop < 0 ? stop : 0;

	while (code == 0) {
		code = read_report(names, count, turns > 0, &report, error);
		if (code)
			break;
		if (before)
			arq_report_compare(report, before);
		code = print_again(options, report);
		arq_report_destroy(before);
		before = report;
		if (code || ++turns == options->count)
			break;
		next += options->watch_ns;
		if (next < arq_loop_now_ns())
			next = arq_loop_now_ns() + options->watch_ns;
		code = wait_until(stop, next);
	}
	arq_report_destroy(before);
	/* A signal, or who read our output went away: ends like any other. */
	if (code == 1 || (code == -EPIPE && !error->text[0]))
		return 0;
	return code ? arq_error_set(error, code, "cannot write the output: %s", strerror(-code))
		    : 0;
}

/* --- the command ------------------------------------------------------------------------------ */

static int status(const struct options *options, char *const *names, size_t count,
		  struct arq_error *error)
{
	int code = arq_kernel_check_privileges(error);
	if (code)
		return code;
	return options->watch_ns ? watch(options, names, count, error)
				 : print_once(options, names, count, error);
}

int arq_command_status(int argc, char **argv)
{
	struct options options = {0};
	const struct arq_option own[] = {
		{.name = "watch",
		 .letter = 'w',
		 .duration_ns = &options.watch_ns,
		 .otherwise_ns = WATCH_NS},
		{.name = "count",
		 .letter = 'c',
		 .number = &options.count,
		 .min = 1,
		 .max = UINT64_MAX},
		{.name = "json", .letter = 'j', .flag = &options.json},
		ARQ_OPTION_VERBOSE,
		{0},
	};
	struct arq_options read = {.verb = "status", .help = help, .own = own};
	struct arq_error error = {0};
	int code;

	if (!arq_options_read(&read, argc, argv, &code))
		return code;
	if (options.count && !options.watch_ns)
		return arq_command_usage("status", "--count goes with --watch");
	code = status(&options, read.names, read.names_count, &error);
	if (code)
		return arq_command_fail("status", &error);
	/* The watch flushed what it printed, or has nobody to print to. */
	return options.watch_ns ? ARQ_EXIT_DONE : arq_command_finish("status");
}
