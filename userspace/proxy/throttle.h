/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How many requests a client may make: one table for the daemon, which all workers ask and change
 * without a lock, and which generations hand on, so that a reload gives nobody a new burst.
 *
 * For each key it has the time at which the last request of an even stream would have come (GCRA):
 * what is not after now may be forgotten. The table has a fixed size. When more keys are in debt at
 * a time than a bucket holds, the one that owes the least is forgotten; its client may begin anew.
 */
#ifndef ARQUANT_PROXY_THROTTLE_H
#define ARQUANT_PROXY_THROTTLE_H

#include "userspace/common/address.h"

#include <stdint.h>

struct arq_throttle;

/* Returns 0 and *throttle with one reference, or -ENOMEM. */
int arq_throttle_create(struct arq_throttle **throttle);
struct arq_throttle *arq_throttle_get(struct arq_throttle *throttle);
void arq_throttle_put(struct arq_throttle *throttle); /* NULL is allowed */

/*
 * The key of a client for what is called `name`: its IPv4 address, or the first 64 bits of its
 * IPv6 address, which are one customer's.
 */
uint64_t arq_throttle_key(const struct arq_throttle *throttle, const char *name,
			  const union arq_address *client);

/*
 * One more at `now`: one in `interval_ns`, `burst` (at least 1) at once. Returns 0 when it is
 * allowed, else the nanoseconds until it is; it did not count then. Any thread.
 */
uint64_t arq_throttle_take(struct arq_throttle *throttle, uint64_t key, uint64_t interval_ns,
			   uint32_t burst, uint64_t now);

#endif
