// SPDX-License-Identifier: BSD-2-Clause
#include "dispatcher/chain.h"

#include "dispatcher/attach.h"
#include "dispatcher/kernel.h"
#include "dispatcher/load.h"
#include "dispatcher/pins.h"
#include "dispatcher/record.h"
#include "dispatcher/settle.h"
#include "dispatcher/sweep.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* One interface on its way from what it runs now to what is asked for. */
struct change {
	const struct arq_chain_request *request;
	enum arq_kernel_ext ext;
	struct arq_chain before;
	char directory[PATH_MAX];
	bool direct; /* on the interface itself, without a dispatcher */
	int former_descriptor; /* of the program that a direct one replaces; -1: none */
	unsigned int count;
	struct arq_program *programs[ARQ_PROGRAM_COUNT];
	struct arq_chain_place places[ARQ_PROGRAM_COUNT]; /* of each of them */
	unsigned int attached; /* 0, or `count` when all are */
	uint32_t ids[ARQ_PROGRAM_COUNT];
	bool noted; /* `former` is known, and in the record until commit() */
	struct arq_record former; /* what is current until the new ones are */
};

static int check_interrupted(struct arq_error *error)
{
	if (!arq_kernel_interrupted())
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

/*
 * One program may be alone on the interface where the kernel refuses to chain them: the bundle,
 * when that was asked for, and the one that only passes.
 */
static bool is_alone(const struct arq_chain_request *request, enum arq_kernel_ext ext)
{
	return ext != ARQ_KERNEL_EXT_ALLOWED &&
	       (request->bundle || request->programs == ARQ_PROGRAM_BIT(ARQ_PROGRAM_PASS));
}

static int check_ext(const struct change *change, struct arq_error *error)
{
	if (change->direct || change->ext == ARQ_KERNEL_EXT_ALLOWED)
		return 0;
	return arq_error_set(error, -EOPNOTSUPP,
			     "%s: %s; '--bundle' loads the same programs as one, alone on the "
			     "interface",
			     change->request->interface,
			     change->ext == ARQ_KERNEL_EXT_REFUSED
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
				     "%s: our program '%s' (id %u) is attached alone and cannot "
				     "become part of a chain while it runs; 'arquant unload %s' "
				     "first",
				     before->interface, before->slots[0].name, before->id,
				     before->interface);
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

/* How the interface is now, and whether it can take what is asked for. */
static int look(void *context, struct arq_error *error)
{
	struct change *change = context;

	int code = arq_chain_read(change->request->interface, &change->before, error);
	if (code == 0)
		code = check_holder(&change->before, error);
	if (code == 0)
		code = check_ext(change, error);
	if (code == 0)
		code = check_room(change, error);
	return code ? code : check_mode(change, error);
}

/* What can be known to fail before anything is done. */
static int prepare(struct change *change, const struct arq_chain_request *request,
		   enum arq_kernel_ext ext, struct arq_error *error)
{
	change->request = request;
	change->ext = ext;
	change->direct = is_alone(request, ext);
	int code = look(change, error);
	if (code)
		return code;
	code = arq_pins_path(change->directory, change->before.ifindex);
	if (code)
		return arq_error_set(error, code, "%s: cannot name its pins: %s",
				     request->interface, strerror(-code));
	return 0;
}

/* Of those that parse packets, the one that sees them first. */
static bool is_first(const struct arq_chain_request *request, uint32_t programs,
		     enum arq_program_id id)
{
	for (uint32_t other = 0; arq_program_parses(id) && other < ARQ_PROGRAM_COUNT; other++) {
		if (other == id || !(programs & ARQ_PROGRAM_BIT(other)) ||
		    !arq_program_parses((enum arq_program_id)other))
			continue;
		unsigned int mine = request->places[id].priority;
		unsigned int its = request->places[other].priority;
		/* libxdp sorts by name where priorities are equal. */
		if (its < mine ||
		    (its == mine && strcmp(arq_program_function((enum arq_program_id)other),
					   arq_program_function(id)) < 0))
			return false;
	}
	return arq_program_parses(id);
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
		options.first = is_first(request, programs, (enum arq_program_id)id);
		options.chain = request->programs;
		code = arq_program_open((enum arq_program_id)id, &options, change->directory,
					packet, &change->programs[change->count], error);
		change->places[change->count] = request->places[id];
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
		const struct arq_attach attach = {
			.before = &change->before,
			.mode = request->mode,
			.count = change->count,
			.programs = change->programs,
			.places = change->places,
			.look_again = look,
			.context = change,
		};
		code = arq_attach_slots(&attach, change->ids, error);
	} else {
		if (change->before.kind == ARQ_CHAIN_SINGLE)
			change->former_descriptor = bpf_prog_get_fd_by_id(change->before.id);
		code = arq_attach_direct(&change->before, request->mode, change->programs[0],
					 change->former_descriptor, &change->ids[0], error);
	}
	if (code == 0)
		change->attached = change->count;
	return code;
}

/* What runs now is current, and stays so until commit(): a killed load is then taken back. */
static int note_former(struct change *change, struct arq_error *error)
{
	const struct arq_chain *before = &change->before;

	int code = arq_record_read(change->directory, &change->former);
	for (unsigned int i = 0; code == -ENOENT && i < before->slots_count; i++) {
		if (before->slots[i].program >= 0)
			change->former.ids[before->slots[i].program] = before->slots[i].id;
	}
	if (code == -ENOENT)
		code = arq_record_write(change->directory, &change->former);
	if (code)
		return arq_error_set(error, code,
				     "%s: cannot write down which programs are current: %s",
				     before->interface, strerror(-code));
	change->noted = true;
	return 0;
}

/* The first half, which undo() takes back without a trace. */
static int apply(struct change *change, struct arq_error *error)
{
	int code = check_interrupted(error);
	if (code == 0)
		code = open_programs(change, error);
	if (code == 0)
		code = note_former(change, error);
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

	if (change->noted)
		arq_record_write(change->directory, &change->former);
	if (change->attached)
		arq_detach(change->request->interface, change->ids, change->attached,
			   change->former_descriptor, &ignored);
}

/* The one step that makes the new programs the current ones. */
static int commit(struct change *change, struct arq_error *error)
{
	struct arq_record record = {.renew = 1};

	for (unsigned int i = 0; i < change->count; i++)
		record.ids[arq_program_kind(change->programs[i])] = change->ids[i];
	int code = arq_record_write(change->directory, &record);
	if (code)
		return arq_error_set(error, code,
				     "%s: cannot write down which programs are current: %s",
				     change->request->interface, strerror(-code));
	return 0;
}

/* There is no way back any more: what the new programs replace goes. */
static int complete(struct change *change, struct arq_error *error)
{
	struct arq_chain now;

	for (unsigned int i = 0; i < change->count; i++)
		arq_program_keep(change->programs[i]);
	int code = arq_chain_read(change->request->interface, &now, error);
	if (code == 0)
		code = arq_settle(&now, change->directory, error);
	if (code)
		return arq_error_prefix(error, code,
					"the new programs run, but clearing up after the old ones "
					"failed (the next load or unload goes on with it)");
	return 0;
}

static void finish(struct change *change)
{
	for (unsigned int i = 0; i < change->count; i++)
		arq_program_close(change->programs[i]);
	if (change->former_descriptor >= 0)
		close(change->former_descriptor);
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
		int failed = complete(&changes[i], error);
		code = code ? code : failed;
	}
	return code;
}

int arq_load_locked(const struct arq_chain_request *requests, size_t count, struct arq_error *error)
{
	struct change *changes = calloc(count, sizeof(*changes));
	if (!changes)
		return arq_error_set(error, -ENOMEM, "out of memory");
	for (size_t i = 0; i < count; i++)
		changes[i].former_descriptor = -1;

	int code = load_all(changes, requests, count, error);
	for (size_t i = 0; i < count; i++)
		finish(&changes[i]);
	free(changes);
	arq_sweep(false); /* what was undone, and dispatchers that were built and not used */
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

	int lock = arq_pins_lock(error);
	if (lock < 0)
		return lock;
	arq_sweep(false);
	code = arq_load_locked(requests, count, error);
	arq_pins_unlock(lock);
	return code;
}
