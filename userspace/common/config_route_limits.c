// SPDX-License-Identifier: BSD-2-Clause
/* How much a route takes of clients, how long it waits for targets and how often it asks them. */
#include "userspace/common/config_check.h"

#define DAY (24 * 3600 * 1000000000ull)

/* As a pool's. */
#define ATTEMPTS_MAX 10

#define REQUESTS_MAX 1000000

/* At one a day still less than 64 bits of nanoseconds. */
#define BURST_MAX 100000

static int check_timeouts(const struct arq_config_check *check, uint32_t i)
{
	struct arq_config_route_timeouts *timeouts = &check->config->gateway.routes[i].timeouts;
	const struct {
		const char *name, *text;
		uint64_t *value;
	} durations[] = {
		{"try", timeouts->try, &timeouts->try_ns},
		{"response", timeouts->response, &timeouts->response_ns},
		{"stall", timeouts->stall, &timeouts->stall_ns},
	};
	int code = 0;

	for (size_t k = 0; !code && k < sizeof(durations) / sizeof(durations[0]); k++) {
		*durations[k].value = ARQ_CONFIG_AS_POOL;
		code = arq_config_check_duration(
			check, arq_field("gateway.routes[%u].timeouts.%s", i, durations[k].name),
			durations[k].text, durations[k].value, 0, DAY);
	}
	return code;
}

static int check_rate(const struct arq_config_check *check, uint32_t i)
{
	struct arq_config_route_limits *limits = &check->config->gateway.routes[i].limits;
	struct arq_field field = arq_field("gateway.routes[%u].limits.rate", i);
	struct arq_field burst = arq_field("gateway.routes[%u].limits.burst", i);
	uint64_t requests, period;

	if (!limits->rate)
		return arq_document_has(check->document, burst)
			       ? arq_document_fail(check->document, check->error, burst,
						   "means nothing without a rate; add one")
			       : 0;
	if (arq_rate_parse(limits->rate, &requests, &period) || requests > REQUESTS_MAX)
		return arq_document_fail(
			check->document, check->error, field,
			"'%s' is no rate; write requests and a time, as 100/s, 30/m "
			"or 5/10s, at most %u requests",
			limits->rate, REQUESTS_MAX);
	limits->interval_ns = period / requests;
	return arq_config_check_number(check, burst, &limits->burst,
				       requests < BURST_MAX ? (uint32_t)requests : BURST_MAX, 1,
				       BURST_MAX);
}

int arq_config_check_route_limits(const struct arq_config_check *check, uint32_t i)
{
	struct arq_config_route *route = &check->config->gateway.routes[i];
	int code = check_timeouts(check, i);

	if (!code)
		code = arq_config_check_number(check,
					       arq_field("gateway.routes[%u].retries.attempts", i),
					       &route->retries.attempts, 0, 1, ATTEMPTS_MAX);
	return code ? code : check_rate(check, i);
}
