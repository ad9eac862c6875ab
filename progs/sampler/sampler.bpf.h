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

	/* Clang would compute addresses again for each use, from the number of the CPU. */
	asm volatile("" : "+r"(counters));
	arq_count(counters, &verdict);
	__u64 count = counters->actions[XDP_PASS];
	__u32 one_in = arq_tunables.sample_one_in;
	if (arq_sample_waits(&counters->wait, count, one_in))
		return XDP_PASS;
	/* And for all packets the address of what few need. */
	asm volatile("" : "+r"(cpu));
	if (arq_sample_end(&counters->wait, count, &arq_sampler_sampling[cpu & (ARQ_MAX_CPUS - 1)],
			   one_in))
		arq_sample_take(ctx, counters, ARQ_PROGRAM_SAMPLER, &verdict, count);
	return XDP_PASS;
}

#endif
