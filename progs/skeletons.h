/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The four generated skeletons behind one face. Inside the control half; program.h is its face.
 */
#ifndef ARQUANT_PROGS_SKELETONS_H
#define ARQUANT_PROGS_SKELETONS_H

#include "progs/program.h"

#include <bpf/libbpf.h>

struct arq_skeleton {
	void *self;
	struct bpf_object *object;
	void (*destroy)(void *self);
};

/*
 * Opens the object of program `id` and sets its constants and live variables as the options say.
 * Returns 0, or a negative errno.
 */
int arq_skeleton_open(enum arq_program_id id, const struct arq_program_options *options,
		      struct arq_skeleton *skeleton);

/* Is `part` in the program (its only one, or one of the bundle's that the options want)? */
bool arq_skeleton_has(enum arq_program_id id, const struct arq_program_options *options,
		      enum arq_program_id part);

/* Does the program take samples of the packets that it handles? */
bool arq_skeleton_samples(enum arq_program_id id, const struct arq_program_options *options);

#endif
