/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How far long work is: a line on stderr that is written over, where stderr is a terminal, and gone
 * when the work ends. Nothing where it is none, and nothing for what is done in a moment.
 */
#ifndef ARQUANT_COMMAND_PROGRESS_H
#define ARQUANT_COMMAND_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arq_progress {
	const char *what, *name; /* "reading", "blocklist" */
	uint64_t next_ns; /* CLOCK_MONOTONIC, of the next change of the line */
	bool terminal;
	bool shown;
};

/* Both texts must live until the end. */
void arq_progress_begin(struct arq_progress *progress, const char *what, const char *name);

/* So much of all is done; may be called as often as one likes. `progress` is a struct arq_progress:
 * what struct arq_set_progress (userspace/common/set_file.h) asks for. */
void arq_progress_report(void *progress, size_t done, size_t all);

/* Work whose end nobody knows: shows the line at once. */
void arq_progress_show(struct arq_progress *progress);

/* Takes the line away. */
void arq_progress_end(struct arq_progress *progress);

#endif
