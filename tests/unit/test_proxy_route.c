// SPDX-License-Identifier: BSD-2-Clause
#include "userspace/proxy/route.h"

#include "userspace/common/config.h"
#include "userspace/proxy/rewrite.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Routes as a file has them, with what a look-up needs. */
struct fixture {
	struct arq_config *config;
	struct arq_route_table *table;
	struct arq_regex_scratch *scratch;
};

#define HEAD                                                                                     \
	"gateway:\n"                                                                             \
	"  listeners:\n"                                                                         \
	"    - { name: a, address: \"127.0.0.1:1\", certificates: [{ certificate: c, key: k }] " \
	"}\n"                                                                                    \
	"    - { name: b, address: \"127.0.0.1:2\", certificates: [{ certificate: c, key: k }] " \
	"}\n"                                                                                    \
	"  pools:\n"                                                                             \
	"    - { name: p, targets: \"127.0.0.1:3\" }\n"                                          \
	"    - { name: q, targets: \"127.0.0.1:4\" }\n"                                          \
	"    - { name: r, targets: \"127.0.0.1:5\" }\n"                                          \
	"  routes:\n"

static struct fixture begin(const char *routes)
{
	struct fixture f;
	struct arq_error error = {0};
	char *text;
	size_t size = (size_t)asprintf(&text, HEAD "%s", routes);

	cr_assert_eq(arq_config_parse("test", text, size, &f.config, &error), 0, "%s", error.text);
	cr_assert_eq(arq_route_table_create(f.config->gateway.routes,
					    f.config->gateway.routes_count, &f.table, &error),
		     0, "%s", error.text);
	f.scratch = arq_regex_scratch_create();
	cr_assert_not_null(f.scratch);
	free(text);
	return f;
}

static void end(struct fixture *f)
{
	arq_route_table_destroy(f->table);
	arq_regex_scratch_destroy(f->scratch);
	arq_config_destroy(f->config);
}

static struct arq_h3_request message(const char *authority, const char *path)
{
	return (struct arq_h3_request){
		.method = arq_h3_text("GET"),
		.scheme = arq_h3_text("https"),
		.authority = arq_h3_text(authority),
		.path = arq_h3_text(path),
	};
}

/* The number of the route; -1: none, -2: gave up. */
static int find_message(struct fixture *f, const struct arq_route_request *request, uint32_t *steps)
{
	struct arq_route_match match;
	int code = arq_route_table_find(f->table, f->scratch, request, &match);

	if (steps)
		*steps = match.steps;
	if (code != 0)
		return code == -ENOENT ? -1 : -2;
	return (int)(match.route->config - f->config->gateway.routes);
}

static int find(struct fixture *f, const char *authority, const char *path)
{
	struct arq_h3_request request = message(authority, path);
	struct arq_route_request wanted = {&request, "", 0};
	return find_message(f, &wanted, NULL);
}

#define R "pool: p }\n"

Test(route, takes_the_first_match_in_file_order)
{
	struct fixture f = begin("    - { host: api.example.com, path: /v1/special, " R /* 0 */
				 "    - { host: api.example.com, path: /v1/*, " R /* 1 */
				 "    - { host: '*.example.com', path: /v1/*, " R /* 2 */
				 "    - { host: '*.example.com', " R /* 3 */
				 "    - { host: '[2001:db8::1]', " R /* 4 */
				 "    - { host: dot.example.org., " R /* 5 */
				 "    - { path: /ping, " R /* 6 */
				 "    - { host: '*', path: /files/*, " R /* 7 */
				 "    - { host: late.test, " R /* 8 */
				 "    - { path: /fi*, " R /* 9 */);
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
		{"other.test", "/files", 9},
		{"other.test", "/fi", 9},
		{"late.test", "/ping", 6},
		{"late.test", "/files/x", 7},
		{"late.test", "/fig", 8},
		{"late.test", "*", 8},
		{"late.test", "", 8},
		{":443", "", -1},
		{"", "", -1},
	};

	for (size_t i = 0; i < COUNT(requests); i++)
		cr_expect_eq(find(&f, requests[i].authority, requests[i].path), requests[i].route,
			     "%s%s: %d", requests[i].authority, requests[i].path,
			     find(&f, requests[i].authority, requests[i].path));
	end(&f);
}

Test(route, without_conditions_matches_everything)
{
	struct fixture f = begin("    - pool: p\n");
	struct arq_h3_request nothing = {.method = arq_h3_text("OPTIONS")};
	char long_host[400];

	cr_expect_eq(find(&f, "a.test", "/"), 0);
	cr_expect_eq(find_message(&f, &(struct arq_route_request){&nothing, "", 0}, NULL), 0);
	memset(long_host, 'a', sizeof(long_host) - 1);
	long_host[sizeof(long_host) - 1] = '\0';
	cr_expect_eq(find(&f, long_host, "/"), 0);
	end(&f);
}

/* The bytes of a request are not terminated. */
Test(route, reads_only_the_lengths_given)
{
	struct fixture f = begin("    - { host: a.test, path: /x, " R);
	struct arq_h3_request request = {
		.method = arq_h3_text("GET"), .authority = {"a.testing", 6}, .path = {"/xyz", 2}};
	struct arq_route_request wanted = {&request, "", 0};

	cr_expect_eq(find_message(&f, &wanted, NULL), 0);
	request.authority.length = 7;
	cr_expect_eq(find_message(&f, &wanted, NULL), -1);
	request.authority.length = 6;
	request.path.length = 3;
	cr_expect_eq(find_message(&f, &wanted, NULL), -1);
	end(&f);
}

Test(route, asks_for_listener_server_name_and_method)
{
	struct fixture f = begin("    - { listeners: b, path: /l, " R /* 0 */
				 "    - { server_name: '*.example.com', path: /s, " R /* 1 */
				 "    - { methods: [PUT, POST], path: /m, " R /* 2 */
				 "    - { listeners: [a, b], path: /l, " R /* 3 */);
	struct arq_h3_request l = message("x.test", "/l"), s = message("x.test", "/s");
	struct arq_h3_request m = message("x.test", "/m");

	cr_expect_eq(find_message(&f, &(struct arq_route_request){&l, "", 0}, NULL), 3);
	cr_expect_eq(find_message(&f, &(struct arq_route_request){&l, "", 1}, NULL), 0);
	cr_expect_eq(find_message(&f, &(struct arq_route_request){&s, "A.Example.COM", 0}, NULL),
		     1);
	cr_expect_eq(find_message(&f, &(struct arq_route_request){&s, "example.com", 0}, NULL), -1);
	cr_expect_eq(find_message(&f, &(struct arq_route_request){&s, "", 0}, NULL), -1);
	cr_expect_eq(find_message(&f, &(struct arq_route_request){&m, "", 0}, NULL), -1);
	m.method = arq_h3_text("POST");
	cr_expect_eq(find_message(&f, &(struct arq_route_request){&m, "", 0}, NULL), 2);
	m.method = arq_h3_text("POSTS");
	cr_expect_eq(find_message(&f, &(struct arq_route_request){&m, "", 0}, NULL), -1);
	end(&f);
}

Test(route, asks_for_header_fields)
{
	struct fixture f = begin(
		"    - { path: /h, headers: [{ name: X-Env, value: test }, x-other], " R /* 0 */
		"    - { path: /h, headers: [{ name: x-env, prefix: te }], " R /* 1 */
		"    - { path: /h, headers: [{ name: x-env, regex: '[a-c]+' }], " R /* 2 */
		"    - { path: /h, headers: x-other, " R /* 3 */);
	static const struct {
		const char *lines[4]; /* names and values */
		int route;
	} cases[] = {
		{{"x-env", "test", "x-other", ""}, 0},
		{{"x-env", "test"}, 1},
		{{"x-env", "tests"}, 1},
		{{"x-env", "t"}, -1},
		{{"x-env", "abcabc"}, 2},
		{{"x-env", "abcd"}, -1},
		{{"x-env", "no", "x-env", "cab"}, 2},
		{{"x-other", "1"}, 3},
		{{"x-others", "1"}, -1},
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct arq_h3_request request = message("a.test", "/h");
		struct arq_h3_field fields[2];
		for (size_t j = 0; j < 2 && cases[i].lines[2 * j]; j++)
			fields[request.field_count++] =
				(struct arq_h3_field){arq_h3_text(cases[i].lines[2 * j]),
						      arq_h3_text(cases[i].lines[2 * j + 1])};
		request.fields = fields;
		struct arq_route_request wanted = {&request, "", 0};
		cr_expect_eq(find_message(&f, &wanted, NULL), cases[i].route, "case %zu", i);
	}
	end(&f);
}

Test(route, asks_for_query_parameters)
{
	struct fixture f = begin("    - { query: [{ name: v, value: '2' }, debug], " R /* 0 */
				 "    - { query: [{ name: v, value: '2' }], " R /* 1 */
				 "    - { query: [{ name: v, regex: '\\d+' }], " R /* 2 */
				 "    - { query: [{ name: w, prefix: a=b }], " R /* 3 */);
	static const struct {
		const char *path;
		int route;
	} cases[] = {
		{"/?v=2&debug", 0},   {"/?debug=&v=2", 0}, {"/?v=2", 1},  {"/?x=1&v=1&v=2", 1},
		{"/?v=22", 2},        {"/?v=", -1},        {"/?V=2", -1}, {"/v=2", -1},
		{"/?w=a=bc&v=2x", 3}, {"/?&&&", -1},       {"/?", -1},    {"/?%76=2", -1},
		{"/?a=1&w=a=b", 3},   {"/?w=a", -1},
	};

	for (size_t i = 0; i < COUNT(cases); i++)
		cr_expect_eq(find(&f, "a.test", cases[i].path), cases[i].route, "%s",
			     cases[i].path);
	end(&f);
}

Test(route, matches_expressions_as_a_whole_and_below_a_prefix)
{
	struct fixture f = begin("    - { path_regex: '/users/[0-9]+', " R /* 0 */
				 "    - { path: /a/*, path_regex: '.*[.]png', " R /* 1 */);

	cr_expect_eq(find(&f, "a.test", "/users/17"), 0);
	cr_expect_eq(find(&f, "a.test", "/users/17?x=y"), 0);
	cr_expect_eq(find(&f, "a.test", "/users/17/"), -1);
	cr_expect_eq(find(&f, "a.test", "/x/users/17"), -1);
	cr_expect_eq(find(&f, "a.test", "/a/b/c.png"), 1);
	cr_expect_eq(find(&f, "a.test", "/b/c.png"), -1);
	end(&f);
}

/* What should come after an expression that gave up must not answer in its place. */
Test(route, takes_no_route_when_an_expression_gives_up)
{
	struct fixture f = begin("    - { path: /exact, " R /* 0 */
				 "    - { path_regex: '(/(a+)+)+[bc]', " R /* 1 */
				 "    - { path: /a*, " R /* 2 */);
	char hostile[200] = "/";

	memset(hostile + 1, 'a', sizeof(hostile) - 2);
	cr_expect_eq(find(&f, "a.test", "/exact"), 0);
	cr_expect_eq(find(&f, "a.test", "/aab"), 1);
	cr_expect_eq(find(&f, "a.test", "/ad"), 2);
	cr_expect_eq(find(&f, "a.test", hostile), -2);
	end(&f);
}

static void write_route(FILE *out, size_t form, unsigned int i)
{
	switch (form) {
	case 0:
		fprintf(out, "    - { host: h%u.test, pool: p }\n", i);
		break;
	case 1:
		fprintf(out, "    - { path: /p%u, pool: p }\n", i);
		break;
	case 2:
		fprintf(out, "    - { path: /p%u/*, pool: p }\n", i);
		break;
	default:
		fprintf(out, "    - { host: h%u.test, path: /v1/*, pool: p }\n", i);
		break;
	}
}

/* As many as a file may have; with sanitizers reading them takes a minute. */
#ifdef __SANITIZE_ADDRESS__
#define MANY 512
#else
#define MANY 4096
#endif

/* Told apart by host, by path, by prefix: a look-up looks at a few. */
Test(route, looks_at_few_of_many_routes)
{
	for (size_t form = 0; form < 4; form++) {
		char *routes, authority[32], path[32];
		size_t size;
		FILE *out = open_memstream(&routes, &size);
		for (unsigned int i = 0; i < MANY; i++)
			write_route(out, form, i);
		fclose(out);
		struct fixture f = begin(routes);
		for (unsigned int i = 0; i < MANY; i += MANY / 10) {
			snprintf(authority, sizeof(authority), "h%u.test", i);
			snprintf(path, sizeof(path), "/p%u%s", i, form == 2 ? "/x" : "");
			struct arq_h3_request request =
				message(authority, form == 3 ? "/v1/x" : path);
			uint32_t steps;
			cr_expect_eq(find_message(&f, &(struct arq_route_request){&request, "", 0},
						  &steps),
				     (int)i);
			cr_expect_leq(steps, 2, "form %zu, route %u: %u", form, i, steps);
		}
		end(&f);
		free(routes);
	}
}

Test(route, splits_by_weight)
{
	struct fixture f =
		begin("    - split: [{ pool: p, weight: 90 }, { pool: q, weight: 9 }, r]\n");
	struct arq_h3_request request = message("a.test", "/");
	struct arq_route_match match;
	unsigned int taken[3] = {0};
	uint32_t draw = 0;

	cr_assert_eq(arq_route_table_find(f.table, f.scratch,
					  &(struct arq_route_request){&request, "", 0}, &match),
		     0);
	for (size_t i = 0; i < 10000; i++) {
		const struct arq_config_pool *pool =
			arq_route_pool(match.route, draw += 3 * 0x9e3779b9u);
		taken[pool - f.config->gateway.pools]++;
	}
	cr_expect(taken[0] > 8970 && taken[0] < 9030, "%u", taken[0]);
	cr_expect(taken[1] > 870 && taken[1] < 930, "%u", taken[1]);
	cr_expect(taken[2] > 70 && taken[2] < 130, "%u", taken[2]);
	end(&f);
}

/* --- targets ---------------------------------------------------------------------------------- */

static void expect_path(struct fixture *f, const char *path, int code, const char *expected)
{
	struct arq_h3_request request = message("a.test", path);
	struct arq_rewrite_output output;
	struct arq_route_match match;
	struct arq_h3_text rewritten;

	cr_assert_eq(arq_route_table_find(f->table, f->scratch,
					  &(struct arq_route_request){&request, "", 0}, &match),
		     0, "%s", path);
	cr_expect_eq(arq_rewrite_path(match.route, match.route->config->rewrite, f->scratch,
				      request.path, &output, &rewritten),
		     code, "%s", path);
	cr_expect(code != 0 || (rewritten.length == strlen(expected) &&
				memcmp(rewritten.data, expected, rewritten.length) == 0),
		  "%s: %.*s", path, (int)rewritten.length, rewritten.data);
}

Test(rewrite, changes_paths)
{
	struct fixture f = begin(
		"    - { path: /v1/*, rewrite: { prefix: /internal/ }, " R
		"    - { path: /gone, rewrite: { path: /here }, " R
		"    - { path: /r/*, rewrite: { regex: '^/r/(\\w+)/(\\w+)', replace: '/$2/$1$$' "
		"}, " R "    - { path: /cut/*, rewrite: { regex: '^/cut/', replace: '' }, " R
		"    - { path: /slow/*, rewrite: { regex: '(a+)+$', replace: x }, " R
		"    - { rewrite: { host: b.test }, " R);
	char slow[300] = "/slow/", long_path[9000] = "/v1/";

	expect_path(&f, "/v1/a/b?c=/v1/", 0, "/internal/a/b?c=/v1/");
	expect_path(&f, "/v1/", 0, "/internal/");
	expect_path(&f, "/gone?x", 0, "/here?x");
	expect_path(&f, "/r/a/b/c?d", 0, "/b/a$/c?d");
	expect_path(&f, "/r/a", 0, "/r/a");
	expect_path(&f, "/cut/a", -EINVAL, NULL);
	expect_path(&f, "/cut//a", 0, "/a");
	expect_path(&f, "/any?thing", 0, "/any?thing");
	memset(slow + 6, 'a', 200);
	slow[206] = '!';
	expect_path(&f, slow, -E2BIG, NULL);
	memset(long_path + 4, 'a', sizeof(long_path) - 5);
	expect_path(&f, long_path, -E2BIG, NULL);
	end(&f);
}

static void expect_location(struct fixture *f, const char *path, const char *expected)
{
	struct arq_h3_request request = message("a.test:8443", path);
	struct arq_rewrite_output output;
	struct arq_route_match match;
	struct arq_h3_text location;

	cr_assert_eq(arq_route_table_find(f->table, f->scratch,
					  &(struct arq_route_request){&request, "", 0}, &match),
		     0, "%s", path);
	cr_expect_eq(arq_rewrite_location(match.route, f->scratch, &request, &output, &location),
		     0);
	cr_expect(location.length == strlen(expected) &&
			  memcmp(location.data, expected, location.length) == 0,
		  "%s: %.*s", path, (int)location.length, location.data);
}

Test(rewrite, makes_locations)
{
	struct fixture f =
		begin("    - { path: /old/*, redirect: { prefix: /new/ } }\n"
		      "    - { path: /to, redirect: { host: 'b.test:1', scheme: http } }\n"
		      "    - { redirect: { host: www.test, path: /all } }\n");

	expect_location(&f, "/old/x?y", "https://a.test:8443/new/x?y");
	expect_location(&f, "/to?y", "http://b.test:1/to?y");
	expect_location(&f, "/x?y", "https://www.test/all?y");
	end(&f);
}

/* --- regular expressions ---------------------------------------------------------------------- */

Test(regex, says_what_is_wrong_with_a_pattern)
{
	struct arq_error error = {0};
	struct arq_regex *regex;

	cr_expect_eq(arq_regex_create("a(b", false, &regex, &error), -EINVAL);
	cr_expect_not_null(strstr(error.text, "at character 4"), "%s", error.text);
}

Test(regex, knows_the_groups_of_a_replacement)
{
	struct arq_error error = {0};
	struct arq_regex *regex;

	cr_assert_eq(arq_regex_create("(a)(b)?", false, &regex, &error), 0);
	cr_expect_eq(arq_regex_check_replacement(regex, "$0 $1 $2 $$"), 0);
	cr_expect_eq(arq_regex_check_replacement(regex, "$3"), -EINVAL);
	cr_expect_eq(arq_regex_check_replacement(regex, "$x"), -EINVAL);
	cr_expect_eq(arq_regex_check_replacement(regex, "$"), -EINVAL);
	arq_regex_destroy(regex);
}

Test(regex, replaces_within_the_room_there_is)
{
	struct arq_regex_scratch *scratch = arq_regex_scratch_create();
	struct arq_error error = {0};
	struct arq_regex *regex;
	char out[8];
	size_t length;

	cr_assert_eq(arq_regex_create("(b)(c)?", false, &regex, &error), 0);
	cr_expect_eq(
		arq_regex_replace(regex, scratch, "abd", 3, "<$1$2>", out, sizeof(out), &length),
		ARQ_REGEX_MATCH);
	cr_expect(length == 5 && memcmp(out, "a<b>d", 5) == 0, "%.*s", (int)length, out);
	cr_expect_eq(arq_regex_replace(regex, scratch, "xyz", 3, "", out, sizeof(out), &length),
		     ARQ_REGEX_NO_MATCH);
	cr_expect(length == 3 && memcmp(out, "xyz", 3) == 0);
	cr_expect_eq(
		arq_regex_replace(regex, scratch, "ab", 2, "123456789", out, sizeof(out), &length),
		ARQ_REGEX_GAVE_UP);
	arq_regex_destroy(regex);
	arq_regex_scratch_destroy(scratch);
}
