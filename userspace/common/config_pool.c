// SPDX-License-Identifier: BSD-2-Clause
#include "userspace/common/config_check.h"
#include "userspace/common/config_schema.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define SECOND 1000000000ull

/* Enough for any proportion that capacity planning knows. */
#define WEIGHT_MAX 1000

/* "api.internal:443": a host whose last label is no number, for that would be a bad address. */
static bool is_name(const char *host)
{
	const char *dot = strrchr(host, '.'), *last = dot ? dot + 1 : host;
	return arq_config_is_host(host) && last[strspn(last, "0123456789")] != '\0';
}

/* An address as addresses are written with the same port: the port is read as theirs is. */
static bool parse_port(const char *port, in_port_t *number)
{
	char text[sizeof("192.0.2.1:65535")];
	union arq_address address;
	int length = snprintf(text, sizeof(text), "192.0.2.1:%s", port);
	if (length < 0 || (size_t)length >= sizeof(text) || arq_address_parse(&address, text) != 0)
		return false;
	*number = arq_address_port(&address);
	return true;
}

/* An address with port, or a name with port. */
static int check_where(const struct arq_config_check *check, struct arq_field field,
		       struct arq_config_target *target)
{
	const char *colon = strrchr(target->address_text, ':');

	if (arq_address_parse(&target->address, target->address_text) == 0) {
		if (!arq_address_is_any(&target->address))
			return 0;
		return arq_document_fail(check->document, check->error, field,
					 "%s is no address to connect to; write the backend's own",
					 target->address_text);
	}
	target->address = (union arq_address){.sa.sa_family = AF_UNSPEC};
	if (colon && parse_port(colon + 1, &target->port)) {
		target->host =
			strndup(target->address_text, (size_t)(colon - target->address_text));
		if (!target->host)
			return arq_config_no_memory(check);
		arq_config_to_lower(target->host);
		if (is_name(target->host))
			return 0;
	}
	return arq_document_fail(check->document, check->error, field,
				 "'%s' is neither address nor name with a port; write it as "
				 "192.0.2.1:443, \"[2001:db8::1]:443\" or api.internal:443",
				 target->address_text);
}

static bool is_same(const struct arq_config_target *a, const struct arq_config_target *b)
{
	if (!a->host || !b->host)
		return !a->host && !b->host && arq_address_equal(&a->address, &b->address);
	return strcmp(a->host, b->host) == 0 && a->port == b->port;
}

static int check_target(const struct arq_config_check *check, uint32_t i, uint32_t j)
{
	struct arq_config_pool *pool = &check->config->gateway.pools[i];
	struct arq_config_target *target = &pool->targets[j];
	struct arq_field field = arq_field("gateway.pools[%u].targets[%u].address", i, j);

	int code = check_where(check, field, target);
	if (code)
		return code;
	for (uint32_t k = 0; k < j; k++) {
		if (is_same(&pool->targets[k], target))
			return arq_document_fail(check->document, check->error, field,
						 "%s is target %u of this pool already; remove one",
						 target->address_text, k);
	}
	code = arq_config_check_number(check,
				       arq_field("gateway.pools[%u].targets[%u].weight", i, j),
				       &target->weight, 1, 1, WEIGHT_MAX);
	if (!code)
		code = arq_config_check_host(
			check, arq_field("gateway.pools[%u].targets[%u].server_name", i, j),
			target->server_name);
	if (!code && pool->tls.server_name)
		code = arq_config_set_default(check, &target->server_name, pool->tls.server_name);
	if (!code && target->host)
		code = arq_config_set_default(check, &target->server_name, target->host);
	return code;
}

static int check_pool_tls(const struct arq_config_check *check, uint32_t i)
{
	struct arq_config_tls *tls = &check->config->gateway.pools[i].tls;
	struct arq_field ca = arq_field("gateway.pools[%u].tls.ca", i);

	if (!arq_document_has(check->document, arq_field("gateway.pools[%u].tls.verify", i)))
		tls->verify = true;
	if (tls->ca && !tls->verify)
		return arq_document_fail(check->document, check->error, ca,
					 "means nothing with 'verify: false'; remove one of them");
	if (!tls->certificate != !tls->key)
		return arq_document_fail(
			check->document, check->error,
			arq_field("gateway.pools[%u].tls.%s", i, tls->key ? "key" : "certificate"),
			"comes alone; give certificate and key");
	int code = arq_config_check_host(check, arq_field("gateway.pools[%u].tls.server_name", i),
					 tls->server_name);
	if (!code)
		code = arq_config_resolve(check, &tls->ca);
	if (!code)
		code = arq_config_resolve(check, &tls->certificate);
	return code ? code : arq_config_resolve(check, &tls->key);
}

/* RFC 9110, section 5.6.2; upper case would never match, HTTP/3's names have none. */
static bool is_field_name(const char *text)
{
	size_t length = strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789!#$%&'*+-.^_`|~");
	return length > 0 && text[length] == '\0';
}

/* RFC 6265, section 4.1.1, as far as it matters for finding one. */
static bool is_cookie_name(const char *text)
{
	return text[0] != '\0' && text[strcspn(text, "=;, \t\"")] == '\0';
}

/* "client", "header NAME" or "cookie NAME"; false for anything else. */
static bool parse_hash(struct arq_config_pool *pool)
{
	if (strcmp(pool->hash, "client") == 0)
		return true;
	pool->hash_name = pool->hash + 7;
	if (strncmp(pool->hash, "cookie ", 7) == 0) {
		pool->hash_by = ARQ_CONFIG_HASH_COOKIE;
		return is_cookie_name(pool->hash_name);
	}
	if (strncmp(pool->hash, "header ", 7) != 0)
		return false;
	pool->hash_by = ARQ_CONFIG_HASH_HEADER;
	for (char *at = pool->hash + 7; *at; at++)
		*at = (char)tolower((unsigned char)*at);
	return is_field_name(pool->hash_name);
}

static int check_hash(const struct arq_config_check *check, uint32_t i)
{
	struct arq_config_pool *pool = &check->config->gateway.pools[i];
	struct arq_field field = arq_field("gateway.pools[%u].hash", i);

	if (!pool->hash)
		return 0;
	if (pool->policy != ARQ_CONFIG_CONSISTENT_HASH)
		return arq_document_fail(check->document, check->error, field,
					 "means nothing without 'policy: consistent-hash'");
	if (!parse_hash(pool))
		return arq_document_fail(check->document, check->error, field,
					 "is '%s'; write client, 'header NAME' or 'cookie NAME'",
					 pool->hash);
	return 0;
}

/* When targets are used, apart from their own health. */
static int check_use(const struct arq_config_check *check, uint32_t i)
{
	struct arq_config_pool *pool = &check->config->gateway.pools[i];
	struct arq_field slow_start = arq_field("gateway.pools[%u].slow_start", i);
	bool primary = false;

	for (uint32_t j = 0; j < pool->targets_count; j++)
		primary |= !pool->targets[j].backup;
	if (!primary)
		return arq_document_fail(check->document, check->error,
					 arq_field("gateway.pools[%u].targets", i),
					 "are all backups; what they stand in for is missing");
	if (pool->slow_start && pool->policy == ARQ_CONFIG_CONSISTENT_HASH)
		return arq_document_fail(check->document, check->error, slow_start,
					 "means nothing with 'policy: consistent-hash', where keys "
					 "decide");
	int code = arq_config_check_number(check, arq_field("gateway.pools[%u].panic_threshold", i),
					   &pool->panic_threshold, 1, 0, 100);
	return code ? code
		    : arq_config_check_duration(check, slow_start, pool->slow_start,
						&pool->slow_start_ns, 0, 3600 * SECOND);
}

int arq_config_check_pool(const struct arq_config_check *check, uint32_t i)
{
	struct arq_config_pool *pools = check->config->gateway.pools;
	struct arq_field name = arq_field("gateway.pools[%u].name", i);

	int code = arq_config_check_name(check, name, pools[i].name);
	if (code)
		return code;
	for (uint32_t j = 0; j < i; j++) {
		if (strcmp(pools[j].name, pools[i].name) == 0)
			return arq_document_fail(check->document, check->error, name,
						 "'%s' is the name of gateway.pools[%u] already; "
						 "choose another",
						 pools[i].name, j);
	}
	code = arq_config_check_pool_alpn(check, i);
	if (!code)
		code = check_hash(check, i);
	if (!code)
		code = check_use(check, i);
	if (!code)
		code = arq_config_check_pool_health(check, i);
	if (!code)
		code = arq_config_check_pool_limits(check, i);
	if (!code)
		code = check_pool_tls(check, i);
	for (uint32_t j = 0; !code && j < pools[i].targets_count; j++)
		code = check_target(check, i, j);
	return code;
}

bool arq_config_has_names(const struct arq_config_pool *pool)
{
	bool has = false;
	for (uint32_t i = 0; i < pool->targets_count; i++)
		has |= pool->targets[i].host != NULL;
	return has;
}

bool arq_config_same_pool(const struct arq_config_pool *a, const struct arq_config_pool *b)
{
	static const cyaml_schema_value_t schema = {
		CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, struct arq_config_pool,
				    arq_config_pool_fields),
	};
	return arq_document_same(&schema, a, b);
}
