/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reads samples: the consumer of the ring buffers that the sampler and the firewall fill, of one
 * interface or of several.
 *
 * Each record is checked before anybody sees it. Samples that were taken before the reader was
 * made are passed over: a ring that nobody reads fills up and keeps what is old. Losses are counted
 * in streams, one for each ring, program and CPU: `lost` of the samples tells what found the ring
 * full, and a gap in `sequence` beyond that tells of samples that never arrived here.
 *
 * A ring has one consumer at a time; arq_sample_reader_add() takes a lock (flock) on the
 * interface's pin directory and holds it as long as the reader lives. Opening needs CAP_BPF or
 * root, reading nothing. One thread. Nothing is allocated per sample.
 */
#ifndef ARQUANT_PROGS_SAMPLER_READER_H
#define ARQUANT_PROGS_SAMPLER_READER_H

#include "userspace/common/error.h"

#include <arquant/sample.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Rings in one reader: as many as interfaces in a configuration. */
#define ARQ_READER_RINGS_MAX 64

/*
 * Called for each sample, which is valid during the call only. `lost` is how many samples of its
 * stream were lost since the stream's previous one. Returns 0 to go on; else the read ends with
 * this sample consumed, and arq_sample_reader_read() returns that value (take a negative errno).
 */
typedef int (*arq_sample_handler)(const struct arq_sample *sample, uint64_t lost, void *context);

struct arq_sample_reader_counters {
	uint64_t samples; /* handed to the handler */
	uint64_t lost; /* found the ring full; only those between two samples that arrived */
	uint64_t missed; /* in the ring, but not seen here: somebody else took them out */
	uint64_t stale; /* taken before the reader was made, passed over */
	uint64_t malformed; /* records that are no sample, passed over */
};

struct arq_sample_reader;

/* Returns 0 and *reader, or -ENOMEM with the reason in `error`. */
int arq_sample_reader_create(arq_sample_handler handler, void *context,
			     struct arq_sample_reader **reader, struct arq_error *error);

/* Gives up locks and rings; NULL is fine. */
void arq_sample_reader_destroy(struct arq_sample_reader *reader);

/*
 * Adds the ring of an interface (its pin directory, see arquant/program.h). Returns 0, or a
 * negative errno with the reason in `error`: -ENOENT not loaded, -EBUSY it has a reader already,
 * -ENOSPC too many rings.
 */
int arq_sample_reader_add(struct arq_sample_reader *reader, const char *pin_directory,
			  struct arq_error *error);

/* Adds a ring buffer map that the caller has open and keeps open; no lock is taken. */
int arq_sample_reader_add_map(struct arq_sample_reader *reader, int map, struct arq_error *error);

/* For poll(2) and epoll(7): readable when samples wait. Owned by the reader; -1 without a ring. */
int arq_sample_reader_fd(const struct arq_sample_reader *reader);

/*
 * Hands out the samples that wait, at most about ARQ_READER_BATCH, so that who calls it in a loop
 * can look after other things while the ring fills faster than it is read. Returns 0, what the
 * handler returned, or a negative errno of the ring.
 */
#define ARQ_READER_BATCH 4096
int arq_sample_reader_read(struct arq_sample_reader *reader);

void arq_sample_reader_counters(const struct arq_sample_reader *reader,
				struct arq_sample_reader_counters *counters);

/* --- the parts that need no ring ---------------------------------------------------------------
 */

/*
 * The record as a sample, or NULL when its numbers contradict its size or are out of range. `data`
 * is aligned to 8 bytes, as ring buffer records are.
 */
const struct arq_sample *arq_sample_check(const void *data, size_t size);

/* Where a stream is; zero at the start. */
struct arq_sample_stream {
	uint64_t next; /* sequence that is expected */
	uint64_t lost; /* of the last sample */
	bool begun;
};

/*
 * Moves the stream on to this sample and says what did not arrive since its last one: `lost` for
 * want of room, `missed` otherwise. A sequence that goes back begins the stream anew.
 */
void arq_sample_stream_advance(struct arq_sample_stream *stream, const struct arq_sample *sample,
			       uint64_t *lost, uint64_t *missed);

#endif
