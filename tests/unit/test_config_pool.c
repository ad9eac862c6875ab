// SPDX-License-Identifier: BSD-2-Clause
/* What can be said of a pool, and what cannot. */
#include "userspace/common/config.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

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

static const struct bad {
	const char *pool;
	const char *field;
	const char *words;
} bad_pools[] = {
	{"targets: [{address: '127.0.0.1:1', weight: 0}]",
	 "gateway.pools[0].targets[0].weight: ", "from 1 to 1000"},
	{"targets: [{address: '127.0.0.1:1', weight: 1001}]",
	 "gateway.pools[0].targets[0].weight: ", "from 1 to 1000"},
	{TARGET ", policy: best", "gateway.pools[0].policy: ", "consistent-hash"},
	{TARGET ", hash: client", "gateway.pools[0].hash: ", "without 'policy: consistent-hash'"},
	{TARGET ", policy: consistent-hash, hash: url", "gateway.pools[0].hash: ", "'header NAME'"},
	{TARGET ", policy: consistent-hash, hash: 'header '",
	 "gateway.pools[0].hash: ", "'header NAME'"},
	{TARGET ", policy: consistent-hash, hash: 'header a b'",
	 "gateway.pools[0].hash: ", "'header NAME'"},
	{TARGET ", policy: consistent-hash, hash: 'cookie a=b'",
	 "gateway.pools[0].hash: ", "'cookie NAME'"},
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
