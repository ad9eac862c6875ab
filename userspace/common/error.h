/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One error, as text for the person who reads it: what, where, why, what to do, on one line.
 *
 * A function that can fail for reasons a person must act on takes a `struct arq_error *` beside its
 * negative errno, and fills it where the cause is known; the edge (main of a command, the daemon's
 * log) prints it once. Functions whose errno says everything take none.
 */
#ifndef ARQUANT_COMMON_ERROR_H
#define ARQUANT_COMMON_ERROR_H

#include <stdarg.h>

struct arq_error {
	char text[512]; /* empty: no error */
};

/*
 * Sets the text, printf-like; line breaks become spaces. The first text stays: a caller that adds
 * context later uses arq_error_prefix. Returns `code` unchanged, so that failing is one statement:
 * return arq_error_set(error, -ENOENT, "...").
 */
int arq_error_set(struct arq_error *error, int code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Puts "text: " before what is there. Returns `code` unchanged. */
int arq_error_prefix(struct arq_error *error, int code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Forgets the error, so that the structure can be used again. */
void arq_error_clear(struct arq_error *error);

#endif
