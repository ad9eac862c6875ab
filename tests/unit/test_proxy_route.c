// SPDX-License-Identifier: BSD-2-Clause
#include "userspace/proxy/route.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static int find(const struct arq_route_table *table, const char *authority, const char *path)
{
	return arq_route_table_find(table, authority, strlen(authority), path, strlen(path));
}

Test(route, takes_the_first_match_in_file_order)
{
	static const struct arq_route_rule rules[] = {
		{.host = "api.example.com", .path = "/v1/special"}, /* 0 */
		{.host = "api.example.com", .path = "/v1/*"}, /* 1 */
		{.host = "*.example.com", .path = "/v1/*"}, /* 2 */
		{.host = "*.Example.com"}, /* 3 */
		{.host = "[2001:db8::1]"}, /* 4 */
		{.host = "dot.example.org."}, /* 5 */
		{.path = "/ping"}, /* 6 */
		{.path = "/files/*"}, /* 7 */
		{.host = "late.test", .path = "/ping"}, /* 8: never, 6 stands before it */
		{.host = "late.test", .path = "/*"}, /* 9 */
	};
	static const struct {
		const char *authority, *path;
		int route;
	} requests[] = {
		{"api.example.com", "/v1/special", 0},
		{"api.example.com", "/v1/special?a=/v2/", 0},
		{"api.example.com", "/v1/specials", 1},
		{"API.EXAMPLE.COM:8443", "/v1/x", 1},
		{"api.example.com.", "/v1/", 1},
		{"api.example.com.:443", "/v1/", 1},
		{"api.example.com", "/v1", 3},
		{"api.example.com", "/v1?/v1/", 3},
		{"api.example.com", "/V1/x", 3},
		{"a.b.example.com", "/v1/x", 2},
		{"a.b.example.com", "/", 3},
		{"example.com", "/", -1},
		{".example.com", "/", -1},
		{"badexample.com", "/", -1},
		{"[2001:db8::1]", "/", 4},
		{"[2001:DB8::1]:443", "/", 4},
		{"[2001:db8::2]:443", "/", -1},
		{"[2001:db8::1", "/", -1},
		{"dot.example.org", "/", 5},
		{"dot.example.org.", "/", 5},
		{"dot.example.org..", "/", -1},
		{"other.test", "/ping", 6},
		{"other.test", "/ping?", 6},
		{"other.test", "/ping/", -1},
		{"", "/ping", 6},
		{"other.test", "/files/", 7},
		{"other.test", "/files/a/b", 7},
		{"other.test", "/files", -1},
		{"late.test", "/ping", 6},
		{"late.test", "*", 9},
		{"late.test", "", 9},
		{":443", "", -1},
		{"", "", -1},
	};

	struct arq_error error = {0};
	struct arq_route_table *table;
	cr_assert_eq(arq_route_table_create(rules, COUNT(rules), &table, &error), 0, "%s",
		     error.text);
	for (size_t i = 0; i < COUNT(requests); i++)
		cr_assert_eq(find(table, requests[i].authority, requests[i].path),
			     requests[i].route, "%s%s", requests[i].authority, requests[i].path);
	arq_route_table_destroy(table);
}

Test(route, without_host_and_path_matches_everything)
{
	static const struct arq_route_rule rule = {0};
	struct arq_error error = {0};
	struct arq_route_table *table;
	cr_assert_eq(arq_route_table_create(&rule, 1, &table, &error), 0);
	cr_assert_eq(find(table, "a.test", "/"), 0);
	cr_assert_eq(arq_route_table_find(table, NULL, 0, NULL, 0), 0);
	arq_route_table_destroy(table);
	cr_assert_eq(arq_route_table_create(&rule, 0, &table, &error), 0);
	cr_assert_eq(find(table, "a.test", "/"), -1);
	arq_route_table_destroy(table);
}

/* The spans of a request are not terminated. */
Test(route, reads_only_the_lengths_given)
{
	static const struct arq_route_rule rule = {.host = "a.test", .path = "/x"};
	struct arq_error error = {0};
	struct arq_route_table *table;
	cr_assert_eq(arq_route_table_create(&rule, 1, &table, &error), 0);
	cr_assert_eq(arq_route_table_find(table, "a.testing", 6, "/xyz", 2), 0);
	cr_assert_eq(arq_route_table_find(table, "a.testing", 7, "/xyz", 2), -1);
	arq_route_table_destroy(table);
}

Test(route, refuses_what_no_request_could_match)
{
	static const struct arq_route_rule rules[] = {
		{.host = ""},        {.host = "*."},       {.host = "a.*.test"},
		{.host = "*a.test"}, {.host = "a.test:1"}, {.host = "a/b"},
		{.path = ""},        {.path = "ping"},     {.path = "/a/*/b"},
		{.path = "/a*"},     {.path = "/a?b"},     {.path = "*"},
		{.path = "/a b"},    {.host = "u@a.test"},
	};
	for (size_t i = 0; i < COUNT(rules); i++) {
		struct arq_error error = {0};
		struct arq_route_table *table;
		cr_assert_eq(arq_route_table_create(&rules[i], 1, &table, &error), -EINVAL,
			     "rule %zu", i);
		cr_assert(error.text[0]);
	}
}
