// SPDX-License-Identifier: BSD-2-Clause
/* How much, how long and how often a pool asks of its targets. */
#include "userspace/common/config_check.h"

#define MILLISECOND 1000000ull
#define SECOND      1000000000ull
#define DAY         (24 * 3600 * SECOND)

/* More than a worker has in flight, at the usual 100 streams each; one that allows fewer streams
 * shall not make us flood it. */
#define CONNECTIONS_DEFAULT 8

/* Each that waits holds its header section and up to a window of body; a longer queue would only be
 * answered after its clients have left. */
#define WAITING_DEFAULT 1024

/* A handshake is two round trips and a signature: who needs longer is down or overwhelmed. */
#define CONNECT_TIMEOUT_DEFAULT (3 * SECOND)

/* Each client's connection takes one. */
#define CONNECTIONS_FORWARDED_DEFAULT 1024

/* Four probes at least on any path that people use; a third of what DNS clients wait. */
#define SILENCE_DEFAULT (2 * SECOND)

/* Two connects and some queueing. */
#define WAIT_DEFAULT (8 * SECOND)

/* A number or duration of a pool: where it is, and what it may be. */
struct number {
	const char *name;
	uint32_t *value;
	uint32_t absent, min, max;
};

struct duration {
	const char *name;
	const char *text;
	uint64_t *value;
	uint64_t absent, min, max;
};

static int check_numbers(const struct arq_config_check *check, uint32_t i,
			 const struct number *numbers, size_t count)
{
	int code = 0;
	for (size_t j = 0; code == 0 && j < count; j++)
		code = arq_config_check_number(
			check, arq_field("gateway.pools[%u].%s", i, numbers[j].name),
			numbers[j].value, numbers[j].absent, numbers[j].min, numbers[j].max);
	return code;
}

static int check_durations(const struct arq_config_check *check, uint32_t i,
			   const struct duration *durations, size_t count)
{
	int code = 0;
	for (size_t j = 0; code == 0 && j < count; j++) {
		*durations[j].value = durations[j].absent;
		code = arq_config_check_duration(
			check, arq_field("gateway.pools[%u].%s", i, durations[j].name),
			durations[j].text, durations[j].value, durations[j].min, durations[j].max);
	}
	return code;
}

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

int arq_config_check_pool_limits(const struct arq_config_check *check, uint32_t i)
{
	struct arq_config_pool *pool = &check->config->gateway.pools[i];
	struct arq_config_connections *connections = &pool->connections;
	struct arq_config_timeouts *timeouts = &pool->timeouts;
	bool forwarded = pool->forward == ARQ_CONFIG_FORWARD_CONNECTIONS;
	const struct number numbers[] = {
		{"connections.max", &connections->max,
		 forwarded ? CONNECTIONS_FORWARDED_DEFAULT : CONNECTIONS_DEFAULT, 1, 65536},
		{"connections.streams", &connections->streams, 0, 0, 1000000},
		{"retries.attempts", &pool->retries.attempts, 2, 1, 10},
		{"retries.budget", &pool->retries.budget, 20, 0, 100},
		{"retries.min", &pool->retries.min, 3, 0, 1000000},
		{"limits.waiting", &pool->limits.waiting, WAITING_DEFAULT, 1, 1000000},
		{"limits.requests", &pool->limits.requests, 0, 0, 1000000},
	};
	const struct duration durations[] = {
		{"connections.connect_timeout", connections->connect_timeout,
		 &connections->connect_timeout_ns, CONNECT_TIMEOUT_DEFAULT, 10 * MILLISECOND,
		 60 * SECOND},
		{"connections.idle_timeout", connections->idle_timeout,
		 &connections->idle_timeout_ns, 0, SECOND, 600 * SECOND},
		{"connections.keep_alive", connections->keep_alive, &connections->keep_alive_ns, 0,
		 0, 600 * SECOND},
		{"connections.silence", connections->silence, &connections->silence_ns,
		 arq_config_is_h3(pool->alpn) ? 0 : SILENCE_DEFAULT, 0, 600 * SECOND},
		{"connections.max_age", connections->max_age, &connections->max_age_ns, 0, 0,
		 30 * DAY},
		{"timeouts.wait", timeouts->wait, &timeouts->wait_ns, WAIT_DEFAULT,
		 10 * MILLISECOND, 600 * SECOND},
		{"timeouts.try", timeouts->try, &timeouts->try_ns, 0, 0, DAY},
		{"timeouts.response", timeouts->response, &timeouts->response_ns, 60 * SECOND, 0,
		 DAY},
		{"timeouts.stall", timeouts->stall, &timeouts->stall_ns, 300 * SECOND, 0, DAY},
	};
	int code = check_numbers(check, i, numbers, COUNT(numbers));
	return code ? code : check_durations(check, i, durations, COUNT(durations));
}
