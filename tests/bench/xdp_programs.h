/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Programs that benches measure: ours, and those of xdp-filter where it is installed. All are
 * closed together. What goes wrong is said on stderr, and returned as a negative errno.
 */
#ifndef ARQUANT_TESTS_BENCH_XDP_PROGRAMS_H
#define ARQUANT_TESTS_BENCH_XDP_PROGRAMS_H

#include "progs/program.h"

#include <stdint.h>

/* Opens and loads a program of ours; its object, NULL after a message. */
struct bpf_object *bench_load_ours(enum arq_program_id id,
				   const struct arq_program_options *options);

/* Loads an object of ours that is made for a bench; NULL after a message. */
struct bpf_object *bench_load_object(const char *path);

/* The program of an object by its function's name. */
int bench_program(const struct bpf_object *object, const char *function);

/*
 * Loads one of xdp-filter's objects ("xdpfilt_alw_ip"), with so many source addresses to drop, all
 * in 127.0.0.0/8. Returns the program's descriptor, or -ENOENT when it is not installed.
 */
int bench_load_filter(const char *name, uint32_t addresses);

/* Closes all that was loaded. */
void bench_programs_close(void);

#endif
