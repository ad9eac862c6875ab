// SPDX-License-Identifier: BSD-2-Clause
#include "dispatcher/attach.h"

#include "dispatcher/messages.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/if_link.h>
#include <string.h>
#include <unistd.h>
#include <xdp/libxdp.h>

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

	if (kernel[0])
		return arq_error_set(error, code, "%s: the kernel refuses to attach: %s (%s)", name,
				     kernel, strerror(-code));
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

/* An opened program as libxdp wants it, with our place in the chain said explicitly. */
static struct xdp_program *make_handle(struct arq_program *program)
{
	DECLARE_LIBXDP_OPTS(xdp_program_opts, options, .obj = arq_program_object(program));

	struct xdp_program *handle = xdp_program__create(&options);
	int code = (int)libxdp_get_error(handle);
	if (code == 0)
		code = xdp_program__set_run_prio(
			handle, (unsigned int)arq_program_priority(arq_program_kind(program)));
	for (unsigned int action = XDP_ABORTED; code == 0 && action <= XDP_REDIRECT; action++)
		code = xdp_program__set_chain_call_enabled(handle, action, action == XDP_PASS);
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
static int check_slots(const struct arq_chain *before, const uint32_t *ids, unsigned int count,
		       struct arq_error *error)
{
	struct arq_chain after;

	int code = arq_chain_read(before->interface, &after, error);
	if (code)
		return code;
	unsigned int found = 0;
	for (unsigned int i = 0; i < count; i++)
		found += has_slot(&after, ids[i]);
	if (after.kind == ARQ_CHAIN_DISPATCHER && found == count)
		return 0;

	struct arq_error ignored = {0};
	arq_detach(before->interface, ids, count, -1, &ignored);
	return arq_error_set(error, -EOPNOTSUPP,
			     "%s: libxdp did not put the programs into a dispatcher; is "
			     "LIBXDP_SKIP_DISPATCHER set? Otherwise load with '--bundle'",
			     before->interface);
}

int arq_attach_slots(const struct arq_chain *before, enum arq_chain_mode mode,
		     struct arq_program *const *programs, unsigned int count, uint32_t *ids,
		     struct arq_error *error)
{
	struct xdp_program *handles[ARQ_PROGRAM_COUNT];
	unsigned int made = 0;
	int code = 0;

	arq_messages_clear();
	for (; code == 0 && made < count; made++) {
		handles[made] = make_handle(programs[made]);
		if (!handles[made]) {
			code = -errno;
			break;
		}
	}
	if (code == 0)
		code = xdp_program__attach_multi(handles, count, (int)before->ifindex,
						 libxdp_mode(effective_mode(before, mode)), 0);
	if (code)
		attach_failed(before, code, error);
	for (unsigned int i = 0; code == 0 && i < count; i++)
		ids[i] = xdp_program__id(handles[i]);
	if (code == 0)
		code = check_slots(before, ids, count, error);
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

int arq_detach(const char *interface, const uint32_t *ids, size_t count, int former,
	       struct arq_error *error)
{
	struct arq_chain chain;

	int code = arq_chain_read(interface, &chain, error);
	if (code)
		return code;
	if (chain.kind == ARQ_CHAIN_DISPATCHER)
		code = detach_slots(&chain, ids, count);
	for (size_t i = 0; chain.kind == ARQ_CHAIN_SINGLE && code == 0 && i < count; i++) {
		if (chain.id == ids[i])
			code = detach_direct(&chain, former);
	}
	if (code)
		return arq_error_set(error, code,
				     "%s: cannot take our programs off: %s; '--verbose' shows what "
				     "the kernel said",
				     interface, strerror(-code));
	return 0;
}
