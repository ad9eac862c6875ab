// SPDX-License-Identifier: BSD-2-Clause
#include "userspace/arquant/command.h"

#include "dispatcher/messages.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct command {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *summary;
} commands[] = {
	{"load", arq_command_load, "put the configured programs on interfaces"},
	{"unload", arq_command_unload, "take our programs off interfaces"},
	{"status", arq_command_status, "show the slots of interfaces and their counters"},
	{"monitor", arq_command_monitor, "watch every program on interfaces, foreign ones too"},
	{"firewall", arq_command_firewall, "check the firewall's rules, and see what they do"},
	{"doctor", arq_command_doctor, "say what will work here, and what to do where not"},
	{"trace", arq_command_trace, "show what the chain does with a packet, without sending one"},
	{"sampler", arq_command_sampler, "capture sampled packets"},
	{"gateway", arq_command_gateway, "ask arquantd, the QUIC gateway, or have it reload"},
};

#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

static bool verbose;

void arq_command_set_verbose(void)
{
	verbose = true;
}

int arq_command_fail(const char *verb, const struct arq_error *error)
{
	fprintf(stderr, "arquant %s: %s\n", verb, error->text[0] ? error->text : "failed");
	if (verbose)
		arq_messages_print(stderr);
	return ARQ_EXIT_FAILED;
}

int arq_command_usage(const char *verb, const char *format, ...)
{
	char text[256];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	fprintf(stderr, "arquant %s: %s; see 'arquant %s --help'\n", verb, text, verb);
	return ARQ_EXIT_USAGE;
}

int arq_command_check_twice(const char *verb, char *const *names, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		for (size_t j = 0; j < i; j++) {
			if (strcmp(names[i], names[j]) == 0)
				return arq_command_usage(verb, "'%s' is named twice", names[i]);
		}
	}
	return 0;
}

static int finish(const char *verb, const char *before)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return ARQ_EXIT_DONE;

	struct arq_error error = {0};
	arq_error_set(&error, -errno, "%scannot write the output: %s", before, strerror(errno));
	return arq_command_fail(verb, &error);
}

int arq_command_finish(const char *verb)
{
	return finish(verb, "");
}

int arq_command_finish_change(const char *verb)
{
	return finish(verb, "all is done, but ");
}

void arq_command_hold_signals(void)
{
	sigset_t held;

	sigemptyset(&held);
	sigaddset(&held, SIGINT);
	sigaddset(&held, SIGTERM);
	sigaddset(&held, SIGHUP);
	sigprocmask(SIG_BLOCK, &held, NULL);
}

static int print_help(void)
{
	printf("Usage: arquant VERB [IFACE...] [OPTION...]\n"
	       "\n"
	       "Chain XDP programs on network interfaces, next to the programs of others.\n"
	       "\n"
	       "Verbs:\n");
	for (size_t i = 0; i < COMMANDS; i++)
		printf("  %-10s %s\n", commands[i].name, commands[i].summary);
	printf("\n"
	       "'arquant VERB --help' tells more. Exit status: 0 done, 1 failed (one line on\n"
	       "stderr says what, why and what to do), 2 wrong usage. ARQUANT_DEBUG=1 shows what\n"
	       "libbpf, libxdp and the kernel's verifier said when something failed.\n");
	return arq_command_finish("help");
}

static int print_version(void)
{
	printf("arquant " ARQUANT_VERSION "\n");
	return arq_command_finish("version");
}

static int run(int argc, char **argv)
{
	for (size_t i = 0; i < COMMANDS; i++) {
		if (strcmp(argv[0], commands[i].name) == 0)
			return commands[i].run(argc, argv);
	}
	fprintf(stderr, "arquant: '%s' is not a verb; see 'arquant --help'\n", argv[0]);
	return ARQ_EXIT_USAGE;
}

int main(int argc, char **argv)
{
	const char *debug = secure_getenv("ARQUANT_DEBUG");

	verbose = debug && strcmp(debug, "0") != 0 && debug[0];
	/* A reader that goes away is reported as a failed write, with everything cleaned up. */
	signal(SIGPIPE, SIG_IGN);
	arq_messages_capture();

	if (argc < 2) {
		fprintf(stderr, "arquant: a verb is missing; see 'arquant --help'\n");
		return ARQ_EXIT_USAGE;
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
		return print_help();
	if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0)
		return print_version();
	return run(argc - 1, argv + 1);
}
