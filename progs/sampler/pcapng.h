/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Writes samples as a pcapng file or stream (draft-ietf-opsawg-pcapng), which tcpdump, tshark and
 * Wireshark read: a section header, an interface block for each interface as it is met, an enhanced
 * packet block for each sample, and at the end interface statistics. Interfaces that lost samples
 * are named in the comments of empty sections behind them, "eth0: 8000 samples captured, 17 lost",
 * for capinfos, which shows comments, and of statistics only how many there are.
 *
 * A packet carries what the chain decided: its direction (in), receive queue, XDP verdict, how many
 * samples were lost before it, and a comment such as
 *
 *   verdict=drop reason=rule rule=3 slot=firewall one_in=1000 lost=0 cpu=1 sequence=17
 *   rule_name=bad-sources
 *
 * (one line) whose words and order are stable; new ones come at the end. Times are wall clock with
 * nanoseconds, by one offset taken when the writer is made, so that they never go back.
 *
 * Output is buffered and leaves at arq_pcapng_flush(), or when the buffer is full. The writer
 * trusts no sample: what it needs is checked again. One thread.
 */
#ifndef ARQUANT_PROGS_SAMPLER_PCAPNG_H
#define ARQUANT_PROGS_SAMPLER_PCAPNG_H

#include <arquant/sample.h>

#include <net/if.h>
#include <stdint.h>

/* Interfaces in one file. */
#define ARQ_PCAPNG_INTERFACES_MAX 256

/* The name to show for an interface's number: writes it to `name`. */
typedef void (*arq_interface_name)(uint32_t ifindex, char name[IF_NAMESIZE], void *context);

struct arq_pcapng_options {
	int fd; /* written to, borrowed; blocking */
	arq_interface_name interface_name;
	void *context; /* of interface_name */
	const char *application; /* what wrote the file, "arquant 0.1.0" */
};

struct arq_pcapng;

/* Writes nothing yet. Returns 0 and *writer, or -ENOMEM. */
int arq_pcapng_create(const struct arq_pcapng_options *options, struct arq_pcapng **writer);

/* Does not write what is buffered. NULL is fine. */
void arq_pcapng_destroy(struct arq_pcapng *writer);

/*
 * Adds a sample; `lost` is how many were lost since the one before it of the same stream,
 * `rule_name` the name of its rule, "" for none. Returns 0, -EINVAL for a sample that contradicts
 * itself, -E2BIG for more than ARQ_PCAPNG_INTERFACES_MAX interfaces (both leave the file as it is),
 * or the negative errno of write(2): -EPIPE when the reader is gone. After an error of write(2) the
 * writer is of no use.
 */
int arq_pcapng_write(struct arq_pcapng *writer, const struct arq_sample *sample, uint64_t lost,
		     const char *rule_name);

/*
 * Adds to the statistics of an interface what was lost and no later sample tells of. Returns as
 * arq_pcapng_write.
 */
int arq_pcapng_lost(struct arq_pcapng *writer, uint32_t ifindex, uint64_t lost);

/* Bytes of the file so far, the buffered ones included; the statistics come on top. */
uint64_t arq_pcapng_size(const struct arq_pcapng *writer);

/* Writes out what is buffered. Returns 0 or a negative errno as above. */
int arq_pcapng_flush(struct arq_pcapng *writer);

/* Ends the file with the statistics, and flushes. Returns 0 or a negative errno as above. */
int arq_pcapng_finish(struct arq_pcapng *writer);

/* Nanoseconds to add to CLOCK_MONOTONIC for the wall clock, as of now. */
uint64_t arq_wall_clock_offset(void);

#endif
