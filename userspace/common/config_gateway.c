// SPDX-License-Identifier: BSD-2-Clause
#include "userspace/common/config_check.h"

#include "userspace/common/control.h"

#include <arquant/service.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECOND 1000000000ull

/* What a small machine serves; each open connection costs memory. */
#define CONNECTIONS_DEFAULT 10000
#define CONNECTIONS_MAX     10000000

#define MEMORY_MAX (1u << 20) /* a TiB */

/* Of a worker's time: what is left to others under a flood of Initials is nine tenths of it. */
#define NEWCOMERS_DEFAULT 10
#define NEWCOMERS_MAX     100

/* What common servers take; under 1 KiB ordinary browsers fail. */
#define HEADER_SIZE_DEFAULT 16384
#define HEADER_SIZE_MIN     1024
#define HEADER_SIZE_MAX     (1u << 20)

/* Under a second a connection would die of one lost packet; an hour of silence is enough. */
#define IDLE_DEFAULT (30 * SECOND)
#define IDLE_MIN     SECOND
#define IDLE_MAX     (3600 * SECOND)

/* Of connection ids: 20 octets, of which the first, and two of the server id, are taken. */
#define CONFIG_ID_MAX 6
#define NONCE_DEFAULT 9
#define NONCE_MIN     4u
#define PLAIN_MAX     17u

/* Handshakes under way: a quarter of what a worker has room for. */
#define RETRY_THRESHOLD_DEFAULT 1024
#define RETRY_THRESHOLD_MAX     1000000

#define PORT_DIGITS_MAX 5

#define DRAIN_DEFAULT (10 * SECOND)
#define DRAIN_MAX     (3600 * SECOND)

#define BLOCK_MIN SECOND
#define BLOCK_MAX (366 * 86400 * SECOND)

static int check_limits(const struct arq_config_check *check)
{
	struct arq_config_limits *limits = &check->config->gateway.limits;

	limits->idle_timeout_ns = IDLE_DEFAULT;
	limits->drain_timeout_ns = DRAIN_DEFAULT;
	int code = arq_config_check_number(check, arq_field("gateway.limits.max_connections"),
					   &limits->max_connections, CONNECTIONS_DEFAULT, 1,
					   CONNECTIONS_MAX);
	if (!code)
		code = arq_config_check_number(check, arq_field("gateway.limits.per_source"),
					       &limits->per_source, 0, 0, CONNECTIONS_MAX);
	if (!code)
		code = arq_config_check_number(check, arq_field("gateway.limits.memory"),
					       &limits->memory_mib, 0, 0, MEMORY_MAX);
	if (!code)
		code = arq_config_check_number(check, arq_field("gateway.limits.newcomers"),
					       &limits->newcomers, NEWCOMERS_DEFAULT, 1,
					       NEWCOMERS_MAX);
	if (!code)
		code = arq_config_check_number(check, arq_field("gateway.limits.header_size"),
					       &limits->header_size, HEADER_SIZE_DEFAULT,
					       HEADER_SIZE_MIN, HEADER_SIZE_MAX);
	if (!code)
		code = arq_config_check_duration(check, arq_field("gateway.limits.idle_timeout"),
						 limits->idle_timeout_text,
						 &limits->idle_timeout_ns, IDLE_MIN, IDLE_MAX);
	if (!code)
		code = arq_config_check_duration(check, arq_field("gateway.limits.drain_timeout"),
						 limits->drain_timeout_text,
						 &limits->drain_timeout_ns, 0, DRAIN_MAX);
	if (!code)
		code = arq_config_check_duration(check, arq_field("gateway.limits.block_abuse"),
						 limits->block_abuse_text, &limits->block_abuse_ns,
						 BLOCK_MIN, BLOCK_MAX);
	return code;
}

/* Pairs of hexadecimal digits. */
static bool parse_octets(const char *text, uint8_t *octets, uint32_t *length)
{
	static const char digits[] = "0123456789abcdef";

	for (*length = 0; text[0]; text += 2, (*length)++) {
		const char *high = strchr(digits, tolower((unsigned char)text[0]));
		const char *low = text[1] ? strchr(digits, tolower((unsigned char)text[1])) : NULL;

		if (!high || !low)
			return false;
		octets[*length] = (uint8_t)((high - digits) << 4 | (low - digits));
	}
	return true;
}

static int check_connection_ids(const struct arq_config_check *check)
{
	struct arq_config_connection_ids *ids = &check->config->gateway.connection_ids;
	struct arq_field server_id = arq_field("gateway.connection_ids.server_id");

	int code = arq_config_check_number(check, arq_field("gateway.connection_ids.config_id"),
					   &ids->config_id, 0, 0, CONFIG_ID_MAX);
	if (!code && ids->server_id_text &&
	    !parse_octets(ids->server_id_text, ids->server_id, &ids->server_id_length))
		return arq_document_fail(check->document, check->error, server_id,
					 "'%s' is no octets; use pairs of hexadecimal digits",
					 ids->server_id_text);
	/* Firewalls, ours too, drop Initials whose destination id is shorter than 8 octets. */
	if (!code)
		code = arq_config_check_number(
			check, arq_field("gateway.connection_ids.nonce_length"), &ids->nonce_length,
			NONCE_DEFAULT, ids->server_id_length ? NONCE_MIN : NONCE_MIN + 1,
			PLAIN_MAX - ids->server_id_length);
	return code ? code : arq_config_resolve(check, &ids->key_file);
}

static int check_transport(const struct arq_config_check *check)
{
	struct arq_config_transport *transport = &check->config->gateway.transport;
	struct arq_field threshold = arq_field("gateway.transport.retry_threshold");

	if (transport->retry != ARQ_CONFIG_RETRY_AUTO &&
	    arq_document_has(check->document, threshold))
		return arq_document_fail(check->document, check->error, threshold,
					 "means nothing unless 'retry: auto'; remove it");
	return arq_config_check_number(check, threshold, &transport->retry_threshold,
				       RETRY_THRESHOLD_DEFAULT, 0, RETRY_THRESHOLD_MAX);
}

/* A port alone is one of loopback: metrics are not for everybody. */
static int check_metrics(const struct arq_config_check *check)
{
	struct arq_config_admin *admin = &check->config->gateway.admin;
	char text[sizeof("127.0.0.1:") + PORT_DIGITS_MAX];

	if (!admin->metrics_text)
		return 0;
	size_t digits = strspn(admin->metrics_text, "0123456789");
	bool port_alone = admin->metrics_text[digits] == '\0' && digits <= PORT_DIGITS_MAX;
	snprintf(text, sizeof(text), "127.0.0.1:%.*s", PORT_DIGITS_MAX, admin->metrics_text);
	return arq_config_check_address(check, arq_field("gateway.admin.metrics"),
					port_alone ? text : admin->metrics_text, &admin->metrics);
}

static int check_admin(const struct arq_config_check *check)
{
	struct arq_config_admin *admin = &check->config->gateway.admin;

	admin->control_named = admin->control != NULL;
	int code = arq_config_resolve(check, &admin->control);
	if (!code)
		code = arq_config_set_default(check, &admin->control, ARQ_CONTROL_PATH);
	return code ? code : check_metrics(check);
}

static int check_access_log(const struct arq_config_check *check)
{
	struct arq_config_access_log *log = &check->config->gateway.access_log;

	int code = arq_config_resolve(check, &log->file);
	for (uint32_t i = 0; !code && i < log->request_headers_count; i++) {
		struct arq_field field = arq_field("gateway.access_log.request_headers[%u]", i);
		char *name = log->request_headers[i];
		code = arq_config_check_header_name(check, field, name);
		for (uint32_t j = 0; !code && j < i; j++) {
			if (strcmp(log->request_headers[j], name) == 0)
				code = arq_config_name_twice(
					check, field, name,
					arq_field("gateway.access_log.request_headers[%u]", j));
		}
	}
	return code;
}

static int check_general(const struct arq_config_check *check)
{
	struct arq_config_gateway *gateway = &check->config->gateway;

	int code = arq_config_check_number(check, arq_field("gateway.workers"), &gateway->workers,
					   1, 1, ARQ_QUEUES_MAX);
	if (!code && gateway->user)
		code = arq_config_check_name(check, arq_field("gateway.user"), gateway->user);
	if (!code)
		code = arq_config_resolve(check, &gateway->static_secret_file);
	if (!code)
		code = check_connection_ids(check);
	if (!code)
		code = check_transport(check);
	if (!code)
		code = check_admin(check);
	if (!code)
		code = check_access_log(check);
	if (!code)
		code = arq_config_check_forwarding(check);
	if (!code)
		code = arq_config_check_resolver(check);
	return code ? code : check_limits(check);
}

void arq_config_gateway_clear(struct arq_config_gateway *gateway)
{
	free(gateway->resolver.addresses);
	for (uint32_t i = 0; i < gateway->pools_count; i++) {
		for (uint32_t j = 0; j < gateway->pools[i].targets_count; j++)
			free(gateway->pools[i].targets[j].host);
	}
}

int arq_config_check_gateway(const struct arq_config_check *check)
{
	const struct arq_config_gateway *gateway = &check->config->gateway;

	int code = check_general(check);
	for (uint32_t i = 0; !code && i < gateway->listeners_count; i++)
		code = arq_config_check_listener(check, i);
	for (uint32_t i = 0; !code && i < gateway->pools_count; i++)
		code = arq_config_check_pool(check, i);
	for (uint32_t i = 0; !code && i < gateway->routes_count; i++)
		code = arq_config_check_route(check, i);
	return code ? code : arq_config_check_alpns_routed(check);
}
