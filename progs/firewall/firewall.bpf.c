// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The firewall in a slot of its own. */
#include "progs/firewall/firewall.bpf.h"
#include "progs/lib/metadata.bpf.h"

struct arq_counters arq_counters[ARQ_MAX_CPUS] SEC(".bss.counters");

SEC("xdp.frags")
int arq_firewall(struct xdp_md *ctx)
{
	__u32 cpu = arq_cpu();
	struct arq_counters *counters = &arq_counters[cpu];

	return arq_firewall_run(ctx, cpu, arq_packet_get(ctx, cpu, counters), counters);
}

char arq_license[] SEC("license") = "Dual BSD/GPL";
