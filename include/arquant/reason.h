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
	X(19, DEFAULT, "default", "no firewall rule matched, and the default is drop")            \
	X(20, IPV4_OPTIONS, "ipv4-options", "IPv4 header with options")                           \
	X(21, IPV4_EVIL_BIT, "ipv4-evil-bit", "IPv4 header with the reserved flag (RFC 3514)")    \
	X(22, FRAGMENT, "fragment", "fragment, dropped without an answer")                        \
	X(23, TOO_BIG_SENT, "too-big-sent", "first fragment, answered with packet too big")       \
	X(24, TOO_BIG_LIMITED, "too-big-limited",                                                 \
	  "first fragment, not answered: beyond the rate of packet-too-big answers")              \
	X(25, QUIC_HEADER, "quic-header",                                                         \
	  "QUIC long header cut off, or with a connection ID longer than its version has")        \
	X(26, QUIC_FIXED_BIT, "quic-fixed-bit", "QUIC packet without the fixed bit")              \
	X(27, QUIC_INITIAL_SIZE, "quic-initial-size",                                             \
	  "QUIC Initial in a datagram under 1200 bytes")                                          \
	X(28, QUIC_DCID_LENGTH, "quic-dcid-length",                                               \
	  "QUIC Initial with a destination connection ID under 8 bytes")                          \
	X(29, QUIC_VERSION, "quic-version", "QUIC of an unknown version, beyond their rate")      \
	X(30, QUIC_INITIAL_LIMIT, "quic-initial-limit",                                           \
	  "QUIC Initial beyond the rate of its source")                                           \
	X(31, KNOCK, "knock", "packet to a port of a knock")                                      \
	X(32, KNOCK_DONE, "knock-done", "the last packet of a knock, which opened its ports")     \
	X(33, KNOCK_CLOSED, "knock-closed", "packet to a port that the source has not opened")    \
	X(34, QUIC_ALL_INITIALS, "quic-all-initials",                                             \
	  "QUIC Initial beyond the rate of all sources together")

enum arq_reason {
#define ARQ_REASON_ENUM(number, constant, name, meaning) ARQ_REASON_##constant = (number),
	ARQ_REASONS(ARQ_REASON_ENUM)
#undef ARQ_REASON_ENUM
	/* Room in the counters; the compiler says so when the list outgrows it. */
	ARQ_REASON_MAX = 54,
};

#endif
