// SPDX-License-Identifier: BSD-2-Clause
#include "userspace/proxy/hash.h"

/* FNV-1a's offset and prime of 64 bits. */
#define FNV_OFFSET UINT64_C(0xcbf29ce484222325)
#define FNV_PRIME  UINT64_C(0x100000001b3)

/* The finalizer of SplitMix64 (Steele, Lea, Flood 2014): FNV alone leaves its high bits poor. */
uint64_t arq_hash_mix(uint64_t value)
{
	value ^= value >> 30;
	value *= UINT64_C(0xbf58476d1ce4e5b9);
	value ^= value >> 27;
	value *= UINT64_C(0x94d049bb133111eb);
	return value ^ value >> 31;
}

uint64_t arq_hash(const void *data, size_t length, uint64_t seed)
{
	const uint8_t *octets = data;
	uint64_t hash = FNV_OFFSET ^ arq_hash_mix(seed);
	for (size_t i = 0; i < length; i++)
		hash = (hash ^ octets[i]) * FNV_PRIME;
	return arq_hash_mix(hash);
}
