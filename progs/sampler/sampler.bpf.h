/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The sampler's decision, for the program in its own slot and for the bundle: passes every packet,
 * and takes one in N of those that come to it. It does not look into packets.
 */
#ifndef ARQUANT_PROGS_SAMPLER_BPF_H
#define ARQUANT_PROGS_SAMPLER_BPF_H

#include "progs/lib/sample.bpf.h"
#include "progs/lib/verdict.bpf.h"

struct arq_sampling arq_sampler_sampling[ARQ_MAX_CPUS];

static __always_inline int arq_sampler_run(struct xdp_md *ctx, __u32 cpu,
					   struct arq_counters *counters)
{
	const struct arq_verdict verdict = {.action = XDP_PASS};

	arq_count(counters, &verdict);
	if (arq_unlikely(arq_sample_due(&counters->wait, &arq_sampler_sampling[cpu])))
		arq_sample_take(ctx, counters, ARQ_PROGRAM_SAMPLER, &verdict);
	return XDP_PASS;
}

#endif
