// SPDX-License-Identifier: BSD-2-Clause
/* The sampler: its statistics, its samples, and what happens when nobody reads them. */
#include "tests/unit/test_progs_fixture.h"

#include <arquant/tunables.h>
#include <bpf/bpf.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Tolerance in standard deviations: once in two million runs by chance. */
#define SIGMAS 5.0

static struct fixture sampler;

static void load_sampler(void)
{
	const struct arq_program_options options = {.snaplen = 64};

	fixture_begin();
	fixture_load(&sampler, ARQ_PROGRAM_SAMPLER, &options, NULL, NULL);
}

static void unload_sampler(void)
{
	if (sampler.program)
		fixture_unload(&sampler);
}

TestSuite(progs_sampler, .init = load_sampler, .fini = unload_sampler);

static struct frame some_frame(void)
{
	const struct frame_spec spec = {.ip = 4, .protocol = 17, .payload = PAYLOAD_INITIAL_V1};
	struct frame frame;

	frame_build(&frame, &spec);
	return frame;
}

static void run(uint32_t repeat)
{
	struct frame frame = some_frame();

	cr_assert_eq(fixture_run(&sampler, frame.bytes, frame.length, repeat), XDP_PASS);
}

Test(progs_sampler, takes_none_when_off)
{
	run(100000);
	struct arq_counters counters = fixture_counters(&sampler);
	cr_assert_eq(counters.sampled, 0);
	cr_assert_eq(counters.actions[XDP_PASS], 100000);
}

Test(progs_sampler, takes_every_packet_at_one_in_one)
{
	sampler.tunables->sample_one_in = 1;
	run(1000);
	cr_assert_eq(fixture_counters(&sampler).sampled, 1000);
	cr_assert_eq(fixture_samples(&sampler, NULL, 0), 1000);
}

/* The number of samples among n packets: mean n/N, and a variance of no more than n/N (1 - 1/N). */
Test(progs_sampler, takes_one_in_n_on_average)
{
	static const uint32_t rates[] = {2, 3, 10, 100, 1000};
	const double packets = 1000000;

	for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
		double p = 1.0 / rates[i];
		uint64_t before = fixture_counters(&sampler).sampled;
		sampler.tunables->sample_one_in = rates[i];
		run((uint32_t)packets);
		double sampled = (double)(fixture_counters(&sampler).sampled - before);
		double deviation = sqrt(packets * p * (1 - p));
		cr_assert_lt(fabs(sampled - packets * p), SIGMAS * deviation,
			     "1 in %u: %.0f of %.0f", rates[i], sampled, packets);
	}
}

/* Gaps are geometric: mean N, variance N (N - 1), and 1/N of them are 1. */
Test(progs_sampler, leaves_gaps_of_the_right_shape)
{
	enum { RATE = 20, PACKETS = 300000 };
	struct frame frame = some_frame();
	double gaps = 0;
	double sum = 0;
	double squares = 0;
	double ones = 0;
	uint64_t last = 0;
	int since = 0;

	sampler.tunables->sample_one_in = RATE;
	for (int i = 0; i < PACKETS; i++) {
		fixture_run(&sampler, frame.bytes, frame.length, 1);
		uint64_t sampled = fixture_counters(&sampler).sampled;
		since++;
		if (sampled == last)
			continue;
		gaps++;
		sum += since;
		squares += (double)since * since;
		ones += since == 1;
		last = sampled;
		since = 0;
	}
	double mean = sum / gaps;
	double variance = squares / gaps - mean * mean;
	double expected = RATE * (RATE - 1);
	cr_log_info("mean %.2f (%d), variance %.0f (%.0f), ones %.4f (%.4f)\n", mean, RATE,
		    variance, expected, ones / gaps, 1.0 / RATE);
	cr_assert_lt(fabs(mean - RATE), SIGMAS * sqrt(expected / gaps), "mean %.2f", mean);
	/* A geometric distribution's fourth moment: the variance of the variance is about 8 times
	 * its square over n. */
	cr_assert_lt(fabs(variance - expected), SIGMAS * expected * sqrt(8 / gaps), "variance %.0f",
		     variance);
	cr_assert_lt(fabs(ones / gaps - 1.0 / RATE), SIGMAS * sqrt(1.0 / RATE / gaps),
		     "share of ones %.4f", ones / gaps);
}

/* Two rates that come to the same, and how long one of them lasts: some 30 samples. */
enum { RATE_ONE = 1000, RATE_OTHER = 1001, RATE_LASTS_US = 350 };

struct changer {
	_Atomic bool enough;
	unsigned int changes;
};

static void *change_rates(void *context)
{
	struct changer *changer = context;

	while (!atomic_load(&changer->enough)) {
		sampler.tunables->sample_one_in = changer->changes++ % 2 ? RATE_OTHER : RATE_ONE;
		usleep(RATE_LASTS_US);
	}
	return NULL;
}

/*
 * Every packet's chance is 1/N, that of the first ones after a change of the rate like any other's:
 * a rate that changes all the time takes neither more samples nor fewer. A start at the beginning
 * of a block would take half a sample less for each change.
 */
Test(progs_sampler, begins_without_preference, .timeout = 100)
{
	uint32_t packets = getenv("ARQUANT_VM") ? 2000000 : 200000000;
	struct changer changer = {0};
	pthread_t thread;
	cpu_set_t all;

	sampler.tunables->snaplen = 14;
	memset(&all, 0xff, sizeof(all));
	cr_assert_eq(pthread_create(&thread, NULL, change_rates, &changer), 0);
	pthread_setaffinity_np(thread, sizeof(all), &all);
	run(packets);
	atomic_store(&changer.enough, true);
	pthread_join(thread, NULL);
	double sampled = (double)fixture_counters(&sampler).sampled;
	double expected = packets / ((RATE_ONE + RATE_OTHER) / 2.0);
	cr_log_info("%u changes: %.0f samples (%.0f)\n", changer.changes, sampled, expected);
	cr_assert_lt(fabs(sampled - expected), SIGMAS * sqrt(expected) + expected / RATE_ONE / 2,
		     "%.0f of %.0f", sampled, expected);
}

/* The largest rate: arithmetic must not overflow into samples. */
Test(progs_sampler, stands_the_largest_rate)
{
	sampler.tunables->sample_one_in = UINT32_MAX;
	run(200000);
	cr_assert_leq(fixture_counters(&sampler).sampled, 1);
}

Test(progs_sampler, changes_its_rate_at_once)
{
	sampler.tunables->sample_one_in = UINT32_MAX;
	run(100);
	sampler.tunables->sample_one_in = 1;
	run(100);
	cr_assert_eq(fixture_counters(&sampler).sampled, 100);
	sampler.tunables->sample_one_in = 0;
	run(100);
	cr_assert_eq(fixture_counters(&sampler).sampled, 100);
}

Test(progs_sampler, says_what_it_saw)
{
	static struct stored_sample samples[2];
	struct frame frame = some_frame();
	struct timespec now;

	sampler.tunables->sample_one_in = 1;
	clock_gettime(CLOCK_MONOTONIC, &now);
	uint64_t before = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
	fixture_run(&sampler, frame.bytes, frame.length, 1);
	fixture_run(&sampler, frame.bytes, 30, 1);
	clock_gettime(CLOCK_MONOTONIC, &now);
	uint64_t after = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;

	cr_assert_eq(fixture_samples(&sampler, samples, 2), 2);
	const struct arq_sample *sample = &samples[0].sample;
	cr_assert(sample->time_ns >= before && sample->time_ns <= after);
	cr_assert_eq(sample->sequence, 0);
	cr_assert_eq(sample->pool, 1);
	cr_assert_eq(sample->ifindex, 1, "test runs come in by lo");
	cr_assert_eq(sample->queue, 0);
	cr_assert_eq(sample->length, frame.length);
	cr_assert_eq(sample->captured, 64);
	cr_assert_eq(sample->one_in, 1);
	cr_assert_eq(sample->rule, 0);
	cr_assert_eq(sample->reason, ARQ_REASON_NONE);
	cr_assert_eq(sample->verdict, XDP_PASS);
	cr_assert_eq(sample->program, ARQ_PROGRAM_SAMPLER);
	cr_assert_eq(memcmp(samples[0].head, frame.bytes, 64), 0);
	cr_assert_eq(samples[1].sample.sequence, 1);
	cr_assert_eq(samples[1].sample.length, 30);
	cr_assert_eq(samples[1].sample.captured, 30, "a short frame is all there is");
	cr_assert_eq(memcmp(samples[1].head, frame.bytes, 30), 0);
}

Test(progs_sampler, takes_the_length_that_is_set)
{
	static struct stored_sample samples[4];
	static uint8_t bytes[9000];
	static const uint32_t snaplens[] = {14, 1, ARQ_SNAPLEN_MAX, 100000};

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(i * 7);
	sampler.tunables->sample_one_in = 1;
	for (size_t i = 0; i < 4; i++) {
		sampler.tunables->snaplen = snaplens[i];
		fixture_run(&sampler, bytes, sizeof(bytes), 1);
	}
	cr_assert_eq(fixture_samples(&sampler, samples, 4), 4);
	for (size_t i = 0; i < 4; i++) {
		uint32_t expected = snaplens[i] < ARQ_SNAPLEN_MAX ? snaplens[i] : ARQ_SNAPLEN_MAX;
		cr_assert_eq(samples[i].sample.captured, expected);
		cr_assert_eq(samples[i].sample.length, sizeof(bytes), "all buffers of the frame");
		cr_assert_eq(memcmp(samples[i].head, bytes, expected), 0);
	}
}

Test(progs_sampler, reads_beyond_the_linear_part)
{
	static struct stored_sample samples[1];
	static uint8_t bytes[5000];

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(i * 7);
	sampler.tunables->sample_one_in = 1;
	sampler.tunables->snaplen = ARQ_SNAPLEN_MAX;
	int action = fixture_run_split(&sampler, bytes, sizeof(bytes), 200);
	if (action == -EINVAL)
		cr_skip_test("this kernel's test runs fill the linear part first");
	cr_assert_eq(action, XDP_PASS);
	cr_assert_eq(fixture_samples(&sampler, samples, 1), 1);
	cr_assert_eq(samples[0].sample.captured, ARQ_SNAPLEN_MAX);
	cr_assert_eq(memcmp(samples[0].head, bytes, ARQ_SNAPLEN_MAX), 0);
}

Test(progs_sampler, counts_what_a_full_ring_lost)
{
	static struct stored_sample samples[200];

	fixture_read_samples(&sampler, 4096);
	sampler.tunables->sample_one_in = 1;
	run(100);
	struct arq_counters counters = fixture_counters(&sampler);
	cr_assert_eq(counters.sampled, 100);
	cr_assert_gt(counters.sample_lost, 0);
	cr_assert_eq(counters.actions[XDP_PASS], 100, "loss of samples is not loss of packets");
	size_t kept = fixture_samples(&sampler, samples, 200);
	cr_assert_eq(kept + counters.sample_lost, 100);

	run(1);
	cr_assert_eq(fixture_samples(&sampler, samples, 200), 1);
	cr_assert_eq(samples[0].sample.sequence, 100, "the reader learns of it");
}

Test(progs_sampler, fills_every_ring_and_needs_none)
{
	const uint32_t last = ARQ_READERS_MAX - 1;
	struct stored_sample sample;
	int first = sampler.ring;
	int readers = fixture_map(&sampler, "readers");

	sampler.tunables->sample_one_in = 1;
	int second = bpf_map_create(BPF_MAP_TYPE_RINGBUF, "second", 0, 0, 4096, NULL);
	cr_assert_eq(bpf_map_update_elem(readers, &last, &second, BPF_ANY), 0);
	run(3);
	cr_assert_eq(fixture_samples(&sampler, &sample, 1), 3);
	sampler.ring = second;
	cr_assert_eq(fixture_samples(&sampler, &sample, 1), 3);
	cr_assert_eq(sample.sample.sequence, 0);

	cr_assert_eq(bpf_map_delete_elem(readers, &last), 0);
	run(2);
	cr_assert_eq(fixture_samples(&sampler, NULL, 0), 0, "it left");
	sampler.ring = first;
	cr_assert_eq(fixture_samples(&sampler, NULL, 0), 2);
	cr_assert_eq(fixture_counters(&sampler).sample_lost, 0);
	close(second);
}

/* --- the law -----------------------------------------------------------------------------------
 */

/*
 * Ten million packets at 1 in 1000, twenty times. Independent draws would bring the number of
 * samples within 1 % of what is expected in 68 % of all runs only; those that come in blocks do it
 * with a standard deviation of 0.13 %.
 */
enum {
	LAW_PACKETS = 10000000,
	LAW_RATE = 1000,
	LAW_TIMES = 20,
	LAW_BINS = 50,
	LAW_PERIOD = 10,
};

/* What a binomial with n = 20, p = 0.01 exceeds once in 25 000 times. */
#define LAW_REFUSED_MAX 3

/*
 * Of a gap and the next: the parts of a block are drawn without putting back, which gives -1/63;
 * and that much is allowed beside it, five standard deviations at 20 times 10 000 gaps.
 */
#define LAW_CORRELATION             (-1.0 / 63)
#define LAW_CORRELATION_ERROR(gaps) (SIGMAS / sqrt(gaps))

struct law {
	double samples;
	double bins[LAW_BINS]; /* gaps, by ranges that are equally likely */
	double phases[LAW_PERIOD]; /* samples by the place of their packet in a pattern */
	uint64_t last; /* pool of the sample before */
	double gap; /* before it, less its mean */
	double squares, products; /* of gaps less their mean, of one and the next; over all times */
};

/*
 * The upper quantile of chi-square at p = 0.01, by Wilson and Hilferty's approximation, good to a
 * hundredth from 5 degrees of freedom on.
 */
static double chi_square_limit(double degrees)
{
	double part = 2 / (9 * degrees);
	double root = 1 - part + 2.326348 * sqrt(part);

	return degrees * root * root * root;
}

static double geometric_below(double gap)
{
	return 1 - pow(1 - 1.0 / LAW_RATE, gap);
}

static double chi_square(const double *seen, const double *share, size_t bins, double total)
{
	double sum = 0;

	for (size_t i = 0; i < bins; i++) {
		double expected = share[i] * total;
		sum += (seen[i] - expected) * (seen[i] - expected) / expected;
	}
	return sum;
}

/* The largest gap of each range, and the exact probability of the range. */
static void law_ranges(uint64_t edges[LAW_BINS], double shares[LAW_BINS])
{
	double below = 0;

	for (size_t i = 0; i < LAW_BINS; i++) {
		edges[i] = i + 1 < LAW_BINS ? (uint64_t)(log(1 - (double)(i + 1) / LAW_BINS) /
							 log(1 - 1.0 / LAW_RATE))
					    : UINT64_MAX;
		double upto = i + 1 < LAW_BINS ? geometric_below((double)edges[i]) : 1;
		shares[i] = upto - below;
		below = upto;
	}
}

static void run_law(struct law *law, const uint64_t edges[LAW_BINS])
{
	static struct stored_sample samples[2 * LAW_PACKETS / LAW_RATE];
	const size_t capacity = sizeof(samples) / sizeof(samples[0]);

	run(LAW_PACKETS);
	size_t count = fixture_samples(&sampler, samples, capacity);
	cr_assert_leq(count, capacity);
	law->samples = (double)count;
	memset(law->bins, 0, sizeof(law->bins));
	memset(law->phases, 0, sizeof(law->phases));
	for (size_t i = 0; i < count; i++) {
		uint64_t pool = samples[i].sample.pool;
		double gap = (double)(pool - law->last) - LAW_RATE;
		size_t bin = 0;
		while (pool - law->last > edges[bin])
			bin++;
		law->bins[bin]++;
		law->phases[pool % LAW_PERIOD]++;
		law->last = pool;
		law->squares += gap * gap;
		law->products += gap * law->gap;
		law->gap = gap;
	}
}

/* A packet's place in a pattern of ten is the rest of its number: pool counts packets. */
Test(progs_sampler, keeps_the_geometric_law_and_aliases_no_pattern, .timeout = 100)
{
	uint64_t edges[LAW_BINS];
	double shares[LAW_BINS], phases[LAW_PERIOD], total = 0;
	struct law law = {0};
	int gaps_refused = 0, phases_refused = 0, near = 0;
	int times = getenv("ARQUANT_VM") ? 1 : LAW_TIMES;

	law_ranges(edges, shares);
	for (size_t i = 0; i < LAW_PERIOD; i++)
		phases[i] = 1.0 / LAW_PERIOD;
	sampler.tunables->snaplen = 14;
	sampler.tunables->sample_one_in = LAW_RATE;
	for (int time = 0; time < times; time++) {
		run_law(&law, edges);
		double gaps = chi_square(law.bins, shares, LAW_BINS, law.samples);
		double pattern = chi_square(law.phases, phases, LAW_PERIOD, law.samples);
		gaps_refused += gaps > chi_square_limit(LAW_BINS - 1);
		phases_refused += pattern > chi_square_limit(LAW_PERIOD - 1);
		near += fabs(law.samples / (LAW_PACKETS / LAW_RATE) - 1) < 0.01;
		total += law.samples;
		cr_log_info("%5.0f samples, chi-square of gaps %.1f (49), of places %.1f (9)\n",
			    law.samples, gaps, pattern);
	}
	double correlation = law.products / law.squares;
	cr_log_info("%d of %d within 1 %%; a gap and the next: correlation %.4f\n", near, times,
		    correlation);
	cr_expect_eq(near, times, "%d of %d within 1 %%", near, times);
	cr_expect_lt(fabs(correlation - LAW_CORRELATION), LAW_CORRELATION_ERROR(total),
		     "a gap tells of the next: correlation %.4f", correlation);
	cr_expect_leq(gaps_refused, LAW_REFUSED_MAX, "gaps are not geometric");
	cr_expect_leq(phases_refused, LAW_REFUSED_MAX, "a pattern is aliased");
}
