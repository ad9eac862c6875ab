// SPDX-License-Identifier: BSD-2-Clause
#include "userspace/arquant/monitor_slots.h"

#include "userspace/arquant/loop.h"
#include "userspace/arquant/monitor_links.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- interfaces ------------------------------------------------------------------------------- */

static struct arq_monitor_interface *find_interface(const struct arq_monitor *monitor,
						    const char *name)
{
	for (size_t i = 0; i < monitor->interfaces_count; i++) {
		if (strcmp(monitor->interfaces[i].name, name) == 0)
			return &monitor->interfaces[i];
	}
	return NULL;
}

/* One of that name, new or known; NULL without memory. */
static struct arq_monitor_interface *add_interface(struct arq_monitor *monitor, const char *name)
{
	struct arq_monitor_interface *interface = find_interface(monitor, name);
	if (interface)
		return interface;

	struct arq_monitor_interface *more = reallocarray(
		monitor->interfaces, monitor->interfaces_count + 1, sizeof(*monitor->interfaces));
	if (!more)
		return NULL;
	monitor->interfaces = more;
	interface = &more[monitor->interfaces_count++];
	memset(interface, 0, sizeof(*interface));
	snprintf(interface->name, sizeof(interface->name), "%s", name);
	return interface;
}

static void on_link(uint32_t ifindex, const char *name, uint32_t program, void *context)
{
	struct arq_monitor *monitor = context;
	struct arq_monitor_interface *interface = find_interface(monitor, name);

	if (!interface && monitor->all && program)
		interface = add_interface(monitor, name);
	if (!interface)
		return;
	interface->seen = true;
	if (interface->ifindex == ifindex && interface->attached == program)
		return;
	interface->ifindex = ifindex;
	interface->attached = program;
	interface->stale = true;
}

static void look_round(struct arq_monitor *monitor)
{
	for (size_t i = 0; i < monitor->interfaces_count; i++)
		monitor->interfaces[i].seen = false;
	/* When it fails, the next one will tell. */
	if (arq_xdp_links_scan(monitor->links, on_link, monitor))
		return;
	for (size_t i = 0; i < monitor->interfaces_count; i++) {
		struct arq_monitor_interface *interface = &monitor->interfaces[i];
		if (!interface->seen && interface->ifindex) {
			interface->ifindex = interface->attached = 0;
			interface->stale = true;
		}
	}
}

static bool same_slots(const struct arq_chain *a, const struct arq_chain *b)
{
	if (a->kind != b->kind || a->id != b->id || a->slots_count != b->slots_count)
		return false;
	for (unsigned int i = 0; i < a->slots_count; i++) {
		if (a->slots[i].id != b->slots[i].id)
			return false;
	}
	return true;
}

/* Returns 0 or a negative errno with the reason; then the chain is what it was. */
static int read_chain(struct arq_monitor_interface *interface, struct arq_error *error)
{
	struct arq_chain chain = {.kind = ARQ_CHAIN_NONE};

	int code = interface->ifindex ? arq_chain_read(interface->name, &chain, error) : 0;
	if (code == -ENODEV) {
		/* It went meanwhile, and the word of it is under way. */
		arq_error_clear(error);
		code = 0;
	}
	if (code)
		return code;
	interface->stale = false;
	if (!same_slots(&interface->chain, &chain))
		interface->changes++;
	interface->chain = chain;
	return 0;
}

/* --- programs --------------------------------------------------------------------------------- */

static struct arq_monitor_program *find_program(const struct arq_monitor *monitor, uint32_t id)
{
	for (size_t i = 0; i < monitor->programs_count; i++) {
		if (monitor->programs[i].id == id)
			return &monitor->programs[i];
	}
	return NULL;
}

const struct arq_monitor_program *arq_monitor_find(const struct arq_monitor *monitor, uint32_t id)
{
	return find_program(monitor, id);
}

static struct arq_monitor_program *
add_program(struct arq_monitor *monitor, const struct arq_chain_slot *slot, const char *interface)
{
	struct arq_monitor_program *more = reallocarray(
		monitor->programs, monitor->programs_count + 1, sizeof(*monitor->programs));
	if (!more)
		return NULL;
	monitor->programs = more;
	struct arq_monitor_program *program = &more[monitor->programs_count++];
	memset(program, 0, sizeof(*program));
	program->id = slot->id;
	program->foreign = slot->program < 0;
	snprintf(program->name, sizeof(program->name), "%s", slot->name);
	snprintf(program->interface, sizeof(program->interface), "%s", interface);
	return program;
}

/* Sees to it that each program of the chain is watched. */
static void watch_chain(struct arq_monitor *monitor, const struct arq_monitor_interface *interface)
{
	for (unsigned int i = 0; i < interface->chain.slots_count; i++) {
		const struct arq_chain_slot *slot = &interface->chain.slots[i];
		struct arq_monitor_program *program = find_program(monitor, slot->id);
		if (!program)
			program = add_program(monitor, slot, interface->name);
		if (!program)
			return;
		program->in_chain = true;
		/* What the kernel refused once, it refuses again. */
		if (!program->watch && !program->error.text[0])
			arq_slot_watch_open(slot->id, monitor->one_in, &program->watch,
					    &program->error);
	}
}

/* A program that left is read for the last time, and let go. */
static void let_go(struct arq_monitor_program *program)
{
	if (!program->watch)
		return;
	arq_slot_watch_read(program->watch, &program->last);
	arq_slot_watch_close(program->watch);
	program->watch = NULL;
}

static void watch_all(struct arq_monitor *monitor)
{
	for (size_t i = 0; i < monitor->programs_count; i++)
		monitor->programs[i].in_chain = false;
	for (size_t i = 0; i < monitor->interfaces_count; i++)
		watch_chain(monitor, &monitor->interfaces[i]);
	for (size_t i = 0; i < monitor->programs_count; i++) {
		if (!monitor->programs[i].in_chain)
			let_go(&monitor->programs[i]);
	}
}

bool arq_monitor_follow(struct arq_monitor *monitor, bool look)
{
	struct arq_error unused = {0};
	bool stale = false;

	if (arq_xdp_links_read(monitor->links, on_link, monitor))
		look = true;
	if (look)
		look_round(monitor);
	for (size_t i = 0; i < monitor->interfaces_count; i++) {
		struct arq_monitor_interface *interface = &monitor->interfaces[i];
		arq_error_clear(&unused);
		if (interface->stale)
			stale |= read_chain(interface, &unused) != 0;
	}
	watch_all(monitor);
	return stale;
}

void arq_monitor_forget(struct arq_monitor *monitor)
{
	size_t kept = 0;

	for (size_t i = 0; i < monitor->programs_count; i++) {
		if (monitor->programs[i].in_chain)
			monitor->programs[kept++] = monitor->programs[i];
	}
	monitor->programs_count = kept;

	kept = 0;
	for (size_t i = 0; i < monitor->interfaces_count; i++) {
		const struct arq_monitor_interface *interface = &monitor->interfaces[i];
		if (interface->named || interface->ifindex)
			monitor->interfaces[kept++] = *interface;
	}
	monitor->interfaces_count = kept;
}

/* --- counts ----------------------------------------------------------------------------------- */

void arq_monitor_read(struct arq_monitor *monitor)
{
	uint64_t now = arq_loop_now_ns();

	for (size_t i = 0; i < monitor->programs_count; i++) {
		struct arq_monitor_program *program = &monitor->programs[i];
		program->before = program->counts;
		if (program->watch)
			arq_slot_watch_read(program->watch, &program->counts);
		else
			program->counts = program->last;
	}
	monitor->seconds = (double)(now - monitor->read_ns) / 1e9;
	monitor->read_ns = now;
}

uint64_t arq_monitor_packets(const struct arq_slot_counts *counts)
{
	uint64_t packets = 0;

	for (uint32_t action = 0; action < ARQ_ACTIONS; action++)
		packets += counts->actions[action];
	return packets;
}

double arq_monitor_time(const struct arq_monitor *monitor,
			const struct arq_monitor_program *program)
{
	uint64_t timed = program->counts.timed - program->before.timed;
	uint64_t sum = program->counts.timed_ns - program->before.timed_ns;

	if (!timed)
		return -1;
	double mean = (double)sum / (double)timed - monitor->overhead_ns;
	return mean > 0 ? mean : 0;
}

/* --- begin and end ---------------------------------------------------------------------------- */

static int add_named(struct arq_monitor *monitor, char *const *names, size_t count,
		     struct arq_error *error)
{
	for (size_t i = 0; i < count; i++) {
		if (!if_nametoindex(names[i]))
			return arq_error_set(error, -ENODEV,
					     "there is no interface '%.40s' in this network "
					     "namespace; 'ip link' lists them",
					     names[i]);
		struct arq_monitor_interface *interface = add_interface(monitor, names[i]);
		if (!interface)
			return arq_error_set(error, -ENOMEM, "out of memory");
		interface->named = true;
	}
	return 0;
}

/* At the start what cannot be read is an error. */
static int read_all(struct arq_monitor *monitor, struct arq_error *error)
{
	int code = arq_xdp_links_scan(monitor->links, on_link, monitor);
	if (code)
		return arq_error_set(error, code, "cannot list the interfaces: %s",
				     strerror(-code));
	if (!monitor->interfaces_count)
		return arq_error_set(error, -ENOENT,
				     "no interface runs an XDP program; name one to wait for it");
	for (size_t i = 0; code == 0 && i < monitor->interfaces_count; i++) {
		code = read_chain(&monitor->interfaces[i], error);
		monitor->interfaces[i].changes = 0;
	}
	return code;
}

int arq_monitor_open(struct arq_monitor *monitor, char *const *names, size_t count, uint32_t one_in,
		     struct arq_error *error)
{
	*monitor = (struct arq_monitor){.one_in = one_in, .all = count == 0};

	int code = add_named(monitor, names, count, error);
	if (code == 0)
		code = arq_slot_watch_probe(&monitor->overhead_ns, error);
	if (code == 0)
		code = arq_xdp_links_open(&monitor->links, error);
	if (code == 0)
		code = read_all(monitor, error);
	if (code)
		return code;
	watch_all(monitor);
	monitor->read_ns = arq_loop_now_ns();
	return 0;
}

void arq_monitor_close(struct arq_monitor *monitor)
{
	for (size_t i = 0; i < monitor->programs_count; i++)
		arq_slot_watch_close(monitor->programs[i].watch);
	arq_xdp_links_close(monitor->links);
	free(monitor->programs);
	free(monitor->interfaces);
	*monitor = (struct arq_monitor){0};
}

int arq_monitor_fd(const struct arq_monitor *monitor)
{
	return arq_xdp_links_fd(monitor->links);
}
