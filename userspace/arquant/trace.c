// SPDX-License-Identifier: BSD-2-Clause
#include "userspace/arquant/command.h"

#include "dispatcher/pins.h"
#include "userspace/arquant/trace_file.h"
#include "userspace/arquant/trace_packet.h"
#include "userspace/arquant/trace_report.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

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
	bool has_from, has_to, has_icmp_type;
	const char *hex;
	const char *pcap;
	uint64_t number; /* of the file's packets; 0: all */
	struct arq_trace_options trace;
	bool json;
	bool help;
};

/* Options without a letter, from beyond all letters on. */
enum {
	OPTION_UDP = 256,
	OPTION_TCP,
	OPTION_ICMP,
	OPTION_FROM,
	OPTION_TO,
	OPTION_VLAN,
	OPTION_TTL,
	OPTION_DSCP,
	OPTION_LENGTH,
	OPTION_TCP_FLAGS,
	OPTION_ICMP_TYPE,
	OPTION_QUIC_INITIAL,
	OPTION_QUIC_SHORT,
	OPTION_HEX,
	OPTION_PCAP,
	OPTION_PACKET,
	OPTION_QUEUE,
	OPTION_SKIP_FOREIGN,
};

static const struct option known[] = {
	{"udp", no_argument, NULL, OPTION_UDP},
	{"tcp", no_argument, NULL, OPTION_TCP},
	{"icmp", no_argument, NULL, OPTION_ICMP},
	{"from", required_argument, NULL, OPTION_FROM},
	{"to", required_argument, NULL, OPTION_TO},
	{"vlan", required_argument, NULL, OPTION_VLAN},
	{"ttl", required_argument, NULL, OPTION_TTL},
	{"dscp", required_argument, NULL, OPTION_DSCP},
	{"length", required_argument, NULL, OPTION_LENGTH},
	{"tcp-flags", required_argument, NULL, OPTION_TCP_FLAGS},
	{"icmp-type", required_argument, NULL, OPTION_ICMP_TYPE},
	{"quic-initial", no_argument, NULL, OPTION_QUIC_INITIAL},
	{"quic-short", no_argument, NULL, OPTION_QUIC_SHORT},
	{"hex", required_argument, NULL, OPTION_HEX},
	{"pcap", required_argument, NULL, OPTION_PCAP},
	{"packet", required_argument, NULL, OPTION_PACKET},
	{"queue", required_argument, NULL, OPTION_QUEUE},
	{"skip-foreign", no_argument, NULL, OPTION_SKIP_FOREIGN},
	{"json", no_argument, NULL, 'j'},
	{"verbose", no_argument, NULL, 'v'},
	{"help", no_argument, NULL, 'h'},
	{NULL, 0, NULL, 0},
};

/* --- options ---------------------------------------------------------------------------------- */

/* Decimal digits up to `end`, no signs or blanks. */
static bool read_number(const char *text, uint64_t max, uint64_t *value, const char **end)
{
	char *stop;

	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	*value = strtoull(text, &stop, 10);
	*end = stop;
	return errno == 0 && *value <= max;
}

static int take_number(const char *option, uint64_t min, uint64_t max, uint64_t *value)
{
	const char *end;

	if (read_number(optarg, max, value, &end) && *end == '\0' && *value >= min)
		return 0;
	return arq_command_usage("trace", "--%s %.40s: a number from %llu to %llu is needed",
				 option, optarg, (unsigned long long)min, (unsigned long long)max);
}

static int take_byte(const char *option, uint64_t max, uint8_t *byte)
{
	uint64_t value = 0;

	int code = take_number(option, 0, max, &value);
	*byte = (uint8_t)value;
	return code;
}

static int take_protocol(struct arq_trace_spec *packet, int protocol, enum arq_trace_quic quic)
{
	if (packet->protocol && packet->protocol != protocol)
		return arq_command_usage("trace", "a packet has one protocol: --udp, --tcp or "
						  "--icmp");
	if (quic && packet->quic && packet->quic != quic)
		return arq_command_usage("trace", "either --quic-initial or --quic-short");
	packet->protocol = protocol;
	if (quic)
		packet->quic = quic;
	return 0;
}

static int take_end(const char *option, uint16_t port, union arq_address *address, bool *has)
{
	*has = true;
	if (arq_trace_parse_end(optarg, port, address) == 0)
		return 0;
	return arq_command_usage("trace",
				 "--%s %.60s: an address like 192.0.2.1, 192.0.2.1:443 or "
				 "[2001:db8::1]:443 is needed",
				 option, optarg);
}

static int take_tag(struct arq_trace_spec *packet)
{
	uint64_t id = 0;

	if (packet->tag_count == ARQ_TRACE_TAGS_MAX)
		return arq_command_usage("trace", "--vlan: a packet takes two tags at most");
	int code = take_number("vlan", 0, 4095, &id);
	packet->tags[packet->tag_count++] = (uint16_t)id;
	return code;
}

static int take_icmp_type(struct options *options)
{
	uint64_t type = 0, code = 0;
	const char *end = "";

	options->has_icmp_type = true;
	bool good = read_number(optarg, 255, &type, &end);
	if (good && *end == '/')
		good = read_number(end + 1, 255, &code, &end);
	options->packet.icmp_type = (uint8_t)type;
	options->packet.icmp_code = (uint8_t)code;
	if (good && *end == '\0')
		return 0;
	return arq_command_usage("trace",
				 "--icmp-type %.40s: TYPE or TYPE/CODE, numbers from 0 to "
				 "255, is needed",
				 optarg);
}

static int take_length(struct arq_trace_spec *packet)
{
	uint64_t length = 0;

	int code = take_number("length", 1, 65535, &length);
	packet->length = (size_t)length;
	return code;
}

static int take_queue(struct options *options)
{
	uint64_t queue = 0;

	int code = take_number("queue", 0, UINT16_MAX, &queue);
	options->trace.queue = (uint32_t)queue;
	return code;
}

static int take_tcp_flags(struct arq_trace_spec *packet)
{
	if (arq_trace_parse_tcp_flags(optarg, &packet->tcp_flags) == 0)
		return 0;
	return arq_command_usage("trace",
				 "--tcp-flags %.40s: names of flags are needed, like "
				 "syn,ack",
				 optarg);
}

/* Options that describe a packet. Returns -1 for another one. */
static int take_packet_option(struct options *options, int option)
{
	struct arq_trace_spec *packet = &options->packet;

	switch (option) {
	case OPTION_UDP:
		return take_protocol(packet, IPPROTO_UDP, ARQ_TRACE_QUIC_NONE);
	case OPTION_TCP:
		return take_protocol(packet, IPPROTO_TCP, ARQ_TRACE_QUIC_NONE);
	case OPTION_ICMP:
		return take_protocol(packet, IPPROTO_ICMP, ARQ_TRACE_QUIC_NONE);
	case OPTION_QUIC_INITIAL:
		return take_protocol(packet, IPPROTO_UDP, ARQ_TRACE_QUIC_INITIAL);
	case OPTION_QUIC_SHORT:
		return take_protocol(packet, IPPROTO_UDP, ARQ_TRACE_QUIC_SHORT);
	case OPTION_FROM:
		return take_end("from", PORT_FROM, &packet->from, &options->has_from);
	case OPTION_TO:
		return take_end("to", PORT_TO, &packet->to, &options->has_to);
	case OPTION_VLAN:
		return take_tag(packet);
	case OPTION_TTL:
		return take_byte("ttl", 255, &packet->ttl);
	case OPTION_DSCP:
		return take_byte("dscp", 63, &packet->dscp);
	case OPTION_LENGTH:
		return take_length(packet);
	case OPTION_TCP_FLAGS:
		return take_tcp_flags(packet);
	case OPTION_ICMP_TYPE:
		return take_icmp_type(options);
	default:
		return -1;
	}
}

static int take_option(struct options *options, int option, char **argv)
{
	int code = take_packet_option(options, option);
	if (code >= 0)
		return code;
	switch (option) {
	case OPTION_HEX:
		options->hex = optarg;
		return 0;
	case OPTION_PCAP:
		options->pcap = optarg;
		return 0;
	case OPTION_PACKET:
		return take_number("packet", 1, UINT64_MAX, &options->number);
	case OPTION_QUEUE:
		return take_queue(options);
	case OPTION_SKIP_FOREIGN:
		options->trace.skip_foreign = true;
		return 0;
	case 'j':
		options->json = true;
		return 0;
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

static int check_description(struct options *options)
{
	struct arq_trace_spec *packet = &options->packet;

	if (!packet->protocol)
		return arq_command_usage("trace",
					 "a packet is missing: --udp, --tcp or --icmp with "
					 "--from and --to, or --hex, or --pcap");
	if (!options->has_from || !options->has_to)
		return arq_command_usage("trace", "a packet needs --from and --to");
	if (packet->protocol == IPPROTO_ICMP && !options->has_icmp_type)
		packet->icmp_type = packet->to.sa.sa_family == AF_INET6 ? ICMPV6_ECHO : ICMP_ECHO;
	return 0;
}

static int parse_options(struct options *options, int argc, char **argv)
{
	int option, code = 0;

	opterr = 0;
	while (code == 0 && (option = getopt_long(argc, argv, ":jvh", known, NULL)) != -1)
		code = take_option(options, option, argv);
	if (code || options->help)
		return code;
	if (argc - optind != 1)
		return arq_command_usage("trace", "one interface is needed");
	bool described = options->packet.protocol || options->has_from || options->has_to;
	if (described + !!options->hex + !!options->pcap > 1)
		return arq_command_usage("trace", "a packet comes from one place: its description, "
						  "--hex or --pcap");
	if (options->number && !options->pcap)
		return arq_command_usage("trace", "--packet is for --pcap");
	return options->hex || options->pcap ? 0 : check_description(options);
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
	char directory[PATH_MAX];

	int code = arq_trace_open(interface, &options->trace, &trace.run, error);
	if (code)
		return code;
	trace.report.run = trace.run;
	trace.report.skip_foreign = options->trace.skip_foreign;
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

int arq_command_trace(int argc, char **argv)
{
	struct options options = {.packet = {.ttl = 64, .tcp_flags = 0x02}};
	struct arq_error error = {0};

	int code = parse_options(&options, argc, argv);
	if (code)
		return code;
	if (options.help) {
		fputs(help, stdout);
		return arq_command_finish("trace");
	}
	code = run(&options, argv[optind], &error);
	return code ? arq_command_fail("trace", &error) : arq_command_finish("trace");
}
