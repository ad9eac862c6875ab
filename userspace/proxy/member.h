/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the daemon knows of a pool's targets: whether their checks pass, whether they are ejected or
 * drained, since when they are well.
 *
 * All workers share it, and it lives through reloads that leave the pool as it is. Health is one
 * for the daemon and not one for each worker: the target is asked once an interval, not once for
 * each core, and what one worker's requests found out spares the others the same errors. Workers
 * read a few words for each choice, which change seldom and so stay in every core's cache; they
 * write when something goes wrong, or goes well again, not for each request.
 *
 * Any thread may call any of this. Times are CLOCK_MONOTONIC in ns.
 */
#ifndef ARQUANT_PROXY_MEMBER_H
#define ARQUANT_PROXY_MEMBER_H

#include "userspace/common/config.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arq_members;
struct arq_roster_target;

struct arq_members_options {
	const struct arq_roster_target *targets; /* of a pool, in order; borrowed for good */
	size_t count;
	struct arq_config_ejection ejection;
	bool checked; /* without checks, what they once said does not count */
};

/*
 * `previous` is what there was for the pool of that name before, or NULL. Targets that it had, by
 * their address, are shared with it, so that nothing is lost of what happens to them meanwhile; and
 * an address that comes to a name of which all addresses were drained is drained as well. Returns
 * 0 and *members, or -ENOMEM.
 */
int arq_members_create(const struct arq_members_options *options,
		       const struct arq_members *previous, struct arq_members **members);
void arq_members_destroy(struct arq_members *members); /* NULL is allowed */

size_t arq_members_count(const struct arq_members *members);

/* Neither drained, nor ejected, nor found dead by its checks. */
bool arq_member_usable(const struct arq_members *members, size_t i, uint64_t now);

/* An operator wants no more requests on it. */
bool arq_member_drained(const struct arq_members *members, size_t i);

/* Since when it is usable without a break; 0: since it was configured. */
uint64_t arq_member_since(const struct arq_members *members, size_t i, uint64_t now);

/* --- passive: what requests find out ---------------------------------------------------------- */

/* A request was answered, by less than 500. */
void arq_member_succeeded(struct arq_members *members, size_t i);

/*
 * A request was answered by a server error, or reset, or lost, or took too long, or no connection
 * could be made. So many in a row eject it (struct arq_config_ejection): for a time that doubles
 * with each ejection that follows, but never more targets than a share of the pool. After an
 * ejection it is on probation: one failure before the first success ejects it again. Returns for
 * how long this one has ejected it, in ns; 0 when it did not.
 */
uint64_t arq_member_failed(struct arq_members *members, size_t i, uint64_t now);

/* --- active: the checks' verdict -------------------------------------------------------------- */

/* Returns true when that is a change. */
bool arq_member_set_healthy(struct arq_members *members, size_t i, bool healthy, uint64_t now);

/* --- operators -------------------------------------------------------------------------------- */

/*
 * Drains the targets with this address, or that the configuration writes so (which may be a name
 * with many addresses), or ends that. Requests that they have are finished. Returns how many there
 * are.
 */
size_t arq_members_drain(struct arq_members *members, const char *address, bool drain,
			 uint64_t now);

struct arq_member_status {
	const char *address; /* lives as `members` */
	const char *configured; /* the same; what the configuration writes for it */
	bool healthy; /* by its checks; true without any */
	bool drained;
	uint64_t ejected_for; /* ns left; 0: not ejected */
	uint32_t failures; /* in a row */
	uint64_t ejections; /* since the start */
};

void arq_member_status(const struct arq_members *members, size_t i, uint64_t now,
		       struct arq_member_status *status);

#endif
