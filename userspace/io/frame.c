// SPDX-License-Identifier: BSD-2-Clause
#include "userspace/io/frame.h"

#include "userspace/io/checksum.h"

#include <linux/if_ether.h>
#include <string.h>

#define ETHERNET_HEADER 14
#define ADDRESSES       12u /* of Ethernet, both */
#define VLAN_TAG        4
#define VLAN_TAGS_MAX   2
#define IPV4_HEADER     20
#define IPV6_HEADER     40
#define UDP_HEADER      8
#define HOP_LIMIT       64 /* RFC 1700's default TTL, Linux's too */

#define IPV4_DONT_FRAGMENT 0x4000
#define IPV4_FRAGMENT_BITS 0x3fff /* more fragments, and the offset */

/* RFC 8200 section 4.1 lists each header once, destination options twice; more is an attack. */
#define EXTENSIONS_MAX 5

_Static_assert(ETHERNET_HEADER + VLAN_TAGS_MAX * VLAN_TAG == ARQ_LINK_MAX, "a link header fits");

/* The IP part of a frame, in bytes as they are on the wire. */
struct ip_view {
	uint8_t *udp; /* where the UDP header starts */
	uint32_t room; /* bytes from there to the end of the IP packet */
	uint64_t pseudo; /* checksum of the addresses and the protocol */
	bool checksum_optional;
};

static uint16_t load16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

static void store16(uint8_t *at, uint16_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

/* A checksum is already in network byte order. */
static void store_checksum(uint8_t *at, uint16_t checksum)
{
	memcpy(at, &checksum, sizeof(checksum));
}

/* Returns the length of the link header, 0 when there is none that can be answered. */
static uint32_t parse_link(const uint8_t *frame, uint32_t length, uint16_t *ethertype)
{
	uint32_t offset = ETHERNET_HEADER;

	/* A group address cannot become the source of an answer (IEEE 802.3). */
	if (length < offset || (frame[0] & 1) || (frame[6] & 1))
		return 0;
	*ethertype = load16(frame + 12);
	for (int tags = 0; *ethertype == ETH_P_8021Q || *ethertype == ETH_P_8021AD; tags++) {
		if (tags == VLAN_TAGS_MAX || length - offset < VLAN_TAG)
			return 0;
		*ethertype = load16(frame + offset + 2);
		offset += VLAN_TAG;
	}
	return offset;
}

/* Ethernet's addresses stand first: destination, source. */
static void reflect_link(struct arq_path *path, const uint8_t *frame, uint32_t length)
{
	memcpy(path->link, frame + ETH_ALEN, ETH_ALEN);
	memcpy(path->link + ETH_ALEN, frame, ETH_ALEN);
	/* The usual length is known to the compiler: no call for two bytes. */
	if (length == ETHERNET_HEADER)
		memcpy(path->link + ADDRESSES, frame + ADDRESSES, ETHERNET_HEADER - ADDRESSES);
	else
		memcpy(path->link + ADDRESSES, frame + ADDRESSES, length - ADDRESSES);
	path->link_length = (uint8_t)length;
}

/* 0.0.0.0, and multicast, reserved and broadcast, which all lie above 224.0.0.0. */
static bool ipv4_is_host(const uint8_t address[4])
{
	static const uint8_t any[4];
	return address[0] < 224 && memcmp(address, any, sizeof(any)) != 0;
}

static bool ipv6_is_host(const uint8_t address[16])
{
	static const uint8_t any[16];
	return address[0] != 0xff && memcmp(address, any, sizeof(any)) != 0;
}

static enum arq_frame_result parse_ipv4(uint8_t *ip, uint32_t available, struct arq_path *path,
					uint8_t *ecn, struct ip_view *view)
{
	if (available < IPV4_HEADER || ip[0] >> 4 != 4)
		return ARQ_FRAME_MALFORMED;
	uint32_t header = (ip[0] & 0x0fu) * 4;
	uint32_t total = load16(ip + 2);
	if (header < IPV4_HEADER || total > available || total < header + UDP_HEADER)
		return ARQ_FRAME_MALFORMED;
	if (ip[9] != IPPROTO_UDP || (load16(ip + 6) & IPV4_FRAGMENT_BITS))
		return ARQ_FRAME_MALFORMED;
	if (!ipv4_is_host(ip + 12) || !ipv4_is_host(ip + 16))
		return ARQ_FRAME_MALFORMED;
	uint64_t sum = arq_checksum_add_fields(0, ip, IPV4_HEADER);
	if (header > IPV4_HEADER)
		sum = arq_checksum_add(sum, ip + IPV4_HEADER, header - IPV4_HEADER);
	if (arq_checksum_fold(sum) != 0)
		return ARQ_FRAME_CHECKSUM;

	path->remote.in.sin_family = AF_INET;
	memcpy(&path->remote.in.sin_addr, ip + 12, 4);
	path->local.in.sin_family = AF_INET;
	memcpy(&path->local.in.sin_addr, ip + 16, 4);
	*ecn = ip[1] & 3;
	view->udp = ip + header;
	view->room = total - header;
	view->pseudo = arq_checksum_add_fields(htons(IPPROTO_UDP), ip + 12, 8);
	view->checksum_optional = true;
	return ARQ_FRAME_OK;
}

/*
 * Walks the extension headers. Returns the offset of the UDP header from `ip`, or 0 when there is
 * none before `end`.
 */
static uint32_t skip_extensions(const uint8_t *ip, uint32_t end)
{
	uint32_t offset = IPV6_HEADER;
	uint8_t next = ip[6];

	for (int i = 0; next != IPPROTO_UDP; i++) {
		if (i == EXTENSIONS_MAX || end - offset < 8)
			return 0;
		if (next == IPPROTO_HOPOPTS) {
			if (i != 0)
				return 0;
		} else if (next == IPPROTO_ROUTING) {
			/* With segments left the destination is another's. */
			if (ip[offset + 3] != 0)
				return 0;
		} else if (next != IPPROTO_DSTOPTS) {
			return 0;
		}
		uint32_t length = (ip[offset + 1] + 1u) * 8;
		if (length > end - offset)
			return 0;
		next = ip[offset];
		offset += length;
	}
	return offset;
}

/* The zone of a link-local address is the interface it came by, as with the kernel's sockets. */
static void set_ipv6(struct sockaddr_in6 *address, const uint8_t bytes[16], uint32_t ifindex)
{
	address->sin6_family = AF_INET6;
	memcpy(&address->sin6_addr, bytes, 16);
	if (IN6_IS_ADDR_LINKLOCAL(&address->sin6_addr))
		address->sin6_scope_id = ifindex;
}

static enum arq_frame_result parse_ipv6(uint8_t *ip, uint32_t available, struct arq_path *path,
					uint8_t *ecn, struct ip_view *view)
{
	if (available < IPV6_HEADER || ip[0] >> 4 != 6)
		return ARQ_FRAME_MALFORMED;
	uint32_t end = IPV6_HEADER + (uint32_t)load16(ip + 4);
	if (end > available || !ipv6_is_host(ip + 8) || !ipv6_is_host(ip + 24))
		return ARQ_FRAME_MALFORMED;
	uint32_t offset = skip_extensions(ip, end);
	if (offset == 0 || end - offset < UDP_HEADER)
		return ARQ_FRAME_MALFORMED;

	set_ipv6(&path->remote.in6, ip + 8, path->ifindex);
	set_ipv6(&path->local.in6, ip + 24, path->ifindex);
	*ecn = ip[1] >> 4 & 3;
	view->udp = ip + offset;
	view->room = end - offset;
	view->pseudo = arq_checksum_add_fields(htons(IPPROTO_UDP), ip + 8, 32);
	view->checksum_optional = false;
	return ARQ_FRAME_OK;
}

/* The port stands at the same place in both families' addresses. */
static void set_port(union arq_address *address, const uint8_t *port)
{
	_Static_assert(offsetof(struct sockaddr_in, sin_port) ==
			       offsetof(struct sockaddr_in6, sin6_port),
		       "one place for the port");
	memcpy(&address->in.sin_port, port, 2);
}

static enum arq_frame_result parse_udp(const struct ip_view *view, struct arq_rx_packet *packet)
{
	uint8_t *udp = view->udp;
	uint32_t length = load16(udp + 4);

	/* Bytes after the datagram but inside the IP packet are nobody's; the kernel cuts them too.
	 */
	if (length < UDP_HEADER || length > view->room || length - UDP_HEADER > ARQ_IO_PAYLOAD_MAX)
		return ARQ_FRAME_MALFORMED;
	/* Port 0 says that no answer is wanted (RFC 768). */
	if (load16(udp) == 0 || load16(udp + 2) == 0)
		return ARQ_FRAME_MALFORMED;

	if (load16(udp + 6) == 0) {
		if (!view->checksum_optional)
			return ARQ_FRAME_CHECKSUM;
	} else {
		uint64_t sum = view->pseudo + htons((uint16_t)length);
		if (arq_checksum_fold(arq_checksum_add(sum, udp, length)) != 0)
			return ARQ_FRAME_CHECKSUM;
	}
	set_port(&packet->path.remote, udp);
	set_port(&packet->path.local, udp + 2);
	packet->data = udp + UDP_HEADER;
	packet->length = length - UDP_HEADER;
	return ARQ_FRAME_OK;
}

enum arq_frame_result arq_frame_parse(uint8_t *frame, uint32_t length, uint32_t ifindex,
				      struct arq_rx_packet *packet)
{
	uint16_t ethertype;
	uint32_t link = parse_link(frame, length, &ethertype);
	if (link == 0)
		return ARQ_FRAME_MALFORMED;

	/* Piece by piece: of the whole, compilers make a string instruction, as slow as the rest.
	 */
	struct arq_path *path = &packet->path;
	memset(&path->local, 0, sizeof(path->local));
	memset(&path->remote, 0, sizeof(path->remote));
	memset(path->link, 0, sizeof(path->link));
	path->ifindex = ifindex;

	struct ip_view view;
	enum arq_frame_result result = ARQ_FRAME_MALFORMED;
	if (ethertype == ETH_P_IP)
		result = parse_ipv4(frame + link, length - link, path, &packet->ecn, &view);
	else if (ethertype == ETH_P_IPV6)
		result = parse_ipv6(frame + link, length - link, path, &packet->ecn, &view);
	if (result == ARQ_FRAME_OK)
		result = parse_udp(&view, packet);
	if (result == ARQ_FRAME_OK)
		reflect_link(path, frame, link);
	return result;
}

static bool can_send(const struct arq_path *path)
{
	if (path->link_length < ETHERNET_HEADER || path->link_length > ARQ_LINK_MAX)
		return false;
	if (path->local.sa.sa_family != path->remote.sa.sa_family)
		return false;
	if (!arq_address_port(&path->local) || !arq_address_port(&path->remote))
		return false;
	if (arq_address_is_any(&path->local) || arq_address_is_any(&path->remote))
		return false;
	return path->local.sa.sa_family == AF_INET ||
	       (!IN6_IS_ADDR_V4MAPPED(&path->local.in6.sin6_addr) &&
		!IN6_IS_ADDR_V4MAPPED(&path->remote.in6.sin6_addr));
}

/* Returns the checksum of the pseudo-header's addresses. */
static uint64_t build_ipv4(uint8_t *ip, uint16_t udp_length, const struct arq_path *path,
			   uint8_t ecn)
{
	memset(ip, 0, IPV4_HEADER);
	ip[0] = 0x45; /* version 4, five words of header */
	ip[1] = ecn & 3;
	store16(ip + 2, (uint16_t)(IPV4_HEADER + udp_length));
	store16(ip + 6, IPV4_DONT_FRAGMENT);
	ip[8] = HOP_LIMIT;
	ip[9] = IPPROTO_UDP;
	memcpy(ip + 12, &path->local.in.sin_addr, 4);
	memcpy(ip + 16, &path->remote.in.sin_addr, 4);
	store_checksum(ip + 10, arq_checksum_fold(arq_checksum_add_fields(0, ip, IPV4_HEADER)));
	return arq_checksum_add_fields(0, ip + 12, 8);
}

static uint64_t build_ipv6(uint8_t *ip, uint16_t udp_length, const struct arq_path *path,
			   uint8_t ecn)
{
	memset(ip, 0, 8);
	ip[0] = 0x60;
	ip[1] = (uint8_t)((ecn & 3) << 4);
	store16(ip + 4, udp_length);
	ip[6] = IPPROTO_UDP;
	ip[7] = HOP_LIMIT;
	memcpy(ip + 8, &path->local.in6.sin6_addr, 16);
	memcpy(ip + 24, &path->remote.in6.sin6_addr, 16);
	return arq_checksum_add_fields(0, ip + 8, 32);
}

static void build_udp(uint8_t *udp, uint16_t length, const struct arq_path *path, uint64_t sum)
{
	store16(udp, arq_address_port(&path->local));
	store16(udp + 2, arq_address_port(&path->remote));
	store16(udp + 4, length);
	store16(udp + 6, 0);
	sum += htons(IPPROTO_UDP) + (uint64_t)htons(length);
	uint16_t checksum = arq_checksum_fold(arq_checksum_add(sum, udp, length));
	/* 0 would say "none" (RFC 768). */
	store_checksum(udp + 6, checksum ? checksum : 0xffff);
}

uint32_t arq_frame_prepend(uint8_t *payload, uint32_t length, const struct arq_path *path,
			   uint8_t ecn)
{
	if (length > ARQ_IO_PAYLOAD_MAX || !can_send(path))
		return 0;

	bool v4 = path->local.sa.sa_family == AF_INET;
	uint32_t header = v4 ? IPV4_HEADER : IPV6_HEADER;
	uint16_t udp_length = (uint16_t)(UDP_HEADER + length);
	uint8_t *udp = payload - UDP_HEADER;
	uint8_t *ip = udp - header;
	uint64_t sum =
		v4 ? build_ipv4(ip, udp_length, path, ecn) : build_ipv6(ip, udp_length, path, ecn);
	build_udp(udp, udp_length, path, sum);
	memcpy(ip - path->link_length, path->link, path->link_length);
	return UDP_HEADER + header + path->link_length;
}
