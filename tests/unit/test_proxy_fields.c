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
	{"x-forwarded-proto", "http", false, true},
	{"x-forwarded-host", "evil", false, true},
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

static char name[] = "arquant", own[] = "edge-1", service[] = "h3=\":443\"";

struct added {
	struct arq_h3_field out[ARQ_FIELDS_SENT];
	struct arq_fields_texts texts;
	size_t count;
};

static void add(struct added *added, const struct arq_config_forwarding *config,
		const struct arq_h3_request *request, const char *client)
{
	static struct arq_fields_random random = {{1, 2}};
	union arq_address address;
	cr_assert_eq(arq_address_parse(&address, client), 0);
	const struct arq_fields_request from = {config, request, &address, &random};
	added->count = arq_fields_of_request(&from, &added->texts, added->out);
}

/* The only line of that name; NULL for none. */
static const struct arq_h3_text *value_of(const struct added *added, const char *wanted)
{
	const struct arq_h3_text *found = NULL;
	for (size_t i = 0; i < added->count; i++) {
		if (!equal(added->out[i].name, wanted))
			continue;
		cr_assert_null(found, "%s twice", wanted);
		found = &added->out[i].value;
	}
	return found;
}

static void expect_value(const struct added *added, const char *wanted, const char *value)
{
	const struct arq_h3_text *found = value_of(added, wanted);
	cr_assert(value ? found && equal(*found, value) : !found, "%s: %.*s", wanted,
		  found ? (int)found->length : 0, found ? found->data : "");
}

Test(fields, say_whom_a_request_is_from)
{
	static const struct {
		const char *address, *plain, *forwarded;
	} clients[] = {
		{"192.0.2.7:4711", "192.0.2.7", "for=192.0.2.7;proto=https;host=\"a.test:1\""},
		{"[2001:db8::7]:4711", "2001:db8::7",
		 "for=\"[2001:db8::7]\";proto=https;host=\"a.test:1\""},
	};
	struct arq_config_forwarding config = {.via = name, .x_forwarded = true, .forwarded = true};
	struct arq_h3_request request = {.scheme = text("https"), .authority = text("a.test:1")};
	struct added added;

	for (size_t i = 0; i < COUNT(clients); i++) {
		add(&added, &config, &request, clients[i].address);
		expect_value(&added, "x-forwarded-for", clients[i].plain);
		expect_value(&added, "x-forwarded-proto", "https");
		expect_value(&added, "x-forwarded-host", "a.test:1");
		expect_value(&added, "forwarded", clients[i].forwarded);
		expect_value(&added, "via", "3 arquant");
		expect_value(&added, "early-data", NULL);
	}
	request.authority = text("a\"b");
	add(&added, &config, &request, "192.0.2.7:1");
	expect_value(&added, "forwarded", "for=192.0.2.7;proto=https");
	config.x_forwarded = config.forwarded = false;
	add(&added, &config, &request, "192.0.2.7:1");
	cr_assert_eq(added.count, 1);
}

Test(fields, mark_early_requests_once)
{
	const struct arq_config_forwarding config = {.via = name};
	struct arq_h3_field sent[] = {{text("early-data"), text("1")}};
	struct arq_h3_request request = {.fields = sent, .field_count = 1};
	struct added added;

	add(&added, &config, &request, "192.0.2.7:1");
	expect_value(&added, "early-data", "1"); /* of a hop before us: RFC 8470, section 5.1 */
	request.early = true;
	add(&added, &config, &request, "192.0.2.7:1");
	expect_value(&added, "early-data", "1");
	request.field_count = 0;
	add(&added, &config, &request, "192.0.2.7:1");
	expect_value(&added, "early-data", "1");
}

#define TRACE "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

Test(fields, keep_or_make_what_names_a_request)
{
	static const struct {
		enum arq_config_mark mark;
		const char *id, *trace; /* as the client sent them, NULL: not */
		bool kept;
	} cases[] = {
		{ARQ_CONFIG_MARK_PASS, "a b", "x", true},
		{ARQ_CONFIG_MARK_KEEP, "a-1", TRACE, true},
		{ARQ_CONFIG_MARK_KEEP, "a b", "00" TRACE, false},
		{ARQ_CONFIG_MARK_KEEP, "",
		 "00-0AF7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", false},
		{ARQ_CONFIG_MARK_KEEP, NULL, NULL, false},
		{ARQ_CONFIG_MARK_MAKE, "a-1", TRACE, false},
	};
	char before[33] = "";

	for (size_t i = 0; i < COUNT(cases); i++) {
		const struct arq_config_forwarding config = {
			.via = name, .request_id = cases[i].mark, .traceparent = cases[i].mark};
		struct arq_h3_field sent[2];
		struct arq_h3_request request = {.fields = sent};
		struct added added;
		if (cases[i].id) {
			sent[0] = (struct arq_h3_field){text("x-request-id"), text(cases[i].id)};
			sent[1] = (struct arq_h3_field){text("traceparent"), text(cases[i].trace)};
			request.field_count = 2;
		}
		add(&added, &config, &request, "192.0.2.7:1");
		if (cases[i].kept) {
			expect_value(&added, "x-request-id", cases[i].id);
			expect_value(&added, "traceparent", cases[i].trace);
			continue;
		}
		const struct arq_h3_text *id = value_of(&added, "x-request-id");
		const struct arq_h3_text *trace = value_of(&added, "traceparent");
		cr_assert(id && id->length == 32 && memcmp(id->data, before, 32) != 0);
		cr_assert(trace && trace->length == 55 && memcmp(trace->data, "00-", 3) == 0);
		memcpy(before, id->data, 32);
	}
}

Test(fields, of_responses_have_via_and_alt_svc)
{
	struct arq_config_forwarding config = {.via = own};
	struct arq_h3_field sent[] = {{text("alt-svc"), text("clear")}, {text("a"), text("b")}};
	const struct arq_h3_response response = {200, sent, 2};
	struct added added;

	added.count = arq_fields_of_response(&config, &response, &added.texts, added.out);
	expect_value(&added, "via", "3 edge-1");
	expect_value(&added, "alt-svc", "clear");
	config.alt_svc = service;
	added.count = arq_fields_of_response(&config, &response, &added.texts, added.out);
	expect_value(&added, "alt-svc", "h3=\":443\"");
	expect_value(&added, "a", "b");
}

Test(fields, tell_loops)
{
	static const struct {
		const char *via;
		bool loop;
	} cases[] = {
		{"3 edge-1", true},
		{"1.1 a, 3 EDGE-1 (comment), 2 b", true},
		{"HTTP/1.1\tedge-1", true},
		{"3 edge-10", false},
		{"edge-1 3", false},
		{"edge-1", false},
		{"", false},
		{",, ,", false},
		{"3 a (edge-1)", false},
	};
	const struct arq_config_forwarding ours = {.via = own, .via_is_ours = true};
	const struct arq_config_forwarding defaults = {.via = name};
	struct arq_h3_field lines_of_via[8];

	for (size_t i = 0; i < COUNT(cases); i++) {
		const struct arq_h3_field one = {text("via"), text(cases[i].via)};
		cr_expect_eq(arq_fields_loop(&ours, &one, 1), cases[i].loop, "%s", cases[i].via);
	}
	for (size_t i = 0; i < 8; i++)
		lines_of_via[i] = (struct arq_h3_field){text("via"), text("3 arquant")};
	cr_expect_not(arq_fields_loop(&defaults, lines_of_via, 7));
	cr_expect(arq_fields_loop(&defaults, lines_of_via, 8));
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
	char path[] = "/a?b", authority[] = "example.com:8443", line[] = "x-one", value[] = "1";
	struct arq_h3_field fields[] = {
		{text(line), text(value)},
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
	memset(line, '#', sizeof(line));
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
