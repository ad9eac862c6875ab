// SPDX-License-Identifier: BSD-2-Clause
#include "userspace/common/error.h"

#include <stdio.h>
#include <string.h>

static void flatten(char *text)
{
	for (; *text; text++) {
		if ((unsigned char)*text < ' ')
			*text = ' ';
	}
}

int arq_error_set(struct arq_error *error, int code, const char *format, ...)
{
	if (error->text[0])
		return code;

	va_list arguments;
	va_start(arguments, format);
	vsnprintf(error->text, sizeof(error->text), format, arguments);
	va_end(arguments);
	flatten(error->text);
	return code;
}

int arq_error_prefix(struct arq_error *error, int code, const char *format, ...)
{
	char before[sizeof(error->text)];
	strcpy(before, error->text);

	va_list arguments;
	va_start(arguments, format);
	int length = vsnprintf(error->text, sizeof(error->text), format, arguments);
	va_end(arguments);
	if (length >= 0 && (size_t)length < sizeof(error->text))
		snprintf(error->text + length, sizeof(error->text) - (size_t)length, ": %.*s",
			 (int)(sizeof(error->text) - (size_t)length), before);
	flatten(error->text);
	return code;
}

void arq_error_clear(struct arq_error *error)
{
	error->text[0] = '\0';
}
