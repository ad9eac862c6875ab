// SPDX-License-Identifier: BSD-2-Clause
/*
 * Targets that fail in every way that is known: what the client sees, that others serve meanwhile,
 * and that the target comes back. Whatever is answered by 200 has the body that was asked for.
 */
#include "test_certificate.h"
#include "test_proxy_lab.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECOND UINT64_C(1000000000)

/* Times that no test has to wait for long. */
#define QUICK                                                                    \
	"      connections: { connect_timeout: 300ms, idle_timeout: 1s }\n"      \
	"      timeouts: { wait: 2s, try: 300ms, response: 3s, stall: 400ms }\n" \
	"      ejection: { failures: 3, time: 5s, max_time: 20s, max_percent: 50 }\n"

/* The same, and whoever fails gets no second chance. */
#define ONCE QUICK "      retries: { attempts: 1 }\n"

static struct lab_call *get(struct lab *lab, struct lab_call *call, const char *path)
{
	*call = (struct lab_call){0};
	lab_call(lab, call, "GET", "a.test", path, false);
	return call;
}

/* A status, and if that is 200 the whole body of `length`. */
static void expect_status(struct lab *lab, struct lab_call *call, unsigned int status,
			  uint64_t length)
{
	LAB_UNTIL(lab, call->response.closed);
	cr_assert_eq(call->response.status, status, "%u instead of %u", call->response.status,
		     status);
	cr_assert(call->response.complete);
	cr_assert_not(call->response.reset);
	if (status != 200)
		return;
	cr_assert_eq(call->response.length, length);
	cr_assert_eq(call->response.sum, lab_sum(length));
}

/* An answer that began and was broken off: never a clean end. */
static void expect_broken(struct lab *lab, struct lab_call *call)
{
	LAB_UNTIL(lab, call->response.closed);
	cr_assert(call->response.reset);
	cr_assert_eq(call->response.reset_code, ARQ_H3_INTERNAL_ERROR);
	cr_assert_not(call->response.complete);
}

/* `count` GETs one after the other, each answered in full. */
static void expect_all_well(struct lab *lab, unsigned int count)
{
	for (unsigned int i = 1; i <= count; i++) {
		struct lab_call call;
		char path[32];
		snprintf(path, sizeof(path), "/download/%u", i * 37);
		expect_status(lab, get(lab, &call, path), 200, i * 37);
	}
}

/* Time passes in which nothing happens. */
static void skip(struct lab *lab, uint64_t ns)
{
	lab->forward += ns;
	lab_rest(lab, 20);
}

/* --- killed, hung, slow ----------------------------------------------------------------------- */

Test(faults, killed_while_it_answers)
{
	struct lab *lab = lab_start_with(2, QUICK, NULL);
	struct lab_call calls[2];
	get(lab, &calls[0], "/part/5000");
	get(lab, &calls[1], "/part/5000");
	LAB_UNTIL(lab, calls[0].response.length == 5000 && calls[1].response.length == 5000);
	cr_assert_eq(lab->backends[0].count, 1);
	lab->backends[0].deaf = true;

	/* The one that was on it is broken off, the other is not touched by that. */
	LAB_UNTIL(lab, calls[0].response.closed || calls[1].response.closed);
	expect_broken(lab, calls[0].response.closed ? &calls[0] : &calls[1]);

	/* GETs that meet it go on to the other; soon they do not meet it any more. */
	expect_all_well(lab, 20);
	size_t before = lab->backends[1].count;
	expect_all_well(lab, 10);
	cr_assert_eq(lab->backends[1].count, before + 10);

	/* It is back: found without a request's waiting for it. */
	lab->backends[0].deaf = false;
	skip(lab, 20 * SECOND);
	size_t count = lab->backends[0].count;
	lab_deadline(lab);
	while (lab->backends[0].count == count) {
		struct lab_call call;
		expect_status(lab, get(lab, &call, "/download/10"), 200, 10);
		skip(lab, SECOND / 10);
	}
	lab_stop(lab);
}

Test(faults, hung_before_the_answer)
{
	struct lab *lab = lab_start_with(1, ONCE, NULL);
	struct lab_call call;
	expect_status(lab, get(lab, &call, "/hang"), 504, 0);
	struct lab_message *request = &lab->backends[0].requests[0].request;
	LAB_UNTIL(lab, request->closed);
	cr_assert_not(request->clean, "its stream was let go");
	expect_all_well(lab, 2);
	lab_stop(lab);
}

Test(faults, hung_before_the_answer_and_another_is_there)
{
	struct lab *lab = lab_start_with(2, QUICK, NULL);
	struct lab_call calls[4] = {0}, post = {.upload = 100, .finish = true};
	expect_all_well(lab, 2);
	lab->backends[0].mute = true;
	for (size_t i = 0; i < 4; i++)
		get(lab, &calls[i], "/download/1000");
	for (size_t i = 0; i < 4; i++)
		expect_status(lab, &calls[i], 200, 1000);

	/* Not safe to repeat: its body is gone. */
	size_t count = lab->backends[0].count;
	while (lab->backends[0].count == count) {
		post = (struct lab_call){.upload = 100, .finish = true};
		lab_call(lab, &post, "POST", "a.test", "/echo", true);
		LAB_UNTIL(lab, post.response.closed || lab->backends[0].count > count);
	}
	expect_status(lab, &post, 504, 0);
	lab_stop(lab);
}

Test(faults, hung_in_the_middle_of_the_answer)
{
	struct lab *lab = lab_start_with(1, QUICK, NULL);
	struct lab_call call;
	get(lab, &call, "/part/5000");
	LAB_UNTIL(lab, call.response.length == 5000);
	expect_broken(lab, &call);
	lab_stop(lab);
}

Test(faults, slow_but_moving)
{
	struct lab *lab = lab_start_with(1, QUICK, NULL);
	const uint64_t length = 100000;
	struct lab_call call, upload = {.upload = length, .finish = false};
	get(lab, &call, "/part/1000");
	LAB_UNTIL(lab, call.response.length == 1000);
	/* Longer than `stall`, `try` and `response` together, but never still. */
	for (int i = 0; i < 40; i++) {
		skip(lab, 100 * SECOND / 1000);
		cr_assert_eq(arq_h3_stream_write(lab->backends[0].requests[0].stream,
						 (const uint8_t *)"x", 1),
			     1);
		LAB_UNTIL(lab, call.response.length == 1001 + (uint64_t)i);
	}
	cr_assert_eq(arq_h3_stream_finish(lab->backends[0].requests[0].stream, NULL, 0), 0);
	LAB_UNTIL(lab, call.response.closed);
	cr_assert(call.response.complete);

	/* Nor does an upload wait for an answer while it moves. */
	const struct lab_request *hung = &lab->backends[0].requests[lab->backends[0].count];
	lab_call(lab, &upload, "POST", "a.test", "/hang", true);
	LAB_UNTIL(lab, hung->request.length == length);
	for (uint64_t i = 1; i <= 40; i++) {
		skip(lab, 100 * SECOND / 1000);
		cr_assert_not_null(upload.stream, "after %" PRIu64, i);
		cr_assert_eq(arq_h3_stream_write(upload.stream, (const uint8_t *)"y", 1), 1,
			     "after %" PRIu64, i);
		LAB_UNTIL(lab, hung->request.length == length + i);
	}
	expect_status(lab, &upload, 504, 0);
	lab_stop(lab);
}

/* --- resetting, failing, flapping ------------------------------------------------------------- */

Test(faults, resetting_is_ejected_and_comes_back)
{
	struct lab *lab = lab_start_with(3, QUICK, NULL);
	expect_all_well(lab, 3);
	lab->backends[0].reset = UINT32_MAX;
	expect_all_well(lab, 30);
	/* Three in a row eject it: the others have the rest. */
	size_t asked = lab->backends[0].count;
	cr_assert_leq(asked, 1 + 3 + 1);
	expect_all_well(lab, 30);
	cr_assert_eq(lab->backends[0].count, asked);

	/* On probation one is enough, and the time doubles. */
	skip(lab, 5 * SECOND);
	expect_all_well(lab, 9);
	cr_assert_eq(lab->backends[0].count, asked + 1);
	skip(lab, 5 * SECOND);
	expect_all_well(lab, 9);
	cr_assert_eq(lab->backends[0].count, asked + 1);

	lab->backends[0].reset = 0;
	skip(lab, 5 * SECOND);
	expect_all_well(lab, 9);
	cr_assert_eq(lab->backends[0].count, asked + 1 + 3, "it has its share again");
	lab_stop(lab);
}

Test(faults, answers_of_500_are_passed_on_and_eject)
{
	struct lab *lab = lab_start_with(2, QUICK, NULL);
	unsigned int failed = 0;
	lab->backends[0].fail = UINT32_MAX;
	for (int i = 0; i < 20; i++) {
		struct lab_call call;
		get(lab, &call, "/download/10");
		LAB_UNTIL(lab, call.response.closed);
		failed += call.response.status == 500;
		cr_assert(call.response.status == 500 || call.response.sum == lab_sum(10));
	}
	cr_assert_eq(failed, 3);
	lab_stop(lab);
}

Test(faults, one_of_three_flaps)
{
	struct lab *lab = lab_start_with(3, QUICK, NULL);
	for (int i = 0; i < 12; i++) {
		lab->backends[1].deaf = i % 2;
		expect_all_well(lab, 6);
		skip(lab, SECOND / 2);
	}
	cr_assert_gt(lab->backends[1].count, 0);
	lab_stop(lab);
}

Test(faults, goes_away_in_the_middle)
{
	struct lab *lab = lab_start_with(1, QUICK, NULL);
	struct lab_call slow = {.paused = true};
	lab_call(lab, &slow, "GET", "a.test", "/download/2000000", false);
	LAB_UNTIL(lab, slow.response.length > 0);
	arq_h3_session_shutdown(lab->backends[0].session);
	expect_all_well(lab, 20);
	cr_assert_eq(lab->backends[0].sessions, 2);
	lab_resume(&slow);
	expect_status(lab, &slow, 200, 2000000);
	lab_stop(lab);
}

/* --- no connection ---------------------------------------------------------------------------- */

static void expect_unreachable(const char *pool, unsigned int status)
{
	struct lab *lab = lab_start_with(0, pool, NULL);
	struct lab_call call;
	expect_status(lab, get(lab, &call, "/download/10"), status, 0);
	lab_stop(lab);
}

Test(faults, nobody_listens)
{
	/* Port 9 (discard) of the loopback. */
	expect_unreachable(QUICK "      targets: ['127.0.0.1:9']\n", 504);
}

Test(faults, no_route)
{
	/* The kernel refuses a broadcast address to sockets that did not ask for it. */
	expect_unreachable(QUICK "      targets: ['255.255.255.255:9']\n", 502);
}

static struct lab *lab_with_trust(const char *name, const char *server_name)
{
	struct test_certificate files;
	char pool[512];
	test_certificate_make(&files, name);
	snprintf(pool, sizeof(pool), QUICK "      tls: { ca: '%s', server_name: %s }\n",
		 files.certificate, server_name);
	struct lab *lab = lab_start_with(2, pool, NULL);
	test_certificate_remove(&files);
	return lab;
}

Test(faults, wrong_certificate)
{
	struct lab *lab = lab_with_trust("localhost", "localhost");
	struct lab_call call;
	/* The name is right, but somebody else signed it. */
	expect_status(lab, get(lab, &call, "/download/10"), 502, 0);
	cr_assert_eq(lab->backends[0].count + lab->backends[1].count, 0);
	lab_stop(lab);
}

/* --- checks ----------------------------------------------------------------------------------- */

static void try_checks(const char *health)
{
	char pool[512];
	snprintf(pool, sizeof(pool),
		 QUICK "      health: { %s interval: 50ms, timeout: 200ms, "
		       "unhealthy: 2, healthy: 2 }\n",
		 health);
	struct lab *lab = lab_start_with(2, pool, NULL);
	expect_all_well(lab, 4);
	lab->backends[0].deaf = true;
	lab_rest(lab, 1000);

	/* No request meets it any more, and none waits. */
	size_t met = lab->backends[0].count;
	expect_all_well(lab, 20);
	struct arq_proxy_counters counters;
	lab_counters(lab, &counters);
	cr_assert_eq(counters.retries, 0);

	lab->backends[0].deaf = false;
	skip(lab, 10 * SECOND);
	lab_rest(lab, 1000);
	expect_all_well(lab, 20);
	cr_assert_gt(lab->backends[0].count, met);
	lab_stop(lab);
}

Test(faults, checks_by_request_find_out)
{
	try_checks("path: /download/7,");
}

Test(faults, checks_by_handshake_find_out)
{
	try_checks("");
}

Test(faults, checks_look_at_the_status)
{
	struct lab *lab = lab_start_with(
		2,
		QUICK "      health: { path: /empty, status: 204, interval: 50ms, unhealthy: 1 }\n",
		NULL);
	lab_rest(lab, 300);
	expect_all_well(lab, 4);
	lab->backends[1].fail = UINT32_MAX;
	lab_rest(lab, 300);
	size_t first = lab->backends[0].count;
	for (int i = 0; i < 10; i++) {
		struct lab_call call;
		expect_status(lab, get(lab, &call, "/download/10"), 200, 10);
	}
	cr_assert_geq(lab->backends[0].count, first + 10);
	lab_stop(lab);
}

/* --- limits ----------------------------------------------------------------------------------- */

Test(faults, full_targets_are_answered_for_by_503)
{
	struct lab *lab = lab_start_with(2, "      limits: { requests: 2 }\n", NULL);
	struct lab_call calls[6];
	for (size_t i = 0; i < 6; i++)
		get(lab, &calls[i], "/part/10");
	LAB_UNTIL(lab, calls[4].response.closed && calls[5].response.closed);
	expect_status(lab, &calls[4], 503, 0);
	expect_status(lab, &calls[5], 503, 0);
	LAB_UNTIL(lab, calls[3].response.length == 10);
	cr_assert_eq(lab->backends[0].count, 2);
	cr_assert_eq(lab->backends[1].count, 2);
	lab_stop(lab);
}

Test(faults, retries_have_a_budget)
{
	struct lab *lab = lab_start_with(
		2, "      retries: { budget: 0, min: 1 }\n      ejection: { failures: 0 }\n", NULL);
	struct lab_call calls[10];
	unsigned int failed = 0;
	lab->backends[0].reset = lab->backends[1].reset = UINT32_MAX;
	for (size_t i = 0; i < 10; i++)
		get(lab, &calls[i], "/x");
	for (size_t i = 0; i < 10; i++) {
		expect_status(lab, &calls[i], 502, 0);
		failed++;
	}
	/* Together they had fewer retries than requests; one at a time each has its own. */
	cr_assert_lt(lab->backends[0].count + lab->backends[1].count, 2 * failed);
	lab_stop(lab);
}

Test(faults, connections_grow_old_and_are_replaced)
{
	struct lab *lab = lab_start_with(
		1, "      connections: { max_age: 2s, preconnect: true, streams: 1, max: 2 }\n",
		NULL);
	LAB_UNTIL(lab, lab->backends[0].sessions == 1);
	struct lab_call slow = {.paused = true};
	lab_call(lab, &slow, "GET", "a.test", "/download/2000000", false);
	LAB_UNTIL(lab, slow.response.length > 0);
	expect_all_well(lab, 1);
	cr_assert_eq(lab->backends[0].sessions, 2, "one stream on each");
	skip(lab, 2 * SECOND);
	LAB_UNTIL(lab, lab->backends[0].sessions >= 3);
	lab_resume(&slow);
	expect_status(lab, &slow, 200, 2000000);
	lab_stop(lab);
}

/* --- consistent hash -------------------------------------------------------------------------- */

/* Which backend answers for a key: the one whose count grew. */
static size_t who_answers(struct lab *lab, const char *path)
{
	size_t before[LAB_BACKENDS];
	struct lab_call call;
	for (size_t i = 0; i < LAB_BACKENDS; i++)
		before[i] = lab->backends[i].count;
	expect_status(lab, get(lab, &call, path), 200, 10);
	for (size_t i = 0; i < LAB_BACKENDS; i++) {
		if (lab->backends[i].count > before[i])
			return i;
	}
	return LAB_BACKENDS;
}

/* One client has one key: it stays, moves when its target is gone, and comes back. */
Test(faults, a_key_stays_with_its_target)
{
	struct lab *lab = lab_start_with(3, QUICK "      policy: consistent-hash\n", NULL);
	size_t home = who_answers(lab, "/download/10");
	for (int i = 0; i < 10; i++)
		cr_assert_eq(who_answers(lab, "/download/10"), home);
	lab->backends[home].deaf = true;
	size_t away = who_answers(lab, "/download/10");
	cr_assert_neq(away, home);
	for (int i = 0; i < 10; i++)
		cr_assert_neq(who_answers(lab, "/download/10"), home);
	lab->backends[home].deaf = false;
	skip(lab, 20 * SECOND);
	lab_deadline(lab);
	while (who_answers(lab, "/download/10") != home)
		skip(lab, SECOND / 10);
	lab_stop(lab);
}
