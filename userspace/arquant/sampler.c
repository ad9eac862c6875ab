// SPDX-License-Identifier: BSD-2-Clause
#include "userspace/arquant/command.h"

#include "dispatcher/kernel.h"
#include "dispatcher/pins.h"
#include "progs/program.h"
#include "progs/sampler/pcapng.h"
#include "progs/sampler/reader.h"
#include "progs/sampler/summary.h"
#include "userspace/common/config.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#define VERB "sampler capture"

/* What the handler returns when enough was captured: no errno that a ring gives. */
#define ENOUGH (-ECANCELED)

static const char help[] =
	"Usage: arquant sampler capture [IFACE...] [OPTION...]\n"
	"\n"
	"Shows the sampled packets of the interfaces named, or of all on which 'arquant load' put "
	"a\n"
	"sampler: one line a packet, or as pcapng, with verdict and reason as packet comment, for\n"
	"tcpdump, tshark and Wireshark. Ends at Ctrl-C, or as the options say; a summary goes to\n"
	"stderr.\n"
	"\n"
	"  -w, --write FILE|-    write pcapng to FILE, or to stdout\n"
	"  -c, --count N         end after N packets\n"
	"  -d, --duration TIME   end after this time, as 500ms, 10s or 2m\n"
	"  -v, --verbose         after a failure, show what libbpf said\n"
	"  -h, --help            print this\n"
	"\n"
	"A line says: time, interface, queue, verdict, reason or rule, packet, length.\n"
	"Example: arquant sampler capture eth0 -w - | tshark -r -\n";

struct options {
	const char *file; /* NULL: lines */
	uint64_t count; /* 0: no end */
	uint64_t duration_ns; /* 0: no end */
	bool help;
};

struct source {
	unsigned int ifindex;
	char name[IF_NAMESIZE];
};

struct capture {
	const struct options *options;
	struct arq_error *error;
	struct arq_sample_reader *reader;
	struct arq_pcapng *pcapng; /* NULL: lines */
	int file; /* that pcapng writes to, -1 for none */
	uint64_t offset_ns; /* from monotonic to wall clock */
	uint64_t captured;
	bool reader_gone; /* who read our output went away */
	unsigned int sources_count;
	struct source sources[ARQ_READER_RINGS_MAX];
};

/* --- Ctrl-C ----------------------------------------------------------------------------------- */

/* A signal handler can reach nothing else. */
static int stop_event = -1;

static void on_signal(int signal)
{
	uint64_t one = 1;
	int before = errno;

	(void)signal;
	ssize_t ignored = write(stop_event, &one, sizeof(one));
	(void)ignored;
	errno = before;
}

/* A second signal ends the process, should the first find us in a write that blocks. */
static int catch_signals(struct arq_error *error)
{
	static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
	struct sigaction action = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND};

	stop_event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (stop_event < 0)
		return arq_error_set(error, -errno, "cannot wait for signals: %s", strerror(errno));
	sigemptyset(&action.sa_mask);
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		sigaction(signals[i], &action, NULL);
	return 0;
}

/* --- what is captured ------------------------------------------------------------------------- */

static void source_name(uint32_t ifindex, char name[IF_NAMESIZE], void *context)
{
	const struct capture *capture = context;

	for (unsigned int i = 0; i < capture->sources_count; i++) {
		if (capture->sources[i].ifindex == ifindex) {
			memcpy(name, capture->sources[i].name, IF_NAMESIZE);
			return;
		}
	}
	snprintf(name, IF_NAMESIZE, "if%" PRIu32, ifindex);
}

static int add_source(struct capture *capture, const char *pin_directory, unsigned int ifindex)
{
	int ring = arq_sample_reader_add(capture->reader, pin_directory, capture->error);
	if (ring < 0)
		return ring;

	struct source *source = &capture->sources[capture->sources_count++];
	source->ifindex = ifindex;
	if (!if_indextoname(ifindex, source->name))
		snprintf(source->name, sizeof(source->name), "if%u", ifindex);
	return 0;
}

static int add_named(struct capture *capture, const char *name)
{
	char directory[PATH_MAX];

	unsigned int ifindex = if_nametoindex(name);
	if (!ifindex)
		return arq_error_set(capture->error, -ENODEV,
				     "there is no interface '%s'; see 'ip link'", name);
	for (unsigned int i = 0; i < capture->sources_count; i++) {
		if (capture->sources[i].ifindex == ifindex)
			return 0;
	}
	int code = arq_pins_path(directory, ifindex);
	if (code)
		return arq_error_set(capture->error, code, "cannot name the pins of %s: %s", name,
				     strerror(-code));
	code = add_source(capture, directory, ifindex);
	return code ? arq_error_prefix(capture->error, code, "%s", name) : 0;
}

/* Interfaces of ours that have no sampler are passed over. */
static int visit_source(const char *directory, unsigned int ifindex, bool here, void *context)
{
	struct capture *capture = context;

	if (!here)
		return 0;
	int code = add_source(capture, directory, ifindex);
	if (code != -ENOENT)
		return code;
	arq_error_clear(capture->error);
	return 0;
}

static int add_sources(struct capture *capture, char *const *names, size_t count)
{
	int code = 0;

	for (size_t i = 0; !code && i < count; i++)
		code = add_named(capture, names[i]);
	if (code || count)
		return code;

	code = arq_pins_walk(visit_source, capture);
	if (code)
		return arq_error_set(capture->error, code, "cannot look for samplers: %s",
				     strerror(-code));
	if (!capture->sources_count)
		return arq_error_set(capture->error, -ENOENT,
				     "no interface has a sampler; load one by 'arquant load'");
	return 0;
}

/* --- output ----------------------------------------------------------------------------------- */

/* Returns 0 or a negative errno. */
static int print_line(const struct capture *capture, const struct arq_sample *sample)
{
	char name[IF_NAMESIZE], summary[ARQ_SUMMARY_MAX], clock[16], why[32];
	uint64_t time = sample->time_ns + capture->offset_ns;
	time_t seconds = (time_t)(time / 1000000000u);
	struct tm local;

	source_name(sample->ifindex, name, (void *)(uintptr_t)capture);
	if (!localtime_r(&seconds, &local) || !strftime(clock, sizeof(clock), "%T", &local))
		snprintf(clock, sizeof(clock), "-");
	if (sample->rule)
		snprintf(why, sizeof(why), "rule %" PRIu32, sample->rule);
	else
		snprintf(why, sizeof(why), "%s", arq_reason_name(sample->reason));
	int length =
		printf("%s.%09u %s queue %" PRIu32 " %s (%s) %s, length %" PRIu32 "\n", clock,
		       (unsigned int)(time % 1000000000u), name, sample->queue,
		       arq_action_name(sample->verdict), why,
		       arq_packet_summary(sample->head, sample->captured, summary), sample->length);
	return length < 0 ? -errno : 0;
}

static int handle_sample(const struct arq_sample *sample, uint64_t lost, void *context)
{
	struct capture *capture = context;
	int code = 0;

	if (capture->pcapng)
		code = arq_pcapng_write(capture->pcapng, sample, lost);
	else
		code = print_line(capture, sample);
	/* What does not fit into the file's format does not end it. */
	if (code == -EINVAL || code == -E2BIG)
		return 0;
	if (code)
		return code;
	capture->captured++;
	return capture->captured == capture->options->count ? ENOUGH : 0;
}

/* `code` of a write; that nobody reads any more is an end like any other. */
static int output_failed(struct capture *capture, int code)
{
	if (code == -EPIPE) {
		capture->reader_gone = true;
		return 0;
	}
	return arq_error_set(capture->error, code, "cannot write the packets: %s; %s",
			     strerror(-code),
			     code == -ENOSPC || code == -EDQUOT ? "make room or choose another file"
								: "choose another file");
}

static int flush_output(struct capture *capture)
{
	int code = 0;

	if (capture->pcapng)
		code = arq_pcapng_flush(capture->pcapng);
	else if (fflush(stdout) != 0)
		code = -errno;
	return code ? output_failed(capture, code) : 0;
}

static int open_output(struct capture *capture)
{
	const char *file = capture->options->file;
	struct arq_pcapng_options options = {.fd = STDOUT_FILENO,
					     .interface_name = source_name,
					     .context = capture,
					     .application = "arquant " ARQUANT_VERSION};

	capture->offset_ns = arq_wall_clock_offset();
	if (!file)
		return 0;
	if (strcmp(file, "-") != 0) {
		/* Captured packets are nobody's business but the operator's. */
		capture->file = open(file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
		if (capture->file < 0)
			return arq_error_set(capture->error, -errno,
					     "cannot write %s: %s; choose another file", file,
					     strerror(errno));
		options.fd = capture->file;
	}
	int code = arq_pcapng_create(&options, &capture->pcapng);
	return code ? arq_error_set(capture->error, code, "no memory for the output") : 0;
}

static int finish_output(struct capture *capture)
{
	if (capture->reader_gone || !capture->pcapng)
		return 0;
	int code = arq_pcapng_finish(capture->pcapng);
	return code ? output_failed(capture, code) : 0;
}

/* --- the loop --------------------------------------------------------------------------------- */

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* Milliseconds for poll(2) until the deadline, rounded up; -1 without one (0). */
static int time_left(uint64_t deadline)
{
	if (!deadline)
		return -1;
	uint64_t now = now_ns();
	uint64_t left = now < deadline ? (deadline - now + 999999) / 1000000 : 0;
	return left < INT32_MAX ? (int)left : INT32_MAX;
}

static int read_samples(struct capture *capture, bool *end)
{
	int code = arq_sample_reader_read(capture->reader);

	if (code == ENOUGH) {
		*end = true;
		code = 0;
	}
	/* The ring itself does not fail. */
	return code ? output_failed(capture, code) : flush_output(capture);
}

static int run(struct capture *capture)
{
	uint64_t duration = capture->options->duration_ns;
	uint64_t deadline = duration ? now_ns() + duration : 0;
	struct pollfd fds[] = {
		{.fd = stop_event, .events = POLLIN},
		{.fd = arq_sample_reader_fd(capture->reader), .events = POLLIN},
	};
	bool end = false;
	int code = 0;

	while (!code && !end && !capture->reader_gone) {
		int timeout = time_left(deadline);
		if (poll(fds, 2, timeout) < 0 && errno != EINTR)
			return arq_error_set(capture->error, -errno, "cannot wait: %s",
					     strerror(errno));
		end = (fds[0].revents & POLLIN) || timeout == 0;
		/* Also at the end, for what came in before it. */
		code = read_samples(capture, &end);
	}
	return code ? code : finish_output(capture);
}

static void print_summary(const struct capture *capture)
{
	struct arq_sample_reader_counters counters;

	arq_sample_reader_counters(capture->reader, &counters);
	fprintf(stderr, "arquant " VERB ": %" PRIu64 " packets captured, %" PRIu64 " lost",
		capture->captured, counters.lost);
	if (counters.malformed)
		fprintf(stderr, ", %" PRIu64 " malformed", counters.malformed);
	fputc('\n', stderr);
}

static int capture_packets(struct capture *capture, char *const *names, size_t count)
{
	int code = arq_kernel_check_privileges(capture->error);
	if (!code)
		code = catch_signals(capture->error);
	if (!code)
		code = arq_sample_reader_create(handle_sample, capture, 0, &capture->reader,
						capture->error);
	if (!code)
		code = add_sources(capture, names, count);
	if (!code)
		code = open_output(capture);
	if (!code)
		code = run(capture);
	if (!code && !capture->reader_gone)
		print_summary(capture);

	arq_pcapng_destroy(capture->pcapng);
	arq_sample_reader_destroy(capture->reader);
	if (capture->file >= 0 && close(capture->file) && !code)
		code = output_failed(capture, -errno);
	return code;
}

/* --- options ---------------------------------------------------------------------------------- */

static int parse_count(struct options *options, const char *text)
{
	size_t digits = strspn(text, "0123456789");

	errno = 0;
	options->count = strtoull(text, NULL, 10);
	if (digits == 0 || text[digits] || errno || options->count == 0)
		return arq_command_usage(VERB, "'%.40s' is no count of packets", text);
	return 0;
}

static int parse_duration(struct options *options, const char *text)
{
	if (arq_duration_parse(text, &options->duration_ns) || options->duration_ns == 0)
		return arq_command_usage(VERB, "'%.40s' is no duration, as 500ms, 10s or 2m", text);
	return 0;
}

static int take_option(struct options *options, int option, char **argv)
{
	switch (option) {
	case 'w':
		options->file = optarg;
		return 0;
	case 'c':
		return parse_count(options, optarg);
	case 'd':
		return parse_duration(options, optarg);
	case 'v':
		arq_command_set_verbose();
		return 0;
	case 'h':
		options->help = true;
		return 0;
	default:
		return arq_command_bad_option(argv, option);
	}
}

static int parse_options(struct options *options, int argc, char **argv)
{
	static const struct option known[] = {
		{"write", required_argument, NULL, 'w'},    {"count", required_argument, NULL, 'c'},
		{"duration", required_argument, NULL, 'd'}, {"verbose", no_argument, NULL, 'v'},
		{"help", no_argument, NULL, 'h'},           {NULL, 0, NULL, 0},
	};
	int option, code = 0;

	opterr = 0;
	while (!code && (option = getopt_long(argc, argv, ":w:c:d:vh", known, NULL)) != -1)
		code = take_option(options, option, argv);
	if (!code && !options->help && options->file && strcmp(options->file, "-") == 0 &&
	    isatty(STDOUT_FILENO))
		return arq_command_usage(VERB, "pcapng is not for a terminal: pipe stdout into "
					       "'tshark -r -', or name a file");
	return code;
}

static int command_capture(int argc, char **argv)
{
	struct options options = {0};
	struct arq_error error = {0};

	int code = parse_options(&options, argc, argv);
	if (code)
		return code;
	if (options.help) {
		fputs(help, stdout);
		return arq_command_finish(VERB);
	}
	struct capture capture = {.options = &options, .error = &error, .file = -1};
	code = capture_packets(&capture, argv + optind, (size_t)(argc - optind));
	return code ? arq_command_fail(VERB, &error) : ARQ_EXIT_DONE;
}

int arq_command_sampler(int argc, char **argv)
{
	static char name[] = VERB; /* for messages about options */

	if (argc >= 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
		fputs(help, stdout);
		return arq_command_finish(VERB);
	}
	if (argc < 2)
		return arq_command_usage("sampler", "what to do is missing: 'capture'");
	if (strcmp(argv[1], "capture") != 0)
		return arq_command_usage("sampler", "'%.40s' is not known, only 'capture'",
					 argv[1]);
	argv[1] = name;
	return command_capture(argc - 1, argv + 1);
}
