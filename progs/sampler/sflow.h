/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Writes samples as sFlow version 5 datagrams (sflow_version_5.txt of sflow.org): flow samples with
 * the raw packet header for packets that passed, discarded packets (sflow_drops.txt) for those that
 * were dropped for a reason that sFlow knows, and interface counters. The expanded forms
 * throughout, which hold any interface index.
 *
 * An interface is one data source. Its sampling pool is what the samples say of how many packets
 * they were drawn from, summed up over CPUs; its drops are the samples that were lost. Drops are
 * sampled, too, at a rate of their own, which sFlow's discarded packets have no field for.
 *
 * A datagram leaves by the callback when the next sample does not fit, and at arq_sflow_flush(): to
 * be called at least once a second, as the standard asks. One thread; memory is bounded.
 */
#ifndef ARQUANT_PROGS_SAMPLER_SFLOW_H
#define ARQUANT_PROGS_SAMPLER_SFLOW_H

#include "userspace/common/address.h"

#include <arquant/sample.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ARQ_SFLOW_DATAGRAM_MAX   1400 /* fits any path's MTU that matters */
#define ARQ_SFLOW_INTERFACES_MAX 256 /* at once; one that comes takes the place of the oldest */

typedef void (*arq_sflow_send)(const uint8_t *datagram, size_t length, void *context);

struct arq_sflow_options {
	union arq_address agent; /* who speaks; its port means nothing */
	uint32_t sub_agent;
	arq_sflow_send send;
	void *context;
};

/* What if_counters of the standard wants, as the kernel counts it. */
struct arq_sflow_interface {
	uint32_t ifindex;
	uint64_t speed; /* bit/s, 0: unknown */
	uint32_t direction; /* 0 unknown, 1 full-duplex, 2 half-duplex */
	bool admin_up, oper_up, promiscuous;
	uint64_t rx_bytes, tx_bytes;
	uint32_t rx_packets, rx_multicast, rx_dropped, rx_errors;
	uint32_t tx_packets, tx_dropped, tx_errors;
};

struct arq_sflow_totals {
	uint64_t datagrams;
	uint64_t flows;
	uint64_t discards;
	uint64_t counters;
	uint64_t unmapped; /* dropped for a reason that sFlow does not know: left out */
};

struct arq_sflow;

/* Returns 0 and *sflow, or -ENOMEM. */
int arq_sflow_create(const struct arq_sflow_options *options, struct arq_sflow **sflow);

/* Does not send what waits; NULL is fine. */
void arq_sflow_destroy(struct arq_sflow *sflow);

/* Adds a sample; `lost` as many were lost on its interface since the last call. */
void arq_sflow_sample(struct arq_sflow *sflow, const struct arq_sample *sample, uint64_t lost);

/* As many more were lost on the interface, and no sample tells of them: the next one does. */
void arq_sflow_lost(struct arq_sflow *sflow, uint32_t ifindex, uint64_t lost);

void arq_sflow_counters(struct arq_sflow *sflow, const struct arq_sflow_interface *interface);

/* Sends what waits. */
void arq_sflow_flush(struct arq_sflow *sflow);

void arq_sflow_read_totals(const struct arq_sflow *sflow, struct arq_sflow_totals *totals);

/* The standard's number for a reason of ours, or -1 when it knows none. */
int arq_sflow_drop_reason(uint32_t reason);

#endif
