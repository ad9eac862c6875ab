/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sets of labels, each distinct one kept once under a number: what covers an address, while the
 * tables of lookup.h are built. A label in a set may expire; of two that are the same the one that
 * stays longer counts. Sets of labels that never expire are the classes of the table. Inside
 * lookup.c; one thread.
 */
#ifndef ARQUANT_PROGS_FIREWALL_LABEL_SET_H
#define ARQUANT_PROGS_FIREWALL_LABEL_SET_H

#include <stddef.h>
#include <stdint.h>

#define ARQ_LABEL_FOREVER UINT64_MAX

/* The set without labels. */
#define ARQ_LABEL_SET_EMPTY 0

struct arq_label {
	uint64_t expires; /* ns, or ARQ_LABEL_FOREVER */
	uint32_t label;
};

struct arq_label_set {
	size_t first; /* of its members */
	uint32_t count;
	uint32_t class; /* UINT32_MAX: none yet; class 0 is the empty set */
	uint32_t ref; /* the caller's; UINT32_MAX at first */
};

struct arq_label_memory {
	uint32_t set, label, result;
	uint64_t expires;
};

#define ARQ_LABEL_MEMORIES 1024

struct arq_label_sets {
	struct arq_label *members; /* of all sets, ascending by label in each */
	size_t member_count, member_capacity;
	struct arq_label_set *sets;
	uint32_t count, capacity;
	uint32_t *slots; /* hash table of set numbers, UINT32_MAX: free */
	uint32_t slot_count; /* a power of two, more than twice `count` */
	struct arq_label *scratch;
	size_t scratch_capacity;
	struct arq_label_memory memories[ARQ_LABEL_MEMORIES]; /* additions done lately */
	uint32_t *classes; /* set of each class */
	uint32_t class_count, class_capacity;
};

/* All: 0 and *result, -ENOMEM, or -E2BIG when the sets have more labels than memory should hold. */
int arq_label_sets_init(struct arq_label_sets *sets);
void arq_label_sets_free(struct arq_label_sets *sets);

/* The set of `set` and one label more. */
int arq_label_sets_add(struct arq_label_sets *sets, uint32_t set, uint32_t label, uint64_t expires,
		       uint32_t *result);

/* When the first label of a set expires; ARQ_LABEL_FOREVER: none does. */
uint64_t arq_label_sets_expire(const struct arq_label_sets *sets, uint32_t set);

/* How many labels of a set expire. */
uint32_t arq_label_sets_expiring(const struct arq_label_sets *sets, uint32_t set);

/* The set without what expires until `now`. */
int arq_label_sets_after(struct arq_label_sets *sets, uint32_t set, uint64_t now, uint32_t *result);

/* The class of a set, whose labels are those of the set, whether they expire or not. */
int arq_label_sets_class(struct arq_label_sets *sets, uint32_t set, uint32_t *class);

#endif
