// SPDX-License-Identifier: BSD-2-Clause
/* What consistent hashing goes by. */
#include "userspace/proxy/hash.h"
#include "userspace/proxy/target.h"

#include <string.h>

/* A new seed would move every key. */
#define KEY_SEED 3

static uint64_t client_key(const union arq_address *client)
{
	/* Without the port: a client is a host. */
	if (client->sa.sa_family == AF_INET)
		return arq_hash(&client->in.sin_addr, sizeof(client->in.sin_addr), KEY_SEED);
	return arq_hash(&client->in6.sin6_addr, sizeof(client->in6.sin6_addr), KEY_SEED);
}

/* The value of the first field with this name, from `*at` on; data NULL when there is none. */
static struct arq_h3_text next_field(const struct arq_h3_request *request, size_t *at,
				     const char *name)
{
	size_t length = strlen(name);
	for (; *at < request->field_count; (*at)++) {
		const struct arq_h3_field *field = &request->fields[*at];
		if (field->name.length == length && memcmp(field->name.data, name, length) == 0)
			return request->fields[(*at)++].value;
	}
	return (struct arq_h3_text){0};
}

/* RFC 6265, section 4.2.1: name=value; name=value. A value's quotes are part of it. */
static struct arq_h3_text find_cookie(struct arq_h3_text list, const char *name)
{
	size_t length = strlen(name);
	const char *at = list.data, *end = list.data + list.length;
	while (at < end) {
		while (at < end && (*at == ' ' || *at == ';'))
			at++;
		const char *stop = memchr(at, ';', (size_t)(end - at));
		if (!stop)
			stop = end;
		if ((size_t)(stop - at) > length && memcmp(at, name, length) == 0 &&
		    at[length] == '=')
			return (struct arq_h3_text){at + length + 1,
						    (size_t)(stop - at) - length - 1};
		at = stop;
	}
	return (struct arq_h3_text){0};
}

/* Clients may split cookies over several lines: RFC 9114, section 4.2.1. */
static struct arq_h3_text cookie_value(const struct arq_h3_request *request, const char *name)
{
	struct arq_h3_text line, value = {0};
	for (size_t at = 0; !value.data && (line = next_field(request, &at, "cookie")).data;)
		value = find_cookie(line, name);
	return value;
}

uint64_t arq_pool_key(const struct arq_pool *pool, const struct arq_h3_request *request,
		      const union arq_address *client)
{
	const struct arq_config_pool *config = pool->config;
	struct arq_h3_text value = {0};
	size_t at = 0;

	if (config->policy != ARQ_CONFIG_CONSISTENT_HASH)
		return 0;
	if (request && config->hash_by == ARQ_CONFIG_HASH_HEADER)
		value = next_field(request, &at, config->hash_name);
	else if (request && config->hash_by == ARQ_CONFIG_HASH_COOKIE)
		value = cookie_value(request, config->hash_name);
	return value.data ? arq_hash(value.data, value.length, KEY_SEED) : client_key(client);
}
