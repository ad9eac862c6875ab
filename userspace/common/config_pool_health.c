// SPDX-License-Identifier: BSD-2-Clause
/* How a pool finds out which of its targets are well. */
#include "userspace/common/config_check.h"

#include <stdio.h>
#include <string.h>

#define MILLISECOND 1000000ull
#define SECOND      1000000000ull

/* "200" or "200-399". */
static int check_status(const struct arq_config_check *check, uint32_t i)
{
	struct arq_config_health *health = check->config->gateway.pools[i].health;
	unsigned int first = 200, last = 299;
	int end = 0;

	if (health->status) {
		int count = sscanf(health->status, "%3u%n-%3u%n", &first, &end, &last, &end);
		if (count == 1)
			last = first;
		if (count < 1 || health->status[end] != '\0' || first < 200 || last > 599 ||
		    first > last)
			return arq_document_fail(check->document, check->error,
						 arq_field("gateway.pools[%u].health.status", i),
						 "is '%s'; write a status from 200 to 599, or two "
						 "with '-' between them",
						 health->status);
	}
	health->status_first = (uint16_t)first;
	health->status_last = (uint16_t)last;
	return 0;
}

static int check_health_request(const struct arq_config_check *check, uint32_t i)
{
	const struct arq_config_health *health = check->config->gateway.pools[i].health;

	if (!health->path && (health->status || health->host))
		return arq_document_fail(check->document, check->error,
					 arq_field("gateway.pools[%u].health.%s", i,
						   health->status ? "status" : "host"),
					 "means nothing without 'path': only a handshake is made");
	if (health->path && (health->path[0] != '/' || strpbrk(health->path, " #") != NULL))
		return arq_document_fail(check->document, check->error,
					 arq_field("gateway.pools[%u].health.path", i),
					 "'%s' is no path; it begins with '/'", health->path);
	int code = arq_config_check_host(check, arq_field("gateway.pools[%u].health.host", i),
					 health->host);
	return code ? code : check_status(check, i);
}

/* Active checks. */
static int check_health(const struct arq_config_check *check, uint32_t i)
{
	struct arq_config_health *health = check->config->gateway.pools[i].health;

	if (!health)
		return 0;
	health->interval_ns = 5 * SECOND;
	health->timeout_ns = 2 * SECOND;
	int code = check_health_request(check, i);
	if (!code)
		code = arq_config_check_duration(
			check, arq_field("gateway.pools[%u].health.interval", i), health->interval,
			&health->interval_ns, 10 * MILLISECOND, 3600 * SECOND);
	if (!code)
		code = arq_config_check_duration(
			check, arq_field("gateway.pools[%u].health.timeout", i), health->timeout,
			&health->timeout_ns, 10 * MILLISECOND, 60 * SECOND);
	if (!code)
		code = arq_config_check_number(check,
					       arq_field("gateway.pools[%u].health.unhealthy", i),
					       &health->unhealthy, 3, 1, 100);
	if (!code)
		code = arq_config_check_number(check,
					       arq_field("gateway.pools[%u].health.healthy", i),
					       &health->healthy, 2, 1, 100);
	return code;
}

static int check_ejection(const struct arq_config_check *check, uint32_t i)
{
	struct arq_config_ejection *ejection = &check->config->gateway.pools[i].ejection;
	struct arq_field max_time = arq_field("gateway.pools[%u].ejection.max_time", i);

	ejection->time_ns = 10 * SECOND;
	ejection->max_time_ns = 300 * SECOND;
	int code =
		arq_config_check_number(check, arq_field("gateway.pools[%u].ejection.failures", i),
					&ejection->failures, 5, 0, 10000);
	if (!code)
		code = arq_config_check_number(
			check, arq_field("gateway.pools[%u].ejection.max_percent", i),
			&ejection->max_percent, 50, 1, 100);
	if (!code)
		code = arq_config_check_duration(
			check, arq_field("gateway.pools[%u].ejection.time", i), ejection->time,
			&ejection->time_ns, MILLISECOND, 3600 * SECOND);
	if (!code)
		code = arq_config_check_duration(check, max_time, ejection->max_time,
						 &ejection->max_time_ns, MILLISECOND,
						 24 * 3600 * SECOND);
	if (!code && ejection->max_time && ejection->max_time_ns < ejection->time_ns)
		return arq_document_fail(check->document, check->error, max_time,
					 "is less than the time of the first ejection");
	if (ejection->max_time_ns < ejection->time_ns)
		ejection->max_time_ns = ejection->time_ns;
	return code;
}

int arq_config_check_pool_health(const struct arq_config_check *check, uint32_t i)
{
	int code = check_health(check, i);
	return code ? code : check_ejection(check, i);
}
