/* SPDX-License-Identifier: BSD-2-Clause */
/* Frames of HTTP/3 by hand, for peers without manners. */
#ifndef ARQUANT_TESTS_UNIT_TEST_HTTP3_FRAMES_H
#define ARQUANT_TESTS_UNIT_TEST_HTTP3_FRAMES_H

#include <stddef.h>
#include <stdint.h>

/* Of a frame that these make; longer ones fail the test. */
#define FRAME_MAX 4096

/* Variable-length integer of two octets, RFC 9000 section 16. Returns its length, 2. */
size_t frame_varint(uint8_t *out, uint16_t value);

/*
 * HEADERS of "name\0value\0...\0\0": literals without table and Huffman, RFC 9204 section 4.5.6.
 * Returns the frame's length.
 */
size_t frame_headers(uint8_t out[FRAME_MAX], const char *lines);

/* DATA. Returns the frame's length. */
size_t frame_data(uint8_t out[FRAME_MAX], const void *data, size_t length);

#endif
