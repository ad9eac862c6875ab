/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A source of packets for benches: a thread on CPU 0 that sends one frame out of an interface,
 * again and again, as fast as the kernel can, by BPF_PROG_TEST_RUN with live frames. At the other
 * end of a veth pair they arrive as from a wire. Needs root and Linux 5.18.
 *
 * What goes wrong ends the process with a message: a bench without packets has nothing to say.
 */
#ifndef ARQUANT_TESTS_BENCH_GENERATOR_H
#define ARQUANT_TESTS_BENCH_GENERATOR_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define GENERATOR_FRAME_MAX 2048

enum generator_state {
	GENERATE,
	PAUSE,
	ECHO, /* throws the ball back */
	FINISH,
};

struct generator {
	pthread_t thread;
	const char *name; /* of the bench, for messages */
	int program;
	uint32_t ifindex;
	uint8_t frame[GENERATOR_FRAME_MAX];
	uint32_t length;
	_Atomic enum generator_state state;
	_Atomic bool halted; /* it has seen that it is to pause, or to finish */
	_Atomic int error;
	_Alignas(128) _Atomic uint32_t ball; /* odd: for the generator, even: for the other CPU */
};

/* For the interface of that name; the frame is filled in before the start. */
void generator_init(struct generator *generator, const char *bench, const char *interface);

/* Starts the thread, pausing. The process must not use SIGUSR1 otherwise. */
void generator_start(struct generator *generator);

void generator_resume(struct generator *generator);

/* Returns when the last packet was sent. */
void generator_pause(struct generator *generator);

/*
 * How long a cache line takes from the caller's CPU to the generator's or back, in nanoseconds:
 * some tens within one last-level cache, much more between two. Pauses the generator.
 */
double generator_line_ns(struct generator *generator);

/* Ends the thread. It can be started again. */
void generator_finish(struct generator *generator);

/* Ends the process if the generator failed. */
void generator_check(const struct generator *generator);

/* Binds the calling thread to a CPU. */
void generator_bind_cpu(const char *bench, int cpu);

#endif
