// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * A dispatcher for test runs only: it calls its slots as libxdp's does, and writes down what each
 * returned. It is never attached to an interface. Programs of type EXT take the place of the slots;
 * one that is left as it is lets the packet go on.
 */
#include "dispatcher/trace.bpf.h"

#include <linux/bpf.h>
#include <stdbool.h>

#include <bpf/bpf_helpers.h>

/* Set before load. */
const volatile __u32 arq_trace_count = 0; /* slots in use */
const volatile __u32 arq_trace_actions[ARQ_TRACE_SLOTS]; /* the next one runs after: bits */

struct arq_trace_verdicts arq_trace_verdicts SEC(".bss.verdicts");

/* Never true, which the verifier does not know. */
bool arq_trace_never;

/*
 * A program that changes packet data may only take the place of a function that does, too (so say
 * kernels from 6.13 on). The stub is no call that the compiler could know the result of.
 */
static __always_inline int stub(struct xdp_md *ctx)
{
	volatile int verdict = ARQ_TRACE_NEXT;

	if (arq_trace_never)
		bpf_xdp_adjust_tail(ctx, 0);
	return verdict;
}

#define ARQ_TRACE_SLOT(number)                                                   \
	__attribute__((noinline)) int arq_trace_slot##number(struct xdp_md *ctx) \
	{                                                                        \
		return ctx ? stub(ctx) : XDP_ABORTED;                            \
	}
ARQ_TRACE_SLOT(0)
ARQ_TRACE_SLOT(1)
ARQ_TRACE_SLOT(2)
ARQ_TRACE_SLOT(3)
ARQ_TRACE_SLOT(4)
ARQ_TRACE_SLOT(5)
ARQ_TRACE_SLOT(6)
ARQ_TRACE_SLOT(7)
ARQ_TRACE_SLOT(8)
ARQ_TRACE_SLOT(9)

/* Writes down what slot `number` returned. Does the next one run? */
static __always_inline bool goes_on(__u32 number, int verdict)
{
	arq_trace_verdicts.slots[number] = verdict;
	return (1u << (verdict & 31)) & (arq_trace_actions[number] | 1u << ARQ_TRACE_NEXT);
}

#define ARQ_TRACE_RUN(number)                              \
	do {                                               \
		if ((number) >= arq_trace_count)           \
			return XDP_PASS;                   \
		int verdict = arq_trace_slot##number(ctx); \
		if (!goes_on(number, verdict))             \
			return verdict;                    \
	} while (0)

SEC("xdp")
int arq_trace_dispatcher(struct xdp_md *ctx)
{
	ARQ_TRACE_RUN(0);
	ARQ_TRACE_RUN(1);
	ARQ_TRACE_RUN(2);
	ARQ_TRACE_RUN(3);
	ARQ_TRACE_RUN(4);
	ARQ_TRACE_RUN(5);
	ARQ_TRACE_RUN(6);
	ARQ_TRACE_RUN(7);
	ARQ_TRACE_RUN(8);
	ARQ_TRACE_RUN(9);
	return XDP_PASS;
}

char _license[] SEC("license") = "Dual BSD/GPL";
