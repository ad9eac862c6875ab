/* SPDX-License-Identifier: BSD-2-Clause */
/* Packets of the benches of XDP programs: UDP datagrams in frames of BENCH_BYTES zero bytes. */
#ifndef ARQUANT_TESTS_BENCH_XDP_PACKETS_H
#define ARQUANT_TESTS_BENCH_XDP_PACKETS_H

#include "userspace/common/prefix.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Where the source address is. */
#define BENCH_FROM_V4 26
#define BENCH_FROM_V6 22

/* xorshift32: repeatable, and different for different packets. Not from 0. */
uint32_t bench_random(uint32_t *state);

/* Writes a number in network byte order. */
void bench_put(uint8_t *at, uint32_t value, size_t bytes);

/* From a random address and port to 192.0.2.0/24 or 2001:db8::/32; `service`: QUIC to .1 or ::1. */
void bench_put_ipv4(uint8_t *frame, uint32_t *random, bool service);
void bench_put_ipv6(uint8_t *frame, uint32_t *random, bool service);

/* Makes the address begin as the prefix does. */
void bench_put_prefix(uint8_t *address, const struct arq_prefix *prefix);

#endif
