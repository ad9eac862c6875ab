// SPDX-License-Identifier: BSD-2-Clause
#include "userspace/arquant/sampler.h"

#include "progs/program.h"
#include "progs/sampler/json.h"
#include "progs/sampler/table.h"
#include "userspace/arquant/command.h"
#include "userspace/arquant/loop.h"
#include "userspace/arquant/options.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define VERB "sampler top"

static const char help[] =
	"Usage: arquant sampler top [IFACE...] [OPTION...]\n"
	"\n"
	"Shows what takes the most bytes on the interfaces named, or on all that have a sampler, "
	"of\n"
	"the last interval: estimates from the samples, with the error that 95 of 100 stay below.\n"
	"Packets that the firewall drops count, too; -f verdict=pass leaves them out.\n"
	"\n"
	"  -b, --by KEY          flow, source, destination, service, reason or quic (version);\n"
	"                        default flow\n"
	"  -n, --rows N          rows to show, default 20\n"
	"  -i, --interval TIME   default 2s\n"
	"  -c, --count N         end after N intervals\n"
	"  -j, --json            a line of JSON each interval\n" ARQ_SAMPLER_HELP_FILTER
		ARQ_SAMPLER_HELP_END;

#define ROWS_DEFAULT 20
#define ROWS_MAX     1000
#define INTERVAL_NS  2000000000u
#define LABEL_MAX    192

struct options {
	struct arq_watch_options watch;
	enum arq_table_key key;
	uint64_t rows;
	uint64_t count; /* intervals, 0: no end */
	bool json;
};

struct top {
	const struct options *options;
	struct arq_table *table;
	uint64_t lost; /* in this interval */
	uint64_t intervals;
	uint64_t since_ns;
	bool screen; /* a terminal: draw over what was there */
	struct arq_table_row rows[ROWS_MAX];
};

/* --- rows ------------------------------------------------------------------------------------- */

static void put_endpoint(char *text, size_t size, const struct arq_flow *flow,
			 const uint8_t *address, uint16_t port)
{
	char name[INET6_ADDRSTRLEN];

	arq_flow_address(flow, address, name);
	if (!port)
		snprintf(text, size, "%s", name);
	else
		snprintf(text, size, flow->family == AF_INET6 ? "[%s]:%u" : "%s:%u", name, port);
}

static void put_protocol(char *text, size_t size, const struct arq_flow *flow)
{
	const char *name = arq_protocol_name(flow->protocol);

	if (!flow->family)
		snprintf(text, size, "no IP");
	else if (name)
		snprintf(text, size, "%s", name);
	else
		snprintf(text, size, "protocol %u", flow->protocol);
}

static void put_label(char label[LABEL_MAX], enum arq_table_key key,
		      const struct arq_table_row *row)
{
	char source[64], destination[64], protocol[16];

	put_endpoint(source, sizeof(source), &row->flow, row->flow.source, row->flow.source_port);
	put_endpoint(destination, sizeof(destination), &row->flow, row->flow.destination,
		     row->flow.destination_port);
	put_protocol(protocol, sizeof(protocol), &row->flow);
	switch (key) {
	case ARQ_TABLE_SOURCE:
		snprintf(label, LABEL_MAX, "%s", source);
		break;
	case ARQ_TABLE_DESTINATION:
		snprintf(label, LABEL_MAX, "%s", destination);
		break;
	case ARQ_TABLE_SERVICE:
		snprintf(label, LABEL_MAX, "%s %s", destination, protocol);
		break;
	case ARQ_TABLE_REASON:
		snprintf(label, LABEL_MAX, "%s %s", arq_action_name(row->verdict),
			 arq_reason_name(row->reason));
		if (row->rule_name[0])
			snprintf(label + strlen(label), LABEL_MAX - strlen(label), " %s",
				 row->rule_name);
		else if (row->rule)
			snprintf(label + strlen(label), LABEL_MAX - strlen(label), " %" PRIu32,
				 row->rule);
		break;
	case ARQ_TABLE_QUIC:
		if (row->flow.quic_version)
			snprintf(label, LABEL_MAX, "version 0x%08" PRIx32, row->flow.quic_version);
		else
			snprintf(label, LABEL_MAX, "no QUIC long header");
		break;
	default:
		snprintf(label, LABEL_MAX, "%s > %s %s", source, destination, protocol);
		break;
	}
}

/* "12.3M": a number that fits a column. */
static const char *scale(char text[16], double value)
{
	static const char units[] = " kMGTP";
	size_t unit = 0;

	while (value >= 999.95 && units[unit + 1]) {
		value /= 1000;
		unit++;
	}
	snprintf(text, 16, unit ? "%.1f%c" : "%.0f%c", value, units[unit]);
	return text;
}

static void print_row(const char *label, const struct arq_table_row *row, double seconds)
{
	char bits[16], packets[16];
	double error = row->bytes > 0 ? 100 * arq_table_error(row->bytes_variance) / row->bytes : 0;

	printf("%9s %9s %7.1f%% %9" PRIu64 "  %s\n", scale(bits, row->bytes * 8 / seconds),
	       scale(packets, row->packets / seconds), error, row->samples, label);
}

static void print_table(const struct top *top, size_t count, const struct arq_table_row *total,
			double seconds)
{
	char label[LABEL_MAX];

	if (top->screen)
		fputs("\033[H\033[2J", stdout);
	printf("%9s %9s %8s %9s  by %s, %.1f s, %" PRIu64 " samples lost\n", "bit/s", "packet/s",
	       "+- bit/s", "samples", arq_table_key_name(top->options->key), seconds, top->lost);
	for (size_t i = 0; i < count; i++) {
		put_label(label, top->options->key, &top->rows[i]);
		print_row(label, &top->rows[i], seconds);
	}
	print_row("all", total, seconds);
	putchar('\n');
}

static void print_json_row(const struct arq_table_row *row)
{
	printf("\"samples\":%" PRIu64
	       ",\"packets\":%.0f,\"packets_error\":%.0f,\"bytes\":%.0f,\"bytes_error\":%.0f}",
	       row->samples, row->packets, arq_table_error(row->packets_variance), row->bytes,
	       arq_table_error(row->bytes_variance));
}

static void print_json(const struct top *top, size_t count, const struct arq_table_row *total,
		       double seconds)
{
	char label[LABEL_MAX];

	printf("{\"by\":\"%s\",\"seconds\":%.3f,\"lost\":%" PRIu64 ",\"rows\":[",
	       arq_table_key_name(top->options->key), seconds, top->lost);
	for (size_t i = 0; i < count; i++) {
		put_label(label, top->options->key, &top->rows[i]);
		fputs(i ? ",{\"key\":" : "{\"key\":", stdout);
		arq_json_string(stdout, label);
		putchar(',');
		print_json_row(&top->rows[i]);
	}
	fputs("],\"all\":{", stdout);
	print_json_row(total);
	fputs("}\n", stdout);
}

/* --- the loop --------------------------------------------------------------------------------- */

static int on_sample(const struct arq_watch_sample *seen, void *context)
{
	struct top *top = context;

	arq_table_add(top->table, seen->sample, seen->flow, seen->rule_name);
	top->lost += seen->lost;
	return 0;
}

static int on_left(uint32_t ifindex, const char *interface, uint64_t lost, void *context)
{
	struct top *top = context;

	(void)ifindex;
	(void)interface;
	top->lost += lost;
	return 0;
}

static int on_tick(void *context)
{
	struct top *top = context;
	struct arq_table_row total;
	uint64_t now = arq_loop_now_ns();
	double seconds = (double)(now - top->since_ns) / 1e9;

	size_t count = arq_table_take(top->table, top->rows, top->options->rows, &total);
	if (top->options->json)
		print_json(top, count, &total, seconds);
	else
		print_table(top, count, &total, seconds);
	top->since_ns = now;
	top->lost = 0;
	if (fflush(stdout) != 0)
		return -errno;
	return ++top->intervals == top->options->count ? ARQ_WATCH_ENOUGH : 0;
}

static int show(const struct options *options, struct arq_error *error)
{
	static struct top top;
	const struct arq_watch_handler handler = {
		.sample = on_sample, .tick = on_tick, .left = on_left, .context = &top};
	struct arq_watch_totals totals;

	top = (struct top){.options = options,
			   .since_ns = arq_loop_now_ns(),
			   .screen = !options->json && isatty(STDOUT_FILENO)};
	int code = arq_table_create(options->key, &top.table);
	if (code)
		return arq_error_set(error, code, "no memory for the table");
	code = arq_watch(&options->watch, &handler, &totals, error);
	arq_table_destroy(top.table);
	/* Who read our output went away: an end like any other. */
	if (code == -EPIPE && !error->text[0])
		return 0;
	return code && !error->text[0]
		       ? arq_error_set(error, code, "cannot write the table: %s", strerror(-code))
		       : code;
}

/* --- options ---------------------------------------------------------------------------------- */

static int take_key(const char *verb, const struct arq_option *option, const char *value)
{
	int key = arq_table_key_parse(value);

	if (key < 0)
		return arq_command_usage(verb,
					 "'%.40s' is none of flow, source, destination, service, "
					 "reason, quic",
					 value);
	*(enum arq_table_key *)option->to = (enum arq_table_key)key;
	return 0;
}

int arq_sampler_top(int argc, char **argv)
{
	struct options options = {.rows = ROWS_DEFAULT, .watch = {.tick_ns = INTERVAL_NS}};
	const struct arq_option own[] = {
		{.name = "by", .letter = 'b', .take = take_key, .to = &options.key},
		{.name = "rows", .letter = 'n', .number = &options.rows, .min = 1, .max = ROWS_MAX},
		{.name = "interval", .letter = 'i', .duration_ns = &options.watch.tick_ns},
		{.name = "count",
		 .letter = 'c',
		 .number = &options.count,
		 .min = 1,
		 .max = UINT64_MAX},
		{.name = "json", .letter = 'j', .flag = &options.json},
		ARQ_SAMPLER_OPTION_FILTER(&options.watch.filter),
		ARQ_OPTION_VERBOSE,
		{0},
	};
	struct arq_options read = {.verb = VERB, .help = help, .own = own};
	struct arq_error error = {0};
	int code;

	if (!arq_options_read(&read, argc, argv, &code))
		return code;
	options.watch.names = read.names;
	options.watch.names_count = read.names_count;
	code = show(&options, &error);
	return code ? arq_command_fail(VERB, &error) : ARQ_EXIT_DONE;
}
