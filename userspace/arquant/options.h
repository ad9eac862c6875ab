/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The options of the subcommands: each lists its own in a table, with the place where the value
 * goes; reading them, checking numbers and durations, and --help are here, once. A wrong one is
 * told on stderr in one line, with the way to the help.
 *
 *	struct options options = {0};
 *	const struct arq_option own[] = {
 *		{.name = "config", .letter = 'c', .text = &options.config},
 *		{.name = "count", .letter = 'n', .number = &options.count, .min = 1, .max = 99},
 *		{.name = "json", .letter = 'j', .flag = &options.json},
 *		ARQ_OPTION_VERBOSE,
 *		{0},
 *	};
 *	struct arq_options read = {.verb = "show", .help = help, .own = own};
 *
 *	if (!arq_options_read(&read, argc, argv, &code))
 *		return code;
 */
#ifndef ARQUANT_COMMAND_OPTIONS_H
#define ARQUANT_COMMAND_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Options of a subcommand, the zeros at the end not counted. */
#define ARQ_OPTIONS_MAX 24

/* One of `flag`, `text`, `number`, `duration_ns` and `take` says what kind it is. */
struct arq_option {
	const char *name; /* long, without its dashes */
	char letter; /* 0: none */
	bool *flag; /* takes no value: set */
	const char **text; /* any value, of argv */
	uint64_t *number; /* decimal, from `min` to `max` */
	uint64_t min, max;
	uint64_t *duration_ns; /* above 0, as "500ms" */
	/* With a duration: what holds without a value; 0: the value must be there. One that follows
	 * as a word of its own is taken if it is a duration. */
	uint64_t otherwise_ns;
	/* Anything else. Returns 0, or ARQ_EXIT_USAGE after a message that begins with `verb`. */
	int (*take)(const char *verb, const struct arq_option *option, const char *value);
	bool bare; /* with `take`: no value, NULL is handed over */
	/* For `take` alone. */
	void *to;
	int what;
};

struct arq_options {
	const char *verb; /* for messages, "sampler capture" */
	const char *help; /* the text for --help */
	const struct arq_option *own; /* ended by zeros; --help is none of them */
	/* What is left, in `argv`: names of interfaces, mostly. */
	char *const *names;
	size_t names_count;
};

/*
 * Reads them all. Returns true to go on; else all is said, and *status is the exit status: after
 * --help, or after a mistake.
 */
bool arq_options_read(struct arq_options *options, int argc, char **argv, int *status);

/*
 * Reads decimal digits, no sign and no blank, up to `max`. Returns true, *number, and *end behind
 * them.
 */
bool arq_option_parse_digits(const char *text, uint64_t max, uint64_t *number, const char **end);

/* --verbose, of all that load programs or look at them. */
int arq_option_take_verbose(const char *verb, const struct arq_option *option, const char *value);
#define ARQ_OPTION_VERBOSE                                                                      \
	{                                                                                       \
		.name = "verbose", .letter = 'v', .take = arq_option_take_verbose, .bare = true \
	}

#endif
