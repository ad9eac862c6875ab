// SPDX-License-Identifier: BSD-2-Clause
#include "userspace/proxy/fields.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

#define TEXT(literal)                                            \
	(struct arq_h3_text)                                     \
	{                                                        \
		.data = (literal), .length = sizeof(literal) - 1 \
	}

static bool is(struct arq_h3_text text, struct arq_h3_text other)
{
	return text.length == other.length && strncasecmp(text.data, other.data, text.length) == 0;
}

/* The lengths differ widely, so most names cost one comparison of numbers each. */
static bool is_any_of(struct arq_h3_text name, const struct arq_h3_text *names, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (is(name, names[i]))
			return true;
	}
	return false;
}

static bool forwarded(const struct arq_h3_field *field, bool request)
{
	static const struct arq_h3_text connection_specific[] = {
		{"connection", 10}, {"keep-alive", 10},        {"proxy-connection", 16},
		{"upgrade", 7},     {"transfer-encoding", 17}, {"http2-settings", 14},
	};
	static const struct arq_h3_text of_proxies[] = {{"x-forwarded-for", 15}, {"forwarded", 9}};

	if (is_any_of(field->name, connection_specific,
		      sizeof(connection_specific) / sizeof(connection_specific[0])))
		return false;
	if (is(field->name, TEXT("te")))
		return is(field->value, TEXT("trailers"));
	return !request ||
	       !is_any_of(field->name, of_proxies, sizeof(of_proxies) / sizeof(of_proxies[0]));
}

size_t arq_fields_forward(const struct arq_h3_field *fields, size_t count, bool request,
			  struct arq_h3_field *out)
{
	size_t kept = 0;
	for (size_t i = 0; i < count; i++) {
		if (forwarded(&fields[i], request))
			out[kept++] = fields[i];
	}
	return kept;
}

static size_t remove_name(struct arq_h3_field *fields, size_t count, const char *name)
{
	const struct arq_h3_text unwanted = arq_h3_text(name);
	size_t kept = 0;
	for (size_t i = 0; i < count; i++) {
		if (!is(fields[i].name, unwanted))
			fields[kept++] = fields[i];
	}
	return kept;
}

static size_t append(const struct arq_config_header *headers, size_t header_count,
		     struct arq_h3_field *fields, size_t count)
{
	for (size_t i = 0; i < header_count; i++)
		fields[count++] = (struct arq_h3_field){arq_h3_text(headers[i].name),
							arq_h3_text(headers[i].value)};
	return count;
}

size_t arq_fields_change(const struct arq_config_headers *headers, struct arq_h3_field *fields,
			 size_t count)
{
	for (uint32_t i = 0; i < headers->remove_count; i++)
		count = remove_name(fields, count, headers->remove[i]);
	for (uint32_t i = 0; i < headers->set_count; i++)
		count = remove_name(fields, count, headers->set[i].name);
	count = append(headers->set, headers->set_count, fields, count);
	return append(headers->add, headers->add_count, fields, count);
}

struct arq_h3_field arq_fields_via(void)
{
	return (struct arq_h3_field){.name = TEXT("via"), .value = TEXT("3 arquant")};
}

struct arq_h3_field arq_fields_forwarded_for(const union arq_address *client,
					     char text[ARQ_FORWARDED_FOR_MAX])
{
	const char *written = NULL;
	if (client->sa.sa_family == AF_INET)
		written = inet_ntop(AF_INET, &client->in.sin_addr, text, ARQ_FORWARDED_FOR_MAX);
	else if (client->sa.sa_family == AF_INET6)
		written = inet_ntop(AF_INET6, &client->in6.sin6_addr, text, ARQ_FORWARDED_FOR_MAX);
	return (struct arq_h3_field){
		.name = TEXT("x-forwarded-for"),
		.value = written ? arq_h3_text(text) : TEXT("unknown"),
	};
}
