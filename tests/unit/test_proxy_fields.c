// SPDX-License-Identifier: BSD-2-Clause
#include "userspace/proxy/fields.h"
#include "userspace/proxy/message.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* userspace/http3 has it; these tests need nothing else of that room. */
static struct arq_h3_text text(const char *string)
{
	return (struct arq_h3_text){string, strlen(string)};
}

static bool equal(struct arq_h3_text a, const char *b)
{
	return a.length == strlen(b) && memcmp(a.data, b, a.length) == 0;
}

struct line {
	const char *name, *value;
	bool in_request, in_response;
};

static const struct line lines[] = {
	{"accept", "*/*", true, true},
	{"connection", "close", false, false},
	{"keep-alive", "5", false, false},
	{"proxy-connection", "close", false, false},
	{"transfer-encoding", "chunked", false, false},
	{"upgrade", "h2c", false, false},
	{"http2-settings", "x", false, false},
	{"te", "trailers", true, true},
	{"te", "Trailers", true, true},
	{"te", "trailers, gzip", false, false},
	{"te", "gzip", false, false},
	{"te", "", false, false},
	{"x-forwarded-for", "10.9.8.7", false, true},
	{"forwarded", "for=10.9.8.7", false, true},
	{"x-forwarded-fox", "kept", true, true},
	{"via", "1.1 before", true, true},
	{"cookie", "a=b", true, true},
	{"cookie", "c=d", true, true},
	{"", "", true, true},
};

static size_t make(struct arq_h3_field *fields)
{
	for (size_t i = 0; i < COUNT(lines); i++)
		fields[i] = (struct arq_h3_field){text(lines[i].name), text(lines[i].value)};
	return COUNT(lines);
}

static void check(bool request)
{
	struct arq_h3_field fields[COUNT(lines)], out[COUNT(lines)];
	size_t count = arq_fields_forward(fields, make(fields), request, out);
	size_t at = 0;
	for (size_t i = 0; i < COUNT(lines); i++) {
		if (!(request ? lines[i].in_request : lines[i].in_response))
			continue;
		cr_assert_lt(at, count, "%s: %s", lines[i].name, lines[i].value);
		cr_assert(equal(out[at].name, lines[i].name), "%s", lines[i].name);
		cr_assert(equal(out[at].value, lines[i].value), "%s", lines[i].value);
		at++;
	}
	cr_assert_eq(at, count);
}

Test(fields, of_a_request_lose_what_is_for_this_hop)
{
	check(true);
}

Test(fields, of_a_response_lose_what_is_for_this_hop)
{
	check(false);
}

Test(fields, name_the_client_without_port)
{
	static const struct {
		const char *address, *value;
	} clients[] = {{"192.0.2.7:4711", "192.0.2.7"}, {"[2001:db8::7]:4711", "2001:db8::7"}};
	for (size_t i = 0; i < COUNT(clients); i++) {
		union arq_address address;
		char value[ARQ_FORWARDED_FOR_MAX];
		cr_assert_eq(arq_address_parse(&address, clients[i].address), 0);
		struct arq_h3_field field = arq_fields_forwarded_for(&address, value);
		cr_assert(equal(field.name, "x-forwarded-for"));
		cr_assert(equal(field.value, clients[i].value));
	}
}

Test(fields, change_as_a_route_says)
{
	static char a[] = "a", b[] = "b", c[] = "c", one[] = "1", two[] = "2", empty[] = "";
	static char *removed[] = {a};
	static struct arq_config_header set[] = {{b, one}}, add[] = {{b, two}, {c, empty}};
	const struct arq_config_headers headers = {removed, 1, set, 1, add, 2};
	static const char *const expected[][2] = {
		{"aa", "kept"}, {"b", "1"}, {"b", "2"}, {"c", ""}};
	struct arq_h3_field fields[8] = {
		{text("a"), text("x")}, {text("b"), text("y")},  {text("aa"), text("kept")},
		{text("a"), text("z")}, {text("b"), text("yy")},
	};

	size_t count = arq_fields_change(&headers, fields, 5);
	cr_assert_eq(count, COUNT(expected));
	for (size_t i = 0; i < count; i++) {
		cr_expect(equal(fields[i].name, expected[i][0]), "%zu", i);
		cr_expect(equal(fields[i].value, expected[i][1]), "%zu", i);
	}
	cr_expect_eq(arq_fields_change(&(struct arq_config_headers){0}, fields, count), count);
}

Test(message, keeps_its_own_copy_of_a_request)
{
	char path[] = "/a?b", authority[] = "example.com:8443", name[] = "x-one", value[] = "1";
	struct arq_h3_field fields[] = {
		{text(name), text(value)},
		{text("via"), text("1.1 before")},
	};
	struct arq_h3_request request = {
		.method = text("GET"),
		.scheme = text("https"),
		.authority = text(authority),
		.path = text(path),
		.fields = fields,
		.field_count = COUNT(fields),
	};
	struct arq_message_request *copy = arq_message_request_copy(&request);
	cr_assert_not_null(copy);
	memset(path, '#', sizeof(path));
	memset(authority, '#', sizeof(authority));
	memset(name, '#', sizeof(name));
	memset(value, '#', sizeof(value));
	memset(fields, 0, sizeof(fields));

	cr_assert(equal(copy->request.method, "GET"));
	cr_assert(equal(copy->request.scheme, "https"));
	cr_assert(equal(copy->request.authority, "example.com:8443"));
	cr_assert(equal(copy->request.path, "/a?b"));
	cr_assert_null(copy->request.protocol.data);
	static const char *const expected[][2] = {{"x-one", "1"}, {"via", "1.1 before"}};
	cr_assert_eq(copy->request.field_count, COUNT(expected));
	for (size_t i = 0; i < COUNT(expected); i++) {
		cr_assert(equal(copy->request.fields[i].name, expected[i][0]));
		cr_assert(equal(copy->request.fields[i].value, expected[i][1]));
	}
	free(copy);
}

Test(message, body_grows_and_is_cleared)
{
	struct arq_message_body body = {0};
	uint8_t piece[1000];
	for (size_t i = 0; i < 20; i++) {
		memset(piece, (int)i, sizeof(piece));
		cr_assert_eq(arq_message_body_append(&body, piece, sizeof(piece)), 0);
	}
	cr_assert_eq(arq_message_body_append(&body, NULL, 0), 0);
	cr_assert_eq(body.length, 20000);
	for (size_t i = 0; i < body.length; i++)
		cr_assert_eq(body.data[i], i / 1000);
	arq_message_body_clear(&body);
	cr_assert_eq(body.length, 0);
	cr_assert_null(body.data);
}
