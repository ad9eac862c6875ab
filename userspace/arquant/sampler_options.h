/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The options of the subcommands of `arquant sampler`: each says which are its own, and takes them
 * one by one; what several have, and --help, is read here. Values are checked as they are read; a
 * wrong one is told on stderr, with the way to the help.
 */
#ifndef ARQUANT_COMMAND_SAMPLER_OPTIONS_H
#define ARQUANT_COMMAND_SAMPLER_OPTIONS_H

#include "progs/sampler/filter.h"

#include <getopt.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Own options of a subcommand, the zero at the end not counted. */
#define ARQ_SAMPLER_OPTIONS_MAX 8

struct arq_sampler_options {
	const char *verb; /* for messages, "sampler capture" */
	const char *help; /* the text for --help */
	const char *letters; /* of its own short options, as getopt(3) has them */
	const struct option *own; /* its own long ones, ended by zeros */
	/* Takes one of its own. Returns 0, or ARQ_EXIT_USAGE after a message. */
	int (*take)(int option, const char *value, void *context);
	void *context;
	/* Where those go that several have; NULL: this one has it not. */
	bool *json;
	struct arq_filter *filter;
	uint64_t *duration_ns;
	/* What is left: names of interfaces, in `argv`. */
	char *const *names;
	size_t names_count;
};

/*
 * Reads them all. Returns true to go on; else all is said, and *status is the exit status: after
 * --help, or after a mistake.
 */
bool arq_sampler_options_read(struct arq_sampler_options *options, int argc, char **argv,
			      int *status);

/* Of the help texts. */
#define ARQ_SAMPLER_HELP_FILTER                                                                    \
	"  -f, --filter TERM     only samples that match; several terms must all match. TERM is\n" \
	"                        KEY=VALUE[,VALUE...] of slot, verdict, reason, rule, service,\n"  \
	"                        from, to, flow (prefixes), proto: -f verdict=drop -f proto=udp\n"
#define ARQ_SAMPLER_HELP_END                                               \
	"  -v, --verbose         after a failure, show what libbpf said\n" \
	"  -h, --help            print this\n"

#endif
