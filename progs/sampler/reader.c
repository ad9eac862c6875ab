// SPDX-License-Identifier: BSD-2-Clause
#include "progs/sampler/reader.h"

#include "progs/sampler/control.h"

#include <arquant/packet.h>
#include <arquant/program.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

/* Tells the end of a batch from what a handler returns: no errno has this value. */
#define BATCH_ENDS (-100000)

struct sample_ring {
	struct arq_sample_reader *reader;
	int lock; /* on the pin directory, -1 for none */
	int map; /* owned, -1 for the caller's */
	struct arq_sample_stream streams[ARQ_PROGRAM_COUNT][ARQ_MAX_CPUS];
};

struct arq_sample_reader {
	arq_sample_handler handler;
	void *context;
	struct ring_buffer *buffer; /* NULL until the first ring */
	uint64_t begin_ns; /* CLOCK_MONOTONIC when the reader was made */
	unsigned int budget; /* records left in this batch */
	unsigned int rings_count;
	unsigned int turn; /* the ring that comes first in the next read */
	struct sample_ring *rings[ARQ_READER_RINGS_MAX];
	struct arq_sample_reader_counters counters;
};

/* --- records ---------------------------------------------------------------------------------- */

const struct arq_sample *arq_sample_check(const void *data, size_t size)
{
	const struct arq_sample *sample = data;

	if (size < sizeof(*sample))
		return NULL;
	if (sample->captured > ARQ_SNAPLEN_MAX || sample->captured > size - sizeof(*sample) ||
	    sample->captured > sample->length)
		return NULL;
	if (sample->program >= ARQ_PROGRAM_COUNT || sample->cpu >= ARQ_MAX_CPUS)
		return NULL;
	return sample;
}

void arq_sample_stream_advance(struct arq_sample_stream *stream, const struct arq_sample *sample,
			       uint64_t *lost, uint64_t *missed)
{
	*lost = 0;
	*missed = 0;
	if (stream->begun && sample->sequence >= stream->next && sample->lost >= stream->lost) {
		uint64_t gap = sample->sequence - stream->next;
		*lost = sample->lost - stream->lost;
		if (*lost > gap)
			*lost = gap; /* numbers that contradict each other: believe the smaller */
		*missed = gap - *lost;
	}
	stream->begun = true;
	stream->next = sample->sequence + 1;
	stream->lost = sample->lost;
}

static int take_record(void *context, void *data, size_t size)
{
	struct sample_ring *ring = context;
	struct arq_sample_reader *reader = ring->reader;
	const struct arq_sample *sample = arq_sample_check(data, size);
	int code = 0;

	if (!sample) {
		reader->counters.malformed++;
	} else if (sample->time_ns < reader->begin_ns) {
		reader->counters.stale++;
	} else {
		uint64_t lost, missed;
		arq_sample_stream_advance(&ring->streams[sample->program][sample->cpu], sample,
					  &lost, &missed);
		reader->counters.samples++;
		reader->counters.lost += lost;
		reader->counters.missed += missed;
		code = reader->handler(sample, lost, reader->context);
	}
	if (--reader->budget == 0 && code == 0)
		return BATCH_ENDS;
	return code;
}

/* --- the reader ------------------------------------------------------------------------------- */

int arq_sample_reader_create(arq_sample_handler handler, void *context,
			     struct arq_sample_reader **reader, struct arq_error *error)
{
	struct timespec now;
	struct arq_sample_reader *made = calloc(1, sizeof(*made));

	if (!made)
		return arq_error_set(error, -ENOMEM, "no memory for reading samples");
	clock_gettime(CLOCK_MONOTONIC, &now);
	made->begin_ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
	made->handler = handler;
	made->context = context;
	*reader = made;
	return 0;
}

static void ring_destroy(struct sample_ring *ring)
{
	if (ring->map >= 0)
		close(ring->map);
	if (ring->lock >= 0)
		close(ring->lock);
	free(ring);
}

void arq_sample_reader_destroy(struct arq_sample_reader *reader)
{
	if (!reader)
		return;
	ring_buffer__free(reader->buffer);
	for (unsigned int i = 0; i < reader->rings_count; i++)
		ring_destroy(reader->rings[i]);
	free(reader);
}

static int ring_create(struct arq_sample_reader *reader, struct sample_ring **ring,
		       struct arq_error *error)
{
	if (reader->rings_count == ARQ_READER_RINGS_MAX)
		return arq_error_set(error, -ENOSPC,
				     "samples of more than %d interfaces cannot be read at once; "
				     "name the interfaces",
				     ARQ_READER_RINGS_MAX);
	*ring = calloc(1, sizeof(**ring));
	if (!*ring)
		return arq_error_set(error, -ENOMEM, "no memory for reading samples");
	(*ring)->reader = reader;
	(*ring)->lock = -1;
	(*ring)->map = -1;
	return 0;
}

static int ring_map(struct arq_sample_reader *reader, struct sample_ring *ring, int map,
		    struct arq_error *error)
{
	int code = 0;

	if (reader->buffer) {
		code = ring_buffer__add(reader->buffer, map, take_record, ring);
	} else {
		reader->buffer = ring_buffer__new(map, take_record, ring, NULL);
		code = reader->buffer ? 0 : -errno;
	}
	if (code)
		return arq_error_set(error, code, "cannot map the ring of samples: %s",
				     strerror(-code));
	reader->rings[reader->rings_count++] = ring;
	return 0;
}

int arq_sample_reader_add_map(struct arq_sample_reader *reader, int map, struct arq_error *error)
{
	struct sample_ring *ring = NULL;

	int code = ring_create(reader, &ring, error);
	if (!ring)
		return code;
	code = ring_map(reader, ring, map, error);
	if (code)
		ring_destroy(ring);
	return code;
}

static int ring_lock(struct sample_ring *ring, const char *pin_directory, struct arq_error *error)
{
	ring->lock = open(pin_directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (ring->lock < 0) {
		int code = -errno;
		return arq_error_set(error, code, "cannot open %s: %s", pin_directory,
				     strerror(-code));
	}
	if (flock(ring->lock, LOCK_EX | LOCK_NB) == 0)
		return 0;

	int code = -errno;
	if (code == -EWOULDBLOCK)
		return arq_error_set(error, -EBUSY,
				     "another process reads the samples of this interface; end it "
				     "first, each sample goes to one reader only");
	return arq_error_set(error, code, "cannot lock %s: %s", pin_directory, strerror(-code));
}

int arq_sample_reader_add(struct arq_sample_reader *reader, const char *pin_directory,
			  struct arq_error *error)
{
	struct sample_ring *ring = NULL;

	int code = ring_create(reader, &ring, error);
	if (!ring)
		return code;
	/* The ring first: its error tells better that nothing is loaded. */
	ring->map = arq_samples_open(pin_directory, error);
	code = ring->map < 0 ? ring->map : ring_lock(ring, pin_directory, error);
	if (!code)
		code = ring_map(reader, ring, ring->map, error);
	if (code)
		ring_destroy(ring);
	return code;
}

int arq_sample_reader_fd(const struct arq_sample_reader *reader)
{
	return reader->buffer ? ring_buffer__epoll_fd(reader->buffer) : -1;
}

int arq_sample_reader_read(struct arq_sample_reader *reader)
{
	reader->budget = ARQ_READER_BATCH;
	for (unsigned int i = 0; i < reader->rings_count; i++) {
		unsigned int turn = (reader->turn + i) % reader->rings_count;
		int code = ring__consume(ring_buffer__ring(reader->buffer, turn));
		if (code == BATCH_ENDS) {
			/* A ring that never runs dry must not silence the others. */
			reader->turn = (turn + 1) % reader->rings_count;
			return 0;
		}
		if (code < 0)
			return code;
	}
	return 0;
}

void arq_sample_reader_counters(const struct arq_sample_reader *reader,
				struct arq_sample_reader_counters *counters)
{
	*counters = reader->counters;
}
