// SPDX-License-Identifier: BSD-2-Clause
#include "dispatcher/chain.h"

#include "dispatcher/owner.h"
#include "dispatcher/pins.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <xdp/libxdp.h>

/* libxdp's name for its dispatcher program. */
#define DISPATCHER_NAME "xdp_dispatcher"

/* Pauses double from 2 ms: a quarter of a second in all. */
#define READ_ATTEMPTS 7

/* The kernel counts nanoseconds since boot. */
static time_t wall_clock(uint64_t since_boot_ns)
{
	struct timespec boot, now;

	clock_gettime(CLOCK_BOOTTIME, &boot);
	clock_gettime(CLOCK_REALTIME, &now);
	int64_t nanoseconds = (int64_t)(now.tv_sec - boot.tv_sec) * 1000000000 +
			      (now.tv_nsec - boot.tv_nsec) + (int64_t)since_boot_ns;
	return nanoseconds / 1000000000;
}

static int slot_read(struct arq_chain_slot *slot, const struct xdp_program *program,
		     const struct arq_owner *owner)
{
	struct bpf_prog_info info;

	int code = arq_owner_find(owner, xdp_program__fd(program), &info, &slot->program);
	if (code)
		return code;
	slot->id = info.id;
	slot->load_time = wall_clock(info.load_time);
	memcpy(slot->tag, info.tag, sizeof(slot->tag));
	snprintf(slot->name, sizeof(slot->name), "%s", xdp_program__name(program));
	return 0;
}

static void slot_read_place(struct arq_chain_slot *slot, const struct xdp_program *program)
{
	slot->priority = xdp_program__run_prio(program);
	for (unsigned int action = XDP_ABORTED; action <= XDP_REDIRECT; action++) {
		if (xdp_program__chain_call_enabled(program, action))
			slot->chain_actions |= 1u << action;
	}
}

static int read_slots(struct arq_chain *chain, const struct xdp_multiprog *multiprog,
		      const struct arq_owner *owner)
{
	struct xdp_program *program = NULL;

	while (chain->slots_count < ARQ_CHAIN_SLOTS &&
	       (program = xdp_multiprog__next_prog(program, multiprog))) {
		struct arq_chain_slot *slot = &chain->slots[chain->slots_count];
		int code = slot_read(slot, program, owner);
		if (code)
			return code;
		slot_read_place(slot, program);
		chain->slots_count++;
	}
	return 0;
}

static enum arq_chain_mode mode_of(const struct xdp_multiprog *multiprog)
{
	switch (xdp_multiprog__attach_mode(multiprog)) {
	case XDP_MODE_NATIVE:
		return ARQ_CHAIN_NATIVE;
	case XDP_MODE_SKB:
		return ARQ_CHAIN_GENERIC;
	default:
		return ARQ_CHAIN_OFFLOAD;
	}
}

static int read_multiprog(struct arq_chain *chain, const struct xdp_multiprog *multiprog)
{
	char directory[PATH_MAX];
	struct arq_owner owner;
	int code = arq_pins_path(directory, chain->ifindex);
	if (code)
		return code;
	arq_owner_read(&owner, directory);

	chain->mode = mode_of(multiprog);
	const struct xdp_program *main_program = xdp_multiprog__main_prog(multiprog);
	if (!main_program)
		main_program = xdp_multiprog__hw_prog(multiprog);
	if (!main_program)
		return -ENOENT;
	chain->id = xdp_program__id(main_program);

	if (!xdp_multiprog__is_legacy(multiprog)) {
		chain->kind = ARQ_CHAIN_DISPATCHER;
		chain->frags = xdp_multiprog__xdp_frags_support(multiprog);
		return read_slots(chain, multiprog, &owner);
	}
	chain->kind = ARQ_CHAIN_SINGLE;
	chain->frags = xdp_program__xdp_frags_support(main_program);
	chain->slots_count = 1;
	code = slot_read(&chain->slots[0], main_program, &owner);
	chain->unreadable = strcmp(chain->slots[0].name, DISPATCHER_NAME) == 0;
	return code;
}

static int read_once(const char *interface, struct arq_chain *chain)
{
	memset(chain, 0, sizeof(*chain));
	chain->ifindex = if_nametoindex(interface);
	if (!chain->ifindex)
		return -ENODEV;
	snprintf(chain->interface, sizeof(chain->interface), "%s", interface);

	struct xdp_multiprog *multiprog = xdp_multiprog__get_from_ifindex((int)chain->ifindex);
	int code = (int)libxdp_get_error(multiprog);
	if (code == -ENOENT)
		return 0;
	if (code == 0) {
		code = read_multiprog(chain, multiprog);
		xdp_multiprog__close(multiprog);
	}
	return code;
}

/*
 * A dispatcher that is replaced while libxdp reads it looks as if its pins were not there, or gives
 * an error: then it is another one soon. One that stays the same is what it looks like.
 */
static int read_settled(const char *interface, struct arq_chain *chain)
{
	uint32_t former = 0;
	int code = 0;

	for (unsigned int attempt = 1; attempt <= READ_ATTEMPTS; attempt++) {
		code = read_once(interface, chain);
		bool doubtful = code ? code != -ENODEV && code != -EOPNOTSUPP : chain->unreadable;
		if (!doubtful || (code == 0 && chain->id == former))
			break;
		former = code ? 0 : chain->id;
		const struct timespec pause = {.tv_nsec = 1000000L << attempt};
		nanosleep(&pause, NULL);
	}
	return code;
}

int arq_chain_read(const char *interface, struct arq_chain *chain, struct arq_error *error)
{
	int code = read_settled(interface, chain);
	if (code == 0)
		return 0;
	if (code == -ENODEV || !if_nametoindex(interface))
		return arq_error_set(error, -ENODEV,
				     "there is no interface '%s' in this network namespace; 'ip "
				     "link' lists them",
				     interface);
	if (code == -EOPNOTSUPP)
		return arq_error_set(error, code,
				     "%s: its libxdp dispatcher was made by a newer libxdp than "
				     "ours and cannot be read; upgrade libxdp",
				     interface);
	return arq_error_set(error, code, "%s: cannot read its XDP programs: %s", interface,
			     strerror(-code));
}

struct arq_chain_place arq_chain_default_place(enum arq_program_id program)
{
	return (struct arq_chain_place){
		.priority = (unsigned int)arq_program_priority(program),
		.chain_actions = 1u << XDP_PASS,
	};
}

unsigned int arq_chain_count_own(const struct arq_chain *chain)
{
	unsigned int own = 0;

	for (unsigned int i = 0; i < chain->slots_count; i++)
		own += chain->slots[i].program >= 0;
	return own;
}

bool arq_chain_takes_frags(const struct arq_chain *chain)
{
	return chain->kind != ARQ_CHAIN_DISPATCHER || chain->frags;
}

const char *arq_chain_mode_name(const struct arq_chain *chain)
{
	static const char *const names[] = {"auto", "native", "generic", "offload"};

	return chain->kind == ARQ_CHAIN_NONE ? "none" : names[chain->mode];
}
