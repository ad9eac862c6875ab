// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Feeds a program under test with ever different packets, inside one test run: bench_rotate copies
 * the next packet of a table over the frame and tail-calls the program. bench_pass is what the
 * programs are compared with. bench_xdp.c says why so.
 */
#include "tests/bench/xdp.h"

#include <bpf/bpf_helpers.h>
#include <linux/bpf.h>

struct bench_packet packets[BENCH_PACKETS] SEC(".bss.packets");
struct bench_state state SEC(".bss.state");

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} under_test SEC(".maps");

/*
 * The IP header begins at byte 14, so its 32-bit fields begin 2 bytes after a multiple of 4, and so
 * do these stores: a processor forwards a store to the loads that follow only when a load does not
 * straddle two stores, else it waits for both. No packet that a card has written costs that.
 */
static __always_inline void copy_packet(void *to, const void *from)
{
	*(__u16 *)to = *(const __u16 *)from;
#pragma clang loop unroll(full)
	for (int at = 2; at + 4 <= BENCH_BYTES; at += 4)
		*(__u32 *)(to + at) = *(const __u32 *)(from + at);
	*(__u16 *)(to + BENCH_BYTES - 2) = *(const __u16 *)(from + BENCH_BYTES - 2);
}

SEC("xdp.frags")
int bench_rotate(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data;
	__u32 position = state.position++;
	__u32 index = position & (BENCH_PACKETS - 1);

	if (index == 0 && position / BENCH_PACKETS < BENCH_TIMES)
		state.times[position / BENCH_PACKETS] = bpf_ktime_get_ns();
	if (data + BENCH_BYTES > (void *)(long)ctx->data_end)
		return XDP_ABORTED;
	copy_packet(data, &packets[index]);
	bpf_tail_call(ctx, &under_test, 0);
	return XDP_ABORTED;
}

SEC("xdp.frags")
int bench_pass(struct xdp_md *ctx)
{
	return XDP_PASS;
}

char bench_license[] SEC("license") = "Dual BSD/GPL";
