// SPDX-License-Identifier: BSD-2-Clause
#include "userspace/arquantd/exposition.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A daemon with a few pools fits at once. */
#define CAPACITY_MIN 65536

#define SECOND 1000000000u

/* Digits of a number of ns as seconds, with point and zero. */
#define SECONDS_MAX 32

static bool reserve(struct arq_exposition *out, size_t more)
{
	if (out->failed || out->capacity - out->length >= more)
		return !out->failed;
	size_t capacity = out->capacity ? 2 * out->capacity : CAPACITY_MIN;
	while (capacity - out->length < more)
		capacity *= 2;
	char *text = realloc(out->text, capacity);
	if (!text) {
		out->failed = true;
		return false;
	}
	out->text = text;
	out->capacity = capacity;
	return true;
}

static void put(struct arq_exposition *out, const char *text)
{
	size_t length = strlen(text);
	if (!reserve(out, length))
		return;
	memcpy(out->text + out->length, text, length);
	out->length += length;
}

/* Help keeps its quotes, label values do not. */
static void put_escaped(struct arq_exposition *out, const char *text, bool quoted)
{
	if (!reserve(out, 2 * strlen(text)))
		return;
	for (; *text; text++) {
		bool special = *text == '\\' || *text == '\n' || (quoted && *text == '"');
		if (special)
			out->text[out->length++] = '\\';
		out->text[out->length++] = *text == '\n' ? 'n' : *text;
	}
}

void arq_exposition_begin(struct arq_exposition *out, const char *name, const char *type,
			  const char *help)
{
	put(out, "# HELP ");
	put(out, name);
	put(out, " ");
	put_escaped(out, help, false);
	put(out, "\n# TYPE ");
	put(out, name);
	put(out, " ");
	put(out, type);
	put(out, "\n");
}

static void sample(struct arq_exposition *out, const char *name, const char *suffix,
		   const struct arq_label *labels, size_t count, const char *value)
{
	put(out, name);
	put(out, suffix);
	for (size_t i = 0; i < count && labels[i].name; i++) {
		put(out, i == 0 ? "{" : ",");
		put(out, labels[i].name);
		put(out, "=\"");
		put_escaped(out, labels[i].value, true);
		put(out, "\"");
	}
	put(out, count > 0 && labels[0].name ? "} " : " ");
	put(out, value);
	put(out, "\n");
}

static void integer(struct arq_exposition *out, const char *name, const char *suffix,
		    const struct arq_label *labels, size_t count, uint64_t value)
{
	char text[SECONDS_MAX];
	snprintf(text, sizeof(text), "%" PRIu64, value);
	sample(out, name, suffix, labels, count, text);
}

/* "0.0025": without zeroes that say nothing. */
static const char *format_seconds(uint64_t ns, char text[SECONDS_MAX])
{
	int length =
		snprintf(text, SECONDS_MAX, "%" PRIu64 ".%09" PRIu64, ns / SECOND, ns % SECOND);
	while (text[length - 1] == '0')
		text[--length] = '\0';
	if (text[length - 1] == '.')
		text[--length] = '\0';
	return text;
}

void arq_exposition_integer(struct arq_exposition *out, const char *name,
			    const struct arq_label *labels, size_t count, uint64_t value)
{
	integer(out, name, "", labels, count, value);
}

void arq_exposition_seconds(struct arq_exposition *out, const char *name,
			    const struct arq_label *labels, size_t count, uint64_t ns)
{
	char text[SECONDS_MAX];
	sample(out, name, "", labels, count, format_seconds(ns, text));
}

void arq_exposition_histogram(struct arq_exposition *out, const char *name,
			      const struct arq_label *labels, size_t count,
			      const struct arq_histogram *histogram)
{
	struct arq_label all[ARQ_EXPOSITION_LABELS + 1];
	char text[SECONDS_MAX];
	uint64_t below = 0;
	for (size_t i = 0; i < count; i++)
		all[i] = labels[i];
	for (size_t i = 0; i <= ARQ_HISTOGRAM_BOUNDS; i++) {
		const char *bound = "+Inf";
		if (i < ARQ_HISTOGRAM_BOUNDS)
			bound = format_seconds(arq_histogram_bounds[i], text);
		below += histogram->counts[i];
		all[count] = (struct arq_label){"le", bound};
		integer(out, name, "_bucket", all, count + 1, below);
	}
	sample(out, name, "_sum", labels, count, format_seconds(histogram->sum, text));
	integer(out, name, "_count", labels, count, below);
}
