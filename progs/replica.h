/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A private copy of a program of ours that is loaded, for test runs: same code, same constants, and
 * maps of its own that begin with what the live ones hold (copies.h). Whatever it decides, it
 * decides as the live one would at that moment, limits and blocks included, and whatever it counts
 * or remembers stays in the copy.
 *
 *   arq_replica_open()    object opened, with copies of the live program's maps, not loaded
 *   (load)                bpf_object__load(), after the caller set type and target
 *   arq_replica_start()   checks that it is the live program's code
 *   (run)                 a test run of it, or of a dispatcher that it is attached to
 *   arq_replica_take()    what it did since the last time
 *
 * Needs root. One thread. A program that another build of arquant loaded is refused: its copy would
 * be another program.
 */
#ifndef ARQUANT_PROGS_REPLICA_H
#define ARQUANT_PROGS_REPLICA_H

#include "progs/copies.h"
#include "progs/program.h"

struct arq_replica;

/* What one program, or one part of the bundle, said about one packet. */
struct arq_replica_verdict {
	bool ran;
	uint32_t action; /* enum xdp_action, or ARQ_ACTION_INVALID */
	uint32_t reason; /* enum arq_reason */
	uint32_t rule; /* of the firewall that decided, 0 for none */
};

/*
 * Opens a copy of `live`, the descriptor of a loaded program that is our `id`. Copies of maps are
 * taken from `copies` and added to it. Returns 0 and *replica, or a negative errno with the reason
 * in `error`.
 */
int arq_replica_open(enum arq_program_id id, int live, struct arq_copies *copies,
		     struct arq_replica **replica, struct arq_error *error);

/* The opened object and its one program, owned by the replica. */
struct bpf_object *arq_replica_object(const struct arq_replica *replica);
struct bpf_program *arq_replica_program(const struct arq_replica *replica);

/* It is loaded now. Returns 0, or a negative errno with the reason in `error`. */
int arq_replica_start(struct arq_replica *replica, struct arq_error *error);

/*
 * Reads what `part` did since the last call for it, or since the start: at most one packet. `part`
 * is the program itself or, of the bundle, one of its parts; others did nothing.
 */
void arq_replica_take(struct arq_replica *replica, enum arq_program_id part,
		      struct arq_replica_verdict *verdict);

/* Frees it; NULL is fine. Nothing of it stays in the kernel. */
void arq_replica_close(struct arq_replica *replica);

#endif
