// SPDX-License-Identifier: BSD-2-Clause
#include "userspace/common/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Decimal digits only, 1 to 65535; strtoul alone would take signs and blanks. */
static int parse_port(const char *text, in_port_t *port)
{
	size_t digits = strspn(text, "0123456789");
	if (digits == 0 || digits > 5 || text[digits])
		return -EINVAL;
	unsigned long value = strtoul(text, NULL, 10);
	if (value == 0 || value > 65535)
		return -EINVAL;
	*port = htons((uint16_t)value);
	return 0;
}

int arq_address_parse(union arq_address *address, const char *text)
{
	char host[INET6_ADDRSTRLEN];
	bool bracket = text[0] == '[';
	const char *begin = text + bracket;
	const char *end = strchr(begin, bracket ? ']' : ':');
	if (!end || (size_t)(end - begin) >= sizeof(host))
		return -EINVAL;
	memcpy(host, begin, (size_t)(end - begin));
	host[end - begin] = '\0';

	const char *colon = end + bracket;
	if (*colon != ':')
		return -EINVAL;

	memset(address, 0, sizeof(*address));
	if (bracket) {
		address->in6.sin6_family = AF_INET6;
		if (inet_pton(AF_INET6, host, &address->in6.sin6_addr) != 1)
			return -EINVAL;
		return parse_port(colon + 1, &address->in6.sin6_port);
	}
	address->in.sin_family = AF_INET;
	if (inet_pton(AF_INET, host, &address->in.sin_addr) != 1)
		return -EINVAL;
	return parse_port(colon + 1, &address->in.sin_port);
}

const char *arq_address_format_host(const union arq_address *address,
				    char text[ARQ_ADDRESS_TEXT_MAX])
{
	const void *bytes = address->sa.sa_family == AF_INET6
				    ? (const void *)&address->in6.sin6_addr
				    : (const void *)&address->in.sin_addr;
	if (!inet_ntop(address->sa.sa_family, bytes, text, ARQ_ADDRESS_TEXT_MAX))
		memcpy(text, "?", sizeof("?"));
	return text;
}

const char *arq_address_format(const union arq_address *address, char text[ARQ_ADDRESS_TEXT_MAX])
{
	char host[ARQ_ADDRESS_TEXT_MAX];
	bool bracket = address->sa.sa_family == AF_INET6;

	snprintf(text, ARQ_ADDRESS_TEXT_MAX, "%s%.*s%s:%u", bracket ? "[" : "", INET6_ADDRSTRLEN,
		 arq_address_format_host(address, host), bracket ? "]" : "",
		 arq_address_port(address));
	return text;
}

socklen_t arq_address_length(const union arq_address *address)
{
	switch (address->sa.sa_family) {
	case AF_INET:
		return sizeof(address->in);
	case AF_INET6:
		return sizeof(address->in6);
	default:
		return 0;
	}
}

bool arq_address_equal(const union arq_address *a, const union arq_address *b)
{
	if (a->sa.sa_family != b->sa.sa_family)
		return false;
	if (a->sa.sa_family == AF_INET)
		return a->in.sin_addr.s_addr == b->in.sin_addr.s_addr &&
		       a->in.sin_port == b->in.sin_port;
	return memcmp(&a->in6.sin6_addr, &b->in6.sin6_addr, sizeof(a->in6.sin6_addr)) == 0 &&
	       a->in6.sin6_port == b->in6.sin6_port && a->in6.sin6_scope_id == b->in6.sin6_scope_id;
}

bool arq_address_is_any(const union arq_address *address)
{
	if (address->sa.sa_family == AF_INET)
		return address->in.sin_addr.s_addr == htonl(INADDR_ANY);
	return IN6_IS_ADDR_UNSPECIFIED(&address->in6.sin6_addr);
}

in_port_t arq_address_port(const union arq_address *address)
{
	switch (address->sa.sa_family) {
	case AF_INET:
		return ntohs(address->in.sin_port);
	case AF_INET6:
		return ntohs(address->in6.sin6_port);
	default:
		return 0;
	}
}

void arq_address_set_port(union arq_address *address, in_port_t port)
{
	if (address->sa.sa_family == AF_INET)
		address->in.sin_port = htons(port);
	else
		address->in6.sin6_port = htons(port);
}
