// SPDX-License-Identifier: BSD-2-Clause
#include "userspace/common/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
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

void arq_log(enum arq_log_level level, const char *format, ...)
{
	if (level > arq_log_level())
		return;

	char line[1024];
	int prefix = 0;
	if (!isatty(STDERR_FILENO))
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
