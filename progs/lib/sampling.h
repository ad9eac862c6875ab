/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* State of a random 1-in-N choice on one CPU; user space needs its size only. */
#ifndef ARQUANT_PROGS_LIB_SAMPLING_H
#define ARQUANT_PROGS_LIB_SAMPLING_H

#include <arquant/counters.h>
#include <linux/types.h>

/* Skips that are drawn together; a power of two. */
#define ARQ_SAMPLING_BLOCK 64

struct arq_sampling {
	struct arq_sample_wait wait; /* of drops; the sampler's is in its counters */
	__u32 drawn; /* skips of the block that were used */
	__u32 one_in; /* the rate that the block was begun for */
	__u64 skips[ARQ_SAMPLING_BLOCK]; /* packets to let go by before each sample of a block */
} __attribute__((aligned(64)));

#endif
