// SPDX-License-Identifier: BSD-2-Clause
#include "tests/bench/xdp_packets.h"

#include "tests/bench/xdp.h"

#include <string.h>

uint32_t bench_random(uint32_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 17;
	*state ^= *state << 5;
	return *state;
}

void bench_put(uint8_t *at, uint32_t value, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++)
		at[i] = (uint8_t)(value >> 8 * (bytes - 1 - i));
}

static void put_udp(uint8_t *udp, uint32_t *random, bool service, size_t length)
{
	bench_put(udp, bench_random(random) | 1024, 2);
	bench_put(udp + 2, service ? 443 : 1024 + bench_random(random) % 30000, 2);
	bench_put(udp + 4, (uint32_t)length, 2);
	/* A QUIC short header: two fixed bits, the rest is random or encrypted. */
	if (service)
		bench_put(udp + 8, 0x4000 | (bench_random(random) & 0x3fff), 2);
}

void bench_put_ipv4(uint8_t *frame, uint32_t *random, bool service)
{
	uint8_t *ip = frame + 14;

	bench_put(frame + 12, 0x0800, 2);
	bench_put(ip, 0x45000000 | (BENCH_BYTES - 14), 4);
	bench_put(ip + 8, 64 << 8 | 17, 2);
	bench_put(ip + 12, bench_random(random), 4);
	bench_put(ip + 16, service ? 0xc0000201 : 0xc0000200 | (bench_random(random) & 0xff), 4);
	put_udp(ip + 20, random, service, BENCH_BYTES - 34);
}

void bench_put_ipv6(uint8_t *frame, uint32_t *random, bool service)
{
	uint8_t *ip = frame + 14;

	bench_put(frame + 12, 0x86dd, 2);
	bench_put(ip, 0x60000000, 4);
	bench_put(ip + 4, BENCH_BYTES - 54, 2);
	bench_put(ip + 6, 17 << 8 | 64, 2);
	bench_put(ip + 8, 0x20000000 | (bench_random(random) & 0x1fffffff), 4);
	bench_put(ip + 12, bench_random(random), 4);
	bench_put(ip + 20, bench_random(random), 4);
	bench_put(ip + 24, 0x20010db8, 4);
	bench_put(ip + 36, service ? 1 : bench_random(random), 4);
	put_udp(ip + 40, random, service, BENCH_BYTES - 54);
}

void bench_put_prefix(uint8_t *address, const struct arq_prefix *prefix)
{
	size_t whole = prefix->length / 8;
	uint8_t mask = (uint8_t)(0xff00 >> prefix->length % 8);

	memcpy(address, prefix->address, whole);
	if (mask)
		address[whole] =
			(uint8_t)((prefix->address[whole] & mask) | (address[whole] & ~mask));
}
