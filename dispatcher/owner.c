// SPDX-License-Identifier: BSD-2-Clause
#include "dispatcher/owner.h"

#include "dispatcher/pins.h"
#include "progs/program.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <unistd.h>

/* The kernel's own limit on the maps of a program (MAX_USED_MAPS). */
#define MAPS_MAX 64

void arq_owner_read(struct arq_owner *owner, const char *directory)
{
	for (uint32_t program = 0; program < ARQ_PROGRAM_COUNT; program++) {
		const char *name = arq_program_name(program);
		owner->map_ids[program] = arq_pins_map_id(directory, name, "counters");
		owner->successor_map_ids[program] =
			arq_pins_map_id(directory, name, "counters" ARQ_PIN_PENDING);
	}
}

static int find(const struct arq_owner *owner, const uint32_t *map_ids, uint32_t count)
{
	for (int program = 0; program < ARQ_PROGRAM_COUNT; program++) {
		for (uint32_t i = 0; i < count; i++) {
			/* No map has the id 0. */
			if (map_ids[i] == owner->map_ids[program] ||
			    map_ids[i] == owner->successor_map_ids[program])
				return program;
		}
	}
	return -1;
}

int arq_owner_find(const struct arq_owner *owner, int descriptor, struct bpf_prog_info *info,
		   int *program)
{
	uint32_t map_ids[MAPS_MAX];
	struct bpf_prog_info own = {.nr_map_ids = MAPS_MAX, .map_ids = (uintptr_t)map_ids};
	__u32 length = sizeof(own);

	if (bpf_obj_get_info_by_fd(descriptor, &own, &length))
		return -errno;
	*program = find(owner, map_ids, own.nr_map_ids < MAPS_MAX ? own.nr_map_ids : MAPS_MAX);
	if (info) {
		*info = own;
		info->map_ids = 0;
	}
	return 0;
}

bool arq_owner_in_use(const struct arq_owner *owner)
{
	uint32_t id = 0;

	while (bpf_prog_get_next_id(id, &id) == 0) {
		int program = -1;
		int descriptor = bpf_prog_get_fd_by_id(id);
		if (descriptor < 0 && errno == ENOENT)
			continue; /* it has just gone */
		int code =
			descriptor < 0 ? -errno : arq_owner_find(owner, descriptor, NULL, &program);
		if (descriptor >= 0)
			close(descriptor);
		if (code || program >= 0)
			return true;
	}
	return errno != ENOENT;
}
