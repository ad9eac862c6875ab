// SPDX-License-Identifier: BSD-2-Clause
/* Packets in a few words: each form, and no byte read beyond what was captured. */
#include "progs/sampler/summary.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#define ETHERNET "\x02\0\0\0\0\1\x02\0\0\0\0\2"
#define IPV4(protocol, offset) \
	"\x08\0"               \
	"\x45\0\0\x3c\0\0" offset "\x40" protocol "\0\0\xc0\0\2\1\xc6\x33\x64\7"
#define IPV6(next)                     \
	"\x86\xdd"                     \
	"\x60\0\0\0\0\x20" next "\x40" \
	"\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1\xff\2\0\0\0\0\0\0\0\0\0\0\0\0\0\1"
#define PORTS "\x11\x51\1\xbb"

static const struct {
	const char *bytes;
	size_t size;
	const char *text;
} packets[] = {
#define PACKET(bytes, text)                    \
	{                                      \
		bytes, sizeof(bytes) - 1, text \
	}
	PACKET("", "ethernet truncated"),
	PACKET(ETHERNET "\x08", "ethernet truncated"),
	PACKET(ETHERNET "\x08\6", "arp"),
	PACKET(ETHERNET "\x88\xcc", "ethertype 0x88cc"),
	PACKET(ETHERNET "\x81\0\0\5", "vlan truncated"),
	PACKET(ETHERNET "\x81\0\0\5\x08\6", "vlan 5 arp"),
	PACKET(ETHERNET "\x88\xa8\x20\5\x81\0\xe0\6" IPV4("\x11", "\0\0") PORTS,
	       "vlan 5 vlan 6 192.0.2.1:4433 > 198.51.100.7:443 udp"),
	PACKET(ETHERNET "\x81\0\0\5\x81\0\0\6\x81\0\0\7", "vlan 5 vlan 6 ethertype 0x8100"),
	PACKET(ETHERNET IPV4("\x11", "\0\0") PORTS, "192.0.2.1:4433 > 198.51.100.7:443 udp"),
	PACKET(ETHERNET IPV4("\6", "\x20\0") PORTS, "192.0.2.1:4433 > 198.51.100.7:443 tcp"),
	PACKET(ETHERNET IPV4("\x84", "\0\0") PORTS, "192.0.2.1:4433 > 198.51.100.7:443 sctp"),
	PACKET(ETHERNET IPV4("\1", "\0\0") "\3\4", "192.0.2.1 > 198.51.100.7 icmp type 3 code 4"),
	PACKET(ETHERNET IPV4("\x2f", "\0\0"), "192.0.2.1 > 198.51.100.7 protocol 47"),
	PACKET(ETHERNET IPV4("\x11", "\0\0") "\x11\x51\1",
	       "192.0.2.1 > 198.51.100.7 udp truncated"),
	PACKET(ETHERNET IPV4("\x11", "\x20\2"),
	       "192.0.2.1 > 198.51.100.7 fragment at 16 of protocol 17"),
	PACKET(ETHERNET "\x08\0\x45\0", "ipv4 truncated"),
	PACKET(ETHERNET "\x08\0\x55\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
	       "ipv4 with another version"),
	PACKET(ETHERNET "\x08\0\x44\0\0\0\0\0\0\0\0\0\0\0\1\1\1\1\2\2\2\2",
	       "1.1.1.1 > 2.2.2.2 header length too small"),
	PACKET(ETHERNET "\x08\0\x46\0\0\0\0\0\0\0\0\0\0\0\1\1\1\1\2\2\2\2\1\1\1",
	       "1.1.1.1 > 2.2.2.2 options truncated"),
	PACKET(ETHERNET "\x08\0\x46\0\0\0\0\0\0\0\0\6\0\0\1\1\1\1\2\2\2\2\1\1\1\1\0\1\0\2",
	       "1.1.1.1:1 > 2.2.2.2:2 tcp"),
	PACKET(ETHERNET IPV6("\x11") PORTS, "[2001:db8::1]:4433 > [ff02::1]:443 udp"),
	PACKET(ETHERNET IPV6("\x3a") "\x87\0", "2001:db8::1 > ff02::1 icmpv6 type 135 code 0"),
	PACKET(ETHERNET IPV6("\0") "\x11\0\0\0\0\0\0\0" PORTS,
	       "[2001:db8::1]:4433 > [ff02::1]:443 udp"),
	PACKET(ETHERNET IPV6("\0") "\x2c\1\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x11\0\0\1\0\0\0\0" PORTS,
	       "[2001:db8::1]:4433 > [ff02::1]:443 udp"),
	PACKET(ETHERNET IPV6("\x2c") "\x11\0\0\x08\0\0\0\0", "2001:db8::1 > ff02::1 fragment"),
	PACKET(ETHERNET IPV6("\0") "\x11\2\0\0\0\0\0\0",
	       "2001:db8::1 > ff02::1 extension header truncated"),
	PACKET(ETHERNET "\x86\xdd\x60", "ipv6 truncated"),
};

Test(summary, says_each_form)
{
	for (size_t i = 0; i < sizeof(packets) / sizeof(packets[0]); i++) {
		char text[ARQ_SUMMARY_MAX];
		cr_expect_str_eq(arq_packet_summary((const uint8_t *)packets[i].bytes,
						    packets[i].size, text),
				 packets[i].text);
	}
}

/* Each packet cut at each length, in memory of just that size: the sanitizer sees every overrun. */
Test(summary, reads_no_byte_too_many)
{
	for (size_t i = 0; i < sizeof(packets) / sizeof(packets[0]); i++) {
		for (size_t size = 0; size <= packets[i].size; size++) {
			char text[ARQ_SUMMARY_MAX];
			uint8_t *head = malloc(size ? size : 1);
			memcpy(head, packets[i].bytes, size);
			cr_assert_gt(strlen(arq_packet_summary(head, size, text)), 0);
			free(head);
		}
	}
}
