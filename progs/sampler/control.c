// SPDX-License-Identifier: BSD-2-Clause
#include "progs/sampler/control.h"

#include "progs/pins.h"

#include <arquant/sample.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* The program that samples what passes: the sampler or the bundle. -1 when neither is loaded. */
static int find_sampler(const char *pin_directory, struct arq_error *error)
{
	if (arq_program_pinned(ARQ_PROGRAM_SAMPLER, pin_directory))
		return ARQ_PROGRAM_SAMPLER;
	if (arq_program_pinned(ARQ_PROGRAM_BUNDLE, pin_directory))
		return ARQ_PROGRAM_BUNDLE;
	arq_error_set(error, -ENOENT,
		      "no sampler is loaded on this interface (no pins in %s); load it by "
		      "'arquant load'",
		      pin_directory);
	return -1;
}

static int set_one(enum arq_program_id id, const char *pin_directory,
		   const struct arq_sampler_rates *rates, struct arq_error *error)
{
	struct arq_tunables *tunables;

	int status = arq_tunables_map(id, pin_directory, &tunables, error);
	if (status)
		return status;
	__atomic_store_n(&tunables->snaplen, rates->snaplen, __ATOMIC_RELAXED);
	__atomic_store_n(&tunables->sample_one_in, rates->one_in, __ATOMIC_RELAXED);
	__atomic_store_n(&tunables->drop_one_in, rates->drop_one_in, __ATOMIC_RELAXED);
	arq_tunables_unmap(tunables);
	return 0;
}

int arq_sampler_set(const char *pin_directory, const struct arq_sampler_rates *rates,
		    struct arq_error *error)
{
	if (rates->snaplen == 0 || rates->snaplen > ARQ_SNAPLEN_MAX)
		return arq_error_set(error, -EINVAL,
				     "a snaplen of %u is impossible; take 1 to %d bytes",
				     rates->snaplen, ARQ_SNAPLEN_MAX);
	int sampler = find_sampler(pin_directory, error);
	if (sampler < 0)
		return -ENOENT;
	int status = set_one((enum arq_program_id)sampler, pin_directory, rates, error);
	if (status == 0 && arq_program_pinned(ARQ_PROGRAM_FIREWALL, pin_directory))
		status = set_one(ARQ_PROGRAM_FIREWALL, pin_directory, rates, error);
	return status;
}

int arq_sampler_get(const char *pin_directory, struct arq_sampler_rates *rates,
		    struct arq_error *error)
{
	struct arq_tunables *tunables;

	int sampler = find_sampler(pin_directory, error);
	if (sampler < 0)
		return -ENOENT;
	int status =
		arq_tunables_map((enum arq_program_id)sampler, pin_directory, &tunables, error);
	if (status)
		return status;
	rates->one_in = __atomic_load_n(&tunables->sample_one_in, __ATOMIC_RELAXED);
	rates->drop_one_in = __atomic_load_n(&tunables->drop_one_in, __ATOMIC_RELAXED);
	rates->snaplen = __atomic_load_n(&tunables->snaplen, __ATOMIC_RELAXED);
	arq_tunables_unmap(tunables);
	return 0;
}

int arq_readers_open(const char *pin_directory, struct arq_error *error)
{
	arq_pin_path path;

	int length = snprintf(path, sizeof(path), "%s/readers", pin_directory);
	if (length < 0 || (size_t)length >= sizeof(path))
		return arq_error_set(error, -ENAMETOOLONG, "the path of the readers is too long");
	int readers = bpf_obj_get(path);
	if (readers == -ENOENT)
		return arq_error_set(error, readers,
				     "no sampler is loaded on this interface (no %s); load it by "
				     "'arquant load'",
				     path);
	if (readers < 0)
		return arq_error_set(
			error, readers, "cannot open %s: %s%s", path, strerror(-readers),
			readers == -EPERM || readers == -EACCES ? "; run as root" : "");
	return readers;
}

/* --- names of rules --------------------------------------------------------------------------- */

static int open_rule_slots(const char *pin_directory)
{
	struct arq_error unused = {0};

	int map = arq_program_map_open(ARQ_PROGRAM_FIREWALL, pin_directory, "rule_slots", &unused);
	return map >= 0 ? map
			: arq_program_map_open(ARQ_PROGRAM_BUNDLE, pin_directory, "rule_slots",
					       &unused);
}

void arq_rule_names_read(const char *pin_directory, struct arq_rule_names *names)
{
	struct bpf_map_info info = {0};
	uint32_t size = sizeof(info);

	int map = open_rule_slots(pin_directory);
	if (map < 0 || bpf_map_get_info_by_fd(map, &info, &size) || info.id != names->map_id)
		arq_rule_names_free(names);
	if (info.id && !names->slots && info.value_size == sizeof(struct arq_rule_slot)) {
		void *memory = mmap(NULL, (size_t)info.max_entries * info.value_size, PROT_READ,
				    MAP_SHARED, map, 0);
		if (memory != MAP_FAILED)
			*names = (struct arq_rule_names){info.id, info.max_entries, memory};
	}
	if (map >= 0)
		close(map);
}

void arq_rule_names_free(struct arq_rule_names *names)
{
	if (names->slots)
		munmap((void *)(uintptr_t)names->slots, names->count * sizeof(*names->slots));
	*names = (struct arq_rule_names){0};
}

const char *arq_rule_name(const struct arq_rule_names *names, uint32_t rule)
{
	return rule && rule < names->count ? names->slots[rule].name : "";
}
