/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What flow a packet belongs to, read from the head of it that a sample carries. Reads no byte
 * beyond what was captured; what is cut off, fragmented or not understood is left zero.
 * Thread-safe, no allocation.
 */
#ifndef ARQUANT_PROGS_SAMPLER_FLOW_H
#define ARQUANT_PROGS_SAMPLER_FLOW_H

#include "userspace/common/prefix.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arq_flow {
	uint8_t family; /* AF_INET, AF_INET6; 0 for neither */
	uint8_t protocol; /* IP protocol after extension headers; 0 without IP */
	uint16_t ethertype; /* after VLAN tags, host byte order; 0 when cut off */
	uint16_t vlan; /* outermost tag's id, 0 for none */
	uint16_t source_port; /* host byte order; 0 where there is none */
	uint16_t destination_port;
	uint32_t quic_version; /* of a UDP payload that is a QUIC long header, else 0 */
	uint8_t source[16]; /* network byte order; IPv4 uses the first four, the rest is zero */
	uint8_t destination[16];
};

/* `head` begins with the Ethernet header and has `captured` bytes. */
void arq_flow_read(const uint8_t *head, size_t captured, struct arq_flow *flow);

/* Is the address (of the flow's family) in the prefix? */
bool arq_flow_in_prefix(const struct arq_flow *flow, const uint8_t address[16],
			const struct arq_prefix *prefix);

/* Writes an address of the flow, "-" for none; returns `text`. */
const char *arq_flow_address(const struct arq_flow *flow, const uint8_t address[16],
			     char text[INET6_ADDRSTRLEN]);

/* "udp", "tcp", "icmp", "icmpv6", "sctp", "esp", "gre"; NULL for others. */
const char *arq_protocol_name(uint8_t protocol);

/* Protocol of a name as above or a number 0 to 255; -1 for none of them. */
int arq_protocol_parse(const char *text);

#endif
