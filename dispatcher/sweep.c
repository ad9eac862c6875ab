// SPDX-License-Identifier: BSD-2-Clause
#include "dispatcher/sweep.h"

#include "dispatcher/chain.h"
#include "dispatcher/kernel.h"
#include "dispatcher/owner.h"
#include "dispatcher/pins.h"
#include "dispatcher/settle.h"

#include <bpf/bpf.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

/* libxdp's directory below the BPF file system, and its entries (protocol.org, "Locking and
 * pinning"). */
#define LIBXDP_DIRECTORY  "xdp"
#define LIBXDP_DISPATCHER "dispatch-" /* IFINDEX-ID */

/* "progN-link" and "progN-prog", with the path before them. */
static bool slot_path(char path[PATH_MAX], const char *dispatcher, unsigned int slot,
		      const char *kind)
{
	int length = snprintf(path, PATH_MAX, "%s/prog%u-%s", dispatcher, slot, kind);

	return length > 0 && length < PATH_MAX;
}

/*
 * The program of a slot, by its pin or, where libxdp was killed between the two, by its link's.
 * Returns a descriptor or a negative errno.
 */
static int slot_program(const char *dispatcher, unsigned int slot)
{
	struct bpf_link_info info = {0};
	__u32 length = sizeof(info);
	char path[PATH_MAX];

	if (!slot_path(path, dispatcher, slot, "prog"))
		return -ENAMETOOLONG;
	int program = bpf_obj_get(path);
	if (program >= 0 || !slot_path(path, dispatcher, slot, "link"))
		return program;
	int link = bpf_obj_get(path);
	if (link < 0)
		return link;
	int code = bpf_obj_get_info_by_fd(link, &info, &length);
	close(link);
	return code ? code : bpf_prog_get_fd_by_id(info.prog_id);
}

/*
 * Unpins our programs from a dispatcher that nothing runs; its directory goes when it is empty.
 * Returns how many there were.
 */
static unsigned int release_slots(const char *dispatcher, const struct arq_owner *owner)
{
	static const char *const kinds[] = {"prog", "link"};
	char path[PATH_MAX];
	unsigned int released = 0;

	for (unsigned int slot = 0; slot < ARQ_CHAIN_SLOTS; slot++) {
		int program = -1;
		int descriptor = slot_program(dispatcher, slot);
		if (descriptor < 0)
			continue;
		int code = arq_owner_find(owner, descriptor, NULL, &program);
		close(descriptor);
		if (code || program < 0)
			continue;
		released++;
		for (size_t kind = 0; kind < 2; kind++) {
			if (slot_path(path, dispatcher, slot, kinds[kind]))
				unlink(path);
		}
	}
	rmdir(dispatcher);
	return released;
}

/*
 * Does it for the dispatchers that were made for an interface and are not attached: those that are
 * older than the one that is, or all. Ids grow.
 */
static unsigned int release_dispatchers(unsigned int ifindex, uint32_t attached, bool only_older,
					const struct arq_owner *owner)
{
	char root[PATH_MAX], path[PATH_MAX];
	unsigned int released = 0;

	snprintf(root, sizeof(root), "%s/" LIBXDP_DIRECTORY, arq_kernel_bpffs());
	DIR *stream = opendir(root);
	if (!stream)
		return 0;
	if (flock(dirfd(stream), LOCK_EX) == 0) {
		struct dirent *entry;
		while ((entry = readdir(stream))) {
			uint64_t of, id;
			if (!arq_pins_parse(entry->d_name, LIBXDP_DISPATCHER, &of, &id) ||
			    of != ifindex || id == attached || (only_older && id > attached))
				continue;
			int length = snprintf(path, sizeof(path), "%s/%s", root, entry->d_name);
			if (length > 0 && (size_t)length < sizeof(path))
				released += release_slots(path, owner);
		}
	}
	closedir(stream); /* releases the lock */
	return released;
}

/* Programs of ours run there: are they those that should? */
static void clear_up(const struct arq_chain *chain, const char *directory,
		     const struct arq_owner *owner)
{
	/* What cannot be done now is for the next command. */
	struct arq_error ignored = {0};

	arq_settle(chain, directory, &ignored);
	if (chain->kind == ARQ_CHAIN_DISPATCHER)
		release_dispatchers(chain->ifindex, chain->id, true, owner);
}

static int visit(const char *directory, unsigned int ifindex, bool here, void *context)
{
	const bool *gone_too = context;
	struct arq_chain chain = {0};
	struct arq_error error = {0};
	struct arq_owner owner;
	char name[IF_NAMESIZE];

	arq_owner_read(&owner, directory);
	bool exists = here && if_indextoname(ifindex, name);
	if (exists && arq_chain_read(name, &chain, &error))
		return 0;
	if (arq_chain_count_own(&chain) > 0) {
		clear_up(&chain, directory, &owner);
		return 0;
	}
	/* What was released just now is still listed by the kernel for a moment. */
	unsigned int released = 0;
	if (exists || (here && *gone_too))
		released = release_dispatchers(ifindex, chain.id, false, &owner);
	if (exists || released > 0 || !arq_owner_in_use(&owner))
		arq_pins_remove(directory);
	return 0;
}

void arq_sweep(bool gone_too)
{
	arq_pins_walk(visit, &gone_too);
}
