// SPDX-License-Identifier: BSD-2-Clause
#include "userspace/arquant/sampler_file.h"

#include "progs/program.h"
#include "progs/sampler/json.h"
#include "progs/sampler/summary.h"
#include "userspace/arquant/command.h"
#include "userspace/arquant/options.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define VERB "sampler capture"

static const char help[] =
	"Usage: arquant sampler capture [IFACE...] [OPTION...]\n"
	"\n"
	"Shows the sampled packets of the interfaces named, or of all on which 'arquant load' put "
	"a\n"
	"sampler: one line a packet, JSON, or pcapng, with verdict, reason and rule as packet\n"
	"comment, for tcpdump, tshark and Wireshark. Ends at Ctrl-C, or as the options say; a "
	"summary\n"
	"goes to stderr. Several captures at once take nothing from each other.\n"
	"\n"
	"  -w, --write FILE|-    write pcapng to FILE, or to stdout\n"
	"      --rotate-size SIZE  begin a new file, NAME-000001.EXT and so on, at this size, as\n"
	"                        500K, 10M or 2G\n"
	"      --rotate-time TIME  begin a new file after this time\n"
	"      --keep N          keep the last N files only\n"
	"  -j, --json            a line of JSON a packet\n"
	"  -x, --hex             with --json, the packets' bytes too\n" ARQ_SAMPLER_HELP_FILTER
	"  -c, --count N         end after N packets\n"
	"  -d, --duration TIME   end after this time, as 500ms, 10s or 2m\n"
	"      --buffer SIZE     memory for samples that wait, for each interface; default "
	"1M\n" ARQ_SAMPLER_HELP_END "\n"
	"A line says: time, interface, queue, verdict, reason or rule, packet, length.\n"
	"Example: arquant sampler capture eth1 -w - | tcpdump -nr -\n";

#define BUFFER_MIN (64u << 10)
#define BUFFER_MAX (1u << 30)

struct options {
	struct arq_capture_file_options file; /* path NULL: lines */
	struct arq_watch_options watch;
	uint64_t count; /* 0: no end */
	bool json;
	bool hex;
};

struct capture {
	const struct options *options;
	struct arq_capture_file *file; /* NULL: lines */
	uint64_t captured;
	uint64_t left_out; /* of the file, which has no room for more interfaces */
};

/* --- output ----------------------------------------------------------------------------------- */

/* Returns 0 or a negative errno. */
static int print_line(const struct arq_watch_sample *seen)
{
	const struct arq_sample *sample = seen->sample;
	char summary[ARQ_SUMMARY_MAX], clock[16], why[ARQ_RULE_NAME_MAX + 24];
	time_t seconds = (time_t)(seen->time_ns / 1000000000u);
	struct tm local;

	if (!localtime_r(&seconds, &local) || !strftime(clock, sizeof(clock), "%T", &local))
		snprintf(clock, sizeof(clock), "-");
	if (sample->rule && seen->rule_name[0])
		snprintf(why, sizeof(why), "rule %s", seen->rule_name);
	else if (sample->rule)
		snprintf(why, sizeof(why), "rule %" PRIu32, sample->rule);
	else
		snprintf(why, sizeof(why), "%s", arq_reason_name(sample->reason));
	if (seen->lost)
		printf("(%s: %" PRIu64 " samples lost here)\n", seen->interface, seen->lost);
	int length =
		printf("%s.%09u %s queue %" PRIu32 " %s (%s) %s, length %" PRIu32 "\n", clock,
		       (unsigned int)(seen->time_ns % 1000000000u), seen->interface, sample->queue,
		       arq_action_name(sample->verdict), why,
		       arq_packet_summary(sample->head, sample->captured, summary), sample->length);
	return length < 0 ? -errno : 0;
}

static int print_json(const struct arq_watch_sample *seen, bool hex)
{
	const struct arq_sample_about about = {.interface = seen->interface,
					       .rule_name = seen->rule_name,
					       .time_ns = seen->time_ns,
					       .lost = seen->lost};

	return arq_sample_json(stdout, seen->sample, seen->flow, &about, hex);
}

static int on_sample(const struct arq_watch_sample *seen, void *context)
{
	struct capture *capture = context;
	int code;

	if (capture->file)
		code = arq_capture_file_write(capture->file, seen);
	else if (capture->options->json)
		code = print_json(seen, capture->options->hex);
	else
		code = print_line(seen);
	/* What does not fit into the file's format does not end it. */
	if (code == -EINVAL || code == -E2BIG) {
		capture->left_out++;
		return 0;
	}
	if (code)
		return code;
	capture->captured++;
	return capture->captured == capture->options->count ? ARQ_WATCH_ENOUGH : 0;
}

static int on_batch(void *context)
{
	struct capture *capture = context;

	if (capture->file)
		return arq_capture_file_flush(capture->file);
	return fflush(stdout) == 0 ? 0 : -errno;
}

static int on_left(uint32_t ifindex, const char *interface, uint64_t lost, void *context)
{
	struct capture *capture = context;

	return capture->file ? arq_capture_file_lost(capture->file, ifindex, interface, lost) : 0;
}

static int output_failed(int code, struct arq_error *error)
{
	return arq_error_set(error, code, "cannot write the packets: %s; %s", strerror(-code),
			     code == -ENOSPC || code == -EDQUOT ? "make room or choose another file"
								: "choose another file");
}

static void print_summary(const struct capture *capture, const struct arq_watch_totals *totals)
{
	fprintf(stderr, "arquant " VERB ": %" PRIu64 " packets captured, %" PRIu64 " lost",
		capture->captured, totals->lost);
	if (totals->read != totals->passed)
		fprintf(stderr, ", %" PRIu64 " not matching", totals->read - totals->passed);
	if (totals->malformed)
		fprintf(stderr, ", %" PRIu64 " malformed", totals->malformed);
	if (capture->left_out)
		fprintf(stderr, ", %" PRIu64 " left out", capture->left_out);
	if (capture->file && arq_capture_file_count(capture->file) > 1)
		fprintf(stderr, ", in %" PRIu64 " files", arq_capture_file_count(capture->file));
	fputc('\n', stderr);
}

static int capture_packets(const struct options *options, struct arq_error *error)
{
	struct capture capture = {.options = options};
	const struct arq_watch_handler handler = {
		.sample = on_sample, .batch = on_batch, .left = on_left, .context = &capture};
	struct arq_watch_totals totals = {0};
	int code = 0;

	if (options->file.path)
		code = arq_capture_file_open(&options->file, &capture.file, error);
	if (!code)
		code = arq_watch(&options->watch, &handler, &totals, error);
	if (!code && capture.file)
		code = arq_capture_file_finish(capture.file);
	/* Who read our output went away: an end like any other. */
	bool reader_gone = code == -EPIPE && !error->text[0];
	if (!code)
		print_summary(&capture, &totals);
	int closed = arq_capture_file_close(capture.file);
	if (reader_gone)
		return 0;
	if (!code)
		code = closed;
	return code && !error->text[0] ? output_failed(code, error) : code;
}

/* --- options ---------------------------------------------------------------------------------- */

/* "500K", "10M", "2G"; powers of 1024. */
static int parse_size(const char *verb, const struct arq_option *option, const char *value,
		      uint64_t *bytes)
{
	static const char units[] = "KMG";
	size_t digits = strspn(value, "0123456789");
	const char *unit = value[digits] ? strchr(units, value[digits]) : NULL;
	uint64_t number = 0;

	if (digits == 0 || digits > 12 || (value[digits] && (!unit || value[digits + 1])))
		return arq_command_usage(verb, "'%.40s' is no size, as 500K, 10M or 2G", value);
	for (size_t i = 0; i < digits; i++)
		number = number * 10 + (uint64_t)(value[i] - '0');
	*bytes = number << (unit ? 10 * (unit - units + 1) : 0);
	if (*bytes < option->min || *bytes > option->max)
		return arq_command_usage(verb, "'%.40s' is out of range: %llu to %llu bytes", value,
					 (unsigned long long)option->min,
					 (unsigned long long)option->max);
	return 0;
}

static int take_size(const char *verb, const struct arq_option *option, const char *value)
{
	return parse_size(verb, option, value, option->to);
}

static int take_buffer(const char *verb, const struct arq_option *option, const char *value)
{
	uint64_t bytes = 0;

	int code = parse_size(verb, option, value, &bytes);
	if (!code && bytes & (bytes - 1))
		return arq_command_usage(verb, "'%.40s' is no power of two", value);
	*(uint32_t *)option->to = (uint32_t)bytes;
	return code;
}

/* What the options mean only together. */
static int check_options(const struct options *options)
{
	bool rotates = options->file.rotate_bytes || options->file.rotate_ns;
	bool to_stdout = options->file.path && strcmp(options->file.path, "-") == 0;

	if (to_stdout && isatty(STDOUT_FILENO))
		return arq_command_usage(VERB, "pcapng is not for a terminal: pipe stdout into "
					       "'tshark -r -', or name a file");
	if (rotates && (!options->file.path || to_stdout))
		return arq_command_usage(VERB, "--rotate-size and --rotate-time need --write FILE");
	if (options->file.keep && !rotates)
		return arq_command_usage(VERB, "--keep needs --rotate-size or --rotate-time");
	if (options->json && options->file.path)
		return arq_command_usage(VERB, "either --json or --write");
	if (options->hex && !options->json)
		return arq_command_usage(VERB, "--hex needs --json");
	return 0;
}

static int capture(struct options *options)
{
	struct arq_error error = {0};

	int code = check_options(options);
	if (code)
		return code;
	code = capture_packets(options, &error);
	return code ? arq_command_fail(VERB, &error) : ARQ_EXIT_DONE;
}

int arq_sampler_capture(int argc, char **argv)
{
	struct options options = {0};
	struct arq_capture_file_options *file = &options.file;
	struct arq_watch_options *watch = &options.watch;
	const struct arq_option own[] = {
		{.name = "write", .letter = 'w', .text = &file->path},
		{.name = "rotate-size",
		 .take = take_size,
		 .to = &file->rotate_bytes,
		 .min = 4096,
		 .max = 1ull << 50},
		{.name = "rotate-time", .duration_ns = &file->rotate_ns},
		{.name = "keep", .number = &file->keep, .min = 1, .max = 999999},
		{.name = "buffer",
		 .take = take_buffer,
		 .to = &watch->ring_bytes,
		 .min = BUFFER_MIN,
		 .max = BUFFER_MAX},
		{.name = "hex", .letter = 'x', .flag = &options.hex},
		{.name = "count",
		 .letter = 'c',
		 .number = &options.count,
		 .min = 1,
		 .max = UINT64_MAX},
		{.name = "duration", .letter = 'd', .duration_ns = &watch->duration_ns},
		{.name = "json", .letter = 'j', .flag = &options.json},
		ARQ_SAMPLER_OPTION_FILTER(&watch->filter),
		ARQ_OPTION_VERBOSE,
		{0},
	};
	struct arq_options read = {.verb = VERB, .help = help, .own = own};
	int code;

	if (!arq_options_read(&read, argc, argv, &code))
		return code;
	watch->names = read.names;
	watch->names_count = read.names_count;
	return capture(&options);
}
