// SPDX-License-Identifier: BSD-2-Clause
/* The key of a request, by which consistent hashing goes. */
#include "userspace/proxy/pool.h"

#include <criterion/criterion.h>
#include <string.h>

static struct arq_config_target target = {.weight = 1};
static struct arq_config_pool config = {
	.targets = &target,
	.targets_count = 1,
	.policy = ARQ_CONFIG_CONSISTENT_HASH,
};
static struct arq_pool_context context;
static struct arq_roster *roster;
static struct arq_pool *pool;
static union arq_address client, other;

static void set_up(void)
{
	static char text[] = "127.0.0.1:4433", name[] = "pool";
	target.address_text = text;
	config.name = name;
	cr_assert_eq(arq_tally_create(&context.tally), 0);
	cr_assert_eq(arq_address_parse(&target.address, text), 0);
	cr_assert_eq(arq_roster_create(&config, NULL, NULL, &roster), 0);
	const struct arq_pool_options options = {.config = &config,
						 .roster = roster,
						 .application = &arq_upstream_h3,
						 .context = &context};
	cr_assert_eq(arq_pool_create(&options, &pool), 0);
	cr_assert_eq(arq_address_parse(&client, "192.0.2.1:1000"), 0);
	cr_assert_eq(arq_address_parse(&other, "192.0.2.2:1000"), 0);
}

static void tear_down(void)
{
	arq_pool_destroy(pool);
	arq_roster_put(roster);
	arq_tally_destroy(context.tally);
}

TestSuite(pool_key, .init = set_up, .fini = tear_down);

static uint64_t key_of(const char *name, const char *value, const union arq_address *from)
{
	const struct arq_h3_field fields[] = {
		{arq_h3_text("x-other"), arq_h3_text("1")},
		{arq_h3_text(name), arq_h3_text(value)},
		{arq_h3_text("x-last"), arq_h3_text("2")},
	};
	const struct arq_h3_request request = {.fields = fields, .field_count = 3};
	return arq_pool_key(pool, &request, from);
}

Test(pool_key, of_a_client_is_its_address_without_port)
{
	union arq_address same;
	cr_assert_eq(arq_address_parse(&same, "192.0.2.1:2000"), 0);
	cr_assert_eq(key_of("a", "b", &client), key_of("a", "c", &same));
	cr_assert_neq(key_of("a", "b", &client), key_of("a", "b", &other));
	cr_assert_eq(arq_pool_key(pool, NULL, &client), key_of("a", "b", &client));

	union arq_address v6;
	cr_assert_eq(arq_address_parse(&same, "[2001:db8::1]:1"), 0);
	cr_assert_eq(arq_address_parse(&v6, "[2001:db8::2]:1"), 0);
	cr_assert_neq(arq_pool_key(pool, NULL, &same), arq_pool_key(pool, NULL, &v6));
}

Test(pool_key, of_a_header_is_its_value_or_else_the_client)
{
	config.hash_by = ARQ_CONFIG_HASH_HEADER;
	config.hash_name = "x-user";
	cr_assert_eq(key_of("x-user", "ann", &client), key_of("x-user", "ann", &other));
	cr_assert_neq(key_of("x-user", "ann", &client), key_of("x-user", "bob", &client));
	cr_assert_neq(key_of("x-users", "ann", &client), key_of("x-user", "ann", &client));
	cr_assert_eq(key_of("x-users", "ann", &client), arq_pool_key(pool, NULL, &client));
}

Test(pool_key, of_a_cookie_is_its_value_or_else_the_client)
{
	config.hash_by = ARQ_CONFIG_HASH_COOKIE;
	config.hash_name = "id";
	uint64_t wanted = key_of("cookie", "id=7", &client);
	cr_assert_eq(key_of("cookie", "a=1; id=7; b=2", &other), wanted);
	cr_assert_eq(key_of("cookie", "xid=1; id=7", &other), wanted);
	cr_assert_eq(key_of("cookie", "a=id=9; id=7", &other), wanted);
	cr_assert_eq(key_of("cookie", ";; id=7;", &other), wanted);
	cr_assert_neq(key_of("cookie", "id=8", &client), wanted);
	static const char *const without[] = {"", ";", "id", "a=1; id", "xid=7", "ID=7", " ; ;"};
	for (size_t i = 0; i < sizeof(without) / sizeof(without[0]); i++)
		cr_assert_eq(key_of("cookie", without[i], &client),
			     arq_pool_key(pool, NULL, &client), "%s", without[i]);
}

Test(pool_key, of_a_cookie_is_found_in_any_line)
{
	const struct arq_h3_field fields[] = {
		{arq_h3_text("cookie"), arq_h3_text("a=1")},
		{arq_h3_text("cookie"), arq_h3_text("id=7")},
	};
	const struct arq_h3_request request = {.fields = fields, .field_count = 2};
	config.hash_by = ARQ_CONFIG_HASH_COOKIE;
	config.hash_name = "id";
	cr_assert_eq(arq_pool_key(pool, &request, &client), key_of("cookie", "id=7", &client));
}

Test(pool_key, does_not_matter_with_other_policies)
{
	config.policy = ARQ_CONFIG_RANDOM;
	cr_assert_eq(key_of("a", "b", &client), 0);
}
