// SPDX-License-Identifier: BSD-2-Clause
/* The filter of system calls: each case in a process of its own, which it may end. */
#include "userspace/arquantd/sandbox.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#if !defined(__SANITIZE_ADDRESS__)

/* Enters the sandbox in a child and calls `body` there; returns the child's wait status. */
static int in_sandbox(void (*body)(void))
{
	pid_t child = fork();
	if (child == 0) {
		struct arq_error error = {0};
		if (arq_sandbox_enter(&error) != 0)
			_exit(9);
		body();
		_exit(0);
	}
	int status = -1;
	cr_assert(eq(int, waitpid(child, &status, 0), child));
	return status;
}

static void *thread(void *argument)
{
	*(bool *)argument = true;
	return NULL;
}

static void work(void)
{
	bool ran = false;
	pthread_t other;
	void *memory =
		mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int file = open("/dev/null", O_WRONLY | O_CLOEXEC);
	int udp = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (memory == MAP_FAILED || file < 0 || udp < 0 || write(file, "x", 1) != 1)
		_exit(1);
	if (pthread_create(&other, NULL, thread, &ran) != 0 || pthread_join(other, NULL) != 0)
		_exit(2);
	close(udp);
	close(file);
	munmap(memory, 1 << 20);
	_exit(ran ? 0 : 3);
}

Test(arquantd_sandbox, work_goes_on)
{
	int status = in_sandbox(work);
	cr_assert(eq(int, status, 0));
}

static void execute(void)
{
	execl("/bin/true", "true", (char *)NULL);
}

static void map_executable(void)
{
	mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static void make_executable(void)
{
	void *page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	mprotect(page, 4096, PROT_READ | PROT_EXEC);
}

static void load_program(void)
{
	union bpf_attr attributes = {.prog_type = BPF_PROG_TYPE_XDP};
	syscall(SYS_bpf, BPF_PROG_LOAD, &attributes, sizeof(attributes));
}

static void trace(void)
{
	ptrace(PTRACE_TRACEME, 0, NULL, NULL);
}

static void become_root(void)
{
	if (setuid(0) != 0)
		_exit(1);
}

Test(arquantd_sandbox, what_an_intruder_wants_ends_the_process)
{
	static const struct {
		const char *name;
		void (*body)(void);
	} cases[] = {
		{"execve", execute},
		{"executable mapping", map_executable},
		{"memory made executable", make_executable},
		{"loading a BPF program", load_program},
		{"ptrace", trace},
		{"setuid", become_root},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int status = in_sandbox(cases[i].body);
		cr_expect(eq(int, WIFSIGNALED(status) ? WTERMSIG(status) : 0, SIGSYS), "%s",
			  cases[i].name);
	}
}

#else

Test(arquantd_sandbox, sanitizers_get_none)
{
	struct arq_error error = {0};
	cr_assert(eq(int, arq_sandbox_enter(&error), 0));
	cr_assert(eq(int, system("true"), 0));
}

#endif
