// SPDX-License-Identifier: BSD-2-Clause
#include "userspace/arquant/progress.h"

#include "userspace/common/clock.h"

#include <stdio.h>
#include <unistd.h>

/* What is done before the first is not worth a line; more often than that nobody reads. */
#define FIRST_NS 200000000u
#define EVERY_NS 100000000u

/* Back to the begin of the line, and no character behind (ECMA-48, EL). */
#define CLEAR "\r\033[K"

void arq_progress_begin(struct arq_progress *progress, const char *what, const char *name)
{
	*progress = (struct arq_progress){
		.what = what,
		.name = name,
		.next_ns = arq_clock_now() + FIRST_NS,
		.terminal = isatty(STDERR_FILENO),
	};
}

void arq_progress_report(void *context, size_t done, size_t all)
{
	struct arq_progress *progress = context;
	uint64_t now = progress->terminal ? arq_clock_now() : 0;

	if (now < progress->next_ns)
		return;
	progress->next_ns = now + EVERY_NS;
	progress->shown = true;
	fprintf(stderr, CLEAR "%s %s: %zu %%", progress->what, progress->name,
		all ? done * 100 / all : 100);
	fflush(stderr);
}

void arq_progress_show(struct arq_progress *progress)
{
	if (!progress->terminal)
		return;
	progress->shown = true;
	fprintf(stderr, CLEAR "%s %s ...", progress->what, progress->name);
	fflush(stderr);
}

void arq_progress_end(struct arq_progress *progress)
{
	if (progress->shown)
		fputs(CLEAR, stderr);
	progress->shown = false;
}
