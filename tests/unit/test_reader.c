// SPDX-License-Identifier: BSD-2-Clause
/*
 * The reader of samples: what it believes of a record, how it counts losses, and a real ring filled
 * by the sampler in BPF_PROG_TEST_RUN (needs root).
 */
#include "progs/program.h"
#include "progs/sampler/reader.h"

#include <arquant/packet.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <linux/bpf.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

/* --- records ---------------------------------------------------------------------------------- */

union record {
	struct arq_sample sample;
	uint8_t bytes[sizeof(struct arq_sample) + ARQ_SNAPLEN_MAX + 8];
};

static struct arq_sample *good_record(union record *record)
{
	memset(record, 0, sizeof(*record));
	record->sample.length = 1500;
	record->sample.captured = 64;
	record->sample.program = ARQ_PROGRAM_SAMPLER;
	return &record->sample;
}

Test(reader, believes_a_record_that_fits)
{
	union record record;
	struct arq_sample *sample = good_record(&record);

	cr_assert_eq(arq_sample_check(sample, sizeof(*sample) + 64), sample);
	cr_assert_eq(arq_sample_check(sample, sizeof(*sample) + 71), sample, "padding");
	sample->captured = 0;
	cr_assert_eq(arq_sample_check(sample, sizeof(*sample)), sample);
	sample->captured = ARQ_SNAPLEN_MAX;
	sample->length = ARQ_SNAPLEN_MAX;
	cr_assert_eq(arq_sample_check(sample, sizeof(*sample) + ARQ_SNAPLEN_MAX), sample);
}

Test(reader, refuses_a_record_that_contradicts_itself)
{
	union record record;
	struct arq_sample *sample = good_record(&record);

	for (size_t size = 0; size < sizeof(*sample) + 64; size++)
		cr_assert_null(arq_sample_check(sample, size), "%zu", size);
	sample->captured = ARQ_SNAPLEN_MAX + 1;
	sample->length = 9000;
	cr_assert_null(arq_sample_check(sample, sizeof(record)));
	sample = good_record(&record);
	sample->captured = UINT32_MAX;
	sample->length = UINT32_MAX;
	cr_assert_null(arq_sample_check(sample, sizeof(record)));
	sample = good_record(&record);
	sample->length = 63;
	cr_assert_null(arq_sample_check(sample, sizeof(record)));
	sample = good_record(&record);
	sample->program = ARQ_PROGRAM_COUNT;
	cr_assert_null(arq_sample_check(sample, sizeof(record)));
	sample = good_record(&record);
	sample->cpu = ARQ_MAX_CPUS;
	cr_assert_null(arq_sample_check(sample, sizeof(record)));
}

Test(reader, tells_lost_from_missed)
{
	static const struct {
		uint64_t sequence, total_lost, lost, missed;
	} steps[] = {
		{100, 7, 0, 0}, /* the first: what came before is not ours */
		{101, 7, 0, 0},  {105, 10, 3, 0},
		{106, 10, 0, 0}, {110, 11, 1, 2}, /* one found no room, two went elsewhere */
		{111, 20, 0, 0}, /* lost without a gap: contradicts itself */
		{5, 0, 0, 0}, /* the program was loaded anew */
		{7, 1, 1, 0},    {UINT64_MAX, UINT64_MAX, UINT64_MAX - 8, 0},
		{0, 0, 0, 0},
	};
	struct arq_sample_stream stream = {0};
	union record record;
	struct arq_sample *sample = good_record(&record);

	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		uint64_t lost = 99, missed = 99;
		sample->sequence = steps[i].sequence;
		sample->lost = steps[i].total_lost;
		arq_sample_stream_advance(&stream, sample, &lost, &missed);
		cr_expect_eq(lost, steps[i].lost, "step %zu: lost %lu", i, lost);
		cr_expect_eq(missed, steps[i].missed, "step %zu: missed %lu", i, missed);
	}
}

/* --- a real ring ------------------------------------------------------------------------------ */

struct sampler {
	struct arq_program *program;
	int run;
	int ring;
};

struct seen {
	unsigned int count;
	unsigned int stop_at; /* 0: never */
	uint64_t lost;
	uint8_t head[ARQ_SNAPLEN_MAX]; /* of the last */
	struct arq_sample last;
};

static int on_sample(const struct arq_sample *sample, uint64_t lost, void *context)
{
	struct seen *seen = context;

	seen->count++;
	seen->lost += lost;
	seen->last = *sample;
	memcpy(seen->head, sample->head, sample->captured);
	return seen->count == seen->stop_at ? -ECANCELED : 0;
}

static void load(struct sampler *sampler, uint32_t snaplen, uint32_t ring_bytes)
{
	struct arq_program_options options = {.chain = ARQ_PROGRAM_BIT(ARQ_PROGRAM_SAMPLER),
					      .sample_one_in = 1,
					      .snaplen = snaplen,
					      .ring_bytes = ring_bytes};
	struct arq_error error = {0};

	if (geteuid() != 0)
		cr_skip_test("needs root");
	cr_assert_eq(arq_program_open(ARQ_PROGRAM_SAMPLER, &options, NULL, NULL, &sampler->program,
				      &error),
		     0, "%s", error.text);
	struct bpf_object *object = arq_program_object(sampler->program);
	cr_assert_eq(bpf_object__load(object), 0);
	sampler->run = bpf_program__fd(bpf_object__next_program(object, NULL));
	sampler->ring = bpf_object__find_map_fd_by_name(object, "samples");
	cr_assert_geq(sampler->ring, 0);
}

/* Sends `length` bytes, 0, 1, 2 and so on, through the program `count` times. */
static void send_packets(const struct sampler *sampler, uint32_t length, int count)
{
	uint8_t packet[2048];

	for (size_t i = 0; i < sizeof(packet); i++)
		packet[i] = (uint8_t)i;
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = packet, .data_size_in = length,
		    .repeat = count);
	cr_assert_eq(bpf_prog_test_run_opts(sampler->run, &options), 0);
	cr_assert_eq(options.retval, XDP_PASS);
}

static struct arq_sample_reader *read_from(const struct sampler *sampler, struct seen *seen)
{
	struct arq_sample_reader *reader = NULL;
	struct arq_error error = {0};

	cr_assert_eq(arq_sample_reader_create(on_sample, seen, &reader, &error), 0);
	cr_assert_eq(arq_sample_reader_fd(reader), -1);
	cr_assert_eq(arq_sample_reader_add_map(reader, sampler->ring, &error), 0, "%s", error.text);
	return reader;
}

Test(reader, hands_out_what_the_sampler_took)
{
	struct sampler sampler;
	struct seen seen = {0};
	struct arq_sample_reader_counters counters;

	load(&sampler, 100, 0);
	send_packets(&sampler, 60, 3); /* before anybody reads: stale */
	struct arq_sample_reader *reader = read_from(&sampler, &seen);
	send_packets(&sampler, 900, 5);

	struct pollfd ready = {.fd = arq_sample_reader_fd(reader), .events = POLLIN};
	cr_assert_eq(poll(&ready, 1, 1000), 1);
	cr_assert_eq(arq_sample_reader_read(reader), 0);
	cr_expect_eq(seen.count, 5);
	cr_expect_eq(seen.last.length, 900);
	cr_expect_eq(seen.last.captured, 100);
	cr_expect_eq(seen.last.verdict, XDP_PASS);
	cr_expect_eq(seen.last.reason, ARQ_REASON_NONE);
	cr_expect_eq(seen.last.program, ARQ_PROGRAM_SAMPLER);
	cr_expect_eq(seen.last.one_in, 1);
	for (unsigned int i = 0; i < 100; i++)
		cr_assert_eq(seen.head[i], i);

	arq_sample_reader_counters(reader, &counters);
	cr_expect_eq(counters.samples, 5);
	cr_expect_eq(counters.stale, 3);
	cr_expect_eq(counters.lost + counters.missed + counters.malformed, 0);
	cr_expect_eq(poll(&ready, 1, 0), 0);
	arq_sample_reader_destroy(reader);
	arq_program_close(sampler.program);
}

Test(reader, counts_what_found_the_ring_full)
{
	struct sampler sampler;
	struct seen seen = {0};
	struct arq_sample_reader_counters counters;

	load(&sampler, 128, (uint32_t)getpagesize());
	struct arq_sample_reader *reader = read_from(&sampler, &seen);
	send_packets(&sampler, 600, 100);
	cr_assert_eq(arq_sample_reader_read(reader), 0);
	unsigned int first = seen.count;
	cr_assert_gt(first, 10);
	cr_assert_lt(first, 100, "the ring holds less");
	cr_expect_eq(seen.lost, 0, "not known before the next sample arrives");
	send_packets(&sampler, 600, 1);
	cr_assert_eq(arq_sample_reader_read(reader), 0);
	cr_expect_eq(seen.count, first + 1);
	cr_expect_eq(seen.lost, 100 - first);

	arq_sample_reader_counters(reader, &counters);
	cr_expect_eq(counters.lost, 100 - first);
	cr_expect_eq(counters.missed, 0);
	arq_sample_reader_destroy(reader);
	arq_program_close(sampler.program);
}

Test(reader, stops_when_the_handler_has_enough)
{
	struct sampler sampler;
	struct seen seen = {.stop_at = 4};

	load(&sampler, 128, 0);
	struct arq_sample_reader *reader = read_from(&sampler, &seen);
	send_packets(&sampler, 600, 10);
	cr_assert_eq(arq_sample_reader_read(reader), -ECANCELED);
	cr_assert_eq(seen.count, 4);
	cr_assert_eq(arq_sample_reader_read(reader), 0);
	cr_assert_eq(seen.count, 10);
	arq_sample_reader_destroy(reader);
	arq_program_close(sampler.program);
}

Test(reader, reads_in_batches_and_from_all_rings_in_turn)
{
	struct sampler a, b;
	struct seen seen = {0};
	struct arq_error error = {0};

	load(&a, 16, 1 << 20);
	load(&b, 16, 1 << 20);
	struct arq_sample_reader *reader = read_from(&a, &seen);
	cr_assert_eq(arq_sample_reader_add_map(reader, b.ring, &error), 0, "%s", error.text);
	send_packets(&a, 60, ARQ_READER_BATCH + 500);
	send_packets(&b, 61, 100);
	cr_assert_eq(arq_sample_reader_read(reader), 0);
	cr_expect_eq(seen.count, ARQ_READER_BATCH);
	cr_expect_eq(seen.last.length, 60);
	cr_assert_eq(arq_sample_reader_read(reader), 0);
	cr_expect_eq(seen.count, ARQ_READER_BATCH + 600);
	cr_expect_eq(seen.last.length, 60, "the second ring came first this time");
	arq_sample_reader_destroy(reader);
	arq_program_close(a.program);
	arq_program_close(b.program);
}

Test(reader, says_what_is_no_ring)
{
	struct arq_sample_reader *reader = NULL;
	struct arq_error error = {0};

	cr_assert_eq(arq_sample_reader_create(on_sample, NULL, &reader, &error), 0);
	cr_assert_lt(arq_sample_reader_add_map(reader, -1, &error), 0);
	cr_assert_not_null(strstr(error.text, "cannot map the ring"));
	arq_error_clear(&error);
	cr_assert_lt(arq_sample_reader_add(reader, "/nonexistent", &error), 0);
	cr_assert_neq(error.text[0], '\0');
	cr_assert_eq(arq_sample_reader_read(reader), 0, "nothing to read is no error");
	arq_sample_reader_destroy(reader);
	arq_sample_reader_destroy(NULL);
}
