// SPDX-License-Identifier: BSD-2-Clause
/* Records through the ring, and as lines; whatever clients put into them. */
#include "userspace/arquantd/access_line.h"
#include "userspace/arquantd/access_log.h"
#include "userspace/arquantd/record_ring.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <json-c/json.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct arq_record record_with(const char *path)
{
	struct arq_record record = {
		.begun = 1500000000,
		.duration = 1234999,
		.queue = 1000,
		.connect = 2000,
		.response = 3000,
		.received = 1,
		.sent = UINT64_MAX,
		.rtt = 4000,
		.version = 1,
		.status = 200,
	};
	cr_assert_eq(arq_address_parse(&record.client, "[2001:db8::1]:443"), 0);
	for (size_t i = 0; i < ARQ_RECORD_TEXTS; i++)
		record.texts[i] = arq_h3_text("x");
	record.texts[ARQ_RECORD_PATH] = arq_h3_text(path);
	return record;
}

/* --- the ring -----------------------------------------------------------------------------------
 */

Test(record_ring, gives_back_what_was_put_in_and_counts_what_did_not_fit)
{
	struct arq_record_ring *ring;
	struct arq_record record = record_with("/first"), got;
	cr_assert_eq(arq_record_ring_create(5000, &ring), -EINVAL);
	cr_assert_eq(arq_record_ring_create(8192, &ring), 0);
	cr_expect_not(arq_record_ring_peek(ring, &got));
	record.headers = 1;
	record.texts[ARQ_RECORD_TEXTS] = arq_h3_text("user-agent");
	record.texts[ARQ_RECORD_TEXTS + 1] = (struct arq_h3_text){"a\0b", 3};
	size_t fitted = 0;
	while (arq_record_ring_put(ring, &record))
		fitted++;
	cr_expect_geq(fitted, 10);
	cr_expect_eq(arq_record_ring_losses(ring), 1);
	for (size_t i = 0; i < fitted; i++) {
		cr_assert(arq_record_ring_peek(ring, &got));
		cr_expect_eq(got.duration, 1234999);
		cr_expect_eq(got.texts[ARQ_RECORD_PATH].length, 6);
		cr_expect_eq(memcmp(got.texts[ARQ_RECORD_PATH].data, "/first", 6), 0);
		cr_expect_eq(memcmp(got.texts[ARQ_RECORD_TEXTS + 1].data, "a\0b", 3), 0);
		arq_record_ring_drop(ring);
	}
	cr_expect_not(arq_record_ring_peek(ring, &got));
	arq_record_ring_lost(ring);
	cr_expect_eq(arq_record_ring_losses(ring), 2);
	arq_record_ring_destroy(ring);
}

/* Whatever the sizes, there is room in one that is emptied each time. */
Test(record_ring, loses_nothing_while_it_is_empty)
{
	static char path[2000];
	struct arq_record_ring *ring;
	struct arq_record got;
	cr_assert_eq(arq_record_ring_create(8192, &ring), 0);
	for (size_t i = 0; i < 20000; i++) {
		struct arq_record record = record_with("/");
		record.received = i;
		record.texts[ARQ_RECORD_PATH] = (struct arq_h3_text){path, i * 7919 % sizeof(path)};
		cr_assert(arq_record_ring_put(ring, &record), "%zu", i);
		cr_assert(arq_record_ring_peek(ring, &got));
		cr_assert_eq(got.received, i);
		cr_assert_eq(got.texts[ARQ_RECORD_PATH].length, i * 7919 % sizeof(path));
		arq_record_ring_drop(ring);
	}
	cr_assert_not(arq_record_ring_peek(ring, &got));
	arq_record_ring_destroy(ring);
}

#define MANY 200000

static void *put_many(void *argument)
{
	char path[600];
	memset(path, 'p', sizeof(path));
	for (uint64_t i = 0; i < MANY; i++) {
		struct arq_record record = record_with("/");
		record.received = i;
		record.texts[ARQ_RECORD_PATH] = (struct arq_h3_text){path, i % sizeof(path)};
		arq_record_ring_put(argument, &record);
		if (i % 64 == 0)
			sched_yield(); /* lets the other side come to an empty ring */
	}
	return NULL;
}

Test(record_ring, keeps_order_and_account_between_two_threads)
{
	struct arq_record_ring *ring;
	struct arq_record got;
	pthread_t thread;
	uint64_t taken = 0, next = 0;
	cr_assert_eq(arq_record_ring_create(65536, &ring), 0);
	cr_assert_eq(pthread_create(&thread, NULL, put_many, ring), 0);
	while (taken + arq_record_ring_losses(ring) < MANY || arq_record_ring_peek(ring, &got)) {
		if (!arq_record_ring_peek(ring, &got)) {
			sched_yield();
			continue;
		}
		cr_assert_geq(got.received, next);
		next = got.received + 1;
		cr_assert_eq(got.texts[ARQ_RECORD_PATH].length, got.received % 600);
		for (size_t i = 0; i < got.texts[ARQ_RECORD_PATH].length; i++)
			cr_assert_eq(got.texts[ARQ_RECORD_PATH].data[i], 'p');
		arq_record_ring_drop(ring);
		taken++;
	}
	pthread_join(thread, NULL);
	cr_expect_eq(taken + arq_record_ring_losses(ring), MANY);
	cr_expect_gt(taken, 0);
	arq_record_ring_destroy(ring);
}

/* --- lines --------------------------------------------------------------------------------------
 */

static char line[ARQ_ACCESS_LINE_MAX];

/* The line as an object; it is one line. */
static struct json_object *parse(const struct arq_record *record)
{
	size_t length = arq_access_line(record, 1000000000000000000, line);
	cr_assert_lt(length, sizeof(line));
	cr_assert_eq(memchr(line, '\n', length), line + length - 1);
	struct json_tokener *tokener = json_tokener_new();
	json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	struct json_object *object = json_tokener_parse_ex(tokener, line, (int)length);
	cr_assert_not_null(object, "%s: %.*s",
			   json_tokener_error_desc(json_tokener_get_error(tokener)), (int)length,
			   line);
	json_tokener_free(tokener);
	return object;
}

Test(access_line, says_what_is_there_and_nothing_else)
{
	struct arq_record record = record_with("/a?b=c");
	size_t length = arq_access_line(&record, 1000000000000000000, line);
	const char *wanted =
		"{\"time\":\"2001-09-09T01:46:41.500000Z\",\"client\":\"[2001:db8::1]:443\","
		"\"listener\":\"x\",\"route\":\"x\",\"host\":\"x\",\"method\":\"x\",\"scheme\":"
		"\"x\",\"path\":\"/a?b=c\",\"status\":200,\"received_bytes\":1,\"sent_bytes\":"
		"18446744073709551615,\"duration_us\":1234,\"quic\":{\"version\":1,\"alpn\":\"x\","
		"\"rtt_us\":4,\"early_data\":false}}\n";
	cr_expect(length == strlen(wanted) && memcmp(line, wanted, length) == 0, "%.*s",
		  (int)length, line);

	record.tries = 2;
	record.version = 0x6b3343cf;
	record.early = true;
	record.error_by = ARQ_RECORD_UPSTREAM;
	record.error_code = 0x10c;
	record.headers = 2;
	record.texts[ARQ_RECORD_TEXTS] = record.texts[ARQ_RECORD_TEXTS + 2] = arq_h3_text("h");
	record.texts[ARQ_RECORD_TEXTS + 1] = arq_h3_text("1");
	record.texts[ARQ_RECORD_TEXTS + 2] = arq_h3_text("i");
	record.texts[ARQ_RECORD_TEXTS + 3] = arq_h3_text("");
	length = arq_access_line(&record, 0, line);
	wanted = ",\"upstream\":{\"pool\":\"x\",\"target\":\"x\",\"retries\":1,\"queue_us\":1,"
		 "\"connect_us\":2,\"response_us\":3},\"quic\":{\"version\":2,\"alpn\":\"x\","
		 "\"rtt_us\":4,\"early_data\":true},\"error\":{\"by\":\"upstream\",\"code\":268},"
		 "\"request_headers\":{\"h\":\"1\",\"i\":\"\"}}\n";
	cr_expect(length > strlen(wanted) &&
			  memcmp(line + length - strlen(wanted), wanted, strlen(wanted)) == 0,
		  "%.*s", (int)length, line);
	json_object_put(parse(&record));
}

Test(access_line, is_valid_whatever_the_octets)
{
	static char octets[ARQ_RECORD_TEXT_MAX];
	struct arq_record record = record_with("");
	for (unsigned int octet = 0; octet < 256; octet++) {
		char one[2] = {(char)octet, 'z'};
		record.texts[ARQ_RECORD_PATH] = (struct arq_h3_text){one, 2};
		struct json_object *object = parse(&record), *path;
		cr_assert(json_object_object_get_ex(object, "path", &path));
		const char *text = json_object_get_string(path);
		/* Code points below 256 as UTF-8. */
		char wanted[4] = {(char)octet, 'z'};
		int length = 2;
		if (octet >= 0x80) {
			wanted[0] = (char)(0xc0 | octet >> 6);
			wanted[1] = (char)(0x80 | (octet & 0x3f));
			wanted[2] = 'z';
			length = 3;
		}
		cr_expect_eq(json_object_get_string_len(path), length, "%u", octet);
		cr_expect_eq(memcmp(text, wanted, (size_t)length), 0, "%u", octet);
		json_object_put(object);
	}
	/* All that can be logged, of octets that need the most room. */
	memset(octets, 0xff, sizeof(octets));
	for (size_t i = 0; i < sizeof(record.texts) / sizeof(record.texts[0]); i++)
		record.texts[i] = (struct arq_h3_text){octets, sizeof(octets)};
	record.headers = ARQ_CONFIG_LOG_HEADERS_MAX;
	record.tries = UINT16_MAX;
	record.error_by = ARQ_RECORD_GATEWAY;
	record.error_code = record.queue = record.connect = record.rtt = UINT64_MAX;
	record.response = record.duration = record.received = UINT64_MAX - 1;
	cr_expect_lt(arq_access_line(&record, 0, line), sizeof(line));
}

/* --- the log ------------------------------------------------------------------------------------
 */

static char directory[] = "/tmp/arquant-test-XXXXXX";

static size_t lines_of(const char *path)
{
	FILE *file = fopen(path, "r");
	size_t count = 0;
	cr_assert_not_null(file, "%s", path);
	for (int c; (c = fgetc(file)) != EOF;)
		count += c == '\n';
	fclose(file);
	return count;
}

static void await_written(const struct arq_access_log *log, uint64_t count)
{
	struct arq_access_log_counters counters;
	do {
		sched_yield();
		arq_access_log_read(log, &counters);
	} while (counters.written + counters.lost_failed < count);
}

Test(access_log, goes_on_in_a_new_file_when_asked_and_loses_nothing, .timeout = 60)
{
	char path[64], old[64];
	struct arq_access_log *log;
	struct arq_error error = {0};
	struct arq_record record = record_with("/");
	struct stat there;
	cr_assert_not_null(mkdtemp(directory));
	snprintf(path, sizeof(path), "%s/log", directory);
	snprintf(old, sizeof(old), "%s/log.1", directory);
	cr_assert_eq(arq_access_log_create(path, 2, &log), 0);
	cr_assert_eq(arq_access_log_start(log, &error), 0, "%s", error.text);
	struct arq_record_sink first = arq_access_log_sink(log, 0),
			       second = arq_access_log_sink(log, 1);
	for (size_t i = 0; i < 100; i++) {
		first.take(first.user, &record);
		second.take(second.user, &record);
	}
	await_written(log, 200);
	cr_assert_eq(rename(path, old), 0);
	first.take(first.user, &record);
	await_written(log, 201);
	cr_expect_eq(lines_of(old), 201, "until it is told, it goes on in the old one");
	arq_access_log_reopen(log);
	while (stat(path, &there) < 0)
		sched_yield();
	cr_expect_eq(there.st_mode & 0777, 0640);
	second.take(second.user, &record);
	second.take(second.user, NULL);
	struct arq_access_log_counters counters;
	arq_access_log_read(log, &counters);
	cr_expect_eq(counters.lost_full, 1);
	arq_access_log_destroy(log);
	cr_expect_eq(lines_of(old) + lines_of(path), 202, "also what came just before the end");
	unlink(old);
	unlink(path);
	rmdir(directory);
}

Test(access_log, counts_what_the_file_does_not_take, .timeout = 60)
{
	struct arq_access_log *log;
	struct arq_error error = {0};
	struct arq_record record = record_with("/");
	struct arq_access_log_counters counters;
	cr_assert_eq(arq_access_log_create("/nonexistent/log", 1, &log), 0);
	cr_expect_eq(arq_access_log_start(log, &error), -ENOENT);
	cr_expect_not_null(strstr(error.text, "/nonexistent/log"));
	arq_access_log_destroy(log);

	cr_assert_eq(arq_access_log_create("/dev/full", 1, &log), 0);
	cr_assert_eq(arq_access_log_start(log, &error), 0, "%s", error.text);
	struct arq_record_sink sink = arq_access_log_sink(log, 0);
	for (size_t i = 0; i < 10; i++)
		sink.take(sink.user, &record);
	await_written(log, 10);
	arq_access_log_read(log, &counters);
	cr_expect_eq(counters.lost_failed, 10);
	cr_expect_eq(counters.written, 0);
	arq_access_log_destroy(log);
}
