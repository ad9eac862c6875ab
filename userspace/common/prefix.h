/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Prefixes of IPv4 and IPv6 addresses, and files that hold one on each line. Thread-safe.
 *
 * A file has one prefix or address a line; blanks around it, empty lines, and what follows a '#'
 * or ';' are ignored. A file is taken whole or refused whole.
 */
#ifndef ARQUANT_COMMON_PREFIX_H
#define ARQUANT_COMMON_PREFIX_H

#include "userspace/common/error.h"

#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>

/* Prefixes in one file: the largest set that the firewall takes. */
#define ARQ_PREFIXES_MAX (1u << 20)

/* An IPv6 address, "/128", and the final zero. */
#define ARQ_PREFIX_TEXT_MAX (INET6_ADDRSTRLEN + 4)

struct arq_prefix {
	uint8_t family; /* AF_INET or AF_INET6 */
	uint8_t length; /* bits, 0 to 32 or 128 */
	uint8_t address[16]; /* network byte order; IPv4 in the first four; bits past length are 0
			      */
};

/*
 * Parses "192.0.2.0/24", "2001:db8::/32", or an address alone (a prefix of all its bits).
 * Returns 0, -EINVAL when it is none, or -EDOM when bits past the length are set: whoever writes
 * 10.1.2.3/8 may mean the host or the network.
 */
int arq_prefix_parse(struct arq_prefix *prefix, const char *text);

/* Writes "ADDRESS/LENGTH"; returns `text`. */
const char *arq_prefix_format(const struct arq_prefix *prefix, char text[ARQ_PREFIX_TEXT_MAX]);

/*
 * Reads a file of prefixes into a new array, which the caller frees. Returns 0, or a negative errno
 * with the reason, "FILE:LINE:COLUMN: ...", in `error`.
 */
int arq_prefixes_read(const char *path, struct arq_prefix **prefixes, size_t *count,
		      struct arq_error *error);

#endif
