// SPDX-License-Identifier: BSD-2-Clause
#include "userspace/io/checksum.h"

#include <string.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

/* From here on the wide loop repays its call and its reduction (tests/bench/xsk --checksum). */
#define WIDE_FROM 128

static uint64_t load64(const uint8_t *data)
{
	uint64_t word;
	memcpy(&word, data, sizeof(word));
	return word;
}

/* Both halves: 64 bits of room for 32-bit words need no carry. */
static uint64_t halves(uint64_t word)
{
	return (word & 0xffffffff) + (word >> 32);
}

#if defined(__x86_64__)
static __attribute__((target("avx2"))) __m256i add_halves(__m256i sum, __m256i words)
{
	const __m256i low = _mm256_set1_epi64x(0xffffffff);
	sum = _mm256_add_epi64(sum, _mm256_and_si256(words, low));
	return _mm256_add_epi64(sum, _mm256_srli_epi64(words, 32));
}

/* Whole blocks of 128 bytes; four sums, so that no addition waits for the one before. */
static __attribute__((target("avx2"))) uint64_t add_blocks_avx2(const uint8_t *data, size_t blocks)
{
	__m256i sums[4] = {_mm256_setzero_si256(), _mm256_setzero_si256(), _mm256_setzero_si256(),
			   _mm256_setzero_si256()};
	for (; blocks > 0; blocks--, data += 128) {
		for (size_t i = 0; i < 4; i++)
			sums[i] = add_halves(sums[i],
					     _mm256_loadu_si256((const __m256i *)(data + 32 * i)));
	}
	__m256i sum = _mm256_add_epi64(_mm256_add_epi64(sums[0], sums[1]),
				       _mm256_add_epi64(sums[2], sums[3]));
	uint64_t lanes[4];
	_mm256_storeu_si256((__m256i *)lanes, sum);
	return lanes[0] + lanes[1] + lanes[2] + lanes[3];
}
#endif

uint64_t arq_checksum_add(uint64_t sum, const void *start, size_t length)
{
	const uint8_t *data = start;

#if defined(__x86_64__)
	if (length >= WIDE_FROM && __builtin_cpu_supports("avx2")) {
		size_t blocks = length / 128;
		sum += add_blocks_avx2(data, blocks);
		data += blocks * 128;
		length -= blocks * 128;
	}
#endif
	for (; length >= 32; length -= 32, data += 32)
		sum += halves(load64(data)) + halves(load64(data + 8)) + halves(load64(data + 16)) +
		       halves(load64(data + 24));
	for (; length >= 8; length -= 8, data += 8)
		sum += halves(load64(data));
	if (length > 0) {
		uint64_t rest = 0;
		memcpy(&rest, data, length);
		sum += halves(rest);
	}
	return sum;
}
