// SPDX-License-Identifier: BSD-2-Clause
#include "test_command_lab.h"

#include "dispatcher/chain.h"
#include "dispatcher/kernel.h"
#include "dispatcher/messages.h"
#include "dispatcher/owner.h"
#include "dispatcher/pins.h"

#include <bpf/libbpf.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* --- messages --------------------------------------------------------------------------------- */

/* Says something as libbpf would. */
static void say(enum libbpf_print_level level, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void say(enum libbpf_print_level level, const char *format, ...)
{
	libbpf_print_fn_t print = libbpf_set_print(NULL);
	va_list arguments;

	va_start(arguments, format);
	print(level, format, arguments);
	va_end(arguments);
	libbpf_set_print(print);
}

static void printed(char text[32768])
{
	FILE *stream = fmemopen(text, 32768, "w");
	arq_messages_print(stream);
	fclose(stream);
}

Test(messages, keeps_the_end_of_what_was_said, .init = arq_messages_capture)
{
	char text[32768] = "";

	printed(text);
	cr_assert_str_empty(text);
	say(LIBBPF_WARN, "first\n");
	say(LIBBPF_DEBUG, "nobody wants to know\n");
	say(LIBBPF_WARN, "second\n\nthird");
	printed(text);
	cr_assert_str_eq(text, "  first\n  second\n  third\n");

	for (int i = 0; i < 10000; i++)
		say(LIBBPF_WARN, "line %d\n", i);
	printed(text);
	cr_assert_not_null(strstr(text, "  line 9999\n"));
	cr_assert_null(strstr(text, "first"));
	arq_messages_clear();
	memset(text, 0, sizeof(text));
	printed(text);
	cr_assert_str_empty(text);
}

Test(messages, survives_one_longer_than_its_room, .init = arq_messages_capture)
{
	size_t length = 100000;
	char *log = malloc(length), text[32768] = "";

	memset(log, 'x', length);
	for (size_t i = 100; i < length; i += 100)
		log[i] = '\n';
	memcpy(log + length - 4, "end", 4);
	say(LIBBPF_WARN, "before\n");
	say(LIBBPF_WARN, "%s", log);
	printed(text);
	cr_assert_null(strstr(text, "before"));
	cr_assert_not_null(strstr(text, "end\n"));
	say(LIBBPF_WARN, "\nafter\n");
	printed(text);
	cr_assert_not_null(strstr(text, "  after\n"));
	free(log);
}

Test(messages, finds_the_last_of_a_mark, .init = arq_messages_capture)
{
	cr_assert_str_empty(arq_messages_find("error: "));
	say(LIBBPF_WARN, "kernel error: one\n");
	say(LIBBPF_WARN, "kernel error: two\nmore\n");
	cr_assert_str_eq(arq_messages_find("error: "), "two");
	cr_assert_str_empty(arq_messages_find("warning: "));
}

/* --- the kernel ------------------------------------------------------------------------------- */

Test(kernel, answers_as_root, .init = lab_enter)
{
	struct arq_error error = {0};
	enum arq_kernel_ext ext;

	cr_assert_eq(arq_kernel_check_privileges(&error), 0, "%s", error.text);
	cr_assert_eq(arq_kernel_check_bpffs(&error), 0, "%s", error.text);
	cr_assert_eq(arq_kernel_check_cpus(&error), 0, "%s", error.text);
	cr_assert_eq(arq_kernel_probe_ext(&ext, &error), 0, "%s", error.text);
	cr_assert_eq(lab_count_pins(), 0, "the probe leaves nothing behind");
}

Test(kernel, tells_no_privileges_from_no_support, .init = lab_enter)
{
	struct arq_error error = {0};
	enum arq_kernel_ext ext;

	cr_assert_eq(setuid(65534), 0);
	cr_assert_eq(arq_kernel_check_privileges(&error), -EPERM);
	cr_assert_not_null(strstr(error.text, "root"));
	arq_error_clear(&error);
	cr_assert_lt(arq_kernel_probe_ext(&ext, &error), 0, "there is no answer without them");
	cr_assert_str_not_empty(error.text);
}

Test(kernel, follows_libxdp_to_another_bpf_file_system)
{
	struct arq_error error = {0};

	unsetenv("LIBXDP_BPFFS");
	cr_assert_str_eq(arq_kernel_bpffs(), "/sys/fs/bpf");
	setenv("LIBXDP_BPFFS", "/tmp", 1);
	cr_assert_str_eq(arq_kernel_bpffs(), "/tmp");
	cr_assert_eq(arq_kernel_check_bpffs(&error), -ENOENT);
	cr_assert_not_null(strstr(error.text, "/tmp"));
}

/* --- pins ------------------------------------------------------------------------------------- */

struct seen {
	unsigned int count;
	unsigned int here;
	unsigned int ifindex;
};

static int see(const char *directory, unsigned int ifindex, bool here, void *context)
{
	struct seen *seen = context;

	cr_assert_eq(strncmp(directory, "/sys/fs/bpf/arquant/", 20), 0);
	seen->count++;
	seen->here += here;
	if (here)
		seen->ifindex = ifindex;
	return 0;
}

Test(pins, the_root_comes_and_goes_with_the_lock, .init = lab_enter)
{
	struct arq_error error = {0};
	struct stat status;

	int lock = arq_pins_lock(&error);
	cr_assert_geq(lock, 0, "%s", error.text);
	cr_assert_eq(stat("/sys/fs/bpf/arquant", &status), 0);
	cr_assert_eq(status.st_mode & 07777, 0700);
	arq_pins_unlock(lock);
	cr_assert_neq(stat("/sys/fs/bpf/arquant", &status), 0);
}

Test(pins, the_root_stays_while_an_interface_is_in_it, .init = lab_enter)
{
	struct arq_error error = {0};
	char path[PATH_MAX];
	struct seen seen = {0};

	int lock = arq_pins_lock(&error);
	cr_assert_eq(arq_pins_path(path, 7), 0);
	cr_assert_eq(mkdir(path, 0700), 0);
	cr_assert_eq(mkdir("/sys/fs/bpf/arquant/1-7", 0700), 0, "of another namespace");
	cr_assert_eq(mkdir("/sys/fs/bpf/arquant/1-7-strange", 0700), 0);
	arq_pins_unlock(lock);

	cr_assert_eq(arq_pins_walk(see, &seen), 0);
	cr_assert_eq(seen.count, 2);
	cr_assert_eq(seen.here, 1);
	cr_assert_eq(seen.ifindex, 7);

	cr_assert_eq(arq_pins_remove(path), 0);
	cr_assert_eq(arq_pins_remove(path), 0, "not there is fine");
	cr_assert_eq(arq_pins_remove("/sys/fs/bpf/arquant/1-7"), 0);
	cr_assert_eq(arq_pins_walk(see, &seen), 0);
	cr_assert_eq(seen.count, 2);
}

Test(pins, removes_a_directory_with_what_is_in_it, .init = lab_enter)
{
	struct arq_error error = {0};
	char path[PATH_MAX], command[3 * PATH_MAX];

	int lock = arq_pins_lock(&error);
	cr_assert_eq(arq_pins_path(path, 7), 0);
	snprintf(command, sizeof(command), "mkdir -p %s/firewall %s/redirect", path, path);
	lab_shell(command);
	cr_assert_eq(arq_pins_remove(path), 0);
	arq_pins_unlock(lock);
	cr_assert_eq(lab_count_pins(), 0);
}

/* Whoever waited for a directory that was removed meanwhile must not go on with it. */
Test(pins, many_processes_hold_the_lock_one_at_a_time, .init = lab_enter)
{
	enum { PROCESSES = 8, TURNS = 50 };
	char path[PATH_MAX];

	cr_assert_eq(arq_pins_path(path, 7), 0);
	for (int process = 0; process < PROCESSES; process++) {
		if (fork())
			continue;
		for (int turn = 0; turn < TURNS; turn++) {
			struct arq_error error = {0};
			int lock = arq_pins_lock(&error);
			/* Fails when another holds it: the directory is there. */
			if (lock < 0 || mkdir(path, 0700) || rmdir(path))
				_exit(1);
			arq_pins_unlock(lock);
		}
		_exit(0);
	}
	for (int process = 0; process < PROCESSES; process++) {
		int status;
		cr_assert_gt(wait(&status), 0);
		cr_assert_eq(status, 0);
	}
	cr_assert_eq(lab_count_pins(), 0);
}

/* --- chains and owners ------------------------------------------------------------------------ */

Test(chain, of_an_interface_without_programs, .init = lab_enter)
{
	struct arq_error error = {0};
	struct arq_chain chain;

	cr_assert_eq(arq_chain_read("arq0", &chain, &error), 0, "%s", error.text);
	cr_assert_eq(chain.kind, ARQ_CHAIN_NONE);
	cr_assert_eq(chain.ifindex, if_nametoindex("arq0"));
	cr_assert_eq(chain.slots_count, 0);
	cr_assert_str_eq(arq_chain_mode_name(&chain), "none");
}

Test(chain, of_no_interface, .init = lab_enter)
{
	struct arq_error error = {0};
	struct arq_chain chain;

	cr_assert_eq(arq_chain_read("nosuch", &chain, &error), -ENODEV);
	cr_assert_not_null(strstr(error.text, "'nosuch'"));
	arq_error_clear(&error);
	cr_assert_eq(arq_chain_read("a-name-that-is-longer-than-any-interface's", &chain, &error),
		     -ENODEV);
}

Test(chain, of_a_foreign_program_alone, .init = lab_enter)
{
	struct arq_error error = {0};
	struct arq_chain chain;

	uint32_t id = lab_attach_foreign("arq0");
	cr_assert_eq(arq_chain_read("arq0", &chain, &error), 0, "%s", error.text);
	cr_assert_eq(chain.kind, ARQ_CHAIN_SINGLE);
	cr_assert_eq(chain.id, id);
	cr_assert_eq(chain.slots_count, 1);
	cr_assert_eq(chain.slots[0].id, id);
	cr_assert_eq(chain.slots[0].program, -1);
	cr_assert_str_eq(chain.slots[0].name, "arq_probe");
	cr_assert_eq(arq_chain_count_own(&chain), 0);
	cr_assert_leq(llabs((long long)(time(NULL) - chain.slots[0].load_time)), 5);
}

/* A name of ours makes no program ours, and neither does an empty directory. */
Test(chain, names_do_not_make_a_program_ours, .init = lab_enter)
{
	struct arq_error error = {0};
	struct arq_owner owner;
	char path[PATH_MAX];

	lab_attach_foreign("arq0");
	int lock = arq_pins_lock(&error);
	cr_assert_eq(arq_pins_path(path, if_nametoindex("arq0")), 0);
	cr_assert_eq(mkdir(path, 0700), 0);
	arq_owner_read(&owner, path);
	for (int program = 0; program < ARQ_PROGRAM_COUNT; program++)
		cr_assert_eq(owner.map_ids[program], 0);
	cr_assert_not(arq_owner_in_use(&owner));
	arq_pins_remove(path);
	arq_pins_unlock(lock);
}
