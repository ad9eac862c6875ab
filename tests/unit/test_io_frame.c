// SPDX-License-Identifier: BSD-2-Clause
/*
 * Frames are built here a second time, byte by byte and with the checksum of RFC 1071 as the text
 * says it, and compared with what the library reads and writes.
 */
#include "userspace/io/checksum.h"
#include "userspace/io/frame.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FRAME_MAX 2048
#define IFINDEX   7

/* --- the second implementation ---------------------------------------------------------------- */

struct bytes {
	uint8_t data[FRAME_MAX];
	uint32_t length;
};

static void put(struct bytes *bytes, const void *data, size_t length)
{
	memcpy(bytes->data + bytes->length, data, length);
	bytes->length += (uint32_t)length;
}

static void put8(struct bytes *bytes, unsigned int value)
{
	bytes->data[bytes->length++] = (uint8_t)value;
}

static void put16(struct bytes *bytes, unsigned int value)
{
	put8(bytes, value >> 8);
	put8(bytes, value & 0xff);
}

static void set16(uint8_t *at, unsigned int value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

/* Sum of big-endian words, RFC 1071 section 1. */
static uint32_t slow_sum(uint32_t sum, const uint8_t *data, size_t length)
{
	for (size_t i = 0; i < length; i++)
		sum += i % 2 ? data[i] : (uint32_t)data[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

struct recipe {
	uint32_t payload; /* bytes */
	uint32_t padding; /* after the IP packet */
	int tags;
	int option_words; /* IPv4 */
	int extension_count;
	uint8_t extensions[8]; /* IPv6, protocol numbers in order; 0 is hop-by-hop */
	uint8_t ecn;
	bool v6;
	bool plain; /* as we send: no identification, DF, TTL 64, no traffic class but ECN */
	bool no_checksum;
};

static const uint8_t mac_client[6] = {0x02, 0, 0, 0, 0, 0xc1};
static const uint8_t mac_gateway[6] = {0x02, 0, 0, 0, 0, 0x9a};
static const uint8_t client4[4] = {192, 0, 2, 99};
static const uint8_t gateway4[4] = {198, 51, 100, 1};
static const char client6[] = "2001:db8::c:99";
static const char gateway6[] = "2001:db8:ffff::1";

enum { CLIENT_PORT = 50123, GATEWAY_PORT = 443 };

static void put_link(struct bytes *bytes, const struct recipe *recipe, const uint8_t *to,
		     const uint8_t *from)
{
	put(bytes, to, 6);
	put(bytes, from, 6);
	if (recipe->tags == 2) {
		put16(bytes, 0x88a8);
		put16(bytes, 0x2064);
	}
	if (recipe->tags >= 1) {
		put16(bytes, 0x8100);
		put16(bytes, 0x6007);
	}
	put16(bytes, recipe->v6 ? 0x86dd : 0x0800);
}

static void put_ipv4(struct bytes *bytes, const struct recipe *recipe, const uint8_t *from,
		     const uint8_t *to)
{
	uint32_t start = bytes->length;
	put8(bytes, 0x45u + (unsigned int)recipe->option_words);
	put8(bytes, recipe->plain ? recipe->ecn : 0x28u | recipe->ecn);
	put16(bytes, 20 + 4 * (unsigned int)recipe->option_words + 8 + recipe->payload);
	put16(bytes, recipe->plain ? 0 : 0xbeef);
	put16(bytes, 0x4000);
	put8(bytes, recipe->plain ? 64 : 57);
	put8(bytes, 17);
	put16(bytes, 0);
	put(bytes, from, 4);
	put(bytes, to, 4);
	for (int i = 0; i < recipe->option_words * 4; i++)
		put8(bytes, 1); /* no operation */
	set16(bytes->data + start + 10,
	      0xffff & ~slow_sum(0, bytes->data + start, bytes->length - start));
}

static unsigned int extension_length(uint8_t protocol)
{
	return protocol == 43 ? 24 : 8;
}

static void put_extensions(struct bytes *bytes, const struct recipe *recipe)
{
	for (int i = 0; i < recipe->extension_count; i++) {
		unsigned int length = extension_length(recipe->extensions[i]);
		put8(bytes, i + 1 < recipe->extension_count ? recipe->extensions[i + 1] : 17);
		put8(bytes, length / 8 - 1);
		for (unsigned int j = 2; j < length; j++)
			put8(bytes, 0);
	}
}

static void put_ipv6(struct bytes *bytes, const struct recipe *recipe, const char *from,
		     const char *to)
{
	unsigned int extensions = 0;
	for (int i = 0; i < recipe->extension_count; i++)
		extensions += extension_length(recipe->extensions[i]);

	struct in6_addr address;
	put8(bytes, recipe->plain ? 0x60 : 0x6b);
	put8(bytes, (unsigned int)recipe->ecn << 4 | (recipe->plain ? 0 : 0x81u));
	put16(bytes, recipe->plain ? 0 : 0x2345);
	put16(bytes, extensions + 8 + recipe->payload);
	put8(bytes, recipe->extension_count ? recipe->extensions[0] : 17);
	put8(bytes, recipe->plain ? 64 : 57);
	inet_pton(AF_INET6, from, &address);
	put(bytes, &address, 16);
	inet_pton(AF_INET6, to, &address);
	put(bytes, &address, 16);
	put_extensions(bytes, recipe);
}

static void put_payload(struct bytes *bytes, uint32_t length)
{
	for (uint32_t i = 0; i < length; i++)
		put8(bytes, (i * 37 + 11) & 0xff);
}

/* `addresses`: where the two IP addresses stand, 8 or 32 bytes. */
static void put_udp(struct bytes *bytes, const struct recipe *recipe, unsigned int from,
		    unsigned int to, uint32_t addresses)
{
	uint32_t start = bytes->length;
	put16(bytes, from);
	put16(bytes, to);
	put16(bytes, 8 + recipe->payload);
	put16(bytes, 0);
	put_payload(bytes, recipe->payload);
	if (recipe->no_checksum)
		return;
	uint32_t sum =
		slow_sum(17 + 8 + recipe->payload, bytes->data + addresses, recipe->v6 ? 32 : 8);
	sum = 0xffff & ~slow_sum(sum, bytes->data + start, bytes->length - start);
	set16(bytes->data + start + 6, sum ? sum : 0xffff);
}

/* A frame from the client to the gateway, or the other way round. */
static void cook(struct bytes *bytes, const struct recipe *recipe, bool answer)
{
	bytes->length = 0;
	put_link(bytes, recipe, answer ? mac_client : mac_gateway,
		 answer ? mac_gateway : mac_client);
	uint32_t ip = bytes->length;
	if (recipe->v6)
		put_ipv6(bytes, recipe, answer ? gateway6 : client6, answer ? client6 : gateway6);
	else
		put_ipv4(bytes, recipe, answer ? gateway4 : client4, answer ? client4 : gateway4);
	put_udp(bytes, recipe, answer ? GATEWAY_PORT : CLIENT_PORT,
		answer ? CLIENT_PORT : GATEWAY_PORT, ip + (recipe->v6 ? 8 : 12));
	for (uint32_t i = 0; i < recipe->padding; i++)
		put8(bytes, 0xee);
}

/* Parses a copy of exactly `length` bytes, so that a sanitizer sees a read behind it. */
static enum arq_frame_result parse_copy(const uint8_t *data, uint32_t length)
{
	uint8_t *copy = malloc(length ? length : 1);
	struct arq_rx_packet packet;
	memcpy(copy, data, length);
	enum arq_frame_result result = arq_frame_parse(copy, length, IFINDEX, &packet);
	free(copy);
	return result;
}

static const struct recipe good[] = {
	{.payload = 100},
	{.payload = 0, .padding = 18},
	{.payload = 1, .tags = 1, .ecn = 1},
	{.payload = 1472, .tags = 2, .ecn = 3},
	{.payload = 33, .option_words = 10, .ecn = 2},
	{.payload = 64, .no_checksum = true},
	{.payload = 100, .v6 = true},
	{.payload = 0, .v6 = true, .padding = 5},
	{.payload = 1452, .v6 = true, .tags = 1, .ecn = 2},
	{.payload = 77, .v6 = true, .tags = 2, .ecn = 1},
	{.payload = 200, .v6 = true, .extensions = {0}, .extension_count = 1, .ecn = 3},
	{.payload = 20, .v6 = true, .extensions = {0, 60, 43, 60}, .extension_count = 4},
};
#define GOOD_COUNT (sizeof(good) / sizeof(good[0]))

/* --- tests ------------------------------------------------------------------------------------ */

Test(checksum, agrees_with_the_slow_one_at_every_length_and_alignment)
{
	static uint8_t data[2100];
	srand(1);
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(rand() >> 3);
	for (size_t length = 0; length <= 2048; length++) {
		size_t offset = length % 33;
		uint16_t fast = arq_checksum_fold(arq_checksum_add(0, data + offset, length));
		uint32_t slow = 0xffff & ~slow_sum(0, data + offset, length);
		cr_assert_eq(ntohs(fast), slow, "length %zu", length);
	}
	memset(data, 0xff, sizeof(data));
	for (size_t length = 0; length <= 2048; length += 2) {
		uint16_t fast = arq_checksum_fold(arq_checksum_add(0, data, length));
		cr_assert_eq(fast, length ? 0 : 0xffff, "all ones, length %zu", length);
	}
}

Test(checksum, may_be_summed_in_pieces)
{
	uint8_t data[512];
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 7);
	for (size_t cut = 0; cut <= sizeof(data); cut += 2) {
		uint64_t sum = arq_checksum_add(0, data, cut);
		sum = arq_checksum_add(sum, data + cut, sizeof(data) - cut);
		cr_assert_eq(ntohs(arq_checksum_fold(sum)),
			     0xffff & ~slow_sum(0, data, sizeof(data)));
	}
}

static void assert_path(const struct arq_path *path, const struct recipe *recipe)
{
	char text[ARQ_ADDRESS_TEXT_MAX];
	arq_address_format(&path->remote, text);
	cr_assert_str_eq(text, recipe->v6 ? "[2001:db8::c:99]:50123" : "192.0.2.99:50123");
	arq_address_format(&path->local, text);
	cr_assert_str_eq(text, recipe->v6 ? "[2001:db8:ffff::1]:443" : "198.51.100.1:443");
	cr_assert_eq(path->ifindex, IFINDEX);

	struct bytes link = {.length = 0};
	put_link(&link, recipe, mac_client, mac_gateway);
	cr_assert_eq(path->link_length, link.length);
	cr_assert_arr_eq(path->link, link.data, link.length);
}

Test(frame, reads_every_good_form)
{
	for (size_t i = 0; i < GOOD_COUNT; i++) {
		struct bytes frame, payload = {.length = 0};
		struct arq_rx_packet packet;
		cook(&frame, &good[i], false);
		put_payload(&payload, good[i].payload);
		cr_assert_eq(arq_frame_parse(frame.data, frame.length, IFINDEX, &packet),
			     ARQ_FRAME_OK, "recipe %zu", i);
		cr_assert_eq(packet.length, good[i].payload);
		cr_assert_eq(packet.ecn, good[i].ecn);
		cr_assert_arr_eq(packet.data, payload.data, payload.length);
		cr_assert_eq(packet.data + packet.length + good[i].padding,
			     frame.data + frame.length);
		assert_path(&packet.path, &good[i]);
	}
}

Test(frame, refuses_every_truncation)
{
	for (size_t i = 0; i < GOOD_COUNT; i++) {
		struct bytes frame;
		cook(&frame, &good[i], false);
		for (uint32_t length = 0; length < frame.length - good[i].padding; length++)
			cr_assert_eq(parse_copy(frame.data, length), ARQ_FRAME_MALFORMED,
				     "recipe %zu cut to %u", i, length);
	}
}

/* The checksums find every single wrong bit from the addresses on. */
Test(frame, refuses_every_wrong_bit_that_a_checksum_covers)
{
	for (size_t i = 0; i < GOOD_COUNT; i++) {
		struct bytes frame;
		if (good[i].no_checksum)
			continue;
		cook(&frame, &good[i], false);
		uint32_t from = frame.length - good[i].padding - good[i].payload - 8;
		if (!good[i].v6)
			from -= 20 + 4 * (uint32_t)good[i].option_words;
		for (uint32_t at = from; at < frame.length - good[i].padding; at++) {
			for (int bit = 0; bit < 8; bit++) {
				frame.data[at] ^= (uint8_t)(1 << bit);
				cr_assert_neq(parse_copy(frame.data, frame.length), ARQ_FRAME_OK,
					      "recipe %zu, byte %u, bit %d", i, at, bit);
				frame.data[at] ^= (uint8_t)(1 << bit);
			}
		}
	}
}

Test(frame, tells_a_wrong_checksum_from_a_malformed_packet)
{
	for (size_t i = 0; i < GOOD_COUNT; i++) {
		struct bytes frame;
		if (good[i].payload == 0 || good[i].no_checksum)
			continue;
		cook(&frame, &good[i], false);
		frame.data[frame.length - 1] ^= 0x10;
		cr_assert_eq(parse_copy(frame.data, frame.length), ARQ_FRAME_CHECKSUM);
	}
	struct bytes frame;
	cook(&frame, &good[0], false);
	frame.data[14 + 8] ^= 1; /* TTL, which only the header checksum covers */
	cr_assert_eq(parse_copy(frame.data, frame.length), ARQ_FRAME_CHECKSUM);

	const struct recipe none = {.v6 = true, .payload = 10, .no_checksum = true};
	cook(&frame, &none, false);
	cr_assert_eq(parse_copy(frame.data, frame.length), ARQ_FRAME_CHECKSUM);
}

struct spoil {
	const char *what;
	int recipe; /* of good[] */
	uint32_t offset; /* from the IP header */
	uint8_t value[2];
	int length;
};

/* IPv4 header checksums are made right again, so that it is the field that is refused. */
static const struct spoil spoils[] = {
	{"version 5", 0, 0, {0x55}, 1},
	{"header of four words", 0, 0, {0x44}, 1},
	{"header beyond the packet", 0, 0, {0x4f}, 1},
	{"total length beyond the frame", 0, 2, {0, 129}, 2},
	{"total length inside the IPv4 header", 0, 2, {0, 19}, 2},
	{"total length inside the UDP header", 0, 2, {0, 27}, 2},
	{"more fragments", 0, 6, {0x20, 0}, 2},
	{"last fragment", 0, 6, {0, 100}, 2},
	{"TCP", 0, 9, {6}, 1},
	{"multicast source", 0, 12, {224}, 1},
	{"multicast destination", 0, 16, {239}, 1},
	{"UDP length beyond the packet", 0, 24, {0, 109}, 2},
	{"UDP length under its header", 0, 24, {0, 7}, 2},
	{"source port 0", 0, 20, {0, 0}, 2},
	{"destination port 0", 0, 22, {0, 0}, 2},
	{"IPv4 in an IPv6 frame", 6, 0, {0x45}, 1},
	{"IPv6 payload beyond the frame", 6, 4, {0, 109}, 2},
	{"IPv6 payload inside the UDP header", 6, 4, {0, 7}, 2},
	{"IPv6 payload length 0 (jumbogram)", 6, 4, {0, 0}, 2},
	{"IPv6 without next header", 6, 6, {59}, 1},
	{"IPv6 fragment header", 10, 6, {44}, 1},
	{"IPv6 authentication header", 10, 6, {51}, 1},
	{"extension header beyond the packet", 10, 41, {200}, 1},
	{"hop-by-hop options not first", 11, 40, {0}, 1},
	{"segments left", 11, 40 + 8 + 8 + 3, {1}, 1},
	{"multicast IPv6 source", 6, 8, {0xff}, 1},
	{"multicast IPv6 destination", 6, 24, {0xff}, 1},
	{"UDP length 0 on IPv6", 6, 44, {0, 0}, 2},
};

Test(frame, refuses_what_it_must)
{
	for (size_t i = 0; i < sizeof(spoils) / sizeof(spoils[0]); i++) {
		const struct spoil *spoil = &spoils[i];
		struct bytes frame;
		cook(&frame, &good[spoil->recipe], false);
		uint8_t *ip = frame.data + 14;
		memcpy(ip + spoil->offset, spoil->value, (size_t)spoil->length);
		if (!good[spoil->recipe].v6) {
			set16(ip + 10, 0);
			set16(ip + 10, 0xffff & ~slow_sum(0, ip, (size_t)(ip[0] & 15u) * 4));
		}
		cr_assert_eq(parse_copy(frame.data, frame.length), ARQ_FRAME_MALFORMED, "%s",
			     spoil->what);
	}
}

Test(frame, refuses_links_it_cannot_answer)
{
	struct bytes frame;
	cook(&frame, &good[0], false);
	frame.data[0] |= 1;
	cr_assert_eq(parse_copy(frame.data, frame.length), ARQ_FRAME_MALFORMED);

	cook(&frame, &good[0], false);
	frame.data[6] |= 1;
	cr_assert_eq(parse_copy(frame.data, frame.length), ARQ_FRAME_MALFORMED);

	cook(&frame, &good[0], false);
	set16(frame.data + 12, 0x0806);
	cr_assert_eq(parse_copy(frame.data, frame.length), ARQ_FRAME_MALFORMED);

	/* A third tag: another one put before two. */
	cook(&frame, &good[3], false);
	memmove(frame.data + 16, frame.data + 12, frame.length - 12);
	frame.length += 4;
	cr_assert_eq(parse_copy(frame.data, frame.length), ARQ_FRAME_MALFORMED);
}

Test(frame, refuses_too_many_extension_headers_and_too_large_payloads)
{
	struct bytes frame;
	struct recipe recipe = {.v6 = true,
				.payload = 8,
				.extensions = {60, 60, 60, 60, 60, 60, 60, 60},
				.extension_count = 5};
	cook(&frame, &recipe, false);
	cr_assert_eq(parse_copy(frame.data, frame.length), ARQ_FRAME_OK);
	recipe.extension_count = 6;
	cook(&frame, &recipe, false);
	cr_assert_eq(parse_copy(frame.data, frame.length), ARQ_FRAME_MALFORMED);

	const struct recipe large = {.payload = ARQ_IO_PAYLOAD_MAX + 1};
	cook(&frame, &large, false);
	cr_assert_eq(parse_copy(frame.data, frame.length), ARQ_FRAME_MALFORMED);
}

/* A path from the gateway to the client, as a parsed frame of the recipe would give it. */
static struct arq_path path_of(const struct recipe *recipe)
{
	struct bytes frame;
	struct arq_rx_packet packet;
	cook(&frame, recipe, false);
	cr_assert_eq(arq_frame_parse(frame.data, frame.length, IFINDEX, &packet), ARQ_FRAME_OK);
	return packet.path;
}

Test(frame, writes_byte_for_byte_what_the_second_implementation_writes)
{
	for (int form = 0; form < 6; form++) {
		for (uint32_t length = 1; length <= 1452; length += length < 70 ? 1 : 97) {
			const struct recipe recipe = {.tags = form % 3,
						      .v6 = form >= 3,
						      .payload = length,
						      .plain = true,
						      .ecn = (uint8_t)(length % 4)};
			struct arq_path path = path_of(&recipe);
			struct bytes expected, built = {.length = ARQ_FRAME_HEADERS_MAX};
			cook(&expected, &recipe, true);
			put_payload(&built, length);
			uint32_t headers = arq_frame_prepend(built.data + ARQ_FRAME_HEADERS_MAX,
							     length, &path, recipe.ecn);
			cr_assert_eq(headers + length, expected.length);
			cr_assert_arr_eq(built.data + ARQ_FRAME_HEADERS_MAX - headers,
					 expected.data, expected.length, "form %d, length %u", form,
					 length);
			cr_assert_eq(parse_copy(expected.data, expected.length), ARQ_FRAME_OK);
		}
	}
}

Test(frame, never_writes_a_checksum_of_zero)
{
	for (int v6 = 0; v6 < 2; v6++) {
		const struct recipe recipe = {.v6 = v6, .payload = 2};
		struct arq_path path = path_of(&recipe);
		uint8_t buffer[ARQ_FRAME_HEADERS_MAX + 2] = {0};
		uint8_t *payload = buffer + ARQ_FRAME_HEADERS_MAX;
		arq_frame_prepend(payload, 2, &path, 0);
		/* A payload that is the checksum of all else makes the whole sum zero. */
		memcpy(payload, payload - 2, 2);
		arq_frame_prepend(payload, 2, &path, 0);
		cr_assert_eq(payload[-2], 0xff);
		cr_assert_eq(payload[-1], 0xff);
	}
}

Test(frame, refuses_paths_it_cannot_send_on)
{
	const struct recipe v4 = {.payload = 10}, v6 = {.payload = 10, .v6 = true};
	const struct arq_path path4 = path_of(&v4), path6 = path_of(&v6);
	uint8_t buffer[ARQ_FRAME_HEADERS_MAX + ARQ_IO_PAYLOAD_MAX + 1] = {0};
	uint8_t *payload = buffer + ARQ_FRAME_HEADERS_MAX;
	struct arq_path path;

	cr_assert_eq(arq_frame_prepend(payload, 10, &path4, 0), 42);
	cr_assert_eq(arq_frame_prepend(payload, 10, &path6, 0), 62);
	cr_assert_eq(arq_frame_prepend(payload, ARQ_IO_PAYLOAD_MAX + 1, &path4, 0), 0);

	path = path4, path.link_length = 0;
	cr_assert_eq(arq_frame_prepend(payload, 10, &path, 0), 0);
	path = path4, path.link_length = ARQ_LINK_MAX + 1;
	cr_assert_eq(arq_frame_prepend(payload, 10, &path, 0), 0);
	path = path4, path.remote = path6.remote;
	cr_assert_eq(arq_frame_prepend(payload, 10, &path, 0), 0);
	path = path4, path.remote.in.sin_port = 0;
	cr_assert_eq(arq_frame_prepend(payload, 10, &path, 0), 0);
	path = path4, path.local.in.sin_addr.s_addr = 0;
	cr_assert_eq(arq_frame_prepend(payload, 10, &path, 0), 0);
	path = path4, memset(&path.local, 0, sizeof(path.local)),
	memset(&path.remote, 0, sizeof(path.remote));
	cr_assert_eq(arq_frame_prepend(payload, 10, &path, 0), 0);
	path = path6;
	inet_pton(AF_INET6, "::ffff:192.0.2.1", &path.local.in6.sin6_addr);
	cr_assert_eq(arq_frame_prepend(payload, 10, &path, 0), 0);
}

Test(frame, gives_link_local_addresses_their_interface)
{
	const struct recipe recipe = {.v6 = true, .payload = 4};
	struct bytes frame;
	struct arq_rx_packet packet;
	cook(&frame, &recipe, false);
	/* fe80::/10 instead of 2001::/16; the same change in the sum, made good in the payload. */
	uint8_t *ip = frame.data + 14;
	set16(ip + 8, 0xfe80);
	uint32_t sum = slow_sum(17 + 12, ip + 8, 32);
	set16(ip + 46, 0);
	set16(ip + 46, 0xffff & ~slow_sum(sum, ip + 40, 12));
	cr_assert_eq(arq_frame_parse(frame.data, frame.length, IFINDEX, &packet), ARQ_FRAME_OK);
	cr_assert_eq(packet.path.remote.in6.sin6_scope_id, IFINDEX);
	cr_assert_eq(packet.path.local.in6.sin6_scope_id, 0);
}
