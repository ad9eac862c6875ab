/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Ethernet frames with UDP datagrams in them: read what an AF_XDP socket received, and put headers
 * in front of a payload that is to be sent. AF_XDP passes by the kernel's checks, so all of them
 * are made here: lengths, IPv4 header checksum, UDP checksum. Pure functions, no allocation.
 */
#ifndef ARQUANT_IO_FRAME_H
#define ARQUANT_IO_FRAME_H

#include "userspace/io/io.h"

/* Ethernet with two VLAN tags, IPv6, UDP: the most that is prepended to a payload. */
#define ARQ_FRAME_HEADERS_MAX (ARQ_LINK_MAX + 40 + 8)

enum arq_frame_result {
	ARQ_FRAME_OK,
	ARQ_FRAME_MALFORMED, /* not one whole UDP datagram that can be answered */
	ARQ_FRAME_CHECKSUM,
};

/*
 * Finds the UDP datagram in a frame of `length` bytes: Ethernet II with up to two VLAN tags
 * (802.1Q, 802.1ad), IPv4 (RFC 791) or IPv6 (RFC 8200) with hop-by-hop, routing (no segments left)
 * and destination options. Fragments are refused: nothing here reassembles. A zero UDP checksum is
 * "none" on IPv4 (RFC 768) and wrong on IPv6 (RFC 8200 section 8.1).
 *
 * On ARQ_FRAME_OK everything in `packet` but the handle is set; data points into the frame, and the
 * path's link header is the frame's own turned round (addresses swapped, tags kept), which is how
 * an answer reaches the sender. Otherwise `packet` is undefined.
 */
enum arq_frame_result arq_frame_parse(uint8_t *frame, uint32_t length, uint32_t ifindex,
				      struct arq_rx_packet *packet);

/*
 * Writes UDP, IP and Ethernet headers in front of `payload`, which needs ARQ_FRAME_HEADERS_MAX
 * bytes of headroom: IPv4 with DF and no identification (RFC 6864 section 4.1), IPv6 without flow
 * label, TTL 64, the two ECN bits, UDP checksum on both. `length` is at most ARQ_IO_PAYLOAD_MAX.
 *
 * Returns the number of header bytes, or 0 when the path cannot be sent on: families differ,
 * IPv4-mapped addresses (their packets are IPv4 on the wire), the any address or port 0 at either
 * end, no link header.
 */
uint32_t arq_frame_prepend(uint8_t *payload, uint32_t length, const struct arq_path *path,
			   uint8_t ecn);

#endif
