// SPDX-License-Identifier: BSD-2-Clause
#include "dispatcher/chain.h"

#include "dispatcher/attach.h"
#include "dispatcher/kernel.h"
#include "dispatcher/load.h"
#include "dispatcher/pins.h"
#include "dispatcher/sweep.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int check_ready(struct arq_error *error)
{
	int code = arq_kernel_check_privileges(error);

	return code ? code : arq_kernel_check_bpffs(error);
}

static int directory_of(const struct arq_chain *chain, char directory[PATH_MAX],
			struct arq_error *error)
{
	int code = arq_pins_path(directory, chain->ifindex);
	if (code)
		return arq_error_set(error, code, "%s: cannot name its pins: %s", chain->interface,
				     strerror(-code));
	return 0;
}

/* Takes off what is ours now, also what a killed load left beside the current programs. */
static int take_off(const char *interface, struct arq_error *error)
{
	char directory[PATH_MAX];
	uint32_t ids[ARQ_CHAIN_SLOTS];
	struct arq_chain chain;
	size_t count = 0;

	int code = arq_chain_read(interface, &chain, error);
	if (code == 0)
		code = directory_of(&chain, directory, error);
	if (code)
		return code;
	for (unsigned int i = 0; i < chain.slots_count; i++) {
		if (chain.slots[i].program >= 0)
			ids[count++] = chain.slots[i].id;
	}
	if (count > 0)
		code = arq_detach(interface, ids, count, -1, error);
	if (code)
		return code;
	/* While the pins are there: dispatchers that a killed load left are known by them. */
	arq_sweep(false);
	code = arq_pins_remove(directory);
	if (code)
		return arq_error_set(error, code, "%s: cannot remove its pins: %s", interface,
				     strerror(-code));
	return 0;
}

/* Those that only pass take the place of the others: a load like any other. */
static int replace_by_pass(const char *const *interfaces, size_t count, struct arq_error *error)
{
	struct arq_chain_request *requests = calloc(count, sizeof(*requests));
	if (!requests)
		return arq_error_set(error, -ENOMEM, "out of memory");
	for (size_t i = 0; i < count; i++) {
		requests[i].interface = interfaces[i];
		requests[i].programs = ARQ_PROGRAM_BIT(ARQ_PROGRAM_PASS);
		requests[i].places[ARQ_PROGRAM_PASS] = arq_chain_default_place(ARQ_PROGRAM_PASS);
	}
	int code = count ? arq_load_locked(requests, count, error) : 0;
	free(requests);
	return code;
}

/* Is there anything of ours: programs, or at least pins? */
static int look_for_own(const char *interface, bool *runs, bool *pinned, struct arq_error *error)
{
	char directory[PATH_MAX];
	struct arq_chain chain;

	int code = arq_chain_read(interface, &chain, error);
	if (code == 0)
		code = directory_of(&chain, directory, error);
	if (code)
		return code;
	*runs = arq_chain_count_own(&chain) > 0;
	*pinned = access(directory, F_OK) == 0;
	return 0;
}

static int unload_those(const char *const *interfaces, size_t count, const char **running,
			bool leave_pass, struct arq_error *error)
{
	size_t running_count = 0;
	int code = 0;

	for (size_t i = 0; code == 0 && i < count; i++) {
		bool runs = false, pinned = false;
		code = look_for_own(interfaces[i], &runs, &pinned, error);
		if (code == 0 && !runs && !pinned)
			code = arq_error_set(error, -ENOENT,
					     "%s: none of our programs is loaded there; 'arquant "
					     "status' shows where they are",
					     interfaces[i]);
		if (code == 0 && runs)
			running[running_count++] = interfaces[i];
	}
	if (code)
		return code;
	arq_sweep(false);
	if (leave_pass)
		return replace_by_pass(running, running_count, error);
	for (size_t i = 0; code == 0 && i < running_count; i++)
		code = take_off(running[i], error);
	return code;
}

int arq_chain_unload(const char *const *interfaces, size_t count, bool leave_pass,
		     struct arq_error *error)
{
	int code = check_ready(error);
	if (code)
		return code;

	const char **running = calloc(count, sizeof(*running));
	if (!running)
		return arq_error_set(error, -ENOMEM, "out of memory");
	int lock = arq_pins_lock(error);
	if (lock >= 0) {
		code = unload_those(interfaces, count, running, leave_pass, error);
		if (code == 0)
			arq_sweep(false);
		arq_pins_unlock(lock);
	}
	free(running);
	return lock < 0 ? lock : code;
}

/* Interfaces may come and go while we walk: one that has just gone has nothing any more. */
static int unload_if_own(const char *interface, bool leave_pass, size_t *unloaded,
			 struct arq_error *error)
{
	bool runs = false, pinned = false;

	int code = look_for_own(interface, &runs, &pinned, error);
	if (code == 0 && runs)
		code = leave_pass ? replace_by_pass(&interface, 1, error)
				  : take_off(interface, error);
	if (code == -ENODEV) {
		arq_error_clear(error);
		return 0;
	}
	*unloaded += code == 0 && runs;
	return code;
}

int arq_chain_unload_all(size_t *unloaded, bool leave_pass, struct arq_error *error)
{
	*unloaded = 0;
	int code = check_ready(error);
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
		code = unload_if_own(one->if_name, leave_pass, unloaded, error);
	if (all)
		if_freenameindex(all);
	arq_sweep(true);
	arq_pins_unlock(lock);
	return code;
}
