/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Control of sampling on a loaded interface: rate and snap length, live, and the ring of samples
 * that a reader consumes. `pin_directory` as in progs/program.h. Needs CAP_BPF or root.
 */
#ifndef ARQUANT_PROGS_SAMPLER_CONTROL_H
#define ARQUANT_PROGS_SAMPLER_CONTROL_H

#include "userspace/common/error.h"

#include <stdint.h>

/*
 * From the next packet on, all programs of the interface that sample take 1 packet in `one_in`
 * (0: none) and `snaplen` bytes of it (1 to ARQ_SNAPLEN_MAX; 0: leave it as it is).
 * Returns 0, or a negative errno with the reason in `error`.
 */
int arq_sampler_set(const char *pin_directory, uint32_t one_in, uint32_t snaplen,
		    struct arq_error *error);

/* Rate and snap length in force. Returns 0, or a negative errno with the reason in `error`. */
int arq_sampler_get(const char *pin_directory, uint32_t *one_in, uint32_t *snaplen,
		    struct arq_error *error);

/*
 * Opens the interface's ring buffer of struct arq_sample (arquant/sample.h), pinned as
 * "<pin_directory>/samples". It has one consumer at a time. Returns a file descriptor that the
 * caller closes, or a negative errno with the reason in `error`.
 */
int arq_samples_open(const char *pin_directory, struct arq_error *error);

#endif
