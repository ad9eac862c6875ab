/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Programs of the suite loaded for test runs: no interface, no packets but those given. The process
 * is bound to one CPU, so that per-CPU state is that of one element.
 */
#ifndef ARQUANT_TESTS_UNIT_TEST_PROGS_FIXTURE_H
#define ARQUANT_TESTS_UNIT_TEST_PROGS_FIXTURE_H

#include "progs/program.h"
#include "tests/unit/test_progs_frames.h"

#include <arquant/sample.h>

struct fixture {
	struct arq_program *program;
	int descriptor; /* of the loaded BPF program */
	struct arq_counters_view *counters;
	struct arq_packet *packet; /* metadata of this CPU, NULL for the sampler */
	struct arq_tunables *tunables;
	int ring; /* that samples go to, -1 for none */
};

/* Skips the test without root. Binds it to one CPU. Makes a mount namespace with a BPF file system
 * at the returned path, which ends in no slash. */
const char *fixture_begin(void);

/* Opens and loads; fails the test if that fails. Both pins may be NULL. */
void fixture_load(struct fixture *fixture, enum arq_program_id id,
		  const struct arq_program_options *options, const char *pin_directory,
		  const char *packet_pin);
void fixture_unload(struct fixture *fixture);

/* Runs the program on a frame of any bytes, `repeat` times. Returns the action. */
uint32_t fixture_run(const struct fixture *fixture, const void *bytes, size_t length,
		     uint32_t repeat);

/* The same with a context: `linear` bytes in the linear part. Returns a negative errno if the
 * kernel has no such test run. */
int fixture_run_split(const struct fixture *fixture, const void *bytes, size_t length,
		      uint32_t linear);

struct arq_counters fixture_counters(const struct fixture *fixture);

/* Descriptor of a map of the program, which owns it. */
int fixture_map(const struct fixture *fixture, const char *name);

/* Makes the ring anew, empty and of this size. */
void fixture_read_samples(struct fixture *fixture, uint32_t ring_bytes);

/* Reads what is in the ring of samples. Returns how many, of which up to `capacity` are stored. */
struct stored_sample {
	struct arq_sample sample;
	uint8_t head[ARQ_SNAPLEN_MAX];
};
size_t fixture_samples(const struct fixture *fixture, struct stored_sample *samples,
		       size_t capacity);

#endif
