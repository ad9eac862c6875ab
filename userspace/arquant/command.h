/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The frame of the `arquant` command: one file a subcommand, each with one entry point here, listed
 * in main.c's table.
 *
 * A subcommand gets its own argc and argv (argv[0] is its name), reads its options with
 * options.h, and returns an exit status: 0 done, 1 failed, 2 wrong usage. Output for people and
 * programs goes to stdout; a failure is exactly one line on stderr, printed by one of the functions
 * below. libbpf's and libxdp's own messages are kept back (dispatcher/messages.h) and shown after
 * that line only when the user asked with --verbose or ARQUANT_DEBUG=1.
 */
#ifndef ARQUANT_COMMAND_H
#define ARQUANT_COMMAND_H

#include "userspace/common/error.h"

#include <stddef.h>
#include <stdint.h>

enum arq_exit {
	ARQ_EXIT_DONE = 0,
	ARQ_EXIT_FAILED = 1,
	ARQ_EXIT_USAGE = 2,
};

int arq_command_load(int argc, char **argv);
int arq_command_unload(int argc, char **argv);
int arq_command_status(int argc, char **argv);
int arq_command_firewall(int argc, char **argv);
int arq_command_monitor(int argc, char **argv);
int arq_command_doctor(int argc, char **argv);
int arq_command_trace(int argc, char **argv);
int arq_command_sampler(int argc, char **argv);
int arq_command_gateway(int argc, char **argv);

/* A command that has commands of its own, as `arquant firewall apply`. */
struct arq_subcommand {
	const char *name; /* NULL: the end of the table */
	int (*run)(int argc, char **argv); /* argv[0] is "firewall apply" */
	const char *summary;
};

struct arq_command_group {
	const char *verb; /* "firewall" */
	const char *head; /* of its help: usage, and what it is about */
	const struct arq_subcommand *subcommands;
};

/* Runs the subcommand that argv[1] names, or prints the help. Returns an exit status. */
int arq_command_run_group(const struct arq_command_group *group, int argc, char **argv);

/* Prints "arquant VERB: text" on stderr; returns ARQ_EXIT_FAILED. */
int arq_command_fail(const char *verb, const struct arq_error *error);

/*
 * Prints "arquant VERB: text; see 'arquant VERB --help'" on stderr; returns ARQ_EXIT_USAGE.
 */
int arq_command_usage(const char *verb, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/*
 * Names of interfaces on the command line: none may be there twice. Returns 0, or ARQ_EXIT_USAGE
 * with the line printed.
 */
int arq_command_check_twice(const char *verb, char *const *names, size_t count);

/*
 * Flushes stdout: a full disk or a closed pipe is a failure too. Every subcommand that printed
 * something ends with this. Returns ARQ_EXIT_DONE or, with its line on stderr, ARQ_EXIT_FAILED.
 */
int arq_command_finish(const char *verb);

/* The same for one that changed something, so that nobody takes the change for failed. */
int arq_command_finish_change(const char *verb);

/*
 * From now on SIGINT, SIGTERM and SIGHUP do not end the process in the middle of a change: the
 * dispatcher looks for them between its steps, takes back what it did, and says so.
 */
void arq_command_hold_signals(void);

/* After --verbose: a failure shows the last messages of libbpf and libxdp below its line. */
void arq_command_set_verbose(void);

#endif
