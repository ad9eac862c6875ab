// SPDX-License-Identifier: BSD-2-Clause
/* sFlow datagrams, field by field. */
#include "progs/sampler/sflow.h"

#include <arpa/inet.h>
#include <arquant/program.h>
#include <arquant/reason.h>
#include <criterion/criterion.h>
#include <linux/bpf.h>
#include <string.h>

static uint8_t sent[8][ARQ_SFLOW_DATAGRAM_MAX];
static size_t lengths[8];
static unsigned int count;

static void keep(const uint8_t *datagram, size_t length, void *context)
{
	(void)context;
	cr_assert_leq(length, ARQ_SFLOW_DATAGRAM_MAX);
	memcpy(sent[count % 8], datagram, length);
	lengths[count++ % 8] = length;
}

static struct arq_sflow *speak(const char *agent)
{
	struct arq_sflow_options options = {.sub_agent = 7, .send = keep};
	struct arq_sflow *sflow = NULL;

	cr_assert_eq(arq_address_parse(&options.agent, agent), 0);
	cr_assert_eq(arq_sflow_create(&options, &sflow), 0);
	return sflow;
}

struct record {
	struct arq_sample sample;
	uint8_t head[ARQ_SNAPLEN_MAX];
};

static struct arq_sample *make(struct record *record, uint32_t captured)
{
	memset(record, 0, sizeof(*record));
	record->sample.ifindex = 3;
	record->sample.length = 1500;
	record->sample.captured = captured;
	record->sample.one_in = 100;
	record->sample.pool = 1000;
	record->sample.verdict = XDP_PASS;
	record->sample.program = ARQ_PROGRAM_SAMPLER;
	for (uint32_t i = 0; i < captured; i++)
		record->head[i] = (uint8_t)(i + 1);
	return &record->sample;
}

/* Words of datagram `which` from word `at` on. */
static void expect(unsigned int which, size_t at, const uint32_t *words, size_t words_count)
{
	for (size_t i = 0; i < words_count; i++) {
		uint32_t word;
		cr_assert_leq((at + i + 1) * 4, lengths[which]);
		memcpy(&word, sent[which] + (at + i) * 4, 4);
		cr_expect_eq(ntohl(word), words[i], "datagram %u, word %zu: %u, not %u", which,
			     at + i, ntohl(word), words[i]);
	}
}

#define EXPECT(which, at, ...)                             \
	expect(which, at, (const uint32_t[]){__VA_ARGS__}, \
	       sizeof((const uint32_t[]){__VA_ARGS__}) / sizeof(uint32_t))

Test(sflow, writes_flows)
{
	struct arq_sflow *sflow = speak("192.0.2.1:1");
	struct record record;
	struct arq_sample *sample = make(&record, 5);

	arq_sflow_sample(sflow, sample, 2);
	sample->pool = 1250;
	arq_sflow_lost(sflow, 3, 4);
	arq_sflow_sample(sflow, sample, 0);
	cr_expect_eq(count, 0, "nothing leaves before it has to");
	arq_sflow_flush(sflow);
	arq_sflow_flush(sflow);
	cr_assert_eq(count, 1);
	EXPECT(0, 0, 5, 1, 0xc0000201, 7, 1);
	EXPECT(0, 6, 2);
	EXPECT(0, 7, 3, 4 * 19, 1, 0, 3, 100, 100, 2, 0, 3, 0, 0, 1, 1, 4 * 6, 1, 1504, 4, 5,
	       0x01020304, 0x05000000);
	EXPECT(0, 28, 3, 4 * 19, 2, 0, 3, 100, 350, 6);
	cr_expect_eq(lengths[0], 4 * 49);
	arq_sflow_destroy(sflow);
}

Test(sflow, writes_discards_apart)
{
	struct arq_sflow *sflow = speak("[2001:db8::1]:1");
	struct arq_sflow_totals totals;
	struct record record;
	struct arq_sample *sample = make(&record, 4);

	arq_sflow_sample(sflow, sample, 0);
	sample->verdict = XDP_DROP;
	sample->program = ARQ_PROGRAM_FIREWALL;
	sample->reason = ARQ_REASON_RULE;
	arq_sflow_sample(sflow, sample, 3);
	sample->reason = ARQ_REASON_NO_SOCKET;
	arq_sflow_sample(sflow, sample, 0);
	arq_sflow_flush(sflow);
	cr_assert_eq(count, 2);
	EXPECT(0, 0, 5, 2, 0x20010db8, 0, 0, 1, 7, 1);
	EXPECT(0, 9, 1, 3);
	EXPECT(1, 7, 2);
	EXPECT(1, 9, 1, 5, 4 * 15, 1, 0, 3, 3, 3, 0, 258, 1, 1, 4 * 5, 1, 1504, 4, 4, 0x01020304);
	arq_sflow_read_totals(sflow, &totals);
	cr_expect_eq(totals.flows, 1);
	cr_expect_eq(totals.discards, 1);
	cr_expect_eq(totals.unmapped, 1);
	arq_sflow_destroy(sflow);
}

Test(sflow, writes_counters)
{
	struct arq_sflow *sflow = speak("192.0.2.1:1");
	const struct arq_sflow_interface interface = {.ifindex = 9,
						      .speed = 10000000000,
						      .direction = 1,
						      .admin_up = true,
						      .oper_up = true,
						      .rx_bytes = 0x100000002,
						      .tx_bytes = 5,
						      .rx_packets = 11,
						      .rx_multicast = 12,
						      .rx_dropped = 13,
						      .rx_errors = 14,
						      .tx_packets = 15,
						      .tx_dropped = 16,
						      .tx_errors = 17};

	arq_sflow_counters(sflow, &interface);
	arq_sflow_flush(sflow);
	EXPECT(0, 6, 1, 4, 4 * 28, 1, 0, 9, 1, 1, 88, 9, 6, 2, 1410065408, 1, 3, 1, 2, 11, 12,
	       UINT32_MAX, 13, 14, UINT32_MAX, 0, 5, 15, UINT32_MAX, UINT32_MAX, 16, 17, 2);
	cr_expect_eq(lengths[0], 4 * 37);
	arq_sflow_destroy(sflow);
}

/* Heads of every length, so many that datagrams fill up: numbered one by one, never too long. */
Test(sflow, fills_datagrams)
{
	struct arq_sflow *sflow = speak("192.0.2.1:1");
	struct arq_sflow_totals totals;
	struct record record;

	for (uint32_t captured = 0; captured <= ARQ_SNAPLEN_MAX; captured++) {
		arq_sflow_sample(sflow, make(&record, captured), 0);
		if (count && captured % 7 == 0)
			EXPECT((count - 1) % 8, 4, count);
	}
	arq_sflow_flush(sflow);
	arq_sflow_read_totals(sflow, &totals);
	cr_expect_eq(totals.flows, ARQ_SNAPLEN_MAX + 1);
	cr_expect_eq(totals.datagrams, count);
	cr_expect_gt(count, 1000);
	arq_sflow_destroy(sflow);
	arq_sflow_destroy(NULL);
}

/* Interfaces that come and go for ever: none is left out, and the one in use keeps its sequence. */
Test(sflow, bounds_its_interfaces)
{
	enum { HEAD_WORDS = 7 + 2 }; /* datagram's, and format and length of the sample */
	struct arq_sflow *sflow = speak("192.0.2.1:1");
	struct arq_sflow_totals totals;
	struct record record;

	for (uint32_t i = 1; i <= 2 * ARQ_SFLOW_INTERFACES_MAX; i++) {
		struct arq_sample *sample = make(&record, 20);
		sample->ifindex = 1000 + i;
		arq_sflow_sample(sflow, sample, 0);
		sample->ifindex = 3;
		arq_sflow_sample(sflow, sample, 0);
	}
	arq_sflow_read_totals(sflow, &totals);
	cr_expect_eq(totals.flows, 4 * ARQ_SFLOW_INTERFACES_MAX);
	/* In a datagram of its own: sequence, and index of the interface. */
	arq_sflow_flush(sflow);
	arq_sflow_sample(sflow, make(&record, 20), 0);
	arq_sflow_flush(sflow);
	EXPECT((count - 1) % 8, HEAD_WORDS, 2 * ARQ_SFLOW_INTERFACES_MAX + 1, 0, 3);
	/* The first that came is a new one. */
	make(&record, 20)->ifindex = 1001;
	arq_sflow_sample(sflow, &record.sample, 0);
	arq_sflow_flush(sflow);
	EXPECT((count - 1) % 8, HEAD_WORDS, 1, 0, 1001);
	arq_sflow_destroy(sflow);
}
