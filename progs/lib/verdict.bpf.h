/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a program says about a packet, and the counting of it. A program fills a struct arq_verdict,
 * and passes it to arq_count() once.
 */
#ifndef ARQUANT_PROGS_LIB_VERDICT_H
#define ARQUANT_PROGS_LIB_VERDICT_H

#include "progs/lib/bounds.bpf.h"

#include <arquant/counters.h>
#include <arquant/packet.h>
#include <arquant/reason.h>
#include <arquant/trace.h>
#include <bpf/bpf_helpers.h>
#include <linux/bpf.h>
#include <stdbool.h>

/*
 * Is this a private copy of the program, which a trace runs (arquant/trace.h)? False in every
 * program that sees packets; the verifier then cuts what depends on it.
 */
const volatile bool arq_tracing SEC(".rodata.trace") = false;
struct arq_trace arq_trace SEC(".bss.trace");

struct arq_verdict {
	__u32 action; /* enum xdp_action */
	__u32 reason; /* enum arq_reason */
	__u32 rule; /* of the firewall, counted from 1; 0 for none */
};

/* Index of this CPU in the per-CPU arrays of the suite. */
static __always_inline __u32 arq_cpu(void)
{
	return bpf_get_smp_processor_id() & (ARQ_MAX_CPUS - 1);
}

static __always_inline void arq_count(struct arq_counters *counters,
				      const struct arq_verdict *verdict)
{
	if (verdict->rule && arq_tracing)
		arq_trace.rule = verdict->rule;
	__u64 action = arq_index(verdict->action);
	counters->actions[action <= XDP_REDIRECT ? action : ARQ_ACTION_INVALID]++;
	if (verdict->reason == ARQ_REASON_NONE)
		return;
	__u64 reason = arq_index(verdict->reason);
	if (reason < ARQ_REASON_MAX)
		counters->reasons[reason]++;
}

#endif
