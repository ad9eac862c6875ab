// SPDX-License-Identifier: BSD-2-Clause
#include "test_http3_frames.h"

#include <criterion/criterion.h>
#include <string.h>

size_t frame_varint(uint8_t *out, uint16_t value)
{
	out[0] = (uint8_t)(0x40 | value >> 8);
	out[1] = (uint8_t)value;
	return 2;
}

static size_t frame(uint8_t out[FRAME_MAX], uint8_t type, const void *payload, size_t length)
{
	cr_assert_leq(length + 3, FRAME_MAX);
	out[0] = type;
	frame_varint(out + 1, (uint16_t)length);
	memcpy(out + 3, payload, length);
	return length + 3;
}

static size_t prefixed(uint8_t *out, uint8_t first, unsigned int bits, size_t value)
{
	size_t max = (1u << bits) - 1, n = 0;

	if (value < max) {
		out[0] = (uint8_t)(first | value);
		return 1;
	}
	out[n++] = (uint8_t)(first | max);
	for (value -= max; value >= 128; value >>= 7)
		out[n++] = (uint8_t)(value | 128);
	out[n++] = (uint8_t)value;
	return n;
}

static size_t literal(uint8_t *out, uint8_t first, unsigned int bits, const char *string)
{
	size_t length = prefixed(out, first, bits, strlen(string));

	while (*string)
		out[length++] = (uint8_t)*string++;
	return length;
}

size_t frame_headers(uint8_t out[FRAME_MAX], const char *lines)
{
	uint8_t section[FRAME_MAX] = {0, 0};
	size_t length = 2;

	while (*lines) {
		const char *value = lines + strlen(lines) + 1;

		cr_assert_leq(length + strlen(lines) + strlen(value) + 8, FRAME_MAX);
		length += literal(section + length, 0x20, 3, lines);
		length += literal(section + length, 0x00, 7, value);
		lines = value + strlen(value) + 1;
	}
	return frame(out, 1, section, length);
}

size_t frame_data(uint8_t out[FRAME_MAX], const void *data, size_t length)
{
	return frame(out, 0, data, length);
}
