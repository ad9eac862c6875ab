// SPDX-License-Identifier: BSD-2-Clause
#include "progs/firewall/reference.h"

#include <arquant/reason.h>
#include <linux/if_ether.h>
#include <netinet/in.h>
#include <string.h>

#define QUIC_V1 1u
#define QUIC_V2 0x6b3343cfu

/* No header further in is looked at (ARQ_HEADER_OFFSET_MAX of the programs). */
#define OFFSET_MAX 2047

struct frame {
	const uint8_t *bytes;
	size_t length;
};

static unsigned int get16(const struct frame *frame, size_t offset)
{
	return (unsigned int)frame->bytes[offset] << 8 | frame->bytes[offset + 1];
}

static void bad(struct arq_packet *packet, enum arq_reason reason)
{
	packet->flags |= ARQ_PACKET_MALFORMED;
	packet->reason = (uint16_t)reason;
}

static bool is_tag(unsigned int type)
{
	return type == 0x8100 || type == 0x88a8;
}

static void parse_quic(const struct frame *frame, size_t start, size_t end,
		       struct arq_packet *packet)
{
	size_t size = end - start;

	if (size < 2 || start > OFFSET_MAX)
		return;
	uint8_t first = frame->bytes[start];
	if (first < 0x40)
		return;
	if (first < 0x80) {
		packet->flags |= ARQ_PACKET_QUIC_SHORT;
		packet->dcid_offset = (uint16_t)(start + 1);
		return;
	}
	if (size < 7)
		return;
	uint32_t version = get16(frame, start + 1) << 16 | get16(frame, start + 3);
	uint8_t dcid = frame->bytes[start + 5];
	if (size < 7u + dcid || ((version == QUIC_V1 || version == QUIC_V2) && dcid > 20))
		return;
	packet->flags |= ARQ_PACKET_QUIC_LONG;
	packet->quic_version = version;
	packet->dcid_length = dcid;
	packet->dcid_offset = (uint16_t)(start + 6);
	if ((version == QUIC_V1 && (first & 0x70) == 0x40) ||
	    (version == QUIC_V2 && (first & 0x70) == 0x50))
		packet->flags |= ARQ_PACKET_QUIC_INITIAL;
}

static void parse_l4(const struct frame *frame, size_t start, size_t end, struct arq_packet *packet)
{
	size_t size = end - start;
	bool fragment = packet->flags & ARQ_PACKET_FRAGMENT;

	if (fragment && !(packet->flags & ARQ_PACKET_FIRST_FRAGMENT))
		return;
	size_t header = packet->protocol == 17                            ? 8
			: packet->protocol == 6                           ? 20
			: packet->protocol == 1 || packet->protocol == 58 ? 8
									  : 0;
	if (header == 0)
		return;
	if (size < header)
		return bad(packet, ARQ_REASON_L4_TRUNCATED);
	packet->l4_offset = (uint16_t)start;
	if (packet->protocol == 17) {
		packet->payload_offset = (uint16_t)(start + 8);
		size_t length = get16(frame, start + 4);
		if (length < 8 || (length > size && !fragment))
			return bad(packet, ARQ_REASON_UDP_LENGTH);
		if (!fragment && length > 8)
			parse_quic(frame, start + 8, start + length, packet);
	} else if (packet->protocol == 6) {
		size_t length = 4 * (size_t)(frame->bytes[start + 12] >> 4);
		if (length < 20 || length > size)
			return bad(packet, ARQ_REASON_TCP_HEADER_LENGTH);
		packet->payload_offset = (uint16_t)(start + length);
	}
}

static void parse_ipv4(const struct frame *frame, size_t start, struct arq_packet *packet)
{
	size_t size = frame->length - start;

	if (size < 20)
		return bad(packet, ARQ_REASON_IPV4_TRUNCATED);
	packet->flags |= ARQ_PACKET_IPV4;
	packet->l3_offset = (uint16_t)start;
	packet->protocol = frame->bytes[start + 9];
	if (frame->bytes[start] >> 4 != 4)
		return bad(packet, ARQ_REASON_IPV4_VERSION);
	size_t header = 4 * (size_t)(frame->bytes[start] & 15);
	if (header < 20)
		return bad(packet, ARQ_REASON_IPV4_HEADER_LENGTH);
	if (header > 20)
		packet->flags |= ARQ_PACKET_IPV4_OPTIONS;
	if (header > size)
		return bad(packet, ARQ_REASON_IPV4_TRUNCATED);
	size_t total = get16(frame, start + 2);
	if (total < header || total > size)
		return bad(packet, ARQ_REASON_IPV4_TOTAL_LENGTH);
	unsigned int fragment = get16(frame, start + 6) & 0x3fff;
	if (fragment)
		packet->flags |= fragment == 0x2000
					 ? (ARQ_PACKET_FRAGMENT | ARQ_PACKET_FIRST_FRAGMENT)
					 : ARQ_PACKET_FRAGMENT;
	parse_l4(frame, start + header, start + total, packet);
}

static bool is_extension(uint8_t kind)
{
	static const uint8_t kinds[] = {0, 43, 44, 51, 60, 135, 139, 140};

	return memchr(kinds, kind, sizeof(kinds)) != NULL;
}

static void parse_ipv6(const struct frame *frame, size_t start, struct arq_packet *packet)
{
	if (frame->length - start < 40)
		return bad(packet, ARQ_REASON_IPV6_TRUNCATED);
	packet->flags |= ARQ_PACKET_IPV6;
	packet->l3_offset = (uint16_t)start;
	packet->protocol = frame->bytes[start + 6];
	if (frame->bytes[start] >> 4 != 6)
		return bad(packet, ARQ_REASON_IPV6_VERSION);
	size_t at = start + 40;
	size_t end = at + get16(frame, start + 4);
	if (end > frame->length)
		return bad(packet, ARQ_REASON_IPV6_PAYLOAD_LENGTH);
	for (int i = 0; is_extension(packet->protocol); i++) {
		uint8_t kind = packet->protocol;
		if (i == 8 || at > OFFSET_MAX || at + 8 > end)
			return bad(packet, ARQ_REASON_IPV6_EXTENSION);
		packet->protocol = frame->bytes[at];
		if (kind == 44) {
			unsigned int fragment = get16(frame, at + 2) & 0xfff9;
			at += 8;
			if (fragment)
				packet->flags |=
					fragment == 1
						? (ARQ_PACKET_FRAGMENT | ARQ_PACKET_FIRST_FRAGMENT)
						: ARQ_PACKET_FRAGMENT;
			if (fragment > 1)
				break;
			continue;
		}
		packet->flags |= ARQ_PACKET_IPV6_EXTENSIONS;
		at += kind == IPPROTO_AH ? (frame->bytes[at + 1] + 2u) * 4
					 : (frame->bytes[at + 1] + 1u) * 8;
	}
	if (at > OFFSET_MAX)
		return bad(packet, ARQ_REASON_IPV6_EXTENSION);
	if (at <= end)
		return parse_l4(frame, at, end, packet);
	/* The last extension header claims more than there is. */
	parse_l4(frame, end, end, packet);
}

void arq_reference_parse(const uint8_t *bytes, size_t length, struct arq_packet *packet)
{
	const struct frame frame = {bytes, length};
	size_t at = 14;

	*packet = (struct arq_packet){
		.length = (uint32_t)length,
		.l3_offset = ARQ_OFFSET_NONE,
		.l4_offset = ARQ_OFFSET_NONE,
		.payload_offset = ARQ_OFFSET_NONE,
		.dcid_offset = ARQ_OFFSET_NONE,
	};
	if (length < at)
		return bad(packet, ARQ_REASON_ETH_TRUNCATED);
	packet->ethertype = (uint16_t)get16(&frame, 12);
	for (int tags = 0; is_tag(packet->ethertype); tags++) {
		if (tags == 2)
			return bad(packet, ARQ_REASON_VLAN_DEPTH);
		if (at + 4 > length)
			return bad(packet, ARQ_REASON_ETH_TRUNCATED);
		packet->flags |= tags ? ARQ_PACKET_QINQ : ARQ_PACKET_VLAN;
		if (tags == 0)
			packet->vlan_id = get16(&frame, at) & 0xfff;
		packet->ethertype = (uint16_t)get16(&frame, at + 2);
		at += 4;
	}
	if (packet->ethertype == ETH_P_IP)
		parse_ipv4(&frame, at, packet);
	else if (packet->ethertype == ETH_P_IPV6)
		parse_ipv6(&frame, at, packet);
}
