/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which maps of the programs are pinned, where, and what becomes of them when a program is
 * replaced. Inside the control half; program.h is its face.
 */
#ifndef ARQUANT_PROGS_PINS_H
#define ARQUANT_PROGS_PINS_H

#include "progs/program.h"

#include <arquant/tunables.h>
#include <limits.h>

enum arq_map_life {
	ARQ_MAP_MACHINE, /* one for the machine, in the directory of packet_pin */
	ARQ_MAP_INTERFACE, /* one for the interface, in its directory */
	ARQ_MAP_KEPT, /* the program's; its successor takes it over */
	ARQ_MAP_RENEWED, /* the program's; its successor replaces it at commit */
};

struct arq_map_role {
	const char *map; /* name in the object */
	const char *pin; /* name in the directory */
	enum arq_map_life life;
};

#define ARQ_MAP_ROLES_MAX 26
extern const struct arq_map_role arq_map_roles[ARQ_MAP_ROLES_MAX];

/* Room for a path, with the final zero. */
typedef char arq_pin_path[PATH_MAX];

/*
 * Writes the path of a role's map. `pin_directory` or `packet_pin` may be NULL: then maps that
 * would be there have none. Returns 0, -ENOENT when there is none, or -ENAMETOOLONG.
 */
int arq_pin_locate(arq_pin_path path, const struct arq_map_role *role, enum arq_program_id id,
		   const char *pin_directory, const char *packet_pin);

/* The name of what is to replace the pin at `path`. Returns 0 or -ENAMETOOLONG. */
int arq_pin_pending(arq_pin_path pending, const char *path);

/* The directory of `path`; at the root, or without a slash, "." or "/". */
void arq_pin_parent(arq_pin_path parent, const char *path);

/* Maps the live variables of a loaded program; unmap by arq_tunables_unmap(). Returns 0 and
 * *tunables, or a negative errno with `error` set. */
int arq_tunables_map(enum arq_program_id id, const char *pin_directory,
		     struct arq_tunables **tunables, struct arq_error *error);
void arq_tunables_unmap(struct arq_tunables *tunables);

#endif
