/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a name server answers, for tests. The zone is text, a line for each record:
 *
 *	NAME A|AAAA TTL VALUE
 *
 * VALUE is an address, "fail" (SERVFAIL) or "silent" (no answer at all). A name that has no line
 * does not exist; one that has lines of the other type only has no such address.
 */
#ifndef ARQUANT_TEST_NAMESERVER_H
#define ARQUANT_TEST_NAMESERVER_H

#include <stddef.h>
#include <stdint.h>

#define NAMESERVER_MESSAGE_MAX 4096

/* Returns the length of the answer to a message of `length` octets; 0: there is none. */
size_t nameserver_answer(const char *zone, const uint8_t *query, size_t length,
			 uint8_t reply[NAMESERVER_MESSAGE_MAX]);

#endif
