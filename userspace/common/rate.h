/* SPDX-License-Identifier: BSD-2-Clause */
/* Rates as people write them, made into what the programs take from (arquant/rate.h). */
#ifndef ARQUANT_COMMON_RATE_H
#define ARQUANT_COMMON_RATE_H

#include <arquant/rate.h>
#include <stdint.h>

/*
 * `packets` in every `period_ns`, and `burst` of them (at least 1) at once. The interval is rounded
 * up: what passes is never more than asked for, and less by under one part in a hundred. Returns 0,
 * -EINVAL when a number is 0, or -ERANGE when the rate is beyond 160 million packets a second, or
 * when the burst lasts longer than the clock (a thousand days and more).
 */
int arq_rate_make(struct arq_rate *rate, uint64_t packets, uint64_t period_ns, uint32_t burst);

#endif
