// SPDX-License-Identifier: BSD-2-Clause
#include "userspace/proxy/route.h"

#include <criterion/criterion.h>
#include <stdint.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static char *text(const char *constant)
{
	return (char *)(uintptr_t)constant; /* the configuration owns its texts; here nobody does */
}

static struct arq_config_route route(const char *host, const char *path, bool prefix)
{
	return (struct arq_config_route){
		.host = host ? text(host) : NULL,
		.path = path ? text(path) : NULL,
		.path_is_prefix = prefix,
	};
}

static int find(const struct arq_route_table *table, const struct arq_config_route *routes,
		const char *authority, const char *path)
{
	const struct arq_config_route *found =
		arq_route_table_find(table, authority, strlen(authority), path, strlen(path));
	return found ? (int)(found - routes) : -1;
}

Test(route, takes_the_first_match_in_file_order)
{
	const struct arq_config_route routes[] = {
		route("api.example.com", "/v1/special", false), /* 0 */
		route("api.example.com", "/v1/", true), /* 1 */
		route("*.example.com", "/v1/", true), /* 2 */
		route("*.example.com", NULL, false), /* 3 */
		route("[2001:db8::1]", NULL, false), /* 4 */
		route("dot.example.org.", NULL, false), /* 5 */
		route(NULL, "/ping", false), /* 6 */
		route("*", "/files/", true), /* 7 */
		route("late.test", "/ping", false), /* 8: never, 6 stands before it */
		route("late.test", "/", true), /* 9 */
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

	struct arq_route_table *table;
	cr_assert_eq(arq_route_table_create(routes, COUNT(routes), &table), 0);
	for (size_t i = 0; i < COUNT(requests); i++)
		cr_assert_eq(find(table, routes, requests[i].authority, requests[i].path),
			     requests[i].route, "%s%s", requests[i].authority, requests[i].path);
	arq_route_table_destroy(table);
}

Test(route, without_host_and_path_matches_everything)
{
	const struct arq_config_route any = route(NULL, NULL, false);
	struct arq_route_table *table;
	cr_assert_eq(arq_route_table_create(&any, 1, &table), 0);
	cr_assert_eq(find(table, &any, "a.test", "/"), 0);
	cr_assert_eq(arq_route_table_find(table, NULL, 0, NULL, 0), &any);
	arq_route_table_destroy(table);
	cr_assert_eq(arq_route_table_create(NULL, 0, &table), 0);
	cr_assert_eq(find(table, &any, "a.test", "/"), -1);
	arq_route_table_destroy(table);
}

/* The bytes of a request are not terminated. */
Test(route, reads_only_the_lengths_given)
{
	const struct arq_config_route one = route("a.test", "/x", false);
	struct arq_route_table *table;
	cr_assert_eq(arq_route_table_create(&one, 1, &table), 0);
	cr_assert_eq(arq_route_table_find(table, "a.testing", 6, "/xyz", 2), &one);
	cr_assert_null(arq_route_table_find(table, "a.testing", 7, "/xyz", 2));
	cr_assert_null(arq_route_table_find(table, "a.testing", 6, "/xyz", 3));
	arq_route_table_destroy(table);
}
