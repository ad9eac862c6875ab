// SPDX-License-Identifier: BSD-2-Clause
#include "dispatcher/messages.h"

#include <bpf/libbpf.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <xdp/libxdp.h>

/* A verifier log's last instructions with their register states take one to three kilobytes. */
#define KEPT_MAX 8192
/* So many lines are shown: the failing instruction, the few before it, and libbpf's summary. */
#define LINES_SHOWN 24

static char kept[KEPT_MAX];
static size_t kept_length;
static char line[512]; /* what arq_messages_find() returned */

/* Appends; what does not fit pushes the oldest bytes out. */
static void keep(const char *text, size_t length)
{
	if (length >= KEPT_MAX) {
		text += length - (KEPT_MAX - 1);
		length = KEPT_MAX - 1;
	}
	size_t room = KEPT_MAX - 1 - kept_length;
	if (length > room) {
		size_t drop = length - room;
		memmove(kept, kept + drop, kept_length - drop);
		kept_length -= drop;
	}
	memcpy(kept + kept_length, text, length);
	kept_length += length;
	kept[kept_length] = '\0';
}

static int keep_message(const char *format, va_list arguments)
{
	/* A whole verifier log comes as one message; only its end is of use. */
	char *text = NULL;
	int length = vasprintf(&text, format, arguments);
	if (length < 0)
		return 0;
	keep(text, (size_t)length);
	free(text);
	return length;
}

static int on_libbpf(enum libbpf_print_level level, const char *format, va_list arguments)
{
	return level == LIBBPF_DEBUG ? 0 : keep_message(format, arguments);
}

static int on_libxdp(enum libxdp_print_level level, const char *format, va_list arguments)
{
	return level == LIBXDP_DEBUG ? 0 : keep_message(format, arguments);
}

void arq_messages_capture(void)
{
	libbpf_set_print(on_libbpf);
	libxdp_set_print(on_libxdp);
}

void arq_messages_clear(void)
{
	kept_length = 0;
	kept[0] = '\0';
}

/* The beginning of the line that ends before `end`. */
static size_t line_start(size_t end)
{
	while (end > 0 && kept[end - 1] != '\n')
		end--;
	return end;
}

const char *arq_messages_find(const char *mark)
{
	const char *found = NULL;
	for (const char *next = kept; (next = strstr(next, mark)); next++)
		found = next + strlen(mark);

	int length = found ? (int)strcspn(found, "\n") : 0;
	snprintf(line, sizeof(line), "%.*s", length, found ? found : "");
	return line;
}

void arq_messages_print(FILE *stream)
{
	size_t start = kept_length;
	for (int lines = 0; start > 0 && lines < LINES_SHOWN; lines++)
		start = line_start(start - 1);

	while (start < kept_length) {
		const char *end = memchr(kept + start, '\n', kept_length - start);
		size_t length = end ? (size_t)(end - kept) - start : kept_length - start;
		if (length > 0)
			fprintf(stream, "  %.*s\n", (int)length, kept + start);
		start += length + 1;
	}
}
