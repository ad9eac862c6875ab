// SPDX-License-Identifier: BSD-2-Clause
/* Whom targets that are names are asked of, and how often. */
#include "userspace/common/config_check.h"

#include <stdlib.h>

#define MILLISECOND 1000000ull
#define SECOND      1000000000ull

#define DNS_PORT 53

/* What stub resolvers wait before they ask again or another. */
#define TIMEOUT_DEFAULT  (2 * SECOND)
#define ATTEMPTS_DEFAULT 2

/* TTLs of 0 are common where backends come and go; a question in five seconds hurts nobody. */
#define MIN_INTERVAL_DEFAULT (5 * SECOND)

/* Long TTLs are promises about addresses that nobody kept when a backend had to move. */
#define MAX_INTERVAL_DEFAULT (300 * SECOND)

static int check_servers(const struct arq_config_check *check)
{
	struct arq_config_resolver *resolver = &check->config->gateway.resolver;

	if (!resolver->servers_count)
		return 0;
	resolver->addresses = calloc(resolver->servers_count, sizeof(resolver->addresses[0]));
	if (!resolver->addresses)
		return arq_config_no_memory(check);
	for (uint32_t i = 0; i < resolver->servers_count; i++) {
		union arq_address *address = &resolver->addresses[i];
		if (arq_config_parse_host(resolver->servers[i], address) == 0)
			arq_address_set_port(address, DNS_PORT);
		else if (arq_address_parse(address, resolver->servers[i]))
			return arq_document_fail(
				check->document, check->error,
				arq_field("gateway.resolver.servers[%u]", i),
				"'%s' is no address; write 192.0.2.53, or 192.0.2.53:5353 with "
				"another port than 53",
				resolver->servers[i]);
	}
	return 0;
}

static int check_intervals(const struct arq_config_check *check)
{
	struct arq_config_resolver *resolver = &check->config->gateway.resolver;
	struct arq_field max = arq_field("gateway.resolver.max_interval");

	resolver->min_interval_ns = MIN_INTERVAL_DEFAULT;
	resolver->max_interval_ns = MAX_INTERVAL_DEFAULT;
	int code = arq_config_check_duration(check, arq_field("gateway.resolver.min_interval"),
					     resolver->min_interval, &resolver->min_interval_ns,
					     100 * MILLISECOND, 3600 * SECOND);
	if (!code)
		code = arq_config_check_duration(check, max, resolver->max_interval,
						 &resolver->max_interval_ns, 100 * MILLISECOND,
						 24ull * 3600 * SECOND);
	if (!code && resolver->max_interval &&
	    resolver->max_interval_ns < resolver->min_interval_ns)
		return arq_document_fail(check->document, check->error, max,
					 "is less than min_interval; raise it");
	if (resolver->max_interval_ns < resolver->min_interval_ns)
		resolver->max_interval_ns = resolver->min_interval_ns;
	return code;
}

int arq_config_check_resolver(const struct arq_config_check *check)
{
	struct arq_config_resolver *resolver = &check->config->gateway.resolver;

	resolver->timeout_ns = TIMEOUT_DEFAULT;
	int code = check_servers(check);
	if (!code)
		code = arq_config_check_duration(check, arq_field("gateway.resolver.timeout"),
						 resolver->timeout, &resolver->timeout_ns,
						 100 * MILLISECOND, 30 * SECOND);
	if (!code)
		code = arq_config_check_number(check, arq_field("gateway.resolver.attempts"),
					       &resolver->attempts, ATTEMPTS_DEFAULT, 1, 10);
	return code ? code : check_intervals(check);
}
