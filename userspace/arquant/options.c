// SPDX-License-Identifier: BSD-2-Clause
#include "userspace/arquant/options.h"

#include "userspace/arquant/command.h"
#include "userspace/common/config.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What getopt_long(3) returns for the option of that index, beyond all letters. */
#define FIRST_INDEX 256

struct known {
	struct option all[ARQ_OPTIONS_MAX + 2];
	char letters[1 + 3 * (ARQ_OPTIONS_MAX + 1) + 1];
	size_t length; /* of the letters */
	int help;
};

static int has_value(const struct arq_option *option)
{
	if (option->flag || option->bare)
		return no_argument;
	return option->otherwise_ns ? optional_argument : required_argument;
}

static void add_known(struct known *known, int index, const char *name, char letter, int value)
{
	static const char *const colons[] = {
		[no_argument] = "", [required_argument] = ":", [optional_argument] = "::"};

	known->all[index] = (struct option){name, value, NULL, FIRST_INDEX + index};
	if (letter)
		known->length += (size_t)snprintf(known->letters + known->length,
						  sizeof(known->letters) - known->length, "%c%s",
						  letter, colons[value]);
}

/* What getopt_long is to know. */
static void list_options(const struct arq_options *options, struct known *known)
{
	/* The colon has a missing value told from an option that is not known. */
	known->letters[known->length++] = ':';
	for (; options->own[known->help].name; known->help++) {
		const struct arq_option *option = &options->own[known->help];
		add_known(known, known->help, option->name, option->letter, has_value(option));
	}
	add_known(known, known->help, "help", 'h', no_argument);
}

/* What getopt_long refused: it returned '?' or ':', and left `optopt`. */
static int refuse(const char *verb, char **argv, int found)
{
	/* A long option that is refused leaves optopt 0 (unknown) or its value (argument). */
	const char *text = argv[optind - 1];
	char letter[] = {'-', (char)optopt, '\0'};

	if (optopt > 0 && optopt < FIRST_INDEX && strncmp(text, "--", 2) != 0)
		text = letter;
	if (found == ':')
		return arq_command_usage(verb, "option '%s' needs a value", text);
	return arq_command_usage(verb, "option '%s' is not known or takes no value", text);
}

bool arq_option_parse_digits(const char *text, uint64_t max, uint64_t *number, const char **end)
{
	size_t digits = strspn(text, "0123456789");

	errno = 0;
	*number = strtoull(text, NULL, 10);
	*end = text + digits;
	return digits > 0 && errno == 0 && *number <= max;
}

static int take_number(const char *verb, const struct arq_option *option, const char *value)
{
	const char *end;

	if (!arq_option_parse_digits(value, option->max, option->number, &end) || *end ||
	    *option->number < option->min)
		return arq_command_usage(verb, "'%.40s' for --%s is no number from %llu to %llu",
					 value, option->name, (unsigned long long)option->min,
					 (unsigned long long)option->max);
	return 0;
}

static int take_duration(const char *verb, const struct arq_option *option, const char *value)
{
	if (!value) {
		*option->duration_ns = option->otherwise_ns;
		return 0;
	}
	if (arq_duration_parse(value, option->duration_ns) || *option->duration_ns == 0)
		return arq_command_usage(verb,
					 "'%.40s' for --%s is no duration, as 500ms, 10s or 2m",
					 value, option->name);
	return 0;
}

static int take(const char *verb, const struct arq_option *option, const char *value)
{
	if (option->flag)
		*option->flag = true;
	else if (option->text)
		*option->text = value;
	else if (option->number)
		return take_number(verb, option, value);
	else if (option->duration_ns)
		return take_duration(verb, option, value);
	else
		return option->take(verb, option, value);
	return 0;
}

/* Of an option whose value may be missing: a word that follows, if it is one. */
static const char *next_value(const struct arq_option *option, char **argv)
{
	uint64_t unused;

	if (option->otherwise_ns && !optarg && argv[optind] &&
	    arq_duration_parse(argv[optind], &unused) == 0)
		return argv[optind++];
	return optarg;
}

static const struct arq_option *find(const struct arq_options *options, int found)
{
	if (found >= FIRST_INDEX)
		return &options->own[found - FIRST_INDEX];

	const struct arq_option *option = options->own;
	while (option->name && option->letter != found)
		option++;
	return option;
}

bool arq_options_read(struct arq_options *options, int argc, char **argv, int *status)
{
	struct known known = {0};
	bool help = false;
	int found;

	list_options(options, &known);
	opterr = 0;
	*status = 0;
	while (!*status &&
	       (found = getopt_long(argc, argv, known.letters, known.all, NULL)) != -1) {
		if (found == '?' || found == ':') {
			*status = refuse(options->verb, argv, found);
		} else if (found == 'h' || found == FIRST_INDEX + known.help) {
			help = true;
		} else {
			const struct arq_option *option = find(options, found);
			*status = take(options->verb, option, next_value(option, argv));
		}
	}
	if (*status)
		return false;
	if (help) {
		fputs(options->help, stdout);
		*status = arq_command_finish(options->verb);
		return false;
	}
	options->names = argv + optind;
	options->names_count = (size_t)(argc - optind);
	return true;
}

int arq_option_take_verbose(const char *verb, const struct arq_option *option, const char *value)
{
	(void)verb;
	(void)option;
	(void)value;
	arq_command_set_verbose();
	return 0;
}
