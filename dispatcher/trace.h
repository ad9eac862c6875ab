/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the chain of an interface does with a packet, slot by slot, without sending it one.
 *
 * Programs in the slots of a dispatcher cannot be test-run, and a test run of libxdp's own
 * dispatcher would count in the live counters. So a trace builds the chain once more, beside it: a
 * dispatcher of its own (trace.bpf.c) with private copies of our programs (progs/replica.h) in
 * the same slots. The live chain, its counters, samples, limits and blocks stay as they are, and
 * nothing is sent. Programs of others cannot be copied: they are attached to the second dispatcher
 * as well, run themselves, and count the packet where they count. `skip_foreign` leaves them out.
 *
 * Where the kernel refuses EXT there is only one program on an interface, and that runs by itself:
 * ours as a copy, a foreign one as it is.
 *
 * State that programs keep is that of the moment of arq_trace_open(); packets of one trace run one
 * after the other on it. Times are those of the run. Needs root; names of interfaces are looked up
 * in the caller's network namespace. One thread. Nothing is pinned: all goes with the process.
 */
#ifndef ARQUANT_DISPATCHER_TRACE_H
#define ARQUANT_DISPATCHER_TRACE_H

#include "dispatcher/chain.h"
#include "progs/replica.h"

/* The kernel takes no frame without a whole Ethernet header for a test run. */
#define ARQ_TRACE_FRAME_MIN 14

struct arq_trace_options {
	uint32_t queue; /* receive queue that the packet seems to come from */
	bool skip_foreign; /* leave the programs of others out, as if they let it go on */
};

struct arq_trace_run;

/*
 * Builds what is needed. Returns 0 and *run, or a negative errno with the reason in `error`:
 * -ENODEV no such interface, -ENOENT no program on it, -ESTALE it runs programs of another build,
 * -EINVAL no such queue.
 */
int arq_trace_open(const char *interface, const struct arq_trace_options *options,
		   struct arq_trace_run **run, struct arq_error *error);
void arq_trace_close(struct arq_trace_run *run);

/* The chain that it was built from; belongs to the run. */
const struct arq_chain *arq_trace_chain(const struct arq_trace_run *run);

/* Has anybody changed the chain since? Then the trace is of one that is no more. */
bool arq_trace_is_stale(const struct arq_trace_run *run);

struct arq_trace_slot {
	bool reached;
	bool skipped; /* foreign, and left out */
	uint32_t action; /* returned: enum xdp_action, or any number */
	struct arq_replica_verdict own; /* of ours: reason and rule */
	struct arq_replica_verdict parts[ARQ_PROGRAM_COUNT]; /* of the bundle */
};

struct arq_trace_result {
	uint32_t action; /* of the whole chain */
	int slot; /* that decided it; -1: all let it go on */
	bool rewritten; /* the packet is another one at the end */
	struct arq_trace_slot slots[ARQ_CHAIN_SLOTS];
};

/*
 * Runs a frame of `length` bytes from its Ethernet header on, without FCS. Returns 0, or a negative
 * errno with the reason in `error`: -EINVAL too short, -EMSGSIZE longer than the chain takes.
 */
int arq_trace_packet(struct arq_trace_run *run, const void *frame, size_t length,
		     struct arq_trace_result *result, struct arq_error *error);

#endif
