// SPDX-License-Identifier: BSD-2-Clause
/* First-match-wins as longest-prefix-match: the compiled table against the rules one by one. */
#include "progs/firewall/policy.h"
#include "tests/unit/test_progs_frames.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

struct listed {
	struct arq_prefix prefix;
	uint32_t rule;
};

static int covers(const uint8_t *network, unsigned int length, const uint8_t *address)
{
	for (unsigned int bit = 0; bit < length; bit++) {
		if ((network[bit / 8] ^ address[bit / 8]) & (0x80u >> bit % 8))
			return 0;
	}
	return 1;
}

/* The first rule that has a prefix around the address; 0 for none. */
static uint32_t first_match(const struct listed *list, size_t count, const uint8_t *address)
{
	uint32_t rule = 0;

	for (size_t i = 0; i < count; i++) {
		if ((rule == 0 || list[i].rule < rule) &&
		    covers(list[i].prefix.address, list[i].prefix.length, address))
			rule = list[i].rule;
	}
	return rule;
}

/* What the kernel's trie answers: the value of the longest prefix around the address. */
static uint32_t longest_match(const struct arq_policy_table *table, int family,
			      const uint8_t *address)
{
	uint32_t rule = 0;
	int best = -1;

	for (uint32_t i = 0; i < table->count; i++) {
		const struct arq_source_key_v4 *v4 =
			(const struct arq_source_key_v4 *)table->keys + i;
		const struct arq_source_key_v6 *v6 =
			(const struct arq_source_key_v6 *)table->keys + i;
		uint32_t length = family == AF_INET ? v4->length : v6->length;
		if ((int)length > best &&
		    covers(family == AF_INET ? v4->address : v6->address, length, address)) {
			best = (int)length;
			rule = table->values[i].rule;
		}
	}
	return rule;
}

/* A prefix in a small space, so that many overlap. */
static struct arq_prefix random_prefix(int family, uint64_t *random)
{
	struct arq_prefix prefix = {.family = (uint8_t)family};
	unsigned int bytes = family == AF_INET ? 4 : 16;

	prefix.length = (uint8_t)(random_next(random) % (bytes * 8 + 1));
	for (unsigned int i = 0; i < bytes; i++)
		prefix.address[i] =
			(uint8_t)(random_next(random) % 2 ? 0 : random_next(random) & 3);
	for (unsigned int bit = prefix.length; bit < bytes * 8; bit++)
		prefix.address[bit / 8] &= (uint8_t) ~(0x80u >> bit % 8);
	return prefix;
}

static struct arq_policy *policy_of(const struct listed *list, size_t count, uint32_t rules)
{
	struct arq_error error = {0};
	struct arq_policy *policy = arq_policy_create();

	for (uint32_t rule = 1; rule <= rules; rule++) {
		char name[16];
		snprintf(name, sizeof(name), "rule-%u", rule);
		cr_assert_eq(arq_policy_add_rule(policy, name,
						 rule % 2 ? ARQ_RULE_DROP : ARQ_RULE_PASS, &error),
			     (int)rule, "%s", error.text);
	}
	for (size_t i = 0; i < count; i++)
		cr_assert_eq(arq_policy_add_source(policy, list[i].rule, &list[i].prefix, &error),
			     0, "%s", error.text);
	return policy;
}

static void compare(int family, uint64_t seed)
{
	enum { PREFIXES = 150, RULES = 9 };
	struct listed list[PREFIXES];
	struct arq_policy_table table;
	uint64_t random = seed;

	for (size_t i = 0; i < PREFIXES; i++)
		list[i] = (struct listed){random_prefix(family, &random),
					  1 + (uint32_t)(random_next(&random) % RULES)};
	struct arq_policy *policy = policy_of(list, PREFIXES, RULES);
	cr_assert_eq(arq_policy_compile(policy, family, &table), 0);
	cr_assert_leq(table.count, PREFIXES);
	for (int i = 0; i < 500; i++) {
		/* Half of them inside a prefix of the list. */
		struct arq_prefix probe = random_prefix(family, &random);
		if (i % 2)
			probe = list[random_next(&random) % PREFIXES].prefix;
		uint32_t expected = first_match(list, PREFIXES, probe.address);
		uint32_t found = longest_match(&table, family, probe.address);
		cr_assert_eq(found, expected, "seed %lu: rule %u instead of %u", seed, found,
			     expected);
	}
	for (uint32_t i = 0; i < table.count; i++)
		cr_assert_eq(table.values[i].action,
			     (uint32_t)(table.values[i].rule % 2 ? ARQ_RULE_DROP : ARQ_RULE_PASS));
	arq_policy_table_free(&table);
	arq_policy_destroy(policy);
}

Test(progs_policy, first_match_wins_for_ipv4)
{
	for (uint64_t seed = 1; seed <= 100; seed++)
		compare(AF_INET, seed);
}

Test(progs_policy, first_match_wins_for_ipv6)
{
	for (uint64_t seed = 1; seed <= 100; seed++)
		compare(AF_INET6, seed);
}

static struct arq_prefix prefix(const char *text)
{
	struct arq_error error = {0};
	struct arq_prefix parsed;

	cr_assert_eq(arq_prefix_parse(&parsed, text, &error), 0, "%s", error.text);
	return parsed;
}

/* No address that a rule matches may be stopped by the filter. */
static void compare_filter(int family, uint64_t seed)
{
	enum { PREFIXES = 30 };
	static struct arq_source_filter filter;
	struct listed list[PREFIXES];
	uint64_t random = seed;
	int stopped = 0;

	for (size_t i = 0; i < PREFIXES; i++) {
		list[i] = (struct listed){random_prefix(family, &random), 1};
		/* Of every length, but not so many that all bits are set. */
		if (i % 8 && list[i].prefix.length < 20)
			list[i].prefix = list[0].prefix;
	}
	struct arq_policy *policy = policy_of(list, PREFIXES, 1);
	arq_policy_filter(policy, &filter);
	for (int i = 0; i < 3000; i++) {
		uint8_t address[16];
		for (size_t at = 0; at < sizeof(address); at++)
			address[at] = (uint8_t)(random_next(&random) % 2 ? random_next(&random) & 3
									 : random_next(&random));
		uint32_t head = (uint32_t)address[0] << 24 | (uint32_t)address[1] << 16 |
				(uint32_t)address[2] << 8 | address[3];
		uint16_t bit =
			family == AF_INET ? ARQ_SOURCE_BIT_V4(head) : ARQ_SOURCE_BIT_V6(head);
		const uint8_t *bits = family == AF_INET ? filter.v4 : filter.v6;
		bool passes = bits[bit / 8] >> bit % 8 & 1;
		stopped += !passes;
		cr_assert(passes || first_match(list, PREFIXES, address) == 0, "seed %lu", seed);
	}
	bool any = list[0].prefix.length == 0;
	for (size_t i = 0; i < PREFIXES; i++)
		any |= list[i].prefix.length <= 16;
	cr_assert(stopped > 0 || any, "seed %lu: it stops nothing", seed);
	arq_policy_destroy(policy);
}

Test(progs_policy, the_filter_stops_no_match)
{
	for (uint64_t seed = 1; seed <= 60; seed++) {
		compare_filter(AF_INET, seed);
		compare_filter(AF_INET6, seed);
	}
}

Test(progs_policy, leaves_out_what_changes_nothing)
{
	const struct listed list[] = {
		{prefix("10.0.0.0/8"), 1},    {prefix("10.1.0.0/16"), 2},
		{prefix("10.0.0.0/8"), 3},    {prefix("192.0.2.0/24"), 3},
		{prefix("192.0.2.1"), 2},     {prefix("192.0.2.1/32"), 2},
		{prefix("2001:db8::/32"), 1},
	};
	struct arq_policy_table table;

	struct arq_policy *policy = policy_of(list, sizeof(list) / sizeof(list[0]), 3);
	cr_assert_eq(arq_policy_source_count(policy, AF_INET), 6);
	cr_assert_eq(arq_policy_source_count(policy, AF_INET6), 1);
	cr_assert_eq(arq_policy_compile(policy, AF_INET, &table), 0);
	cr_assert_eq(table.count, 3, "%u", table.count);
	const struct arq_source_key_v4 *keys = table.keys;
	cr_assert_eq(keys[0].length, 8);
	cr_assert_eq(table.values[0].rule, 1);
	cr_assert_eq(keys[1].length, 24);
	cr_assert_eq(table.values[1].rule, 3);
	cr_assert_eq(keys[2].length, 32);
	cr_assert_eq(memcmp(keys[2].address, "\xc0\x00\x02\x01", 4), 0);
	cr_assert_eq(table.values[2].rule, 2);
	arq_policy_table_free(&table);
	arq_policy_destroy(policy);
}

Test(progs_policy, empty_policies_compile_to_nothing)
{
	struct arq_policy_table table;

	struct arq_policy *policy = arq_policy_create();
	cr_assert_eq(arq_policy_compile(policy, AF_INET, &table), 0);
	cr_assert_eq(table.count, 0);
	arq_policy_table_free(&table);
	cr_assert_null(arq_policy_rule_name(policy, 0));
	cr_assert_null(arq_policy_rule_name(policy, 1));
	arq_policy_destroy(policy);
	arq_policy_destroy(NULL);
}

Test(progs_policy, refuses_bad_rules)
{
	struct arq_error error = {0};
	struct arq_prefix any = prefix("0.0.0.0/0");
	char name[ARQ_RULE_NAME_MAX + 1];

	struct arq_policy *policy = arq_policy_create();
	cr_assert_eq(arq_policy_add_rule(policy, "one", ARQ_RULE_DROP, &error), 1);
	cr_assert_eq(arq_policy_add_rule(policy, "one", ARQ_RULE_DROP, &error), -EEXIST);
	cr_assert(strstr(error.text, "one"), "%s", error.text);
	arq_error_clear(&error);
	cr_assert_eq(arq_policy_add_rule(policy, "", ARQ_RULE_DROP, &error), -EINVAL);
	arq_error_clear(&error);
	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	cr_assert_eq(arq_policy_add_rule(policy, name, ARQ_RULE_DROP, &error), -EINVAL);
	arq_error_clear(&error);
	name[ARQ_RULE_NAME_MAX - 1] = '\0';
	cr_assert_eq(arq_policy_add_rule(policy, name, ARQ_RULE_DROP, &error), 2);
	cr_assert_eq(arq_policy_add_source(policy, 0, &any, &error), -EINVAL);
	arq_error_clear(&error);
	cr_assert_eq(arq_policy_add_source(policy, 3, &any, &error), -EINVAL);
	arq_error_clear(&error);
	any.length = 33;
	cr_assert_eq(arq_policy_add_source(policy, 1, &any, &error), -EINVAL);
	arq_policy_destroy(policy);
}

/* --- files ------------------------------------------------------------------------------------ */

/* Adds a file of these bytes to a rule of a new policy with one prefix of each family. */
static int add_file(const char *bytes, size_t length, size_t *v4, size_t *v6,
		    struct arq_error *error)
{
	char path[] = "/tmp/arquant-prefixes-XXXXXX";
	const struct listed list[] = {{prefix("203.0.113.0/24"), 1}, {prefix("::1"), 1}};

	int file = mkstemp(path);
	cr_assert_geq(file, 0);
	cr_assert_eq(write(file, bytes, length), (ssize_t)length);
	close(file);
	struct arq_policy *policy = policy_of(list, 2, 1);
	int status = arq_policy_add_source_file(policy, 1, path, error);
	unlink(path);
	*v4 = arq_policy_source_count(policy, AF_INET);
	*v6 = arq_policy_source_count(policy, AF_INET6);
	arq_policy_destroy(policy);
	return status;
}

Test(progs_policy, reads_a_file)
{
	static const char text[] = "# a list\n"
				   "\n"
				   "192.0.2.0/24\n"
				   "  198.51.100.7\t # one host\r\n"
				   "2001:db8::/32#no blank\n"
				   "   \n"
				   "10.0.0.0/8";
	struct arq_error error = {0};
	size_t v4;
	size_t v6;

	cr_assert_eq(add_file(text, sizeof(text) - 1, &v4, &v6, &error), 4, "%s", error.text);
	cr_assert_eq(v4, 4);
	cr_assert_eq(v6, 2);
}

static void refuse(const char *bytes, size_t length, const char *line, const char *what)
{
	struct arq_error error = {0};
	size_t v4;
	size_t v6;

	cr_assert_lt(add_file(bytes, length, &v4, &v6, &error), 0);
	cr_assert(strstr(error.text, line), "%s", error.text);
	cr_assert(strstr(error.text, what), "%s", error.text);
	cr_assert_eq(v4, 1, "nothing of a bad file is left");
	cr_assert_eq(v6, 1);
}

Test(progs_policy, refuses_bad_files)
{
	char line[2000];

	refuse("10.0.0.0/8\nexample.org\n", 23, ":2:", "example.org");
	refuse("10.0.0.0/8\n\n10.1.2.3/8\n", 23, ":3:", "10.1.2.3/8");
	refuse("::/129\n", 7, ":1:", "::/129");
	refuse("10.0.0.0/8 11.0.0.0/8\n", 22, ":1:", "10.0.0.0/8 11");
	refuse("10.0.0.0/8\0\n", 12, ":1:", "text");
	memset(line, '#', sizeof(line));
	refuse(line, sizeof(line), ":1:", "longer");
}

Test(progs_policy, names_a_file_that_is_not_there)
{
	struct arq_error error = {0};
	const struct listed list[] = {{prefix("::1"), 1}};

	struct arq_policy *policy = policy_of(list, 1, 1);
	cr_assert_eq(arq_policy_add_source_file(policy, 1, "/nonexistent/list", &error), -ENOENT);
	cr_assert(strstr(error.text, "/nonexistent/list"), "%s", error.text);
	arq_error_clear(&error);
	cr_assert_lt(arq_policy_add_source_file(policy, 1, "/tmp", &error), 0);
	cr_assert(strstr(error.text, "/tmp"), "%s", error.text);
	arq_policy_destroy(policy);
}

/* Far below what a quadratic compilation would take, far above what sorting does. */
Test(progs_policy, compiles_a_million_prefixes_in_seconds)
{
	struct arq_error error = {0};
	struct arq_policy_table table;
	struct timespec from;
	struct timespec to;
	uint64_t random = 7;

	struct arq_policy *policy = policy_of(NULL, 0, 2);
	for (uint32_t i = 0; i < 1000000; i++) {
		struct arq_prefix source = {.family = AF_INET6, .length = 48};
		for (size_t at = 0; at < 6; at++)
			source.address[at] = (uint8_t)random_next(&random);
		cr_assert_eq(arq_policy_add_source(policy, 1 + i % 2, &source, &error), 0);
	}
	clock_gettime(CLOCK_MONOTONIC, &from);
	cr_assert_eq(arq_policy_compile(policy, AF_INET6, &table), 0);
	clock_gettime(CLOCK_MONOTONIC, &to);
	cr_assert_gt(table.count, 999000);
	cr_assert_lt(to.tv_sec - from.tv_sec, 20);
	cr_log_info("compiled in %.0f ms\n", (double)(to.tv_sec - from.tv_sec) * 1e3 +
						     (double)(to.tv_nsec - from.tv_nsec) / 1e6);
	arq_policy_table_free(&table);
	arq_policy_destroy(policy);
}
