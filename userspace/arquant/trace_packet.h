/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A packet that somebody described by options, as a frame: Ethernet, VLAN tags, IPv4 or IPv6, and
 * UDP, TCP or ICMP, with right lengths and checksums. Pure functions, no allocation.
 */
#ifndef ARQUANT_COMMAND_TRACE_PACKET_H
#define ARQUANT_COMMAND_TRACE_PACKET_H

#include "userspace/common/address.h"
#include "userspace/common/error.h"

#include <stddef.h>
#include <stdint.h>

/* The largest IP packet, behind an Ethernet header and two tags. */
#define ARQ_TRACE_PACKET_MAX (14 + 2 * 4 + 65535)

#define ARQ_TRACE_TAGS_MAX 2

enum arq_trace_quic {
	ARQ_TRACE_QUIC_NONE,
	ARQ_TRACE_QUIC_INITIAL, /* long header of version 1 */
	ARQ_TRACE_QUIC_SHORT,
};

struct arq_trace_spec {
	int protocol; /* IPPROTO_UDP, IPPROTO_TCP, IPPROTO_ICMP (of IPv6: ICMPv6); 0: not said yet
		       */
	union arq_address from; /* of one family; ports do not matter to ICMP */
	union arq_address to;
	uint16_t tags[ARQ_TRACE_TAGS_MAX]; /* VLAN ids, outer first */
	unsigned int tag_count;
	uint8_t ttl; /* TTL or hop limit */
	uint8_t dscp;
	uint8_t tcp_flags; /* CWR (0x80) to FIN (0x01) */
	uint8_t icmp_type;
	uint8_t icmp_code;
	size_t length; /* of the IP packet in bytes; 0: what it takes */
	enum arq_trace_quic quic;
};

/* Reads "ADDR" (port `port`), "ADDR:PORT" or "[ADDR]:PORT". Returns 0 or -EINVAL. */
int arq_trace_parse_end(const char *text, uint16_t port, union arq_address *address);

/* Reads "syn,ack" into bits. Returns 0 or -EINVAL. */
int arq_trace_parse_tcp_flags(const char *text, uint8_t *flags);

/*
 * Reads digits of bytes, which blanks, line breaks and colons may part. Returns 0 and *length, or a
 * negative errno with the reason in `error`.
 */
int arq_trace_parse_hex(const char *text, uint8_t frame[ARQ_TRACE_PACKET_MAX], size_t *length,
			struct arq_error *error);

/*
 * Writes the frame and its *length. Returns 0, or -EINVAL with the reason in `error`: addresses of
 * two families, or a length that is too small for the headers.
 */
int arq_trace_build(const struct arq_trace_spec *spec, uint8_t frame[ARQ_TRACE_PACKET_MAX],
		    size_t *length, struct arq_error *error);

#endif
