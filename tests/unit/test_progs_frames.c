// SPDX-License-Identifier: BSD-2-Clause
#include "tests/unit/test_progs_frames.h"

#include "progs/firewall/reference.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <string.h>

#define AH 51

#define F4     ARQ_PACKET_IPV4
#define F6     ARQ_PACKET_IPV6
#define FVLAN  ARQ_PACKET_VLAN
#define FQINQ  (ARQ_PACKET_VLAN | ARQ_PACKET_QINQ)
#define FFRAG  ARQ_PACKET_FRAGMENT
#define FFIRST (ARQ_PACKET_FRAGMENT | ARQ_PACKET_FIRST_FRAGMENT)
#define FOPT   ARQ_PACKET_IPV4_OPTIONS
#define FEXT   ARQ_PACKET_IPV6_EXTENSIONS
#define FLONG  ARQ_PACKET_QUIC_LONG
#define FINIT  (ARQ_PACKET_QUIC_LONG | ARQ_PACKET_QUIC_INITIAL)
#define FSHORT ARQ_PACKET_QUIC_SHORT
#define FBAD   ARQ_PACKET_MALFORMED
#define NONE   ARQ_OFFSET_NONE
#define V1     1u
#define V2     0x6b3343cfu

const struct frame_case frame_cases[] = {
	/* --- what is well formed --- */
	{"arp", {.ip = 0}, {0, 0, NONE, NONE, NONE, 0, 0, 0}},
	{"arp in a vlan", {.tags = {0x8100}}, {FVLAN, 0, NONE, NONE, NONE, 0, 0, 0}},
	{"udp4", {.ip = 4, .protocol = 17}, {F4, 0, 14, 34, 42, 17, 0, 0}},
	{"udp4, padded",
	 {.ip = 4, .protocol = 17, .payload = PAYLOAD_EMPTY, .padding = 18},
	 {F4, 0, 14, 34, 42, 17, 0, 0}},
	{"udp4, empty",
	 {.ip = 4, .protocol = 17, .payload = PAYLOAD_EMPTY},
	 {F4, 0, 14, 34, 42, 17, 0, 0}},
	{"udp4, bytes after the datagram",
	 {.ip = 4, .protocol = 17, .l4_length = -4},
	 {F4, 0, 14, 34, 42, 17, 0, 0}},
	{"udp4, vlan",
	 {.tags = {0x8100}, .ip = 4, .protocol = 17},
	 {F4 | FVLAN, 0, 18, 38, 46, 17, 0, 0}},
	{"udp4, provider vlan",
	 {.tags = {0x88a8}, .ip = 4, .protocol = 17},
	 {F4 | FVLAN, 0, 18, 38, 46, 17, 0, 0}},
	{"udp4, two tags",
	 {.tags = {0x88a8, 0x8100}, .ip = 4, .protocol = 17},
	 {F4 | FQINQ, 0, 22, 42, 50, 17, 0, 0}},
	{"udp4, options",
	 {.ip = 4, .options = 4, .protocol = 17},
	 {F4 | FOPT, 0, 14, 38, 46, 17, 0, 0}},
	{"udp4, all options",
	 {.ip = 4, .options = 40, .protocol = 17},
	 {F4 | FOPT, 0, 14, 74, 82, 17, 0, 0}},
	{"tcp4", {.ip = 4, .protocol = 6}, {F4, 0, 14, 34, 54, 6, 0, 0}},
	{"tcp4, options", {.ip = 4, .protocol = 6, .l4_length = 3}, {F4, 0, 14, 34, 66, 6, 0, 0}},
	{"icmp", {.ip = 4, .protocol = 1}, {F4, 0, 14, 34, NONE, 1, 0, 0}},
	{"gre4", {.ip = 4, .protocol = 47}, {F4, 0, 14, NONE, NONE, 47, 0, 0}},
	{"udp6", {.ip = 6, .protocol = 17}, {F6, 0, 14, 54, 62, 17, 0, 0}},
	{"tcp6, two tags",
	 {.tags = {0x8100, 0x8100}, .ip = 6, .protocol = 6},
	 {F6 | FQINQ, 0, 22, 62, 82, 6, 0, 0}},
	{"icmp6", {.ip = 6, .protocol = 58}, {F6, 0, 14, 54, NONE, 58, 0, 0}},
	{"no next header", {.ip = 6, .protocol = 59}, {F6, 0, 14, NONE, NONE, 59, 0, 0}},
	{"udp6, hop by hop",
	 {.ip = 6, .extension_count = 1, .extensions = {0}, .protocol = 17},
	 {F6 | FEXT, 0, 14, 62, 70, 17, 0, 0}},
	{"udp6, authenticated",
	 {.ip = 6, .extension_count = 1, .extensions = {AH}, .protocol = 17},
	 {F6 | FEXT, 0, 14, 66, 74, 17, 0, 0}},
	{"udp6, eight extensions",
	 {.ip = 6,
	  .extension_count = 8,
	  .extensions = {0, 60, 43, 60, 135, 139, 140, 60},
	  .protocol = 17},
	 {F6 | FEXT, 0, 14, 118, 126, 17, 0, 0}},
	/* --- fragments --- */
	{"udp4, first fragment",
	 {.ip = 4, .fragment = 0x2000, .protocol = 17},
	 {F4 | FFIRST, 0, 14, 34, 42, 17, 0, 0}},
	{"udp4, first fragment of a longer datagram",
	 {.ip = 4, .fragment = 0x2000, .protocol = 17, .l4_length = 100},
	 {F4 | FFIRST, 0, 14, 34, 42, 17, 0, 0}},
	{"udp4, later fragment",
	 {.ip = 4, .fragment = 0x2010, .protocol = 17},
	 {F4 | FFRAG, 0, 14, NONE, NONE, 17, 0, 0}},
	{"udp4, last fragment",
	 {.ip = 4, .fragment = 0x0010, .protocol = 17},
	 {F4 | FFRAG, 0, 14, NONE, NONE, 17, 0, 0}},
	{"udp4, do not fragment",
	 {.ip = 4, .fragment = 0x4000, .protocol = 17},
	 {F4, 0, 14, 34, 42, 17, 0, 0}},
	{"udp6, first fragment",
	 {.ip = 6, .extension_count = 1, .extensions = {44}, .fragment = 1, .protocol = 17},
	 {F6 | FFIRST, 0, 14, 62, 70, 17, 0, 0}},
	{"udp6, later fragment",
	 {.ip = 6, .extension_count = 1, .extensions = {44}, .fragment = 0x11, .protocol = 17},
	 {F6 | FFRAG, 0, 14, NONE, NONE, 17, 0, 0}},
	{"udp6, atomic fragment",
	 {.ip = 6, .extension_count = 1, .extensions = {44}, .protocol = 17},
	 {F6, 0, 14, 62, 70, 17, 0, 0}},
	{"udp6, options and first fragment",
	 {.ip = 6, .extension_count = 3, .extensions = {0, 44, 60}, .fragment = 1, .protocol = 17},
	 {F6 | FEXT | FFIRST, 0, 14, 78, 86, 17, 0, 0}},
	/* --- QUIC --- */
	{"initial v1",
	 {.ip = 4, .protocol = 17, .payload = PAYLOAD_INITIAL_V1},
	 {F4 | FINIT, 0, 14, 34, 42, 17, 8, V1}},
	{"initial v2",
	 {.ip = 6, .protocol = 17, .payload = PAYLOAD_INITIAL_V2},
	 {F6 | FINIT, 0, 14, 54, 62, 17, 8, V2}},
	{"handshake v1",
	 {.ip = 4, .protocol = 17, .payload = PAYLOAD_HANDSHAKE_V1},
	 {F4 | FLONG, 0, 14, 34, 42, 17, 8, V1}},
	{"handshake v2",
	 {.ip = 4, .protocol = 17, .payload = PAYLOAD_HANDSHAKE_V2},
	 {F4 | FLONG, 0, 14, 34, 42, 17, 8, V2}},
	{"version negotiation",
	 {.ip = 4, .protocol = 17, .payload = PAYLOAD_VERSION_NEGOTIATION},
	 {F4 | FLONG, 0, 14, 34, 42, 17, 8, 0}},
	{"unknown version",
	 {.ip = 4, .protocol = 17, .payload = PAYLOAD_LONG_UNKNOWN},
	 {F4 | FLONG, 0, 14, 34, 42, 17, 30, 0xfaceb00c}},
	{"connection id too long",
	 {.ip = 4, .protocol = 17, .payload = PAYLOAD_LONG_CID_21},
	 {F4, 0, 14, 34, 42, 17, 0, 0}},
	{"connection id cut",
	 {.ip = 4, .protocol = 17, .payload = PAYLOAD_LONG_CUT},
	 {F4, 0, 14, 34, 42, 17, 0, 0}},
	{"short header",
	 {.ip = 6, .protocol = 17, .payload = PAYLOAD_SHORT},
	 {F6 | FSHORT, 0, 14, 54, 62, 17, 0, 0}},
	{"no fixed bit",
	 {.ip = 4, .protocol = 17, .payload = PAYLOAD_NO_FIXED_BIT},
	 {F4, 0, 14, 34, 42, 17, 0, 0}},
	{"initial in tcp",
	 {.ip = 4, .protocol = 6, .payload = PAYLOAD_INITIAL_V1},
	 {F4, 0, 14, 34, 54, 6, 0, 0}},
	{"initial in a first fragment",
	 {.ip = 4, .fragment = 0x2000, .protocol = 17, .payload = PAYLOAD_INITIAL_V1},
	 {F4 | FFIRST, 0, 14, 34, 42, 17, 0, 0}},
	/* --- what lies --- */
	{"tag cut",
	 {.tags = {0x8100}, .cut = 16},
	 {FBAD, ARQ_REASON_ETH_TRUNCATED, NONE, NONE, NONE, 0, 0, 0}},
	{"second tag cut",
	 {.tags = {0x8100, 0x8100}, .cut = 20},
	 {FVLAN | FBAD, ARQ_REASON_ETH_TRUNCATED, NONE, NONE, NONE, 0, 0, 0}},
	{"three tags",
	 {.tags = {0x8100, 0x8100, 0x8100}, .ip = 4, .protocol = 17},
	 {FQINQ | FBAD, ARQ_REASON_VLAN_DEPTH, NONE, NONE, NONE, 0, 0, 0}},
	{"ipv4 cut",
	 {.ip = 4, .protocol = 17, .cut = 33},
	 {FBAD, ARQ_REASON_IPV4_TRUNCATED, NONE, NONE, NONE, 0, 0, 0}},
	{"ipv4 options cut",
	 {.ip = 4, .options = 8, .protocol = 17, .cut = 40},
	 {F4 | FOPT | FBAD, ARQ_REASON_IPV4_TRUNCATED, 14, NONE, NONE, 17, 0, 0}},
	{"ipv4 version 5",
	 {.ip = 4, .protocol = 17, .version = 5},
	 {F4 | FBAD, ARQ_REASON_IPV4_VERSION, 14, NONE, NONE, 17, 0, 0}},
	{"ipv4 header length 4",
	 {.ip = 4, .protocol = 17, .ihl = 4},
	 {F4 | FBAD, ARQ_REASON_IPV4_HEADER_LENGTH, 14, NONE, NONE, 17, 0, 0}},
	{"ipv4 total length too large",
	 {.ip = 4, .protocol = 17, .ip_length = 1},
	 {F4 | FBAD, ARQ_REASON_IPV4_TOTAL_LENGTH, 14, NONE, NONE, 17, 0, 0}},
	{"ipv4 total length under the header",
	 {.ip = 4, .protocol = 17, .payload = PAYLOAD_EMPTY, .ip_length = -9},
	 {F4 | FBAD, ARQ_REASON_IPV4_TOTAL_LENGTH, 14, NONE, NONE, 17, 0, 0}},
	{"ipv6 cut",
	 {.ip = 6, .protocol = 17, .cut = 53},
	 {FBAD, ARQ_REASON_IPV6_TRUNCATED, NONE, NONE, NONE, 0, 0, 0}},
	{"ipv6 version 4",
	 {.ip = 6, .protocol = 17, .version = 4},
	 {F6 | FBAD, ARQ_REASON_IPV6_VERSION, 14, NONE, NONE, 17, 0, 0}},
	{"ipv6 payload length too large",
	 {.ip = 6, .protocol = 17, .ip_length = 1},
	 {F6 | FBAD, ARQ_REASON_IPV6_PAYLOAD_LENGTH, 14, NONE, NONE, 17, 0, 0}},
	{"ipv6 extension beyond the payload",
	 {.ip = 6,
	  .extension_count = 1,
	  .extensions = {60},
	  .protocol = 59,
	  .payload = PAYLOAD_EMPTY,
	  .ip_length = -1,
	  .padding = 20},
	 {F6 | FBAD, ARQ_REASON_IPV6_EXTENSION, 14, NONE, NONE, 60, 0, 0}},
	{"nine ipv6 extensions",
	 {.ip = 6,
	  .extension_count = 9,
	  .extensions = {60, 60, 60, 60, 60, 60, 60, 60, 60},
	  .protocol = 17},
	 {F6 | FEXT | FBAD, ARQ_REASON_IPV6_EXTENSION, 14, NONE, NONE, 60, 0, 0}},
	{"udp4 header beyond the packet",
	 {.ip = 4, .protocol = 17, .payload = PAYLOAD_EMPTY, .ip_length = -1, .padding = 10},
	 {F4 | FBAD, ARQ_REASON_L4_TRUNCATED, 14, NONE, NONE, 17, 0, 0}},
	{"udp6 header beyond the packet",
	 {.ip = 6, .protocol = 17, .payload = PAYLOAD_EMPTY, .ip_length = -1, .padding = 10},
	 {F6 | FBAD, ARQ_REASON_L4_TRUNCATED, 14, NONE, NONE, 17, 0, 0}},
	{"tcp4 header beyond the packet",
	 {.ip = 4, .protocol = 6, .payload = PAYLOAD_EMPTY, .ip_length = -1, .padding = 10},
	 {F4 | FBAD, ARQ_REASON_L4_TRUNCATED, 14, NONE, NONE, 6, 0, 0}},
	{"icmp header beyond the packet",
	 {.ip = 4, .protocol = 1, .payload = PAYLOAD_EMPTY, .ip_length = -1, .padding = 10},
	 {F4 | FBAD, ARQ_REASON_L4_TRUNCATED, 14, NONE, NONE, 1, 0, 0}},
	{"udp length too large",
	 {.ip = 4, .protocol = 17, .l4_length = 1, .padding = 8},
	 {F4 | FBAD, ARQ_REASON_UDP_LENGTH, 14, 34, 42, 17, 0, 0}},
	{"udp length 7",
	 {.ip = 6, .protocol = 17, .payload = PAYLOAD_EMPTY, .l4_length = -1},
	 {F6 | FBAD, ARQ_REASON_UDP_LENGTH, 14, 54, 62, 17, 0, 0}},
	{"udp length 0 in a first fragment",
	 {.ip = 4, .fragment = 0x2000, .protocol = 17, .payload = PAYLOAD_EMPTY, .l4_length = -8},
	 {F4 | FFIRST | FBAD, ARQ_REASON_UDP_LENGTH, 14, 34, 42, 17, 0, 0}},
	{"tcp data offset 4",
	 {.ip = 4, .protocol = 6, .l4_length = -1},
	 {F4 | FBAD, ARQ_REASON_TCP_HEADER_LENGTH, 14, 34, NONE, 6, 0, 0}},
	{"tcp data offset beyond the packet",
	 {.ip = 6, .protocol = 6, .payload = PAYLOAD_EMPTY, .l4_length = 1, .padding = 30},
	 {F6 | FBAD, ARQ_REASON_TCP_HEADER_LENGTH, 14, 54, NONE, 6, 0, 0}},
};

const size_t frame_case_count = sizeof(frame_cases) / sizeof(frame_cases[0]);

/* --- building --------------------------------------------------------------------------------- */

static void put(struct frame *frame, const void *bytes, size_t count)
{
	memcpy(frame->bytes + frame->length, bytes, count);
	frame->length += count;
}

static void put8(struct frame *frame, unsigned int value)
{
	uint8_t byte = (uint8_t)value;
	put(frame, &byte, 1);
}

static void put16(struct frame *frame, unsigned int value)
{
	uint16_t word = htons((uint16_t)value);
	put(frame, &word, 2);
}

static void put32(struct frame *frame, uint32_t value)
{
	value = htonl(value);
	put(frame, &value, 4);
}

static void put_zeros(struct frame *frame, size_t count)
{
	memset(frame->bytes + frame->length, 0, count);
	frame->length += count;
}

static void set16(struct frame *frame, size_t offset, size_t value)
{
	frame->bytes[offset] = (uint8_t)(value >> 8);
	frame->bytes[offset + 1] = (uint8_t)value;
}

static void put_long_header(struct frame *frame, uint8_t first, uint32_t version, uint8_t dcid)
{
	put8(frame, first);
	put32(frame, version);
	put8(frame, dcid);
	for (uint8_t i = 0; i < dcid; i++)
		put8(frame, 0xd0u + i);
	put8(frame, 4);
	put32(frame, 0x5c1d5c1d);
	put_zeros(frame, 40);
}

static void put_payload(struct frame *frame, enum payload payload)
{
	switch (payload) {
	case PAYLOAD_PLAIN: /* neither QUIC form: the first byte is 0x20 */
		put(frame, " a datagram of some other kind..", 32);
		return;
	case PAYLOAD_EMPTY:
		return;
	case PAYLOAD_INITIAL_V1:
		return put_long_header(frame, 0xc3, V1, 8);
	case PAYLOAD_INITIAL_V2:
		return put_long_header(frame, 0xd3, V2, 8);
	case PAYLOAD_HANDSHAKE_V1:
		return put_long_header(frame, 0xe3, V1, 8);
	case PAYLOAD_HANDSHAKE_V2:
		return put_long_header(frame, 0xc3, V2, 8);
	case PAYLOAD_VERSION_NEGOTIATION:
		return put_long_header(frame, 0x8a, 0, 8);
	case PAYLOAD_LONG_UNKNOWN:
		return put_long_header(frame, 0xc3, 0xfaceb00c, 30);
	case PAYLOAD_LONG_CID_21:
		return put_long_header(frame, 0xc3, V1, 21);
	case PAYLOAD_LONG_CUT:
		put_long_header(frame, 0xc3, V1, 20);
		frame->length -= 46;
		return;
	case PAYLOAD_SHORT:
		put8(frame, 0x5b);
		put_zeros(frame, 30);
		return;
	case PAYLOAD_NO_FIXED_BIT:
		put8(frame, 0x1b);
		put_zeros(frame, 30);
		return;
	}
}

static void put_l4(struct frame *frame, const struct frame_spec *spec)
{
	size_t start = frame->length;
	unsigned int port = spec->port ? spec->port : 443;

	switch (spec->protocol) {
	case IPPROTO_UDP:
		put16(frame, 50000);
		put16(frame, port);
		put32(frame, 0);
		put_payload(frame, spec->payload);
		put_zeros(frame, spec->fill);
		set16(frame, start + 4, frame->length - start + (size_t)spec->l4_length);
		return;
	case IPPROTO_TCP:
		put16(frame, 50000);
		put16(frame, port);
		put_zeros(frame, 8);
		put8(frame, (unsigned int)(5 + spec->l4_length) << 4);
		put8(frame, spec->tcp_flags ? spec->tcp_flags : 0x10);
		put_zeros(frame, 6);
		break;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		put8(frame, 8);
		put_zeros(frame, 7);
		break;
	default:
		break;
	}
	put_payload(frame, spec->payload);
	put_zeros(frame, spec->fill);
}

static void put_ipv4(struct frame *frame, const struct frame_spec *spec)
{
	size_t start = frame->length;
	unsigned int ihl = spec->ihl ? spec->ihl : 5u + spec->options / 4u;

	put8(frame, (spec->version ? spec->version : 4u) << 4 | ihl);
	put_zeros(frame, 5);
	put16(frame, spec->fragment);
	put8(frame, 64);
	put8(frame, spec->protocol);
	put_zeros(frame, 2);
	put32(frame, 0xc6336400 | spec->source); /* 198.51.100.x */
	put32(frame, 0xc0000201); /* 192.0.2.1 */
	for (uint8_t i = 0; i < spec->options; i++)
		put8(frame, 1);
	put_l4(frame, spec);
	set16(frame, start + 2, frame->length - start + (size_t)spec->ip_length);
}

static void put_extension(struct frame *frame, const struct frame_spec *spec, uint8_t index)
{
	uint8_t kind = spec->extensions[index];

	put8(frame,
	     index + 1 < spec->extension_count ? spec->extensions[index + 1] : spec->protocol);
	put8(frame, kind == AH ? 1 : 0);
	if (kind == 44)
		put16(frame, spec->fragment);
	else
		put16(frame, 0x0104);
	put_zeros(frame, kind == AH ? 8 : 4);
}

static void put_ipv6(struct frame *frame, const struct frame_spec *spec)
{
	static const uint8_t network[12] = {0x20, 0x01, 0x0d, 0xb8};
	size_t start = frame->length;

	put32(frame, (spec->version ? spec->version : 6u) << 28);
	put16(frame, 0);
	put8(frame, spec->extension_count ? spec->extensions[0] : spec->protocol);
	put8(frame, 64);
	put(frame, network, sizeof(network));
	put32(frame, spec->source);
	put(frame, network, sizeof(network));
	put32(frame, 1);
	for (uint8_t i = 0; i < spec->extension_count; i++)
		put_extension(frame, spec, i);
	put_l4(frame, spec);
	set16(frame, start + 4, frame->length - start - 40 + (size_t)spec->ip_length);
}

void frame_build(struct frame *frame, const struct frame_spec *spec)
{
	static const uint8_t macs[12] = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2};

	frame->length = 0;
	put(frame, macs, sizeof(macs));
	for (size_t i = 0; i < 3 && spec->tags[i]; i++) {
		put16(frame, spec->tags[i]);
		put16(frame, 0x6000 | (100 + (unsigned int)i));
	}
	put16(frame, spec->ip == 4 ? ETH_P_IP : spec->ip == 6 ? ETH_P_IPV6 : ETH_P_ARP);
	if (spec->ip == 4)
		put_ipv4(frame, spec);
	else if (spec->ip == 6)
		put_ipv6(frame, spec);
	else
		put_zeros(frame, 28);
	put_zeros(frame, spec->padding);
	if (spec->cut)
		frame->length = spec->cut;
}

/* --- the parser to compare with --------------------------------------------------------------- */

void reference_parse(const struct frame *frame, struct arq_packet *packet)
{
	struct arq_packet found;

	arq_reference_parse(frame->bytes, frame->length, &found);
	found.data = packet->data;
	found.data_end = packet->data_end;
	found.ifindex = packet->ifindex;
	found.queue = packet->queue;
	*packet = found;
}

bool packet_equal(const struct arq_packet *a, const struct arq_packet *b)
{
	return a->data == b->data && a->data_end == b->data_end && a->ifindex == b->ifindex &&
	       a->queue == b->queue && a->flags == b->flags && a->length == b->length &&
	       a->quic_version == b->quic_version && a->flow_hash == b->flow_hash &&
	       a->l3_offset == b->l3_offset && a->l4_offset == b->l4_offset &&
	       a->payload_offset == b->payload_offset && a->ethertype == b->ethertype &&
	       a->vlan_id == b->vlan_id && a->dcid_offset == b->dcid_offset &&
	       a->dcid_length == b->dcid_length && a->protocol == b->protocol &&
	       a->reason == b->reason;
}

/* --- chance ----------------------------------------------------------------------------------- */

uint64_t random_next(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * 0x2545f4914f6cdd1d;
}

void frame_mutate(struct frame *frame, uint64_t *random)
{
	/* Values at which decisions turn. */
	static const uint8_t turning[] = {0,  1,  4,  5,  6,  7,   8,   17,   43,   44,   51,  58,
					  59, 60, 69, 79, 96, 127, 128, 0x81, 0x88, 0xa8, 192, 255};

	frame_build(frame, &frame_cases[random_next(random) % frame_case_count].spec);
	unsigned int changes = random_next(random) % 4;
	for (unsigned int i = 0; i <= changes; i++) {
		size_t offset = 12 + random_next(random) % (frame->length - 12);
		frame->bytes[offset] = random_next(random) % 2
					       ? turning[random_next(random) % sizeof(turning)]
					       : (uint8_t)random_next(random);
	}
	if (random_next(random) % 4 == 0)
		frame->length = 14 + random_next(random) % (frame->length - 13);
}
