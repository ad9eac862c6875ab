/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What libbpf and libxdp say while they work. Both print warnings to stderr by default, many lines
 * for one failure; a command of ours prints one line that says what to do. So their messages are
 * kept in memory instead, the last few kilobytes of them: that is where a verifier log ends, with
 * the instruction and the reason. Process-wide, since both libraries' hooks are; one thread.
 */
#ifndef ARQUANT_DISPATCHER_MESSAGES_H
#define ARQUANT_DISPATCHER_MESSAGES_H

#include <stdio.h>

/* From now on keeps the messages of both libraries instead of printing them. */
void arq_messages_capture(void);

/* Forgets what was kept: before a step whose messages matter. */
void arq_messages_clear(void);

/*
 * The rest of the last line that contains `mark`, what follows it, or "" when there is none. Valid
 * until the next call.
 */
const char *arq_messages_find(const char *mark);

/* Prints the last lines that were kept, each indented by two blanks. */
void arq_messages_print(FILE *stream);

#endif
