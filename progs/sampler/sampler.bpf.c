// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The sampler in a slot of its own. */
#include "progs/sampler/sampler.bpf.h"

struct arq_counters arq_counters[ARQ_MAX_CPUS] SEC(".bss.counters");

SEC("xdp.frags")
int arq_sampler(struct xdp_md *ctx)
{
	__u32 cpu = arq_cpu();

	return arq_sampler_run(ctx, cpu, &arq_counters[cpu]);
}

char arq_license[] SEC("license") = "Dual BSD/GPL";
