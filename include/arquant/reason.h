/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Why a packet was not simply passed: one list for the whole suite. The names are stable; they
 * appear in every output. New reasons go to the end, numbers never change.
 */
#ifndef ARQUANT_REASON_H
#define ARQUANT_REASON_H

/*	 number, constant, name, what it means */
#define ARQ_REASONS(X)                                                                            \
	X(0, NONE, "none", "the packet was simply passed")                                        \
	X(1, ETH_TRUNCATED, "eth-truncated", "frame ends inside the Ethernet or VLAN header")     \
	X(2, IPV4_TRUNCATED, "ipv4-truncated", "frame ends inside the IPv4 header")               \
	X(3, IPV4_VERSION, "ipv4-version", "version field of the IPv4 header is not 4")           \
	X(4, IPV4_HEADER_LENGTH, "ipv4-header-length", "IPv4 header length under 20 bytes")       \
	X(5, IPV4_TOTAL_LENGTH, "ipv4-total-length",                                              \
	  "IPv4 total length beyond the frame or under the header")                               \
	X(6, IPV6_TRUNCATED, "ipv6-truncated", "frame ends inside the IPv6 header")               \
	X(7, IPV6_VERSION, "ipv6-version", "version field of the IPv6 header is not 6")           \
	X(8, IPV6_PAYLOAD_LENGTH, "ipv6-payload-length", "IPv6 payload length beyond the frame")  \
	X(9, IPV6_EXTENSION, "ipv6-extension",                                                    \
	  "IPv6 extension headers are truncated or more than the parser follows")                 \
	X(10, L4_TRUNCATED, "l4-truncated", "IP payload ends inside the TCP, UDP or ICMP header") \
	X(11, UDP_LENGTH, "udp-length", "UDP length beyond the IP payload or under 8 bytes")      \
	X(12, TCP_HEADER_LENGTH, "tcp-header-length",                                             \
	  "TCP data offset beyond the IP payload or under 20 bytes")                              \
	X(13, RULE, "rule", "a firewall rule dropped the packet")                                 \
	X(14, SERVICE, "service", "UDP datagram to a service, handed to its AF_XDP socket")       \
	X(15, NO_SOCKET, "no-socket",                                                             \
	  "UDP datagram to a service whose queue has no AF_XDP socket")                           \
	X(16, VLAN_DEPTH, "vlan-depth", "more than two VLAN tags")                                \
	X(17, LIMIT, "limit", "beyond the limit of the firewall rule that matched")               \
	X(18, BLOCKED, "blocked", "the source is blocked for a time")                             \
	X(19, DEFAULT, "default", "no firewall rule matched, and the default is drop")

enum arq_reason {
#define ARQ_REASON_ENUM(number, constant, name, meaning) ARQ_REASON_##constant = (number),
	ARQ_REASONS(ARQ_REASON_ENUM)
#undef ARQ_REASON_ENUM
	/* Room in the counters; the compiler says so when the list outgrows it. */
	ARQ_REASON_MAX = 54,
};

#endif
