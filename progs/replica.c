// SPDX-License-Identifier: BSD-2-Clause
#include "progs/replica.h"

#include "progs/skeletons.h"

#include <arquant/trace.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The kernel's own limit on the maps of a program (MAX_USED_MAPS). */
#define MAPS_MAX 64

/* The section of the constant that makes the difference, and that of what it makes the copy say. */
#define SECTION_TRACING ".rodata.trace"
#define SECTION_TRACE   ".bss.trace"

struct part {
	struct arq_counters_view *view; /* NULL: not a part of the program */
	struct arq_counters before;
};

struct arq_replica {
	enum arq_program_id id;
	struct arq_skeleton skeleton;
	unsigned char tag[BPF_TAG_SIZE]; /* of the live program: a hash of its instructions */
	uint32_t map_ids[MAPS_MAX];
	uint32_t map_count;
	struct part parts[ARQ_PROGRAM_COUNT];
	int trace; /* map of struct arq_trace; the object's */
};

/* --- opening ---------------------------------------------------------------------------------- */

static int read_live(struct arq_replica *replica, int live)
{
	struct bpf_prog_info info = {.nr_map_ids = MAPS_MAX,
				     .map_ids = (uintptr_t)replica->map_ids};
	uint32_t size = sizeof(info);

	int status = bpf_prog_get_info_by_fd(live, &info, &size);
	if (status)
		return status;
	memcpy(replica->tag, info.tag, sizeof(replica->tag));
	replica->map_count = info.nr_map_ids < MAPS_MAX ? info.nr_map_ids : MAPS_MAX;
	return 0;
}

/* Does the live map have the name of a map of the object? The kernel keeps 15 characters of it. */
static bool has_name(uint32_t id, const char *name, struct bpf_map_info *info)
{
	uint32_t size = sizeof(*info);

	int descriptor = bpf_map_get_fd_by_id(id);
	if (descriptor < 0)
		return false;
	memset(info, 0, sizeof(*info));
	bool found = bpf_map_get_info_by_fd(descriptor, info, &size) == 0 &&
		     strncmp(info->name, name, sizeof(info->name) - 1) == 0;
	close(descriptor);
	return found;
}

static uint32_t find_live(const struct arq_replica *replica, const struct bpf_map *map,
			  struct bpf_map_info *info)
{
	for (uint32_t i = 0; i < replica->map_count; i++) {
		if (has_name(replica->map_ids[i], bpf_map__name(map), info))
			return replica->map_ids[i];
	}
	return 0;
}

/* Constants are no map to share but a content to load: the verifier decides by them. */
static int copy_constants(struct bpf_map *map, const struct bpf_map_info *info)
{
	const uint32_t zero = 0;
	size_t size = 0;

	bpf_map__initial_value(map, &size);
	if (size != info->value_size)
		return -EINVAL;
	int live = bpf_map_get_fd_by_id(info->id);
	void *value = malloc(size);
	int status = live < 0 ? live : value ? bpf_map_lookup_elem(live, &zero, value) : -ENOMEM;
	if (status == 0)
		status = bpf_map__set_initial_value(map, value, size);
	free(value);
	if (live >= 0)
		close(live);
	return status;
}

static int set_tracing(struct bpf_map *map)
{
	size_t size = 0;

	/* A bool alone in its section. */
	if (!bpf_map__initial_value(map, &size) || size != sizeof(bool))
		return -EINVAL;
	return bpf_map__set_initial_value(map, &(bool){true}, size);
}

static bool begins(const char *text, const char *with)
{
	return strncmp(text, with, strlen(with)) == 0;
}

static int take_map(struct arq_replica *replica, struct bpf_map *map, struct arq_copies *copies,
		    struct arq_error *error)
{
	const char *name = bpf_map__name(map);
	struct bpf_map_info info;

	if (strcmp(name, SECTION_TRACING) == 0)
		return set_tracing(map);
	/* A map that the live program does not use, the copy does not use either. */
	uint32_t id = find_live(replica, map, &info);
	if (!id || strcmp(name, SECTION_TRACE) == 0)
		return 0;
	const char *dot = strchr(name, '.');
	if (dot && begins(dot, ".rodata"))
		return copy_constants(map, &info);
	int copy = arq_copies_get(copies, id, map, error);
	return copy < 0 ? copy : bpf_map__reuse_fd(map, copy);
}

static int open_object(struct arq_replica *replica, struct arq_copies *copies,
		       struct arq_error *error)
{
	const struct arq_program_options options = {0};
	struct bpf_map *map;

	int status = arq_skeleton_open(replica->id, &options, &replica->skeleton);
	if (status)
		return status;
	bpf_object__for_each_map(map, replica->skeleton.object)
	{
		status = take_map(replica, map, copies, error);
		if (status)
			return status;
	}
	return 0;
}

int arq_replica_open(enum arq_program_id id, int live, struct arq_copies *copies,
		     struct arq_replica **replica, struct arq_error *error)
{
	*replica = calloc(1, sizeof(**replica));
	if (!*replica)
		return arq_error_set(error, -ENOMEM, "out of memory");
	(*replica)->id = id;
	int status = read_live(*replica, live);
	if (status == 0)
		status = open_object(*replica, copies, error);
	if (status == 0)
		return 0;
	arq_replica_close(*replica);
	*replica = NULL;
	/* The first text stays. */
	return arq_error_set(error, status, "cannot copy the program '%s': %s",
			     arq_program_function(id), strerror(-status));
}

struct bpf_object *arq_replica_object(const struct arq_replica *replica)
{
	return replica->skeleton.object;
}

struct bpf_program *arq_replica_program(const struct arq_replica *replica)
{
	return bpf_object__next_program(replica->skeleton.object, NULL);
}

/* --- running ---------------------------------------------------------------------------------- */

static int check_tag(const struct arq_replica *replica, struct arq_error *error)
{
	struct bpf_prog_info info = {0};
	uint32_t size = sizeof(info);

	int status = bpf_prog_get_info_by_fd(bpf_program__fd(arq_replica_program(replica)), &info,
					     &size);
	if (status)
		return arq_error_set(error, status, "cannot read about the copy of '%s': %s",
				     arq_program_function(replica->id), strerror(-status));
	if (memcmp(info.tag, replica->tag, sizeof(info.tag)) == 0)
		return 0;
	return arq_error_set(error, -ESTALE,
			     "the '%s' that runs there is of another build of arquant than this "
			     "command; use that one, or replace it by 'arquant load'",
			     arq_program_function(replica->id));
}

/* Name of the section with a part's counters. */
static void name_counters(const struct arq_replica *replica, uint32_t part, char name[32])
{
	snprintf(name, 32, ".bss.%s", part == replica->id ? "counters" : arq_program_name(part));
}

static int start_part(struct arq_replica *replica, uint32_t part, struct arq_error *error)
{
	char name[32];

	name_counters(replica, part, name);
	int map = bpf_object__find_map_fd_by_name(replica->skeleton.object, name);
	if (map < 0)
		return 0;
	int status = arq_counters_open_map(map, (enum arq_program_id)part,
					   &replica->parts[part].view, error);
	if (status == 0)
		arq_counters_read(replica->parts[part].view, &replica->parts[part].before);
	return status;
}

int arq_replica_start(struct arq_replica *replica, struct arq_error *error)
{
	int status = check_tag(replica, error);
	if (status)
		return status;
	replica->trace = bpf_object__find_map_fd_by_name(replica->skeleton.object, SECTION_TRACE);
	for (uint32_t part = 0; status == 0 && part < ARQ_PROGRAM_COUNT; part++)
		status = start_part(replica, part, error);
	return status;
}

/* The rule that the firewall named; the next packet begins without. */
static uint32_t take_rule(const struct arq_replica *replica)
{
	const struct arq_trace none = {0};
	const uint32_t zero = 0;
	struct arq_trace trace = {0};

	if (replica->trace < 0 || bpf_map_lookup_elem(replica->trace, &zero, &trace))
		return 0;
	bpf_map_update_elem(replica->trace, &zero, &none, BPF_ANY);
	return trace.rule;
}

void arq_replica_take(struct arq_replica *replica, enum arq_program_id id,
		      struct arq_replica_verdict *verdict)
{
	struct part *part = &replica->parts[id];
	struct arq_counters now;

	memset(verdict, 0, sizeof(*verdict));
	if (!part->view)
		return;
	arq_counters_read(part->view, &now);
	for (uint32_t action = 0; action < ARQ_ACTIONS; action++) {
		if (now.actions[action] == part->before.actions[action])
			continue;
		verdict->ran = true;
		verdict->action = action;
	}
	for (uint32_t reason = 1; reason < ARQ_REASON_MAX; reason++) {
		if (now.reasons[reason] != part->before.reasons[reason])
			verdict->reason = reason;
	}
	part->before = now;
	if (verdict->ran && id == ARQ_PROGRAM_FIREWALL)
		verdict->rule = take_rule(replica);
}

void arq_replica_close(struct arq_replica *replica)
{
	if (!replica)
		return;
	for (uint32_t part = 0; part < ARQ_PROGRAM_COUNT; part++)
		arq_counters_close(replica->parts[part].view);
	if (replica->skeleton.destroy)
		replica->skeleton.destroy(replica->skeleton.self);
	free(replica);
}
