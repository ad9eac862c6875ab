// SPDX-License-Identifier: BSD-2-Clause
#include "userspace/common/rate.h"

#include <errno.h>

/* With fewer units in an interval, rounding would be more than one part in a hundred. */
#define INTERVAL_MIN 100

int arq_rate_make(struct arq_rate *rate, uint64_t packets, uint64_t period_ns, uint32_t burst)
{
	if (packets == 0 || period_ns == 0 || burst == 0)
		return -EINVAL;
	if (period_ns > ARQ_RATE_TOLERANCE_MAX >> ARQ_RATE_SHIFT)
		return -ERANGE;
	uint64_t period = period_ns << ARQ_RATE_SHIFT;
	uint64_t interval = period / packets + (period % packets != 0);
	if (interval < INTERVAL_MIN || interval > ARQ_RATE_TOLERANCE_MAX / burst)
		return -ERANGE;
	rate->interval_ns16 = interval;
	rate->tolerance_ns16 = interval * (burst - 1);
	return 0;
}
