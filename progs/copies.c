// SPDX-License-Identifier: BSD-2-Clause
#include "progs/copies.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Elements that one system call copies, and the memory for them at most. */
#define CHUNK_ELEMENTS 4096u
#define CHUNK_BYTES    (16u << 20)

/* Values of per-CPU maps are padded to this (the kernel rounds each CPU's up). */
#define PER_CPU_ALIGNMENT 8u

struct copy {
	uint32_t id; /* of the live map */
	int descriptor;
};

struct arq_copies {
	struct copy *items;
	size_t count;
};

struct arq_copies *arq_copies_create(void)
{
	return calloc(1, sizeof(struct arq_copies));
}

void arq_copies_destroy(struct arq_copies *copies)
{
	if (!copies)
		return;
	for (size_t i = 0; i < copies->count; i++)
		close(copies->items[i].descriptor);
	free(copies->items);
	free(copies);
}

static int find(const struct arq_copies *copies, uint32_t id)
{
	for (size_t i = 0; i < copies->count; i++) {
		if (copies->items[i].id == id)
			return copies->items[i].descriptor;
	}
	return -ENOENT;
}

/* Takes over the descriptor, also when it fails. Returns it, or a negative errno. */
static int add(struct arq_copies *copies, uint32_t id, int descriptor)
{
	struct copy *items = reallocarray(copies->items, copies->count + 1, sizeof(*copies->items));
	if (!items) {
		close(descriptor);
		return -ENOMEM;
	}
	copies->items = items;
	copies->items[copies->count++] = (struct copy){id, descriptor};
	return descriptor;
}

/* --- elements --------------------------------------------------------------------------------- */

static bool is_per_cpu(uint32_t type)
{
	return type == BPF_MAP_TYPE_PERCPU_ARRAY || type == BPF_MAP_TYPE_PERCPU_HASH ||
	       type == BPF_MAP_TYPE_LRU_PERCPU_HASH;
}

/* Bytes of a value as user space reads it, or a negative errno. */
static long value_bytes(const struct bpf_map_info *info)
{
	int cpus = libbpf_num_possible_cpus();

	if (!is_per_cpu(info->type))
		return info->value_size;
	if (cpus < 0)
		return cpus;
	return (long)cpus * ((info->value_size + PER_CPU_ALIGNMENT - 1) & -PER_CPU_ALIGNMENT);
}

struct chunk {
	uint32_t elements; /* there is room for */
	size_t value; /* bytes of one */
	void *keys;
	void *values;
	void *position; /* in the live map: a key, or a number of 4 bytes */
};

static void chunk_free(struct chunk *chunk)
{
	free(chunk->keys);
	free(chunk->values);
	free(chunk->position);
}

static int chunk_allocate(struct chunk *chunk, const struct bpf_map_info *info, uint32_t elements)
{
	chunk_free(chunk);
	chunk->elements = elements;
	chunk->keys = calloc(elements, info->key_size);
	chunk->values = calloc(elements, chunk->value);
	chunk->position = calloc(1, info->key_size + sizeof(uint32_t));
	return chunk->keys && chunk->values && chunk->position ? 0 : -ENOMEM;
}

/* Copies all elements. The live map may change meanwhile: what it had throughout is copied. */
static int copy_chunks(int live, int copy, const struct bpf_map_info *info, struct chunk *chunk)
{
	LIBBPF_OPTS(bpf_map_batch_opts, options);
	void *position = NULL;

	for (;;) {
		uint32_t count = chunk->elements;
		int status = bpf_map_lookup_batch(live, position, chunk->position, chunk->keys,
						  chunk->values, &count, &options);
		/* A bucket of a hash map that is longer than the chunk: begin anew. */
		if (status == -ENOSPC && chunk->elements < info->max_entries) {
			status = chunk_allocate(chunk, info, chunk->elements * 2);
			position = NULL;
			if (status == 0)
				continue;
		}
		if (status && status != -ENOENT)
			return status;
		bool end = status == -ENOENT;
		status = count ? bpf_map_update_batch(copy, chunk->keys, chunk->values, &count,
						      &options)
			       : 0;
		if (status || end)
			return status;
		position = chunk->position;
	}
}

static int copy_one(int live, int copy, size_t value_size)
{
	const uint32_t zero = 0;

	void *value = calloc(1, value_size);
	if (!value)
		return -ENOMEM;
	int status = bpf_map_lookup_elem(live, &zero, value);
	if (status == 0)
		status = bpf_map_update_elem(copy, &zero, value, BPF_ANY);
	free(value);
	return status;
}

static int copy_elements(int live, int copy, const struct bpf_map_info *info)
{
	long value = value_bytes(info);
	if (value < 0)
		return (int)value;
	/* Variables are arrays of one element. */
	if (info->max_entries == 1 &&
	    (info->type == BPF_MAP_TYPE_ARRAY || info->type == BPF_MAP_TYPE_PERCPU_ARRAY))
		return copy_one(live, copy, (size_t)value);

	struct chunk chunk = {.value = (size_t)value};
	uint32_t elements = CHUNK_BYTES / (uint32_t)value;
	elements = elements > CHUNK_ELEMENTS ? CHUNK_ELEMENTS : elements;
	elements = elements > info->max_entries ? info->max_entries : elements;
	int status = chunk_allocate(&chunk, info, elements ? elements : 1);
	if (status == 0)
		status = copy_chunks(live, copy, info, &chunk);
	chunk_free(&chunk);
	return status;
}

/* --- maps ------------------------------------------------------------------------------------- */

static int create(const struct bpf_map_info *info, int example)
{
	LIBBPF_OPTS(bpf_map_create_opts, options, .map_flags = info->map_flags,
		    .inner_map_fd = example < 0 ? 0 : (uint32_t)example);

	return bpf_map_create((enum bpf_map_type)info->type, info->name, info->key_size,
			      info->value_size, info->max_entries, &options);
}

static int copy_map(struct arq_copies *copies, uint32_t id, const struct bpf_map *like);

static int copy_inner(struct arq_copies *copies, int copy, const void *key, uint32_t inner)
{
	int descriptor = find(copies, inner);

	if (descriptor < 0)
		descriptor = copy_map(copies, inner, NULL);
	return descriptor < 0 ? descriptor : bpf_map_update_elem(copy, key, &descriptor, BPF_ANY);
}

static int copy_all_inner(struct arq_copies *copies, int live, int copy,
			  const struct bpf_map_info *info)
{
	uint32_t inner;
	int status = 0;

	char *key = calloc(1, info->key_size);
	if (!key)
		return -ENOMEM;
	for (void *before = NULL; status == 0 && bpf_map_get_next_key(live, before, key) == 0;
	     before = key) {
		if (bpf_map_lookup_elem(live, key, &inner) == 0)
			status = copy_inner(copies, copy, key, inner);
	}
	free(key);
	return status;
}

static int copy_map_of_maps(struct arq_copies *copies, int live, const struct bpf_map_info *info,
			    const struct bpf_map *like)
{
	struct bpf_map *inner = like ? bpf_map__inner_map((struct bpf_map *)like) : NULL;
	if (!inner)
		return -EINVAL;
	struct bpf_map_info of = {
		.type = bpf_map__type(inner),
		.key_size = bpf_map__key_size(inner),
		.value_size = bpf_map__value_size(inner),
		.max_entries = bpf_map__max_entries(inner),
		.map_flags = bpf_map__map_flags(inner),
	};
	int example = create(&of, -1);
	if (example < 0)
		return example;
	int copy = create(info, example);
	close(example);
	if (copy < 0 || of.type == BPF_MAP_TYPE_RINGBUF)
		return copy;
	int status = copy_all_inner(copies, live, copy, info);
	if (status == 0)
		return copy;
	close(copy);
	return status;
}

static int copy_plain(int live, const struct bpf_map_info *info)
{
	int copy = create(info, -1);
	if (copy < 0 || info->type == BPF_MAP_TYPE_RINGBUF)
		return copy;
	int status = copy_elements(live, copy, info);
	if (status == 0)
		return copy;
	close(copy);
	return status;
}

/* Returns a descriptor for the caller, or a negative errno. */
static int copy_by_type(struct arq_copies *copies, int live, const struct bpf_map_info *info,
			const struct bpf_map *like)
{
	switch (info->type) {
	case BPF_MAP_TYPE_XSKMAP:
	case BPF_MAP_TYPE_DEVMAP:
	case BPF_MAP_TYPE_DEVMAP_HASH:
	case BPF_MAP_TYPE_CPUMAP:
	case BPF_MAP_TYPE_LPM_TRIE:
		return bpf_map_get_fd_by_id(info->id);
	case BPF_MAP_TYPE_ARRAY_OF_MAPS:
	case BPF_MAP_TYPE_HASH_OF_MAPS:
		return copy_map_of_maps(copies, live, info, like);
	case BPF_MAP_TYPE_ARRAY:
	case BPF_MAP_TYPE_HASH:
	case BPF_MAP_TYPE_LRU_HASH:
	case BPF_MAP_TYPE_PERCPU_ARRAY:
	case BPF_MAP_TYPE_PERCPU_HASH:
	case BPF_MAP_TYPE_LRU_PERCPU_HASH:
	case BPF_MAP_TYPE_RINGBUF:
		return copy_plain(live, info);
	default:
		return -EOPNOTSUPP;
	}
}

static int copy_map(struct arq_copies *copies, uint32_t id, const struct bpf_map *like)
{
	struct bpf_map_info info = {0};
	uint32_t size = sizeof(info);

	int live = bpf_map_get_fd_by_id(id);
	if (live < 0)
		return live;
	int copy = bpf_map_get_info_by_fd(live, &info, &size);
	if (copy == 0)
		copy = copy_by_type(copies, live, &info, like);
	close(live);
	return copy < 0 ? copy : add(copies, id, copy);
}

int arq_copies_get(struct arq_copies *copies, uint32_t id, const struct bpf_map *like,
		   struct arq_error *error)
{
	int descriptor = find(copies, id);

	if (descriptor < 0)
		descriptor = copy_map(copies, id, like);
	return descriptor < 0 ? arq_error_set(error, descriptor, "cannot copy the map '%s': %s",
					      bpf_map__name(like), strerror(-descriptor))
			      : descriptor;
}
