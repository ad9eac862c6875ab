/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Sampling: one packet in N, at random, into the ring of every reader (arquant/sample.h).
 *
 * Each CPU draws how many packets to let go by before the next sample. That number is geometrically
 * distributed, which makes every packet's chance 1/N, while a packet that is not sampled costs a
 * comparison of a count that is kept anyway. A rate that changes takes effect with the next packet:
 * the draw is made anew.
 *
 * Draws that are independent of each other would leave the number of samples to chance more than
 * need be: of 10 000 by 1 %. So they come in blocks: the law is cut into as many equally likely
 * parts as a block has skips, and each part gives one skip of a block, at a random place in it.
 * Each skip by itself still has the geometric law, and of 10 000 samples 0.13 % are left to chance.
 */
#ifndef ARQUANT_PROGS_LIB_SAMPLE_H
#define ARQUANT_PROGS_LIB_SAMPLE_H

#include "progs/lib/bounds.bpf.h"
#include "progs/lib/sampling.h"
#include "progs/lib/tunables.bpf.h"
#include "progs/lib/verdict.bpf.h"

#include <arquant/program.h>
#include <arquant/sample.h>
#include <bpf/bpf_helpers.h>
#include <linux/bpf.h>
#include <stdbool.h>

/* The sample is put together here: a ring entry of a size known only now needs a copy anyway. */
struct arq_sample_buffer {
	__u8 bytes[sizeof(struct arq_sample) + ARQ_SNAPLEN_MAX];
} __attribute__((aligned(8)));

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct arq_sample_buffer);
} sample_buffer SEC(".maps");

/* Only the kind of the rings matters here; each reader chooses the size of its own. */
struct arq_sample_ring {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 16);
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, ARQ_READERS_MAX);
	__type(key, __u32);
	__array(values, struct arq_sample_ring);
} readers SEC(".maps");

/* Fraction bits of the logarithm below: what 32 bits leave beside its integer part, 0 to 31. */
#define ARQ_LOG_FRACTION 27
/* ln 2 as a fraction of 2^32. */
#define ARQ_LN2 2977044472u

/*
 * -ln(u / 2^32) for an odd u, as a fixed-point number with ARQ_LOG_FRACTION fraction bits. Binary
 * logarithm, bit by bit: the square of a number in [1, 2) is 2 or more exactly when the next bit of
 * its logarithm is 1.
 */
static __always_inline __u64 arq_minus_log(__u32 u)
{
	__u32 integer = 0;
	__u64 mantissa = u; /* to be in [2^31, 2^32): 1 to 2 with 31 fraction bits */
#pragma clang loop unroll(full)
	for (int shift = 16; shift; shift >>= 1) {
		if (mantissa < 1ULL << (32 - shift)) {
			mantissa <<= shift;
			integer += shift;
		}
	}
	__u64 log = 0; /* of the mantissa */
#pragma clang loop unroll(disable)
	for (int i = 0; i < ARQ_LOG_FRACTION; i++) {
		mantissa = mantissa * mantissa >> 31;
		__u64 bit = mantissa >> 32;
		mantissa >>= bit;
		log = log << 1 | bit;
	}
	/* u / 2^32 is the mantissa's value, in [1, 2), shifted right by integer + 1. */
	__u64 minus = ((__u64)(integer + 1) << ARQ_LOG_FRACTION) - log;
	return minus * ARQ_LN2 >> 32;
}

/*
 * -1 / ln(1 - 1/N) for an N of 2 or more, as a fixed-point number with 32 fraction bits, from its
 * series: N - 1/2 - 1/(12 N) - 1/(24 N^2) - 19/(720 N^3) - 3/(160 N^4) - ..., cut where the rest is
 * below 1/1000 for N = 2.
 */
static __always_inline __u64 arq_sample_scale(__u32 one_in)
{
	__u64 term1 = (1ULL << 32) / (12ULL * one_in);
	__u64 term2 = term1 / (2ULL * one_in);
	__u64 term3 = term2 * 19 / (30ULL * one_in);
	__u64 term4 = term3 * 27 / (38ULL * one_in);
	return ((__u64)one_in << 32) - (1ULL << 31) - term1 - term2 - term3 - term4;
}

/*
 * A geometrically distributed number with mean N - 1: floor(ln(u) / ln(1 - 1/N)) for a u in (0, 1),
 * a fraction of 2^32, odd (the middle of an interval, never 0), and the scale of N.
 */
static __always_inline __u64 arq_sample_skip(__u64 scale, __u32 u)
{
	__u64 log = arq_minus_log(u); /* below 2^32 */

	return (log * (scale >> 32) + (log * (__u32)scale >> 32)) >> ARQ_LOG_FRACTION;
}

/* Bits that choose among the parts of the law. */
#define ARQ_PART_BITS 6
_Static_assert(ARQ_SAMPLING_BLOCK == 1 << ARQ_PART_BITS, "a part for each skip of a block");

/*
 * Draws a block: of each part one skip, beginning with the part `first`, each put at a random place
 * among those before it (Fisher and Yates, inside out). The places begin at `lowest`, 0 or 1; with
 * 1 the part `first` falls away. All at once, as what costs most is to have the code at hand: it is
 * in no cache when it runs once in a thousand packets. Global, so that the verifier walks through
 * it once and not for each way to it.
 */
__attribute__((noinline)) int arq_sample_block(struct arq_sampling *sampling, __u64 scale,
					       __u32 first, __u32 lowest)
{
	if (!sampling)
		return 0;
#pragma clang loop unroll(disable)
	for (__u32 i = 0; i < ARQ_SAMPLING_BLOCK; i++) {
		__u32 part = (first + i) % ARQ_SAMPLING_BLOCK;
		__u32 u = part << (32 - ARQ_PART_BITS) | bpf_get_prandom_u32() >> ARQ_PART_BITS | 1;
		__u64 places = i + 1 - lowest;
		__u64 place = arq_index(lowest + (bpf_get_prandom_u32() * places >> 32)) %
			      ARQ_SAMPLING_BLOCK;
		sampling->skips[i] = sampling->skips[place];
		sampling->skips[place] = arq_sample_skip(scale, u);
	}
	return 0;
}

static __always_inline __u64 arq_sample_draw(struct arq_sampling *sampling, __u32 one_in)
{
	if (one_in == 0)
		return ~0ULL; /* at a billion packets a second, 500 years */
	if (one_in == 1)
		return 0;
	__u64 drawn = sampling->drawn;
	if (drawn >= ARQ_SAMPLING_BLOCK) {
		arq_sample_block(sampling, arq_sample_scale(one_in), 0, 0);
		drawn = 0;
	}
	sampling->drawn = (__u32)drawn + 1;
	return sampling->skips[arq_index(drawn) % ARQ_SAMPLING_BLOCK];
}

/*
 * The first skip at a rate: we come upon a row of blocks at a random moment, which has the first
 * packet's chance be 1/N, too. Such a moment falls into a long gap more likely than into a short
 * one: what is over of the gap and what is left of it are geometric both, and the part of their sum
 * (of the product of what they were drawn from) is drawn. How much of the block is over is random.
 */
static __attribute__((noinline)) __u64 arq_sample_begin(struct arq_sampling *sampling, __u32 one_in)
{
	__u64 over = bpf_get_prandom_u32() | 1, left = bpf_get_prandom_u32() | 1;

	sampling->one_in = one_in;
	if (one_in < 2)
		return arq_sample_draw(sampling, one_in);
	__u64 scale = arq_sample_scale(one_in);
	arq_sample_block(sampling, scale, (__u32)(over * left >> (64 - ARQ_PART_BITS)), 1);
	sampling->drawn = 1 + bpf_get_prandom_u32() % ARQ_SAMPLING_BLOCK;
	return arq_sample_skip(scale, (__u32)left);
}

static __always_inline void arq_sample_await(struct arq_sample_wait *wait, __u64 count, __u64 skip)
{
	wait->until = skip > ~count ? ~0ULL : count + skip;
}

/* The packet that a wait or a rate ends with. */
static __attribute__((noinline)) bool arq_sample_end(struct arq_sample_wait *wait, __u64 count,
						     struct arq_sampling *sampling, __u32 one_in)
{
	if (wait->one_in != one_in) {
		wait->one_in = one_in;
		__u64 skip = arq_sample_begin(sampling, one_in);
		if (skip) {
			arq_sample_await(wait, count, skip);
			return false;
		}
	}
	/* The wait may be older than this program, which then has no block yet: it begins one with
	 * the next packet. */
	if (sampling->one_in != one_in)
		wait->one_in = ~one_in;
	else
		arq_sample_await(wait, count + 1, arq_sample_draw(sampling, one_in));
	return one_in != 0;
}

/* Is this packet, the one of that count of its kind, only one of those to let go by? */
static __always_inline bool arq_sample_waits(const struct arq_sample_wait *wait, __u64 count,
					     __u32 one_in)
{
	return arq_likely(count < wait->until && wait->one_in == one_in);
}

/* Is this packet, which is dropped, one to sample? To be asked once for each, when it is counted.
 */
static __always_inline bool arq_sample_drop_due(const struct arq_counters *counters,
						struct arq_sampling *sampling)
{
	__u64 count = counters->actions[XDP_DROP];
	__u32 one_in = arq_tunables.drop_one_in;

	return !arq_sample_waits(&sampling->wait, count, one_in) &&
	       arq_sample_end(&sampling->wait, count, sampling, one_in);
}

/* Bytes of one CPU's samples that readers are woken for; they look by themselves for what is less.
 */
#define ARQ_WAKE_BITS 15

/*
 * A wake-up is an interrupt, which costs ten times what a sample does: one when there is something
 * to do, not one for each sample that finds the reader waiting. To ask the ring how full it is
 * costs a tenth of a sample; the sample's number tells well enough.
 */
static __always_inline __u64 arq_sample_wake(__u64 sequence, __u32 size)
{
	return (sequence * size ^ (sequence + 1) * size) >> ARQ_WAKE_BITS ? BPF_RB_FORCE_WAKEUP
									  : BPF_RB_NO_WAKEUP;
}

/* Into every ring that is there. */
static __always_inline void arq_sample_output(struct arq_sample *sample, __u32 size,
					      struct arq_counters *counters)
{
	__u64 wake = arq_sample_wake(sample->sequence, size);

#pragma clang loop unroll(disable)
	for (__u32 i = 0; i < ARQ_READERS_MAX; i++) {
		__u32 slot = i;
		void *ring = bpf_map_lookup_elem(&readers, &slot);
		if (ring && bpf_ringbuf_output(ring, sample, size, wake))
			counters->sample_lost++;
	}
}

/* Copies the head of the packet and what is known about it to the readers. Counts it. `pool`: the
 * packets that it was chosen from, up to now. */
static __always_inline void arq_sample_take(struct xdp_md *ctx, struct arq_counters *counters,
					    enum arq_program_id program,
					    const struct arq_verdict *verdict, __u64 pool)
{
	__u32 zero = 0;
	struct arq_sample *sample = bpf_map_lookup_elem(&sample_buffer, &zero);
	if (!sample)
		return;
	__u32 length = bpf_xdp_get_buff_len(ctx);
	__u32 captured = arq_tunables.snaplen;
	if (captured > length)
		captured = length;
	if (captured > ARQ_SNAPLEN_MAX)
		captured = ARQ_SNAPLEN_MAX;

	sample->time_ns = bpf_ktime_get_ns();
	sample->sequence = counters->sampled++;
	sample->pool = pool;
	sample->ifindex = ctx->ingress_ifindex;
	sample->queue = ctx->rx_queue_index;
	sample->cpu = bpf_get_smp_processor_id();
	sample->length = length;
	sample->one_in =
		verdict->action == XDP_DROP ? arq_tunables.drop_one_in : arq_tunables.sample_one_in;
	sample->rule = verdict->rule;
	sample->reason = verdict->reason;
	sample->verdict = verdict->action;
	sample->program = program;
	/* Also beyond the linear part. That the length is not 0 has to be a matter of ranges: from
	 * a comparison with 0 the verifier of 6.1 learns nothing. */
	__u32 last = captured - 1;
	asm volatile("" : "+r"(last));
	if (last >= ARQ_SNAPLEN_MAX || bpf_xdp_load_bytes(ctx, 0, sample->head, last + 1))
		captured = 0;
	sample->captured = captured;
	arq_sample_output(sample, sizeof(*sample) + captured, counters);
}

#endif
