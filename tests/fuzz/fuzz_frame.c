// SPDX-License-Identifier: BSD-2-Clause
/*
 * Any bytes as a received frame. What is accepted must lie inside the frame, and an answer to it
 * must be a frame that is accepted in its turn and leads back.
 *
 * No fuzzer guesses a checksum: so a frame that fails by it alone is repaired and tried again.
 */
#include "userspace/io/checksum.h"
#include "userspace/io/frame.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
	if (!holds)
		abort();
}

static void check_answer(const struct arq_rx_packet *packet)
{
	uint8_t buffer[ARQ_FRAME_HEADERS_MAX + ARQ_IO_PAYLOAD_MAX];
	uint8_t *payload = buffer + ARQ_FRAME_HEADERS_MAX;
	struct arq_rx_packet answer;

	memcpy(payload, packet->data, packet->length);
	uint32_t headers = arq_frame_prepend(payload, packet->length, &packet->path, packet->ecn);
	if (headers == 0)
		return; /* IPv4-mapped addresses */
	check(headers <= ARQ_FRAME_HEADERS_MAX);
	check(arq_frame_parse(payload - headers, headers + packet->length, packet->path.ifindex,
			      &answer) == ARQ_FRAME_OK);
	check(answer.length == packet->length && answer.ecn == packet->ecn);
	check(answer.data == payload);
	check(arq_address_equal(&answer.path.local, &packet->path.remote));
	check(arq_address_equal(&answer.path.remote, &packet->path.local));
	check(answer.path.link_length == packet->path.link_length);
}

/* IPv4: a right header checksum and no UDP checksum. Returns false for what cannot be repaired. */
static bool repair_ipv4(uint8_t *ip)
{
	size_t header = (ip[0] & 15u) * 4;
	memset(ip + 10, 0, 2);
	uint16_t checksum = arq_checksum_fold(arq_checksum_add(0, ip, header));
	memcpy(ip + 10, &checksum, 2);
	memset(ip + header + 6, 0, 2);
	return true;
}

/* IPv6 without extension headers: a right UDP checksum. */
static bool repair_ipv6(uint8_t *ip)
{
	uint8_t *udp = ip + 40;
	if (ip[6] != IPPROTO_UDP)
		return false;
	memset(udp + 6, 0, 2);
	uint64_t sum = arq_checksum_add(htons(IPPROTO_UDP), ip + 8, 32);
	sum = arq_checksum_add(sum, udp + 4, 2);
	sum = arq_checksum_add(sum, udp, (size_t)(udp[4] << 8 | udp[5]));
	uint16_t checksum = arq_checksum_fold(sum);
	memcpy(udp + 6, checksum ? (void *)&checksum : "\xff\xff", 2);
	return true;
}

/* Only for frames that were refused for their checksum: all lengths are right then. */
static bool repair(uint8_t *frame)
{
	size_t ip = 14;
	while ((frame[ip - 2] == 0x81 && frame[ip - 1] == 0) ||
	       (frame[ip - 2] == 0x88 && frame[ip - 1] == 0xa8))
		ip += 4;
	return frame[ip] >> 4 == 4 ? repair_ipv4(frame + ip) : repair_ipv6(frame + ip);
}

static void check_packet(const uint8_t *frame, size_t size, const struct arq_rx_packet *packet)
{
	check(packet->data >= frame && packet->data <= frame + size);
	check(packet->length <= (size_t)(frame + size - packet->data));
	check(packet->length <= ARQ_IO_PAYLOAD_MAX && packet->ecn <= 3);
	check_answer(packet);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* Of exactly this size, so that the sanitizer sees a read behind it. */
	uint8_t *frame = malloc(size ? size : 1);
	struct arq_rx_packet packet;

	memcpy(frame, data, size);
	enum arq_frame_result result = arq_frame_parse(frame, (uint32_t)size, 1, &packet);
	if (result == ARQ_FRAME_CHECKSUM && repair(frame))
		result = arq_frame_parse(frame, (uint32_t)size, 1, &packet);
	if (result == ARQ_FRAME_OK)
		check_packet(frame, size, &packet);
	free(frame);
	return 0;
}
