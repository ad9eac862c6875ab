// SPDX-License-Identifier: BSD-2-Clause
/* What can be said of a pool, and what cannot. */
#include "userspace/common/config.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define SECOND UINT64_C(1000000000)

#define TARGET  "targets: ['127.0.0.1:1']"
#define TARGETS "targets: ['127.0.0.1:1', '127.0.0.1:2']"

/* A gateway with one pool of these keys. */
static int parse(const char *pool, struct arq_config **config, struct arq_error *error)
{
	char text[4096];
	int length = snprintf(text, sizeof(text),
			      "gateway:\n"
			      "  listeners:\n"
			      "    - name: edge\n"
			      "      address: \"127.0.0.1:4433\"\n"
			      "      certificates: [{certificate: a, key: b}]\n"
			      "  routes: [{respond: {status: 200}}]\n"
			      "  pools:\n"
			      "    - { name: p, %s }\n",
			      pool);
	cr_assert_lt((size_t)length, sizeof(text));
	arq_error_clear(error);
	return arq_config_parse("pool.yaml", text, (size_t)length, config, error);
}

static const struct arq_config_pool *good(const char *pool, struct arq_config **config)
{
	struct arq_error error;
	cr_assert_eq(parse(pool, config, &error), 0, "%s", error.text);
	return &(*config)->gateway.pools[0];
}

Test(config_pool, a_target_is_an_address_or_a_name)
{
	struct arq_config *config;
	const struct arq_config_pool *pool =
		good("targets: ['127.0.0.1:1', 'API.internal:443', {address: 'b.test:1', "
		     "server_name: c.test}]",
		     &config);
	cr_assert_eq(pool->targets[0].address.sa.sa_family, AF_INET);
	cr_assert_null(pool->targets[0].host);
	cr_assert_null(pool->targets[0].server_name);
	cr_assert_eq(pool->targets[1].address.sa.sa_family, AF_UNSPEC);
	cr_assert_str_eq(pool->targets[1].host, "api.internal");
	cr_assert_eq(pool->targets[1].port, 443);
	cr_assert_str_eq(pool->targets[1].server_name, "api.internal");
	cr_assert_str_eq(pool->targets[2].server_name, "c.test");
	cr_assert(arq_config_has_names(pool));
	arq_config_destroy(config);

	pool = good("targets: ['a.test:1'], tls: {server_name: d.test}", &config);
	cr_assert_str_eq(pool->targets[0].server_name, "d.test");
	arq_config_destroy(config);
	cr_assert_not(arq_config_has_names(good(TARGET, &config)));
	arq_config_destroy(config);
}

static const struct bad {
	const char *pool;
	const char *field;
	const char *words;
} bad_pools[] = {
	{"targets: [{address: '127.0.0.1:1', weight: 0}]",
	 "gateway.pools[0].targets[0].weight: ", "from 1 to 1000"},
	{"targets: [{address: '127.0.0.1:1', weight: 1001}]",
	 "gateway.pools[0].targets[0].weight: ", "from 1 to 1000"},
	{"targets: ['10.0.0.256:1']", "gateway.pools[0].targets[0].address: ", "nor name"},
	{"targets: ['api.internal']", "gateway.pools[0].targets[0].address: ", "nor name"},
	{"targets: ['api.internal:0']", "gateway.pools[0].targets[0].address: ", "nor name"},
	{"targets: ['api.internal:65536']", "gateway.pools[0].targets[0].address: ", "nor name"},
	{"targets: ['api..internal:1']", "gateway.pools[0].targets[0].address: ", "nor name"},
	{"targets: ['api.1:1']", "gateway.pools[0].targets[0].address: ", "nor name"},
	{"targets: ['a b:1']", "gateway.pools[0].targets[0].address: ", "nor name"},
	{"targets: ['0.0.0.0:1']", "gateway.pools[0].targets[0].address: ", "no address to"},
	{"targets: ['a.test:1', 'A.test:1']",
	 "gateway.pools[0].targets[1].address: ", "target 0 of this pool already"},
	{TARGET ", policy: best", "gateway.pools[0].policy: ", "consistent-hash"},
	{TARGET ", hash: client", "gateway.pools[0].hash: ", "without 'policy: consistent-hash'"},
	{TARGET ", policy: consistent-hash, hash: url", "gateway.pools[0].hash: ", "'header NAME'"},
	{TARGET ", policy: consistent-hash, hash: 'header '",
	 "gateway.pools[0].hash: ", "'header NAME'"},
	{TARGET ", policy: consistent-hash, hash: 'header a b'",
	 "gateway.pools[0].hash: ", "'header NAME'"},
	{TARGET ", policy: consistent-hash, hash: 'cookie a=b'",
	 "gateway.pools[0].hash: ", "'cookie NAME'"},
	{TARGET ", panic_threshold: 101", "gateway.pools[0].panic_threshold: ", "from 0 to 100"},
	{TARGET ", slow_start: 10", "gateway.pools[0].slow_start: ", "no duration"},
	{TARGET ", slow_start: 10s, policy: consistent-hash",
	 "gateway.pools[0].slow_start: ", "where keys decide"},
	{"targets: [{address: '127.0.0.1:1', backup: true}]",
	 "gateway.pools[0].targets: ", "all backups"},
	{TARGET ", health: {path: x}", "gateway.pools[0].health.path: ", "begins with '/'"},
	{TARGET ", health: {path: '/a b'}", "gateway.pools[0].health.path: ", "is no path"},
	{TARGET ", health: {path: /, host: 'a b'}",
	 "gateway.pools[0].health.host: ", "is no host name"},
	{TARGET ", health: {host: a}", "gateway.pools[0].health.host: ", "without 'path'"},
	{TARGET ", health: {status: 200}", "gateway.pools[0].health.status: ", "without 'path'"},
	{TARGET ", health: {path: /, status: 199}",
	 "gateway.pools[0].health.status: ", "from 200 to 599"},
	{TARGET ", health: {path: /, status: 300-200}",
	 "gateway.pools[0].health.status: ", "from 200 to 599"},
	{TARGET ", health: {path: /, status: 200x}",
	 "gateway.pools[0].health.status: ", "from 200 to 599"},
	{TARGET ", health: {path: /, status: 200-600}",
	 "gateway.pools[0].health.status: ", "from 200 to 599"},
	{TARGET ", health: {interval: 1ms}", "gateway.pools[0].health.interval: ", "out of range"},
	{TARGET ", health: {timeout: 2m}", "gateway.pools[0].health.timeout: ", "out of range"},
	{TARGET ", health: {unhealthy: 0}", "gateway.pools[0].health.unhealthy: ", "from 1 to"},
	{TARGET ", health: {healthy: 0}", "gateway.pools[0].health.healthy: ", "from 1 to"},
	{TARGET ", ejection: {max_percent: 0}",
	 "gateway.pools[0].ejection.max_percent: ", "from 1 to 100"},
	{TARGET ", ejection: {time: 20s, max_time: 10s}",
	 "gateway.pools[0].ejection.max_time: ", "less than the time of the first"},
};

Test(config_pool, refuses_what_means_nothing)
{
	for (size_t i = 0; i < sizeof(bad_pools) / sizeof(bad_pools[0]); i++) {
		const struct bad *bad = &bad_pools[i];
		struct arq_config *config = NULL;
		struct arq_error error;
		cr_assert_eq(parse(bad->pool, &config, &error), -EINVAL, "%s", bad->pool);
		cr_expect_null(config);
		cr_expect_not_null(strstr(error.text, bad->field), "%s: %s", bad->pool, error.text);
		cr_expect_not_null(strstr(error.text, bad->words), "%s: %s", bad->pool, error.text);
	}
}

Test(config_pool, fills_in_the_defaults)
{
	struct arq_config *config;
	const struct arq_config_pool *pool = good(TARGET, &config);
	cr_expect_eq(pool->policy, ARQ_CONFIG_LEAST_REQUESTS);
	cr_expect_eq(pool->hash_by, ARQ_CONFIG_HASH_CLIENT);
	cr_expect_eq(pool->targets[0].weight, 1);
	cr_expect_not(pool->targets[0].backup);
	cr_expect_eq(pool->slow_start_ns, 0);
	cr_expect_eq(pool->panic_threshold, 1);
	cr_expect_null(pool->health);
	cr_expect_eq(pool->ejection.failures, 5);
	cr_expect_eq(pool->ejection.max_percent, 50);
	cr_expect_eq(pool->ejection.time_ns, 10 * SECOND);
	cr_expect_eq(pool->ejection.max_time_ns, 300 * SECOND);
	cr_expect_eq(pool->connections.max, 8);
	cr_expect_eq(pool->connections.connect_timeout_ns, 3 * SECOND);
	cr_expect_eq(pool->connections.idle_timeout_ns, 0);
	cr_expect_eq(pool->connections.max_age_ns, 0);
	cr_expect_not(pool->connections.preconnect);
	cr_expect_eq(pool->timeouts.wait_ns, 8 * SECOND);
	cr_expect_eq(pool->timeouts.try_ns, 0);
	cr_expect_eq(pool->timeouts.response_ns, 60 * SECOND);
	cr_expect_eq(pool->timeouts.stall_ns, 300 * SECOND);
	cr_expect_eq(pool->retries.attempts, 2);
	cr_expect_eq(pool->retries.budget, 20);
	cr_expect_eq(pool->retries.min, 3);
	cr_expect_eq(pool->limits.waiting, 1024);
	cr_expect_eq(pool->limits.requests, 0);
	arq_config_destroy(config);

	pool = good(TARGET ", health: {}, ejection: {time: 10m}", &config);
	cr_expect_null(pool->health->path);
	cr_expect_eq(pool->health->interval_ns, 5 * SECOND);
	cr_expect_eq(pool->health->timeout_ns, 2 * SECOND);
	cr_expect_eq(pool->health->unhealthy, 3);
	cr_expect_eq(pool->health->healthy, 2);
	cr_expect_eq(pool->ejection.max_time_ns, 600 * SECOND);
	arq_config_destroy(config);
}

Test(config_pool, reads_how_health_is_found_out)
{
	struct arq_config *config;
	const struct arq_config_pool *pool =
		good(TARGET ", health: {path: /up?x, host: a.test, status: 200-404, interval: "
			    "50ms, timeout: 20ms, unhealthy: 1, healthy: 9}, ejection: {failures: "
			    "0, max_percent: 100, time: 1s, max_time: 2s}, slow_start: 1m, "
			    "panic_threshold: 0",
		     &config);
	cr_expect_str_eq(pool->health->path, "/up?x");
	cr_expect_str_eq(pool->health->host, "a.test");
	cr_expect_eq(pool->health->status_first, 200);
	cr_expect_eq(pool->health->status_last, 404);
	cr_expect_eq(pool->health->interval_ns, SECOND / 20);
	cr_expect_eq(pool->health->timeout_ns, SECOND / 50);
	cr_expect_eq(pool->health->unhealthy, 1);
	cr_expect_eq(pool->health->healthy, 9);
	cr_expect_eq(pool->ejection.failures, 0);
	cr_expect_eq(pool->ejection.max_percent, 100);
	cr_expect_eq(pool->ejection.time_ns, SECOND);
	cr_expect_eq(pool->ejection.max_time_ns, 2 * SECOND);
	cr_expect_eq(pool->slow_start_ns, 60 * SECOND);
	cr_expect_eq(pool->panic_threshold, 0);
	arq_config_destroy(config);

	pool = good(TARGET ", health: {path: /, status: 204}", &config);
	cr_expect_eq(pool->health->status_first, 204);
	cr_expect_eq(pool->health->status_last, 204);
	arq_config_destroy(config);
}

Test(config_pool, reads_policies_and_weights)
{
	struct arq_config *config;
	const struct arq_config_pool *pool =
		good("targets: [{address: '127.0.0.1:1', weight: 1000}], policy: random", &config);
	cr_expect_eq(pool->policy, ARQ_CONFIG_RANDOM);
	cr_expect_eq(pool->targets[0].weight, 1000);
	arq_config_destroy(config);

	pool = good(TARGETS ", policy: consistent-hash, hash: header X-User", &config);
	cr_expect_eq(pool->policy, ARQ_CONFIG_CONSISTENT_HASH);
	cr_expect_eq(pool->hash_by, ARQ_CONFIG_HASH_HEADER);
	cr_expect_str_eq(pool->hash_name, "x-user");
	arq_config_destroy(config);

	pool = good(TARGETS ", policy: consistent-hash, hash: cookie Session", &config);
	cr_expect_eq(pool->hash_by, ARQ_CONFIG_HASH_COOKIE);
	cr_expect_str_eq(pool->hash_name, "Session");
	arq_config_destroy(config);
}
