// SPDX-License-Identifier: BSD-2-Clause
#include "tests/bench/generator.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/*
 * Packets of one test run. Setting up and taking down a run costs some 20 ms (RCU), which is to
 * vanish; a signal ends it before its time.
 */
#define RUN_PACKETS (1 << 24)

/* Throws of the ball: a millisecond, and as many before to warm up. */
#define THROWS 5000

static void fail(const struct generator *generator, const char *what, int code)
{
	fprintf(stderr, "%s: %s: %s\n", generator->name, what, strerror(code));
	exit(1);
}

void generator_bind_cpu(const char *bench, int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET((size_t)cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set) < 0) {
		fprintf(stderr, "%s: two CPUs are needed: %s\n", bench, strerror(errno));
		exit(1);
	}
}

static void echo(struct generator *generator)
{
	while (atomic_load_explicit(&generator->state, memory_order_relaxed) == ECHO) {
		uint32_t ball = atomic_load_explicit(&generator->ball, memory_order_acquire);
		if (ball & 1)
			atomic_store_explicit(&generator->ball, ball + 1, memory_order_release);
	}
}

static void *generate(void *argument)
{
	struct generator *generator = argument;
	struct xdp_md context = {.data_end = generator->length,
				 .ingress_ifindex = generator->ifindex};
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = generator->frame,
		    .data_size_in = generator->length, .ctx_in = &context,
		    .ctx_size_in = sizeof(context), .repeat = RUN_PACKETS, .batch_size = 64,
		    .flags = BPF_F_TEST_XDP_LIVE_FRAMES);

	generator_bind_cpu(generator->name, 0);
	for (;;) {
		enum generator_state state = atomic_load(&generator->state);
		atomic_store(&generator->halted, state != GENERATE);
		if (state == FINISH)
			return NULL;
		if (state == PAUSE) {
			usleep(100);
			continue;
		}
		if (state == ECHO) {
			echo(generator);
			continue;
		}
		int code = bpf_prog_test_run_opts(generator->program, &options);
		if (code < 0 && code != -EINTR) {
			atomic_store(&generator->error, -code);
			return NULL;
		}
	}
}

void generator_check(const struct generator *generator)
{
	int code = atomic_load(&generator->error);

	if (code)
		fail(generator, "BPF_PROG_TEST_RUN with live frames (kernel 5.18 or newer)", code);
}

/* Interrupts the run under way; again, in case the signal came just before it began. */
static void halt(struct generator *generator, enum generator_state wanted)
{
	atomic_store(&generator->state, wanted);
	while (!atomic_load(&generator->halted)) {
		generator_check(generator);
		pthread_kill(generator->thread, SIGUSR1);
		usleep(1000);
	}
}

static void interrupt(int signal)
{
	(void)signal;
}

void generator_init(struct generator *generator, const char *bench, const char *interface)
{
	static const struct bpf_insn transmit[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = XDP_TX},
		{.code = BPF_JMP | BPF_EXIT},
	};
	const struct sigaction action = {.sa_handler = interrupt}; /* without SA_RESTART */

	memset(generator, 0, sizeof(*generator));
	generator->name = bench;
	generator->ifindex = if_nametoindex(interface);
	generator->program = bpf_prog_load(BPF_PROG_TYPE_XDP, "transmit", "GPL", transmit, 2, NULL);
	if (generator->program < 0)
		fail(generator, "cannot load the generator (run as root)", -generator->program);
	sigaction(SIGUSR1, &action, NULL);
}

void generator_start(struct generator *generator)
{
	atomic_store(&generator->state, PAUSE);
	int code = pthread_create(&generator->thread, NULL, generate, generator);
	if (code)
		fail(generator, "thread", code);
}

void generator_resume(struct generator *generator)
{
	atomic_store(&generator->halted, false);
	atomic_store(&generator->state, GENERATE);
}

void generator_pause(struct generator *generator)
{
	halt(generator, PAUSE);
}

/* Returns the nanoseconds that it took. */
static uint64_t throw_ball(struct generator *generator)
{
	struct timespec start, end;

	clock_gettime(CLOCK_MONOTONIC, &start);
	for (int i = 0; i < THROWS; i++) {
		uint32_t ball = atomic_load_explicit(&generator->ball, memory_order_relaxed);
		atomic_store_explicit(&generator->ball, ball + 1, memory_order_release);
		while (atomic_load_explicit(&generator->ball, memory_order_acquire) != ball + 2)
			;
	}
	clock_gettime(CLOCK_MONOTONIC, &end);
	return (uint64_t)(end.tv_sec - start.tv_sec) * 1000000000 + (uint64_t)end.tv_nsec -
	       (uint64_t)start.tv_nsec;
}

double generator_line_ns(struct generator *generator)
{
	generator_pause(generator);
	atomic_store(&generator->ball, 0);
	atomic_store(&generator->state, ECHO);
	throw_ball(generator);
	uint64_t ns = throw_ball(generator);
	generator_pause(generator);
	return (double)ns / (2.0 * THROWS);
}

void generator_finish(struct generator *generator)
{
	halt(generator, FINISH);
	pthread_join(generator->thread, NULL);
}
