/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which of our programs on an interface are the current ones (within this room).
 *
 * While programs are replaced, old and new ones run together for a moment, and a process may be
 * killed in it. The record tells the two apart: a map of one element, pinned in the interface's
 * directory, that holds the kernel's id of each current program. One call of the kernel changes it,
 * so it is either the old one or the new one. Whoever comes next takes off what is not in it
 * (settle.h).
 *
 * A directory without a record was left by a process that had attached nothing yet, or by an older
 * version: there, all programs of ours are current.
 */
#ifndef ARQUANT_DISPATCHER_RECORD_H
#define ARQUANT_DISPATCHER_RECORD_H

#include <arquant/program.h>

#include <stdbool.h>
#include <stdint.h>

/* More than there are programs, so that a newer version finds its way in an older one's record. */
#define ARQ_RECORD_PROGRAMS 15

_Static_assert((int)ARQ_PROGRAM_COUNT <= ARQ_RECORD_PROGRAMS, "the record has room for all");

struct arq_record {
	uint32_t ids[ARQ_RECORD_PROGRAMS]; /* by enum arq_program_id; 0: there is none */
	uint32_t renew; /* not 0: pins of the current programs are still beside their places */
};

/* Returns 0, -ENOENT when there is none, or another negative errno. */
int arq_record_read(const char *directory, struct arq_record *record);

/* Writes it, and creates it first if there is none. Returns 0 or a negative errno. */
int arq_record_write(const char *directory, const struct arq_record *record);

/* Is the program with this id a current one? */
bool arq_record_has(const struct arq_record *record, uint32_t id);

#endif
