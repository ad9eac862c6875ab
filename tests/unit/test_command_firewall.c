// SPDX-License-Identifier: BSD-2-Clause
/* `arquant firewall` as its users meet it. */
#include "test_command_lab.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

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
}
