/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Taking a packet from a rate (arquant/rate.h), exactly, whatever number of CPUs share its state:
 * the one word of state changes by compare and swap. A packet that is refused writes nothing, so
 * the flood that a limit is there for finds the state's cache line shared, not contended.
 */
#ifndef ARQUANT_PROGS_LIB_RATE_H
#define ARQUANT_PROGS_LIB_RATE_H

#include <arquant/rate.h>
#include <bpf/bpf_helpers.h>
#include <stdbool.h>

/*
 * A lost swap means that another CPU took a packet in that moment. Losing so often in a row needs
 * as many packets within the rate on others meanwhile; the packet then counts as beyond the rate,
 * which errs to the side that keeps the promise.
 */
#define ARQ_RATE_ATTEMPTS 32

/* Has the rate nothing left at `now_ns`? Takes nothing. */
static __always_inline bool arq_rate_is_spent(const __u64 *arrival, const struct arq_rate *rate,
					      __u64 now_ns)
{
	__u64 now = now_ns << ARQ_RATE_SHIFT;
	__u64 seen = *(volatile const __u64 *)arrival;

	return seen > now && seen - now > rate->tolerance_ns16;
}

/*
 * Is a packet that comes at `now_ns` (CLOCK_MONOTONIC, bpf_ktime_get_ns()) within the rate? Takes
 * it from the rate then. `arrival` is the limit's state. CPUs may disagree about the time by their
 * skew, and a packet may come with an older time than one before: it counts at the later one.
 */
static __always_inline bool arq_rate_take(__u64 *arrival, const struct arq_rate *rate, __u64 now_ns)
{
	__u64 now = now_ns << ARQ_RATE_SHIFT;
	__u64 interval = rate->interval_ns16;
	__u64 tolerance = rate->tolerance_ns16;
	__u64 seen = *(volatile __u64 *)arrival;

#pragma clang loop unroll(disable)
	for (int i = 0; i < ARQ_RATE_ATTEMPTS; i++) {
		__u64 due = seen > now ? seen : now;
		if (due - now > tolerance)
			return false;
		__u64 found = __sync_val_compare_and_swap(arrival, seen, due + interval);
		if (found == seen)
			return true;
		seen = found;
	}
	return false;
}

#endif
