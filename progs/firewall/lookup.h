/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From prefixes to the tables that find the class of an address (arquant/lookup.h says what lies in
 * them). Prefixes come in any order, overlap, and occur more than once; each has a label, a number
 * of the caller's: that of a list of prefixes which belong together, for instance of a set. All
 * addresses that are covered by the same labels are one class, so that whoever wants to know what
 * an address means keeps one answer for each class, not for each prefix. A list that serves in
 * several places should have one label and lie in the table once.
 *
 * A table is built in memory, about 100 ms for each 100 000 prefixes at the most, and then
 * installed in the maps of a loaded program. Nothing here is shared; threads may build tables of
 * their own side by side.
 */
#ifndef ARQUANT_PROGS_FIREWALL_LOOKUP_H
#define ARQUANT_PROGS_FIREWALL_LOOKUP_H

#include "userspace/common/error.h"
#include "userspace/common/prefix.h"

#include <arquant/lookup.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Of one table; what is left of the numbers of prefixes and classes is the caller's memory. */
#define ARQ_LOOKUP_PREFIXES_MAX (1u << 22)
#define ARQ_LOOKUP_LABELS_MAX   (1u << 30)

struct arq_lookup_entry {
	struct arq_prefix prefix;
	bool counted; /* keep hits and last seen of the prefix */
	uint32_t label; /* below ARQ_LOOKUP_LABELS_MAX */
	uint64_t expires; /* ns, CLOCK_MONOTONIC: from then on the entry is none; 0: never */
};

struct arq_lookup;

/*
 * Builds the table for the entries of `family` (AF_INET or AF_INET6); others are left out.
 * `entries` is borrowed during the call. Returns 0 and *lookup, or a negative errno with the reason
 * in `error`: -ENOMEM, -EINVAL for what is no prefix, -E2BIG for more prefixes than
 * ARQ_LOOKUP_PREFIXES_MAX or more than ARQ_LOOKUP_RECORDS_MAX labels that expire on one address.
 */
int arq_lookup_build(int family, const struct arq_lookup_entry *entries, size_t count,
		     struct arq_lookup **lookup, struct arq_error *error);

/* NULL is fine. */
void arq_lookup_destroy(struct arq_lookup *lookup);

/* Classes, with class 0, to which no label belongs. At least 1. */
uint32_t arq_lookup_class_count(const struct arq_lookup *lookup);

/* Number of labels of a class, and *labels, ascending, owned by the table. */
size_t arq_lookup_class_labels(const struct arq_lookup *lookup, uint32_t class,
			       const uint32_t **labels);

/* Bytes of the table in the kernel. */
size_t arq_lookup_size(const struct arq_lookup *lookup);

/* Most steps that an address takes, at most ARQ_LOOKUP_STEPS_MAX. */
unsigned int arq_lookup_steps(const struct arq_lookup *lookup);

/*
 * The class of an address (4 or 16 bytes, network byte order) at the time `now`, ns of
 * CLOCK_MONOTONIC: what the kernel finds in the same table.
 */
uint32_t arq_lookup_find(const struct arq_lookup *lookup, const uint8_t *address, uint64_t now);

/*
 * ns of CLOCK_MONOTONIC at which it will be `seconds` of CLOCK_REALTIME, as both clocks stand now;
 * 1 when that is past. 0 stays 0: never.
 */
uint64_t arq_lookup_deadline(uint32_t seconds);

/*
 * Puts the table into the maps of arq_lookup.bpf.h, `roots` and `nodes`, at ARQ_LOOKUP_INDEX(), in
 * place of what is there. The program should not be looking there. Returns 0, or a negative errno
 * with the reason in `error`; then nothing is there.
 */
int arq_lookup_install(const struct arq_lookup *lookup, int roots, int nodes, uint32_t index,
		       struct arq_error *error);

/*
 * What an installed table counted: calls `visit` with each record that counts, until it returns
 * other than 0. A prefix may have several records, whose hits add up. Nothing there: no calls.
 * Returns that value, 0, or a negative errno.
 */
int arq_lookup_each_counted(int roots, int nodes, uint32_t index,
			    int (*visit)(const struct arq_lookup_record *record, void *context),
			    void *context);

/*
 * Lets a table that is not installed yet go on from what the one at `index` has counted, prefix by
 * prefix. What is counted there between this and the change to the new table is lost. Returns 0 or
 * a negative errno.
 */
int arq_lookup_carry(struct arq_lookup *lookup, int roots, int nodes, uint32_t index);

/* Takes the table out; the kernel frees it. Nothing there is no error. */
int arq_lookup_remove(int roots, int nodes, uint32_t index, struct arq_error *error);

#endif
