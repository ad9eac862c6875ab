// SPDX-License-Identifier: BSD-2-Clause
/*
 * What must outlive a change of the rules (`firewall apply`, `firewall import`) and of the program
 * (a load over the load): blocks and their times, knocks, entries of sets and their times. And what
 * `import` itself does.
 */
#include "test_command_lab.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

TestSuite(firewall_kept, .init = lab_enter);

/* Times that end during a test, and those that do not. */
#define SOON     5
#define WAIT_MAX 60

#define FIREWALL "interfaces: [{name: arq0, programs: firewall}]\nfirewall:\n"
#define KNOCK                                                                          \
	"  knocks: [{name: door, sequence: [udp/7001, udp/7002], window: 10m, opens: " \
	"udp/9, for: 10m}]\n"

enum change {
	APPLY,
	REPLACE,
	CHANGES,
};

static void load(const char *config)
{
	const struct lab_result *result =
		lab_run("load", "arq0", "--bundle", "--mode", "native", "--config", config);

	cr_assert_eq(result->status, 0, "%s", result->error);
}

/* Puts a configuration into force, one way or the other. */
static void change(enum change change, const char *text)
{
	char *path = lab_config(text);

	if (change == REPLACE) {
		load(path);
	} else {
		const struct lab_result *result = lab_run("firewall", "apply", "--config", path);
		cr_assert_eq(result->status, 0, "%s", result->error);
	}
	lab_forget(path);
}

static void begin(const char *text)
{
	char *path = lab_config(text);

	load(path);
	lab_forget(path);
}

static int64_t dropped(void)
{
	struct json_object *interface = lab_status("arq0");
	int64_t packets = lab_number(lab_slot(interface, 0), "actions", "drop");

	json_object_put(interface);
	return packets;
}

/* Does a datagram from there pass? */
static bool passes(const char *source, uint16_t port)
{
	int64_t before = dropped();

	lab_send_udp(source, port, 1);
	return dropped() == before;
}

static void wait_until_passes(const char *source, uint16_t port)
{
	const struct timespec pause = {.tv_nsec = 50000000};
	time_t end = time(NULL) + SOON + WAIT_MAX;

	while (!passes(source, port)) {
		cr_assert_lt(time(NULL), end, "what was to end does not");
		nanosleep(&pause, NULL);
	}
}

/* --- what is kept ----------------------------------------------------------------------------- */

#define TRAP                                                                                 \
	"  rules: [{name: trap, to_port: udp/23, action: block, block_for: 10m, block_per: " \
	"source/30/64}]\n"
#define OTHER "  rules: [{name: other, to_port: udp/24, action: drop}]\n"

Test(firewall_kept, what_rules_blocked)
{
	begin(FIREWALL TRAP);
	cr_expect(passes("192.0.2.41", 9));
	lab_send_udp("192.0.2.40", 23, 1);
	cr_expect_not(passes("192.0.2.40", 9), "blocked");
	cr_expect_not(passes("192.0.2.41", 9), "as all of its /30");
	cr_expect(passes("192.0.2.44", 9));
	for (enum change how = APPLY; how < CHANGES; how++) {
		change(how, FIREWALL OTHER);
		cr_expect_not(passes("192.0.2.42", 9), "rules that block nothing: %d", how);
		cr_expect(passes("192.0.2.44", 23));
		change(how, FIREWALL TRAP);
		cr_expect_not(passes("192.0.2.43", 9), "the same rules again: %d", how);
		cr_expect(passes("192.0.2.44", 9));
	}
	cr_assert_eq(lab_run("firewall", "unblock", "192.0.2.40/30")->status, 0);
	cr_expect(passes("192.0.2.41", 9));
}

Test(firewall_kept, what_was_blocked_by_name_until_its_time)
{
	char text[16];

	snprintf(text, sizeof(text), "%ds", SOON);
	begin(FIREWALL TRAP);
	time_t end = time(NULL) + SOON;
	cr_assert_eq(lab_run("firewall", "block", "192.0.2.7", "--for", text)->status, 0);
	cr_assert_eq(lab_run("firewall", "block", "198.51.100.0/24", "--for", "ever")->status, 0);
	for (enum change how = APPLY; how < CHANGES; how++) {
		change(how, FIREWALL OTHER);
		cr_expect_not(passes("198.51.100.9", 9), "%d", how);
		bool passed = passes("192.0.2.7", 9);
		cr_expect(!passed || time(NULL) >= end, "%d", how);
	}
	wait_until_passes("192.0.2.7", 9);
	cr_expect_geq(time(NULL), end - 1, "not before its time");
	cr_expect_not(passes("198.51.100.9", 9));
}

Test(firewall_kept, how_far_a_knock_has_come)
{
	for (enum change how = APPLY; how < CHANGES; how++) {
		const char *source = how == APPLY ? "192.0.2.5" : "192.0.2.6";
		if (how == APPLY)
			begin(FIREWALL KNOCK);
		cr_expect_not(passes(source, 9), "closed");
		lab_send_udp(source, 7001, 1);
		change(how, FIREWALL KNOCK OTHER);
		lab_send_udp(source, 7002, 1);
		cr_expect(passes(source, 9), "half of it before, half after: %d", how);
		change(how, FIREWALL KNOCK);
		cr_expect(passes(source, 9), "still open: %d", how);
		cr_expect_not(passes("192.0.2.77", 9), "to others it is not");
	}
}

Test(firewall_kept, when_entries_end)
{
	char list[] = "/tmp/arquant-test-XXXXXX", text[512];
	time_t end = time(NULL) + SOON;

	FILE *file = fdopen(mkstemp(list), "w");
	cr_assert_not_null(file);
	fprintf(file, "192.0.2.50 until=@%ld\n192.0.2.51\n", (long)end);
	cr_assert_eq(fclose(file), 0);
	snprintf(text, sizeof(text),
		 FIREWALL "  sets: [{name: listed, file: %s}]\n"
			  "  rules: [{name: listed, from: '@listed', action: drop}]\n",
		 list);
	begin(text);
	for (enum change how = APPLY; how < CHANGES; how++) {
		change(how, text);
		bool passed = passes("192.0.2.50", 9);
		cr_expect(!passed || time(NULL) >= end, "%d", how);
		cr_expect_not(passes("192.0.2.51", 9));
	}
	wait_until_passes("192.0.2.50", 9);
	cr_expect_geq(time(NULL), end - 1, "not before its time");
	cr_expect_not(passes("192.0.2.51", 9));
	unlink(list);
}

/* --- import ----------------------------------------------------------------------------------- */

struct imported {
	char list[32]; /* the set's file */
	char given[32]; /* the new one */
	char *config;
};

static void write_file(char *path, const char *text)
{
	FILE *file = *path ? fopen(path, "w") : NULL;

	if (!file) {
		strcpy(path, "/tmp/arquant-test-XXXXXX");
		file = fdopen(mkstemp(path), "w");
	}
	cr_assert_not_null(file);
	cr_assert_geq(fputs(text, file), 0);
	cr_assert_eq(fclose(file), 0);
}

static void begin_import(struct imported *imported)
{
	char text[512];

	*imported = (struct imported){0};
	write_file(imported->list, "192.0.2.50\n");
	cr_assert_eq(chmod(imported->list, 0640), 0);
	snprintf(text, sizeof(text),
		 FIREWALL "  sets: [{name: listed, file: %s}, {name: here, elements: 10.0.0.0/8}]\n"
			  "  rules: [{name: listed, from: ['@listed', '@here'], action: drop}]\n",
		 imported->list);
	imported->config = lab_config(text);
	load(imported->config);
}

static void end_import(struct imported *imported)
{
	unlink(imported->list);
	unlink(imported->given);
	lab_forget(imported->config);
}

static void expect_content(const char *path, const char *expected)
{
	char text[256] = "";
	struct stat about;

	FILE *file = fopen(path, "r");
	cr_assert_not_null(file);
	cr_expect_eq(fread(text, 1, sizeof(text) - 1, file), strlen(expected));
	cr_expect_str_eq(text, expected);
	fclose(file);
	cr_assert_eq(stat(path, &about), 0);
	cr_expect_eq(about.st_mode & 0777, 0640, "mode %o", about.st_mode);
}

static const struct lab_result *import(const struct imported *imported, const char *set)
{
	return lab_run("firewall", "import", set, imported->given, "--config", imported->config);
}

Test(firewall_kept, import_replaces_the_list_and_what_is_in_force)
{
	static const char list[] = "# another list\n192.0.2.60/31\ttag\n2001:db8::/32\n";
	struct imported imported;

	begin_import(&imported);
	cr_expect_not(passes("192.0.2.50", 9));
	write_file(imported.given, list);
	const struct lab_result *result = import(&imported, "listed");
	cr_assert_eq(result->status, 0, "%s", result->error);
	cr_expect_str_eq(result->output, "arq0: 2 prefixes of 'listed' in force\n");
	cr_expect_str_empty(result->error, "no progress where there is no terminal");
	expect_content(imported.list, list);
	cr_expect(passes("192.0.2.50", 9));
	cr_expect_not(passes("192.0.2.61", 9));
	cr_expect_not(passes("10.1.2.3", 9), "the other set stays");
	/* What a load finds is the same. */
	load(imported.config);
	cr_expect(passes("192.0.2.50", 9));
	cr_expect_not(passes("192.0.2.60", 9));
	end_import(&imported);
}

Test(firewall_kept, import_changes_nothing_when_it_fails)
{
	struct imported imported;

	begin_import(&imported);
	write_file(imported.given, "192.0.2.60\n192.0.2.1/24\n");
	lab_assert_fails(import(&imported, "listed"), imported.given, ":2:", "192.0.2.1/24");
	write_file(imported.given, "192.0.2.60\n");
	lab_assert_fails(import(&imported, "nowhere"), "there is no set 'nowhere'");
	lab_assert_fails(import(&imported, "here"), "elements in the configuration");
	lab_assert_fails(lab_run("firewall", "import", "listed", "/nonexistent", "--config",
				 imported.config),
			 "/nonexistent");
	lab_assert_fails(lab_run("firewall", "import", "listed", imported.given, "nowhere0",
				 "--config", imported.config),
			 "nowhere0");
	cr_expect_eq(lab_run("firewall", "import", "listed")->status, 2);
	cr_expect_eq(lab_run("firewall", "import")->status, 2);
	expect_content(imported.list, "192.0.2.50\n");
	cr_expect_not(passes("192.0.2.50", 9));
	cr_expect(passes("192.0.2.60", 9));
	end_import(&imported);
}

/* script(1) gives the command a terminal, and a pipe of it to us. */
Test(firewall_kept, import_reads_a_pipe_and_shows_progress_on_a_terminal)
{
	struct imported imported;
	char command[512], line[512];
	bool shown = false, done = false;

	begin_import(&imported);
	snprintf(command, sizeof(command),
		 "script -qefc 'seq 0 999999 | awk \"{ printf \\\"10.%%d.%%d.%%d\\\\n\\\", "
		 "\\$1 / 65536, \\$1 / 256 %% 256, \\$1 %% 256 }\" | " ARQ_TEST_COMMAND
		 " firewall import listed - --config %s' /dev/null </dev/null",
		 imported.config);
	FILE *pipe = popen(command, "r");
	cr_assert_not_null(pipe);
	while (fgets(line, sizeof(line), pipe)) {
		shown = shown || strstr(line, "making the tables of arq0 ...");
		done = done || strstr(line, "arq0: 1000000 prefixes of 'listed' in force");
	}
	cr_expect_eq(pclose(pipe), 0);
	cr_expect(shown);
	cr_expect(done);
	cr_expect_not(passes("10.15.66.63", 9), "the last one");
	cr_expect(passes("192.0.2.50", 9));
	end_import(&imported);
}
