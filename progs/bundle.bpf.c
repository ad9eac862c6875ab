// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Firewall, sampler and redirect in one slot, in the order of their slots, for kernels that refuse
 * extension programs. Each part counts as it would in its own slot, and the bundle counts what it
 * returns; the packet is parsed once. Nobody can rewrite it between the parts.
 */
#include "progs/firewall/firewall.bpf.h"
#include "progs/lib/metadata.bpf.h"
#include "progs/redirect/redirect.bpf.h"
#include "progs/sampler/sampler.bpf.h"

/* Which parts to run. */
const volatile bool arq_with_firewall = true;
const volatile bool arq_with_sampler = true;
const volatile bool arq_with_redirect = true;

struct arq_counters arq_counters[ARQ_MAX_CPUS] SEC(".bss.counters");
struct arq_counters arq_counters_firewall[ARQ_MAX_CPUS] SEC(".bss.firewall");
struct arq_counters arq_counters_sampler[ARQ_MAX_CPUS] SEC(".bss.sampler");
struct arq_counters arq_counters_redirect[ARQ_MAX_CPUS] SEC(".bss.redirect");

/* The first part whose action is not to pass decides. */
static __always_inline int arq_bundle_run(struct xdp_md *ctx, __u32 cpu,
					  const struct arq_packet *packet)
{
	if (arq_with_firewall) {
		int action = arq_firewall_run(ctx, cpu, packet, &arq_counters_firewall[cpu]);
		if (action != XDP_PASS)
			return action;
	}
	if (arq_with_sampler)
		arq_sampler_run(ctx, cpu, &arq_counters_sampler[cpu]);
	if (arq_with_redirect)
		return arq_redirect_run(ctx, packet, &arq_counters_redirect[cpu]);
	return XDP_PASS;
}

SEC("xdp.frags")
int arq_bundle(struct xdp_md *ctx)
{
	__u32 cpu = arq_cpu();
	struct arq_counters *counters = &arq_counters[cpu];
	struct arq_verdict verdict = {
		.action = arq_bundle_run(ctx, cpu, arq_packet_parse(ctx, cpu, counters)),
	};

	arq_count(counters, &verdict);
	return verdict.action;
}

char arq_license[] SEC("license") = "Dual BSD/GPL";
