// SPDX-License-Identifier: BSD-2-Clause
/*
 * Traces against live packets: whatever a trace says of a frame, the chain does with it when it
 * comes; and a trace leaves nothing behind. By the chain of three programs where the kernel allows
 * it, else by the bundle.
 */
#include "dispatcher/chain.h"
#include "dispatcher/pins.h"
#include "dispatcher/trace.h"
#include "progs/program.h"
#include "progs/redirect/services.h"
#include "tests/unit/test_command_lab.h"
#include "tests/unit/test_progs_frames.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <limits.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <xdp/xsk.h>

#include <bpf/bpf.h>

/* The parts of the chain, each in a slot of its own or all in one. */
#define PARTS 3
static const enum arq_program_id parts[PARTS] = {ARQ_PROGRAM_FIREWALL, ARQ_PROGRAM_SAMPLER,
						 ARQ_PROGRAM_REDIRECT};

static const char config_text[] =
	"interfaces: [{ name: arq0 }]\n"
	"sampler: { one_in: 1 }\n"
	"firewall:\n"
	"  rules:\n"
	"    - { name: bad, from: [198.51.100.77/32, 2001:db8::4d/128], action: drop }\n";

static char *path;
static bool chained;
static char directory[PATH_MAX];
static struct arq_counters_view *views[PARTS];
static int packet_socket;
static struct arq_error error;

static void load(void)
{
	const struct lab_result *result = chained ? lab_run("load", "--config", path)
						  : lab_run("load", "--bundle", "--config", path);
	cr_assert_eq(result->status, 0, "%s", result->error);
}

static void setup(void)
{
	lab_enter();
	chained = lab_kernel_chains();
	path = lab_config(config_text);
	load();
	cr_assert_eq(arq_pins_path(directory, if_nametoindex("arq0")), 0);
	for (size_t i = 0; i < PARTS; i++)
		cr_assert_eq(arq_counters_open(directory, chained ? parts[i] : ARQ_PROGRAM_BUNDLE,
					       parts[i], &views[i], &error),
			     0, "%s", error.text);
	packet_socket = socket(AF_PACKET, SOCK_RAW, 0);
	cr_assert_geq(packet_socket, 0);
}

static void cleanup(void)
{
	lab_forget(path);
	for (size_t i = 0; i < PARTS; i++)
		arq_counters_close(views[i]);
	close(packet_socket);
}

TestSuite(trace, .init = setup, .fini = cleanup);

/* --- what is live ----------------------------------------------------------------------------- */

struct live {
	struct arq_counters counters[PARTS];
};

static struct live read_live(void)
{
	struct live live;

	for (size_t i = 0; i < PARTS; i++)
		arq_counters_read(views[i], &live.counters[i]);
	return live;
}

static uint64_t packets(const struct arq_counters *counters)
{
	uint64_t sum = 0;

	for (uint32_t action = 0; action < ARQ_ACTIONS; action++)
		sum += counters->actions[action];
	return sum;
}

/* The packet is through when the last part counted it, or one before that did not pass it. */
static bool is_through(const struct live *before, const struct live *now)
{
	for (size_t i = 0; i < PARTS; i++) {
		const struct arq_counters *was = &before->counters[i], *is = &now->counters[i];
		if (packets(is) == packets(was))
			return false;
		if (is->actions[XDP_PASS] == was->actions[XDP_PASS])
			return true;
	}
	return true;
}

/* Sends a frame into arq0, and waits for up to 5 s until the chain has counted it. */
static struct live send_live(const struct frame *frame, const struct live *before)
{
	static const struct timespec pause = {.tv_nsec = 100000};
	struct sockaddr_ll link = {.sll_family = AF_PACKET,
				   .sll_ifindex = (int)if_nametoindex("arq1")};

	cr_assert_eq(sendto(packet_socket, frame->bytes, frame->length, 0, (struct sockaddr *)&link,
			    sizeof(link)),
		     (ssize_t)frame->length, "%s", strerror(errno));
	struct live now = read_live();
	for (int turn = 0; turn < 50000 && !is_through(before, &now); turn++) {
		nanosleep(&pause, NULL);
		now = read_live();
	}
	cr_assert(is_through(before, &now), "the frame did not arrive");
	return now;
}

/* What one part counted for one packet, as a trace would say it. */
static struct arq_replica_verdict counted(const struct arq_counters *was,
					  const struct arq_counters *is)
{
	struct arq_replica_verdict verdict = {0};

	cr_assert_leq(packets(is) - packets(was), 1, "one packet at a time");
	for (uint32_t action = 0; action < ARQ_ACTIONS; action++) {
		if (is->actions[action] != was->actions[action]) {
			verdict.ran = true;
			verdict.action = action;
		}
	}
	for (uint32_t reason = 0; reason < ARQ_REASON_MAX; reason++) {
		if (is->reasons[reason] != was->reasons[reason])
			verdict.reason = reason;
	}
	return verdict;
}

/* --- agreement -------------------------------------------------------------------------------- */

static struct arq_trace_run *open_trace(void)
{
	const struct arq_trace_options options = {0};
	struct arq_trace_run *run;

	int code = arq_trace_open("arq0", &options, &run, &error);
	cr_assert_eq(code, 0, "%s", error.text);
	return run;
}

static const struct arq_replica_verdict *traced(const struct arq_trace_result *result, size_t part)
{
	return chained ? &result->slots[part].own : &result->slots[0].parts[parts[part]];
}

/* Traces a frame, sends it, and compares, part by part. Returns what became of it. */
static uint32_t compare(struct arq_trace_run *run, const struct frame *frame, const char *name)
{
	struct arq_trace_result result;
	uint32_t action = XDP_PASS;

	struct live before = read_live();
	int code = arq_trace_packet(run, frame->bytes, frame->length, &result, &error);
	cr_assert_eq(code, 0, "%s: %s", name, error.text);
	struct live still = read_live();
	cr_assert_eq(memcmp(&before, &still, sizeof(before)), 0, "%s: a trace counted", name);
	cr_assert_not(result.rewritten);

	struct live after = send_live(frame, &before);
	for (size_t i = 0; i < PARTS; i++) {
		struct arq_replica_verdict live = counted(&before.counters[i], &after.counters[i]);
		const struct arq_replica_verdict *said = traced(&result, i);
		cr_assert_eq(said->ran, live.ran, "%s, %zu bytes: %s ran: %d, live %d", name,
			     frame->length, arq_program_name(parts[i]), said->ran, live.ran);
		cr_assert_eq(said->action, live.action, "%s, %zu bytes: %s: %s, live %s", name,
			     frame->length, arq_program_name(parts[i]),
			     arq_action_name(said->action), arq_action_name(live.action));
		cr_assert_eq(said->reason, live.reason, "%s, %zu bytes: %s: %s, live %s", name,
			     frame->length, arq_program_name(parts[i]),
			     arq_reason_name(said->reason), arq_reason_name(live.reason));
		if (live.ran)
			action = live.action;
	}
	cr_assert_eq(result.action, action, "%s: %s, live %s", name, arq_action_name(result.action),
		     arq_action_name(action));
	return action;
}

/* Any address, port 443: that of all frames. */
static void add_service(void)
{
	union arq_address address = {.in = {.sin_family = AF_INET, .sin_port = htons(443)}};

	int services = arq_services_open(directory, &error);
	cr_assert_geq(services, 0, "%s", error.text);
	cr_assert_eq(arq_service_add(services, &address, &error), 0, "%s", error.text);
	close(services);
}

Test(trace, agrees_with_live_packets)
{
	size_t actions[ARQ_ACTIONS] = {0};

	add_service();
	struct arq_trace_run *run = open_trace();
	cr_assert_geq(frame_case_count, 40);
	for (size_t i = 0; i < frame_case_count; i++) {
		struct frame frame;
		frame_build(&frame, &frame_cases[i].spec);
		actions[compare(run, &frame, frame_cases[i].name)]++;
	}
	cr_assert_gt(actions[XDP_DROP], 20);
	cr_assert_gt(actions[XDP_PASS], 20);
	cr_assert_not(arq_trace_is_stale(run));
	arq_trace_close(run);
}

/* Cut at every byte of every header: that contains the ends and the middles of all. */
Test(trace, agrees_with_live_packets_that_are_cut)
{
	static const struct frame_spec specs[] = {
		{.tags = {0x88a8, 0x8100}, .ip = 4, .options = 8, .protocol = 6},
		{.tags = {0x8100}, .ip = 4, .protocol = 17, .payload = PAYLOAD_INITIAL_V1},
		{.ip = 6, .extension_count = 3, .extensions = {0, 44, 60}, .protocol = 17},
		{.ip = 6, .protocol = 58},
	};

	struct arq_trace_run *run = open_trace();
	for (size_t i = 0; i < sizeof(specs) / sizeof(specs[0]); i++) {
		struct frame frame;
		frame_build(&frame, &specs[i]);
		for (; frame.length >= ARQ_TRACE_FRAME_MIN; frame.length--)
			compare(run, &frame, "cut");
	}
	arq_trace_close(run);
}

/* By its sources and destinations, also live, a trace tells a rule and names it. */
Test(trace, agrees_on_rules)
{
	struct arq_trace_result result;
	struct frame frame;

	struct arq_trace_run *run = open_trace();
	for (uint8_t ip = 4; ip <= 6; ip += 2) {
		const struct frame_spec bad = {.ip = ip, .protocol = 17, .source = 77};
		const struct frame_spec good = {.ip = ip, .protocol = 17, .source = 78};
		frame_build(&frame, &bad);
		cr_assert_eq(compare(run, &frame, "bad"), XDP_DROP);
		arq_trace_packet(run, frame.bytes, frame.length, &result, &error);
		cr_assert_eq(traced(&result, 0)->reason, ARQ_REASON_RULE);
		cr_assert_eq(traced(&result, 0)->rule, 1);
		cr_assert_eq(result.slot, 0);
		frame_build(&frame, &good);
		cr_assert_eq(compare(run, &frame, "good"), XDP_PASS);
		arq_trace_packet(run, frame.bytes, frame.length, &result, &error);
		cr_assert_eq(traced(&result, 0)->rule, 0, "the rule of the packet before");
	}
	arq_trace_close(run);
}

/* What programs remember is in the copies, too. */
Test(trace, agrees_on_blocked_sources)
{
	const struct frame_spec spec = {.ip = 4, .protocol = 17, .source = 78};
	struct frame frame;

	frame_build(&frame, &spec);
	struct arq_trace_run *run = open_trace();
	cr_assert_eq(compare(run, &frame, "before"), XDP_PASS);
	const struct lab_result *result =
		lab_run("firewall", "block", "198.51.100.78", "--for", "1h");
	cr_assert_eq(result->status, 0, "%s", result->error);
	/* A trace is of the moment when it was opened. */
	struct arq_trace_result old;
	cr_assert_eq(arq_trace_packet(run, frame.bytes, frame.length, &old, &error), 0);
	cr_assert_eq(old.action, XDP_PASS);
	arq_trace_close(run);
	run = open_trace();
	cr_assert_eq(compare(run, &frame, "blocked"), XDP_DROP);
	arq_trace_close(run);
}

/* A program that answers rewrites its copy of the packet; nothing is sent, and no rate is used up.
 */
Test(trace, says_when_a_packet_is_rewritten)
{
	const struct frame_spec spec = {.ip = 4, .fragment = 0x2000, .protocol = 17, .source = 78};
	struct arq_trace_result result;
	struct frame frame;

	lab_forget(path);
	path = lab_config("interfaces: [{ name: arq0 }]\n"
			  "firewall:\n"
			  "  fragments: packet-too-big\n"
			  "  packet_too_big: { rate: 1/m, burst: 1 }\n");
	load();
	frame_build(&frame, &spec);
	for (int turn = 0; turn < 2; turn++) {
		struct live before = read_live();
		struct arq_trace_run *run = open_trace();
		cr_assert_eq(arq_trace_packet(run, frame.bytes, frame.length, &result, &error), 0);
		cr_assert_eq(result.action, XDP_TX);
		cr_assert(result.rewritten);
		/* The second one of the same trace is beyond the rate. */
		cr_assert_eq(arq_trace_packet(run, frame.bytes, frame.length, &result, &error), 0);
		cr_assert_eq(result.action, XDP_DROP);
		cr_assert_not(result.rewritten);
		arq_trace_close(run);
		struct live after = read_live();
		cr_assert_eq(memcmp(&before, &after, sizeof(before)), 0);
	}
}

Test(trace, agrees_on_packets_to_a_socket)
{
	const struct xsk_socket_config config = {.rx_size = 64,
						 .libxdp_flags =
							 XSK_LIBXDP_FLAGS__INHIBIT_PROG_LOAD,
						 .bind_flags = XDP_COPY};
	const size_t size = 64 * 4096;
	const uint32_t queue = 0;
	struct xsk_ring_prod fill;
	struct xsk_ring_cons completion, receive;
	struct xsk_umem *umem;
	struct xsk_socket *xsk;
	struct frame frame;

	add_service();
	void *area = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	cr_assert_neq(area, MAP_FAILED);
	cr_assert_eq(xsk_umem__create(&umem, area, size, &fill, &completion, NULL), 0);
	cr_assert_eq(xsk_socket__create(&xsk, "arq0", queue, umem, &receive, NULL, &config), 0);
	int map = arq_xsks_open(directory, &error);
	int socket = xsk_socket__fd(xsk);
	cr_assert_eq(bpf_map_update_elem(map, &queue, &socket, BPF_ANY), 0);

	struct arq_trace_run *run = open_trace();
	size_t redirected = 0;
	for (size_t i = 0; i < frame_case_count; i++) {
		frame_build(&frame, &frame_cases[i].spec);
		redirected += compare(run, &frame, frame_cases[i].name) == XDP_REDIRECT;
	}
	cr_assert_gt(redirected, 10);
	arq_trace_close(run);
	close(map);
	xsk_socket__delete(xsk);
	xsk_umem__delete(umem);
	munmap(area, size);
}

/* --- what stays ------------------------------------------------------------------------------- */

Test(trace, leaves_nothing_behind)
{
	struct frame frame;
	struct arq_trace_result result;
	uint32_t maps[LAB_IDS_MAX];
	size_t count = 0;

	frame_build(&frame, &frame_cases[2].spec);
	unsigned int pins = lab_count_pins();
	uint32_t attached = lab_attached("arq0");
	uint32_t before = 0, newest = 0;
	while (bpf_map_get_next_id(newest, &newest) == 0)
		before = newest;
	struct arq_trace_run *run = open_trace();
	cr_assert_eq(arq_trace_packet(run, frame.bytes, frame.length, &result, &error), 0);
	for (uint32_t id = before; count < LAB_IDS_MAX && bpf_map_get_next_id(id, &id) == 0;)
		maps[count++] = id;
	cr_assert_gt(count, 0, "private maps");
	arq_trace_close(run);
	cr_assert_eq(lab_count_pins(), pins);
	cr_assert_eq(lab_attached("arq0"), attached);
	lab_assert_gone(NULL, 0, maps, count);
}

Test(trace, sees_that_the_chain_was_changed)
{
	struct arq_trace_run *run = open_trace();

	cr_assert_not(arq_trace_is_stale(run));
	cr_assert_eq(lab_run("unload", "arq0")->status, 0);
	cr_assert(arq_trace_is_stale(run));
	arq_trace_close(run);
}

/* --- the command ------------------------------------------------------------------------------ */

Test(trace, is_printed_as_a_table)
{
	const struct lab_result *result = lab_run("trace", "arq0", "--udp", "--from",
						  "198.51.100.77:4000", "--to", "192.0.2.1:443");
	cr_assert_eq(result->status, 0, "%s", result->error);
	cr_assert_not_null(strstr(result->output, "198.51.100.77:4000 > 192.0.2.1:443 udp"), "%s",
			   result->output);
	cr_assert_not_null(strstr(result->output, "rule 1 \"bad\""), "%s", result->output);
	cr_assert_not_null(strstr(result->output, "verdict: drop by slot 0"), "%s", result->output);
}

Test(trace, is_printed_as_json)
{
	const struct lab_result *result =
		lab_run("trace", "arq0", "--quic-initial", "--vlan", "7", "--from", "2001:db8::4d",
			"--to", "2001:db8::1", "--json");
	cr_assert_eq(result->status, 0, "%s", result->error);
	struct json_object *document = json_tokener_parse(result->output);
	cr_assert_not_null(document, "no JSON: %s", result->output);
	cr_assert_str_eq(lab_text(document, "action"), "drop");
	cr_assert_str_eq(lab_text(document, "summary"),
			 "vlan 7 [2001:db8::4d]:40000 > [2001:db8::1]:443 udp");
	cr_assert_eq(lab_number(document, "length"), 14 + 4 + 40 + 8 + 1200);
	cr_assert_eq(lab_number(document, "slot"), 0);
	struct json_object *slot = lab_slot(document, 0);
	cr_assert_str_eq(lab_text(slot, "reason"), "rule");
	cr_assert_str_eq(lab_text(slot, "rule_name"), "bad");
	cr_assert_eq(lab_number(slot, "rule"), 1);
	json_object_put(document);
}

/* Little-endian pcap of Ethernet frames. */
static char *write_pcap(const struct frame *frames, size_t count, uint32_t missing)
{
	const uint32_t header[6] = {0xa1b2c3d4, 0x00040002, 0, 0, 65535, 1};
	char *name = lab_config("");
	FILE *file = fopen(name, "wb");

	cr_assert_eq(fwrite(header, sizeof(header), 1, file), 1);
	for (size_t i = 0; i < count; i++) {
		uint32_t length = (uint32_t)frames[i].length;
		const uint32_t record[4] = {0, 0, length - missing, length};
		cr_assert_eq(fwrite(record, sizeof(record), 1, file), 1);
		cr_assert_eq(fwrite(frames[i].bytes, length - missing, 1, file), 1);
	}
	cr_assert_eq(fclose(file), 0);
	return name;
}

Test(trace, reads_packets_of_a_file)
{
	static struct frame frames[3];

	for (uint32_t i = 0; i < 3; i++) {
		const struct frame_spec spec = {.ip = 4, .protocol = 17, .source = 76 + i};
		frame_build(&frames[i], &spec);
	}
	char *name = write_pcap(frames, 3, 10);
	const struct lab_result *result = lab_run("trace", "arq0", "--pcap", name);
	cr_assert_eq(result->status, 0, "%s", result->error);
	cr_assert_not_null(strstr(result->output, "arq0: 3 packets, drop 1, pass 2\n"), "%s",
			   result->output);
	cr_assert_not_null(strstr(result->output, "64 captured, the rest taken as zero"), "%s",
			   result->output);

	result = lab_run("trace", "arq0", "--pcap", name, "--packet", "2", "--json");
	cr_assert_eq(result->status, 0, "%s", result->error);
	struct json_object *document = json_tokener_parse(result->output);
	cr_assert_eq(lab_number(document, "packet"), 2);
	cr_assert_str_eq(lab_text(document, "action"), "drop");
	json_object_put(document);

	result = lab_run("trace", "arq0", "--pcap", name, "--packet", "4");
	lab_assert_fails(result, "has no packet 4");
	lab_forget(name);
}

/* A pcapng file in the byte order that is not this machine's: section, interface, one packet. */
static char *write_pcapng(const struct frame *frame, uint32_t claimed)
{
	const uint32_t padded = ((uint32_t)frame->length + 3) & ~3u;
	const uint32_t head[] = {
		0x0a0d0d0a,
		28,
		0x1a2b3c4d,
		0x00010000,
		0xffffffff,
		0xffffffff,
		28,
		1,
		20,
		0x00010000,
		0,
		20,
		6,
		32 + padded,
		0,
		0,
		0,
		claimed,
		(uint32_t)frame->length,
	};
	char *name = lab_config("");
	FILE *file = fopen(name, "wb");

	for (size_t i = 0; i < sizeof(head) / sizeof(head[0]); i++) {
		uint32_t word = __builtin_bswap32(head[i]);
		cr_assert_eq(fwrite(&word, sizeof(word), 1, file), 1);
	}
	uint32_t length = __builtin_bswap32(32 + padded);
	cr_assert_eq(fwrite(frame->bytes, padded, 1, file), 1);
	cr_assert_eq(fwrite(&length, sizeof(length), 1, file), 1);
	cr_assert_eq(fclose(file), 0);
	return name;
}

Test(trace, reads_pcapng_of_either_byte_order)
{
	const struct frame_spec spec = {.ip = 6, .protocol = 17, .source = 77};
	static struct frame frame;

	frame_build(&frame, &spec);
	char *name = write_pcapng(&frame, (uint32_t)frame.length);
	const struct lab_result *result = lab_run("trace", "arq0", "--pcap", name);
	cr_assert_eq(result->status, 0, "%s", result->error);
	cr_assert_not_null(strstr(result->output, "arq0: 1 packet, drop 1\n"), "%s",
			   result->output);
	lab_forget(name);

	name = write_pcapng(&frame, (uint32_t)frame.length + 8);
	lab_assert_fails(lab_run("trace", "arq0", "--pcap", name), "byte 176",
			 "longer than its block");
	lab_forget(name);
}

/* Also of frames that no driver would hand up. */
Test(trace, prints_what_its_schema_says)
{
	static struct frame frames[80];

	cr_assert_leq(frame_case_count, 80);
	for (size_t i = 0; i < frame_case_count; i++)
		frame_build(&frames[i], &frame_cases[i].spec);
	char *name = write_pcap(frames, frame_case_count, 0);
	setenv("CAPTURE", name, 1);
	lab_shell(ARQ_TEST_COMMAND " trace arq0 --json --pcap $CAPTURE | " ARQ_TEST_SOURCE
				   "/tests/lab/check-schema " ARQ_TEST_SOURCE
				   "/userspace/arquant/trace.schema.json");
	lab_forget(name);
}

Test(trace, refuses_what_it_cannot_do)
{
	const struct lab_result *result = lab_run("trace", "arq0", "--hex", "0102030405060708");
	lab_assert_fails(result, "8 bytes", "Ethernet header");
	lab_assert_fails(lab_run("trace", "arq0", "--hex", "012"), "--hex", "character 3");
	result = lab_run("trace", "arq0", "--udp", "--from", "192.0.2.1", "--to", "192.0.2.2",
			 "--queue", "77");
	lab_assert_fails(result, "queue 77", "ethtool");
	result = lab_run("trace", "arq0", "--udp", "--from", "192.0.2.1", "--to", "2001:db8::1");
	lab_assert_fails(result, "different families");
	result = lab_run("trace", "arq0", "--quic-initial", "--length", "30", "--from", "192.0.2.1",
			 "--to", "192.0.2.2");
	lab_assert_fails(result, "--length 30", "too short");
	lab_assert_fails(lab_run("trace", "arq9", "--hex", "00"), "arq9", "ip link");
	lab_assert_fails(lab_run("trace", "arq1", "--hex", "00"), "arq1", "no XDP program");
	lab_assert_fails(lab_run("trace", "arq0", "--pcap", "/dev/null"), "neither a pcap");
	lab_assert_fails(lab_run("trace", "arq0", "--pcap", path), "neither a pcap");
	cr_assert_eq(lab_run("trace", "arq0")->status, 2);
	cr_assert_eq(lab_run("trace", "--udp")->status, 2);
	cr_assert_eq(lab_run("trace", "arq0", "--udp", "--tcp")->status, 2);
	cr_assert_eq(lab_run("trace", "arq0", "--udp", "--from", "x")->status, 2);
}

/* --- beside others ---------------------------------------------------------------------------- */

/* Alone on the interface: the kernel runs the program itself. */
Test(trace, runs_a_foreign_program_that_is_alone)
{
	lab_second_pair();
	lab_attach_foreign("arq2");
	const struct lab_result *result =
		lab_run("trace", "arq2", "--udp", "--from", "192.0.2.1", "--to", "192.0.2.2");
	cr_assert_eq(result->status, 0, "%s", result->error);
	cr_assert_not_null(strstr(result->output, "foreign"), "%s", result->output);
	cr_assert_not_null(strstr(result->output, "verdict: pass by slot 0"), "%s", result->output);
	cr_assert_not_null(strstr(result->output, "note: programs of others"), "%s",
			   result->output);
}

static void assert_filtered(const struct lab_result *result, bool skipped)
{
	cr_assert_eq(result->status, 0, "%s", result->error);
	struct json_object *document = json_tokener_parse(result->output);
	struct json_object *slot = lab_slot(document, 1);
	cr_assert_str_eq(lab_text(slot, "owner"), "foreign");
	cr_assert_str_eq(lab_text(document, "action"), skipped ? "pass" : "drop");
	cr_assert_eq(json_object_object_get_ex(slot, "skipped", NULL), skipped);
	cr_assert_str_eq(lab_text(slot, "reached"), skipped ? "false" : "true");
	/* What comes behind the slot that dropped the packet was not reached. */
	cr_assert_str_eq(lab_text(lab_slot(document, 3), "reached"), skipped ? "true" : "false");
	json_object_put(document);
}

Test(trace, runs_foreign_programs_in_their_slots)
{
	const struct lab_result *result;

	if (!chained)
		cr_skip_test("this kernel does not chain programs");
	lab_shell("xdp-filter load arq0 && xdp-filter ip -m src 203.0.113.9");
	uint32_t attached = lab_attached("arq0");
	assert_filtered(lab_run("trace", "arq0", "--udp", "--from", "203.0.113.9", "--to",
				"192.0.2.2", "--json"),
			false);
	/* So many packets hit that address: the trace, and no more by the one without it. */
	lab_shell("xdp-filter status | grep -q '203.0.113.9 .* 1$'");
	assert_filtered(lab_run("trace", "arq0", "--udp", "--from", "203.0.113.9", "--to",
				"192.0.2.2", "--json", "--skip-foreign"),
			true);
	lab_shell("xdp-filter status | grep -q '203.0.113.9 .* 1$'");
	cr_assert_eq(lab_attached("arq0"), attached, "the chain was changed");
	/* xdp-filter does not say that it takes frames in several buffers. */
	result = lab_run("trace", "arq0", "--udp", "--from", "203.0.113.1", "--to", "192.0.2.2",
			 "--length", "9000");
	lab_assert_fails(result, "9014 bytes", "several buffers");
	lab_shell("xdp-filter unload arq0");
}
