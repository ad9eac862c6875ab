// SPDX-License-Identifier: BSD-2-Clause
#include "userspace/common/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static _Atomic int current_level = ARQ_LOG_INFO;

void arq_log_set_level(enum arq_log_level level)
{
	atomic_store_explicit(&current_level, (int)level, memory_order_relaxed);
}

enum arq_log_level arq_log_level(void)
{
	return (enum arq_log_level)atomic_load_explicit(&current_level, memory_order_relaxed);
}

/* systemd names the stream that it gave us: there a level goes before the line (sd-daemon(3)). */
static bool to_journal(void)
{
	const char *name = getenv("JOURNAL_STREAM");
	unsigned long long device, inode;
	struct stat stream;

	return name && sscanf(name, "%llu:%llu", &device, &inode) == 2 &&
	       fstat(STDERR_FILENO, &stream) == 0 && stream.st_dev == device &&
	       stream.st_ino == inode;
}

void arq_log(enum arq_log_level level, const char *format, ...)
{
	if (level > arq_log_level())
		return;

	char line[1024];
	int prefix = 0;
	if (to_journal())
		prefix = snprintf(line, sizeof(line), "<%d>", (int)level);

	va_list arguments;
	va_start(arguments, format);
	int length = vsnprintf(line + prefix, sizeof(line) - (size_t)prefix - 1, format, arguments);
	va_end(arguments);
	if (length < 0)
		return;

	size_t end = (size_t)prefix + (size_t)length;
	if (end > sizeof(line) - 2)
		end = sizeof(line) - 2; /* cut, as vsnprintf did */
	line[end++] = '\n';
	/* A log that cannot be written has nowhere to complain. */
	ssize_t ignored = write(STDERR_FILENO, line, end);
	(void)ignored;
}
