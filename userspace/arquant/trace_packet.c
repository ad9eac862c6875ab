// SPDX-License-Identifier: BSD-2-Clause
#include "userspace/arquant/trace_packet.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define IPV4_HEADER 20
#define IPV6_HEADER 40
#define UDP_HEADER  8
#define TCP_HEADER  20
#define ICMP_HEADER 8

/* RFC 9000, 14.1: a datagram with an Initial packet has so many bytes at least. */
#define QUIC_INITIAL_PAYLOAD 1200
#define QUIC_SHORT_PAYLOAD   64
#define PLAIN_PAYLOAD        32

/* RFC 9000, 17.2 and 17.3. */
#define QUIC_FIRST_INITIAL 0xc3
#define QUIC_FIRST_SHORT   0x43
#define QUIC_VERSION_1     1
#define QUIC_CID           8

/* --- reading ---------------------------------------------------------------------------------- */

int arq_trace_parse_end(const char *text, uint16_t port, union arq_address *address)
{
	memset(address, 0, sizeof(*address));
	if (inet_pton(AF_INET, text, &address->in.sin_addr) == 1) {
		address->in.sin_family = AF_INET;
		address->in.sin_port = htons(port);
		return 0;
	}
	if (inet_pton(AF_INET6, text, &address->in6.sin6_addr) == 1) {
		address->in6.sin6_family = AF_INET6;
		address->in6.sin6_port = htons(port);
		return 0;
	}
	return arq_address_parse(address, text);
}

int arq_trace_parse_tcp_flags(const char *text, uint8_t *flags)
{
	/* By bit, FIN first. */
	static const char *const names[] = {"fin", "syn", "rst", "psh", "ack", "urg", "ece", "cwr"};

	*flags = 0;
	for (;;) {
		size_t length = strcspn(text, ",");
		unsigned int bit = 0;
		while (bit < 8 &&
		       (strlen(names[bit]) != length || strncmp(text, names[bit], length) != 0))
			bit++;
		if (bit == 8)
			return -EINVAL;
		*flags |= (uint8_t)(1u << bit);
		if (!text[length])
			return 0;
		text += length + 1;
	}
}

static int digit_value(char digit)
{
	if (digit >= '0' && digit <= '9')
		return digit - '0';
	return digit >= 'a' && digit <= 'f'   ? digit - 'a' + 10
	       : digit >= 'A' && digit <= 'F' ? digit - 'A' + 10
					      : -1;
}

int arq_trace_parse_hex(const char *text, uint8_t frame[ARQ_TRACE_PACKET_MAX], size_t *length,
			struct arq_error *error)
{
	size_t count = 0;

	for (const char *at = text; *at;) {
		if (isspace((unsigned char)*at) || *at == ':') {
			at++;
			continue;
		}
		int high = digit_value(at[0]);
		int low = high < 0 ? -1 : digit_value(at[1]);
		if (low < 0)
			return arq_error_set(error, -EINVAL,
					     "--hex: character %zu is not part of a byte of two "
					     "hexadecimal digits",
					     (size_t)(at - text) + 1);
		if (count == ARQ_TRACE_PACKET_MAX)
			return arq_error_set(error, -EINVAL, "--hex: more than %d bytes",
					     ARQ_TRACE_PACKET_MAX);
		frame[count++] = (uint8_t)(high << 4 | low);
		at += 2;
	}
	*length = count;
	return 0;
}

/* --- building --------------------------------------------------------------------------------- */

static void set16(uint8_t *at, size_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

/* Of the Internet checksum: adds bytes to a sum of 16-bit words. */
static uint32_t sum_add(uint32_t sum, const uint8_t *bytes, size_t count)
{
	for (size_t i = 0; i + 1 < count; i += 2)
		sum += (uint32_t)bytes[i] << 8 | bytes[i + 1];
	if (count % 2)
		sum += (uint32_t)bytes[count - 1] << 8;
	return (sum & 0xffff) + (sum >> 16);
}

static uint16_t sum_fold(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

/* Addresses of the IP header, protocol and length come before the header (RFC 9293, RFC 8200). */
static uint16_t sum_l4(const uint8_t *addresses, size_t addresses_size, int protocol,
		       const uint8_t *l4, size_t size)
{
	const uint8_t pseudo[] = {0, (uint8_t)protocol, (uint8_t)(size >> 8), (uint8_t)size};
	uint32_t sum = addresses ? sum_add(0, addresses, addresses_size) : 0;

	if (addresses)
		sum = sum_add(sum, pseudo, sizeof(pseudo));
	return sum_fold(sum_add(sum, l4, size));
}

static bool is_ipv6(const struct arq_trace_spec *spec)
{
	return spec->to.sa.sa_family == AF_INET6;
}

static size_t l4_header(const struct arq_trace_spec *spec)
{
	return spec->protocol == IPPROTO_UDP   ? UDP_HEADER
	       : spec->protocol == IPPROTO_TCP ? TCP_HEADER
					       : ICMP_HEADER;
}

static size_t usual_payload(const struct arq_trace_spec *spec)
{
	if (spec->quic == ARQ_TRACE_QUIC_INITIAL)
		return QUIC_INITIAL_PAYLOAD;
	if (spec->quic == ARQ_TRACE_QUIC_SHORT)
		return QUIC_SHORT_PAYLOAD;
	return spec->protocol == IPPROTO_TCP ? 0 : PLAIN_PAYLOAD;
}

/* The least that a payload needs to be what it is said to be. */
static size_t least_payload(const struct arq_trace_spec *spec)
{
	if (spec->quic == ARQ_TRACE_QUIC_INITIAL)
		return 1 + 4 + 1 + QUIC_CID + 1;
	return spec->quic == ARQ_TRACE_QUIC_SHORT ? 1 + QUIC_CID : 0;
}

static void put_payload(const struct arq_trace_spec *spec, uint8_t *payload)
{
	switch (spec->quic) {
	case ARQ_TRACE_QUIC_NONE:
		return;
	case ARQ_TRACE_QUIC_INITIAL:
		payload[0] = QUIC_FIRST_INITIAL;
		payload[4] = QUIC_VERSION_1;
		payload[5] = QUIC_CID;
		memset(payload + 6, 0xd0, QUIC_CID);
		return;
	case ARQ_TRACE_QUIC_SHORT:
		payload[0] = QUIC_FIRST_SHORT;
		memset(payload + 1, 0xd0, QUIC_CID);
		return;
	}
}

static size_t put_ethernet(const struct arq_trace_spec *spec, uint8_t *frame)
{
	/* Locally administered addresses, as no real card has. */
	static const uint8_t addresses[] = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2};
	size_t at = sizeof(addresses);

	memcpy(frame, addresses, sizeof(addresses));
	for (unsigned int i = 0; i < spec->tag_count; i++, at += 4) {
		bool outer = i + 1 < spec->tag_count;
		set16(frame + at, outer ? ETH_P_8021AD : ETH_P_8021Q);
		set16(frame + at + 2, spec->tags[i]);
	}
	set16(frame + at, is_ipv6(spec) ? ETH_P_IPV6 : ETH_P_IP);
	return at + 2;
}

static void put_ipv4(const struct arq_trace_spec *spec, uint8_t *ip, size_t size)
{
	ip[0] = 0x45;
	ip[1] = (uint8_t)(spec->dscp << 2);
	set16(ip + 2, size);
	ip[6] = 0x40; /* do not fragment */
	ip[8] = spec->ttl;
	ip[9] = (uint8_t)spec->protocol;
	memcpy(ip + 12, &spec->from.in.sin_addr, 4);
	memcpy(ip + 16, &spec->to.in.sin_addr, 4);
	set16(ip + 10, sum_l4(NULL, 0, 0, ip, IPV4_HEADER));
}

static void put_ipv6(const struct arq_trace_spec *spec, uint8_t *ip, size_t size)
{
	ip[0] = (uint8_t)(0x60 | spec->dscp >> 2);
	ip[1] = (uint8_t)(spec->dscp << 6);
	set16(ip + 4, size - IPV6_HEADER);
	ip[6] = spec->protocol == IPPROTO_ICMP ? IPPROTO_ICMPV6 : (uint8_t)spec->protocol;
	ip[7] = spec->ttl;
	memcpy(ip + 8, &spec->from.in6.sin6_addr, 16);
	memcpy(ip + 24, &spec->to.in6.sin6_addr, 16);
}

static void put_l4(const struct arq_trace_spec *spec, uint8_t *l4, size_t size,
		   const uint8_t *addresses, size_t addresses_size)
{
	size_t checksum = 16; /* of TCP: offset in its header */

	if (spec->protocol == IPPROTO_ICMP) {
		l4[0] = spec->icmp_type;
		l4[1] = spec->icmp_code;
		bool pseudo = is_ipv6(spec);
		set16(l4 + 2,
		      sum_l4(pseudo ? addresses : NULL, addresses_size, IPPROTO_ICMPV6, l4, size));
		return;
	}
	set16(l4, arq_address_port(&spec->from));
	set16(l4 + 2, arq_address_port(&spec->to));
	if (spec->protocol == IPPROTO_UDP) {
		checksum = 6;
		set16(l4 + 4, size);
		put_payload(spec, l4 + UDP_HEADER);
	} else {
		l4[12] = TCP_HEADER / 4 << 4;
		l4[13] = spec->tcp_flags;
		set16(l4 + 14, 65535); /* window */
	}
	uint16_t sum = sum_l4(addresses, addresses_size, spec->protocol, l4, size);
	/* RFC 768: a sum of 0 is sent as its other form; 0 means none. */
	set16(l4 + checksum, sum || spec->protocol != IPPROTO_UDP ? sum : 0xffff);
}

int arq_trace_build(const struct arq_trace_spec *spec, uint8_t frame[ARQ_TRACE_PACKET_MAX],
		    size_t *length, struct arq_error *error)
{
	size_t ip_header = is_ipv6(spec) ? IPV6_HEADER : IPV4_HEADER;
	size_t headers = ip_header + l4_header(spec);

	if (spec->from.sa.sa_family != spec->to.sa.sa_family)
		return arq_error_set(error, -EINVAL,
				     "--from and --to are addresses of different families");
	size_t size = spec->length ? spec->length : headers + usual_payload(spec);
	if (size < headers + least_payload(spec))
		return arq_error_set(error, -EINVAL,
				     "--length %zu is too short; this packet takes %zu bytes from "
				     "its IP header on",
				     size, headers + least_payload(spec));
	memset(frame, 0, 14 + 4 * ARQ_TRACE_TAGS_MAX + size);
	size_t l3 = put_ethernet(spec, frame);
	uint8_t *ip = frame + l3;
	if (is_ipv6(spec))
		put_ipv6(spec, ip, size);
	else
		put_ipv4(spec, ip, size);
	put_l4(spec, ip + ip_header, size - ip_header, ip + (is_ipv6(spec) ? 8 : 12),
	       is_ipv6(spec) ? 32 : 8);
	*length = l3 + size;
	return 0;
}
