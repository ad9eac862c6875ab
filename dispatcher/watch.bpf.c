// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Looks at one program of the chain from outside: fexit counts the actions that it returns, and
 * with fentry before it takes the time of some of its packets. Nothing of the packet is read.
 *
 * Which packets are timed is random: a fixed step would always meet the same ones of traffic that
 * has a period.
 */
#include "dispatcher/watch.bpf.h"

#include <arquant/packet.h>
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

struct arq_slot_cpu arq_slot_cpus[ARQ_MAX_CPUS] SEC(".bss.slot");

/* Times 1 packet in so many; set before load, at least 1. */
const volatile __u32 arq_slot_one_in = 1;

static __always_inline struct arq_slot_cpu *this_cpu(void)
{
	return &arq_slot_cpus[bpf_get_smp_processor_id() & (ARQ_MAX_CPUS - 1)];
}

SEC("fentry")
int arq_slot_entry(void *ctx)
{
	struct arq_slot_cpu *cpu = this_cpu();

	if (cpu->skip) {
		cpu->skip--;
		return 0;
	}
	/* Evenly from 0 to twice as many: on average 1 in arq_slot_one_in. */
	if (arq_slot_one_in > 1)
		cpu->skip = bpf_get_prandom_u32() % (2 * arq_slot_one_in - 1);
	cpu->begin_ns = bpf_ktime_get_ns();
	return 0;
}

SEC("fexit")
int arq_slot_exit(void *ctx)
{
	struct arq_slot_cpu *cpu = this_cpu();
	__u64 action = ARQ_ACTION_INVALID;

	if (cpu->begin_ns) {
		cpu->timed_ns += bpf_ktime_get_ns() - cpu->begin_ns;
		cpu->timed++;
		cpu->begin_ns = 0;
	}
	/* The helper, not the context: where the result is depends on what is known of the type. */
	bpf_get_func_ret(ctx, &action);
	action = (__u32)action;
	if (action > XDP_REDIRECT)
		action = ARQ_ACTION_INVALID;
	cpu->actions[action]++;
	return 0;
}

/* What a watch finds when there is nothing to do: its time is the watch's own. */
SEC("xdp")
int arq_slot_nothing(struct xdp_md *ctx)
{
	return XDP_PASS;
}

char _license[] SEC("license") = "Dual BSD/GPL";
