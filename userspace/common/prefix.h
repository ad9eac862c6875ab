/* SPDX-License-Identifier: BSD-2-Clause */
/* Prefixes of IPv4 and IPv6 addresses: parse, print. Thread-safe, no allocation. */
#ifndef ARQUANT_COMMON_PREFIX_H
#define ARQUANT_COMMON_PREFIX_H

#include "userspace/common/error.h"

#include <stdbool.h>
#include <stdint.h>

/* An address range in network byte order, host bits zero. */
struct arq_prefix {
	uint8_t family; /* AF_INET or AF_INET6 */
	uint8_t length; /* 0 to 32 or 128 */
	uint8_t address[16]; /* IPv4 uses the first four, the rest is zero */
};

/* "2001:db8:...:ffff/128" and the final zero. */
#define ARQ_PREFIX_TEXT_MAX 52

/*
 * Parses "192.0.2.0/24", "2001:db8::/32", or an address alone (a prefix of full length). Returns 0,
 * or -EINVAL with what is wrong in `error`: not an address, length out of range, host bits set
 * (whoever writes 10.1.2.3/8 may mean the host or the network).
 */
int arq_prefix_parse(struct arq_prefix *prefix, const char *text, struct arq_error *error);

/* Is it one: a family that we know, a length that the family has, no host bits? */
bool arq_prefix_valid(const struct arq_prefix *prefix);

/* Writes the same form back; returns `text`. */
const char *arq_prefix_format(const struct arq_prefix *prefix, char text[ARQ_PREFIX_TEXT_MAX]);

#endif
