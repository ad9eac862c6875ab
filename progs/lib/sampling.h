/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* State of a random 1-in-N choice on one CPU; user space needs its size only. */
#ifndef ARQUANT_PROGS_LIB_SAMPLING_H
#define ARQUANT_PROGS_LIB_SAMPLING_H

#include <linux/types.h>

/* Skips that are drawn together; a power of two. */
#define ARQ_SAMPLING_BLOCK 64

struct arq_sampling {
	__u64 skip; /* packets to let go by before the next sample */
	__u32 one_in; /* the rate that `skip` was drawn for */
	/* For each sample only, from here on. */
	__u32 drawn; /* skips of the block that were drawn */
	__u8 parts[ARQ_SAMPLING_BLOCK]; /* of the law, those of the block's drawn skips first */
} __attribute__((aligned(64))); /* written for every packet: a cache line for each CPU */

#endif
