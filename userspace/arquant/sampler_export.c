// SPDX-License-Identifier: BSD-2-Clause
#include "userspace/arquant/sampler.h"

#include "progs/sampler/json.h"
#include "progs/sampler/sflow.h"
#include "userspace/arquant/command.h"
#include "userspace/arquant/loop.h"
#include "userspace/arquant/options.h"
#include "userspace/arquant/sampler_link.h"
#include "userspace/common/config.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define VERB "sampler export"

static const char help[] =
	"Usage: arquant sampler export [IFACE...] [OPTION...]\n"
	"\n"
	"Sends the samples of the interfaces named, or of all that get a sampler, to sFlow "
	"collectors\n"
	"over UDP, or prints them as JSON. Without --sflow and --json the configuration says where "
	"to.\n"
	"Runs until it is told to end (SIGTERM, Ctrl-C); collectors and interfaces may come and "
	"go.\n"
	"\n"
	"  -s, --sflow ADDR:PORT  send sFlow version 5 to this collector; may be given several "
	"times\n"
	"  -a, --agent ADDR       our address in it; default: the one that goes to the collector\n"
	"      --counters TIME    the interfaces' counters go along so often; default 30s\n"
	"  -j, --json             print a line of JSON a packet to stdout, beside sFlow if that is "
	"on\n"
	"  -C, --config FILE      read this configuration instead of " ARQ_CONFIG_PATH
	"\n" ARQ_SAMPLER_HELP_FILTER
	"  -d, --duration TIME    end after this time, as 500ms, 10s or 2m\n" ARQ_SAMPLER_HELP_END;

#define COLLECTORS_MAX 8

/* sFlow wants a sample to leave within a second. */
#define TICK_NS 500000000u

#define COUNTERS_DEFAULT_NS 30000000000ull

struct options {
	struct arq_watch_options watch;
	const char *config;
	bool sflow;
	unsigned int collectors_count;
	union arq_address collectors[COLLECTORS_MAX];
	union arq_address agent; /* AF_UNSPEC: find out */
	uint64_t counters_ns;
	bool json;
};

struct collector {
	union arq_address address;
	int fd; /* -1: not connected (no route yet) */
	bool failing;
	uint64_t failed; /* datagrams */
};

struct exporter {
	const struct options *options;
	struct arq_sflow *sflow; /* NULL until it is known who we are */
	struct arq_links *links;
	uint64_t next_counters_ns;
	unsigned int collectors_count;
	struct collector collectors[COLLECTORS_MAX];
	unsigned int interfaces_count;
	uint32_t interfaces[ARQ_READER_RINGS_MAX];
};

/* --- collectors ------------------------------------------------------------------------------- */

/* A change is told once, not every datagram. */
static void note(struct collector *collector, int code)
{
	char text[ARQ_ADDRESS_TEXT_MAX];

	collector->failed += code != 0;
	if ((code != 0) == collector->failing)
		return;
	collector->failing = code != 0;
	arq_address_format(&collector->address, text);
	if (code)
		fprintf(stderr, "arquant " VERB ": collector %s: %s; going on\n", text,
			strerror(-code));
	else
		fprintf(stderr, "arquant " VERB ": collector %s: reached again\n", text);
}

static int connect_collector(struct collector *collector)
{
	const union arq_address *address = &collector->address;

	int fd = socket(address->sa.sa_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, &address->sa, arq_address_length(address))) {
		int code = -errno;
		close(fd);
		return code;
	}
	collector->fd = fd;
	return 0;
}

/*
 * That nobody listens is told by an error of a later call (ICMP), which then did not send: once
 * more, and the datagram is on its way nevertheless.
 */
static int send_once(const struct collector *collector, const uint8_t *datagram, size_t length)
{
	return send(collector->fd, datagram, length, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

static void send_datagram(const uint8_t *datagram, size_t length, void *context)
{
	struct exporter *exporter = context;

	for (unsigned int i = 0; i < exporter->collectors_count; i++) {
		struct collector *collector = &exporter->collectors[i];
		if (collector->fd < 0)
			continue;
		int code = send_once(collector, datagram, length);
		if (code == -ECONNREFUSED)
			send_once(collector, datagram, length);
		note(collector, code);
	}
}

/* Our address towards the first collector that there is a way to. */
static bool find_agent(const struct exporter *exporter, union arq_address *agent)
{
	*agent = exporter->options->agent;
	for (unsigned int i = 0; i < exporter->collectors_count; i++) {
		socklen_t length = sizeof(*agent);
		if (agent->sa.sa_family != AF_UNSPEC)
			break;
		if (exporter->collectors[i].fd >= 0)
			getsockname(exporter->collectors[i].fd, &agent->sa, &length);
	}
	return agent->sa.sa_family != AF_UNSPEC;
}

/* Connects who is not, and begins to speak when it is known who does. */
static int find_collectors(struct exporter *exporter)
{
	struct arq_sflow_options options = {
		.sub_agent = 0, .send = send_datagram, .context = exporter};

	for (unsigned int i = 0; i < exporter->collectors_count; i++) {
		struct collector *collector = &exporter->collectors[i];
		if (collector->fd < 0) {
			int code = connect_collector(collector);
			if (code)
				note(collector, code);
		}
	}
	if (exporter->sflow || !exporter->collectors_count || !find_agent(exporter, &options.agent))
		return 0;
	return arq_sflow_create(&options, &exporter->sflow);
}

/* --- what is sent ----------------------------------------------------------------------------- */

static int on_sample(const struct arq_watch_sample *seen, void *context)
{
	struct exporter *exporter = context;
	const struct arq_sample_about about = {.interface = seen->interface,
					       .rule_name = seen->rule_name,
					       .time_ns = seen->time_ns,
					       .lost = seen->lost};

	if (exporter->sflow)
		arq_sflow_sample(exporter->sflow, seen->sample, seen->lost);
	if (!exporter->options->json)
		return 0;
	return arq_sample_json(stdout, seen->sample, seen->flow, &about, false);
}

static int on_batch(void *context)
{
	(void)context;
	return fflush(stdout) == 0 ? 0 : -errno;
}

static int on_joined(uint32_t ifindex, const char *interface, void *context)
{
	struct exporter *exporter = context;

	(void)interface;
	if (exporter->interfaces_count < ARQ_READER_RINGS_MAX)
		exporter->interfaces[exporter->interfaces_count++] = ifindex;
	return 0;
}

static int on_left(uint32_t ifindex, const char *interface, uint64_t lost, void *context)
{
	struct exporter *exporter = context;

	(void)interface;
	if (exporter->sflow)
		arq_sflow_lost(exporter->sflow, ifindex, lost);
	for (unsigned int i = 0; i < exporter->interfaces_count; i++) {
		if (exporter->interfaces[i] == ifindex)
			exporter->interfaces[i--] =
				exporter->interfaces[--exporter->interfaces_count];
	}
	return 0;
}

static void send_counters(struct exporter *exporter)
{
	struct arq_sflow_interface interface;

	for (unsigned int i = 0; i < exporter->interfaces_count; i++) {
		if (arq_link_read(exporter->links, exporter->interfaces[i], &interface) == 0)
			arq_sflow_counters(exporter->sflow, &interface);
	}
}

static int on_tick(void *context)
{
	struct exporter *exporter = context;
	uint64_t now = arq_loop_now_ns();

	int code = find_collectors(exporter);
	if (code || !exporter->sflow)
		return code;
	if (now >= exporter->next_counters_ns) {
		send_counters(exporter);
		exporter->next_counters_ns = now + exporter->options->counters_ns;
	}
	arq_sflow_flush(exporter->sflow);
	return 0;
}

static void print_summary(const struct exporter *exporter, const struct arq_watch_totals *totals)
{
	struct arq_sflow_totals sent = {0};
	uint64_t failed = 0;

	if (exporter->sflow)
		arq_sflow_read_totals(exporter->sflow, &sent);
	for (unsigned int i = 0; i < exporter->collectors_count; i++)
		failed += exporter->collectors[i].failed;
	fprintf(stderr, "arquant " VERB ": %" PRIu64 " samples exported, %" PRIu64 " lost",
		totals->passed, totals->lost);
	if (exporter->collectors_count)
		fprintf(stderr,
			"; sFlow: %" PRIu64 " flows, %" PRIu64 " discards, %" PRIu64
			" counters in %" PRIu64 " datagrams, %" PRIu64 " not delivered",
			sent.flows, sent.discards, sent.counters, sent.datagrams, failed);
	if (sent.unmapped)
		fprintf(stderr, ", %" PRIu64 " drops of reasons without a number in sFlow",
			sent.unmapped);
	fputc('\n', stderr);
}

/* --- running ---------------------------------------------------------------------------------- */

static int export(const struct options *options, struct arq_error *error)
{
	struct exporter exporter = {.options = options,
				    .collectors_count = options->collectors_count};
	const struct arq_watch_handler handler = {.sample = on_sample,
						  .batch = on_batch,
						  .tick = on_tick,
						  .joined = on_joined,
						  .left = on_left,
						  .context = &exporter};
	struct arq_watch_totals totals = {0};

	for (unsigned int i = 0; i < exporter.collectors_count; i++)
		exporter.collectors[i] =
			(struct collector){.address = options->collectors[i], .fd = -1};
	int code = arq_links_open(&exporter.links, error);
	if (!code)
		code = find_collectors(&exporter);
	if (!code)
		code = arq_watch(&options->watch, &handler, &totals, error);
	if (exporter.sflow)
		arq_sflow_flush(exporter.sflow);
	/* Who read our JSON went away: an end like any other. */
	if (code == -EPIPE && !error->text[0])
		code = 0;
	if (!code)
		print_summary(&exporter, &totals);
	arq_sflow_destroy(exporter.sflow);
	arq_links_close(exporter.links);
	for (unsigned int i = 0; i < exporter.collectors_count; i++) {
		if (exporter.collectors[i].fd >= 0)
			close(exporter.collectors[i].fd);
	}
	return code && !error->text[0]
		       ? arq_error_set(error, code, "cannot export: %s", strerror(-code))
		       : code;
}

/* What the options left open, the configuration says. */
static int read_config(struct options *options, struct arq_error *error)
{
	struct arq_config *config = NULL;

	if ((options->sflow || options->json) && !options->config)
		return 0;
	int code = arq_config_load(options->config ? options->config : ARQ_CONFIG_PATH, &config,
				   error);
	if (code)
		return code;
	const struct arq_config_sflow *sflow = &config->sampler.sflow;
	for (uint32_t i = 0; !options->sflow && i < sflow->collectors_count; i++)
		options->collectors[options->collectors_count++] = sflow->addresses[i];
	if (options->agent.sa.sa_family == AF_UNSPEC)
		options->agent = sflow->agent;
	if (!options->counters_ns)
		options->counters_ns = sflow->counters_ns;
	if (!options->collectors_count && !options->json)
		code = arq_error_set(error, -ENOENT,
				     "%s has no sampler.sflow.collectors; add one, or name it by "
				     "--sflow",
				     config->path);
	arq_config_destroy(config);
	return code;
}

/* --- options ---------------------------------------------------------------------------------- */

static int take_collector(const char *verb, const struct arq_option *option, const char *value)
{
	struct options *options = option->to;

	if (options->collectors_count == COLLECTORS_MAX)
		return arq_command_usage(verb, "more than %d collectors", COLLECTORS_MAX);
	options->sflow = true;
	if (arq_address_parse(&options->collectors[options->collectors_count++], value))
		return arq_command_usage(verb, "'%.60s' is no collector, as 192.0.2.9:6343", value);
	return 0;
}

static int take_agent(const char *verb, const struct arq_option *option, const char *value)
{
	return arq_config_parse_host(value, option->to)
		       ? arq_command_usage(verb, "'%.60s' is no IP address", value)
		       : 0;
}

int arq_sampler_export(int argc, char **argv)
{
	struct options options = {.watch = {.wait = true, .tick_ns = TICK_NS}};
	const struct arq_option own[] = {
		{.name = "sflow", .letter = 's', .take = take_collector, .to = &options},
		{.name = "agent", .letter = 'a', .take = take_agent, .to = &options.agent},
		{.name = "counters", .duration_ns = &options.counters_ns},
		{.name = "config", .letter = 'C', .text = &options.config},
		{.name = "duration", .letter = 'd', .duration_ns = &options.watch.duration_ns},
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
	code = read_config(&options, &error);
	if (!options.counters_ns)
		options.counters_ns = COUNTERS_DEFAULT_NS;
	if (!code)
		code = export(&options, &error);
	return code ? arq_command_fail(VERB, &error) : ARQ_EXIT_DONE;
}
