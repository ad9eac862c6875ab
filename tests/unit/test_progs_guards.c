// SPDX-License-Identifier: BSD-2-Clause
/* The firewall's guards: each reason, the bytes of packet-too-big answers, and knocks. */
#include "tests/unit/test_progs_fixture.h"
#include "userspace/common/rate.h"

#include <arpa/inet.h>
#include <arquant/guards.h>
#include <bpf/bpf.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define SECOND 1000000000ULL
#define HOUR   (3600 * SECOND)
#define SYN    0x02
#define MTU    1280

/* With 64 KiB for ports too large for a stack that Criterion gives. */
static struct arq_guards guards;
static struct fixture firewall;
static struct arq_guards *live; /* in the loaded program */

static void load(void)
{
	const struct arq_program_options options = {.first = true, .guards = &guards};

	fixture_load(&firewall, ARQ_PROGRAM_FIREWALL, &options, NULL, NULL);
	live = mmap(NULL, sizeof(*live), PROT_READ | PROT_WRITE, MAP_SHARED,
		    fixture_map(&firewall, ".bss.guards"), 0);
	cr_assert_neq(live, MAP_FAILED);
}

static void unload(void)
{
	munmap(live, sizeof(*live));
	fixture_unload(&firewall);
}

static uint64_t reasons(enum arq_reason reason)
{
	return fixture_counters(&firewall).reasons[reason];
}

/* Runs a frame, which must have this action and reason. */
static void expect_frame(const struct frame *frame, uint32_t action, enum arq_reason reason,
			 const char *what)
{
	uint64_t before = reasons(reason);

	cr_assert_eq(fixture_run(&firewall, frame->bytes, frame->length, 1), action, "%s", what);
	cr_assert_eq(reasons(reason), before + (reason != ARQ_REASON_NONE), "%s: not for %s", what,
		     arq_reason_name(reason));
}

static void expect(const struct frame_spec *spec, uint32_t action, enum arq_reason reason,
		   const char *what)
{
	struct frame frame;

	frame_build(&frame, spec);
	expect_frame(&frame, action, reason, what);
}

static void set_rate(struct arq_rate *rate, uint64_t packets, uint64_t period, uint32_t burst)
{
	cr_assert_eq(arq_rate_make(rate, packets, period, burst), 0);
}

/* --- sanity of IPv4 --------------------------------------------------------------------------- */

Test(progs_guards, nothing_is_guarded_that_is_not_asked_for)
{
	fixture_begin();
	load();
	for (size_t i = 0; i < frame_case_count; i++) {
		if (frame_cases[i].expected.flags & ARQ_PACKET_MALFORMED)
			continue;
		expect(&frame_cases[i].spec, XDP_PASS, ARQ_REASON_NONE, frame_cases[i].name);
	}
	unload();
}

Test(progs_guards, ipv4_options_and_the_evil_bit)
{
	const struct frame_spec plain = {.ip = 4, .protocol = 17};
	const struct frame_spec options = {.ip = 4, .options = 8, .protocol = 17};
	const struct frame_spec evil = {.ip = 4, .fragment = 0x8000, .protocol = 17};
	const struct frame_spec sane = {.ip = 4, .fragment = 0x4000, .protocol = 17};
	const struct frame_spec six = {
		.ip = 6, .extension_count = 1, .extensions = {60}, .protocol = 17};

	fixture_begin();
	guards.flags = ARQ_GUARD_IPV4_OPTIONS;
	load();
	expect(&plain, XDP_PASS, ARQ_REASON_NONE, "plain");
	expect(&six, XDP_PASS, ARQ_REASON_NONE, "extension headers are not options");
	expect(&evil, XDP_PASS, ARQ_REASON_NONE, "evil, but only options are looked for");
	expect(&options, XDP_DROP, ARQ_REASON_IPV4_OPTIONS, "options");
	live->flags = ARQ_GUARD_EVIL_BIT;
	expect(&options, XDP_PASS, ARQ_REASON_NONE, "options, but only evil is looked for");
	expect(&sane, XDP_PASS, ARQ_REASON_NONE, "the flag beside it");
	expect(&evil, XDP_DROP, ARQ_REASON_IPV4_EVIL_BIT, "evil");
	unload();
}

/* --- fragments -------------------------------------------------------------------------------- */

static const struct frame_spec first_v4 = {
	.ip = 4, .fragment = 0x2000, .protocol = 17, .source = 7, .fill = 1300};
static const struct frame_spec first_v6 = {.ip = 6,
					   .extension_count = 1,
					   .extensions = {44},
					   .fragment = 1,
					   .protocol = 17,
					   .source = 7,
					   .fill = 1300};

Test(progs_guards, fragments_are_dropped)
{
	fixture_begin();
	guards.flags = ARQ_GUARD_FRAGMENTS;
	load();
	for (size_t i = 0; i < frame_case_count; i++) {
		uint32_t flags = frame_cases[i].expected.flags;
		if (flags & ARQ_PACKET_MALFORMED)
			continue;
		if (flags & ARQ_PACKET_FRAGMENT)
			expect(&frame_cases[i].spec, XDP_DROP, ARQ_REASON_FRAGMENT,
			       frame_cases[i].name);
		else
			expect(&frame_cases[i].spec, XDP_PASS, ARQ_REASON_NONE,
			       frame_cases[i].name);
	}
	cr_assert_geq(reasons(ARQ_REASON_FRAGMENT), 8);
	unload();
}

static uint32_t sum_bytes(uint32_t sum, const uint8_t *bytes, size_t count)
{
	for (size_t i = 0; i < count; i++)
		sum += i % 2 ? bytes[i] : (uint32_t)bytes[i] << 8;
	return sum;
}

/* Folded sum of what a right checksum is part of: 0xffff. */
static uint32_t fold(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

static void check_answer_v4(const uint8_t *ip, const uint8_t *asked)
{
	static const uint8_t head[] = {0x45, 0xc0, 0, 56, 0, 0, 0x40, 0, 64, IPPROTO_ICMP};

	cr_assert_arr_eq(ip, head, sizeof(head));
	cr_assert_eq(fold(sum_bytes(0, ip, 20)), 0xffff, "checksum of the header");
	cr_assert_arr_eq(ip + 12, asked + 16, 4, "from whom the fragment was for");
	cr_assert_arr_eq(ip + 16, asked + 12, 4, "to whom it was from");
	const uint8_t *icmp = ip + 20;
	cr_assert(icmp[0] == 3 && icmp[1] == 4);
	cr_assert(icmp[4] == 0 && icmp[5] == 0 && icmp[6] == MTU >> 8 && icmp[7] == MTU % 256);
	cr_assert_arr_eq(icmp + 8, asked, 28, "the header and 8 bytes");
	cr_assert_eq(fold(sum_bytes(0, icmp, 36)), 0xffff, "checksum of the message");
}

static void check_answer_v6(const uint8_t *ip, const uint8_t *asked)
{
	static const uint8_t head[] = {0x6c, 0, 0, 0, 0, 136, IPPROTO_ICMPV6, 64};

	cr_assert_arr_eq(ip, head, sizeof(head));
	cr_assert_arr_eq(ip + 8, asked + 24, 16, "from whom the fragment was for");
	cr_assert_arr_eq(ip + 24, asked + 8, 16, "to whom it was from");
	const uint8_t *icmp = ip + 40;
	cr_assert(icmp[0] == 2 && icmp[1] == 0);
	cr_assert(icmp[4] == 0 && icmp[5] == 0 && icmp[6] == MTU >> 8 && icmp[7] == MTU % 256);
	cr_assert_arr_eq(icmp + 8, asked, 128, "as much as we quote");
	uint32_t sum = sum_bytes(136 + IPPROTO_ICMPV6, ip + 8, 32);
	cr_assert_eq(fold(sum_bytes(sum, icmp, 136)), 0xffff, "checksum of the message");
}

/* The answer to a fragment, byte by byte; `tags` of it. */
static void check_answer(struct frame_spec spec, size_t tags)
{
	uint8_t answer[FRAME_BYTES_MAX];
	struct frame asked;

	for (size_t i = 0; i < tags; i++)
		spec.tags[i] = 0x8100;
	frame_build(&asked, &spec);
	/* Bytes that a wrong quote would show. */
	for (size_t i = asked.length - 1300; i < asked.length; i++)
		asked.bytes[i] = (uint8_t)(i * 7);
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = asked.bytes,
		    .data_size_in = (uint32_t)asked.length, .data_out = answer,
		    .data_size_out = sizeof(answer), .repeat = 1);
	cr_assert_eq(bpf_prog_test_run_opts(firewall.descriptor, &options), 0);
	cr_assert_eq(options.retval, XDP_TX);
	cr_assert_eq(options.data_size_out, asked.length, "no frame changes its length");
	cr_assert_arr_eq(answer, asked.bytes + 6, 6);
	cr_assert_arr_eq(answer + 6, asked.bytes, 6);
	size_t l3 = 14 + 4 * tags;
	cr_assert_arr_eq(answer + 12, asked.bytes + 12, l3 - 12, "tags and ethertype");
	if (spec.ip == 4)
		check_answer_v4(answer + l3, asked.bytes + l3);
	else
		check_answer_v6(answer + l3, asked.bytes + l3);
}

static void guard_too_big(uint64_t packets, uint64_t period, uint32_t burst)
{
	guards.flags = ARQ_GUARD_FRAGMENTS | ARQ_GUARD_TOO_BIG;
	guards.too_big_mtu = MTU;
	set_rate(&guards.too_big, packets, period, burst);
}

Test(progs_guards, first_fragments_are_answered)
{
	fixture_begin();
	guard_too_big(1, HOUR, 100);
	load();
	for (size_t tags = 0; tags <= 2; tags++) {
		check_answer(first_v4, tags);
		check_answer(first_v6, tags);
	}
	cr_assert_eq(reasons(ARQ_REASON_TOO_BIG_SENT), 6);
	struct frame_spec echo = first_v6;
	echo.protocol = IPPROTO_ICMPV6;
	struct frame frame;
	frame_build(&frame, &echo);
	frame.bytes[62] = 128; /* echo request */
	expect_frame(&frame, XDP_TX, ARQ_REASON_TOO_BIG_SENT, "a large ping");
	unload();
}

/* One byte of a first fragment changed, so that nobody may answer it. */
static const struct {
	const char *what;
	uint8_t ip;
	uint8_t protocol;
	uint16_t offset;
	uint8_t byte;
} unanswered[] = {
	{"frame to a group", 4, 17, 0, 0x03},     {"frame to a group", 6, 17, 0, 0x33},
	{"to a group", 4, 17, 30, 224},           {"to the broadcast address", 4, 17, 30, 255},
	{"to loopback", 4, 17, 30, 127},          {"from a group", 4, 17, 26, 239},
	{"from loopback", 4, 17, 26, 127},        {"from this network", 4, 17, 26, 0},
	{"to a group", 6, 17, 38, 0xff},          {"from a group", 6, 17, 22, 0xff},
	{"ICMP unreachable", 4, 1, 34, 3},        {"ICMP source quench", 4, 1, 34, 4},
	{"ICMP redirect", 4, 1, 34, 5},           {"ICMP time exceeded", 4, 1, 34, 11},
	{"ICMP parameter problem", 4, 1, 34, 12}, {"ICMPv6 unreachable", 6, 58, 62, 1},
	{"ICMPv6 packet too big", 6, 58, 62, 2},  {"ICMPv6 redirect", 6, 58, 62, 137},
};

Test(progs_guards, some_fragments_are_never_answered)
{
	struct frame frame;

	fixture_begin();
	guard_too_big(1, HOUR, 1000);
	load();
	for (size_t i = 0; i < sizeof(unanswered) / sizeof(unanswered[0]); i++) {
		struct frame_spec spec = unanswered[i].ip == 4 ? first_v4 : first_v6;
		spec.protocol = unanswered[i].protocol;
		frame_build(&frame, &spec);
		frame.bytes[unanswered[i].offset] = unanswered[i].byte;
		expect_frame(&frame, XDP_DROP, ARQ_REASON_FRAGMENT, unanswered[i].what);
	}
	struct frame_spec spec = first_v4;
	spec.fragment = 0x2010;
	expect(&spec, XDP_DROP, ARQ_REASON_FRAGMENT, "a later fragment");
	spec.fragment = 0x0010;
	expect(&spec, XDP_DROP, ARQ_REASON_FRAGMENT, "the last fragment");
	spec = first_v6;
	spec.fragment = 0x11;
	expect(&spec, XDP_DROP, ARQ_REASON_FRAGMENT, "a later fragment");
	spec = first_v4;
	spec.options = 4;
	expect(&spec, XDP_DROP, ARQ_REASON_FRAGMENT, "options");
	spec = first_v4;
	spec.payload = PAYLOAD_EMPTY;
	spec.fill = 0;
	expect(&spec, XDP_DROP, ARQ_REASON_FRAGMENT, "no room for the answer");
	spec = first_v6;
	spec.payload = PAYLOAD_EMPTY;
	spec.fill = 64;
	spec.padding = 200;
	expect(&spec, XDP_DROP, ARQ_REASON_FRAGMENT, "padding is nothing to quote");
	frame_build(&frame, &first_v6);
	memset(frame.bytes + 22, 0, 16);
	expect_frame(&frame, XDP_DROP, ARQ_REASON_FRAGMENT, "from ::");
	frame.bytes[37] = 1;
	expect_frame(&frame, XDP_DROP, ARQ_REASON_FRAGMENT, "from ::1");
	frame_build(&frame, &first_v4);
	memcpy(frame.bytes + 26, frame.bytes + 30, 4);
	expect_frame(&frame, XDP_DROP, ARQ_REASON_FRAGMENT, "from whom it is for");
	cr_assert_eq(reasons(ARQ_REASON_TOO_BIG_SENT), 0);
	unload();
}

/* Two programs, as on two interfaces, have one rate; a program that comes later finds it used up.
 */
Test(progs_guards, the_rate_of_answers_is_one_for_the_machine)
{
	struct arq_error error = {0};
	struct fixture programs[2];
	char paths[2][64], packet[64];

	const char *bpffs = fixture_begin();
	guard_too_big(1, HOUR, 5);
	const struct arq_program_options options = {.first = true, .guards = &guards};
	snprintf(packet, sizeof(packet), "%s/arquant/packet", bpffs);
	for (size_t i = 0; i < 2; i++) {
		snprintf(paths[i], sizeof(paths[i]), "%s/arquant/1-%zu", bpffs, i + 1);
		fixture_load(&programs[i], ARQ_PROGRAM_FIREWALL, &options, paths[i], packet);
		cr_assert_eq(arq_program_commit(programs[i].program, &error), 0, "%s", error.text);
	}
	struct frame frame;
	uint32_t sent = 0;
	for (size_t i = 0; i < 20; i++) {
		frame_build(&frame, i % 4 < 2 ? &first_v4 : &first_v6);
		sent += fixture_run(&programs[i % 2], frame.bytes, frame.length, 1) == XDP_TX;
	}
	cr_assert_eq(sent, 5);
	uint64_t limited = 0;
	for (size_t i = 0; i < 2; i++)
		limited += fixture_counters(&programs[i]).reasons[ARQ_REASON_TOO_BIG_LIMITED];
	cr_assert_eq(limited, 15);
	fixture_unload(&programs[0]);
	fixture_load(&programs[0], ARQ_PROGRAM_FIREWALL, &options, paths[0], packet);
	cr_assert_eq(fixture_run(&programs[0], frame.bytes, frame.length, 1), XDP_DROP,
		     "replacing a program is no way round");
	for (size_t i = 0; i < 2; i++) {
		fixture_unload(&programs[i]);
		cr_assert_eq(arq_program_unpin(ARQ_PROGRAM_FIREWALL, paths[i], packet, &error), 0);
	}
	snprintf(packet, sizeof(packet), "%s/arquant", bpffs);
	cr_assert_eq(access(packet, F_OK), -1, "nothing is left");
}

/* --- two CPUs --------------------------------------------------------------------------------- */

static uint64_t clock_ns(void)
{
	struct timespec now;

	cr_assert_eq(clock_gettime(CLOCK_MONOTONIC, &now), 0);
	return (uint64_t)now.tv_sec * SECOND + (uint64_t)now.tv_nsec;
}

/*
 * Sends frames to a program from a CPU until the time is over. When other processes have the CPU it
 * sends nothing, and what goes beyond the burst meanwhile is lost to the limit: what took longer
 * than `pause` adds up in `away`.
 */
struct sender {
	pthread_t thread;
	size_t cpu;
	const struct fixture *program;
	const struct frame *frames;
	size_t count;
	uint64_t pause; /* ns, also below */
	uint64_t start; /* CLOCK_MONOTONIC, also below */
	uint64_t until;
	uint64_t end;
	uint64_t sent;
	uint64_t away;
};

static void *send_frames(void *context)
{
	struct sender *sender = context;
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(sender->cpu, &set);
	cr_assert_eq(sched_setaffinity(0, sizeof(set), &set), 0);
	uint64_t before = clock_ns(), now;
	sender->away += before - sender->start;
	for (size_t i = 0; before < sender->until; i++, before = now) {
		const struct frame *frame = &sender->frames[i % sender->count];
		fixture_run(sender->program, frame->bytes, frame->length, 1);
		sender->sent++;
		sender->end = before;
		now = clock_ns();
		sender->away += now - before > sender->pause ? now - before : 0;
	}
	return NULL;
}

/* Before fixture_begin(), which binds the process to one CPU. */
static size_t second_cpu(void)
{
	cpu_set_t set;
	size_t cpu;

	cr_assert_eq(sched_getaffinity(0, sizeof(set), &set), 0);
	for (cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (CPU_ISSET(cpu, &set) && cpu != (size_t)sched_getcpu())
			return cpu;
	}
	cr_skip_test("needs two CPUs");
	return 0;
}

/* ARQ_TEST_SECONDS in the environment, for who wants to know more exactly; 2 by default. */
static uint64_t duration(void)
{
	const char *text = getenv("ARQ_TEST_SECONDS");

	return (text ? strtoull(text, NULL, 10) : 2) * SECOND;
}

struct period {
	uint64_t took; /* from before the first packet until after the last */
	uint64_t away; /* for no longer than this, neither CPU sent enough */
};

/* Runs both at once for so long. */
static struct period send_from_both(struct sender senders[2], uint64_t time)
{
	uint64_t start = clock_ns();

	for (size_t i = 0; i < 2; i++) {
		senders[i].start = start;
		senders[i].until = start + time;
		cr_assert_eq(pthread_create(&senders[i].thread, NULL, send_frames, &senders[i]), 0);
	}
	for (size_t i = 0; i < 2; i++)
		cr_assert_eq(pthread_join(senders[i].thread, NULL), 0);
	uint64_t end = clock_ns(), away = UINT64_MAX;
	for (size_t i = 0; i < 2; i++) {
		uint64_t own = senders[i].away + (end - senders[i].end);
		away = own < away ? own : away;
	}
	return (struct period){end - start, away < end - start ? away : end - start};
}

static void expect_rate(uint64_t passed, uint64_t rate, uint64_t burst, struct period period)
{
	uint64_t most = rate * period.took / SECOND + burst;
	uint64_t least = rate * (period.took - period.away) / SECOND + burst;

	cr_log_info("%lu packets passed, which may be %lu to %lu", passed, least, most);
	cr_assert_leq(passed, most, "%lu of %lu", passed, most);
	cr_assert_geq(passed, least * 99 / 100, "%lu of %lu", passed, least);
}

/* Answers in reality: two programs with one state, each on a CPU, at many times the rate. */
Test(progs_guards, the_rate_of_answers_is_exact_on_two_cpus)
{
	const uint64_t rate = 1000, burst = 1000;
	struct arq_error error = {0};
	struct fixture programs[2];
	struct sender senders[2];
	struct frame frames[2];
	char path[64], packet[64];
	uint64_t answers = 0, limited = 0;

	size_t other = second_cpu();
	const char *bpffs = fixture_begin();
	guard_too_big(rate, SECOND, (uint32_t)burst);
	const struct arq_program_options options = {.first = true, .guards = &guards};
	snprintf(packet, sizeof(packet), "%s/arquant/packet", bpffs);
	frame_build(&frames[0], &first_v4);
	frame_build(&frames[1], &first_v6);
	for (size_t i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), "%s/arquant/1-%zu", bpffs, i + 1);
		fixture_load(&programs[i], ARQ_PROGRAM_FIREWALL, &options, path, packet);
		cr_assert_eq(arq_program_commit(programs[i].program, &error), 0, "%s", error.text);
		senders[i] = (struct sender){.cpu = i ? other : (size_t)sched_getcpu(),
					     .program = &programs[i],
					     .frames = frames,
					     .count = 2,
					     .pause = SECOND / 2};
	}
	struct period period = send_from_both(senders, duration());
	for (size_t i = 0; i < 2; i++) {
		struct arq_counters counters = fixture_counters(&programs[i]);
		cr_assert_eq(counters.reasons[ARQ_REASON_TOO_BIG_SENT], counters.actions[XDP_TX]);
		answers += counters.actions[XDP_TX];
		limited += counters.reasons[ARQ_REASON_TOO_BIG_LIMITED];
		fixture_unload(&programs[i]);
	}
	cr_assert_eq(answers + limited, senders[0].sent + senders[1].sent);
	expect_rate(answers, rate, burst, period);
}

/* --- QUIC ------------------------------------------------------------------------------------- */

static void guard_quic(uint32_t flags)
{
	guards.flags =
		ARQ_GUARD_QUIC | ARQ_GUARD_QUIC_FIXED_BIT | ARQ_GUARD_QUIC_SHORT_DCID | flags;
	guards.ports[443] = ARQ_PORT_QUIC;
}

/* What comes of a payload to a QUIC port, filled up to 1200 bytes or as short as it is. */
static const struct {
	const char *what;
	enum payload payload;
	enum arq_reason filled;
	enum arq_reason bare;
} datagrams[] = {
	{"short header", PAYLOAD_SHORT, ARQ_REASON_NONE, ARQ_REASON_NONE},
	{"initial v1", PAYLOAD_INITIAL_V1, ARQ_REASON_NONE, ARQ_REASON_QUIC_INITIAL_SIZE},
	{"initial v2", PAYLOAD_INITIAL_V2, ARQ_REASON_NONE, ARQ_REASON_QUIC_INITIAL_SIZE},
	{"handshake v1", PAYLOAD_HANDSHAKE_V1, ARQ_REASON_NONE, ARQ_REASON_NONE},
	{"handshake v2", PAYLOAD_HANDSHAKE_V2, ARQ_REASON_NONE, ARQ_REASON_NONE},
	{"version negotiation", PAYLOAD_VERSION_NEGOTIATION, ARQ_REASON_NONE, ARQ_REASON_NONE},
	{"unknown version", PAYLOAD_LONG_UNKNOWN, ARQ_REASON_NONE, ARQ_REASON_NONE},
	{"connection id too long", PAYLOAD_LONG_CID_21, ARQ_REASON_QUIC_HEADER,
	 ARQ_REASON_QUIC_HEADER},
	{"connection id cut", PAYLOAD_LONG_CUT, ARQ_REASON_NONE, ARQ_REASON_QUIC_HEADER},
	{"no fixed bit", PAYLOAD_NO_FIXED_BIT, ARQ_REASON_QUIC_FIXED_BIT,
	 ARQ_REASON_QUIC_FIXED_BIT},
	{"empty", PAYLOAD_EMPTY, ARQ_REASON_QUIC_FIXED_BIT, ARQ_REASON_NONE},
};

Test(progs_guards, quic_ports_are_for_quic)
{
	fixture_begin();
	guard_quic(0);
	load();
	for (uint8_t ip = 4; ip <= 6; ip += 2) {
		for (size_t i = 0; i < sizeof(datagrams) / sizeof(datagrams[0]); i++) {
			struct frame_spec spec = {
				.ip = ip, .protocol = 17, .payload = datagrams[i].payload};
			expect(&spec, datagrams[i].bare ? XDP_DROP : XDP_PASS, datagrams[i].bare,
			       datagrams[i].what);
			spec.fill = 1200;
			expect(&spec, datagrams[i].filled ? XDP_DROP : XDP_PASS,
			       datagrams[i].filled, datagrams[i].what);
			spec.port = 444;
			expect(&spec, XDP_PASS, ARQ_REASON_NONE, "to a port of something else");
			spec.port = 443;
			spec.protocol = 6;
			expect(&spec, XDP_PASS, ARQ_REASON_NONE, "TCP");
		}
	}
	unload();
}

Test(progs_guards, quic_initials_are_of_the_size_that_the_standard_demands)
{
	struct frame_spec spec = {.ip = 4, .protocol = 17, .payload = PAYLOAD_INITIAL_V1};
	struct frame frame;

	fixture_begin();
	guard_quic(0);
	load();
	frame_build(&frame, &spec);
	uint16_t bare = (uint16_t)(frame.length - 42);
	spec.fill = (uint16_t)(1199 - bare);
	expect(&spec, XDP_DROP, ARQ_REASON_QUIC_INITIAL_SIZE, "1199 bytes");
	spec.fill++;
	expect(&spec, XDP_PASS, ARQ_REASON_NONE, "1200 bytes");
	frame_build(&frame, &spec);
	frame.bytes[42 + 5] = 7;
	expect_frame(&frame, XDP_DROP, ARQ_REASON_QUIC_DCID_LENGTH, "7 bytes of DCID");
	frame.bytes[42 + 5] = 0;
	expect_frame(&frame, XDP_DROP, ARQ_REASON_QUIC_DCID_LENGTH, "no DCID");
	frame.bytes[42] ^= 0x20;
	expect_frame(&frame, XDP_PASS, ARQ_REASON_NONE, "a Handshake may have any");
	frame.bytes[42] ^= 0x20;
	live->flags &= ~ARQ_GUARD_QUIC_SHORT_DCID;
	expect_frame(&frame, XDP_PASS, ARQ_REASON_NONE, "the server's own choice");
	unload();
}

/* RFC 9287: the fixed bit may be anything where both sides agreed so; Initials stay Initials. */
Test(progs_guards, quic_bits_may_be_greased)
{
	struct frame_spec spec = {.ip = 6, .protocol = 17, .payload = PAYLOAD_NO_FIXED_BIT};
	struct frame frame;

	fixture_begin();
	guard_quic(0);
	guards.flags &= ~ARQ_GUARD_QUIC_FIXED_BIT;
	load();
	expect(&spec, XDP_PASS, ARQ_REASON_NONE, "short header");
	spec.payload = PAYLOAD_INITIAL_V1;
	frame_build(&frame, &spec);
	frame.bytes[62] &= 0xbf;
	expect_frame(&frame, XDP_DROP, ARQ_REASON_QUIC_INITIAL_SIZE, "initial");
	live->flags |= ARQ_GUARD_QUIC_FIXED_BIT;
	expect_frame(&frame, XDP_DROP, ARQ_REASON_QUIC_FIXED_BIT, "initial");
	unload();
}

Test(progs_guards, quic_of_unknown_versions_is_limited)
{
	const struct frame_spec unknown = {
		.ip = 4, .protocol = 17, .payload = PAYLOAD_LONG_UNKNOWN};
	const struct frame_spec negotiation = {
		.ip = 6, .protocol = 17, .payload = PAYLOAD_VERSION_NEGOTIATION};
	const struct frame_spec known = {
		.ip = 4, .protocol = 17, .payload = PAYLOAD_INITIAL_V2, .fill = 1200};

	fixture_begin();
	guard_quic(ARQ_GUARD_QUIC_VERSIONS);
	set_rate(&guards.quic_versions, 1, HOUR, 4);
	load();
	for (int i = 0; i < 2; i++) {
		expect(&unknown, XDP_PASS, ARQ_REASON_NONE, "within the burst");
		expect(&negotiation, XDP_PASS, ARQ_REASON_NONE, "version 0, too");
	}
	expect(&unknown, XDP_DROP, ARQ_REASON_QUIC_VERSION, "beyond it");
	expect(&negotiation, XDP_DROP, ARQ_REASON_QUIC_VERSION, "beyond it");
	expect(&known, XDP_PASS, ARQ_REASON_NONE, "known versions have nothing to do with it");
	unload();
}

static void limit_initials(uint8_t prefix_v4, uint8_t prefix_v6)
{
	guard_quic(ARQ_GUARD_QUIC_INITIALS);
	guards.quic_initials.per_source = prefix_v4 != 0;
	guards.quic_initials.prefix_v4 = prefix_v4;
	guards.quic_initials.prefix_v6 = prefix_v6;
	set_rate(&guards.quic_initials.rate, 1, HOUR, 3);
}

/* How many of 8 Initials from each of 16 sources pass. */
static uint32_t offer_initials(uint8_t ip)
{
	struct frame_spec spec = {
		.ip = ip, .protocol = 17, .payload = PAYLOAD_INITIAL_V1, .fill = 1200};
	struct frame frame;
	uint32_t passed = 0;

	for (uint32_t i = 0; i < 8 * 16; i++) {
		spec.source = i % 16;
		frame_build(&frame, &spec);
		passed += fixture_run(&firewall, frame.bytes, frame.length, 1) == XDP_PASS;
	}
	return passed;
}

Test(progs_guards, quic_initials_are_limited_by_source)
{
	fixture_begin();
	limit_initials(32, 128);
	load();
	cr_assert_eq(offer_initials(4), 3 * 16);
	cr_assert_eq(offer_initials(6), 3 * 16);
	cr_assert_eq(reasons(ARQ_REASON_QUIC_INITIAL_LIMIT), 10 * 16);
	const struct frame_spec later = {.ip = 4, .protocol = 17, .payload = PAYLOAD_SHORT};
	expect(&later, XDP_PASS, ARQ_REASON_NONE, "what has a connection goes on");
	unload();
}

Test(progs_guards, quic_initials_are_limited_by_prefix)
{
	fixture_begin();
	limit_initials(30, 126);
	load();
	cr_assert_eq(offer_initials(4), 3 * 4);
	cr_assert_eq(offer_initials(6), 3 * 4);
	live->quic_initials.identity = 1;
	live->quic_initials.prefix_v4 = 1;
	live->quic_initials.prefix_v6 = 33;
	cr_assert_eq(offer_initials(4), 3);
	cr_assert_eq(offer_initials(6), 3);
	live->quic_initials.per_source = 0;
	cr_assert_eq(offer_initials(4) + offer_initials(6), 3, "or all together");
	unload();
}

Test(progs_guards, quic_initials_are_limited_together)
{
	fixture_begin();
	guard_quic(ARQ_GUARD_QUIC_ALL);
	set_rate(&guards.quic_all, 1, HOUR, 20);
	load();
	cr_assert_eq(offer_initials(4), 20);
	cr_assert_eq(offer_initials(6), 0, "both families together");
	cr_assert_eq(reasons(ARQ_REASON_QUIC_ALL_INITIALS), 2 * 8 * 16 - 20);
	const struct frame_spec later = {.ip = 4, .protocol = 17, .payload = PAYLOAD_SHORT};
	expect(&later, XDP_PASS, ARQ_REASON_NONE, "what has a connection goes on");
	unload();
}

/* One source alone cannot use up what all may send: what is beyond its own rate does not count. */
Test(progs_guards, a_loud_source_leaves_the_others_theirs)
{
	struct frame_spec spec = {
		.ip = 4, .protocol = 17, .payload = PAYLOAD_INITIAL_V1, .fill = 1200};
	struct frame loud, other;
	uint32_t passed = 0;

	fixture_begin();
	limit_initials(32, 128);
	guards.flags |= ARQ_GUARD_QUIC_ALL;
	set_rate(&guards.quic_all, 1, HOUR, 5);
	load();
	frame_build(&loud, &spec);
	spec.source = 1;
	frame_build(&other, &spec);
	for (int i = 0; i < 100; i++)
		passed += fixture_run(&firewall, loud.bytes, loud.length, 1) == XDP_PASS;
	cr_assert_eq(passed, 3);
	cr_assert_eq(reasons(ARQ_REASON_QUIC_INITIAL_LIMIT), 97);
	for (int i = 0; i < 100; i++)
		passed += fixture_run(&firewall, other.bytes, other.length, 1) == XDP_PASS;
	cr_assert_eq(passed, 5);
	cr_assert_eq(reasons(ARQ_REASON_QUIC_ALL_INITIALS), 98);
	unload();
}

/* Acceptance, shortened: 8 sources from two CPUs at far more than ten times the rate of each. */
Test(progs_guards, quic_initials_are_limited_exactly_on_two_cpus)
{
	const uint64_t rate = 500, burst = 500, sources = 8;
	struct frame_spec spec = {
		.ip = 4, .protocol = 17, .payload = PAYLOAD_INITIAL_V1, .fill = 1200};
	static struct frame frames[8];
	struct sender senders[2];

	size_t other = second_cpu();
	fixture_begin();
	limit_initials(32, 128);
	set_rate(&guards.quic_initials.rate, rate, SECOND, (uint32_t)burst);
	load();
	for (uint32_t i = 0; i < sources; i++) {
		spec.source = i;
		frame_build(&frames[i], &spec);
	}
	for (size_t i = 0; i < 2; i++)
		senders[i] = (struct sender){.cpu = i ? other : (size_t)sched_getcpu(),
					     .program = &firewall,
					     .frames = frames,
					     .count = sources,
					     .pause = SECOND / 2};
	struct period period = send_from_both(senders, duration());
	struct arq_counters counters = fixture_counters(&firewall);
	expect_rate(counters.actions[XDP_PASS], sources * rate, sources * burst, period);
	unload();
}

/* More sources than the table has room for: it forgets, it does not fail. */
Test(progs_guards, a_flood_of_sources_finds_room)
{
	struct frame_spec spec = {
		.ip = 4, .protocol = 17, .payload = PAYLOAD_INITIAL_V1, .fill = 1200};
	struct frame frame;

	fixture_begin();
	limit_initials(32, 128);
	load();
	frame_build(&frame, &spec);
	for (uint32_t i = 0; i < 2 * ARQ_LIMIT_SOURCES_MAX; i++) {
		uint32_t address = htonl(0x0a000000 + i);
		memcpy(frame.bytes + 26, &address, 4);
		cr_assert_eq(fixture_run(&firewall, frame.bytes, frame.length, 1), XDP_PASS,
			     "source %u", i);
	}
	unload();
}

/* --- knocks ----------------------------------------------------------------------------------- */

#define TCP(port) ARQ_KNOCK_PORT(IPPROTO_TCP, port)
#define UDP(port) ARQ_KNOCK_PORT(IPPROTO_UDP, port)

static void add_knock(uint64_t identity, const uint32_t *steps, const uint32_t *opens)
{
	struct arq_knock *knock = &guards.knocks[guards.knock_count++];

	*knock = (struct arq_knock){.identity = identity, .window_ns = HOUR, .open_ns = HOUR};
	for (uint32_t i = 0; steps[i]; i++) {
		bool udp = steps[i] >> 16 == IPPROTO_UDP;
		knock->steps[knock->step_count++] = steps[i];
		guards.ports[steps[i] & 0xffff] |= udp ? ARQ_PORT_KNOCK_UDP : ARQ_PORT_KNOCK_TCP;
		guards.flags |= udp ? ARQ_GUARD_KNOCKS_UDP : 0;
	}
	for (uint32_t i = 0; opens[i]; i++) {
		bool udp = opens[i] >> 16 == IPPROTO_UDP;
		knock->opens[i] = opens[i];
		guards.ports[opens[i] & 0xffff] |= udp ? ARQ_PORT_CLOSED_UDP : ARQ_PORT_CLOSED_TCP;
	}
	guards.flags |= ARQ_GUARD_KNOCKS;
}

static const uint32_t steps[] = {TCP(7000), UDP(8000), TCP(9000), 0};
static const uint32_t opens[] = {TCP(22), UDP(5000), 0};

/* A packet from a source to a port: why it was dropped, ARQ_REASON_NONE if not. */
static enum arq_reason send_to(uint8_t ip, uint32_t source, uint32_t port, uint8_t tcp_flags)
{
	const struct frame_spec spec = {.ip = ip,
					.protocol = (uint8_t)(port >> 16),
					.port = (uint16_t)port,
					.source = source,
					.tcp_flags = tcp_flags};
	struct frame frame;

	struct arq_counters before = fixture_counters(&firewall);
	frame_build(&frame, &spec);
	uint32_t action = fixture_run(&firewall, frame.bytes, frame.length, 1);
	struct arq_counters after = fixture_counters(&firewall);
	for (int reason = 1; reason < ARQ_REASON_MAX; reason++) {
		if (after.reasons[reason] != before.reasons[reason]) {
			cr_assert_eq(action, XDP_DROP);
			return (enum arq_reason)reason;
		}
	}
	cr_assert_eq(action, XDP_PASS);
	return ARQ_REASON_NONE;
}

static enum arq_reason attempt(uint8_t ip, uint32_t source, uint32_t port)
{
	return send_to(ip, source, port, SYN);
}

/* All steps, in order. */
static void knock(uint8_t ip, uint32_t source)
{
	cr_assert_eq(attempt(ip, source, steps[0]), ARQ_REASON_KNOCK);
	cr_assert_eq(attempt(ip, source, steps[1]), ARQ_REASON_KNOCK);
	cr_assert_eq(attempt(ip, source, steps[2]), ARQ_REASON_KNOCK_DONE);
}

Test(progs_guards, a_knock_opens_its_ports_to_its_source)
{
	fixture_begin();
	add_knock(1, steps, opens);
	load();
	for (uint8_t ip = 4; ip <= 6; ip += 2) {
		cr_assert_eq(attempt(ip, 1, TCP(22)), ARQ_REASON_KNOCK_CLOSED);
		cr_assert_eq(send_to(ip, 1, TCP(22), 0x10), ARQ_REASON_KNOCK_CLOSED, "no ACK scan");
		cr_assert_eq(attempt(ip, 1, UDP(5000)), ARQ_REASON_KNOCK_CLOSED);
		cr_assert_eq(attempt(ip, 1, UDP(22)), ARQ_REASON_NONE, "another protocol");
		cr_assert_eq(attempt(ip, 1, TCP(80)), ARQ_REASON_NONE, "another port");
		knock(ip, 1);
		cr_assert_eq(attempt(ip, 1, TCP(22)), ARQ_REASON_NONE);
		cr_assert_eq(send_to(ip, 1, TCP(22), 0x10), ARQ_REASON_NONE);
		cr_assert_eq(attempt(ip, 1, UDP(5000)), ARQ_REASON_NONE);
		cr_assert_eq(attempt(ip, 1, TCP(80)), ARQ_REASON_NONE);
		cr_assert_eq(attempt(ip, 2, TCP(22)), ARQ_REASON_KNOCK_CLOSED, "not to others");
		cr_assert_eq(attempt(ip == 4 ? 6 : 4, 3, TCP(22)), ARQ_REASON_KNOCK_CLOSED);
	}
	unload();
}

Test(progs_guards, a_wrong_knock_begins_anew)
{
	fixture_begin();
	add_knock(1, steps, opens);
	load();
	/* Each of these between the right steps undoes them. */
	static const uint32_t wrong[] = {TCP(80), TCP(9000), UDP(53), TCP(22), UDP(7000)};
	for (uint32_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		attempt(4, i, steps[0]);
		attempt(4, i, steps[1]);
		attempt(4, i, wrong[i]);
		if (wrong[i] != steps[2])
			cr_assert_eq(attempt(4, i, steps[2]), ARQ_REASON_KNOCK, "wrong %u", i);
		cr_assert_eq(attempt(4, i, TCP(22)),
			     wrong[i] == steps[2] ? ARQ_REASON_NONE : ARQ_REASON_KNOCK_CLOSED,
			     "wrong %u", i);
	}
	/* What is no attempt, or the last step once more, does not. */
	attempt(4, 50, steps[0]);
	attempt(4, 50, steps[0]);
	send_to(4, 50, TCP(80), 0x10);
	send_to(4, 50, TCP(80), 0x12);
	attempt(4, 50, steps[1]);
	attempt(4, 50, steps[1]);
	cr_assert_eq(attempt(4, 50, steps[2]), ARQ_REASON_KNOCK_DONE);
	/* A wrong step that is the first one counts as that. */
	attempt(4, 51, steps[0]);
	attempt(4, 51, steps[1]);
	attempt(4, 51, steps[0]);
	attempt(4, 51, steps[1]);
	cr_assert_eq(attempt(4, 51, steps[2]), ARQ_REASON_KNOCK_DONE);
	/* A scan upwards finds every step in order, and more between. */
	for (uint32_t port = 6990; port < 9010; port++) {
		attempt(6, 52, TCP(port));
		attempt(6, 52, UDP(port));
	}
	cr_assert_eq(attempt(6, 52, TCP(22)), ARQ_REASON_KNOCK_CLOSED);
	unload();
}

static void wait_ns(uint64_t ns)
{
	const struct timespec pause = {.tv_sec = (time_t)(ns / SECOND),
				       .tv_nsec = (long)(ns % SECOND)};

	cr_assert_eq(nanosleep(&pause, NULL), 0);
}

Test(progs_guards, a_knock_has_a_window_and_an_end)
{
	const uint64_t short_time = SECOND / 4;

	fixture_begin();
	add_knock(1, steps, opens);
	load();
	live->knocks[0].window_ns = short_time;
	attempt(4, 1, steps[0]);
	attempt(4, 1, steps[1]);
	wait_ns(short_time);
	cr_assert_eq(attempt(4, 1, steps[2]), ARQ_REASON_KNOCK, "too late");
	live->knocks[0].window_ns = HOUR;
	live->knocks[0].open_ns = short_time;
	knock(4, 2);
	cr_assert_eq(attempt(4, 2, TCP(22)), ARQ_REASON_NONE);
	for (int i = 0; i < 8; i++) {
		wait_ns(short_time / 4);
		cr_assert_eq(send_to(4, 2, TCP(22), 0x10), ARQ_REASON_NONE, "a connection goes on");
	}
	cr_assert_eq(attempt(4, 2, TCP(22)), ARQ_REASON_KNOCK_CLOSED, "none begins any more");
	cr_assert_eq(attempt(4, 2, UDP(5000)), ARQ_REASON_KNOCK_CLOSED);
	wait_ns(short_time);
	cr_assert_eq(send_to(4, 2, TCP(22), 0x10), ARQ_REASON_KNOCK_CLOSED, "it was silent");
	knock(4, 2);
	cr_assert_eq(attempt(4, 2, TCP(22)), ARQ_REASON_NONE, "and once more");
	unload();
}

Test(progs_guards, knocks_do_not_mix)
{
	static const uint32_t other_steps[] = {TCP(7000), TCP(7001), 0};
	static const uint32_t other_opens[] = {TCP(23), TCP(25), 0};

	fixture_begin();
	add_knock(1, steps, opens);
	add_knock(2, other_steps, other_opens);
	guards.ports[443] |= ARQ_PORT_QUIC;
	load();
	attempt(4, 1, TCP(7000));
	attempt(4, 1, UDP(443));
	cr_assert_eq(attempt(4, 1, TCP(7001)), ARQ_REASON_KNOCK_DONE, "QUIC is no attempt");
	cr_assert_eq(attempt(4, 1, TCP(23)), ARQ_REASON_NONE);
	cr_assert_eq(attempt(4, 1, TCP(25)), ARQ_REASON_NONE);
	cr_assert_eq(attempt(4, 1, TCP(22)), ARQ_REASON_KNOCK_CLOSED);
	knock(4, 1);
	cr_assert_eq(attempt(4, 1, TCP(22)), ARQ_REASON_NONE);
	cr_assert_eq(attempt(4, 1, TCP(23)), ARQ_REASON_NONE, "still");
	live->knocks[1].identity = 3;
	cr_assert_eq(attempt(4, 1, TCP(23)), ARQ_REASON_KNOCK_CLOSED, "of another knock now");
	unload();
}

Test(progs_guards, what_a_knock_opened_outlives_the_program)
{
	struct arq_error error = {0};
	char path[64], packet[64];

	const char *bpffs = fixture_begin();
	add_knock(1, steps, opens);
	const struct arq_program_options options = {.first = true, .guards = &guards};
	snprintf(path, sizeof(path), "%s/arquant/1-1", bpffs);
	snprintf(packet, sizeof(packet), "%s/arquant/packet", bpffs);
	fixture_load(&firewall, ARQ_PROGRAM_FIREWALL, &options, path, packet);
	cr_assert_eq(arq_program_commit(firewall.program, &error), 0, "%s", error.text);
	knock(4, 1);
	attempt(4, 2, steps[0]);
	attempt(4, 2, steps[1]);
	fixture_unload(&firewall);
	fixture_load(&firewall, ARQ_PROGRAM_FIREWALL, &options, path, packet);
	cr_assert_eq(arq_program_commit(firewall.program, &error), 0, "%s", error.text);
	cr_assert_eq(attempt(4, 1, TCP(22)), ARQ_REASON_NONE);
	cr_assert_eq(attempt(4, 2, steps[2]), ARQ_REASON_KNOCK_DONE);
	cr_assert_eq(attempt(4, 2, TCP(22)), ARQ_REASON_NONE);
	cr_assert_eq(attempt(4, 3, TCP(22)), ARQ_REASON_KNOCK_CLOSED);
	fixture_unload(&firewall);
}

/* --- all together ----------------------------------------------------------------------------- */

/* Whatever comes: a verdict of ours, and an answer to nothing but a first fragment. */
Test(progs_guards, stand_frames_that_nobody_wrote_down)
{
	struct arq_packet packet;
	struct frame frame;
	uint64_t random = 0x9e3779b97f4a7c15;

	fixture_begin();
	guard_too_big(1000000, SECOND, 1000);
	uint32_t too_big = guards.flags;
	add_knock(1, steps, opens);
	uint32_t knocks = guards.flags;
	guard_quic(too_big | knocks | ARQ_GUARD_QUIC_VERSIONS | ARQ_GUARD_QUIC_INITIALS |
		   ARQ_GUARD_QUIC_ALL | ARQ_GUARD_IPV4_OPTIONS | ARQ_GUARD_EVIL_BIT);
	set_rate(&guards.quic_all, 100, SECOND, 1);
	set_rate(&guards.quic_versions, 1000, SECOND, 1);
	guards.quic_initials =
		(struct arq_limit){.per_source = 1, .prefix_v4 = 24, .prefix_v6 = 56};
	set_rate(&guards.quic_initials.rate, 10, SECOND, 10);
	load();
	for (int i = 0; i < 100000; i++) {
		frame_mutate(&frame, &random);
		if (frame.length < 14)
			continue;
		reference_parse(&frame, &packet);
		uint32_t action = fixture_run(&firewall, frame.bytes, frame.length, 1);
		if (action == XDP_TX)
			cr_assert(packet.flags & ARQ_PACKET_FIRST_FRAGMENT &&
				  !(packet.flags & ARQ_PACKET_MALFORMED));
		else
			cr_assert(action == XDP_PASS || action == XDP_DROP);
	}
	unload();
}
