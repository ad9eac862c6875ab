/* SPDX-License-Identifier: BSD-2-Clause */
/* Socket addresses of IPv4 and IPv6: parse, print, compare. Thread-safe, no allocation. */
#ifndef ARQUANT_COMMON_ADDRESS_H
#define ARQUANT_COMMON_ADDRESS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <sys/socket.h>

/* Fits every address the project handles; 28 bytes instead of sockaddr_storage's 128. */
union arq_address {
	struct sockaddr sa;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
};

/* "[" address "%" scope "]:" port, and the final zero. */
#define ARQ_ADDRESS_TEXT_MAX 72

/*
 * Parses "192.0.2.1:443" or "[2001:db8::1]:443"; numbers only, no names, port 1 to 65535.
 * Returns 0 or -EINVAL.
 */
int arq_address_parse(union arq_address *address, const char *text);

/* Writes the same form back; returns `text`. */
const char *arq_address_format(const union arq_address *address, char text[ARQ_ADDRESS_TEXT_MAX]);

/* Writes the address alone, "192.0.2.1" or "2001:db8::1"; returns `text`. */
const char *arq_address_format_host(const union arq_address *address,
				    char text[ARQ_ADDRESS_TEXT_MAX]);

/* Length for the socket calls: sizeof of the family's structure, 0 for an unknown family. */
socklen_t arq_address_length(const union arq_address *address);

/* Same family, address, port and IPv6 scope. */
bool arq_address_equal(const union arq_address *a, const union arq_address *b);

/* 0.0.0.0 or ::, with any port. */
bool arq_address_is_any(const union arq_address *address);

/* UDP port in host byte order, 0 for an unknown family. */
in_port_t arq_address_port(const union arq_address *address);

/* Gives it another port, in host byte order; not for an unknown family. */
void arq_address_set_port(union arq_address *address, in_port_t port);

#endif
