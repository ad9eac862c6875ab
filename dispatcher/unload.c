// SPDX-License-Identifier: BSD-2-Clause
#include "dispatcher/chain.h"

#include "dispatcher/attach.h"
#include "dispatcher/kernel.h"
#include "dispatcher/pins.h"
#include "dispatcher/sweep.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int unpin(const struct arq_chain *chain, struct arq_error *error)
{
	char directory[PATH_MAX], packet[PATH_MAX];

	int code = arq_pins_path(directory, chain->ifindex);
	if (code == 0)
		code = arq_pins_packet_path(packet);
	for (uint32_t id = 0; code == 0 && id < ARQ_PROGRAM_COUNT; id++)
		code = arq_program_unpin((enum arq_program_id)id, directory, packet, error);
	if (code)
		return arq_error_set(error, code, "%s: cannot remove its pins: %s",
				     chain->interface, strerror(-code));
	return 0;
}

static int unload_one(const struct arq_chain *chain, struct arq_error *error)
{
	uint32_t ids[ARQ_CHAIN_SLOTS];
	size_t count = 0;

	for (unsigned int i = 0; i < chain->slots_count; i++) {
		if (chain->slots[i].program >= 0)
			ids[count++] = chain->slots[i].id;
	}
	int code = arq_detach(chain->interface, ids, count, -1, error);
	return code ? code : unpin(chain, error);
}

static int unload_locked(const char *const *interfaces, size_t count, struct arq_chain *chains,
			 struct arq_error *error)
{
	int code = 0;

	for (size_t i = 0; code == 0 && i < count; i++) {
		code = arq_chain_read(interfaces[i], &chains[i], error);
		if (code == 0 && arq_chain_count_own(&chains[i]) == 0)
			code = arq_error_set(error, -ENOENT,
					     "%s: none of our programs is loaded there; 'arquant "
					     "status' shows where they are",
					     interfaces[i]);
	}
	for (size_t i = 0; code == 0 && i < count; i++)
		code = unload_one(&chains[i], error);
	return code;
}

int arq_chain_unload(const char *const *interfaces, size_t count, struct arq_error *error)
{
	int code = arq_kernel_check_privileges(error);
	if (code == 0)
		code = arq_kernel_check_bpffs(error);
	if (code)
		return code;

	struct arq_chain *chains = calloc(count, sizeof(*chains));
	if (!chains)
		return arq_error_set(error, -ENOMEM, "out of memory");
	int lock = arq_pins_lock(error);
	if (lock >= 0) {
		arq_sweep(false);
		code = unload_locked(interfaces, count, chains, error);
		arq_pins_unlock(lock);
	}
	free(chains);
	return lock < 0 ? lock : code;
}

/* Interfaces may come and go while we walk: one that has just gone is no error. */
static int unload_if_own(const char *interface, size_t *unloaded, struct arq_error *error)
{
	struct arq_chain chain;

	int code = arq_chain_read(interface, &chain, error);
	if (code == -ENODEV) {
		arq_error_clear(error);
		return 0;
	}
	if (code || arq_chain_count_own(&chain) == 0)
		return code;
	code = unload_one(&chain, error);
	*unloaded += code == 0;
	return code;
}

int arq_chain_unload_all(size_t *unloaded, struct arq_error *error)
{
	*unloaded = 0;
	int code = arq_kernel_check_privileges(error);
	if (code == 0)
		code = arq_kernel_check_bpffs(error);
	if (code)
		return code;
	int lock = arq_pins_lock(error);
	if (lock < 0)
		return lock;

	arq_sweep(true);
	struct if_nameindex *all = if_nameindex();
	if (!all)
		code = arq_error_set(error, -errno, "cannot list the interfaces: %s",
				     strerror(errno));
	for (struct if_nameindex *one = all; code == 0 && one && one->if_index; one++)
		code = unload_if_own(one->if_name, unloaded, error);
	if (all)
		if_freenameindex(all);
	arq_pins_unlock(lock);
	return code;
}
