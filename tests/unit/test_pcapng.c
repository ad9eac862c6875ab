// SPDX-License-Identifier: BSD-2-Clause
/*
 * pcapng: the blocks as the specification has them, errors of the output, and what tshark and
 * tcpdump make of the file.
 */
#include "progs/program.h"
#include "progs/sampler/pcapng.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define UDP_LENGTH 46

/* Ethernet, IPv4 192.0.2.1 > 198.51.100.7, UDP 4433 > 9999, four bytes. */
static const uint8_t udp[UDP_LENGTH] =
	"\x02\0\0\0\0\1\x02\0\0\0\0\2\x08\0"
	"\x45\0\0\x20\0\0\0\0\x40\x11\x8e\x60\xc0\0\2\1\xc6\x33\x64\7"
	"\x11\x51\x27\x0f\0\x0c\0\0abcd";

struct record {
	_Alignas(8) uint8_t bytes[sizeof(struct arq_sample) + ARQ_SNAPLEN_MAX];
};

static struct arq_sample *make_sample(struct record *record, uint32_t ifindex, uint64_t time_ns)
{
	struct arq_sample *sample = (struct arq_sample *)record->bytes;

	memset(record, 0, sizeof(*record));
	sample->time_ns = time_ns;
	sample->ifindex = ifindex;
	sample->queue = 3;
	sample->length = 1400;
	sample->captured = UDP_LENGTH;
	sample->one_in = 1000;
	sample->verdict = XDP_PASS;
	sample->program = ARQ_PROGRAM_SAMPLER;
	memcpy(sample->head, udp, sizeof(udp));
	return sample;
}

static void make_drop(struct arq_sample *sample)
{
	sample->verdict = XDP_DROP;
	sample->reason = ARQ_REASON_RULE;
	sample->rule = 3;
	sample->program = ARQ_PROGRAM_FIREWALL;
}

static void name_interface(uint32_t ifindex, char name[IF_NAMESIZE], void *context)
{
	(void)context;
	snprintf(name, IF_NAMESIZE, "test%u", ifindex);
}

static char path[] = "/tmp/arquant-test-pcapng-XXXXXX";
static int file = -1;

static void enter(void)
{
	file = mkstemp(path);
	cr_assert_geq(file, 0);
}

static void leave(void)
{
	close(file);
	unlink(path);
}

TestSuite(pcapng, .init = enter, .fini = leave);

static struct arq_pcapng *writer_to(int fd)
{
	struct arq_pcapng_options options = {
		.fd = fd, .interface_name = name_interface, .application = "arquant test"};
	struct arq_pcapng *writer = NULL;

	cr_assert_eq(arq_pcapng_create(&options, &writer), 0);
	return writer;
}

/* --- the blocks ------------------------------------------------------------------------------- */

static uint8_t content[1 << 20];
static size_t content_size;

static uint32_t word(size_t at)
{
	uint32_t value;

	cr_assert_leq(at + 4, content_size);
	memcpy(&value, content + at, sizeof(value));
	return value;
}

static uint64_t time_at(size_t at)
{
	return (uint64_t)word(at) << 32 | word(at + 4);
}

static void read_back(void)
{
	ssize_t size = pread(file, content, sizeof(content), 0);

	cr_assert_geq(size, 0);
	content_size = (size_t)size;
}

/* The block at `at` must be of this type and say its length at both ends; returns its end. */
static size_t expect_block(size_t at, uint32_t type)
{
	uint32_t length = word(at + 4);

	cr_assert_eq(word(at), type, "block type %u at %zu", word(at), at);
	cr_assert_eq(length % 4, 0);
	cr_assert_geq(length, 12);
	cr_assert_eq(word(at + length - 4), length);
	return at + length;
}

/* The option's value between `at` and the end of the block, and its length; NULL without it. */
static const uint8_t *option(size_t at, size_t end, uint16_t code, uint16_t *length)
{
	while (at + 4 < end) {
		uint16_t head[2];
		memcpy(head, content + at, sizeof(head));
		if (head[0] == 0)
			return NULL;
		cr_assert_leq(at + 4 + head[1], end);
		*length = head[1];
		if (head[0] == code)
			return content + at + 4;
		at += 4 + (head[1] + 3u) / 4u * 4u;
	}
	return NULL;
}

static void expect_option(size_t at, size_t end, uint16_t code, const void *value, size_t size)
{
	uint16_t length = 0;
	const uint8_t *found = option(at, end, code, &length);

	cr_assert_not_null(found, "option %u", code);
	cr_assert_eq(length, size, "option %u has %u bytes", code, length);
	cr_assert_eq(memcmp(found, value, size), 0, "option %u: %.*s", code, length, found);
}

Test(pcapng, writes_the_blocks)
{
	static const char comment[] =
		"verdict=drop reason=rule rule=3 slot=firewall one_in=1000 lost=12 "
		"cpu=0 sequence=0 rule_name=bad-sources";
	static const uint8_t verdict[] = {2, XDP_DROP, 0, 0, 0, 0, 0, 0, 0};
	struct arq_pcapng *writer = writer_to(file);
	struct record record;
	struct arq_sample *sample = make_sample(&record, 7, 5000000001);
	uint64_t wall = 5000000001 + arq_wall_clock_offset();
	uint64_t lost = 12;

	make_drop(sample);
	cr_assert_eq(arq_pcapng_write(writer, sample, lost, "bad-sources"), 0);
	struct stat before;
	fstat(file, &before);
	cr_assert_eq(before.st_size, 0, "nothing leaves before the flush");
	cr_assert_eq(arq_pcapng_finish(writer), 0);
	arq_pcapng_destroy(writer);
	read_back();

	size_t interface = expect_block(0, 0x0a0d0d0a);
	cr_expect_eq(word(8), 0x1a2b3c4d);
	expect_option(24, interface, 4, "arquant test", 12);

	size_t packet = expect_block(interface, 1);
	cr_expect_eq(word(interface + 8), 1, "link type Ethernet");
	cr_expect_eq(word(interface + 12), ARQ_SNAPLEN_MAX);
	expect_option(interface + 16, packet, 2, "test7", 5);
	expect_option(interface + 16, packet, 9, "\x09", 1);

	size_t statistics = expect_block(packet, 6);
	size_t options = packet + 28 + 48;
	cr_expect_eq(word(packet + 8), 0);
	cr_expect_lt(time_at(packet + 12) - wall + 1000000000, 2000000000, "within a second");
	cr_expect_eq(word(packet + 20), UDP_LENGTH);
	cr_expect_eq(word(packet + 24), 1400);
	cr_expect_eq(memcmp(content + packet + 28, udp, UDP_LENGTH), 0);
	expect_option(options, statistics, 1, comment, sizeof(comment) - 1);
	expect_option(options, statistics, 2, "\1\0\0\0", 4);
	expect_option(options, statistics, 4, &lost, sizeof(lost));
	expect_option(options, statistics, 6, "\3\0\0\0", 4);
	expect_option(options, statistics, 7, verdict, sizeof(verdict));

	size_t losses = expect_block(statistics, 5);
	cr_assert_eq(expect_block(losses, 0x0a0d0d0a), content_size);
	expect_option(losses + 24, content_size, 1, "test7: 1 samples captured, 12 lost", 34);
	cr_expect_eq(word(statistics + 8), 0);
	expect_option(statistics + 20, losses, 4, "\x0d\0\0\0\0\0\0\0", 8);
	expect_option(statistics + 20, losses, 5, "\x0c\0\0\0\0\0\0\0", 8);
	expect_option(statistics + 20, losses, 8, "\1\0\0\0\0\0\0\0", 8);
}

Test(pcapng, numbers_interfaces_as_they_come)
{
	struct arq_pcapng *writer = writer_to(file);
	static const uint32_t order[] = {9, 4, 9, UINT32_MAX, 4};
	static const uint32_t numbers[] = {0, 1, 0, 2, 1};
	struct record record;
	unsigned int packets = 0, interfaces = 0;

	for (size_t i = 0; i < 5; i++)
		cr_assert_eq(arq_pcapng_write(writer, make_sample(&record, order[i], i), 0, ""), 0);
	cr_assert_eq(arq_pcapng_finish(writer), 0);
	arq_pcapng_destroy(writer);
	read_back();
	for (size_t at = 0; at < content_size; at = expect_block(at, word(at))) {
		if (word(at) == 1)
			interfaces++;
		if (word(at) == 6)
			cr_expect_eq(word(at + 8), numbers[packets++]);
	}
	cr_expect_eq(packets, 5);
	cr_expect_eq(interfaces, 3);
}

Test(pcapng, refuses_what_contradicts_itself)
{
	struct arq_pcapng *writer = writer_to(file);
	struct record record;
	struct arq_sample *sample = make_sample(&record, 1, 1);

	sample->captured = ARQ_SNAPLEN_MAX + 1;
	sample->length = UINT32_MAX;
	cr_assert_eq(arq_pcapng_write(writer, sample, 0, ""), -EINVAL);
	sample->captured = 100;
	sample->length = 99;
	cr_assert_eq(arq_pcapng_write(writer, sample, 0, ""), -EINVAL);
	for (uint32_t i = 0; i < ARQ_PCAPNG_INTERFACES_MAX; i++)
		cr_assert_eq(arq_pcapng_write(writer, make_sample(&record, i, 1), 0, ""), 0);
	cr_assert_eq(arq_pcapng_write(writer, make_sample(&record, 1000, 1), 0, ""), -E2BIG);
	cr_assert_eq(arq_pcapng_write(writer, make_sample(&record, 5, 1), 0, ""), 0);

	/* Numbers that no program has, and the longest texts that they make. */
	sample = make_sample(&record, 5, UINT64_MAX);
	sample->verdict = sample->program = UINT8_MAX;
	sample->reason = UINT16_MAX;
	sample->rule = sample->one_in = sample->queue = sample->length = UINT32_MAX;
	sample->captured = ARQ_SNAPLEN_MAX;
	for (int i = 0; i < 200; i++)
		cr_assert_eq(arq_pcapng_write(writer, sample, UINT64_MAX, ""), 0);
	cr_assert_eq(arq_pcapng_finish(writer), 0);
	arq_pcapng_destroy(writer);
	read_back();
	for (size_t at = 0; at < content_size;)
		at = expect_block(at, word(at));
}

Test(pcapng, says_when_the_output_fails)
{
	struct record record;
	int ends[2];

	signal(SIGPIPE, SIG_IGN);
	cr_assert_eq(pipe(ends), 0);
	close(ends[0]);
	struct arq_pcapng *writer = writer_to(ends[1]);
	cr_assert_eq(arq_pcapng_write(writer, make_sample(&record, 1, 1), 0, ""), 0);
	cr_assert_eq(arq_pcapng_flush(writer), -EPIPE);
	arq_pcapng_destroy(writer);
	close(ends[1]);

	int full = open("/dev/full", O_WRONLY);
	cr_assert_geq(full, 0);
	writer = writer_to(full);
	int code = 0;
	for (int i = 0; i < 10000 && !code; i++)
		code = arq_pcapng_write(writer, make_sample(&record, 1, 1), 0, "");
	cr_assert_eq(code, -ENOSPC, "the buffer is bounded");
	arq_pcapng_destroy(writer);
	arq_pcapng_destroy(NULL);
	close(full);
}

/* --- what others make of it ------------------------------------------------------------------- */

static bool installed(const char *command)
{
	char line[64];

	snprintf(line, sizeof(line), "command -v %s >/dev/null", command);
	return system(line) == 0;
}

/* What the command prints, stderr included but for what tshark says of root and tcpdump of the
 * file's name. */
static const char *output_of(const char *command)
{
	static char output[16384];
	char line[512];

	snprintf(line, sizeof(line),
		 "%s 2>&1 | grep -v -e '^Running as user' -e '^reading from file'", command);
	FILE *pipe = popen(line, "r");
	cr_assert_not_null(pipe);
	size_t size = fread(output, 1, sizeof(output) - 1, pipe);
	output[size] = '\0';
	cr_assert_neq(pclose(pipe), -1);
	return output;
}

static void write_capture(void)
{
	struct arq_pcapng *writer = writer_to(file);
	struct record record;

	struct arq_sample *sample = make_sample(&record, 2, 1000000000);
	cr_assert_eq(arq_pcapng_write(writer, sample, 0, ""), 0);
	sample = make_sample(&record, 5, 2000000000);
	make_drop(sample);
	cr_assert_eq(arq_pcapng_write(writer, sample, 4, ""), 0);
	cr_assert_eq(arq_pcapng_finish(writer), 0);
	arq_pcapng_destroy(writer);
}

Test(pcapng, is_read_by_tshark, .timeout = 60)
{
	char command[256];

	if (!installed("tshark"))
		cr_skip_test("tshark is not installed");
	write_capture();
	snprintf(command, sizeof(command),
		 "tshark -r %s -T fields -e frame.interface_name -e frame.interface_queue "
		 "-e frame.comment -e frame.drop_count -e frame.len -e frame.cap_len -e ip.src "
		 "-e udp.dstport -e _ws.malformed",
		 path);
	cr_assert_str_eq(output_of(command),
			 "test2\t3\tverdict=pass reason=none slot=sampler one_in=1000 lost=0 "
			 "cpu=0 sequence=0\t0\t"
			 "1400\t46\t192.0.2.1\t9999\t\n"
			 "test5\t3\tverdict=drop reason=rule rule=3 slot=firewall one_in=1000 "
			 "lost=4 cpu=0 sequence=0\t4\t1400\t46\t192.0.2.1\t9999\t\n");
}

Test(pcapng, shows_losses_in_capinfos, .timeout = 60)
{
	struct arq_pcapng *writer = writer_to(file);
	struct record record;
	char command[256];

	if (!installed("capinfos"))
		cr_skip_test("capinfos is not installed");
	cr_assert_eq(arq_pcapng_write(writer, make_sample(&record, 2, 1000), 3, ""), 0);
	cr_assert_eq(arq_pcapng_lost(writer, 2, 4), 0);
	cr_assert_eq(arq_pcapng_lost(writer, 6, 5), 0, "an interface that gave no packet");
	cr_assert_eq(arq_pcapng_finish(writer), 0);
	arq_pcapng_destroy(writer);
	snprintf(command, sizeof(command), "capinfos -I %s 2>&1", path);
	const char *text = output_of(command);
	cr_expect_not_null(strstr(text, "Number of interfaces in file: 2"), "%s", text);
	cr_expect_not_null(strstr(text, "Name = test2"), "%s", text);
	cr_expect_not_null(strstr(text, "Number of packets = 1"), "%s", text);
	snprintf(command, sizeof(command), "capinfos %s 2>&1", path);
	text = output_of(command);
	cr_expect_not_null(strstr(text, "Capture comment:     test2: 1 samples captured, 7 lost\n"),
			   "%s", text);
	cr_expect_not_null(strstr(text, "Capture comment:     test6: 0 samples captured, 5 lost\n"),
			   "%s", text);
	snprintf(command, sizeof(command),
		 "tshark -X 'read_format:MIME Files Format' -r %s -T fields -E occurrence=a "
		 "-e pcapng.options.option.data.interface.dropped",
		 path);
	cr_expect_str_eq(output_of(command), "7,5\n");
	snprintf(command, sizeof(command), "tshark -r %s -2 -q -z expert 2>&1", path);
	cr_expect_null(strstr(output_of(command), "Malformed"));
}

Test(pcapng, is_read_by_tcpdump, .timeout = 60)
{
	char command[256];

	if (!installed("tcpdump"))
		cr_skip_test("tcpdump is not installed");
	write_capture();
	snprintf(command, sizeof(command), "tcpdump -ntr %s", path);
	cr_assert_str_eq(output_of(command),
			 "IP 192.0.2.1.4433 > 198.51.100.7.9999: UDP, length 4\n"
			 "IP 192.0.2.1.4433 > 198.51.100.7.9999: UDP, length 4\n");
}

/* The packet must come out of tshark while our end of the pipe is still open. */
Test(pcapng, lives_in_a_pipe, .timeout = 60)
{
	struct record record;
	char text[128];
	int out[2];

	if (!installed("tshark"))
		cr_skip_test("tshark is not installed");
	cr_assert_eq(pipe(out), 0);
	snprintf(text, sizeof(text),
		 "tshark -l -r - -T fields -e ip.src >/proc/self/fd/%d 2>/dev/null", out[1]);
	FILE *in = popen(text, "we");
	cr_assert_not_null(in);
	struct arq_pcapng *writer = writer_to(fileno(in));
	cr_assert_eq(arq_pcapng_write(writer, make_sample(&record, 1, 1), 0, ""), 0);
	cr_assert_eq(arq_pcapng_flush(writer), 0);

	struct pollfd ready = {.fd = out[0], .events = POLLIN};
	cr_assert_eq(poll(&ready, 1, 30000), 1);
	cr_assert_eq(read(out[0], text, sizeof(text)), 10);
	cr_assert_eq(memcmp(text, "192.0.2.1\n", 10), 0);
	cr_expect_eq(arq_pcapng_finish(writer), 0);
	arq_pcapng_destroy(writer);
	cr_expect_eq(pclose(in), 0);
	close(out[0]);
	close(out[1]);
}

/* An empty capture is a valid file too. */
Test(pcapng, ends_without_a_packet)
{
	struct arq_pcapng *writer = writer_to(file);

	cr_assert_eq(arq_pcapng_finish(writer), 0);
	arq_pcapng_destroy(writer);
	read_back();
	cr_assert_eq(expect_block(0, 0x0a0d0d0a), content_size);
}
