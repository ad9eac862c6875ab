// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Offers packets of a few sources to a limit each, all CPUs on one clock, which every packet moves
 * on: so the outcome is a matter of the algorithm and of how CPUs meet, not of how fast they are.
 */
#include "progs/lib/rate.bpf.h"

#include <linux/bpf.h>

#define SOURCES 8 /* a power of two */

struct arq_rate rate;
__u64 clock_ns;
__u64 step_ns;
__u64 arrivals[SOURCES];
__u64 passed[SOURCES];
__u64 offered;

SEC("xdp")
int take(struct xdp_md *ctx)
{
	__u64 now = __sync_fetch_and_add(&clock_ns, step_ns);
	__u32 source = __sync_fetch_and_add(&offered, 1) % SOURCES;

	if (!arq_rate_take(&arrivals[source], &rate, now))
		return XDP_DROP;
	__sync_fetch_and_add(&passed[source], 1);
	return XDP_PASS;
}

char _license[] SEC("license") = "Dual BSD/GPL";
