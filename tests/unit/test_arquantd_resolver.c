// SPDX-License-Identifier: BSD-2-Clause
/* Addresses of names, from a name server of the test's own on loopback. */
#include "../lab/nameserver.h"
#include "userspace/arquantd/resolver.h"
#include "userspace/common/clock.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define MILLISECOND UINT64_C(1000000)
#define SECOND      (1000 * MILLISECOND)

#define BOTH (1u << AF_INET | 1u << AF_INET6)

static char one_host[] = "one.test", two_host[] = "two.test";
static struct arq_config_target targets[] = {{.host = one_host, .port = 1},
					     {.host = two_host, .port = 1},
					     {.host = one_host, .port = 2}};
static struct arq_config_pool pool = {.targets = targets, .targets_count = 1};
static union arq_address server_address;
static char *server_text[1];
static struct arq_config_gateway gateway;
static struct arq_resolver *resolver;
static const char *zone;
static size_t questions;
static int server;

static void set_up(void)
{
	socklen_t size = sizeof(server_address);
	cr_assert_eq(arq_address_parse(&server_address, "127.0.0.1:1"), 0);
	server_address.in.sin_port = 0;
	server = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	cr_assert_eq(bind(server, &server_address.sa, sizeof(server_address.in)), 0);
	cr_assert_eq(getsockname(server, &server_address.sa, &size), 0);
	gateway = (struct arq_config_gateway){
		.pools = &pool,
		.pools_count = 1,
		.resolver = {.servers = server_text,
			     .servers_count = 1,
			     .addresses = &server_address,
			     .attempts = 1,
			     .timeout_ns = 200 * MILLISECOND,
			     .min_interval_ns = 20 * MILLISECOND,
			     .max_interval_ns = 40 * MILLISECOND},
	};
	questions = 0;
	cr_assert_eq(arq_resolver_create(&resolver), 0);
}

static void tear_down(void)
{
	arq_resolver_destroy(resolver);
	close(server);
}

TestSuite(resolver, .init = set_up, .fini = tear_down);

static void configure(void)
{
	struct arq_error error = {0};
	cr_assert_eq(arq_resolver_configure(resolver, &gateway, BOTH, &error), 0, "%s", error.text);
}

static void serve_question(void)
{
	uint8_t query[NAMESERVER_MESSAGE_MAX], reply[NAMESERVER_MESSAGE_MAX];
	union arq_address client;
	socklen_t size = sizeof(client);
	ssize_t length = recvfrom(server, query, sizeof(query), MSG_DONTWAIT, &client.sa, &size);
	if (length <= 0)
		return;
	questions++;
	size_t answer = nameserver_answer(zone, query, (size_t)length, reply);
	if (answer > 0)
		(void)!sendto(server, reply, answer, 0, &client.sa, size);
}

/* One round of both; returns whether addresses changed. */
static bool round_of_all(void)
{
	struct pollfd waiting[] = {{.fd = server, .events = POLLIN},
				   {.fd = arq_resolver_fd(resolver), .events = POLLIN}};
	int timeout = arq_resolver_timeout(resolver);
	poll(waiting, 2, timeout < 0 || timeout > 100 ? 100 : timeout);
	serve_question();
	return arq_resolver_serve(resolver);
}

/* Until the expression holds; how many rounds had changes. */
#define UNTIL(expression)                                                                      \
	({                                                                                     \
		uint64_t end_ = arq_clock_now() + 20 * SECOND;                                 \
		size_t changes_ = 0;                                                           \
		while (!(expression)) {                                                        \
			cr_assert(arq_clock_now() < end_, "waited too long for " #expression); \
			changes_ += round_of_all();                                            \
		}                                                                              \
		changes_;                                                                      \
	})

static const struct arq_resolver_name *first(void)
{
	return arq_resolver_at(resolver, 0);
}

/* Its addresses, in one text. */
static const char *known(const char *name)
{
	static char text[1024];
	const struct arq_proxy_names *names = arq_resolver_names(resolver);
	union arq_address list[ARQ_CONFIG_NAME_ADDRESSES_MAX];
	size_t count = names->addresses(names->user, name, list), length = 0;
	text[0] = '\0';
	for (size_t i = 0; i < count && length < sizeof(text); i++) {
		char one[ARQ_ADDRESS_TEXT_MAX];
		length += (size_t)snprintf(text + length, sizeof(text) - length, "%s%s",
					   i ? " " : "", arq_address_format_host(&list[i], one));
	}
	return text;
}

static bool is_known(const char *name, const char *addresses)
{
	return strcmp(known(name), addresses) == 0;
}

Test(resolver, without_names_asks_nobody)
{
	pool.targets_count = 0;
	configure();
	cr_expect_eq(arq_resolver_timeout(resolver), -1);
	cr_expect_not(arq_resolver_serve(resolver));
	cr_expect_null(first());
	pool.targets_count = 1;
}

Test(resolver, has_the_addresses_of_both_families_in_order)
{
	zone = "one.test A 60 192.0.2.2\none.test AAAA 60 2001:db8::1\none.test A 60 192.0.2.1\n"
	       "one.test A 60 0.0.0.0\none.test A 60 224.0.0.1\none.test A 60 255.255.255.255\n"
	       "one.test AAAA 60 ::\none.test AAAA 60 ff02::1\none.test A 60 192.0.2.1\n";
	configure();
	cr_expect_str_empty(known("one.test"));
	cr_expect_eq(UNTIL(first()->tried), 1, "one change");
	cr_expect_str_eq(known("one.test"), "192.0.2.1 192.0.2.2 2001:db8::1");
	cr_expect_str_empty(known("two.test"));
	cr_expect_eq(questions, 2);
	cr_expect_eq(first()->ttl_ns, 60 * SECOND);
	cr_expect_eq(first()->failures, 0);
	cr_expect_eq(arq_resolver_read(resolver).changes, 1);
	/* A name that is there twice is asked for once. */
	pool.targets_count = 3;
	configure();
	cr_expect_null(arq_resolver_at(resolver, 2));
	pool.targets_count = 1;
}

Test(resolver, asks_again_when_the_ttl_is_over_within_bounds)
{
	zone = "one.test A 0 192.0.2.1\n";
	configure();
	UNTIL(first()->tried);
	uint64_t begin = arq_clock_now();
	size_t before = questions;
	cr_expect_eq(UNTIL(questions >= before + 8), 0, "nothing changed");
	cr_expect_geq(arq_clock_now() - begin, 3 * 20 * MILLISECOND, "min_interval");

	zone = "one.test A 3600 192.0.2.1\n";
	before = questions;
	UNTIL(questions >= before + 4);
	uint64_t next = first()->due;
	UNTIL(first()->ttl_ns == 3600 * SECOND && first()->due != UINT64_MAX);
	next = first()->due - arq_clock_now();
	cr_expect_leq(next, 45 * MILLISECOND, "max_interval and a tenth: %llu",
		      (unsigned long long)next);

	zone = "one.test A 3600 192.0.2.7\n";
	cr_expect_eq(UNTIL(is_known("one.test", "192.0.2.7")), 1);
}

Test(resolver, keeps_what_was_known_when_questions_fail_or_find_nothing)
{
	static const char *const zones[] = {"", "one.test A 1 fail\none.test AAAA 1 fail\n",
					    "one.test A 1 silent\none.test AAAA 1 silent\n",
					    "one.test TXT 1 x\n", "one.test A 1 0.0.0.0\n"};
	for (size_t i = 0; i < sizeof(zones) / sizeof(zones[0]); i++) {
		zone = "one.test A 0 192.0.2.1\none.test AAAA 0 2001:db8::1\n";
		configure();
		UNTIL(first()->tried && first()->failures == 0 && first()->count == 2);
		zone = zones[i];
		cr_expect_eq(UNTIL(first()->failures >= 2), 0, "%s", zone);
		cr_expect_str_eq(known("one.test"), "192.0.2.1 2001:db8::1", "%s", zone);
		cr_expect_str_not_empty(first()->reason);
	}
	cr_expect_gt(arq_resolver_read(resolver).failures, 0);
	cr_expect_gt(arq_resolver_read(resolver).empty, 0);
	zone = "one.test A 0 192.0.2.9\n";
	UNTIL(is_known("one.test", "192.0.2.9"));
	cr_expect_str_empty(first()->reason);
	cr_expect_eq(first()->failures, 0);
}

Test(resolver, a_family_that_fails_takes_nothing_from_the_other)
{
	zone = "one.test A 0 192.0.2.1\none.test AAAA 0 2001:db8::1\n";
	configure();
	UNTIL(first()->tried);
	zone = "one.test A 0 192.0.2.2\none.test AAAA 0 fail\n";
	UNTIL(is_known("one.test", "192.0.2.2 2001:db8::1"));
	cr_expect_str_not_empty(first()->reason);
	zone = "one.test A 0 192.0.2.2\n";
	UNTIL(is_known("one.test", "192.0.2.2"));
}

Test(resolver, asks_only_for_families_that_can_be_reached)
{
	struct arq_error error = {0};
	zone = "one.test A 60 192.0.2.1\none.test AAAA 60 2001:db8::1\n";
	cr_assert_eq(arq_resolver_configure(resolver, &gateway, 1u << AF_INET6, &error), 0);
	UNTIL(first()->tried);
	cr_expect_str_eq(known("one.test"), "2001:db8::1");
	cr_expect_eq(questions, 1);
	gateway.resolver.family = ARQ_CONFIG_FAMILY_IPV4;
	cr_assert_eq(arq_resolver_configure(resolver, &gateway, 1u << AF_INET6, &error), 0);
	UNTIL(first()->failures > 0);
	cr_expect_eq(questions, 1);
}

Test(resolver, a_name_has_64_addresses_at_most_and_always_the_same)
{
	static char text[8192];
	static const int firsts[] = {1, 60, 30};
	const int count = 70; /* more would need TCP */
	for (size_t n = 0; n < 3; n++) {
		size_t length = 0;
		for (int i = 0; i < count; i++)
			length += (size_t)snprintf(text + length, sizeof(text) - length,
						   "one.test A 0 192.0.2.%d\n",
						   (firsts[n] + i) % count + 1);
		zone = text;
		if (n == 0)
			configure();
		size_t before = questions;
		UNTIL(questions >= before + 4 && first()->tried);
		cr_expect_eq(first()->count, 64);
		cr_expect_eq(first()->left_out, 6);
		char last[ARQ_ADDRESS_TEXT_MAX];
		cr_expect_str_eq(arq_address_format_host(&first()->addresses[63], last),
				 "192.0.2.64");
	}
	cr_expect_eq(arq_resolver_read(resolver).changes, 1);
}

Test(resolver, a_change_of_the_configuration_keeps_what_is_known_until_it_is_forgotten)
{
	zone = "one.test A 60 192.0.2.1\ntwo.test A 60 192.0.2.2\n";
	configure();
	UNTIL(first()->tried);
	targets[0].host = two_host;
	configure();
	cr_expect(is_known("one.test", "192.0.2.1"), "the change may be taken back");
	UNTIL(is_known("two.test", "192.0.2.2"));
	arq_resolver_forget(resolver);
	cr_expect_str_empty(known("one.test"));
	cr_expect(is_known("two.test", "192.0.2.2"));
	cr_expect_null(arq_resolver_at(resolver, 1));
	targets[0].host = one_host;
}

/* Questions to the former servers are over, and their names asked for anew. */
Test(resolver, a_change_of_the_servers_asks_again)
{
	zone = "one.test A 0 silent\none.test AAAA 0 silent\n";
	gateway.resolver.timeout_ns = 10 * SECOND;
	configure();
	UNTIL(questions == 2);
	zone = "one.test A 60 192.0.2.1\n";
	configure();
	UNTIL(is_known("one.test", "192.0.2.1"));
	cr_expect_eq(arq_resolver_read(resolver).failures, 0);
}

Test(resolver, settles_when_each_name_was_asked_for_or_patience_ends)
{
	zone = "one.test A 0 silent\none.test AAAA 0 silent\n";
	gateway.resolver.timeout_ns = 10 * SECOND;
	configure();
	uint64_t begin = arq_clock_now();
	arq_resolver_settle(resolver, 50 * MILLISECOND);
	cr_expect_geq(arq_clock_now() - begin, 50 * MILLISECOND);
	cr_expect_lt(arq_clock_now() - begin, 5 * SECOND);
	cr_expect_not(first()->tried);
}
