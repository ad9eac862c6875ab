/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reads samples, of one interface or of several: makes a ring buffer for each, enters it among the
 * interface's readers (arquant/sample.h), and hands out what arrives.
 *
 * Each record is checked before anybody sees it. Losses are counted in streams, one for each
 * interface, program and CPU: a gap in `sequence` is what found the ring full. The streams begin
 * and end with the programs' own counters, so that nothing is missing at the edges:
 *
 *   samples taken between arq_sample_reader_add() and arq_sample_reader_remove() = read + lost
 *
 * An interface has ARQ_READERS_MAX places. Which are taken is known by locks, on single bytes of
 * the interface's pin directory, that end with the process however it ends: a place whose reader
 * died is cleared by the next one that comes.
 *
 * Adding and removing needs CAP_BPF or root, reading nothing. One thread. Nothing is allocated per
 * sample.
 */
#ifndef ARQUANT_PROGS_SAMPLER_READER_H
#define ARQUANT_PROGS_SAMPLER_READER_H

#include "userspace/common/error.h"

#include <arquant/sample.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Interfaces in one reader: as many as in a configuration. */
#define ARQ_READER_RINGS_MAX 64

/*
 * Of a ring: a fifth of a second at ten thousand samples a second, more than a reader takes to
 * wake up. The whole ring is written again and again, and what does not fit into the caches of the
 * CPU that writes costs the packets more.
 */
#define ARQ_READER_RING_BYTES (1u << 18)

/*
 * Called for each sample, which is valid during the call only. `lost` is how many samples of its
 * stream were lost since the stream's previous one. Returns 0 to go on; else the read ends with
 * this sample consumed, and arq_sample_reader_read() returns that value (take a negative errno).
 */
typedef int (*arq_sample_handler)(const struct arq_sample *sample, uint64_t lost, void *context);

struct arq_sample_reader_counters {
	uint64_t samples; /* handed to the handler */
	uint64_t lost; /* found the ring full; the latest are known when the ring is removed */
	uint64_t malformed; /* records that are no sample, passed over */
};

struct arq_sample_reader;

/*
 * `ring_bytes` is the size of each ring, a power of two and whole pages; 0 for
 * ARQ_READER_RING_BYTES. Returns 0 and *reader, or a negative errno with the reason in `error`.
 */
int arq_sample_reader_create(arq_sample_handler handler, void *context, uint32_t ring_bytes,
			     struct arq_sample_reader **reader, struct arq_error *error);

/* Leaves all interfaces without handing out what waits; NULL is fine. */
void arq_sample_reader_destroy(struct arq_sample_reader *reader);

/*
 * Joins the readers of an interface (its pin directory, see arquant/program.h). Returns the number
 * of the ring, from 0 to ARQ_READER_RINGS_MAX - 1, or a negative errno with the reason in `error`:
 * -ENOENT not loaded, -EBUSY it has ARQ_READERS_MAX readers already, -ENOSPC too many rings.
 */
int arq_sample_reader_add(struct arq_sample_reader *reader, const char *pin_directory,
			  struct arq_error *error);

/*
 * Joins by the array of readers alone, in place `slot`, whoever is there: no lock is taken, and no
 * program's counters are known. The map stays the caller's, and open.
 */
int arq_sample_reader_add_map(struct arq_sample_reader *reader, int readers, uint32_t slot,
			      struct arq_error *error);

/*
 * Leaves an interface: hands out what waits in the ring, and counts what was lost up to now. All
 * samples that are taken before the call are then read or lost. Returns 0, or what the handler
 * returned (the interface is left nevertheless).
 */
int arq_sample_reader_remove(struct arq_sample_reader *reader, int ring);

/* The interface's programs are gone, or others took their place: the ring gets no samples more. */
bool arq_sample_reader_is_stale(const struct arq_sample_reader *reader, int ring);

/*
 * For poll(2) and epoll(7): readable when samples wait. Owned by the reader. The programs wake
 * nobody for a few of them: wait no longer than ARQ_READER_PATIENCE_MS before looking again.
 */
#define ARQ_READER_PATIENCE_MS 100
int arq_sample_reader_fd(const struct arq_sample_reader *reader);

/*
 * Hands out the samples that wait, at most about ARQ_READER_BATCH, so that who calls it in a loop
 * can look after other things while the ring fills faster than it is read. Returns 0, what the
 * handler returned, or a negative errno of the ring.
 */
#define ARQ_READER_BATCH 4096
int arq_sample_reader_read(struct arq_sample_reader *reader);

/* Of all rings since the reader was made. */
void arq_sample_reader_counters(const struct arq_sample_reader *reader,
				struct arq_sample_reader_counters *counters);

/* Of one ring since it was added; valid also after its removal, until another takes its number. */
void arq_sample_reader_ring_counters(const struct arq_sample_reader *reader, int ring,
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
	bool begun;
};

/*
 * Moves the stream on to a sample of this sequence and returns how many are missing before it. A
 * sequence that goes back begins the stream anew.
 */
uint64_t arq_sample_stream_advance(struct arq_sample_stream *stream, uint64_t sequence);

#endif
