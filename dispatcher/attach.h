/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Putting programs on an interface and taking them off (within this room): one step each, through
 * libxdp's dispatcher or directly. A step either happens or leaves the interface as it was.
 * Programs are told by the kernel's ids, so that nothing foreign can be meant by mistake. Root; the
 * lock of pins.h is held by the caller.
 */
#ifndef ARQUANT_DISPATCHER_ATTACH_H
#define ARQUANT_DISPATCHER_ATTACH_H

#include "dispatcher/chain.h"
#include "progs/program.h"
#include "userspace/common/error.h"

#include <stddef.h>
#include <stdint.h>

struct arq_attach {
	struct arq_chain *before; /* how the interface looks now */
	enum arq_chain_mode mode; /* the one asked for */
	unsigned int count;
	struct arq_program *const *programs; /* opened */
	const struct arq_chain_place *places; /* of each */
	/*
	 * Called when it failed and the chain is another than `before`: somebody changed it at the
	 * same time. Reads *before again, and returns 0 to try once more, or a negative errno with
	 * the reason why what is there now cannot be added to.
	 */
	int (*look_again)(void *context, struct arq_error *error);
	void *context;
};

/*
 * Loads programs into the chain of an interface. Writes their ids to `ids`. Returns 0 or a negative
 * errno with the reason in `error`. When libxdp attached a single program directly instead (it does
 * so silently), that is taken back and -EOPNOTSUPP.
 */
int arq_attach_slots(const struct arq_attach *attach, uint32_t *ids, struct arq_error *error);

/*
 * Loads one opened program and attaches it directly. `former`: descriptor of a program of ours that
 * it replaces there, or -1 when there is none; then nobody else's is replaced either. Writes its
 * id to *id.
 */
int arq_attach_direct(const struct arq_chain *before, enum arq_chain_mode mode,
		      struct arq_program *program, int former, uint32_t *id,
		      struct arq_error *error);

/*
 * Takes programs off an interface, whether they are slots of its dispatcher or attached directly.
 * Ids that are not there any more are left out. Tries again when others change the chain meanwhile.
 * `former`: descriptor of the program to put back in the place of one that is attached directly, or
 * -1. Returns 0 or a negative errno with the reason in `error`.
 */
int arq_detach(const char *interface, const uint32_t *ids, size_t count, int former,
	       struct arq_error *error);

#endif
