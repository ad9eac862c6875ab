// SPDX-License-Identifier: BSD-2-Clause
/* Raw streams in the configuration: what goes together, and what does not. */
#include "userspace/common/config.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#define SECOND UINT64_C(1000000000)

#define LISTENER "name: l, address: '127.0.0.1:1', certificates: [{certificate: a, key: b}]"
#define TARGET   "targets: ['127.0.0.1:2']"

/* One listener with more keys (each with a comma before), one pool of these keys, these routes. */
static int parse(const char *listener, const char *pool, const char *routes,
		 struct arq_config **config, struct arq_error *error)
{
	char text[2048];
	int length = snprintf(text, sizeof(text),
			      "gateway:\n"
			      "  listeners: [{" LISTENER "%s}]\n"
			      "  pools: [{name: p, " TARGET "%s}]\n"
			      "  routes: [%s]\n",
			      listener, pool, routes);
	cr_assert_lt((size_t)length, sizeof(text));
	arq_error_clear(error);
	return arq_config_parse("a.yaml", text, (size_t)length, config, error);
}

static const struct bad {
	const char *listener, *pool, *routes;
	const char *field;
	const char *words;
} bad[] = {
	{", alpn: [doq, doq]", ", alpn: doq", "{alpn: doq, pool: p}",
	 "2:103: gateway.listeners[0].alpn[1]: ", "is there twice"},
	{", alpn: [h3, doq]", "", "{pool: p}",
	 "2:102: gateway.listeners[0].alpn[1]: ", "'doq' has no route; add one with 'alpn: doq'"},
	{", alpn: doq, early_data: true", ", alpn: doq", "{alpn: doq, pool: p}",
	 "2:114: gateway.listeners[0].early_data: ", "does not go with alpn 'doq'"},
	{"", ", alpn: doq", "{alpn: doq, pool: p}",
	 "4:19: gateway.routes[0].alpn: ", "offered by no listener"},
	{", alpn: doq", ", alpn: dot", "{alpn: h3, pool: p}",
	 "gateway.routes[0].alpn: ", "without it a route takes requests"},
	{", alpn: doq", "", "{alpn: doq, pool: p}",
	 "4:30: gateway.routes[0].pool: ", "has requests of HTTP/3"},
	{"", ", alpn: doq", "{pool: p}",
	 "4:19: gateway.routes[0].pool: ", "has raw streams of 'doq'"},
	{", alpn: doq", ", alpn: doq", "{alpn: doq, host: a.test, pool: p}",
	 "gateway.routes[0].host: ", "is for requests of HTTP/3"},
	{", alpn: doq", ", alpn: doq", "{alpn: doq, respond: {status: 200}}",
	 "gateway.routes[0].respond: ", "is for requests of HTTP/3"},
	{", alpn: doq", ", alpn: doq", "{alpn: doq, pool: p}, {alpn: doq, pool: p}",
	 "gateway.routes[1]: ", "takes all of its streams"},
	{"", ", forward: streams", "{pool: p}", "gateway.pools[0].forward: ", "is for raw streams"},
	{"", ", reset_code: 3", "{pool: p}", "gateway.pools[0].reset_code: ", "is for raw streams"},
	{", alpn: doq", ", alpn: doq, health: {path: /}", "{alpn: doq, pool: p}",
	 "gateway.pools[0].health.path: ", "has raw streams of 'doq'"},
	{", alpn: doq", ", alpn: doq, timeouts: {try: 1s}", "{alpn: doq, pool: p}",
	 "gateway.pools[0].timeouts.try: ", "has raw streams of 'doq'"},
	{", alpn: doq", ", alpn: doq, policy: consistent-hash, hash: cookie a",
	 "{alpn: doq, pool: p}", "gateway.pools[0].hash: ", "can only be client"},
	{", alpn: doq", ", alpn: doq, forward: connections, connections: {streams: 3}",
	 "{alpn: doq, pool: p}",
	 "gateway.pools[0].connections.streams: ", "means nothing with 'forward: connections'"},
	{", alpn: doq", ", alpn: doq, forward: all", "{alpn: doq, pool: p}",
	 "gateway.pools[0].forward: ", "connections"},
};

Test(config_alpn, refuses_what_does_not_go_together)
{
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct arq_config *config;
		struct arq_error error;
		cr_assert_neq(parse(bad[i].listener, bad[i].pool, bad[i].routes, &config, &error),
			      0, "%zu", i);
		cr_assert(strstr(error.text, bad[i].field) && strstr(error.text, bad[i].words),
			  "%zu: %s", i, error.text);
	}
}

Test(config_alpn, http_3_is_the_default)
{
	struct arq_config *config;
	struct arq_error error;
	cr_assert_eq(parse("", "", "{pool: p}", &config, &error), 0, "%s", error.text);
	const struct arq_config_gateway *gateway = &config->gateway;
	cr_assert_eq(gateway->listeners[0].alpn_count, 1);
	cr_assert_str_eq(gateway->listeners[0].alpn[0], "h3");
	cr_assert_str_eq(gateway->pools[0].alpn, "h3");
	cr_assert_eq(gateway->pools[0].connections.silence_ns, 0);
	cr_assert_null(gateway->routes[0].alpn);
	arq_config_destroy(config);
}

Test(config_alpn, raw_streams_have_defaults)
{
	struct arq_config *config;
	struct arq_error error;
	cr_assert_eq(parse(", alpn: [h3, doq]", ", alpn: doq, forward: connections",
			   "{alpn: doq, server_name: '*.a.test', pool: p}", &config, &error),
		     0, "%s", error.text);
	const struct arq_config_pool *pool = &config->gateway.pools[0];
	cr_assert_eq(config->gateway.listeners[0].alpn_count, 2);
	cr_assert_str_eq(config->gateway.listeners[0].alpn[1], "doq");
	cr_assert_str_eq(config->gateway.routes[0].alpn, "doq");
	cr_assert_eq(pool->forward, ARQ_CONFIG_FORWARD_CONNECTIONS);
	cr_assert_eq(pool->reset_code, 1);
	cr_assert_eq(pool->connections.silence_ns, 2 * SECOND);
	cr_assert_eq(pool->connections.max, 1024);
	arq_config_destroy(config);
}
