// SPDX-License-Identifier: BSD-2-Clause
#include "userspace/common/prefix.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Up to three digits without a sign or leading zero, at most `max`. */
static int parse_length(const char *text, unsigned int max, uint8_t *length)
{
	size_t digits = strspn(text, "0123456789");

	if (digits == 0 || digits > 3 || text[digits] || (digits > 1 && text[0] == '0'))
		return -EINVAL;
	unsigned long value = strtoul(text, NULL, 10);
	if (value > max)
		return -EINVAL;
	*length = (uint8_t)value;
	return 0;
}

/* Whether a bit past the length is set. */
static bool has_host_bits(const struct arq_prefix *prefix)
{
	unsigned int octet = prefix->length / 8u;

	if (octet < sizeof(prefix->address) &&
	    (prefix->address[octet] & (0xffu >> prefix->length % 8u)))
		return true;
	for (octet++; octet < sizeof(prefix->address); octet++) {
		if (prefix->address[octet])
			return true;
	}
	return false;
}

int arq_prefix_parse(struct arq_prefix *prefix, const char *text, struct arq_error *error)
{
	char host[INET6_ADDRSTRLEN];
	size_t length = strcspn(text, "/");

	memset(prefix, 0, sizeof(*prefix));
	if (length < sizeof(host)) {
		memcpy(host, text, length);
		host[length] = '\0';
		prefix->family = strchr(host, ':') ? AF_INET6 : AF_INET;
	}
	if (length >= sizeof(host) || inet_pton(prefix->family, host, prefix->address) != 1)
		return arq_error_set(error, -EINVAL,
				     "'%.60s' is no prefix; write it as 192.0.2.0/24 or "
				     "2001:db8::/32",
				     text);

	unsigned int bits = prefix->family == AF_INET ? 32 : 128;
	prefix->length = (uint8_t)bits;
	if (text[length] == '\0')
		return 0;
	if (parse_length(text + length + 1, bits, &prefix->length))
		return arq_error_set(error, -EINVAL,
				     "the length of '%.60s' is wrong; write a number from 0 to %u",
				     text, bits);
	if (has_host_bits(prefix))
		return arq_error_set(error, -EINVAL,
				     "'%.60s' has bits set past its length; write the network's "
				     "address, or /%u for the host",
				     text, bits);
	return 0;
}

bool arq_prefix_valid(const struct arq_prefix *prefix)
{
	if (prefix->family != AF_INET && prefix->family != AF_INET6)
		return false;
	return prefix->length <= (prefix->family == AF_INET ? 32 : 128) && !has_host_bits(prefix);
}

const char *arq_prefix_format(const struct arq_prefix *prefix, char text[ARQ_PREFIX_TEXT_MAX])
{
	char host[INET6_ADDRSTRLEN] = "?";

	inet_ntop(prefix->family, prefix->address, host, sizeof(host));
	snprintf(text, ARQ_PREFIX_TEXT_MAX, "%s/%u", host, prefix->length);
	return text;
}
