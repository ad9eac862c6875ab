// SPDX-License-Identifier: BSD-2-Clause
/* Another generation of the configuration takes the place of the one in force, under requests. */
#include "test_proxy_lab.h"
#include "userspace/proxy/pool.h"

#include <criterion/criterion.h>
#include <stdlib.h>

#define MIB (UINT64_C(1) << 20)

/* A generation with a copy of the lab's pool and a direct response of its own. */
struct generation {
	struct arq_config_gateway gateway;
	struct arq_config_pool pool;
	struct arq_config_response respond;
	struct arq_config_route routes[2];
	struct arq_proxy_shared *shared;
	bool released;
};

static void on_release(void *user)
{
	struct generation *generation = user;
	generation->released = true;
}

/* `status`: what /direct is answered with. The caller's reference is generation->shared. */
static void generation_make(struct lab *lab, const struct arq_proxy_shared *previous,
			    uint16_t status, enum arq_config_policy policy, struct generation *made)
{
	static char path[] = "/direct", body[] = "new\n", plain[] = "text/plain", any[] = "*.test";
	struct arq_error error = {0};

	*made = (struct generation){.gateway = lab->config->gateway,
				    .pool = lab->config->gateway.pools[0]};
	made->pool.policy = policy;
	made->respond = (struct arq_config_response){status, body, plain};
	made->routes[0] = (struct arq_config_route){.name = path,
						    .path = path,
						    .listeners_mask = UINT64_MAX,
						    .respond = &made->respond};
	made->routes[1] = (struct arq_config_route){
		.name = any, .host = any, .listeners_mask = UINT64_MAX, .pool = &made->pool};
	made->gateway.pools = &made->pool;
	made->gateway.routes = made->routes;
	made->gateway.routes_count = 2;
	cr_assert_eq(arq_proxy_shared_create(&made->gateway, previous, NULL, &made->shared, &error),
		     0, "%s", error.text);
	arq_proxy_shared_on_release(made->shared, on_release, made);
}

static void take(struct lab *lab, struct generation *generation)
{
	struct arq_view *view;

	cr_assert_eq(arq_proxy_prepare(lab->proxy, generation->shared, &view), 0);
	arq_proxy_switch(lab->proxy, view);
	arq_proxy_shared_put(generation->shared);
}

static void expect(struct lab *lab, const char *path, unsigned int status)
{
	struct lab_call call = {0};

	lab_call(lab, &call, "GET", "a.test", path, false);
	LAB_UNTIL(lab, call.response.closed);
	cr_expect_eq(call.response.status, status, "%s: %u", path, call.response.status);
	cr_expect(call.response.clean);
}

Test(view, new_routes_hold_for_new_requests_and_unchanged_pools_keep_connections)
{
	struct lab *lab = lab_start(1);
	struct generation second, third;

	expect(lab, "/download/10", 200);
	generation_make(lab, lab->shared, 201, ARQ_CONFIG_ROUND_ROBIN, &second);
	take(lab, &second);
	expect(lab, "/direct", 201);
	expect(lab, "/download/10", 200);
	cr_expect_eq(lab->backends[0].sessions, 1, "the connection is used on");

	generation_make(lab, second.shared, 202, ARQ_CONFIG_ROUND_ROBIN, &third);
	take(lab, &third);
	expect(lab, "/direct", 202);
	LAB_UNTIL(lab, second.released);
	expect(lab, "/download/10", 200);
	cr_expect_eq(lab->backends[0].sessions, 1, "and after one more");
	lab_stop(lab);
	cr_assert(third.released);
}

Test(view, a_changed_pool_opens_anew_and_the_old_one_ends_with_its_requests)
{
	struct lab *lab = lab_start(1);
	struct generation second, third;
	struct lab_call slow = {.paused = true};

	lab_call(lab, &slow, "GET", "a.test", "/download/3145728", false);
	LAB_UNTIL(lab, slow.response.length > 0);
	generation_make(lab, lab->shared, 201, ARQ_CONFIG_ROUND_ROBIN, &second);
	take(lab, &second);
	struct arq_h3_session *old = lab->backends[0].session;

	generation_make(lab, second.shared, 202, ARQ_CONFIG_LEAST_REQUESTS, &third);
	take(lab, &third);
	expect(lab, "/download/10", 200);
	cr_expect_eq(lab->backends[0].sessions, 2);
	cr_expect_neq(lab->backends[0].session, old);
	cr_expect(second.released, "nothing of it is in use");

	lab_resume(&slow);
	LAB_UNTIL(lab, slow.response.closed);
	cr_expect(slow.response.complete);
	cr_expect_eq(slow.response.length, 3 * MIB);
	cr_expect_eq(slow.response.sum, lab_sum(3 * MIB));
	LAB_UNTIL(lab, arq_proxy_upstream_connections(lab->proxy) == second.pool.connections.max);
	lab_stop(lab);
}

Test(view, a_discarded_view_changes_nothing)
{
	struct lab *lab = lab_start(1);
	struct generation second;
	struct arq_view *view;

	expect(lab, "/download/10", 200);
	generation_make(lab, lab->shared, 201, ARQ_CONFIG_ROUND_ROBIN, &second);
	cr_assert_eq(arq_proxy_prepare(lab->proxy, second.shared, &view), 0);
	arq_proxy_discard(view);
	arq_proxy_shared_put(second.shared);
	cr_assert(second.released);
	expect(lab, "/direct", 200);
	expect(lab, "/download/10", 200);
	cr_expect_eq(lab->backends[0].sessions, 1);
	lab_stop(lab);
}

/* The body of a direct response is lent from the configuration until the client has it. */
Test(view, a_response_outlives_the_configuration_that_it_is_of)
{
	struct lab *lab = lab_start(1);
	struct generation second, third;
	struct lab_call call = {.paused = true};
	const size_t length = 200000;
	char *body = malloc(length + 1);

	cr_assert_not_null(body);
	for (size_t i = 0; i < length; i++)
		body[i] = (char)('a' + i % 23);
	body[length] = '\0';
	generation_make(lab, lab->shared, 201, ARQ_CONFIG_ROUND_ROBIN, &second);
	second.respond.body = body;
	take(lab, &second);
	lab_call(lab, &call, "GET", "a.test", "/direct", false);
	LAB_UNTIL(lab, call.response.length > 0);
	generation_make(lab, lab->shared, 202, ARQ_CONFIG_ROUND_ROBIN, &third);
	take(lab, &third);
	cr_assert_not(second.released);
	lab_resume(&call);
	LAB_UNTIL(lab, call.response.closed);
	cr_expect_eq(call.response.length, length);
	cr_expect(call.response.complete);
	LAB_UNTIL(lab, second.released);
	lab_stop(lab);
	free(body);
}
