// SPDX-License-Identifier: BSD-2-Clause
/* `arquant firewall` as its users meet it. */
#include "test_command_lab.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* --- check: without privileges, without interfaces -------------------------------------------- */

static const char odd[] = "firewall:\n"
			  "  sets:\n"
			  "    - {name: s, elements: 10.0.0.0/8}\n"
			  "  rules:\n"
			  "    - {name: a, from: 10.0.0.0/9, action: drop}\n"
			  "    - {name: b, from: 10.128.0.0/9, action: drop}\n"
			  "    - {name: c, from: 10.2.0.0/16, action: pass}\n"
			  "    - {name: d, from: 10.0.0.0/8, to_port: 80, action: pass}\n"
			  "    - {name: e, to_port: 443, action: pass}\n";

Test(command_firewall, check_reports_lines)
{
	char *path = lab_config(odd);
	const struct lab_result *result =
		lab_run_as(LAB_AS_NOBODY, (const char *const[]){"firewall", "check", path, NULL});

	cr_assert_eq(result->status, 0, "%s", result->error);
	cr_expect_str_empty(result->error);
	cr_expect_not_null(strstr(result->output, ":7: rule 'c' is never reached: all that it "
						  "matches is decided before by 'a' (line 5)\n"),
			   "%s", result->output);
	cr_expect_not_null(strstr(result->output, ":8: rule 'd' is never reached: all that it "
						  "matches is decided before, together by 'a' "
						  "(line 5), 'b' (line 6)\n"),
			   "%s", result->output);
	cr_expect_not_null(strstr(result->output, ":9: rule 'e' changes nothing"), "%s",
			   result->output);
	cr_expect_not_null(strstr(result->output, ":3: set 's' is in no rule\n"), "%s",
			   result->output);
	cr_expect_not_null(strstr(result->output, "5 rules, 1 sets with 1 prefixes, 4 findings\n"),
			   "%s", result->output);
	cr_expect_eq(lab_run("firewall", "check", "--strict", path)->status, 1);
	lab_forget(path);
}

Test(command_firewall, check_speaks_json)
{
	char *path = lab_config(odd);
	const struct lab_result *result = lab_run("firewall", "check", "--json", path);
	struct json_object *findings, *object = json_tokener_parse(result->output);

	cr_assert_eq(result->status, 0);
	cr_assert_not_null(object);
	cr_expect_str_eq(lab_text(object, "file"), path);
	cr_expect_eq(lab_number(object, "rules"), 5);
	cr_assert(json_object_object_get_ex(object, "findings", &findings));
	cr_assert_eq(json_object_array_length(findings), 4);
	struct json_object *first = json_object_array_get_idx(findings, 0);
	cr_expect_str_eq(lab_text(first, "rule"), "c");
	cr_expect_str_eq(lab_text(first, "finding"), "unreachable");
	cr_expect_eq(lab_number(first, "line"), 7);
	cr_expect_eq(lab_number(first, "decided_by_count"), 1);
	cr_expect_str_eq(lab_text(json_object_array_get_idx(findings, 3), "set"), "s");
	json_object_put(object);
	lab_forget(path);
}

Test(command_firewall, check_refuses_what_is_wrong)
{
	char *path =
		lab_config("firewall:\n  rules:\n    - {name: r, to_port: 99999, action: drop}\n");

	lab_assert_fails(lab_run("firewall", "check", path), "arquant firewall check:",
			 ":3:26: firewall.rules[0].to_port[0]: '99999' is out of range");
	lab_forget(path);
	lab_assert_fails(lab_run("firewall", "check", "/nonexistent.yaml"), "/nonexistent.yaml",
			 "check the name");
	path = lab_config("firewall:\n  sets: [{name: list, file: /nonexistent.txt}]\n");
	lab_assert_fails(lab_run("firewall", "check", path), "/nonexistent.txt", "'list'");
	lab_forget(path);
}

/* --- test --pcap ------------------------------------------------------------------------------ */

static const char tested[] = "firewall:\n"
			     "  default: drop\n"
			     "  rules:\n"
			     "    - {name: seen, from: 192.0.2.0/24, action: count}\n"
			     "    - {name: web, to_port: tcp/80, action: pass}\n"
			     "    - {name: other, interface: arq9, to_port: udp/7, action: drop}\n"
			     "    - {name: echo, to_port: udp/7, action: pass}\n";

/* Ethernet, IPv4 from 192.0.2.7 to 192.0.2.1, UDP; the port is at 36. */
static const uint8_t frame[50] = {
	2, 0, 0,  0,  0, 1, 2,   0, 0, 0, 0,   2, 8, 0, 0x45, 0,    0, 36, 0, 0,
	0, 0, 64, 17, 0, 0, 192, 0, 2, 7, 192, 0, 2, 1, 0x12, 0x34, 0, 7,  0, 16,
};

/* A capture of `count` frames, of which `captured` bytes are kept. Returns its name. */
static char *write_capture(const uint8_t (*frames)[sizeof(frame)], size_t count, uint32_t captured,
			   uint32_t link)
{
	const uint32_t header[6] = {0xa1b2c3d4, 2 | 4 << 16, 0, 0, 65535, link};
	char *path = strdup("/tmp/arquant-test-XXXXXX");
	FILE *file = fdopen(mkstemp(path), "w");

	cr_assert_not_null(file);
	cr_assert_eq(fwrite(header, sizeof(header), 1, file), 1);
	for (size_t i = 0; i < count; i++) {
		const uint32_t record[4] = {1, 0, captured, sizeof(frame)};
		cr_assert_eq(fwrite(record, sizeof(record), 1, file), 1);
		cr_assert_eq(fwrite(frames[i], captured, 1, file), 1);
	}
	cr_assert_eq(fclose(file), 0);
	cr_assert_eq(chmod(path, 0644), 0);
	return path;
}

/* Five frames: as above; to another port; to TCP's port 80; IPv4 that lies; ARP. */
static char *write_frames(void)
{
	uint8_t frames[5][sizeof(frame)];

	for (size_t i = 0; i < 5; i++)
		memcpy(frames[i], frame, sizeof(frame));
	frames[1][37] = 8;
	memcpy(frames[2] + 16, (const uint8_t[]){0, 36}, 2);
	frames[2][23] = 6;
	frames[2][37] = 80;
	memset(frames[2] + 38, 0, 12);
	frames[2][46] = 5 << 4;
	frames[2][17] = 36;
	frames[3][14] = 0x44;
	memcpy(frames[4] + 12, (const uint8_t[]){8, 6}, 2);
	return write_capture(frames, 5, sizeof(frame), 1);
}

static void expect_lines(const char *output, const char *const *lines)
{
	for (size_t i = 0; lines[i]; i++)
		cr_expect_not_null(strstr(output, lines[i]), "no '%s' in\n%s", lines[i], output);
}

static const char *const decided[] = {
	"     1     50  pass  echo (line 7)\n",
	"     2     50  drop  (default)\n",
	"     4     50  drop  (before the rules): ipv4-header-length\n",
	"     5     50  pass  (default)\n",
	"5 packets, 0 cut short by the capture and left out, 0 decided differently\n",
	NULL,
};

Test(command_firewall, test_says_which_rule_decides, .init = lab_enter)
{
	char *path = lab_config(tested), *capture = write_frames();
	const struct lab_result *result = lab_run("firewall", "test", "--pcap", capture, "--config",
						  path, "--interface", "arq0");

	cr_assert_eq(result->status, 0, "%s%s", result->output, result->error);
	expect_lines(result->output, decided);
	/* Without an interface, the rule for another one counts, too. */
	result = lab_run("firewall", "test", "--pcap", capture, "--config", path);
	cr_assert_eq(result->status, 0, "%s%s", result->output, result->error);
	cr_expect_not_null(strstr(result->output, "     1     50  drop  other (line 6)\n"), "%s",
			   result->output);
	lab_forget(path);
	lab_forget(capture);
}

Test(command_firewall, test_works_offline_without_privileges)
{
	char *path = lab_config(tested), *capture = write_frames();
	const char *const arguments[] = {"firewall",  "test", "--pcap",      capture,
					 "--config",  path,   "--interface", "arq0",
					 "--offline", NULL};
	const struct lab_result *result = lab_run_as(LAB_AS_NOBODY, arguments);

	cr_assert_eq(result->status, 0, "%s%s", result->output, result->error);
	expect_lines(result->output, decided);
	const char *const json[] = {"firewall", "test",   "--pcap",    capture, "--config",
				    path,       "--json", "--offline", NULL};
	result = lab_run_as(LAB_AS_NOBODY, json);
	struct json_object *object = json_tokener_parse(result->output), *interpreter;
	cr_assert(json_object_object_get_ex(object, "interpreter", &interpreter));
	cr_expect_str_eq(lab_text(interpreter, "rule"), "other");
	cr_expect_str_eq(lab_text(interpreter, "verdict"), "drop");
	cr_expect_str_eq(lab_text(interpreter, "reason"), "rule");
	json_object_put(object);
	lab_forget(path);
	lab_forget(capture);
}

Test(command_firewall, test_refuses_what_is_no_capture)
{
	char *path = lab_config(tested);
	uint8_t frames[1][sizeof(frame)];

	lab_assert_fails(lab_run("firewall", "test", "--offline", "--config", path, "--pcap", path),
			 "cannot read the capture", path);
	memcpy(frames[0], frame, sizeof(frame));
	char *capture = write_capture(frames, 1, sizeof(frame), 113);
	lab_assert_fails(
		lab_run("firewall", "test", "--offline", "--config", path, "--pcap", capture),
		"another link than Ethernet");
	lab_forget(capture);
	capture = write_capture(frames, 1, 20, 1);
	const struct lab_result *result =
		lab_run("firewall", "test", "--offline", "--config", path, "--pcap", capture);
	cr_expect_str_eq(result->output, "1 packets, 1 cut short by the capture and left out, 0 "
					 "decided differently\n");
	lab_forget(capture);
	cr_expect_eq(lab_run("firewall", "test", "--config", path)->status, 2);
	lab_forget(path);
}
