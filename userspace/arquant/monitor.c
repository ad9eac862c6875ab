// SPDX-License-Identifier: BSD-2-Clause
#include "userspace/arquant/command.h"

#include "dispatcher/kernel.h"
#include "userspace/arquant/loop.h"
#include "userspace/arquant/monitor_print.h"
#include "userspace/arquant/monitor_slots.h"
#include "userspace/arquant/options.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define VERB "monitor"

static const char help[] =
	"Usage: arquant monitor [IFACE...] [OPTION...]\n"
	"\n"
	"Watches every program on the interfaces named, or on all that run one, ours or not, from\n"
	"outside: packets by the action returned, packets a second, and nanoseconds that a packet\n"
	"takes. Programs that any tool adds are watched from when they are noticed, those that\n"
	"stay in the chain keep their counts. Ends by Ctrl-C, and leaves nothing behind.\n"
	"\n"
	"  -i, --interval TIME   between two reports, default 1s\n"
	"  -c, --count N         end after N reports\n"
	"  -d, --duration TIME   end after so long, with a last report\n"
	"  -t, --time N          take the time of 1 packet in N on average, 0: of none; default "
	"16\n"
	"  -j, --json            a line of JSON each report (keys: monitor.schema.json)\n"
	"  -v, --verbose         after a failure, show what libbpf and the kernel said\n"
	"  -h, --help            print this\n"
	"\n"
	"Watching costs every packet two calls for each program, a timed one two readings of the\n"
	"clock more; what of that is in the nanoseconds is measured first and taken off.\n";

#define INTERVAL_NS 1000000000u
#define ONE_IN      16
#define ONE_IN_MAX  1000000000u

/* How often to look round for changes that the kernel does not tell. */
#define LOOK_NS 1000000000u
/* When a chain could not be read because it was being changed. */
#define RETRY_NS 200000000u

struct options {
	uint64_t interval_ns;
	uint64_t count; /* reports, 0: no end */
	uint64_t duration_ns; /* 0: no end */
	uint64_t one_in; /* times 1 packet in so many, 0: none */
	bool json;
};

/* When what is due, CLOCK_MONOTONIC; 0: never. */
struct due {
	uint64_t report, look, end;
};

/* --- the loop --------------------------------------------------------------------------------- */

/* Returns 0 or the negative errno of the output. */
static int report(const struct options *options, struct arq_monitor *monitor)
{
	arq_monitor_read(monitor);
	if (options->json) {
		arq_monitor_print_json(monitor, stdout);
	} else {
		if (isatty(STDOUT_FILENO))
			fputs("\033[H\033[2J", stdout);
		arq_monitor_print_table(monitor, stdout);
	}
	arq_monitor_forget(monitor);
	return fflush(stdout) ? -errno : 0;
}

/* The next time after now, in steps from `due` on. */
static uint64_t advance(uint64_t due, uint64_t step, uint64_t now)
{
	due += step;
	return due > now ? due : now + step;
}

/* Does what is due. Returns 0 or the negative errno of the output; *reports counts. */
static int turn(const struct options *options, struct arq_monitor *monitor, bool changed,
		struct due *due, uint64_t *reports)
{
	uint64_t now = arq_loop_now_ns();
	bool look = now >= due->look;
	int code = 0;

	if (changed || look) {
		bool again = arq_monitor_follow(monitor, look);
		if (look)
			due->look = now + LOOK_NS;
		if (again && due->look > now + RETRY_NS)
			due->look = now + RETRY_NS;
	}
	if (now >= due->report) {
		code = report(options, monitor);
		due->report = advance(due->report, options->interval_ns, now);
		++*reports;
	}
	return code;
}

static int run(const struct options *options, struct arq_monitor *monitor, int stop)
{
	struct pollfd fds[] = {
		{.fd = stop, .events = POLLIN},
		{.fd = arq_monitor_fd(monitor), .events = POLLIN},
	};
	uint64_t start = arq_loop_now_ns(), reports = 0;
	struct due due = {
		.report = start + options->interval_ns,
		.look = start + LOOK_NS,
		.end = options->duration_ns ? start + options->duration_ns : 0,
	};

	for (;;) {
		const uint64_t times[] = {due.report, due.look, due.end};
		int left = arq_loop_time_left(arq_loop_now_ns(), times, 3);
		if (poll(fds, 2, left) < 0) {
			if (errno != EINTR)
				return -errno;
			fds[0].revents = fds[1].revents = 0;
		}
		/* The last report tells what came since the one before. */
		if ((fds[0].revents & POLLIN) || (due.end && arq_loop_now_ns() >= due.end))
			return report(options, monitor);
		int code = turn(options, monitor, fds[1].revents != 0, &due, &reports);
		if (code || (options->count && reports == options->count))
			return code;
	}
}

static int watch(const struct options *options, char *const *names, size_t count,
		 struct arq_error *error)
{
	struct arq_monitor monitor = {0};

	int code = arq_kernel_check_privileges(error);
	if (code == 0)
		code = arq_kernel_check_cpus(error);
	if (code)
		return code;
	int stop = arq_loop_catch_signals(error);
	if (stop < 0)
		return stop;
	code = arq_monitor_open(&monitor, names, count, (uint32_t)options->one_in, error);
	if (code == 0)
		code = run(options, &monitor, stop);
	arq_monitor_close(&monitor);
	/* Who read our output went away: an end like any other. */
	if (code == -EPIPE && !error->text[0])
		return 0;
	return code ? arq_error_set(error, code, "cannot write the output: %s", strerror(-code))
		    : 0;
}

/* --- the command ------------------------------------------------------------------------------ */

int arq_command_monitor(int argc, char **argv)
{
	struct options options = {.interval_ns = INTERVAL_NS, .one_in = ONE_IN};
	const struct arq_option own[] = {
		{.name = "interval", .letter = 'i', .duration_ns = &options.interval_ns},
		{.name = "count",
		 .letter = 'c',
		 .number = &options.count,
		 .min = 1,
		 .max = UINT64_MAX},
		{.name = "duration", .letter = 'd', .duration_ns = &options.duration_ns},
		{.name = "time", .letter = 't', .number = &options.one_in, .max = ONE_IN_MAX},
		{.name = "json", .letter = 'j', .flag = &options.json},
		ARQ_OPTION_VERBOSE,
		{0},
	};
	struct arq_options read = {.verb = VERB, .help = help, .own = own};
	struct arq_error error = {0};
	int code;

	if (!arq_options_read(&read, argc, argv, &code))
		return code;
	code = watch(&options, read.names, read.names_count, &error);
	return code ? arq_command_fail(VERB, &error) : ARQ_EXIT_DONE;
}
