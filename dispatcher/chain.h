/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The chain of XDP programs on an interface: read it, put our programs into it, take them out.
 *
 * The chain is libxdp's: a dispatcher program with up to ten slots, which any tool that uses libxdp
 * may share. Every change by anybody builds a new dispatcher and replaces the old one, so slot
 * numbers and the dispatcher's id change at any time; the programs in the slots keep their ids.
 *
 * Which slots are ours is decided by maps, not by names or remembered ids: a program is ours when
 * it uses the counters map that is pinned for it in the interface's own directory
 * (<arquant/program.h>). No other program uses that map, the kernel itself tells which maps a
 * program uses, and nothing has to be kept up to date. It holds for a program that is attached
 * directly as well.
 *
 * Without libxdp's dispatcher (the kernel refuses programs of type EXT) only the bundle can be
 * loaded, directly on the interface, and only when asked for. Never is anything foreign replaced,
 * moved, forced or removed: an interface that somebody else holds is an error that names him.
 *
 * Names of interfaces are looked up in the caller's network namespace. The functions that change
 * something need root (dispatcher/kernel.h); they wait for each other by a lock (dispatcher/
 * pins.h), do all or nothing, and look for SIGINT, SIGTERM and SIGHUP that are blocked and pending:
 * then they take back what they did and return -EINTR. What libbpf and
 * libxdp say meanwhile is collected by dispatcher/messages.h. One thread.
 */
#ifndef ARQUANT_DISPATCHER_CHAIN_H
#define ARQUANT_DISPATCHER_CHAIN_H

#include "progs/program.h"
#include "userspace/common/error.h"

#include <arquant/program.h>

#include <linux/bpf.h>
#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#define ARQ_CHAIN_SLOTS 10 /* of libxdp's dispatcher */

enum arq_chain_mode {
	ARQ_CHAIN_AUTO, /* to load: native where the driver has it, else generic */
	ARQ_CHAIN_NATIVE,
	ARQ_CHAIN_GENERIC,
	ARQ_CHAIN_OFFLOAD, /* read only: on the card itself */
};

enum arq_chain_kind {
	ARQ_CHAIN_NONE, /* no XDP program on the interface */
	ARQ_CHAIN_SINGLE, /* one program directly: slot 0 tells about it, without priority */
	ARQ_CHAIN_DISPATCHER,
};

struct arq_chain_slot {
	uint32_t id; /* of the program in the kernel; it keeps it as long as it lives */
	unsigned int priority; /* low runs first; of a single program 0 */
	uint32_t chain_actions; /* bits, 1 << enum xdp_action: the next slot runs after these */
	int program; /* enum arq_program_id, or -1: foreign */
	time_t load_time; /* of the program, seconds since 1970 */
	char name[64];
	unsigned char tag[BPF_TAG_SIZE];
};

struct arq_chain {
	char interface[IF_NAMESIZE];
	unsigned int ifindex;
	enum arq_chain_kind kind;
	enum arq_chain_mode mode; /* meaningless with ARQ_CHAIN_NONE */
	uint32_t id; /* of the dispatcher, or of the single program */
	bool frags; /* the chain takes multi-buffer frames */
	bool unreadable; /* single, and in truth a dispatcher that libxdp cannot read */
	unsigned int slots_count;
	struct arq_chain_slot slots[ARQ_CHAIN_SLOTS];
};

/*
 * Reads the chain of an interface. Returns 0, -ENODEV when there is no such interface, or another
 * negative errno, with the reason in `error`. Needs root, and changes nothing.
 */
int arq_chain_read(const char *interface, struct arq_chain *chain, struct arq_error *error);

/* How many slots of the chain are ours. */
unsigned int arq_chain_count_own(const struct arq_chain *chain);

/*
 * Does the chain take frames in several buffers? The kernel does not tell of a program that is
 * alone: ours does, and of another the answer is yes, for want of a better one.
 */
bool arq_chain_takes_frags(const struct arq_chain *chain);

/* "none", "native", "generic" or "offload". */
const char *arq_chain_mode_name(const struct arq_chain *chain);

/* Where a program sits in the chain. */
struct arq_chain_place {
	unsigned int priority; /* low runs first; among equals the name decides */
	uint32_t chain_actions; /* bits, 1 << enum xdp_action: the next slot runs after these */
};

struct arq_chain_request {
	const char *interface;
	enum arq_chain_mode mode;
	uint32_t programs; /* ARQ_PROGRAM_BIT of each; with `bundle` the parts that it runs */
	/* By enum arq_program_id, of those that are loaded: of the bundle, not of its parts. */
	struct arq_chain_place places[ARQ_PROGRAM_COUNT];
	bool bundle; /* as one program, in one slot, or alone where the kernel refuses EXT */
	/* For every program; the load itself sets `first` and `chain`. */
	struct arq_program_options options;
};

/* The place of a program unless it is asked for another: its own priority, and on after XDP_PASS.
 */
struct arq_chain_place arq_chain_default_place(enum arq_program_id program);

/*
 * Loads the programs of each request on its interface, in one change of its chain. Where programs
 * of ours are already there, the new ones take their place: both run for a moment (so no packet
 * goes unfiltered; it may be counted twice), then the old ones go; counters, services and sockets
 * are kept. Whoever else changes the chain at the same time is not disturbed: we start again.
 *
 * A process that is killed in the middle leaves either the old programs or the new ones; the next
 * load or unload clears up what else it left.
 *
 * Returns 0, or a negative errno with the reason in `error`, and then no interface has changed:
 * -ENODEV no such interface, -EBUSY held by a foreign single program, -EOPNOTSUPP the kernel
 * refuses EXT and the bundle was not asked for, -ENOSPC too few free slots, -EINTR a signal.
 */
int arq_chain_load(const struct arq_chain_request *requests, size_t count, struct arq_error *error);

/*
 * Takes our programs off these interfaces, and their pins away. Everything is looked at before
 * anything is changed: an interface that does not exist (-ENODEV) or has nothing of ours, not even
 * pins (-ENOENT), leaves all as it was. `leave_pass`: in their place comes a program of ours that
 * only passes, so that the driver sees no moment without XDP; the next load takes its place, and an
 * unload without `leave_pass` takes it off. Returns 0, or a negative errno with the reason in
 * `error`.
 */
int arq_chain_unload(const char *const *interfaces, size_t count, bool leave_pass,
		     struct arq_error *error);

/*
 * The same for every interface of the network namespace that carries something of ours, and for
 * what is left of interfaces that are gone. Nothing to do is no error. Writes how many interfaces
 * there were to *unloaded.
 */
int arq_chain_unload_all(size_t *unloaded, bool leave_pass, struct arq_error *error);

#endif
