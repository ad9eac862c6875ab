/* SPDX-License-Identifier: BSD-2-Clause */
/* The time, as all of user space counts it. */
#ifndef ARQUANT_COMMON_CLOCK_H
#define ARQUANT_COMMON_CLOCK_H

#include <stdint.h>
#include <time.h>

/* Nanoseconds of CLOCK_MONOTONIC. */
static inline uint64_t arq_clock_now(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

#endif
