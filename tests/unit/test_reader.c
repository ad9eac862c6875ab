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
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>
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

Test(reader, counts_gaps_as_lost)
{
	static const struct {
		uint64_t sequence, lost;
	} steps[] = {
		{100, 0}, /* the first: what came before is not ours */
		{101, 0}, {105, 3},
		{106, 0}, {5, 0}, /* the program was loaded anew */
		{7, 1},   {UINT64_MAX, UINT64_MAX - 8},
		{0, 0},
	};
	struct arq_sample_stream stream = {0};

	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		uint64_t lost = arq_sample_stream_advance(&stream, steps[i].sequence);
		cr_expect_eq(lost, steps[i].lost, "step %zu: lost %lu", i, lost);
	}
}

/* --- a real ring ------------------------------------------------------------------------------ */

struct sampler {
	struct arq_program *program;
	int run;
	int readers;
	const char *pins; /* NULL: none */
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

static void load(struct sampler *sampler, uint32_t snaplen)
{
	struct arq_program_options options = {.chain = ARQ_PROGRAM_BIT(ARQ_PROGRAM_SAMPLER),
					      .sample_one_in = 1,
					      .snaplen = snaplen};
	struct arq_error error = {0};
	cpu_set_t cpu;

	if (geteuid() != 0)
		cr_skip_test("needs root");
	/* Streams are per CPU, and what is expected is of one. */
	CPU_ZERO(&cpu);
	CPU_SET((size_t)sched_getcpu(), &cpu);
	cr_assert_eq(sched_setaffinity(0, sizeof(cpu), &cpu), 0);
	cr_assert_eq(arq_program_open(ARQ_PROGRAM_SAMPLER, &options, sampler->pins, NULL,
				      &sampler->program, &error),
		     0, "%s", error.text);
	struct bpf_object *object = arq_program_object(sampler->program);
	cr_assert_eq(bpf_object__load(object), 0);
	if (sampler->pins)
		cr_assert_eq(arq_program_commit(sampler->program, &error), 0, "%s", error.text);
	sampler->run = bpf_program__fd(bpf_object__next_program(object, NULL));
	sampler->readers = bpf_object__find_map_fd_by_name(object, "readers");
	cr_assert_geq(sampler->readers, 0);
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

static struct arq_sample_reader *make_reader(struct seen *seen, uint32_t ring_bytes)
{
	struct arq_sample_reader *reader = NULL;
	struct arq_error error = {0};

	cr_assert_eq(arq_sample_reader_create(on_sample, seen, ring_bytes, &reader, &error), 0);
	return reader;
}

static struct arq_sample_reader *read_from(const struct sampler *sampler, struct seen *seen,
					   uint32_t ring_bytes)
{
	struct arq_sample_reader *reader = make_reader(seen, ring_bytes);
	struct arq_error error = {0};

	cr_assert_eq(arq_sample_reader_add_map(reader, sampler->readers, 0, &error), 0, "%s",
		     error.text);
	return reader;
}

Test(reader, hands_out_what_the_sampler_took)
{
	struct sampler sampler = {0};
	struct seen seen = {0};
	struct arq_sample_reader_counters counters;

	load(&sampler, 100);
	send_packets(&sampler, 60, 3); /* before anybody reads */
	struct arq_sample_reader *reader = read_from(&sampler, &seen, 0);
	send_packets(&sampler, 900, 5);

	cr_assert_eq(arq_sample_reader_read(reader), 0);
	cr_expect_eq(seen.count, 5);
	cr_expect_eq(seen.last.length, 900);
	cr_expect_eq(seen.last.captured, 100);
	cr_expect_eq(seen.last.verdict, XDP_PASS);
	cr_expect_eq(seen.last.reason, ARQ_REASON_NONE);
	cr_expect_eq(seen.last.program, ARQ_PROGRAM_SAMPLER);
	cr_expect_eq(seen.last.one_in, 1);
	cr_expect_eq(seen.last.pool, 8);
	for (unsigned int i = 0; i < 100; i++)
		cr_assert_eq(seen.head[i], i);

	arq_sample_reader_counters(reader, &counters);
	cr_expect_eq(counters.samples, 5);
	cr_expect_eq(counters.lost + counters.malformed, 0);
	arq_sample_reader_destroy(reader);
	arq_program_close(sampler.program);
}

Test(reader, is_woken_when_it_is_worth_it)
{
	struct sampler sampler = {0};
	struct seen seen = {0};

	load(&sampler, 128);
	struct arq_sample_reader *reader = read_from(&sampler, &seen, 0);
	struct pollfd ready = {.fd = arq_sample_reader_fd(reader), .events = POLLIN};
	for (unsigned int time = 1; time <= 3; time++) {
		cr_expect_eq(poll(&ready, 1, 0), 0);
		send_packets(&sampler, 600, 300); /* 192 bytes each, 57 kB */
		cr_assert_eq(poll(&ready, 1, 1000), 1);
		cr_assert_eq(arq_sample_reader_read(reader), 0);
		cr_expect_eq(seen.count, 300 * time);
	}
	arq_sample_reader_destroy(reader);
	arq_program_close(sampler.program);
}

Test(reader, counts_what_found_the_ring_full)
{
	struct sampler sampler = {0};
	struct seen seen = {0};
	struct arq_sample_reader_counters counters;

	load(&sampler, 128);
	struct arq_sample_reader *reader = read_from(&sampler, &seen, (uint32_t)getpagesize());
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
	arq_sample_reader_destroy(reader);
	arq_program_close(sampler.program);
}

Test(reader, stops_when_the_handler_has_enough)
{
	struct sampler sampler = {0};
	struct seen seen = {.stop_at = 4};

	load(&sampler, 128);
	struct arq_sample_reader *reader = read_from(&sampler, &seen, 0);
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
	struct sampler a = {0}, b = {0};
	struct seen seen = {0};
	struct arq_error error = {0};

	load(&a, 16);
	load(&b, 16);
	struct arq_sample_reader *reader = read_from(&a, &seen, 1 << 20);
	cr_assert_eq(arq_sample_reader_add_map(reader, b.readers, 0, &error), 1, "%s", error.text);
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
	struct seen seen = {0};
	struct arq_error error = {0};
	struct arq_sample_reader *reader = make_reader(&seen, 0);

	if (geteuid() == 0) {
		cr_assert_lt(arq_sample_reader_add_map(reader, -1, 0, &error), 0);
		cr_assert_not_null(strstr(error.text, "cannot make a ring"));
		arq_error_clear(&error);
	}
	cr_assert_lt(arq_sample_reader_add(reader, "/nonexistent", &error), 0);
	cr_assert_neq(error.text[0], '\0');
	cr_assert_eq(arq_sample_reader_read(reader), 0, "nothing to read is no error");
	arq_sample_reader_destroy(reader);
	arq_sample_reader_destroy(NULL);
}

/* --- several readers, among pins -------------------------------------------------------------- */

static void load_pinned(struct sampler *sampler, uint32_t snaplen)
{
	if (geteuid() != 0)
		cr_skip_test("needs root");
	cr_assert_eq(unshare(CLONE_NEWNS), 0);
	cr_assert_eq(mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
	cr_assert_eq(mount("bpf", "/sys/fs/bpf", "bpf", 0, NULL), 0);
	sampler->pins = "/sys/fs/bpf/arquant/1-1";
	load(sampler, snaplen);
}

static int join(struct arq_sample_reader *reader, const struct sampler *sampler)
{
	struct arq_error error = {0};
	int ring = arq_sample_reader_add(reader, sampler->pins, &error);

	cr_assert_geq(ring, 0, "%s", error.text);
	return ring;
}

Test(reader, takes_nothing_from_other_readers)
{
	struct sampler sampler = {0};
	struct seen seen[2] = {{0}, {0}};
	struct arq_sample_reader_counters slow;

	load_pinned(&sampler, 128);
	struct arq_sample_reader *a = make_reader(&seen[0], 0);
	struct arq_sample_reader *b = make_reader(&seen[1], (uint32_t)getpagesize());
	join(a, &sampler);
	int ring = join(b, &sampler);
	send_packets(&sampler, 600, 1000);
	cr_assert_eq(arq_sample_reader_read(a), 0);
	cr_expect_eq(seen[0].count, 1000);
	cr_expect_eq(seen[0].lost, 0);
	cr_assert_eq(arq_sample_reader_remove(b, ring), 0);
	arq_sample_reader_ring_counters(b, ring, &slow);
	cr_expect_gt(slow.samples, 0);
	cr_expect_gt(slow.lost, 0);
	cr_expect_eq(slow.samples + slow.lost, 1000, "also those after the last that it read");
	send_packets(&sampler, 600, 10);
	cr_assert_eq(arq_sample_reader_read(a), 0);
	cr_expect_eq(seen[0].count, 1010);
	arq_sample_reader_destroy(a);
	arq_sample_reader_destroy(b);
	arq_program_close(sampler.program);
}

Test(reader, counts_losses_without_a_single_sample_read)
{
	struct sampler sampler = {0};
	struct seen seen = {0};
	struct arq_sample_reader_counters counters;

	load_pinned(&sampler, 1500);
	send_packets(&sampler, 1500, 7);
	struct arq_sample_reader *reader = make_reader(&seen, (uint32_t)getpagesize());
	int ring = join(reader, &sampler);
	send_packets(&sampler, 1500, 50);
	cr_assert_eq(arq_sample_reader_remove(reader, ring), 0);
	arq_sample_reader_counters(reader, &counters);
	cr_expect_lt(counters.samples, 5);
	cr_expect_eq(counters.samples + counters.lost, 50);
	arq_sample_reader_destroy(reader);
	arq_program_close(sampler.program);
}

/* The number of rings that programs write to. */
static unsigned int rings_of(const struct sampler *sampler)
{
	unsigned int count = 0;

	for (uint32_t slot = 0; slot < ARQ_READERS_MAX; slot++) {
		uint32_t id;
		count += bpf_map_lookup_elem(sampler->readers, &slot, &id) == 0;
	}
	return count;
}

Test(reader, has_places_for_a_few_and_takes_over_those_of_the_dead)
{
	struct sampler sampler = {0};
	struct seen seen = {0};
	struct arq_sample_reader *readers[ARQ_READERS_MAX + 1];
	struct arq_error error = {0};

	load_pinned(&sampler, 64);
	pid_t child = fork();
	if (child == 0) {
		join(make_reader(&seen, 0), &sampler);
		join(make_reader(&seen, 0), &sampler);
		_exit(0); /* without leaving, as one that was killed */
	}
	cr_assert_eq(waitpid(child, NULL, 0), child);
	cr_expect_eq(rings_of(&sampler), 2);
	for (int i = 0; i <= ARQ_READERS_MAX; i++)
		readers[i] = make_reader(&seen, 0);
	join(readers[0], &sampler);
	cr_expect_eq(rings_of(&sampler), 1, "both places were cleared, one taken");
	for (int i = 1; i < ARQ_READERS_MAX; i++)
		join(readers[i], &sampler);
	cr_expect_eq(arq_sample_reader_add(readers[ARQ_READERS_MAX], sampler.pins, &error), -EBUSY);
	cr_expect_not_null(strstr(error.text, "8 readers already"), "%s", error.text);
	cr_assert_eq(arq_sample_reader_remove(readers[3], 0), 0);
	join(readers[ARQ_READERS_MAX], &sampler);
	for (int i = 0; i <= ARQ_READERS_MAX; i++)
		arq_sample_reader_destroy(readers[i]);
	cr_expect_eq(rings_of(&sampler), 0);
	arq_program_close(sampler.program);
}

Test(reader, notices_that_the_programs_went)
{
	struct sampler sampler = {0};
	struct seen seen = {0};
	struct arq_error error = {0};

	load_pinned(&sampler, 64);
	struct arq_sample_reader *reader = make_reader(&seen, 0);
	int ring = join(reader, &sampler);
	cr_expect_not(arq_sample_reader_is_stale(reader, ring));
	struct sampler second = {.pins = sampler.pins};
	load(&second, 64);
	cr_expect_not(arq_sample_reader_is_stale(reader, ring), "a successor keeps the readers");
	send_packets(&second, 60, 3);
	cr_assert_eq(arq_sample_reader_read(reader), 0);
	cr_expect_eq(seen.count, 3);
	cr_assert_eq(arq_program_unpin(ARQ_PROGRAM_SAMPLER, sampler.pins, NULL, &error), 0);
	cr_expect(arq_sample_reader_is_stale(reader, ring));
	struct sampler third = {.pins = sampler.pins};
	load(&third, 64);
	cr_expect(arq_sample_reader_is_stale(reader, ring));
	cr_assert_eq(arq_sample_reader_remove(reader, ring), 0);
	ring = join(reader, &third);
	send_packets(&third, 60, 2);
	cr_assert_eq(arq_sample_reader_read(reader), 0);
	cr_expect_eq(seen.count, 5);
	cr_expect_eq(seen.lost, 0);
	arq_sample_reader_destroy(reader);
	arq_program_close(sampler.program);
	arq_program_close(second.program);
	arq_program_close(third.program);
}
