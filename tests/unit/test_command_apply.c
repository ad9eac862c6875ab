// SPDX-License-Identifier: BSD-2-Clause
/*
 * `arquant firewall apply`, `confirm`, `show` and `test` on a loaded firewall: what is in force is
 * what packets meet, counters stay, and nothing that is wrong changes anything.
 */
#include "test_command_lab.h"
#include "tests/bench/generator.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

TestSuite(command_apply, .init = lab_enter);

#define INTERFACES                                                                          \
	"interfaces: [{name: arq0, programs: [firewall, sampler]}, {name: arq2, programs: " \
	"firewall}]\n"

/* Datagrams from 192.0.2.x to port x; "stays" is the same rule in all of these. */
#define STAYS "    - {name: stays, from: 192.0.2.1, to_port: udp/1, action: drop}\n"

static const char first[] = INTERFACES "firewall:\n  rules:\n" STAYS
				       "    - {name: two, from: 192.0.2.2, action: drop}\n";
static const char second[] = INTERFACES "firewall:\n  default: drop\n  rules:\n"
					"    - {name: two, from: 192.0.2.2, action: pass}\n" STAYS
					"    - {name: three, from: 192.0.2.3, action: count}\n";

static void load(const char *text)
{
	char *path = lab_config(text);
	const struct lab_result *result =
		lab_run("load", "arq0", "--bundle", "--mode", "native", "--config", path);

	cr_assert_eq(result->status, 0, "%s", result->error);
	lab_forget(path);
}

static const struct lab_result *apply(const char *text, const char *option, const char *value)
{
	char *path = lab_config(text);
	const struct lab_result *result =
		option ? lab_run("firewall", "apply", "--config", path, option, value)
		       : lab_run("firewall", "apply", "--config", path);

	lab_forget(path);
	return result;
}

static void assert_applies(const char *text, const char *option, const char *value)
{
	const struct lab_result *result = apply(text, option, value);

	cr_assert_eq(result->status, 0, "%s", result->error);
}

/* "show --json" of one interface; the caller puts it. */
static struct json_object *show(const char *interface)
{
	const struct lab_result *result = lab_run("firewall", "show", "--json", interface);
	struct json_object *array, *object = json_tokener_parse(result->output);

	cr_assert_eq(result->status, 0, "%s", result->error);
	cr_assert(json_object_object_get_ex(object, "interfaces", &array));
	cr_assert_eq(json_object_array_length(array), 1);
	struct json_object *one = json_object_get(json_object_array_get_idx(array, 0));
	json_object_put(object);
	return one;
}

/* The rule's element of "rules", NULL if it is not in force. */
static struct json_object *find_rule(struct json_object *interface, const char *name)
{
	struct json_object *rules;

	cr_assert(json_object_object_get_ex(interface, "rules", &rules));
	for (size_t i = 0; i < json_object_array_length(rules); i++) {
		struct json_object *rule = json_object_array_get_idx(rules, i);
		if (strcmp(lab_text(rule, "name"), name) == 0)
			return rule;
	}
	return NULL;
}

/* A number of a rule in force, -1 if it is not. */
static int64_t of_rule(const char *name, const char *key)
{
	struct json_object *interface = show("arq0");
	struct json_object *rule = find_rule(interface, name);
	int64_t number = rule ? lab_number(rule, key) : -1;

	json_object_put(interface);
	return number;
}

static int64_t of_interface(const char *key, const char *inner)
{
	struct json_object *interface = show("arq0");
	int64_t number = inner ? lab_number(interface, key, inner) : lab_number(interface, key);

	json_object_put(interface);
	return number;
}

/* Packets that the program dropped or passed so far. */
static int64_t acted(const char *action)
{
	struct json_object *interface = lab_status("arq0");
	int64_t packets = lab_number(lab_slot(interface, 0), "actions", action);

	json_object_put(interface);
	return packets;
}

static void wait_until_trial_is_over(void)
{
	const struct timespec pause = {.tv_nsec = 20000000};

	while (of_interface("trial_seconds", NULL) > 0)
		nanosleep(&pause, NULL);
}

/* --- apply ------------------------------------------------------------------------------------ */

Test(command_apply, changes_the_rules_and_keeps_counters)
{
	load(first);
	lab_send_udp("192.0.2.1", 1, 5);
	lab_send_udp("192.0.2.2", 1, 4);
	lab_send_udp("192.0.2.3", 1, 3);
	cr_expect_eq(of_rule("stays", "packets"), 5);
	cr_expect_eq(of_rule("stays", "number"), 1);
	cr_expect_eq(of_rule("two", "packets"), 4);
	cr_expect_eq(of_rule("three", "packets"), -1);
	cr_expect_eq(acted("drop"), 9);

	assert_applies(second, NULL, NULL);
	cr_expect_eq(of_rule("stays", "packets"), 5, "says the same: goes on counting");
	cr_expect_eq(of_rule("stays", "number"), 2);
	cr_expect_eq(of_rule("two", "packets"), 0, "says something else: begins anew");
	lab_send_udp("192.0.2.1", 1, 1);
	lab_send_udp("192.0.2.2", 1, 2);
	lab_send_udp("192.0.2.3", 1, 3);
	cr_expect_eq(of_rule("stays", "packets"), 6);
	cr_expect_eq(of_rule("two", "packets"), 2);
	cr_expect_eq(of_rule("three", "packets"), 3);
	cr_expect_eq(of_interface("default", "packets"), 6, "3 before, 3 after");
	cr_expect_eq(of_interface("reasons", "default"), 3);
	cr_expect_eq(acted("drop"), 9 + 1 + 3);
}

Test(command_apply, keeps_counters_when_the_program_is_replaced)
{
	load(first);
	lab_send_udp("192.0.2.1", 1, 5);
	load(second);
	lab_send_udp("192.0.2.1", 1, 2);
	cr_expect_eq(of_rule("stays", "packets"), 7);
	assert_applies(first, NULL, NULL);
	lab_send_udp("192.0.2.1", 1, 1);
	cr_expect_eq(of_rule("stays", "packets"), 8);
	cr_expect_eq(of_rule("stays", "number"), 1);
}

Test(command_apply, leaves_what_is_in_force_when_the_new_is_wrong)
{
	load(first);
	const struct lab_result *result = apply(
		INTERFACES "firewall:\n  rules:\n    - {name: r, to_port: 1-0, action: drop}\n",
		NULL, NULL);
	lab_assert_fails(result, "arquant firewall apply:", ":4:26: firewall.rules[0].to_port[0]: ",
			 "ends before it begins");
	result = apply(INTERFACES "firewall:\n"
				  "  sets: [{name: s, file: /nonexistent.txt}]\n"
				  "  rules: [{name: r, from: '@s', action: drop}]\n",
		       NULL, NULL);
	lab_assert_fails(result, "/nonexistent.txt", "'s'");
	lab_send_udp("192.0.2.2", 1, 4);
	cr_expect_eq(of_rule("two", "packets"), 4);
	cr_expect_eq(of_rule("r", "packets"), -1);
	cr_expect_eq(acted("drop"), 4);
}

Test(command_apply, needs_a_firewall)
{
	lab_assert_fails(apply(first, NULL, NULL), "no interface runs our firewall",
			 "arquant load");
	lab_assert_fails(lab_run("firewall", "show", "arq0"), "arq0", "not loaded");
	lab_assert_fails(lab_run("firewall", "confirm", "nowhere"), "nowhere", "ip link");
	load(first);
	lab_assert_fails(lab_run("firewall", "confirm"), "no rules are on trial");
	const char *const arguments[] = {"firewall", "show", NULL};
	lab_assert_fails(lab_run_as(LAB_AS_NOBODY, arguments), "root");
}

Test(command_apply, is_for_all_interfaces_or_for_none)
{
	char *path = lab_config(first);

	lab_second_pair();
	cr_assert_eq(lab_run("load", "--bundle", "--config", path)->status, 0);
	lab_forget(path);
	path = lab_config(second);
	cr_assert_eq(
		lab_run("firewall", "apply", "arq2", "--confirm", "60s", "--config", path)->status,
		0);
	lab_assert_fails(lab_run("firewall", "apply", "--config", path), "arq2", "on trial");
	cr_expect_eq(of_rule("three", "packets"), -1, "arq0 keeps its rules");
	cr_assert_eq(lab_run("firewall", "confirm")->status, 0);
	cr_assert_eq(lab_run("firewall", "apply", "--config", path)->status, 0);
	cr_expect_eq(of_rule("three", "packets"), 0);
	lab_forget(path);
}

/* --- confirm ---------------------------------------------------------------------------------- */

Test(command_apply, goes_back_when_nobody_confirms)
{
	load(first);
	lab_send_udp("192.0.2.2", 1, 4);
	/* The command has ended when the time is over: nobody is there who could go back. */
	assert_applies(second, "--confirm", "2s");
	cr_expect_gt(of_interface("trial_seconds", NULL), 0);
	lab_send_udp("192.0.2.2", 1, 3);
	cr_expect_eq(of_rule("three", "packets"), 0);
	wait_until_trial_is_over();
	cr_expect_eq(of_rule("three", "packets"), -1);
	cr_expect_eq(of_rule("two", "packets"), 4, "its counter is as it was");
	lab_send_udp("192.0.2.2", 1, 2);
	cr_expect_eq(of_rule("two", "packets"), 6);
	lab_assert_fails(lab_run("firewall", "confirm"), "no rules are on trial", "time was over");

	/* And the next change finds everything in order. */
	assert_applies(second, NULL, NULL);
	lab_send_udp("192.0.2.3", 1, 1);
	cr_expect_eq(of_rule("three", "packets"), 1);
}

Test(command_apply, keeps_what_is_confirmed)
{
	load(first);
	assert_applies(second, "--confirm", "60s");
	lab_assert_fails(apply(first, NULL, NULL), "on trial", "confirm them");
	cr_assert_eq(lab_run("firewall", "confirm")->status, 0);
	cr_expect_eq(of_interface("trial_seconds", NULL), 0);
	cr_expect_eq(of_rule("three", "packets"), 0);

	assert_applies(first, "--confirm", "60s");
	cr_expect_eq(of_rule("three", "packets"), -1);
	cr_assert_eq(lab_run("firewall", "confirm", "--rollback")->status, 0);
	cr_expect_eq(of_rule("three", "packets"), 0, "back at once");
}

Test(command_apply, refuses_wrong_times)
{
	static const char *const wrong[][3] = {{"--confirm", "30"},
					       {"--confirm", "0s"},
					       {"--shadow", "25h"},
					       {"--shadow", "10ms"}};

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		cr_expect_eq(lab_run("firewall", "apply", wrong[i][0], wrong[i][1])->status, 2);
	cr_expect_eq(lab_run("firewall", "apply", "--confirm", "1s", "--shadow", "1s")->status, 2);
}

/* --- shadow ----------------------------------------------------------------------------------- */

/* Sends from another process while the command waits. */
static pid_t send_for_a_while(void)
{
	pid_t child = fork();

	cr_assert_geq(child, 0);
	if (child == 0) {
		const struct timespec pause = {.tv_nsec = 50000000};
		for (int i = 0; i < 400; i++) {
			lab_send_udp("192.0.2.2", 1, 1);
			lab_send_udp("192.0.2.3", 1, 1);
			nanosleep(&pause, NULL);
		}
		_exit(0);
	}
	return child;
}

Test(command_apply, shadow_reports_what_would_differ)
{
	struct json_object *object, *interfaces, *pairs;
	bool found = false;

	load(first);
	pid_t child = send_for_a_while();
	char *path = lab_config(second);
	const struct lab_result *result =
		lab_run("firewall", "apply", "--shadow", "3s", "--json", "--config", path);
	kill(child, SIGKILL);
	lab_forget(path);
	cr_assert_eq(result->status, 0, "%s", result->error);
	object = json_tokener_parse(result->output);
	cr_assert(json_object_object_get_ex(object, "interfaces", &interfaces));
	struct json_object *one = json_object_array_get_idx(interfaces, 0);
	cr_expect_gt(lab_number(one, "differ"), 0);
	cr_assert(json_object_object_get_ex(one, "differences", &pairs));
	for (size_t i = 0; i < json_object_array_length(pairs); i++) {
		struct json_object *pair = json_object_array_get_idx(pairs, i);
		if (strcmp(lab_text(pair, "rule"), "two") != 0)
			continue;
		found = true;
		cr_expect_str_eq(lab_text(pair, "action"), "drop");
		cr_expect_str_eq(lab_text(pair, "shadow_rule"), "two");
		cr_expect_str_eq(lab_text(pair, "shadow_action"), "pass");
		cr_expect_gt(lab_number(pair, "packets"), 0);
	}
	cr_expect(found, "%s", result->output);
	json_object_put(object);
	cr_expect_eq(of_rule("three", "packets"), -1, "still the old rules");
	cr_expect_gt(acted("drop"), 0);
}

Test(command_apply, shadow_can_be_interrupted)
{
	load(first);
	char *path = lab_config(second);
	const char *const arguments[] = {"firewall", "apply", "--shadow", "1h",
					 "--config", path,    NULL};
	const struct lab_result *result = lab_run_as(LAB_AS_INTERRUPTED, arguments);

	lab_forget(path);
	cr_assert_eq(result->status, 0, "%s", result->error);
	cr_expect_not_null(strstr(result->output, "0 packets would be decided otherwise"), "%s",
			   result->output);
}

/* --- under load ------------------------------------------------------------------------------- */

/*
 * Two sets that share all their rules but the traps, in another order. Every packet matches "all",
 * then "left" and "right", so the one that comes first decides. In tables of which some are from
 * the one set and some from the other, the packet's bits do not meet: the rows of addresses say
 * other places than those of ports, or the place is that of a trap. Then the default drops it.
 */
#define ALL   "    - {name: all, from: 192.0.2.0/24, action: count}\n"
#define LEFT  "    - {name: left, from: 192.0.2.7, to_port: udp/7, action: pass}\n"
#define RIGHT "    - {name: right, from: 192.0.2.7, to: 192.0.2.1, ttl: 60-64, action: pass}\n"
#define TRAP(name, number)                                                         \
	"    - {name: " name ", from: 198.51.100." number ", to_port: udp/" number \
	", action: drop}\n"

static const char storm_a[] =
	INTERFACES "firewall:\n  default: drop\n  rules:\n" ALL LEFT RIGHT TRAP("trap-a", "1")
		TRAP("trap-b", "2");
static const char storm_b[] =
	INTERFACES "firewall:\n  default: drop\n  rules:\n" TRAP("trap-c", "3") TRAP("trap-d", "4")
		ALL TRAP("trap-e", "5") RIGHT LEFT;

#define APPLIES      30 /* ARQ_TEST_APPLIES says another number */
#define APPLIES_SLOW 5 /* where the processor is emulated */

/* A frame of Ethernet, IPv4 and UDP from 192.0.2.7 to 192.0.2.1, port 7; 64 bytes with padding. */
static void fill_frame(struct generator *generator)
{
	static const uint8_t frame[64] = {
		0x02, 0,   0, 0,  0, 0x99, 0x02, 0, 0,  0,  0,    0x98, 0x08, 0, /* to nobody's
										    address */
		0x45, 0,   0, 50, 0, 0,    0,    0, 64, 17, 0xf6, 0xac, 192,  0, 2,
		7,    192, 0, 2,  1, 0x12, 0x34, 0, 7,  0,  30,
	};

	memcpy(generator->frame, frame, sizeof(frame));
	generator->length = sizeof(frame);
}

/* Frames that the other end of the pair was handed. */
static int64_t sent(void)
{
	int64_t sum = 0;
	long packets;
	char line[256];

	FILE *statistics = popen("ethtool -S arq1", "r");
	cr_assert_not_null(statistics);
	while (fgets(line, sizeof(line), statistics)) {
		if (sscanf(line, " tx_queue_%*d_xdp_xmit: %ld", &packets) == 1)
			sum += packets;
	}
	cr_assert_eq(pclose(statistics), 0);
	return sum;
}

struct storm_counts {
	int64_t all, left, right, fallen;
};

static struct storm_counts count_storm(void)
{
	struct json_object *interface = show("arq0");
	struct storm_counts counts = {
		.all = lab_number(find_rule(interface, "all"), "packets"),
		.left = lab_number(find_rule(interface, "left"), "packets"),
		.right = lab_number(find_rule(interface, "right"), "packets"),
		.fallen = lab_number(interface, "default", "packets"),
	};

	json_object_put(interface);
	return counts;
}

static void assert_not_below(const struct storm_counts *now, const struct storm_counts *before)
{
	cr_assert_geq(now->all, before->all);
	cr_assert_geq(now->left, before->left);
	cr_assert_geq(now->right, before->right);
	cr_assert_eq(now->fallen, 0, "by a mixture");
}

Test(command_apply, decides_every_packet_by_one_of_two_sets)
{
	static struct generator generator;
	const char *vm = getenv("ARQUANT_VM"), *wanted = getenv("ARQ_TEST_APPLIES");
	char *a = lab_config(storm_a), *b = lab_config(storm_b);
	int applies = wanted ? atoi(wanted) : vm && *vm ? APPLIES_SLOW : APPLIES;
	struct storm_counts before = {0}, now;
	struct timespec start, end;

	load(storm_a);
	generator_init(&generator, "test_command_apply", "arq1");
	fill_frame(&generator);
	generator_start(&generator);
	generator_resume(&generator);
	clock_gettime(CLOCK_MONOTONIC, &start);
	for (int i = 0; i < applies; i++) {
		const struct lab_result *result =
			lab_run("firewall", "apply", "--config", i % 2 ? a : b);
		cr_assert_eq(result->status, 0, "%s", result->error);
		now = count_storm();
		assert_not_below(&now, &before);
		before = now;
	}
	clock_gettime(CLOCK_MONOTONIC, &end);
	generator_pause(&generator);
	generator_check(&generator);
	generator_finish(&generator);
	/* The last of them may still be on their way. */
	now = count_storm();
	for (int i = 0; now.all < sent() && i < 200; i++) {
		usleep(10000);
		now = count_storm();
	}
	assert_not_below(&now, &before);
	/* Exact: each packet was counted by "all", decided by one of the two, and passed. */
	cr_expect_eq(now.left + now.right, now.all);
	cr_expect_eq(acted("pass"), now.all);
	cr_expect_eq(acted("drop"), 0);
	cr_expect_gt(now.left, 0);
	cr_expect_gt(now.right, 0);
	cr_expect_eq(now.all, sent(), "none is lost");
	double seconds =
		(double)(end.tv_sec - start.tv_sec) + (double)(end.tv_nsec - start.tv_nsec) / 1e9;
	cr_log_info("%d applies in %.1f s, %.0f packets/s, by left %ld, by right %ld", applies,
		    seconds, (double)now.all / seconds, (long)now.left, (long)now.right);
	lab_forget(a);
	lab_forget(b);
}
