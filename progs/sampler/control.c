// SPDX-License-Identifier: BSD-2-Clause
#include "progs/sampler/control.h"

#include "progs/pins.h"

#include <arquant/sample.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

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

static int set_one(enum arq_program_id id, const char *pin_directory, uint32_t one_in,
		   uint32_t snaplen, struct arq_error *error)
{
	struct arq_tunables *tunables;

	int status = arq_tunables_map(id, pin_directory, &tunables, error);
	if (status)
		return status;
	if (snaplen)
		__atomic_store_n(&tunables->snaplen, snaplen, __ATOMIC_RELAXED);
	__atomic_store_n(&tunables->sample_one_in, one_in, __ATOMIC_RELAXED);
	arq_tunables_unmap(tunables);
	return 0;
}

int arq_sampler_set(const char *pin_directory, uint32_t one_in, uint32_t snaplen,
		    struct arq_error *error)
{
	if (snaplen > ARQ_SNAPLEN_MAX)
		return arq_error_set(error, -EINVAL, "snaplen %u is too large; at most %d bytes",
				     snaplen, ARQ_SNAPLEN_MAX);
	int sampler = find_sampler(pin_directory, error);
	if (sampler < 0)
		return -ENOENT;
	int status = set_one((enum arq_program_id)sampler, pin_directory, one_in, snaplen, error);
	if (status == 0 && arq_program_pinned(ARQ_PROGRAM_FIREWALL, pin_directory))
		status = set_one(ARQ_PROGRAM_FIREWALL, pin_directory, one_in, snaplen, error);
	return status;
}

int arq_sampler_get(const char *pin_directory, uint32_t *one_in, uint32_t *snaplen,
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
	*one_in = __atomic_load_n(&tunables->sample_one_in, __ATOMIC_RELAXED);
	*snaplen = __atomic_load_n(&tunables->snaplen, __ATOMIC_RELAXED);
	arq_tunables_unmap(tunables);
	return 0;
}

int arq_samples_open(const char *pin_directory, struct arq_error *error)
{
	arq_pin_path path;

	int length = snprintf(path, sizeof(path), "%s/samples", pin_directory);
	if (length < 0 || (size_t)length >= sizeof(path))
		return arq_error_set(error, -ENAMETOOLONG, "the path of the samples is too long");
	int ring = bpf_obj_get(path);
	if (ring == -ENOENT)
		return arq_error_set(error, ring,
				     "no sampler is loaded on this interface (no %s); load it by "
				     "'arquant load'",
				     path);
	if (ring < 0)
		return arq_error_set(error, ring, "cannot open the samples %s: %s%s", path,
				     strerror(-ring),
				     ring == -EPERM || ring == -EACCES ? "; run as root" : "");
	return ring;
}
