// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The smallest pair of programs that asks the kernel for what libxdp's dispatcher needs: a function
 * of an XDP program, and a program of type EXT that replaces it. Neither is ever attached to an
 * interface.
 */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

/* Not inlined and not known to the compiler, or there would be nothing to replace. */
__attribute__((noinline)) int arq_probe_stub(struct xdp_md *ctx)
{
	volatile int verdict = XDP_PASS;

	if (!ctx)
		return XDP_ABORTED;
	return verdict;
}

SEC("xdp")
int arq_probe(struct xdp_md *ctx)
{
	return arq_probe_stub(ctx);
}

SEC("freplace/arq_probe_stub")
int arq_probe_ext(struct xdp_md *ctx)
{
	return ctx ? XDP_PASS : XDP_ABORTED;
}

char _license[] SEC("license") = "Dual BSD/GPL";
