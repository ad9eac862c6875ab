/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Counters of one program, per CPU, in its global variable
 * `struct arq_counters arq_counters[ARQ_MAX_CPUS]` (section `.bss.counters`; the bundle has one
 * more for each part, `.bss.PART`; libbpf finds such sections only by names of up to 15
 * characters). Each CPU writes its own element without atomics; user space maps the section
 * read-only and sums up, without system calls. A sum is not a snapshot: it may be one packet late.
 */
#ifndef ARQUANT_COUNTERS_H
#define ARQUANT_COUNTERS_H

#include <arquant/reason.h>
#include <linux/types.h>

/* Index into actions[]: the XDP action returned (linux/bpf.h, enum xdp_action), then one for more.
 */
#define ARQ_ACTION_INVALID 5
#define ARQ_ACTIONS        6

/* Until a program that samples takes the next one (progs/lib/sample.bpf.h); no counter. */
struct arq_sample_wait {
	__u64 until; /* packets of the kind to be counted before */
	__u32 one_in; /* the rate that `until` was drawn for */
	__u32 unused;
};

struct arq_counters {
	__u64 actions[ARQ_ACTIONS]; /* packets by returned action */
	union {
		struct {
			__u64 reused; /* packets whose metadata of an earlier program was accepted
				       */
			__u64 parsed; /* packets parsed, first program of the chain or not */
		};
		/* The sampler parses nothing. What it writes for every packet is one word. */
		struct arq_sample_wait wait;
	};
	__u64 sampled; /* samples taken, also those that nobody read */
	__u64 sample_lost; /* samples that found a ring full, for each reader */
	__u64 reasons[ARQ_REASON_MAX]; /* packets by enum arq_reason; [0] stays 0 */
} __attribute__((aligned(64)));

_Static_assert(sizeof(struct arq_counters) == 512, "whole cache lines per CPU");

#endif
