// SPDX-License-Identifier: BSD-2-Clause
/* "arquant status": its JSON is what the schema says, and what it tells while watching. */
#include "test_command_lab.h"

#include <criterion/criterion.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHECK_SCHEMA ARQ_TEST_SOURCE "/tests/lab/check-schema "
#define STATUS_SCHEMA \
	CHECK_SCHEMA ARQ_TEST_SOURCE "/userspace/arquant/status.schema.json >/dev/null"

static char *config;

static void load(void)
{
	config = lab_config("interfaces: [{name: arq0}]\n"
			    "firewall:\n"
			    "  rules: [{name: bad, from: 198.51.100.0/24, action: drop}]\n");
	const struct lab_result *result = lab_run("load", "--bundle", "--config", config);
	cr_assert_eq(result->status, 0, "%s", result->error);
}

static void enter_and_load(void)
{
	lab_enter();
	load();
}

static void forget(void)
{
	lab_forget(config);
}

/* --- the schema ------------------------------------------------------------------------------- */

Test(schema, holds_for_every_kind_of_interface, .init = lab_enter, .fini = forget)
{
	lab_shell(ARQ_TEST_COMMAND " status --json | " STATUS_SCHEMA);
	lab_second_pair();
	lab_attach_foreign("arq2");
	load();
	lab_send_udp("198.51.100.7", 4433, 5);
	lab_send_udp("203.0.113.7", 4433, 3);
	lab_shell(ARQ_TEST_COMMAND " status --json | " STATUS_SCHEMA);
	lab_shell(ARQ_TEST_COMMAND " status --json lo arq0 arq2 | " STATUS_SCHEMA);
	lab_shell(ARQ_TEST_COMMAND " status --json --watch 50ms --count 3 arq0 | " STATUS_SCHEMA);
	setenv("CONFIG", config, 1);
	lab_shell(ARQ_TEST_COMMAND " load arq0 --bundle --json --config $CONFIG | " STATUS_SCHEMA);
}

static void assert_invalid(const char *json, const char *words)
{
	char command[1024];

	snprintf(command, sizeof(command),
		 "! echo '%s' | " STATUS_SCHEMA " 2>/tmp/arquant-test-invalid && grep -q \"%s\" "
		 "/tmp/arquant-test-invalid && rm /tmp/arquant-test-invalid",
		 json, words);
	lab_shell(command);
}

/* A check that lets everything pass would prove nothing. */
Test(schema, refuses_what_is_not_so)
{
	assert_invalid("", "no document");
	assert_invalid("{\"interfaces\":[]}", "'time' is a required property");
	assert_invalid("{\"time\":\"2026-11-21T01:02:03Z\",\"interfaces\":[],\"more\":1}",
		       "'more' was unexpected");
	assert_invalid("{\"time\":\"2026-11-21T01:02:03Z\",\"interfaces\":[{\"interface\":\"a\","
		       "\"ifindex\":1,\"attachment\":\"some\",\"mode\":\"none\",\"slots\":[],"
		       "\"missing\":[]}]}",
		       "interfaces/0/attachment");
}

/* --- watching --------------------------------------------------------------------------------- */

struct watch {
	pid_t child;
	FILE *output;
};

static struct watch begin_watch(const char *interval)
{
	struct watch watch;
	int fds[2];

	cr_assert_eq(pipe(fds), 0);
	watch.child = fork();
	cr_assert_geq(watch.child, 0);
	if (watch.child == 0) {
		dup2(fds[1], STDOUT_FILENO);
		close(fds[0]);
		execl(ARQ_TEST_COMMAND, "arquant", "status", "arq0", "--json", "--watch", interval,
		      NULL);
		_exit(127);
	}
	close(fds[1]);
	watch.output = fdopen(fds[0], "r");
	return watch;
}

/* The next line; its first interface in *interface, NULL for none. The caller puts the line. */
static struct json_object *read_line(struct watch *watch, struct json_object **interface)
{
	static char text[65536];
	struct json_object *interfaces;

	cr_assert_not_null(fgets(text, sizeof(text), watch->output));
	struct json_object *line = json_tokener_parse(text);
	cr_assert_not_null(line, "%s", text);
	cr_assert(json_object_object_get_ex(line, "interfaces", &interfaces));
	*interface = json_object_array_get_idx(interfaces, 0);
	return line;
}

static double real_at(struct json_object *object, const char *const *keys)
{
	for (size_t i = 0; keys[i]; i++)
		cr_assert(json_object_object_get_ex(object, keys[i], &object), "no '%s'", keys[i]);
	return json_object_get_double(object);
}
#define real(object, ...) real_at(object, (const char *const[]){__VA_ARGS__, NULL})

/* The firewall, a part of the bundle. */
static struct json_object *firewall_of(struct json_object *interface)
{
	struct json_object *parts;

	cr_assert(json_object_object_get_ex(lab_slot(interface, 0), "parts", &parts));
	return json_object_array_get_idx(parts, 0);
}

Test(watch, tells_rates_and_ends_by_a_signal, .init = enter_and_load, .fini = forget)
{
	struct watch watch = begin_watch("300ms");
	struct json_object *interface, *rates, *line = read_line(&watch, &interface);
	double packets = 0;
	int status;

	cr_assert_not(json_object_object_get_ex(lab_slot(interface, 0), "rates", &rates));
	json_object_put(line);
	lab_send_udp("198.51.100.7", 4433, 40);
	/* Rates times seconds are packets, in whatever line they are. */
	for (int i = 0; i < 3; i++) {
		line = read_line(&watch, &interface);
		struct json_object *firewall = firewall_of(interface);
		double seconds = real(line, "seconds"), rate = real(firewall, "rates", "drop");
		cr_assert_gt(seconds, 0);
		packets += seconds * rate;
		cr_assert_float_eq(real(firewall, "reason_rates", "rule"), rate, 1e-6);
		cr_assert_float_eq(real(lab_slot(interface, 0), "rates", "drop"), rate, 1e-6);
		cr_assert_eq(lab_number(firewall, "actions", "drop"), 40);
		json_object_put(line);
	}
	/* Both have three decimals. */
	cr_assert_float_eq(packets, 40, 0.5);

	kill(watch.child, SIGTERM);
	cr_assert_eq(waitpid(watch.child, &status, 0), watch.child);
	cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	fclose(watch.output);
}

Test(watch, goes_on_when_counters_begin_anew_and_the_interface_goes, .init = enter_and_load,
     .fini = forget)
{
	struct watch watch = begin_watch("100ms");
	struct json_object *interface, *line = read_line(&watch, &interface);
	int status;

	json_object_put(line);
	lab_send_udp("198.51.100.7", 4433, 40);
	lab_shell(ARQ_TEST_COMMAND " unload arq0");
	load();
	lab_send_udp("198.51.100.7", 4433, 2);
	for (int64_t drops = 0; drops != 2; json_object_put(line)) {
		struct json_object *slots;
		line = read_line(&watch, &interface);
		cr_assert(json_object_object_get_ex(interface, "slots", &slots));
		if (json_object_array_length(slots) > 0)
			drops = lab_number(lab_slot(interface, 0), "actions", "drop");
	}
	lab_shell("ip link delete arq0");
	do {
		line = read_line(&watch, &interface);
		json_object_put(line);
	} while (interface);
	fclose(watch.output);
	/* Nobody reads any more: an end like any other. */
	cr_assert_eq(waitpid(watch.child, &status, 0), watch.child);
	cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* Every row of the table ends in the same column. */
Test(watch, shows_a_table_each_time, .init = enter_and_load, .fini = forget)
{
	const struct lab_result *result = lab_run("status", "-w50ms", "-c", "3", "arq0");
	const char *titles = strstr(result->output, "SLOT");
	unsigned int tables = 0;

	cr_assert_eq(result->status, 0, "%s", result->error);
	for (const char *next = titles; next; next = strstr(next + 1, "SLOT")) {
		const char *row = next + strcspn(next, "\n") + 1;
		cr_assert_eq(strcspn(next, "\n"), strcspn(row, "\n"), "%s", result->output);
		tables++;
	}
	cr_assert_eq(tables, 3, "%s", result->output);
	cr_assert_not_null(strstr(result->output, " /s "), "%s", result->output);
}

/* A terminal is cleared before each; a pipe gets no control characters. */
Test(watch, draws_over_what_was_on_a_terminal, .init = lab_enter)
{
	lab_shell("test $(script -qec '" ARQ_TEST_COMMAND " status lo -w 50ms -c 3' /dev/null | "
		  "grep -cF \"$(printf '\\033[H\\033[2J')lo: no XDP program\") = 3");
	const struct lab_result *result = lab_run("status", "lo", "--watch", "50ms", "-c", "2");
	cr_assert_str_eq(result->output, "lo: no XDP program\n\nlo: no XDP program\n\n");
}
