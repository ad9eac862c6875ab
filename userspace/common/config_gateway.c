// SPDX-License-Identifier: BSD-2-Clause
#include "userspace/common/config_check.h"

#include <arquant/service.h>

#define SECOND 1000000000ull

/* What a small machine serves; each open connection costs memory. */
#define CONNECTIONS_DEFAULT 10000
#define CONNECTIONS_MAX     10000000

/* What common servers take; under 1 KiB ordinary browsers fail. */
#define HEADER_SIZE_DEFAULT 16384
#define HEADER_SIZE_MIN     1024
#define HEADER_SIZE_MAX     (1u << 20)

/* Under a second a connection would die of one lost packet; an hour of silence is enough. */
#define IDLE_DEFAULT (30 * SECOND)
#define IDLE_MIN     SECOND
#define IDLE_MAX     (3600 * SECOND)

#define DRAIN_DEFAULT (10 * SECOND)
#define DRAIN_MAX     (3600 * SECOND)

static int check_limits(const struct arq_config_check *check)
{
	struct arq_config_limits *limits = &check->config->gateway.limits;

	limits->idle_timeout_ns = IDLE_DEFAULT;
	limits->drain_timeout_ns = DRAIN_DEFAULT;
	int code = arq_config_check_number(check, arq_field("gateway.limits.max_connections"),
					   &limits->max_connections, CONNECTIONS_DEFAULT, 1,
					   CONNECTIONS_MAX);
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
	return code ? code : check_limits(check);
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
	return code;
}
