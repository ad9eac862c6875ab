/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the subcommands of `arquant sampler` share: one entry point each, and the loop that reads
 * samples of the interfaces asked for until it is told to end.
 *
 * The loop follows the interfaces: programs that are loaded anew, interfaces that go and come
 * again, and, when none was named, those that get a sampler later. It looks for such changes once a
 * second.
 */
#ifndef ARQUANT_COMMAND_SAMPLER_H
#define ARQUANT_COMMAND_SAMPLER_H

#include "progs/sampler/filter.h"
#include "progs/sampler/flow.h"
#include "progs/sampler/reader.h"
#include "userspace/arquant/options.h"
#include "userspace/common/error.h"

#include <arquant/sample.h>
#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* `argv[0]` is the name for messages, "sampler capture". Return an exit status. */
int arq_sampler_capture(int argc, char **argv);
int arq_sampler_export(int argc, char **argv);
int arq_sampler_top(int argc, char **argv);
int arq_sampler_tune(int argc, char **argv);

/* --filter, of those that show samples: `to` is a struct arq_filter. */
int arq_sampler_take_filter(const char *verb, const struct arq_option *option, const char *value);
#define ARQ_SAMPLER_OPTION_FILTER(filter)                                                        \
	{                                                                                        \
		.name = "filter", .letter = 'f', .take = arq_sampler_take_filter, .to = (filter) \
	}

/* Of their help texts. */
#define ARQ_SAMPLER_HELP_FILTER                                                                    \
	"  -f, --filter TERM     only samples that match; several terms must all match. TERM is\n" \
	"                        KEY=VALUE[,VALUE...] of slot, verdict, reason, rule, service,\n"  \
	"                        from, to, flow (prefixes), proto: -f verdict=drop -f proto=udp\n"
#define ARQ_SAMPLER_HELP_END                                               \
	"  -v, --verbose         after a failure, show what libbpf said\n" \
	"  -h, --help            print this\n"

/* What a handler returns to end the loop in good order: no errno that a ring or a file gives. */
#define ARQ_WATCH_ENOUGH (-ECANCELED)

/* A sample with all that is known about it; valid during the call. */
struct arq_watch_sample {
	const struct arq_sample *sample;
	const struct arq_flow *flow;
	const char *interface; /* name */
	const char *rule_name; /* "" for none */
	uint64_t time_ns; /* wall clock */
	uint64_t lost; /* on the interface, since the sample that was handed out before it */
};

/* All return 0, ARQ_WATCH_ENOUGH, or a negative errno, which ends the loop and is returned. */
struct arq_watch_handler {
	int (*sample)(const struct arq_watch_sample *seen, void *context); /* passed the filter */
	int (*batch)(void *context); /* nothing more waits at the moment; NULL for none */
	int (*tick)(void *context); /* every tick_ns; NULL for none */
	/* An interface is read from now on; NULL for none. */
	int (*joined)(uint32_t ifindex, const char *interface, void *context);
	/* An interface is left, and so many samples were lost after the last that was handed out;
	 * NULL for none. */
	int (*left)(uint32_t ifindex, const char *interface, uint64_t lost, void *context);
	void *context;
};

struct arq_watch_options {
	char *const *names; /* of interfaces */
	size_t names_count; /* 0: all that have a sampler */
	bool wait; /* interfaces without a sampler are no error: they may get one */
	struct arq_filter filter;
	uint32_t ring_bytes; /* 0: the reader's default */
	uint64_t duration_ns; /* 0: until a signal or the handler ends it */
	uint64_t tick_ns;
};

struct arq_watch_totals {
	uint64_t passed; /* samples that the handler got */
	uint64_t read; /* those and the ones that the filter held back */
	uint64_t lost; /* found the ring full */
	uint64_t malformed;
};

/*
 * Reads until the end: a signal (SIGINT, SIGTERM, SIGHUP; a second one kills), the duration, or the
 * handler. Returns 0 and *totals, what a handler returned (without text in `error`), or a negative
 * errno with the reason in `error`.
 */
int arq_watch(const struct arq_watch_options *options, const struct arq_watch_handler *handler,
	      struct arq_watch_totals *totals, struct arq_error *error);

#endif
