/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* State of a random 1-in-N choice on one CPU; user space needs its size only. */
#ifndef ARQUANT_PROGS_LIB_SAMPLING_H
#define ARQUANT_PROGS_LIB_SAMPLING_H

#include <arquant/counters.h>
#include <linux/types.h>

/* Skips that are drawn together; a power of two. */
#define ARQ_SAMPLING_BLOCK 64

/* What is needed for each sample only. */
struct arq_sampling {
	__u8 parts[ARQ_SAMPLING_BLOCK]; /* of the law, those of the block's drawn skips first */
	__u32 drawn; /* skips of the block that were drawn */
	__u32 one_in; /* the rate that the block was begun for */
} __attribute__((aligned(64)));

/* Of a program whose counters have no room for the wait (arquant/counters.h). */
struct arq_sampling_apart {
	struct arq_sample_wait wait;
	struct arq_sampling sampling;
};

#endif
