// SPDX-License-Identifier: BSD-2-Clause
/*
 * Loading, counting, replacing and unloading, by the bundle: it runs on every kernel, alone on the
 * interface or in a slot. tests/lab/chain tests the chain of several programs.
 */
#include "test_command_lab.h"

#include <criterion/criterion.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static const char config_text[] = "interfaces:\n"
				  "  - name: arq0\n"
				  "sampler:\n"
				  "  one_in: 1\n"
				  "firewall:\n"
				  "  rules:\n"
				  "    - { name: bad, from: 198.51.100.0/24, action: drop }\n";

static char *path;

static void load(const char *text)
{
	lab_forget(path);
	path = lab_config(text);
	const struct lab_result *result = lab_run("load", "--bundle", "--config", path);
	cr_assert_eq(result->status, 0, "%s", result->error);
	cr_assert_str_empty(result->error);
	cr_assert_not_null(strstr(result->output, "arq0: loaded bundle"), "%s", result->output);
}

static void unload(void)
{
	const struct lab_result *result = lab_run("unload", "arq0");
	cr_assert_eq(result->status, 0, "%s", result->error);
	cr_assert_str_empty(result->error);
}

static void setup(void)
{
	lab_enter();
	load(config_text);
}

static void cleanup(void)
{
	lab_forget(path);
}

/* libxdp leaves its own empty directory behind. */
static unsigned int foreign_pins(void)
{
	return lab_kernel_chains() ? 1 : 0;
}

Test(bundle, is_shown_with_its_counters, .init = setup, .fini = cleanup)
{
	lab_send_udp("198.51.100.7", 4433, 5);
	lab_send_udp("203.0.113.7", 4433, 3);

	struct json_object *status = lab_status("arq0");
	struct json_object *slot = lab_slot(status, 0);
	cr_assert_str_eq(lab_text(slot, "name"), "arq_bundle");
	cr_assert_str_eq(lab_text(slot, "owner"), "own");
	cr_assert_str_eq(lab_text(slot, "program"), "bundle");
	cr_assert_str_eq(lab_text(status, "mode"), "native");
	cr_assert_eq(lab_number(slot, "actions", "drop"), 5);
	cr_assert_eq(lab_number(slot, "actions", "pass"), 3);
	cr_assert_eq(lab_number(slot, "actions", "redirect"), 0);

	struct json_object *parts;
	cr_assert(json_object_object_get_ex(slot, "parts", &parts));
	struct json_object *firewall = json_object_array_get_idx(parts, 0);
	cr_assert_str_eq(lab_text(firewall, "program"), "firewall");
	cr_assert_eq(lab_number(firewall, "actions", "drop"), 5);
	cr_assert_eq(lab_number(firewall, "reasons", "rule"), 5);
	json_object_put(status);
	unload();
}

Test(bundle, is_shown_as_a_table, .init = setup, .fini = cleanup)
{
	lab_send_udp("198.51.100.7", 4433, 2);
	const struct lab_result *result = lab_run("status");
	cr_assert_eq(result->status, 0);
	cr_assert_not_null(strstr(result->output, "arq0: "), "%s", result->output);
	cr_assert_not_null(strstr(result->output, "SLOT"), "%s", result->output);
	cr_assert_not_null(strstr(result->output, "arq_bundle"), "%s", result->output);
	cr_assert_not_null(strstr(result->output, "arq_firewall: rule 2 "), "%s", result->output);
	cr_assert_null(strstr(result->output, "arq1"), "interfaces without XDP are left out");
	unload();
	result = lab_run("status");
	cr_assert_str_eq(result->output, "no interface runs an XDP program\n");
	result = lab_run("status", "arq0");
	cr_assert_str_eq(result->output, "arq0: no XDP program\n");
}

Test(bundle, leaves_nothing_behind, .init = setup, .fini = cleanup)
{
	uint32_t maps[LAB_IDS_MAX];

	struct json_object *status = lab_status("arq0");
	uint32_t program = (uint32_t)lab_number(lab_slot(status, 0), "id");
	json_object_put(status);
	size_t count = lab_map_ids(program, maps);
	cr_assert_gt(count, 3);
	cr_assert_gt(lab_count_pins(), 3);

	struct stat root;
	cr_assert_eq(stat("/sys/fs/bpf/arquant", &root), 0);
	cr_assert_eq(root.st_mode & 0777, 0700);

	unload();
	cr_assert_eq(lab_attached("arq0"), 0);
	cr_assert_eq(lab_count_pins(), foreign_pins());
	lab_assert_gone(&program, 1, maps, count);
	lab_assert_fails(lab_run("unload", "arq0"), "arq0", "none of our programs");
	cr_assert_eq(lab_count_pins(), foreign_pins());
}

Test(bundle, unload_all_finds_it, .init = setup, .fini = cleanup)
{
	const struct lab_result *result = lab_run("unload", "--all");
	cr_assert_eq(result->status, 0, "%s", result->error);
	cr_assert_str_eq(result->output, "unloaded from 1 interface\n");
	cr_assert_eq(lab_attached("arq0"), 0);
	cr_assert_eq(lab_count_pins(), foreign_pins());
	result = lab_run("unload", "--all");
	cr_assert_eq(result->status, 0, "nothing to do is no error");
}

Test(bundle, is_replaced_by_a_new_policy_and_keeps_its_counters, .init = setup, .fini = cleanup)
{
	lab_send_udp("198.51.100.7", 4433, 5);
	struct json_object *before = lab_status("arq0");
	unsigned int pins = lab_count_pins();

	load("interfaces: [{ name: arq0 }]\n"
	     "firewall:\n"
	     "  rules:\n"
	     "    - { name: worse, from: 203.0.113.0/24, action: drop }\n");
	lab_send_udp("198.51.100.7", 4433, 7);
	lab_send_udp("203.0.113.7", 4433, 11);

	struct json_object *after = lab_status("arq0");
	cr_assert_neq(lab_number(lab_slot(after, 0), "id"), lab_number(lab_slot(before, 0), "id"));
	struct json_object *slots;
	json_object_object_get_ex(after, "slots", &slots);
	cr_assert_eq(json_object_array_length(slots), 1, "the old one is gone");
	cr_assert_eq(lab_number(lab_slot(after, 0), "actions", "drop"), 5 + 11);
	cr_assert_eq(lab_number(lab_slot(after, 0), "actions", "pass"), 7);
	cr_assert_eq(lab_count_pins(), pins);
	json_object_put(before);
	json_object_put(after);
	unload();
	cr_assert_eq(lab_count_pins(), foreign_pins());
}

Test(bundle, stays_when_its_replacement_fails, .init = setup, .fini = cleanup)
{
	uint32_t attached = lab_attached("arq0");
	unsigned int pins = lab_count_pins();

	/* arq2 does not exist. */
	char *two = lab_config("interfaces: [{ name: arq0 }, { name: arq2 }]\n");
	lab_assert_fails(lab_run("load", "--bundle", "--config", two), "arq2");
	/* lo has no native mode: found out only after arq0's was replaced. */
	lab_forget(two);
	two = lab_config("interfaces: [{ name: arq0 }, { name: lo, mode: native }]\n");
	lab_assert_fails(lab_run("load", "--bundle", "--config", two), "lo: ");
	lab_forget(two);
	if (!lab_kernel_chains())
		cr_assert_eq(lab_attached("arq0"), attached);
	cr_assert_eq(lab_count_pins(), pins);
	lab_send_udp("198.51.100.7", 4433, 5);
	struct json_object *status = lab_status("arq0");
	cr_assert_eq(lab_number(lab_slot(status, 0), "actions", "drop"), 5);
	json_object_put(status);
	unload();
}

Test(bundle, does_not_change_its_mode_while_it_runs, .init = setup, .fini = cleanup)
{
	lab_assert_fails(lab_run("load", "--bundle", "--mode", "generic", "--config", path), "arq0",
			 "mode native");
	unload();
	const struct lab_result *result =
		lab_run("load", "--bundle", "--mode", "generic", "--config", path);
	cr_assert_eq(result->status, 0, "%s", result->error);
	struct json_object *status = lab_status("arq0");
	cr_assert_str_eq(lab_text(status, "mode"), "generic");
	json_object_put(status);
	load(config_text); /* auto takes the mode that is there */
	status = lab_status("arq0");
	cr_assert_str_eq(lab_text(status, "mode"), "generic");
	json_object_put(status);
	unload();
	cr_assert_eq(lab_attached("arq0"), 0);
	cr_assert_eq(lab_count_pins(), foreign_pins());
}

Test(bundle, its_pins_are_cleared_after_somebody_else_took_it_off, .init = setup, .fini = cleanup)
{
	if (lab_kernel_chains())
		lab_shell("xdp-loader unload arq0 --all");
	else
		lab_shell("ip link set dev arq0 xdp off");
	cr_assert_gt(lab_count_pins(), 3);
	unload();
	cr_assert_eq(lab_count_pins(), foreign_pins());
	lab_assert_fails(lab_run("unload", "arq0"), "none of our programs");
}

Test(bundle, its_pins_are_cleared_after_the_interface_is_gone, .init = setup, .fini = cleanup)
{
	lab_shell("ip link del arq0");
	cr_assert_gt(lab_count_pins(), 3);
	cr_assert_eq(lab_run("unload", "--all")->status, 0);
	cr_assert_eq(lab_count_pins(), foreign_pins());
}

Test(bundle, loads_over_what_a_killed_load_left, .init = setup, .fini = cleanup)
{
	char command[256];

	unload();
	snprintf(command, sizeof(command),
		 "d=/sys/fs/bpf/arquant/$(stat -Lc %%i /proc/self/ns/net)-%u && "
		 "mkdir -p -m 0700 $d/firewall $d/bundle_new",
		 if_nametoindex("arq0"));
	lab_shell(command);
	load(config_text);
	struct json_object *status = lab_status("arq0");
	struct json_object *missing;
	json_object_object_get_ex(status, "missing", &missing);
	cr_assert_eq(json_object_array_length(missing), 0);
	json_object_put(status);
	unload();
	cr_assert_eq(lab_count_pins(), foreign_pins());
}

/* The interface is at no time without a program; what is left is ours, and counts. */
Test(bundle, leaves_a_program_that_passes, .init = setup, .fini = cleanup)
{
	const struct lab_result *result = lab_run("unload", "arq0", "--leave-pass");
	cr_assert_eq(result->status, 0, "%s", result->error);
	lab_send_udp("198.51.100.7", 4433, 5);
	struct json_object *status = lab_status("arq0");
	struct json_object *slot = lab_slot(status, 0);
	cr_assert_str_eq(lab_text(slot, "name"), "arq_pass");
	cr_assert_str_eq(lab_text(slot, "owner"), "own");
	cr_assert_str_eq(lab_text(slot, "program"), "pass");
	cr_assert_eq(lab_number(slot, "actions", "pass"), 5);
	cr_assert_eq(json_object_array_length(json_object_object_get(status, "slots")), 1);
	cr_assert_eq(json_object_array_length(json_object_object_get(status, "missing")), 0);
	json_object_put(status);

	load(config_text);
	status = lab_status("arq0");
	cr_assert_str_eq(lab_text(lab_slot(status, 0), "name"), "arq_bundle");
	cr_assert_eq(json_object_array_length(json_object_object_get(status, "slots")), 1);
	json_object_put(status);
	cr_assert_eq(lab_run("unload", "--all", "--leave-pass")->status, 0);
	cr_assert_neq(lab_attached("arq0"), 0);
	cr_assert_eq(lab_run("unload", "--all")->status, 0);
	cr_assert_eq(lab_attached("arq0"), 0);
	cr_assert_eq(lab_count_pins(), foreign_pins());
}

Test(bundle, loads_two_interfaces_at_once, .init = setup, .fini = cleanup)
{
	unload();
	lab_second_pair();
	load("interfaces: [{ name: arq0 }, { name: arq2 }]\n");
	cr_assert_neq(lab_attached("arq0"), 0);
	cr_assert_neq(lab_attached("arq2"), 0);
	const struct lab_result *result = lab_run("unload", "arq2");
	cr_assert_eq(result->status, 0, "%s", result->error);
	cr_assert_neq(lab_attached("arq0"), 0);
	cr_assert_eq(lab_attached("arq2"), 0);
	unload();
	cr_assert_eq(lab_count_pins(), foreign_pins());
}

/* The sanitizers check each access; what is left of the limits then finds only what runs wild. */
#ifdef __SANITIZE_ADDRESS__
#define SLOWER 10
#else
#define SLOWER 1
#endif

/* Of the CPU, the best of some runs: what else the machine does is no matter of the command. */
static double seconds_of(const char *const *arguments)
{
	double best = 1e9;

	for (int run = 0; run < 5; run++) {
		struct rusage before, after;
		getrusage(RUSAGE_CHILDREN, &before);
		cr_assert_eq(lab_run_as(LAB_AS_ROOT, arguments)->status, 0);
		getrusage(RUSAGE_CHILDREN, &after);
		double seconds = (double)(after.ru_utime.tv_sec - before.ru_utime.tv_sec) +
				 (double)(after.ru_stime.tv_sec - before.ru_stime.tv_sec) +
				 (double)(after.ru_utime.tv_usec - before.ru_utime.tv_usec) / 1e6 +
				 (double)(after.ru_stime.tv_usec - before.ru_stime.tv_usec) / 1e6;
		best = seconds < best ? seconds : best;
	}
	return best;
}

Test(bundle, is_loaded_and_shown_fast, .init = setup, .fini = cleanup)
{
	const char *const load_again[] = {"load", "--bundle", "--config", path, NULL};
	const char *const status[] = {"status", NULL};

	if (getenv("ARQUANT_VM"))
		cr_skip_test("emulation says nothing about speed");
	cr_assert_lt(seconds_of(load_again), 1.0 * SLOWER);
	cr_assert_lt(seconds_of(status), 0.05 * SLOWER);
	unload();
}
