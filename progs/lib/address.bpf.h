/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Source addresses of both families in one form, as keys of tables want them. */
#ifndef ARQUANT_PROGS_LIB_ADDRESS_H
#define ARQUANT_PROGS_LIB_ADDRESS_H

#include "progs/lib/bounds.bpf.h"

#include <arquant/packet.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <linux/bpf.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <stdbool.h>
#include <stddef.h>

/*
 * Reads the source address from the packet, IPv4 as ::ffff:a.b.c.d. Returns false if the packet has
 * none where the metadata say; `address` is then not set.
 */
static __always_inline bool arq_source_address(struct xdp_md *ctx, const struct arq_packet *packet,
					       __be32 address[4])
{
	void *data = (void *)(long)ctx->data;
	void *end = (void *)(long)ctx->data_end;
	__be32 *from;

	if (packet->flags & ARQ_PACKET_IPV4) {
		if (!arq_at((void **)&from, data, end,
			    packet->l3_offset + offsetof(struct iphdr, saddr), sizeof(*from)))
			return false;
		address[0] = 0;
		address[1] = 0;
		address[2] = bpf_htonl(0xffff);
		address[3] = *from;
		return true;
	}
	if (!(packet->flags & ARQ_PACKET_IPV6) ||
	    !arq_at((void **)&from, data, end, packet->l3_offset + offsetof(struct ipv6hdr, saddr),
		    4 * sizeof(*from)))
		return false;
	for (int i = 0; i < 4; i++)
		address[i] = from[i];
	return true;
}

/* The word `index` of a 128-bit mask with the first `bits` bits set. */
static __always_inline __be32 arq_mask_word(__u32 bits, __u32 index)
{
	__u32 before = 32 * index;

	if (bits >= before + 32)
		return 0xffffffff;
	return bits > before ? bpf_htonl(~0u << ((before + 32 - bits) & 31)) : 0;
}

#endif
