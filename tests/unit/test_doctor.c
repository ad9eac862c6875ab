// SPDX-License-Identifier: BSD-2-Clause
/*
 * The doctor's findings on machines and interfaces that the test makes ill: each ailment is found,
 * is named with what to do, and is gone when that was done.
 */
#include "tests/unit/test_command_lab.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char *path;

static void setup(void)
{
	lab_enter();
}

static void cleanup(void)
{
	lab_forget(path);
}

TestSuite(doctor, .init = setup, .fini = cleanup);

static void load_bundle(const char *interface)
{
	char text[128];

	snprintf(text, sizeof(text), "interfaces: [{ name: %s }]\n", interface);
	lab_forget(path);
	path = lab_config(text);
	const struct lab_result *result = lab_run("load", "--bundle", "--config", path);
	cr_assert_eq(result->status, 0, "%s", result->error);
}

/* Runs "doctor --json" for an interface; NULL: none. */
static struct json_object *examine(const char *interface, int status)
{
	const struct lab_result *result =
		interface ? lab_run("doctor", "--json", interface) : lab_run("doctor", "--json");
	cr_assert_eq(result->status, status, "status %d: %s%s", result->status, result->output,
		     result->error);
	cr_assert_str_empty(result->error);
	struct json_object *document = json_tokener_parse(result->output);
	cr_assert_not_null(document, "no JSON: %s", result->output);
	return document;
}

/* The finding of that check, of the machine or of the first interface. */
static struct json_object *find(struct json_object *document, bool machine, const char *check)
{
	struct json_object *checks, *interfaces;

	if (machine) {
		cr_assert(json_object_object_get_ex(document, "machine", &checks));
	} else {
		cr_assert(json_object_object_get_ex(document, "interfaces", &interfaces));
		cr_assert(json_object_object_get_ex(json_object_array_get_idx(interfaces, 0),
						    "checks", &checks));
	}
	for (size_t i = 0; i < json_object_array_length(checks); i++) {
		struct json_object *one = json_object_array_get_idx(checks, i);
		if (strcmp(lab_text(one, "check"), check) == 0)
			return one;
	}
	cr_assert_fail("no check '%s'", check);
	return NULL;
}

static void assert_finding(struct json_object *finding, const char *state, const char *found,
			   const char *advice)
{
	cr_assert_str_eq(lab_text(finding, "state"), state, "%s: %s", lab_text(finding, "check"),
			 lab_text(finding, "found"));
	cr_assert_not_null(strstr(lab_text(finding, "found"), found), "%s",
			   lab_text(finding, "found"));
	if (advice)
		cr_assert_not_null(strstr(lab_text(finding, "advice"), advice), "%s",
				   lab_text(finding, "advice"));
}

static void check_machine(const char *check, int status, const char *state, const char *found,
			  const char *advice)
{
	struct json_object *document = examine(NULL, status);

	assert_finding(find(document, true, check), state, found, advice);
	json_object_put(document);
}

static void check_interface(const char *check, int status, const char *state, const char *found,
			    const char *advice)
{
	struct json_object *document = examine("arq0", status);

	assert_finding(find(document, false, check), state, found, advice);
	json_object_put(document);
}

/* --- the machine ------------------------------------------------------------------------------ */

Test(doctor, finds_a_machine_that_is_well)
{
	struct json_object *document = examine(NULL, 0);

	assert_finding(find(document, true, "capabilities"), "ok", "all", NULL);
	assert_finding(find(document, true, "bpffs"), "ok", "/sys/fs/bpf", NULL);
	assert_finding(find(document, true, "BPF JIT"), "ok", "on", NULL);
	assert_finding(find(document, true, "libxdp"), "ok", "libxdp.so.1", NULL);
	assert_finding(find(document, true, "stale pins"), "ok", "none", NULL);
	if (lab_kernel_chains())
		assert_finding(find(document, true, "EXT"), "ok", "allowed", NULL);
	else
		assert_finding(find(document, true, "EXT"), "warning", "refused", "--bundle");
	assert_finding(find(document, true, "TRACING"), lab_kernel_chains() ? "ok" : "warning", "",
		       NULL);
	cr_assert_eq(lab_number(document, "failed"), 0);
	json_object_put(document);
}

Test(doctor, finds_no_bpf_file_system)
{
	cr_assert_eq(mount("tmpfs", "/sys/fs/bpf", "tmpfs", 0, NULL), 0);
	check_machine("bpffs", 1, "failed", "none at /sys/fs/bpf", "mount -t bpf bpf /sys/fs/bpf");
	lab_shell("mount -t bpf bpf /sys/fs/bpf");
	check_machine("bpffs", 0, "ok", "/sys/fs/bpf", NULL);
}

Test(doctor, finds_a_bpf_file_system_that_is_read_only)
{
	lab_shell("mount -o remount,ro /sys/fs/bpf");
	check_machine("bpffs", 1, "failed", "read-only", "mount -o remount,rw /sys/fs/bpf");
	lab_shell("mount -o remount,rw /sys/fs/bpf");
	check_machine("bpffs", 0, "ok", "/sys/fs/bpf", NULL);
}

Test(doctor, finds_missing_capabilities)
{
	const char *const arguments[] = {"doctor", "arq0", "--json", NULL};
	const struct lab_result *result = lab_run_as(LAB_AS_NOBODY, arguments);

	cr_assert_eq(result->status, 1);
	struct json_object *document = json_tokener_parse(result->output);
	assert_finding(find(document, true, "capabilities"), "failed", "CAP_NET_ADMIN", "root");
	assert_finding(find(document, true, "EXT"), "warning", "unknown", "root");
	/* What needs no privileges is seen nevertheless. */
	assert_finding(find(document, false, "state"), "ok", "up", NULL);
	assert_finding(find(document, false, "chain"), "warning", "unknown", NULL);
	json_object_put(document);
}

Test(doctor, finds_stale_pins_and_removes_ours_only)
{
	load_bundle("arq0");
	cr_assert_eq(mkdir("/sys/fs/bpf/somebody", 0700), 0);
	check_machine("stale pins", 0, "ok", "none", NULL);
	lab_second_pair();
	unsigned int before = lab_count_pins();
	load_bundle("arq2");
	lab_shell(lab_kernel_chains() ? "xdp-loader unload arq2 --all" : "ip link del arq2");
	check_machine("stale pins", 0, "warning", "of 1 interface", "doctor --clean");

	const struct lab_result *result = lab_run("doctor", "--clean");
	cr_assert_eq(result->status, 0, "%s", result->output);
	cr_assert_not_null(strstr(result->output, "removed stale pins of 1 interface\n"), "%s",
			   result->output);
	cr_assert_eq(lab_count_pins(), before, "others' pins, and those that are used, stay");
	check_machine("stale pins", 0, "ok", "none", NULL);
	cr_assert_eq(lab_run("status", "arq0")->status, 0);
	result = lab_run("doctor", "--clean", "--json");
	struct json_object *document = json_tokener_parse(result->output);
	cr_assert_eq(lab_number(document, "removed"), 0);
	json_object_put(document);
}

/* --- interfaces ------------------------------------------------------------------------------- */

/* A process in a network namespace of its own, to be killed. */
static pid_t other_namespace(void)
{
	int ready[2];
	char byte;

	cr_assert_eq(pipe(ready), 0);
	pid_t child = fork();
	cr_assert_geq(child, 0);
	if (child == 0) {
		if (unshare(CLONE_NEWNET) == 0 && write(ready[1], "", 1) == 1)
			pause();
		_exit(1);
	}
	close(ready[1]);
	cr_assert_eq(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	return child;
}

Test(doctor, finds_the_other_end_s_checksums)
{
	char command[64];

	check_interface("checksums", 0, "warning", "arq1", "ethtool -K arq1 tx off");
	lab_shell("ethtool -K arq1 tx off >/dev/null 2>&1");
	check_interface("checksums", 0, "ok", "arq1", NULL);
	pid_t other = other_namespace();
	snprintf(command, sizeof(command), "ip link set arq1 netns %d", other);
	lab_shell(command);
	check_interface("checksums", 0, "warning", "another namespace", "tx off");
	kill(other, SIGKILL);
	waitpid(other, NULL, 0);
}

Test(doctor, finds_an_interface_that_is_down)
{
	lab_shell("ip link set arq0 down");
	check_interface("state", 0, "warning", "down", "ip link set dev arq0 up");
}

Test(doctor, finds_vlan_offload)
{
	check_interface("VLAN offload", 0, "warning", "on", "ethtool -K arq0 rxvlan off");
	lab_shell("ethtool -K arq0 rxvlan off >/dev/null");
	check_interface("VLAN offload", 0, "ok", "off", NULL);
}

Test(doctor, counts_queues)
{
	lab_shell("ip link add arq4 numrxqueues 3 numtxqueues 3 type veth peer name arq5 "
		  "numrxqueues 3 numtxqueues 3");
	lab_shell("ethtool -L arq4 rx 3 tx 3");
	struct json_object *document = examine("arq4", 0);
	assert_finding(find(document, false, "queues"), "ok", "3 receive queues", NULL);
	assert_finding(find(document, false, "driver mode"), "ok", "veth", NULL);
	json_object_put(document);
}

Test(doctor, finds_an_mtu_above_a_page)
{
	check_interface("MTU", 0, "ok", "1500", NULL);
	lab_shell("ip link set arq0 mtu 9000 && ip link set arq1 mtu 9000");
	load_bundle("arq0");
	check_interface("MTU", 0, "warning", "several buffers", "arquantd");
}

Test(doctor, finds_a_program_that_cannot_be_chained)
{
	char found[64];

	check_interface("chain", 0, "ok", "no XDP program", NULL);
	uint32_t id = lab_attach_foreign("arq0");
	snprintf(found, sizeof(found), "'arq_probe' (id %u) alone", id);
	check_interface("chain", 1, "failed", found, "ip link set dev arq0 xdp off");
	cr_assert_eq(lab_attached("arq0"), id, "nobody takes it off");
	lab_shell("ip link set dev arq0 xdp off");
	check_interface("chain", 0, "ok", "no XDP program", NULL);
	load_bundle("arq0");
	check_interface("chain", 0, "ok", lab_kernel_chains() ? "1 of ours" : "our 'arq_bundle'",
			NULL);
}

/* xdp-filter does not say that it takes frames in several buffers, and takes them from all. */
Test(doctor, names_programs_that_take_one_buffer_only)
{
	if (!lab_kernel_chains())
		cr_skip_test("this kernel does not chain programs");
	load_bundle("arq0");
	check_interface("chain", 0, "ok", "protocol 2, mode native: 1 of ours, 0 of others, 9 free",
			NULL);
	lab_shell("xdp-filter load arq0");
	check_interface("chain", 0, "ok", "1 of ours, 1 of others, 8 free", NULL);
	lab_shell("ip link set arq0 mtu 9000");
	check_interface("MTU", 1, "failed", "xdpfilt_alw_all", "xdp-loader 1.3");
}

/* --- the command ------------------------------------------------------------------------------ */

Test(doctor, prints_a_table)
{
	const struct lab_result *result = lab_run("doctor", "arq0");

	cr_assert_eq(result->status, 0, "%s", result->error);
	cr_assert_not_null(strstr(result->output, "this machine\n"), "%s", result->output);
	cr_assert_not_null(strstr(result->output, "\narq0\n"), "%s", result->output);
	cr_assert_not_null(strstr(result->output, "  warning  checksums "), "%s", result->output);
	cr_assert_not_null(strstr(result->output, " to do: 'ethtool -K arq1 tx off'"), "%s",
			   result->output);
	cr_assert_not_null(strstr(result->output, ", 0 failed\n"), "%s", result->output);
}

Test(doctor, shows_interfaces_in_use_unless_told_which)
{
	struct json_object *document = examine(NULL, 0), *interfaces;
	cr_assert(json_object_object_get_ex(document, "interfaces", &interfaces));
	cr_assert_eq(json_object_array_length(interfaces), 0);
	json_object_put(document);
	load_bundle("arq0");
	document = examine(NULL, 0);
	assert_finding(find(document, false, "state"), "ok", "up", NULL);
	json_object_put(document);
}

Test(doctor, prints_what_its_schema_says)
{
	lab_attach_foreign("arq0");
	lab_shell("{ " ARQ_TEST_COMMAND
		  " doctor --json --clean arq0 arq1 lo || [ $? = 1 ]; } | " ARQ_TEST_SOURCE
		  "/tests/lab/check-schema " ARQ_TEST_SOURCE
		  "/userspace/arquant/doctor.schema.json");
}

Test(doctor, refuses_interfaces_that_are_not_there)
{
	lab_assert_fails(lab_run("doctor", "arq0", "arq9"), "arq9", "ip link");
	cr_assert_eq(lab_run("doctor", "--cleanse")->status, 2);
}
