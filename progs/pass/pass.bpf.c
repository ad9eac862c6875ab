// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Passes every packet and counts it: what `arquant unload --leave-pass` leaves on an interface, for
 * drivers that reset their rings, and so lose the link for a moment, when the last program goes.
 */
#include "progs/lib/verdict.bpf.h"

struct arq_counters arq_counters[ARQ_MAX_CPUS] SEC(".bss.counters");

SEC("xdp.frags")
int arq_pass(struct xdp_md *ctx)
{
	const struct arq_verdict verdict = {.action = XDP_PASS};

	(void)ctx;
	arq_count(&arq_counters[arq_cpu()], &verdict);
	return XDP_PASS;
}

char arq_license[] SEC("license") = "Dual BSD/GPL";
