// SPDX-License-Identifier: BSD-2-Clause
#include "dispatcher/attach.h"

#include "dispatcher/messages.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/if_link.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <xdp/libxdp.h>

/*
 * libxdp rebuilds the chain without holding its lock over the whole change, and whoever comes
 * second starts again: it does so ten times itself. What it reports nevertheless when the chain
 * changed under it (EBUSY, EEXIST, ENOENT, EINVAL) is a race lost, which is tried so often here,
 * after pauses that double from 2 ms: two seconds in all.
 */
#define ATTEMPTS_MAX 10

static void pause_before(unsigned int attempt)
{
	const struct timespec pause = {.tv_nsec = 1000000L << attempt};

	nanosleep(&pause, NULL);
}

static bool changed(const struct arq_chain *before, const struct arq_chain *now)
{
	return before->kind != now->kind || before->id != now->id;
}

static enum xdp_attach_mode libxdp_mode(enum arq_chain_mode mode)
{
	switch (mode) {
	case ARQ_CHAIN_NATIVE:
		return XDP_MODE_NATIVE;
	case ARQ_CHAIN_GENERIC:
		return XDP_MODE_SKB;
	case ARQ_CHAIN_OFFLOAD:
		return XDP_MODE_HW;
	default:
		return XDP_MODE_UNSPEC; /* the kernel takes native where the driver has it */
	}
}

static uint32_t netlink_mode(enum arq_chain_mode mode)
{
	switch (mode) {
	case ARQ_CHAIN_NATIVE:
		return XDP_FLAGS_DRV_MODE;
	case ARQ_CHAIN_GENERIC:
		return XDP_FLAGS_SKB_MODE;
	case ARQ_CHAIN_OFFLOAD:
		return XDP_FLAGS_HW_MODE;
	default:
		return 0;
	}
}

/* A chain that exists has its mode, and two modes at once are impossible. */
static enum arq_chain_mode effective_mode(const struct arq_chain *before, enum arq_chain_mode mode)
{
	return before->kind == ARQ_CHAIN_NONE ? mode : before->mode;
}

static int attach_failed(const struct arq_chain *chain, int code, struct arq_error *error)
{
	const char *name = chain->interface;
	const char *kernel = arq_messages_find("Kernel error message: ");
	const char *program;

	if (kernel[0])
		return arq_error_set(error, code, "%s: the kernel refuses to attach: %s (%s)", name,
				     kernel, strerror(-code));
	program = arq_messages_find("libbpf: failed to load object '");
	if (program[0])
		return arq_error_set(error, code,
				     "%s: the kernel's verifier refuses '%.*s'; '--verbose' shows "
				     "where, for a report to its authors",
				     name, (int)strcspn(program, "'"), program);
	switch (-code) {
	case EOPNOTSUPP:
		return arq_error_set(error, code,
				     "%s: its driver does not attach XDP programs in this mode; "
				     "load with '--mode generic'",
				     name);
	case EBUSY:
	case EEXIST:
		return arq_error_set(error, -EBUSY,
				     "%s: busy: somebody else changes its XDP programs; see "
				     "'arquant status %s' and try again",
				     name, name);
	case ENODEV:
		return arq_error_set(error, code, "%s: the interface has gone away meanwhile",
				     name);
	case EPERM:
		return arq_error_set(error, code,
				     "%s: the kernel does not permit it: is it locked down, or are "
				     "we in a user namespace?",
				     name);
	default:
		return arq_error_set(error, code,
				     "%s: cannot load and attach: %s; '--verbose' shows what the "
				     "kernel said",
				     name, strerror(-code));
	}
}

/* An opened program as libxdp wants it, with its place in the chain said explicitly. */
static struct xdp_program *make_handle(struct arq_program *program,
				       const struct arq_chain_place *place)
{
	DECLARE_LIBXDP_OPTS(xdp_program_opts, options, .obj = arq_program_object(program));

	struct xdp_program *handle = xdp_program__create(&options);
	int code = (int)libxdp_get_error(handle);
	if (code == 0)
		code = xdp_program__set_run_prio(handle, place->priority);
	for (unsigned int action = XDP_ABORTED; code == 0 && action <= XDP_REDIRECT; action++)
		code = xdp_program__set_chain_call_enabled(handle, action,
							   place->chain_actions & 1u << action);
	/* libbpf sets the flag of "xdp.frags" when it loads; libxdp looks before that. */
	if (code == 0)
		code = xdp_program__set_xdp_frags_support(handle, true);
	if (code == 0)
		return handle;
	if (!libxdp_get_error(handle))
		xdp_program__close(handle);
	errno = -code;
	return NULL;
}

static void close_handles(struct xdp_program **handles, size_t count)
{
	for (size_t i = 0; i < count; i++)
		xdp_program__close(handles[i]);
}

static bool has_slot(const struct arq_chain *chain, uint32_t id)
{
	for (unsigned int i = 0; i < chain->slots_count; i++) {
		if (chain->slots[i].id == id)
			return true;
	}
	return false;
}

/* libxdp says that it attached them: is it a dispatcher, with all of them in it? */
static int check_slots(const char *interface, const uint32_t *ids, unsigned int count,
		       struct arq_error *error)
{
	struct arq_chain after;

	int code = arq_chain_read(interface, &after, error);
	if (code)
		return code;
	unsigned int found = 0;
	for (unsigned int i = 0; i < count; i++)
		found += has_slot(&after, ids[i]);
	if (after.kind == ARQ_CHAIN_DISPATCHER && found == count)
		return 0;

	struct arq_error ignored = {0};
	arq_detach(interface, ids, count, -1, &ignored);
	if (after.kind != ARQ_CHAIN_SINGLE || found == 0)
		return arq_error_set(
			error, -EBUSY,
			"%s: somebody else took our programs off at once; see 'arquant "
			"status %s'",
			interface, interface);
	return arq_error_set(error, -EOPNOTSUPP,
			     "%s: libxdp did not put the programs into a dispatcher; is "
			     "LIBXDP_SKIP_DISPATCHER set? Otherwise load with '--bundle'",
			     interface);
}

/* Once more as long as others change the chain: the programs are loaded only the first time. */
static int attach_handles(const struct arq_attach *attach, struct xdp_program **handles,
			  struct arq_error *error)
{
	for (unsigned int attempt = 1;; attempt++) {
		const struct arq_chain before = *attach->before;
		arq_messages_clear();
		int code = xdp_program__attach_multi(
			handles, attach->count, (int)before.ifindex,
			libxdp_mode(effective_mode(&before, attach->mode)), 0);
		if (code == 0)
			return 0;
		/* Before anything else is said about it. */
		attach_failed(&before, code, error);
		if (attempt == ATTEMPTS_MAX)
			return code;
		pause_before(attempt);

		struct arq_error why = {0};
		int now = attach->look_again(attach->context, &why);
		if (!changed(&before, attach->before))
			return code;
		*error = why;
		if (now)
			return now;
	}
}

int arq_attach_slots(const struct arq_attach *attach, uint32_t *ids, struct arq_error *error)
{
	struct xdp_program *handles[ARQ_PROGRAM_COUNT];
	unsigned int made = 0;
	int code = 0;

	while (code == 0 && made < attach->count) {
		handles[made] = make_handle(attach->programs[made], &attach->places[made]);
		if (!handles[made])
			code = attach_failed(attach->before, -errno, error);
		else
			made++;
	}
	if (code == 0)
		code = attach_handles(attach, handles, error);
	for (unsigned int i = 0; code == 0 && i < made; i++)
		ids[i] = xdp_program__id(handles[i]);
	if (code == 0)
		code = check_slots(attach->before->interface, ids, made, error);
	close_handles(handles, made);
	return code;
}

int arq_attach_direct(const struct arq_chain *before, enum arq_chain_mode mode,
		      struct arq_program *program, int former, uint32_t *id,
		      struct arq_error *error)
{
	LIBBPF_OPTS(bpf_xdp_attach_opts, options, .old_prog_fd = former < 0 ? 0 : former);
	struct bpf_object *object = arq_program_object(program);
	struct bpf_prog_info info = {0};
	__u32 length = sizeof(info);

	arq_messages_clear();
	int code = bpf_object__load(object);
	if (code)
		return attach_failed(before, code, error);
	int descriptor = bpf_program__fd(bpf_object__next_program(object, NULL));
	if (bpf_obj_get_info_by_fd(descriptor, &info, &length))
		return attach_failed(before, -errno, error);
	*id = info.id;

	uint32_t flags = netlink_mode(effective_mode(before, mode));
	flags |= former < 0 ? XDP_FLAGS_UPDATE_IF_NOEXIST : XDP_FLAGS_REPLACE;
	code = bpf_xdp_attach((int)before->ifindex, descriptor, flags, &options);
	return code ? attach_failed(before, code, error) : 0;
}

static int detach_slots(const struct arq_chain *chain, const uint32_t *ids, size_t count)
{
	struct xdp_program *handles[ARQ_CHAIN_SLOTS];
	size_t made = 0;
	int code = 0;

	for (size_t i = 0; code == 0 && i < count; i++) {
		if (!has_slot(chain, ids[i]))
			continue;
		struct xdp_program *handle = xdp_program__from_id(ids[i]);
		code = (int)libxdp_get_error(handle);
		if (code == 0)
			handles[made++] = handle;
	}
	if (code == 0 && made > 0)
		code = xdp_program__detach_multi(handles, made, (int)chain->ifindex,
						 libxdp_mode(chain->mode), 0);
	close_handles(handles, made);
	return code;
}

/* By expected program, so that one that came in between stays. */
static int detach_direct(const struct arq_chain *chain, int former)
{
	uint32_t flags = netlink_mode(chain->mode) | XDP_FLAGS_REPLACE;

	int current = bpf_prog_get_fd_by_id(chain->id);
	if (current < 0)
		return -errno;
	LIBBPF_OPTS(bpf_xdp_attach_opts, options, .old_prog_fd = current);
	int code = bpf_xdp_attach((int)chain->ifindex, former, flags, &options);
	close(current);
	return code;
}

static int detach_once(const struct arq_chain *chain, const uint32_t *ids, size_t count, int former)
{
	int code = 0;

	arq_messages_clear();
	if (chain->kind == ARQ_CHAIN_DISPATCHER)
		return detach_slots(chain, ids, count);
	for (size_t i = 0; chain->kind == ARQ_CHAIN_SINGLE && code == 0 && i < count; i++) {
		if (chain->id == ids[i])
			code = detach_direct(chain, former);
	}
	return code;
}

int arq_detach(const char *interface, const uint32_t *ids, size_t count, int former,
	       struct arq_error *error)
{
	struct arq_chain chain, before;
	int failed = 0;

	for (unsigned int attempt = 1; attempt <= ATTEMPTS_MAX; attempt++) {
		int code = arq_chain_read(interface, &chain, error);
		if (code)
			return code;
		if (failed && !changed(&before, &chain))
			break;
		failed = detach_once(&chain, ids, count, former);
		if (failed == 0)
			return 0;
		before = chain;
		pause_before(attempt);
	}
	return arq_error_set(error, failed,
			     "%s: cannot take our programs off: %s; '--verbose' shows what the "
			     "kernel said",
			     interface, strerror(-failed));
}
