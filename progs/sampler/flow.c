// SPDX-License-Identifier: BSD-2-Clause
#include "progs/sampler/flow.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VLAN_MAX       2
#define EXTENSIONS_MAX 8 /* as many as the XDP programs follow */

/* RFC 9000, 17.2: first byte of a long header, fixed bit included. */
#define QUIC_LONG 0xc0

struct cursor {
	const uint8_t *at;
	size_t left;
};

static const struct {
	uint8_t protocol;
	const char *name;
} protocols[] = {
	{IPPROTO_ICMP, "icmp"}, {IPPROTO_TCP, "tcp"}, {IPPROTO_UDP, "udp"},
	{IPPROTO_GRE, "gre"},   {IPPROTO_ESP, "esp"}, {IPPROTO_ICMPV6, "icmpv6"},
	{IPPROTO_SCTP, "sctp"},
};

#define PROTOCOLS (sizeof(protocols) / sizeof(protocols[0]))

/* Goes over `size` bytes and returns where they are, or NULL when they were not captured. */
static const uint8_t *take(struct cursor *cursor, size_t size)
{
	const uint8_t *at = cursor->at;

	if (cursor->left < size)
		return NULL;
	cursor->at += size;
	cursor->left -= size;
	return at;
}

static uint16_t read16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

static uint32_t read32(const uint8_t *at)
{
	return (uint32_t)read16(at) << 16 | read16(at + 2);
}

static void read_transport(struct cursor *cursor, struct arq_flow *flow)
{
	bool udp = flow->protocol == IPPROTO_UDP;

	if (!udp && flow->protocol != IPPROTO_TCP && flow->protocol != IPPROTO_SCTP)
		return;
	const uint8_t *ports = take(cursor, 4);
	if (!ports)
		return;
	flow->source_port = read16(ports);
	flow->destination_port = read16(ports + 2);
	if (!udp || !take(cursor, 4))
		return;
	const uint8_t *payload = take(cursor, 5);
	if (payload && (payload[0] & QUIC_LONG) == QUIC_LONG)
		flow->quic_version = read32(payload + 1);
}

static void read_ipv4(struct cursor *cursor, struct arq_flow *flow)
{
	const uint8_t *ip = take(cursor, 20);

	if (!ip || ip[0] >> 4 != 4)
		return;
	size_t header = (ip[0] & 0xfu) * 4u;
	bool later_fragment = read16(ip + 6) & 0x1fffu;

	flow->family = AF_INET;
	flow->protocol = ip[9];
	memcpy(flow->source, ip + 12, 4);
	memcpy(flow->destination, ip + 16, 4);
	if (header >= 20 && !later_fragment && take(cursor, header - 20))
		read_transport(cursor, flow);
}

/* Goes over one extension header. Returns whether there may be more behind it. */
static bool take_extension(struct cursor *cursor, struct arq_flow *flow)
{
	const uint8_t *header = NULL;

	switch (flow->protocol) {
	case IPPROTO_HOPOPTS:
	case IPPROTO_ROUTING:
	case IPPROTO_DSTOPTS:
		header = take(cursor, 8);
		if (!header || !take(cursor, (size_t)header[1] * 8))
			return false;
		break;
	case IPPROTO_FRAGMENT:
		header = take(cursor, 8);
		if (!header)
			return false;
		if (read16(header + 2) & 0xfff8u)
			cursor->left = 0; /* a later fragment: no transport header follows */
		break;
	default:
		return false;
	}
	flow->protocol = header[0];
	return true;
}

static void read_ipv6(struct cursor *cursor, struct arq_flow *flow)
{
	const uint8_t *ip = take(cursor, 40);

	if (!ip || ip[0] >> 4 != 6)
		return;
	flow->family = AF_INET6;
	flow->protocol = ip[6];
	memcpy(flow->source, ip + 8, 16);
	memcpy(flow->destination, ip + 24, 16);
	for (int i = 0; i < EXTENSIONS_MAX && take_extension(cursor, flow); i++)
		;
	read_transport(cursor, flow);
}

void arq_flow_read(const uint8_t *head, size_t captured, struct arq_flow *flow)
{
	struct cursor cursor = {head, captured};
	const uint8_t *ethernet = take(&cursor, ETH_HLEN);

	memset(flow, 0, sizeof(*flow));
	if (!ethernet)
		return;
	uint16_t type = read16(ethernet + 12);
	for (int i = 0; i < VLAN_MAX && (type == ETH_P_8021Q || type == ETH_P_8021AD); i++) {
		const uint8_t *tag = take(&cursor, 4);
		if (!tag)
			return;
		if (i == 0)
			flow->vlan = read16(tag) & 0xfffu;
		type = read16(tag + 2);
	}
	flow->ethertype = type;
	if (type == ETH_P_IP)
		read_ipv4(&cursor, flow);
	else if (type == ETH_P_IPV6)
		read_ipv6(&cursor, flow);
}

bool arq_flow_in_prefix(const struct arq_flow *flow, const uint8_t address[16],
			const struct arq_prefix *prefix)
{
	size_t bytes = prefix->length / 8u;
	unsigned int bits = prefix->length % 8u;

	if (flow->family != prefix->family || memcmp(address, prefix->address, bytes) != 0)
		return false;
	return !bits || (address[bytes] ^ prefix->address[bytes]) >> (8 - bits) == 0;
}

const char *arq_flow_address(const struct arq_flow *flow, const uint8_t address[16],
			     char text[INET6_ADDRSTRLEN])
{
	if (!flow->family || !inet_ntop(flow->family, address, text, INET6_ADDRSTRLEN))
		snprintf(text, INET6_ADDRSTRLEN, "-");
	return text;
}

const char *arq_protocol_name(uint8_t protocol)
{
	for (size_t i = 0; i < PROTOCOLS; i++) {
		if (protocols[i].protocol == protocol)
			return protocols[i].name;
	}
	return NULL;
}

int arq_protocol_parse(const char *text)
{
	for (size_t i = 0; i < PROTOCOLS; i++) {
		if (strcmp(protocols[i].name, text) == 0)
			return protocols[i].protocol;
	}
	size_t digits = strspn(text, "0123456789");
	if (digits == 0 || digits > 3 || text[digits])
		return -1;
	long number = strtol(text, NULL, 10);
	return number <= UINT8_MAX ? (int)number : -1;
}
