// SPDX-License-Identifier: BSD-2-Clause
#include "dispatcher/chain.h"

#include "dispatcher/attach.h"
#include "dispatcher/kernel.h"
#include "dispatcher/pins.h"
#include "dispatcher/sweep.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* One interface on its way from what it runs now to what is asked for. */
struct change {
	const struct arq_chain_request *request;
	struct arq_chain before;
	char directory[PATH_MAX];
	bool direct; /* on the interface itself, without a dispatcher */
	int former; /* descriptor of the program that a direct one replaces; -1: none */
	unsigned int count;
	struct arq_program *programs[ARQ_PROGRAM_COUNT];
	unsigned int attached; /* 0, or `count` when all are */
	uint32_t ids[ARQ_PROGRAM_COUNT];
};

/* Has the user asked us to stop? (Callers block these signals, so they are pending then.) */
static bool interrupted(void)
{
	sigset_t pending;

	return sigpending(&pending) == 0 &&
	       (sigismember(&pending, SIGINT) == 1 || sigismember(&pending, SIGTERM) == 1 ||
		sigismember(&pending, SIGHUP) == 1);
}

static int check_interrupted(struct arq_error *error)
{
	if (!interrupted())
		return 0;
	return arq_error_set(error, -EINTR, "interrupted; nothing was changed");
}

static uint32_t wanted(const struct arq_chain_request *request)
{
	return request->bundle ? ARQ_PROGRAM_BIT(ARQ_PROGRAM_BUNDLE) : request->programs;
}

static unsigned int count_bits(uint32_t bits)
{
	return (unsigned int)__builtin_popcount(bits);
}

/* The interface is held by one program without a dispatcher, not by ours. */
static int check_holder(const struct arq_chain *before, struct arq_error *error)
{
	const struct arq_chain_slot *holder = &before->slots[0];

	if (before->kind != ARQ_CHAIN_SINGLE || holder->program >= 0)
		return 0;
	if (before->unreadable)
		return arq_error_set(error, -EBUSY,
				     "%s: busy: a libxdp dispatcher (id %u) is attached whose pins "
				     "in %s/xdp cannot be read; run this where that directory is "
				     "seen, or unload it with 'xdp-loader unload %s --all'",
				     before->interface, before->id, arq_kernel_bpffs(),
				     before->interface);
	return arq_error_set(error, -EBUSY,
			     "%s: busy: the XDP program '%s' (id %u) is attached alone, outside a "
			     "libxdp dispatcher; stop what loaded it, or take it off with 'ip link "
			     "set dev %s %s off', and load again",
			     before->interface, holder->name, holder->id, before->interface,
			     before->mode == ARQ_CHAIN_GENERIC ? "xdpgeneric" : "xdp");
}

static int check_ext(const struct arq_chain_request *request, enum arq_kernel_ext ext,
		     struct arq_error *error)
{
	if (request->bundle || ext == ARQ_KERNEL_EXT_ALLOWED)
		return 0;
	return arq_error_set(error, -EOPNOTSUPP,
			     "%s: %s; '--bundle' loads the same programs as one, alone on the "
			     "interface",
			     request->interface,
			     ext == ARQ_KERNEL_EXT_REFUSED
				     ? "this kernel refuses BPF programs of type EXT (EPERM), by "
				       "which libxdp chains programs"
				     : "this kernel does not support BPF programs of type EXT, by "
				       "which libxdp chains programs (it is too old, or of an "
				       "architecture without them)");
}

static int check_room(const struct change *change, struct arq_error *error)
{
	const struct arq_chain *before = &change->before;
	unsigned int needed = count_bits(wanted(change->request));
	const char *why = "";

	if (before->kind == ARQ_CHAIN_SINGLE && !change->direct)
		return arq_error_set(error, -EBUSY,
				     "%s: our bundle (id %u) is attached alone and cannot become "
				     "part of a chain while it runs; 'arquant unload %s' first",
				     before->interface, before->id, before->interface);
	if (before->slots_count + needed <= ARQ_CHAIN_SLOTS)
		return 0;
	if (arq_chain_count_own(before) > 0)
		why = " (old and new programs run together for a moment; 'arquant unload' first "
		      "makes room)";
	return arq_error_set(error, -ENOSPC,
			     "%s: the dispatcher has %u free slots and %u are needed%s; 'arquant "
			     "status %s' shows what is in them",
			     before->interface, ARQ_CHAIN_SLOTS - before->slots_count, needed, why,
			     before->interface);
}

static int check_mode(const struct change *change, struct arq_error *error)
{
	const struct arq_chain *before = &change->before;
	enum arq_chain_mode mode = change->request->mode;

	if (before->kind == ARQ_CHAIN_NONE || mode == ARQ_CHAIN_AUTO || mode == before->mode)
		return 0;
	return arq_error_set(error, -EBUSY,
			     "%s: its programs are attached in mode %s, which cannot change while "
			     "they run; take them off first, or load with '--mode auto'",
			     before->interface, arq_chain_mode_name(before));
}

/* What can be known to fail before anything is done. */
static int prepare(struct change *change, const struct arq_chain_request *request,
		   enum arq_kernel_ext ext, struct arq_error *error)
{
	change->request = request;
	change->direct = request->bundle && ext != ARQ_KERNEL_EXT_ALLOWED;
	int code = arq_chain_read(request->interface, &change->before, error);
	if (code)
		return code;
	code = arq_pins_path(change->directory, change->before.ifindex);
	if (code)
		return arq_error_set(error, code, "%s: cannot name its pins: %s",
				     request->interface, strerror(-code));

	code = check_holder(&change->before, error);
	if (code == 0)
		code = check_ext(request, ext, error);
	if (code == 0)
		code = check_room(change, error);
	return code ? code : check_mode(change, error);
}

static int open_programs(struct change *change, struct arq_error *error)
{
	const struct arq_chain_request *request = change->request;
	uint32_t programs = wanted(request);
	char packet[PATH_MAX];

	int code = arq_pins_packet_path(packet);
	for (uint32_t id = 0; code == 0 && id < ARQ_PROGRAM_COUNT; id++) {
		if (!(programs & ARQ_PROGRAM_BIT(id)))
			continue;
		struct arq_program_options options = request->options;
		options.first = arq_program_is_first((enum arq_program_id)id, programs);
		options.chain = request->programs;
		code = arq_program_open((enum arq_program_id)id, &options, change->directory,
					packet, &change->programs[change->count], error);
		if (code)
			return arq_error_prefix(error, code, "%s: program %s", request->interface,
						arq_program_name(id));
		change->count++;
	}
	return code;
}

static int attach(struct change *change, struct arq_error *error)
{
	const struct arq_chain_request *request = change->request;
	int code;

	if (!change->direct) {
		code = arq_attach_slots(&change->before, request->mode, change->programs,
					change->count, change->ids, error);
	} else {
		if (change->before.kind == ARQ_CHAIN_SINGLE)
			change->former = bpf_prog_get_fd_by_id(change->before.id);
		code = arq_attach_direct(&change->before, request->mode, change->programs[0],
					 change->former, &change->ids[0], error);
	}
	if (code == 0)
		change->attached = change->count;
	return code;
}

/* The first half, which undo() takes back without a trace. */
static int apply(struct change *change, struct arq_error *error)
{
	int code = check_interrupted(error);
	if (code == 0)
		code = open_programs(change, error);
	if (code == 0)
		code = check_interrupted(error);
	if (code == 0)
		code = attach(change, error);
	return code ? code : check_interrupted(error);
}

static void undo(struct change *change)
{
	/* What failed first is the reason that counts. */
	struct arq_error ignored = {0};

	if (change->attached)
		arq_detach(change->request->interface, change->ids, change->attached,
			   change->former, &ignored);
}

static int commit(struct change *change, struct arq_error *error)
{
	for (unsigned int i = 0; i < change->count; i++) {
		int code = arq_program_commit(change->programs[i], error);
		if (code)
			return arq_error_prefix(error, code, "%s", change->request->interface);
	}
	return 0;
}

/* Takes off what the new programs replaced. */
static int retire(struct change *change, struct arq_error *error)
{
	const struct arq_chain *before = &change->before;
	uint32_t former[ARQ_CHAIN_SLOTS];
	size_t count = 0;
	int code = 0;

	for (unsigned int i = 0; before->kind == ARQ_CHAIN_DISPATCHER && i < before->slots_count;
	     i++) {
		if (before->slots[i].program >= 0)
			former[count++] = before->slots[i].id;
	}
	if (count > 0)
		code = arq_detach(before->interface, former, count, -1, error);
	if (code)
		return arq_error_prefix(error, code, "the new programs run, the old ones too");

	for (uint32_t id = 0; code == 0 && id < ARQ_PROGRAM_COUNT; id++) {
		if (!(wanted(change->request) & ARQ_PROGRAM_BIT(id)))
			code = arq_program_unpin((enum arq_program_id)id, change->directory, NULL,
						 error);
	}
	return code;
}

static void finish(struct change *change)
{
	for (unsigned int i = 0; i < change->count; i++)
		arq_program_close(change->programs[i]);
	if (change->former >= 0)
		close(change->former);
}

static int load_all(struct change *changes, const struct arq_chain_request *requests, size_t count,
		    struct arq_error *error)
{
	enum arq_kernel_ext ext;

	int code = arq_kernel_probe_ext(&ext, error);
	for (size_t i = 0; code == 0 && i < count; i++)
		code = prepare(&changes[i], &requests[i], ext, error);
	for (size_t i = 0; code == 0 && i < count; i++)
		code = apply(&changes[i], error);
	for (size_t i = 0; code == 0 && i < count; i++)
		code = commit(&changes[i], error);
	if (code) {
		for (size_t i = count; i > 0; i--)
			undo(&changes[i - 1]);
		return code;
	}
	for (size_t i = 0; i < count; i++) {
		int failed = retire(&changes[i], error);
		code = code ? code : failed;
	}
	return code;
}

int arq_chain_load(const struct arq_chain_request *requests, size_t count, struct arq_error *error)
{
	int code = arq_kernel_check_privileges(error);
	if (code == 0)
		code = arq_kernel_check_bpffs(error);
	if (code == 0)
		code = arq_kernel_check_cpus(error);
	if (code)
		return code;

	struct change *changes = calloc(count, sizeof(*changes));
	if (!changes)
		return arq_error_set(error, -ENOMEM, "out of memory");
	int lock = arq_pins_lock(error);
	if (lock >= 0) {
		for (size_t i = 0; i < count; i++)
			changes[i].former = -1;
		arq_sweep(false);
		code = load_all(changes, requests, count, error);
		for (size_t i = 0; i < count; i++)
			finish(&changes[i]);
		if (code)
			arq_sweep(false); /* pins of programs that were committed, then undone */
		arq_pins_unlock(lock);
	}
	free(changes);
	return lock < 0 ? lock : code;
}
