// SPDX-License-Identifier: BSD-2-Clause
#include "dispatcher/trace.h"

#include "dispatcher/kernel.h"
#include "dispatcher/messages.h"
#include "dispatcher/trace.bpf.h"
#include "trace.skel.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

_Static_assert(ARQ_TRACE_SLOTS == ARQ_CHAIN_SLOTS, "a slot for each");

/* "arq_trace_slot" and a number of two digits at most. */
#define FUNCTION_MAX 32

/*
 * A frame that is longer comes in several buffers: what is left of a page after the room in front
 * of a packet and the kernel's own structure behind it (veth and test runs; drivers differ a
 * little).
 */
#define BUFFER_MAX (4096 - 256 - 320)

/* Room for what programs may add to a packet at its front and at its end. */
#define GROWTH_MAX 1024

struct slot {
	bool skipped;
	int foreign; /* descriptor, -1: none */
	int link; /* of a foreign program with our dispatcher, -1: none */
	struct arq_replica *replica;
	struct bpf_link *replica_link;
};

struct arq_trace_run {
	struct arq_chain chain;
	struct arq_trace_options options;
	struct arq_copies *copies;
	struct trace_bpf *dispatcher; /* NULL: the only program runs by itself */
	struct slot slots[ARQ_CHAIN_SLOTS];
	int program; /* descriptor to run, of the dispatcher's or a slot's */
};

/* --- building --------------------------------------------------------------------------------- */

static int failed(const struct arq_trace_run *run, unsigned int slot, int code,
		  struct arq_error *error)
{
	return arq_error_set(error, code,
			     "cannot run '%s' (slot %u) in a trace: %s; '--verbose' shows what the "
			     "kernel said",
			     run->chain.slots[slot].name, slot, strerror(-code));
}

static int check_chain(const struct arq_chain *chain, struct arq_error *error)
{
	if (chain->kind == ARQ_CHAIN_NONE)
		return arq_error_set(error, -ENOENT,
				     "%s: no XDP program runs there; 'arquant load %s' loads ours",
				     chain->interface, chain->interface);
	if (chain->mode == ARQ_CHAIN_OFFLOAD)
		return arq_error_set(error, -EOPNOTSUPP,
				     "%s: its program runs on the card itself, where no packet can "
				     "be traced",
				     chain->interface);
	if (chain->unreadable)
		return arq_error_set(error, -EBUSY,
				     "%s: a libxdp dispatcher (id %u) is attached whose pins in "
				     "%s/xdp cannot be read; run this where that directory is seen",
				     chain->interface, chain->id, arq_kernel_bpffs());
	return 0;
}

static int load_dispatcher(struct arq_trace_run *run)
{
	const struct arq_chain *chain = &run->chain;

	run->dispatcher = trace_bpf__open();
	if (!run->dispatcher)
		return -errno;
	run->dispatcher->rodata->arq_trace_count = chain->slots_count;
	for (unsigned int i = 0; i < chain->slots_count; i++)
		run->dispatcher->rodata->arq_trace_actions[i] = chain->slots[i].chain_actions;
	struct bpf_program *program = run->dispatcher->progs.arq_trace_dispatcher;
	int code = 0;
	if (chain->frags)
		code = bpf_program__set_flags(program, BPF_F_XDP_HAS_FRAGS);
	if (code == 0)
		code = trace_bpf__load(run->dispatcher);
	run->program = code ? -1 : bpf_program__fd(program);
	return code;
}

static void name_function(unsigned int slot, char name[FUNCTION_MAX])
{
	snprintf(name, FUNCTION_MAX, "arq_trace_slot%u", slot);
}

/* Number of the function of a slot among the types of our dispatcher. */
static int find_function(const struct arq_trace_run *run, unsigned int slot)
{
	struct bpf_prog_info info = {0};
	__u32 length = sizeof(info);
	char name[FUNCTION_MAX];

	if (bpf_prog_get_info_by_fd(run->program, &info, &length))
		return -errno;
	struct btf *types = btf__load_from_kernel_by_id(info.btf_id);
	if (!types)
		return -errno;
	name_function(slot, name);
	int number = btf__find_by_name_kind(types, name, BTF_KIND_FUNC);
	btf__free(types);
	return number;
}

/* The program stays where it is, too: the kernel lets an EXT program have several targets. */
static int link_foreign(struct arq_trace_run *run, unsigned int number, struct arq_error *error)
{
	LIBBPF_OPTS(bpf_link_create_opts, options);
	struct slot *slot = &run->slots[number];

	int function = find_function(run, number);
	if (function < 0)
		return failed(run, number, function, error);
	options.target_btf_id = (uint32_t)function;
	slot->link = bpf_link_create(slot->foreign, run->program, 0, &options);
	return slot->link < 0 ? failed(run, number, slot->link, error) : 0;
}

static int load_replica(struct arq_trace_run *run, unsigned int number, struct arq_error *error)
{
	struct slot *slot = &run->slots[number];
	struct bpf_program *program = arq_replica_program(slot->replica);
	char function[FUNCTION_MAX];
	int code = 0;

	if (run->dispatcher) {
		name_function(number, function);
		bpf_program__set_type(program, BPF_PROG_TYPE_EXT);
		bpf_program__set_expected_attach_type(program, (enum bpf_attach_type)0);
		code = bpf_program__set_attach_target(program, run->program, function);
	}
	if (code == 0)
		code = bpf_object__load(arq_replica_object(slot->replica));
	if (code)
		return failed(run, number, code, error);
	code = arq_replica_start(slot->replica, error);
	if (code || !run->dispatcher)
		return code;
	slot->replica_link = bpf_program__attach_freplace(program, 0, NULL);
	return slot->replica_link ? 0 : failed(run, number, -errno, error);
}

static int build_slot(struct arq_trace_run *run, unsigned int number, struct arq_error *error)
{
	const struct arq_chain_slot *live = &run->chain.slots[number];
	struct slot *slot = &run->slots[number];

	slot->skipped = live->program < 0 && run->options.skip_foreign;
	if (slot->skipped)
		return 0;
	int descriptor = bpf_prog_get_fd_by_id(live->id);
	if (descriptor < 0)
		return failed(run, number, descriptor, error);
	if (live->program < 0) {
		slot->foreign = descriptor;
		return run->dispatcher ? link_foreign(run, number, error) : 0;
	}
	int code = arq_replica_open((enum arq_program_id)live->program, descriptor, run->copies,
				    &slot->replica, error);
	close(descriptor);
	return code ? code : load_replica(run, number, error);
}

static int build(struct arq_trace_run *run, struct arq_error *error)
{
	const struct arq_chain *chain = &run->chain;
	int code = 0;

	arq_messages_clear();
	run->copies = arq_copies_create();
	if (!run->copies)
		return arq_error_set(error, -ENOMEM, "out of memory");
	if (chain->kind == ARQ_CHAIN_DISPATCHER)
		code = load_dispatcher(run);
	if (code)
		return arq_error_set(error, code,
				     "%s: cannot load a dispatcher for the trace: %s; '--verbose' "
				     "shows what the kernel said",
				     chain->interface, strerror(-code));
	for (unsigned int i = 0; code == 0 && i < chain->slots_count; i++)
		code = build_slot(run, i, error);
	if (code)
		return arq_error_prefix(error, code, "%s", chain->interface);
	if (run->dispatcher)
		return 0;
	run->program = run->slots[0].replica
			       ? bpf_program__fd(arq_replica_program(run->slots[0].replica))
			       : run->slots[0].foreign;
	return 0;
}

int arq_trace_open(const char *interface, const struct arq_trace_options *options,
		   struct arq_trace_run **opened, struct arq_error *error)
{
	*opened = NULL;
	int code = arq_kernel_check_privileges(error);
	if (code)
		return code;
	struct arq_trace_run *run = calloc(1, sizeof(*run));
	if (!run)
		return arq_error_set(error, -ENOMEM, "out of memory");
	run->options = *options;
	run->program = -1;
	for (unsigned int i = 0; i < ARQ_CHAIN_SLOTS; i++)
		run->slots[i].foreign = run->slots[i].link = -1;

	code = arq_chain_read(interface, &run->chain, error);
	if (code == 0)
		code = check_chain(&run->chain, error);
	if (code == 0)
		code = build(run, error);
	if (code) {
		arq_trace_close(run);
		return code;
	}
	*opened = run;
	return 0;
}

static void close_slot(struct slot *slot)
{
	bpf_link__destroy(slot->replica_link);
	arq_replica_close(slot->replica);
	if (slot->link >= 0)
		close(slot->link);
	if (slot->foreign >= 0)
		close(slot->foreign);
}

void arq_trace_close(struct arq_trace_run *run)
{
	if (!run)
		return;
	for (unsigned int i = 0; i < ARQ_CHAIN_SLOTS; i++)
		close_slot(&run->slots[i]);
	trace_bpf__destroy(run->dispatcher);
	arq_copies_destroy(run->copies);
	free(run);
}

const struct arq_chain *arq_trace_chain(const struct arq_trace_run *run)
{
	return &run->chain;
}

bool arq_trace_is_stale(const struct arq_trace_run *run)
{
	struct arq_error ignored = {0};
	struct arq_chain now;

	return arq_chain_read(run->chain.interface, &now, &ignored) != 0 ||
	       now.ifindex != run->chain.ifindex || now.kind != run->chain.kind ||
	       now.id != run->chain.id;
}

/* --- running ---------------------------------------------------------------------------------- */

static int run_failed(const struct arq_trace_run *run, int code, size_t length,
		      struct arq_error *error)
{
	const char *interface = run->chain.interface;

	if (code == -EINVAL && run->options.queue > 0)
		return arq_error_set(error, code,
				     "%s: the kernel runs no packet of %zu bytes on queue %u; is "
				     "there such a receive queue? 'ethtool -l %s' tells",
				     interface, length, run->options.queue, interface);
	if (code == -EINVAL || code == -E2BIG || code == -EMSGSIZE)
		return arq_error_set(
			error, -EMSGSIZE,
			"%s: the kernel runs no packet of %zu bytes through this chain%s",
			interface, length,
			run->chain.frags ? ""
					 : "; not all of its programs take frames in "
					   "several buffers");
	return arq_error_set(error, code, "%s: cannot run the packet: %s", interface,
			     strerror(-code));
}

static void clear_verdicts(struct arq_trace_run *run)
{
	if (!run->dispatcher)
		return;
	for (unsigned int i = 0; i < ARQ_TRACE_SLOTS; i++)
		run->dispatcher->bss_verdicts->arq_trace_verdicts.slots[i] = ARQ_TRACE_NOT_REACHED;
}

/* Runs the program; what it made of the packet goes to `output`, of *size bytes. */
static int run_program(struct arq_trace_run *run, const void *frame, size_t length, void *output,
		       size_t *size, uint32_t *action)
{
	struct xdp_md context = {
		.data_end = (uint32_t)length,
		.ingress_ifindex = run->chain.ifindex,
		.rx_queue_index = run->options.queue,
	};
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = frame, .data_size_in = (uint32_t)length,
		    .data_out = output, .data_size_out = (uint32_t)*size, .ctx_in = &context,
		    .ctx_size_in = sizeof(context), .repeat = 1);

	clear_verdicts(run);
	int code = bpf_prog_test_run_opts(run->program, &options);
	*size = options.data_size_out;
	*action = options.retval;
	return code;
}

static void take_slot(struct arq_trace_run *run, unsigned int number, uint32_t action,
		      struct arq_trace_slot *result)
{
	struct slot *slot = &run->slots[number];
	int32_t verdict = (int32_t)action;

	if (run->dispatcher)
		verdict = run->dispatcher->bss_verdicts->arq_trace_verdicts.slots[number];
	result->reached = verdict != ARQ_TRACE_NOT_REACHED;
	result->skipped = slot->skipped;
	result->action = (uint32_t)verdict;
	if (!slot->replica)
		return;
	uint32_t own = (uint32_t)run->chain.slots[number].program;
	for (uint32_t part = 0; part < ARQ_PROGRAM_COUNT; part++)
		arq_replica_take(slot->replica, (enum arq_program_id)part,
				 part == own ? &result->own : &result->parts[part]);
}

static void take_result(struct arq_trace_run *run, uint32_t action, struct arq_trace_result *result)
{
	const struct arq_chain *chain = &run->chain;

	result->action = action;
	result->slot = -1;
	for (unsigned int i = 0; i < chain->slots_count; i++) {
		take_slot(run, i, action, &result->slots[i]);
		if (result->slots[i].reached && !result->slots[i].skipped)
			result->slot = (int)i;
	}
	if (result->slot < 0 || chain->kind != ARQ_CHAIN_DISPATCHER)
		return;
	/* The last one that ran decided, unless it would have let the packet go on. */
	uint32_t last = result->slots[result->slot].action;
	if (last == ARQ_TRACE_NEXT ||
	    (last < 32 && chain->slots[result->slot].chain_actions & 1u << last))
		result->slot = -1;
}

int arq_trace_packet(struct arq_trace_run *run, const void *frame, size_t length,
		     struct arq_trace_result *result, struct arq_error *error)
{
	uint32_t action = XDP_PASS;

	memset(result, 0, sizeof(*result));
	if (length < ARQ_TRACE_FRAME_MIN)
		return arq_error_set(error, -EINVAL,
				     "a frame of %zu bytes is too short; the kernel wants a whole "
				     "Ethernet header, %d bytes",
				     length, ARQ_TRACE_FRAME_MIN);
	if (length > BUFFER_MAX && !arq_chain_takes_frags(&run->chain))
		return arq_error_set(error, -EMSGSIZE,
				     "%s: no packet of %zu bytes comes here: a frame of more than "
				     "%d is in several buffers, which not all programs of the "
				     "chain take",
				     run->chain.interface, length, BUFFER_MAX);
	size_t size = length + GROWTH_MAX;
	void *output = malloc(size);
	if (!output)
		return arq_error_set(error, -ENOMEM, "out of memory");
	/* A single foreign program that is to be left out leaves nothing to run. */
	bool nothing = run->program < 0;
	int code = nothing ? 0 : run_program(run, frame, length, output, &size, &action);
	if (code == 0) {
		take_result(run, action, result);
		result->rewritten =
			!nothing && (size != length || memcmp(frame, output, length) != 0);
	}
	free(output);
	return code ? run_failed(run, code, length, error) : 0;
}
