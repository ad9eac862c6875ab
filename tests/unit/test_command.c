// SPDX-License-Identifier: BSD-2-Clause
/* The command as its users meet it: exit status, one line of error, nothing left behind. */
#include "test_command_lab.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char one_interface[] = "interfaces:\n"
				    "  - name: arq0\n"
				    "firewall:\n"
				    "  rules:\n"
				    "    - { name: bad, from: 198.51.100.0/24, action: drop }\n";

static const char two_interfaces[] = "interfaces:\n"
				     "  - name: arq0\n"
				     "  - name: arq2\n";

/* --- usage ------------------------------------------------------------------------------------ */

Test(command, wrong_usage_is_status_2_and_one_line)
{
	static const char *const wrong[][5] = {
		{"frobnicate"},
		{"--frobnicate"},
		{"load", "--frobnicate"},
		{"load", "-x"},
		{"load", "--config"},
		{"load", "--json=yes"},
		{"load", "--mode", "fast"},
		{"load", "arq0", "arq0"},
		{"unload"},
		{"unload", "--all", "arq0"},
		{"unload", "arq0", "arq0"},
		{"status", "--all"},
		{"firewall"},
		{"firewall", "frobnicate"},
		{"firewall", "check", "a", "b"},
		{"firewall", "check", "--all"},
		{"status", "--watch=soon"},
		{"status", "--count", "3"},
		{"monitor", "--interval", "0s"},
		{"monitor", "--time", "few"},
		{"monitor", "--all"},
	};
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		const struct lab_result *result = lab_run_as(LAB_AS_ROOT, wrong[i]);
		cr_assert_eq(result->status, 2, "%s %s: %d", wrong[i][0], wrong[i][1],
			     result->status);
		cr_assert_str_empty(result->output);
		cr_assert_eq(strchr(result->error, '\n') - result->error,
			     (ptrdiff_t)strlen(result->error) - 1, "%s", result->error);
		cr_assert_not_null(strstr(result->error, "--help"), "%s", result->error);
	}
}

Test(command, help_and_version_succeed)
{
	static const char *const right[][3] = {
		{"--help"},         {"-h"},
		{"--version"},      {"load", "--help"},
		{"unload", "-h"},   {"status", "--help"},
		{"firewall", "-h"}, {"firewall", "check", "--help"},
		{"monitor", "-h"},
	};
	for (size_t i = 0; i < sizeof(right) / sizeof(right[0]); i++) {
		const char *const arguments[] = {right[i][0], right[i][1], right[i][2], NULL};
		const struct lab_result *result = lab_run_as(LAB_AS_ROOT, arguments);
		cr_assert_eq(result->status, 0);
		cr_assert_str_empty(result->error);
		cr_assert_not_null(strstr(result->output, "arquant"));
	}
}

Test(command, without_a_verb_says_so)
{
	const char *const none[] = {NULL};
	const struct lab_result *result = lab_run_as(LAB_AS_ROOT, none);
	cr_assert_eq(result->status, 2);
	cr_assert_not_null(strstr(result->error, "verb"));
}

/* --- bad input -------------------------------------------------------------------------------- */

Test(command, names_a_configuration_that_is_not_there, .init = lab_enter)
{
	lab_assert_fails(lab_run("load", "--config", "/nonexistent.yaml"),
			 "arquant load:", "/nonexistent.yaml");
	cr_assert_eq(lab_count_pins(), 0);
}

Test(command, names_an_unknown_key_with_its_line, .init = lab_enter)
{
	char *path = lab_config("interfaces:\n  - name: arq0\nfirewal: {}\n");
	lab_assert_fails(lab_run("load", "--config", path), path, ":3:", "firewal");
	cr_assert_eq(lab_attached("arq0"), 0);
	cr_assert_eq(lab_count_pins(), 0);
	lab_forget(path);
}

Test(command, names_an_unreadable_configuration, .init = lab_enter)
{
	char *path = lab_config(one_interface);
	chmod(path, 0600);
	const char *const arguments[] = {"load", "--config", path, NULL};
	lab_assert_fails(lab_run_as(LAB_AS_NOBODY, arguments), path, "Permission denied");
	lab_forget(path);
}

Test(command, without_privileges_says_what_is_needed, .init = lab_enter)
{
	char *path = lab_config(one_interface);
	const char *const load[] = {"load", "--bundle", "--config", path, NULL};
	const char *const unload[] = {"unload", "arq0", NULL};
	const char *const unload_all[] = {"unload", "--all", NULL};
	const char *const status[] = {"status", NULL};
	const char *const monitor[] = {"monitor", NULL};

	lab_assert_fails(lab_run_as(LAB_AS_NOBODY, load), "privileges", "root");
	lab_assert_fails(lab_run_as(LAB_AS_NOBODY, unload), "privileges", "root");
	lab_assert_fails(lab_run_as(LAB_AS_NOBODY, unload_all), "privileges", "root");
	lab_assert_fails(lab_run_as(LAB_AS_NOBODY, status), "privileges", "root");
	lab_assert_fails(lab_run_as(LAB_AS_NOBODY, monitor), "privileges", "root");
	cr_assert_eq(lab_attached("arq0"), 0);
	lab_forget(path);
}

Test(command, names_an_interface_that_does_not_exist, .init = lab_enter)
{
	char *path = lab_config(two_interfaces);
	lab_assert_fails(lab_run("load", "--bundle", "--config", path), "arq2");
	cr_assert_eq(lab_attached("arq0"), 0, "the other interface must stay as it was");
	lab_assert_fails(lab_run("unload", "arq2"), "arq2");
	lab_assert_fails(lab_run("status", "arq2"), "arq2");
	lab_assert_fails(lab_run("monitor", "arq2"), "arq2");
	cr_assert_eq(lab_count_pins(), 0);
	lab_forget(path);
}

Test(command, names_an_interface_that_is_not_configured, .init = lab_enter)
{
	char *path = lab_config(one_interface);
	lab_assert_fails(lab_run("load", "arq1", "--bundle", "--config", path), "arq1",
			 "interfaces", path);
	cr_assert_eq(lab_count_pins(), 0);
	lab_forget(path);
}

Test(command, wants_interfaces_in_the_configuration, .init = lab_enter)
{
	char *path = lab_config("sampler: { one_in: 10 }\n");
	lab_assert_fails(lab_run("load", "--bundle", "--config", path), "interfaces", path);
	lab_forget(path);
}

Test(command, wants_a_bpf_file_system, .init = lab_enter)
{
	char *path = lab_config(one_interface);
	lab_shell("umount /sys/fs/bpf && mount -t tmpfs none /sys/fs/bpf");
	lab_assert_fails(lab_run("load", "--bundle", "--config", path), "mount -t bpf");
	lab_assert_fails(lab_run("unload", "arq0"), "mount -t bpf");
	cr_assert_eq(lab_count_pins(), 0);
	lab_forget(path);
}

Test(command, names_the_foreign_program_that_holds_an_interface, .init = lab_enter)
{
	char *path = lab_config(one_interface);
	uint32_t foreign = lab_attach_foreign("arq0");
	char id[16];

	snprintf(id, sizeof(id), "id %u", foreign);
	lab_assert_fails(lab_run("load", "--bundle", "--config", path), "arq0", "busy",
			 "'arq_probe'", id);
	lab_assert_fails(lab_run("unload", "arq0"), "arq0", "none of our programs");
	cr_assert_eq(lab_run("unload", "--all")->status, 0);
	cr_assert_eq(lab_attached("arq0"), foreign);
	cr_assert_eq(lab_count_pins(), 0);

	struct json_object *status = lab_status("arq0");
	cr_assert_str_eq(lab_text(status, "attachment"), "single");
	cr_assert_str_eq(lab_text(lab_slot(status, 0), "owner"), "foreign");
	cr_assert_eq(lab_number(lab_slot(status, 0), "id"), foreign);
	json_object_put(status);
	lab_forget(path);
}

Test(command, offers_the_bundle_where_the_kernel_does_not_chain, .init = lab_enter)
{
	if (lab_kernel_chains())
		cr_skip_test("this kernel chains programs");
	char *path = lab_config(one_interface);
	lab_assert_fails(lab_run("load", "--config", path), "arq0", "EXT", "--bundle");
	cr_assert_eq(lab_attached("arq0"), 0);
	cr_assert_eq(lab_count_pins(), 0);
	lab_forget(path);
}

/* tests/lab/test-monitor tests it where the kernel allows it. */
Test(command, says_that_the_kernel_does_not_trace, .init = lab_enter)
{
	if (lab_kernel_chains())
		cr_skip_test("this kernel traces programs");
	uint32_t foreign = lab_attach_foreign("arq0");
	lab_assert_fails(lab_run("monitor", "arq0"), "TRACING", "arquant status --watch");
	cr_assert_eq(lab_attached("arq0"), foreign);
	cr_assert_eq(lab_count_pins(), 0);
}

Test(command, takes_back_all_when_one_interface_is_busy, .init = lab_enter)
{
	char *path = lab_config(two_interfaces);
	lab_second_pair();
	uint32_t foreign = lab_attach_foreign("arq2");
	lab_assert_fails(lab_run("load", "--bundle", "--config", path), "arq2", "busy");
	cr_assert_eq(lab_attached("arq0"), 0);
	cr_assert_eq(lab_attached("arq2"), foreign);
	cr_assert_eq(lab_count_pins(), 0);
	lab_forget(path);
}

/* The peer's MTU is more than a frame in one buffer holds: refused by the driver at attach. */
Test(command, takes_back_what_was_attached_when_a_later_one_fails, .init = lab_enter)
{
	char *path = lab_config("interfaces:\n"
				"  - name: arq0\n"
				"  - name: lo\n"
				"    mode: native\n");
	lab_assert_fails(lab_run("load", "--bundle", "--config", path), "lo: ");
	cr_assert_eq(lab_attached("arq0"), 0);
	cr_assert_eq(lab_attached("lo"), 0);
	cr_assert_eq(lab_count_pins(), lab_kernel_chains() ? 1 : 0);
	lab_forget(path);
}

Test(command, an_interrupted_load_changes_nothing, .init = lab_enter)
{
	char *path = lab_config(one_interface);
	const char *const arguments[] = {"load", "--bundle", "--config", path, NULL};
	lab_assert_fails(lab_run_as(LAB_AS_INTERRUPTED, arguments), "interrupted");
	cr_assert_eq(lab_attached("arq0"), 0);
	cr_assert_eq(lab_count_pins(), 0);
	lab_forget(path);
}

Test(command, reports_that_its_output_cannot_be_written, .init = lab_enter)
{
	lab_shell("! " ARQ_TEST_COMMAND " status > /dev/full 2> /tmp/arquant-test-full && "
		  "grep -q 'cannot write' /tmp/arquant-test-full && rm /tmp/arquant-test-full");
}
