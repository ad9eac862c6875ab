/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The Internet checksum (RFC 1071), fast enough to verify every datagram that an AF_XDP socket
 * receives. A sum is a plain 64-bit number that may be added to; it is folded to 16 bits once, at
 * the end. Sums are in memory order: no byte is swapped, RFC 1071 section 2 (B).
 */
#ifndef ARQUANT_IO_CHECKSUM_H
#define ARQUANT_IO_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/*
 * Adds `length` bytes (at most 64 KiB in one sum) to `sum`. An odd last byte is padded with a zero,
 * so only the last piece of a datagram may have an odd length. No alignment is needed.
 */
uint64_t arq_checksum_add(uint64_t sum, const void *data, size_t length);

/*
 * The same for header fields: a length that is known where this is called, a multiple of 4; the
 * compiler makes a few additions of it.
 */
static inline uint64_t arq_checksum_add_fields(uint64_t sum, const void *data, size_t length)
{
	for (size_t i = 0; i + 4 <= length; i += 4) {
		uint32_t word;
		memcpy(&word, (const uint8_t *)data + i, sizeof(word));
		sum += word;
	}
	return sum;
}

/*
 * The checksum as it stands in a header, network byte order. 0 over data that contains its own
 * right checksum.
 */
static inline uint16_t arq_checksum_fold(uint64_t sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

#endif
