/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A packet's head in a few words, for people: addresses, ports, protocol. Reads no byte beyond what
 * was captured, and says where a packet is cut off or not understood. Thread-safe, no allocation.
 */
#ifndef ARQUANT_PROGS_SAMPLER_SUMMARY_H
#define ARQUANT_PROGS_SAMPLER_SUMMARY_H

#include <stddef.h>
#include <stdint.h>

/* Two IPv6 addresses with ports, two VLAN tags, and the protocol. */
#define ARQ_SUMMARY_MAX 192

/*
 * Writes for example "vlan 5 192.0.2.1:4433 > 198.51.100.7:443 udp", "fe80::1 > ff02::1 icmpv6
 * type 135", "arp", "ipv4 truncated". `head` begins with the Ethernet header and has `captured`
 * bytes. Returns `text`.
 */
const char *arq_packet_summary(const uint8_t *head, size_t captured, char text[ARQ_SUMMARY_MAX]);

#endif
