// SPDX-License-Identifier: BSD-2-Clause
#include "userspace/arquant/command.h"

#include "dispatcher/pins.h"
#include "userspace/arquant/options.h"
#include "userspace/arquant/trace_file.h"
#include "userspace/arquant/trace_packet.h"
#include "userspace/arquant/trace_report.h"

#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#define VERB "trace"

static const char help[] =
	"Usage: arquant trace IFACE --udp|--tcp|--icmp --from ADDR[:PORT] --to ADDR[:PORT] "
	"[OPTION...]\n"
	"       arquant trace IFACE --hex BYTES [OPTION...]\n"
	"       arquant trace IFACE --pcap FILE|- [--packet N] [OPTION...]\n"
	"\n"
	"Runs packets through the chain of an interface, and says what each slot does with "
	"them:\n"
	"verdict, reason, rule. Nothing is sent. Our programs run as copies with the state of the\n"
	"live ones, whose counters stay as they are; programs of others run themselves, and "
	"count.\n"
	"\n"
	"A packet from a description:\n"
	"      --udp, --tcp, --icmp  its protocol; --icmp with IPv6 addresses is ICMPv6\n"
	"      --from, --to END      ADDR, ADDR:PORT or [ADDR]:PORT; ports 40000 and 443 if not "
	"said\n"
	"      --vlan ID             VLAN tag; twice for two, the outer first\n"
	"      --ttl N               TTL or hop limit (64)\n"
	"      --dscp N              DSCP, 0 to 63\n"
	"      --length N            bytes of the IP packet; zeros fill it up\n"
	"      --tcp-flags LIST      of fin,syn,rst,psh,ack,urg,ece,cwr (syn)\n"
	"      --icmp-type TYPE[/CODE]\n"
	"                            (echo request)\n"
	"      --quic-initial        UDP with the head of a QUIC Initial packet, 1200 bytes\n"
	"      --quic-short          UDP with the head of a QUIC short header packet\n"
	"\n"
	"Or:\n"
	"      --hex BYTES           a frame from its Ethernet header on, in hexadecimal digits\n"
	"      --pcap FILE           all Ethernet frames of a pcap or pcapng file, one after "
	"another\n"
	"      --packet N            of these only number N\n"
	"\n"
	"      --queue N             as if it came by receive queue N (0)\n"
	"      --skip-foreign        leave out the programs of others\n"
	"  -j, --json                one JSON object for each packet (keys: trace.schema.json)\n"
	"  -v, --verbose             after a failure, show what libbpf and the kernel said\n"
	"  -h, --help                print this\n";

#define PORT_FROM 40000
#define PORT_TO   443

/* RFC 792, RFC 4443: echo request. */
#define ICMP_ECHO   8
#define ICMPV6_ECHO 128

struct options {
	struct arq_trace_spec packet;
	uint64_t ttl, dscp, length;
	bool has_icmp_type;
	const char *hex;
	const char *pcap;
	uint64_t number; /* of the file's packets; 0: all */
	uint64_t queue;
	bool skip_foreign;
	bool json;
};

/* --- options ---------------------------------------------------------------------------------- */

static int take_protocol(const char *verb, const struct arq_option *option, const char *value)
{
	struct arq_trace_spec *packet = option->to;

	(void)value;
	if (packet->protocol && packet->protocol != option->what)
		return arq_command_usage(verb, "a packet has one protocol: --udp, --tcp or --icmp");
	packet->protocol = option->what;
	return 0;
}

static int take_quic(const char *verb, const struct arq_option *option, const char *value)
{
	struct arq_trace_spec *packet = option->to;
	enum arq_trace_quic quic = (enum arq_trace_quic)option->what;
	const struct arq_option udp = {.to = packet, .what = IPPROTO_UDP};

	if (packet->quic && packet->quic != quic)
		return arq_command_usage(verb, "either --quic-initial or --quic-short");
	packet->quic = quic;
	return take_protocol(verb, &udp, value);
}

static int take_end(const char *verb, const struct arq_option *option, const char *value)
{
	if (arq_trace_parse_end(value, (uint16_t)option->what, option->to) == 0)
		return 0;
	return arq_command_usage(verb,
				 "--%s %.60s: an address like 192.0.2.1, 192.0.2.1:443 or "
				 "[2001:db8::1]:443 is needed",
				 option->name, value);
}

static int take_tag(const char *verb, const struct arq_option *option, const char *value)
{
	struct arq_trace_spec *packet = option->to;
	const char *end;
	uint64_t id;

	if (packet->tag_count == ARQ_TRACE_TAGS_MAX)
		return arq_command_usage(verb, "--vlan: a packet takes two tags at most");
	if (!arq_option_parse_digits(value, 4095, &id, &end) || *end)
		return arq_command_usage(verb, "--vlan %.40s: a number from 0 to 4095 is needed",
					 value);
	packet->tags[packet->tag_count++] = (uint16_t)id;
	return 0;
}

static int take_icmp_type(const char *verb, const struct arq_option *option, const char *value)
{
	struct options *options = option->to;
	uint64_t type = 0, code = 0;
	const char *end = "";

	bool good = arq_option_parse_digits(value, 255, &type, &end);
	if (good && *end == '/')
		good = arq_option_parse_digits(end + 1, 255, &code, &end);
	if (!good || *end)
		return arq_command_usage(verb,
					 "--icmp-type %.40s: TYPE or TYPE/CODE, numbers from 0 to "
					 "255, is needed",
					 value);
	options->has_icmp_type = true;
	options->packet.icmp_type = (uint8_t)type;
	options->packet.icmp_code = (uint8_t)code;
	return 0;
}

static int take_tcp_flags(const char *verb, const struct arq_option *option, const char *value)
{
	struct arq_trace_spec *packet = option->to;

	if (arq_trace_parse_tcp_flags(value, &packet->tcp_flags) == 0)
		return 0;
	return arq_command_usage(verb, "--tcp-flags %.40s: names of flags are needed, like syn,ack",
				 value);
}

/* What the options mean only together. */
static int check_options(const struct options *options, size_t interfaces)
{
	const struct arq_trace_spec *packet = &options->packet;
	bool has_from = packet->from.sa.sa_family != AF_UNSPEC;
	bool has_to = packet->to.sa.sa_family != AF_UNSPEC;
	bool described = packet->protocol || has_from || has_to;

	if (interfaces != 1)
		return arq_command_usage(VERB, "one interface is needed");
	if (described + !!options->hex + !!options->pcap > 1)
		return arq_command_usage(VERB, "a packet comes from one place: its description, "
					       "--hex or --pcap");
	if (options->number && !options->pcap)
		return arq_command_usage(VERB, "--packet is for --pcap");
	if (options->hex || options->pcap)
		return 0;
	if (!packet->protocol)
		return arq_command_usage(VERB, "a packet is missing: --udp, --tcp or --icmp with "
					       "--from and --to, or --hex, or --pcap");
	return has_from && has_to ? 0 : arq_command_usage(VERB, "a packet needs --from and --to");
}

static void finish_packet(struct options *options)
{
	struct arq_trace_spec *packet = &options->packet;

	packet->ttl = (uint8_t)options->ttl;
	packet->dscp = (uint8_t)options->dscp;
	packet->length = (size_t)options->length;
	if (packet->protocol == IPPROTO_ICMP && !options->has_icmp_type)
		packet->icmp_type = packet->to.sa.sa_family == AF_INET6 ? ICMPV6_ECHO : ICMP_ECHO;
}

/* --- running ---------------------------------------------------------------------------------- */

struct trace {
	const struct options *options;
	struct arq_trace_run *run;
	struct arq_trace_report report;
};

static int run_packet(struct trace *trace, struct arq_trace_seen *seen, bool alone,
		      struct arq_error *error)
{
	struct arq_trace_result result;

	int code = arq_trace_packet(trace->run, seen->frame, seen->length, &result, error);
	if (code)
		return code;
	seen->result = &result;
	if (trace->options->json)
		arq_trace_print_json(&trace->report, seen, stdout);
	else if (alone)
		arq_trace_print_table(&trace->report, seen, stdout);
	else
		arq_trace_print_line(&trace->report, seen, stdout);
	return 0;
}

static int run_file(struct trace *trace, struct arq_error *error)
{
	const struct options *options = trace->options;
	struct arq_trace_file_packet packet;
	struct arq_trace_file *file;
	uint64_t found = 0;
	int status;

	int code = arq_trace_file_open(options->pcap, &file, error);
	if (code)
		return code;
	while ((status = arq_trace_file_next(file, &packet, error)) > 0) {
		struct arq_trace_seen seen = {.number = packet.number,
					      .frame = packet.frame,
					      .length = packet.length,
					      .captured = packet.captured};
		if (options->number && packet.number != options->number)
			continue;
		found++;
		code = run_packet(trace, &seen, options->number != 0, error);
		if (code)
			code = arq_error_prefix(error, code, "packet %llu",
						(unsigned long long)packet.number);
		if (code || options->number)
			break;
	}
	arq_trace_file_close(file);
	if (code || status < 0)
		return code ? code : status;
	if (!found && options->number)
		return arq_error_set(error, -ENOENT, "%s has no packet %llu", options->pcap,
				     (unsigned long long)options->number);
	if (!options->json && !options->number)
		arq_trace_print_end(&trace->report, stdout);
	return 0;
}

static int run_one(struct trace *trace, struct arq_error *error)
{
	static uint8_t frame[ARQ_TRACE_PACKET_MAX];
	struct arq_trace_seen seen = {.frame = frame};

	int code = trace->options->hex
			   ? arq_trace_parse_hex(trace->options->hex, frame, &seen.length, error)
			   : arq_trace_build(&trace->options->packet, frame, &seen.length, error);
	seen.captured = seen.length;
	return code ? code : run_packet(trace, &seen, true, error);
}

static int run(const struct options *options, const char *interface, struct arq_error *error)
{
	struct trace trace = {.options = options};
	const struct arq_trace_options how = {.queue = (uint32_t)options->queue,
					      .skip_foreign = options->skip_foreign};
	char directory[PATH_MAX];

	int code = arq_trace_open(interface, &how, &trace.run, error);
	if (code)
		return code;
	trace.report.run = trace.run;
	trace.report.skip_foreign = options->skip_foreign;
	/* Rules without names are shown by number. */
	if (arq_pins_path(directory, arq_trace_chain(trace.run)->ifindex) == 0)
		arq_rule_names_read(directory, &trace.report.rules);
	code = options->pcap ? run_file(&trace, error) : run_one(&trace, error);
	if (code == 0 && arq_trace_is_stale(trace.run))
		code = arq_error_set(error, -EAGAIN,
				     "%s: its chain was changed during the trace, which shows the "
				     "one before; run it again",
				     interface);
	arq_rule_names_free(&trace.report.rules);
	arq_trace_close(trace.run);
	return code;
}

/* Returns true and the interface to go on; else all is said, and *status is the exit status. */
static bool read_options(struct options *options, int argc, char **argv, const char **interface,
			 int *status)
{
	struct arq_trace_spec *packet = &options->packet;
	const struct arq_option own[] = {
		{.name = "udp",
		 .take = take_protocol,
		 .bare = true,
		 .to = packet,
		 .what = IPPROTO_UDP},
		{.name = "tcp",
		 .take = take_protocol,
		 .bare = true,
		 .to = packet,
		 .what = IPPROTO_TCP},
		{.name = "icmp",
		 .take = take_protocol,
		 .bare = true,
		 .to = packet,
		 .what = IPPROTO_ICMP},
		{.name = "from", .take = take_end, .to = &packet->from, .what = PORT_FROM},
		{.name = "to", .take = take_end, .to = &packet->to, .what = PORT_TO},
		{.name = "vlan", .take = take_tag, .to = packet},
		{.name = "ttl", .number = &options->ttl, .max = 255},
		{.name = "dscp", .number = &options->dscp, .max = 63},
		{.name = "length", .number = &options->length, .min = 1, .max = 65535},
		{.name = "tcp-flags", .take = take_tcp_flags, .to = packet},
		{.name = "icmp-type", .take = take_icmp_type, .to = options},
		{.name = "quic-initial",
		 .take = take_quic,
		 .bare = true,
		 .to = packet,
		 .what = ARQ_TRACE_QUIC_INITIAL},
		{.name = "quic-short",
		 .take = take_quic,
		 .bare = true,
		 .to = packet,
		 .what = ARQ_TRACE_QUIC_SHORT},
		{.name = "hex", .text = &options->hex},
		{.name = "pcap", .text = &options->pcap},
		{.name = "packet", .number = &options->number, .min = 1, .max = UINT64_MAX},
		{.name = "queue", .number = &options->queue, .max = UINT16_MAX},
		{.name = "skip-foreign", .flag = &options->skip_foreign},
		{.name = "json", .letter = 'j', .flag = &options->json},
		ARQ_OPTION_VERBOSE,
		{0},
	};
	struct arq_options read = {.verb = VERB, .help = help, .own = own};

	if (!arq_options_read(&read, argc, argv, status))
		return false;
	*status = check_options(options, read.names_count);
	if (*status)
		return false;
	finish_packet(options);
	*interface = read.names[0];
	return true;
}

int arq_command_trace(int argc, char **argv)
{
	struct options options = {.packet = {.tcp_flags = 0x02}, .ttl = 64};
	struct arq_error error = {0};
	const char *interface;
	int code;

	if (!read_options(&options, argc, argv, &interface, &code))
		return code;
	code = run(&options, interface, &error);
	return code ? arq_command_fail(VERB, &error) : arq_command_finish(VERB);
}
