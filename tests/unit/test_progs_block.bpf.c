// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Blocks the source of every packet, for a minute: what a rule of action block does, for its test.
 */
#include "progs/firewall/block.bpf.h"

#include <linux/if_ether.h>

SEC("xdp.frags")
int block_every_source(struct xdp_md *ctx)
{
	struct arq_packet *packet = &arq_packet[arq_cpu()];
	struct arq_verdict verdict = {.action = XDP_PASS};

	packet->flags = ARQ_PACKET_IPV4;
	packet->l3_offset = sizeof(struct ethhdr);
	arq_block_state.automatic[0].bits[0] = 128;
	arq_block_state.automatic[0].count = 1;
	if (!arq_block_decide(ctx, packet, &verdict))
		arq_block_source(ctx, packet, 7, 128, 60000000000);
	return verdict.action;
}

char test_license[] SEC("license") = "Dual BSD/GPL";
