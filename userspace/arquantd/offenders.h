/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sources of connections that were closed for abuse are blocked in the firewall of the interface
 * they came by, for a time, so that their next packets cost a look-up and no worker: an IPv4
 * address alone, of IPv6 the /64 that a host commonly has. Only an address that finished a
 * handshake is told of, which is nobody else's.
 *
 * Workers tell by a pipe, without waiting: what does not fit is lost, and counted. The main thread
 * blocks. All is opened before privileges are dropped.
 */
#ifndef ARQUANT_ARQUANTD_OFFENDERS_H
#define ARQUANT_ARQUANTD_OFFENDERS_H

#include "userspace/arquantd/binding.h"
#include "userspace/common/address.h"

#include <stdint.h>

/* Bits of an IPv6 address that are blocked together. */
#define ARQ_OFFENDERS_V6_LENGTH 64

struct arq_offenders;

struct arq_offenders_counters {
	uint64_t blocked;
	uint64_t lost; /* the pipe was full */
	uint64_t refused; /* by the firewall's table, or there is no firewall */
};

/*
 * Opens the tables of blocks of every interface on AF_XDP among `bindings`. Where there is no
 * firewall offenders go on; with `wanted` the log warns of it. Returns 0 and *offenders, or a
 * negative errno.
 */
int arq_offenders_open(const struct arq_bindings *bindings, bool wanted,
		       struct arq_offenders **offenders);

/* NULL is allowed. No worker may run any more. */
void arq_offenders_close(struct arq_offenders *offenders);

/* Any thread: one of this binding, by its index. */
void arq_offenders_tell(struct arq_offenders *offenders, size_t binding,
			const union arq_address *remote);

/* Main thread: readable when there is something for arq_offenders_serve. */
int arq_offenders_fd(const struct arq_offenders *offenders);

/* Main thread: blocks all that were told of for `duration_ns`; 0: forgets them. */
void arq_offenders_serve(struct arq_offenders *offenders, uint64_t duration_ns);

/* Main thread. */
struct arq_offenders_counters arq_offenders_read(const struct arq_offenders *offenders);

#endif
