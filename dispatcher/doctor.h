/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the suite needs of a machine and of an interface, and what is there. Looks and tries, and
 * changes nothing (arq_doctor_clean() aside): probes of the kernel load tiny programs and take them
 * away again. Runs without privileges, too, and says then what it could not see. One thread.
 */
#ifndef ARQUANT_DISPATCHER_DOCTOR_H
#define ARQUANT_DISPATCHER_DOCTOR_H

#include "userspace/common/error.h"

#include <stddef.h>

enum arq_finding_state {
	ARQ_FINDING_OK,
	ARQ_FINDING_WARNING, /* works, but less well, or could not be seen */
	ARQ_FINDING_FAILED, /* what needs it does not work */
};

struct arq_finding {
	const char *check; /* one or two words, stable */
	const char *needed;
	enum arq_finding_state state;
	char found[192];
	char advice[320]; /* what to do, "" for nothing */
};

/* More than there are checks. */
#define ARQ_FINDINGS_MAX 24

struct arq_diagnosis {
	unsigned int count;
	struct arq_finding findings[ARQ_FINDINGS_MAX];
};

/* "ok", "warning", "failed". */
const char *arq_finding_state_name(enum arq_finding_state state);

/* Everything that does not depend on an interface; `diagnosis` is empty before. */
void arq_doctor_machine(struct arq_diagnosis *diagnosis);

/*
 * What is to be known of an interface. Returns 0, or a negative errno with the reason in `error`,
 * -ENODEV when there is none of that name.
 */
int arq_doctor_interface(const char *interface, struct arq_diagnosis *diagnosis,
			 struct arq_error *error);

/*
 * Removes our pins that nothing uses, of this and of other namespaces: what a killed process, an
 * interface that is gone, or another tool left. Pins of others stay. Root. Returns 0 and in
 * *removed how many interfaces they were of, or a negative errno with the reason in `error`.
 */
int arq_doctor_clean(size_t *removed, struct arq_error *error);

/* --- within this room ------------------------------------------------------------------------- */

/* Begins a finding, which is fine until said otherwise. */
struct arq_finding *arq_finding_add(struct arq_diagnosis *diagnosis, const char *check,
				    const char *needed);

void arq_finding_say(struct arq_finding *finding, enum arq_finding_state state, const char *format,
		     ...) __attribute__((format(printf, 3, 4)));
void arq_finding_advise(struct arq_finding *finding, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

#endif
