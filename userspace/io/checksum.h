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

/*
 * Adds `length` bytes (at most 64 KiB in one sum) to `sum`. An odd last byte is padded with a zero,
 * so only the last piece of a datagram may have an odd length. No alignment is needed.
 */
uint64_t arq_checksum_add(uint64_t sum, const void *data, size_t length);

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
