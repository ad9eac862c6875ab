// SPDX-License-Identifier: BSD-2-Clause
/*
 * Any bytes as a received frame. What is accepted must lie inside the frame, and an answer to it
 * must be a frame that is accepted in its turn and leads back.
 */
#include "userspace/io/frame.h"

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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *frame = malloc(size ? size : 1);
	struct arq_rx_packet packet;

	memcpy(frame, data, size);
	if (arq_frame_parse(frame, (uint32_t)size, 1, &packet) == ARQ_FRAME_OK) {
		check(packet.data >= frame && packet.data <= frame + size);
		check(packet.length <= (size_t)(frame + size - packet.data));
		check(packet.length <= ARQ_IO_PAYLOAD_MAX && packet.ecn <= 3);
		check_answer(&packet);
	}
	free(frame);
	return 0;
}
