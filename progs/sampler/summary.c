// SPDX-License-Identifier: BSD-2-Clause
#include "progs/sampler/summary.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* As many as the XDP programs follow; a head has no room for more anyway. */
#define EXTENSIONS_MAX 8
#define VLAN_MAX       2

struct summary {
	const uint8_t *at; /* what is left of the packet */
	size_t left;
	size_t used;
	char *text;
	char addresses[2][INET6_ADDRSTRLEN];
};

__attribute__((format(printf, 2, 3))) static void say(struct summary *summary, const char *format,
						      ...)
{
	va_list arguments;

	va_start(arguments, format);
	int length = vsnprintf(summary->text + summary->used, ARQ_SUMMARY_MAX - summary->used,
			       format, arguments);
	va_end(arguments);
	if (length > 0)
		summary->used += (size_t)length;
	if (summary->used >= ARQ_SUMMARY_MAX)
		summary->used = ARQ_SUMMARY_MAX - 1;
}

/* Goes over `size` bytes and returns where they are, or NULL when they were not captured. */
static const uint8_t *take(struct summary *summary, size_t size)
{
	const uint8_t *at = summary->at;

	if (summary->left < size)
		return NULL;
	summary->at += size;
	summary->left -= size;
	return at;
}

static unsigned int read16(const uint8_t *at)
{
	return (unsigned int)at[0] << 8 | at[1];
}

static void say_addresses(struct summary *summary)
{
	say(summary, "%s > %s", summary->addresses[0], summary->addresses[1]);
}

static void say_ports(struct summary *summary, const char *protocol, const uint8_t *ports,
		      bool ipv6)
{
	const char *open = ipv6 ? "[" : "";
	const char *close = ipv6 ? "]" : "";

	say(summary, "%s%s%s:%u > %s%s%s:%u %s", open, summary->addresses[0], close, read16(ports),
	    open, summary->addresses[1], close, read16(ports + 2), protocol);
}

static void say_transport(struct summary *summary, uint8_t protocol, bool ipv6)
{
	bool ports = protocol == IPPROTO_UDP || protocol == IPPROTO_TCP || protocol == IPPROTO_SCTP;
	bool icmp = protocol == (ipv6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP);
	const char *name = protocol == IPPROTO_UDP    ? "udp"
			   : protocol == IPPROTO_TCP  ? "tcp"
			   : protocol == IPPROTO_SCTP ? "sctp"
						      : "icmp";
	const uint8_t *at = take(summary, ports ? 4 : icmp ? 2 : 0);

	if (!at) {
		say_addresses(summary);
		say(summary, " %s truncated", name);
	} else if (ports) {
		say_ports(summary, name, at, ipv6);
	} else {
		say_addresses(summary);
		if (icmp)
			say(summary, " icmp%s type %u code %u", ipv6 ? "v6" : "", at[0], at[1]);
		else
			say(summary, " protocol %u", protocol);
	}
}

static void say_ipv4(struct summary *summary)
{
	const uint8_t *at = take(summary, 20);

	if (!at || at[0] >> 4 != 4) {
		say(summary, at ? "ipv4 with another version" : "ipv4 truncated");
		return;
	}
	inet_ntop(AF_INET, at + 12, summary->addresses[0], INET6_ADDRSTRLEN);
	inet_ntop(AF_INET, at + 16, summary->addresses[1], INET6_ADDRSTRLEN);
	unsigned int header = (at[0] & 0xfu) * 4u;
	unsigned int offset = read16(at + 6) & 0x1fffu;
	uint8_t protocol = at[9];

	if (header < 20 || !take(summary, header - 20)) {
		say_addresses(summary);
		say(summary, header < 20 ? " header length too small" : " options truncated");
	} else if (offset) {
		say_addresses(summary);
		say(summary, " fragment at %u of protocol %u", offset * 8, protocol);
	} else {
		say_transport(summary, protocol, false);
	}
}

/*
 * Goes over one extension header. Returns the next header's number, -1 at the last header, -2 when
 * it was not captured, -3 for a fragment that is not the first.
 */
static int take_extension(struct summary *summary, int header)
{
	const uint8_t *at;

	switch (header) {
	case IPPROTO_HOPOPTS:
	case IPPROTO_ROUTING:
	case IPPROTO_DSTOPTS:
		at = take(summary, 8);
		if (!at || !take(summary, (size_t)at[1] * 8))
			return -2;
		return at[0];
	case IPPROTO_FRAGMENT:
		at = take(summary, 8);
		if (!at)
			return -2;
		return read16(at + 2) & 0xfff8u ? -3 : at[0];
	default:
		return -1;
	}
}

static void say_ipv6(struct summary *summary)
{
	const uint8_t *at = take(summary, 40);

	if (!at || at[0] >> 4 != 6) {
		say(summary, at ? "ipv6 with another version" : "ipv6 truncated");
		return;
	}
	inet_ntop(AF_INET6, at + 8, summary->addresses[0], INET6_ADDRSTRLEN);
	inet_ntop(AF_INET6, at + 24, summary->addresses[1], INET6_ADDRSTRLEN);

	int header = at[6];
	for (int i = 0; i < EXTENSIONS_MAX; i++) {
		int next = take_extension(summary, header);
		if (next == -1)
			break;
		if (next < 0) {
			say_addresses(summary);
			say(summary, next == -3 ? " fragment" : " extension header truncated");
			return;
		}
		header = next;
	}
	say_transport(summary, (uint8_t)header, true);
}

const char *arq_packet_summary(const uint8_t *head, size_t captured, char text[ARQ_SUMMARY_MAX])
{
	struct summary summary = {.at = head, .left = captured, .text = text};
	const uint8_t *ethernet = take(&summary, ETH_HLEN);

	text[0] = '\0';
	if (!ethernet) {
		say(&summary, "ethernet truncated");
		return text;
	}
	unsigned int type = read16(ethernet + 12);
	for (int i = 0; i < VLAN_MAX && (type == ETH_P_8021Q || type == ETH_P_8021AD); i++) {
		const uint8_t *tag = take(&summary, 4);
		if (!tag) {
			say(&summary, "vlan truncated");
			return text;
		}
		say(&summary, "vlan %u ", read16(tag) & 0xfffu);
		type = read16(tag + 2);
	}
	if (type == ETH_P_IP)
		say_ipv4(&summary);
	else if (type == ETH_P_IPV6)
		say_ipv6(&summary);
	else if (type == ETH_P_ARP)
		say(&summary, "arp");
	else
		say(&summary, "ethertype 0x%04x", type);
	return text;
}
