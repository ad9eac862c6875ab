// SPDX-License-Identifier: BSD-2-Clause
#include "userspace/arquant/sampler.h"

#include "dispatcher/kernel.h"
#include "dispatcher/pins.h"
#include "progs/sampler/pcapng.h"
#include "userspace/arquant/loop.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* How often to look whether interfaces changed: a glance at one pin each. */
#define LOOK_NS 1000000000u

#define PATIENCE_NS (ARQ_READER_PATIENCE_MS * 1000000ull)

struct source {
	char name[IF_NAMESIZE];
	uint32_t ifindex;
	int ring; /* of the reader, -1 while there is no sampler */
	uint64_t told; /* losses that the handler knows of, of those since the ring was added */
	char directory[PATH_MAX];
	struct arq_rule_names rules;
};

struct watch {
	const struct arq_watch_options *options;
	const struct arq_watch_handler *handler;
	struct arq_error *error;
	struct arq_sample_reader *reader;
	struct arq_watch_totals totals;
	int stop; /* readable after a signal */
	uint64_t offset_ns; /* from monotonic to wall clock */
	unsigned int sources_count;
	struct source *sources;
};

/* --- interfaces ------------------------------------------------------------------------------- */

static struct source *find_source(const struct watch *watch, uint32_t ifindex)
{
	for (unsigned int i = 0; i < watch->sources_count; i++) {
		if (watch->sources[i].ifindex == ifindex)
			return &watch->sources[i];
	}
	return NULL;
}

/* Joins the readers of the interface. Returns 0, or a negative errno with the reason. */
static int join(struct watch *watch, struct source *source, struct arq_error *error)
{
	source->ifindex = if_nametoindex(source->name);
	if (!source->ifindex)
		return arq_error_set(error, -ENODEV, "there is no interface '%s'; see 'ip link'",
				     source->name);
	int code = arq_pins_path(source->directory, source->ifindex);
	if (code)
		return arq_error_set(error, code, "cannot name the pins of %s: %s", source->name,
				     strerror(-code));
	source->ring = arq_sample_reader_add(watch->reader, source->directory, error);
	if (source->ring < 0) {
		code = source->ring;
		source->ring = -1;
		return arq_error_prefix(error, code, "%s", source->name);
	}
	source->told = 0;
	arq_rule_names_read(source->directory, &source->rules);
	const struct arq_watch_handler *handler = watch->handler;
	return handler->joined ? handler->joined(source->ifindex, source->name, handler->context)
			       : 0;
}

/* What was lost on the interface since the handler was told last. */
static uint64_t lost_since(const struct watch *watch, struct source *source, int ring)
{
	struct arq_sample_reader_counters counters;

	arq_sample_reader_ring_counters(watch->reader, ring, &counters);
	uint64_t lost = counters.lost - source->told;
	source->told = counters.lost;
	return lost;
}

/* Leaves the interface after handing out what waits there. */
static int leave(struct watch *watch, struct source *source)
{
	const struct arq_watch_handler *handler = watch->handler;
	int ring = source->ring;

	if (ring < 0)
		return 0;
	int code = arq_sample_reader_remove(watch->reader, ring);
	uint64_t lost = lost_since(watch, source, ring);
	source->ring = -1;
	if (code == 0 && handler->left)
		code = handler->left(source->ifindex, source->name, lost, handler->context);
	return code;
}

/*
 * A source of that name, new or known; NULL when there are too many. Where interfaces were not
 * named, one that went gives its place away.
 */
static struct source *add_source(struct watch *watch, const char *name)
{
	struct source *free_place = NULL;

	for (unsigned int i = 0; i < watch->sources_count; i++) {
		struct source *source = &watch->sources[i];
		if (strcmp(source->name, name) == 0)
			return source;
		if (source->ring < 0)
			free_place = source;
	}
	if (watch->sources_count < ARQ_READER_RINGS_MAX)
		free_place = &watch->sources[watch->sources_count++];
	else if (!free_place || watch->options->names_count)
		return NULL;
	arq_rule_names_free(&free_place->rules);
	*free_place = (struct source){.ring = -1};
	snprintf(free_place->name, sizeof(free_place->name), "%s", name);
	return free_place;
}

/*
 * Its pins may outlive an interface. One that has a new name is the same interface to who named it
 * by the old one, until another has that.
 */
static bool is_gone(const struct watch *watch, const struct source *source)
{
	char name[IF_NAMESIZE];

	if (arq_sample_reader_is_stale(watch->reader, source->ring) ||
	    !if_indextoname(source->ifindex, name))
		return true;
	if (strcmp(name, source->name) == 0)
		return false;
	return !watch->options->names_count || if_nametoindex(source->name);
}

/* What no sampler is loaded on is passed over: its directory is another program's. */
static int visit_pins(const char *directory, unsigned int ifindex, bool here, void *context)
{
	struct watch *watch = context;
	struct arq_error unused = {0};
	char name[IF_NAMESIZE];

	if (!here || find_source(watch, ifindex) || !if_indextoname(ifindex, name))
		return 0;
	int readers = arq_readers_open(directory, &unused);
	if (readers >= 0)
		close(readers);
	if (readers == -ENOENT)
		return 0;
	return add_source(watch, name) ? 0 : -ENOSPC;
}

static int find_all(struct watch *watch, struct arq_error *error)
{
	int code = arq_pins_walk(visit_pins, watch);

	if (code)
		return arq_error_set(error, code, "cannot look for samplers: %s", strerror(-code));
	if (!watch->sources_count && !watch->options->wait)
		return arq_error_set(error, -ENOENT,
				     "no interface has a sampler; load one by 'arquant load'");
	return 0;
}

static int find_named(struct watch *watch, struct arq_error *error)
{
	for (size_t i = 0; i < watch->options->names_count; i++) {
		const char *name = watch->options->names[i];
		if (strlen(name) >= IF_NAMESIZE)
			return arq_error_set(error, -ENODEV,
					     "there is no interface '%.40s'; see 'ip link'", name);
		if (!add_source(watch, name))
			return arq_error_set(error, -ENOSPC, "more than %d interfaces",
					     ARQ_READER_RINGS_MAX);
	}
	return 0;
}

/* At the start: everything must be there, unless it may come later. */
static int join_all(struct watch *watch)
{
	int code = watch->options->names_count ? find_named(watch, watch->error)
					       : find_all(watch, watch->error);

	for (unsigned int i = 0; !code && i < watch->sources_count; i++) {
		code = join(watch, &watch->sources[i], watch->error);
		if (code && watch->options->wait && (code == -ENODEV || code == -ENOENT)) {
			arq_error_clear(watch->error);
			code = 0;
		}
	}
	return code;
}

/* Once a second: what went, what came, what was loaded anew, other rules. */
static int look_again(struct watch *watch)
{
	struct arq_error unused = {0};

	if (!watch->options->names_count)
		find_all(watch, &unused);
	for (unsigned int i = 0; i < watch->sources_count; i++) {
		struct source *source = &watch->sources[i];
		if (source->ring >= 0 && is_gone(watch, source)) {
			int code = leave(watch, source);
			if (code)
				return code;
		}
		arq_error_clear(&unused);
		if (source->ring < 0)
			join(watch, source, &unused);
		else
			arq_rule_names_read(source->directory, &source->rules);
	}
	return 0;
}

/* --- samples ---------------------------------------------------------------------------------- */

/* Losses are told by interface: those before a sample that the filter held back count, too. */
static int on_sample(const struct arq_sample *sample, uint64_t lost, void *context)
{
	struct watch *watch = context;
	struct source *source = find_source(watch, sample->ifindex);
	struct arq_flow flow;
	char number[IF_NAMESIZE];

	arq_flow_read(sample->head, sample->captured, &flow);
	if (!arq_filter_passes(&watch->options->filter, sample, &flow,
			       source ? &source->rules : NULL))
		return 0;
	if (!source)
		snprintf(number, sizeof(number), "if%u", sample->ifindex);
	const struct arq_watch_sample seen = {
		.sample = sample,
		.flow = &flow,
		.interface = source ? source->name : number,
		.rule_name = source ? arq_rule_name(&source->rules, sample->rule) : "",
		.time_ns = sample->time_ns + watch->offset_ns,
		.lost = source ? lost_since(watch, source, source->ring) : lost,
	};
	watch->totals.passed++;
	return watch->handler->sample(&seen, watch->handler->context);
}

/* --- the loop --------------------------------------------------------------------------------- */

/* Reads what waits, and does what is due. Returns 0 or what ends the loop. */
static int turn(struct watch *watch, uint64_t *look, uint64_t *tick)
{
	const struct arq_watch_handler *handler = watch->handler;

	int code = arq_sample_reader_read(watch->reader);
	/* Also before the end, so that nothing stays in a buffer. */
	int flushed = handler->batch && (code == 0 || code == ARQ_WATCH_ENOUGH)
			      ? handler->batch(handler->context)
			      : 0;
	if (!code)
		code = flushed;
	uint64_t now = arq_loop_now_ns();
	if (!code && *tick && now >= *tick) {
		code = handler->tick(handler->context);
		*tick += watch->options->tick_ns;
		if (*tick <= now)
			*tick = now + watch->options->tick_ns;
	}
	if (!code && now >= *look) {
		code = look_again(watch);
		*look = now + LOOK_NS;
	}
	return code;
}

static int run(struct watch *watch)
{
	const struct arq_watch_options *options = watch->options;
	struct pollfd fds[] = {
		{.fd = watch->stop, .events = POLLIN},
		{.fd = arq_sample_reader_fd(watch->reader), .events = POLLIN},
	};
	uint64_t start = arq_loop_now_ns();
	uint64_t end = options->duration_ns ? start + options->duration_ns : 0;
	uint64_t look = start + LOOK_NS;
	uint64_t tick = watch->handler->tick ? start + options->tick_ns : 0;
	int code = 0;

	while (!code) {
		uint64_t now = arq_loop_now_ns();
		const uint64_t times[] = {end, look, tick, now + PATIENCE_NS};
		if (poll(fds, 2, arq_loop_time_left(now, times, 4)) < 0 && errno != EINTR)
			return arq_error_set(watch->error, -errno, "cannot wait: %s",
					     strerror(errno));
		if ((fds[0].revents & POLLIN) || (end && arq_loop_now_ns() >= end))
			break;
		code = turn(watch, &look, &tick);
	}
	return code;
}

/* Hands out what came in before the end, and counts what was lost up to it. */
static int finish(struct watch *watch, int code)
{
	for (unsigned int i = 0; i < watch->sources_count && !code; i++)
		code = leave(watch, &watch->sources[i]);
	if (!code && watch->handler->batch)
		code = watch->handler->batch(watch->handler->context);
	return code;
}

int arq_watch(const struct arq_watch_options *options, const struct arq_watch_handler *handler,
	      struct arq_watch_totals *totals, struct arq_error *error)
{
	struct arq_sample_reader_counters counters = {0};
	struct watch watch = {.options = options, .handler = handler, .error = error};

	int code = arq_kernel_check_map_privileges(error);
	if (!code) {
		watch.stop = arq_loop_catch_signals(error);
		code = watch.stop < 0 ? watch.stop : 0;
	}
	watch.sources = calloc(ARQ_READER_RINGS_MAX, sizeof(*watch.sources));
	if (!code && !watch.sources)
		code = arq_error_set(error, -ENOMEM, "no memory for the interfaces");
	if (!code)
		code = arq_sample_reader_create(on_sample, &watch, options->ring_bytes,
						&watch.reader, error);
	if (!code)
		code = join_all(&watch);
	watch.offset_ns = arq_wall_clock_offset();
	if (!code)
		code = finish(&watch, run(&watch));
	if (watch.reader)
		arq_sample_reader_counters(watch.reader, &counters);
	arq_sample_reader_destroy(watch.reader);
	for (unsigned int i = 0; i < watch.sources_count; i++)
		arq_rule_names_free(&watch.sources[i].rules);
	free(watch.sources);
	watch.totals.read = counters.samples;
	watch.totals.lost = counters.lost;
	watch.totals.malformed = counters.malformed;
	*totals = watch.totals;
	return code == ARQ_WATCH_ENOUGH ? 0 : code;
}
