/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The class of an address, from the tables that arquant/lookup.h describes. A look-up costs one
 * load from the root and, where prefixes are longer than 16 bits, one line of 64 bytes for each
 * step: one to three as a rule, ARQ_LOOKUP_STEPS_MAX at the very most.
 */
#ifndef ARQUANT_PROGS_FIREWALL_LOOKUP_BPF_H
#define ARQUANT_PROGS_FIREWALL_LOOKUP_BPF_H

#include "progs/lib/bounds.bpf.h"

#include <arquant/lookup.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <linux/bpf.h>
#include <stdbool.h>

struct arq_lookup_root_map {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(struct arq_lookup_root));
};

/* As long as the table needs; mapped by those who fill it and read hits. */
struct arq_lookup_nodes_map {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_INNER_MAP | BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(struct arq_lookup_line));
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, ARQ_LOOKUP_MAPS);
	__type(key, __u32);
	__array(values, struct arq_lookup_root_map);
} lookup_roots SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, ARQ_LOOKUP_MAPS);
	__type(key, __u32);
	__array(values, struct arq_lookup_nodes_map);
} lookup_nodes SEC(".maps");

/* What a record says now: a class, or a reference to the next record. */
static __always_inline __u32 arq_lookup_record(struct arq_lookup_record *record)
{
	__u64 now = bpf_ktime_get_coarse_ns();

	if (now >= record->expires)
		return record->otherwise;
	if (record->flags & ARQ_LOOKUP_COUNTED) {
		__sync_fetch_and_add(&record->hits, 1);
		record->last_seen = now;
	}
	return record->class;
}

/*
 * Follows references. `high` and `low` are the bits of the address that are not used up, from the
 * highest bit on.
 */
static __always_inline __u32 arq_lookup_walk(void *nodes, __u32 ref, __u64 high, __u64 low)
{
	for (int step = 0; step < ARQ_LOOKUP_STEPS_MAX; step++) {
		__u32 kind = ref >> ARQ_LOOKUP_KIND_SHIFT;
		__u32 index;
		struct arq_lookup_line *line;

		if (kind == ARQ_LOOKUP_CLASS)
			return ref;
		if (kind == ARQ_LOOKUP_DIRECT) {
			__u32 bits = 1 + (ref >> ARQ_LOOKUP_STRIDE_SHIFT & ARQ_LOOKUP_STRIDE_MASK);
			__u32 entry = high >> (64 - bits);
			high = high << bits | low >> (64 - bits);
			low <<= bits;
			index = (ref & ARQ_LOOKUP_DIRECT_MASK) + entry / ARQ_LOOKUP_LINE_REFS;
			line = bpf_map_lookup_elem(nodes, &index);
			if (!line)
				return 0;
			ref = line->refs[entry % ARQ_LOOKUP_LINE_REFS];
		} else if (kind == ARQ_LOOKUP_PATH) {
			index = (ref & ARQ_LOOKUP_VALUE_MASK) / ARQ_LOOKUP_LINE_PATHS;
			line = bpf_map_lookup_elem(nodes, &index);
			if (!line)
				return 0;
			const struct arq_lookup_path *path =
				&line->paths[ref % ARQ_LOOKUP_LINE_PATHS];
			__u64 value = path->value;
			__u32 bits = value & ARQ_LOOKUP_PATH_MASK;
			if ((high ^ value) >> (64 - bits)) {
				ref = path->otherwise;
				continue;
			}
			high = high << bits | low >> (64 - bits);
			low <<= bits;
			ref = path->match;
		} else if (ref & ARQ_LOOKUP_SHORT) {
			return arq_lookup_short(ref, high);
		} else {
			index = ref & ARQ_LOOKUP_VALUE_MASK;
			line = bpf_map_lookup_elem(nodes, &index);
			if (!line)
				return 0;
			ref = arq_lookup_record(&line->record);
		}
	}
	return 0;
}

/* The same from the root on; `wide`: the root may be a wide one, which it is for IPv4 alone. */
static __always_inline __u32 arq_lookup_class(__u32 table, __u64 high, __u64 low, bool wide)
{
	__u32 zero = 0;
	__u32 ref, bits = ARQ_LOOKUP_ROOT_BITS;
	void *nodes;

	void *map = bpf_map_lookup_elem(&lookup_roots, &table);
	if (!map)
		return 0;
	const struct arq_lookup_root *root = bpf_map_lookup_elem(map, &zero);
	if (!root)
		return 0;
	if (wide && root->wide_bits) {
		nodes = bpf_map_lookup_elem(&lookup_nodes, &table);
		if (!nodes)
			return 0;
		bits = root->wide_bits;
		__u32 entry = high >> (64 - bits);
		__u32 index = root->wide_line + entry / ARQ_LOOKUP_LINE_REFS;
		const struct arq_lookup_line *line = bpf_map_lookup_elem(nodes, &index);
		if (!line)
			return 0;
		ref = line->refs[entry % ARQ_LOOKUP_LINE_REFS];
	} else {
		ref = root->refs[high >> (64 - bits)];
		if (ref >> ARQ_LOOKUP_KIND_SHIFT == ARQ_LOOKUP_CLASS)
			return ref;
		nodes = bpf_map_lookup_elem(&lookup_nodes, &table);
		if (!nodes)
			return 0;
	}
	return arq_lookup_walk(nodes, ref, high << bits | low >> (64 - bits), low << bits);
}

/* The functions take a table's number, ARQ_LOOKUP_INDEX(), so that all tables share the code. */
static __always_inline __u32 arq_lookup_v4(__u32 table, __be32 address)
{
	return arq_lookup_class(table, (__u64)bpf_ntohl(address) << 32, 0, true);
}

/* Four words in network byte order, at any multiple of 2. */
static __always_inline __u32 arq_lookup_v6(__u32 table, const __be32 *address)
{
	__u64 high = (__u64)bpf_ntohl(address[0]) << 32 | bpf_ntohl(address[1]);
	__u64 low = (__u64)bpf_ntohl(address[2]) << 32 | bpf_ntohl(address[3]);

	return arq_lookup_class(table, high, low, false);
}

#endif
