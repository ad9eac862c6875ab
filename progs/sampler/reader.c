// SPDX-License-Identifier: BSD-2-Clause
#include "progs/sampler/reader.h"

#include "progs/program.h"
#include "progs/sampler/control.h"

#include <arquant/packet.h>
#include <arquant/program.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <unistd.h>

/* Tells the end of a batch from what a handler returns: no errno has this value. */
#define BATCH_ENDS (-100000)

struct sample_ring {
	struct arq_sample_reader *reader;
	int number; /* among the reader's rings */
	char *directory; /* of the pins, NULL without */
	int lock; /* the directory, open, with our place locked; -1 for none */
	int readers; /* the interface's array of rings; owned when there is a directory */
	uint32_t slot; /* our place in it */
	int map; /* our ring, owned */
	struct ring_buffer *buffer;
	struct arq_counters_view *views[ARQ_PROGRAM_COUNT]; /* of who fills it; NULL for others */
	struct arq_sample_stream streams[ARQ_PROGRAM_COUNT][ARQ_MAX_CPUS];
};

struct arq_sample_reader {
	arq_sample_handler handler;
	void *context;
	uint32_t ring_bytes;
	int epoll;
	unsigned int budget; /* records left in this batch */
	unsigned int turn; /* the ring that comes first in the next read */
	struct sample_ring *rings[ARQ_READER_RINGS_MAX]; /* NULL for a number that is free */
	struct arq_sample_reader_counters ring_counters[ARQ_READER_RINGS_MAX];
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

uint64_t arq_sample_stream_advance(struct arq_sample_stream *stream, uint64_t sequence)
{
	uint64_t lost = 0;

	if (stream->begun && sequence > stream->next)
		lost = sequence - stream->next;
	stream->begun = true;
	stream->next = sequence + 1;
	return lost;
}

static void count_lost(struct sample_ring *ring, uint64_t lost)
{
	ring->reader->counters.lost += lost;
	ring->reader->ring_counters[ring->number].lost += lost;
}

static int take_record(void *context, void *data, size_t size)
{
	struct sample_ring *ring = context;
	struct arq_sample_reader *reader = ring->reader;
	const struct arq_sample *sample = arq_sample_check(data, size);
	struct arq_sample_reader_counters *counters = &reader->ring_counters[ring->number];
	int code = 0;

	if (!sample) {
		reader->counters.malformed++;
		counters->malformed++;
	} else {
		uint64_t lost = arq_sample_stream_advance(
			&ring->streams[sample->program][sample->cpu], sample->sequence);
		reader->counters.samples++;
		counters->samples++;
		if (lost)
			count_lost(ring, lost);
		code = reader->handler(sample, lost, reader->context);
	}
	if (reader->budget && --reader->budget == 0 && code == 0)
		return BATCH_ENDS;
	return code;
}

/* --- streams ---------------------------------------------------------------------------------- */

/* The counters of the programs that take samples on the interface, alone or as the bundle. */
static void open_views(struct sample_ring *ring)
{
	static const enum arq_program_id takers[] = {ARQ_PROGRAM_FIREWALL, ARQ_PROGRAM_SAMPLER};
	struct arq_error unused;

	for (size_t i = 0; i < sizeof(takers) / sizeof(takers[0]); i++) {
		enum arq_program_id id = takers[i];
		arq_error_clear(&unused);
		if (arq_counters_open(ring->directory, id, id, &ring->views[id], &unused))
			arq_counters_open(ring->directory, ARQ_PROGRAM_BUNDLE, id, &ring->views[id],
					  &unused);
	}
}

/*
 * A stream begins where its counter is. What the program took since the ring is in place, and
 * before the counter was read, has a smaller number and begins the stream anew.
 */
static void begin_streams(struct sample_ring *ring)
{
	struct arq_counters counters;

	for (unsigned int id = 0; id < ARQ_PROGRAM_COUNT; id++) {
		for (uint32_t cpu = 0; ring->views[id] && cpu < ARQ_MAX_CPUS; cpu++) {
			arq_counters_read_cpu(ring->views[id], cpu, &counters);
			ring->streams[id][cpu].next = counters.sampled;
			ring->streams[id][cpu].begun = true;
		}
	}
}

/* What the programs have taken by now: all of it is in the ring, or lost. */
static void note_ends(const struct sample_ring *ring, uint64_t (*ends)[ARQ_MAX_CPUS])
{
	struct arq_counters counters;

	for (unsigned int id = 0; id < ARQ_PROGRAM_COUNT; id++) {
		for (uint32_t cpu = 0; ring->views[id] && cpu < ARQ_MAX_CPUS; cpu++) {
			arq_counters_read_cpu(ring->views[id], cpu, &counters);
			ends[id][cpu] = counters.sampled;
		}
	}
}

static void count_ends(struct sample_ring *ring, uint64_t (*ends)[ARQ_MAX_CPUS])
{
	for (unsigned int id = 0; id < ARQ_PROGRAM_COUNT; id++) {
		for (uint32_t cpu = 0; ring->views[id] && cpu < ARQ_MAX_CPUS; cpu++) {
			uint64_t next = ring->streams[id][cpu].next;
			if (ends[id][cpu] > next)
				count_lost(ring, ends[id][cpu] - next);
		}
	}
}

/* --- the place among the readers -------------------------------------------------------------- */

/* Directories can be locked for reading only; whether somebody does, a request to write tells. */
static bool is_taken(int directory, uint32_t slot)
{
	struct flock lock = {
		.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = (off_t)slot, .l_len = 1};

	return fcntl(directory, F_OFD_GETLK, &lock) != 0 || lock.l_type != F_UNLCK;
}

static int lock_place(int directory, uint32_t slot)
{
	struct flock lock = {
		.l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = (off_t)slot, .l_len = 1};

	return fcntl(directory, F_OFD_SETLK, &lock) ? -errno : 0;
}

/* Takes the first free place; those of readers that died are cleared. */
static int choose_place(struct sample_ring *ring)
{
	int code = -EBUSY;

	for (uint32_t slot = 0; slot < ARQ_READERS_MAX; slot++) {
		if (is_taken(ring->lock, slot))
			continue;
		if (code == -EBUSY) {
			ring->slot = slot;
			code = lock_place(ring->lock, slot);
		} else {
			bpf_map_delete_elem(ring->readers, &slot);
		}
	}
	return code;
}

/* Only one process at a time looks for a place. */
static int take_place(struct sample_ring *ring, struct arq_error *error)
{
	ring->lock = open(ring->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (ring->lock < 0)
		return arq_error_set(error, -errno, "cannot open %s: %s", ring->directory,
				     strerror(errno));
	int code = flock(ring->lock, LOCK_EX) ? -errno : choose_place(ring);
	flock(ring->lock, LOCK_UN);
	if (code == -EBUSY)
		return arq_error_set(error, code,
				     "the samples of this interface have %d readers already; end "
				     "one of them first",
				     ARQ_READERS_MAX);
	return code ? arq_error_set(error, code, "cannot lock %s: %s", ring->directory,
				    strerror(-code))
		    : 0;
}

static int make_ring(struct sample_ring *ring, struct arq_error *error)
{
	struct arq_sample_reader *reader = ring->reader;
	struct epoll_event event = {.events = EPOLLIN};

	ring->map =
		bpf_map_create(BPF_MAP_TYPE_RINGBUF, "arq_samples", 0, 0, reader->ring_bytes, NULL);
	int code = ring->map < 0 ? ring->map : 0;
	if (!code) {
		ring->buffer = ring_buffer__new(ring->map, take_record, ring, NULL);
		code = ring->buffer ? 0 : -errno;
	}
	if (!code && epoll_ctl(reader->epoll, EPOLL_CTL_ADD, ring->map, &event))
		code = -errno;
	if (!code)
		code = bpf_map_update_elem(ring->readers, &ring->slot, &ring->map, BPF_ANY);
	return code ? arq_error_set(
			      error, code, "cannot make a ring for samples: %s%s", strerror(-code),
			      code == -EPERM    ? "; run as root"
			      : code == -EINVAL ? "; its size must be a power of two of whole pages"
						: "")
		    : 0;
}

/* --- the reader ------------------------------------------------------------------------------- */

int arq_sample_reader_create(arq_sample_handler handler, void *context, uint32_t ring_bytes,
			     struct arq_sample_reader **reader, struct arq_error *error)
{
	struct arq_sample_reader *made = calloc(1, sizeof(*made));

	*reader = NULL;
	if (!made)
		return arq_error_set(error, -ENOMEM, "no memory for reading samples");
	made->handler = handler;
	made->context = context;
	made->ring_bytes = ring_bytes ? ring_bytes : ARQ_READER_RING_BYTES;
	made->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (made->epoll < 0) {
		int code = -errno;
		free(made);
		return arq_error_set(error, code, "cannot wait for samples: %s", strerror(-code));
	}
	*reader = made;
	return 0;
}

/* The lock goes last: until then the place is ours. */
static void ring_destroy(struct sample_ring *ring)
{
	ring_buffer__free(ring->buffer);
	for (unsigned int id = 0; id < ARQ_PROGRAM_COUNT; id++)
		arq_counters_close(ring->views[id]);
	if (ring->map >= 0)
		close(ring->map);
	if (ring->directory && ring->readers >= 0)
		close(ring->readers);
	if (ring->lock >= 0)
		close(ring->lock);
	free(ring->directory);
	free(ring);
}

/* Returns when no program writes to the ring any more: the kernel waits for those that run. */
static void ring_leave(struct sample_ring *ring)
{
	bpf_map_delete_elem(ring->readers, &ring->slot);
}

void arq_sample_reader_destroy(struct arq_sample_reader *reader)
{
	if (!reader)
		return;
	for (unsigned int i = 0; i < ARQ_READER_RINGS_MAX; i++) {
		if (reader->rings[i]) {
			ring_leave(reader->rings[i]);
			ring_destroy(reader->rings[i]);
		}
	}
	close(reader->epoll);
	free(reader);
}

/* A ring with a number of its own and nothing else. Returns the number, or a negative errno. */
static int ring_create(struct arq_sample_reader *reader, struct arq_error *error)
{
	int number = 0;

	while (number < ARQ_READER_RINGS_MAX && reader->rings[number])
		number++;
	if (number == ARQ_READER_RINGS_MAX)
		return arq_error_set(error, -ENOSPC,
				     "samples of more than %d interfaces cannot be read at once; "
				     "name the interfaces",
				     ARQ_READER_RINGS_MAX);
	struct sample_ring *ring = calloc(1, sizeof(*ring));
	if (!ring)
		return arq_error_set(error, -ENOMEM, "no memory for reading samples");
	ring->reader = reader;
	ring->number = number;
	ring->lock = ring->readers = ring->map = -1;
	reader->rings[number] = ring;
	reader->ring_counters[number] = (struct arq_sample_reader_counters){0};
	return number;
}

static int ring_give_up(struct arq_sample_reader *reader, int number, int code)
{
	ring_destroy(reader->rings[number]);
	reader->rings[number] = NULL;
	return code;
}

int arq_sample_reader_add_map(struct arq_sample_reader *reader, int readers, uint32_t slot,
			      struct arq_error *error)
{
	int number = ring_create(reader, error);
	if (number < 0)
		return number;
	reader->rings[number]->readers = readers;
	reader->rings[number]->slot = slot;
	int code = make_ring(reader->rings[number], error);
	return code ? ring_give_up(reader, number, code) : number;
}

int arq_sample_reader_add(struct arq_sample_reader *reader, const char *pin_directory,
			  struct arq_error *error)
{
	int number = ring_create(reader, error);
	if (number < 0)
		return number;
	struct sample_ring *ring = reader->rings[number];
	ring->directory = strdup(pin_directory);
	int code = ring->directory ? 0
				   : arq_error_set(error, -ENOMEM, "no memory for reading samples");
	if (!code) {
		/* First: its error tells better that nothing is loaded. */
		ring->readers = arq_readers_open(pin_directory, error);
		code = ring->readers < 0 ? ring->readers : take_place(ring, error);
	}
	if (!code)
		code = make_ring(ring, error);
	if (code)
		return ring_give_up(reader, number, code);
	open_views(ring);
	begin_streams(ring);
	return number;
}

static uint32_t map_id(int map)
{
	struct bpf_map_info info = {0};
	uint32_t size = sizeof(info);

	return bpf_map_get_info_by_fd(map, &info, &size) ? 0 : info.id;
}

bool arq_sample_reader_is_stale(const struct arq_sample_reader *reader, int number)
{
	const struct sample_ring *ring = reader->rings[number];
	struct arq_error unused = {0};

	if (!ring || !ring->directory)
		return !ring;
	int pinned = arq_readers_open(ring->directory, &unused);
	if (pinned < 0)
		return true;
	bool stale = map_id(pinned) != map_id(ring->readers);
	close(pinned);
	return stale;
}

int arq_sample_reader_remove(struct arq_sample_reader *reader, int number)
{
	static uint64_t ends[ARQ_PROGRAM_COUNT][ARQ_MAX_CPUS];
	struct sample_ring *ring = reader->rings[number];

	if (!ring)
		return 0;
	note_ends(ring, ends);
	ring_leave(ring);
	reader->budget = 0;
	int code = ring_buffer__consume(ring->buffer);
	if (code >= 0)
		count_ends(ring, ends);
	ring_destroy(ring);
	reader->rings[number] = NULL;
	return code < 0 ? code : 0;
}

int arq_sample_reader_fd(const struct arq_sample_reader *reader)
{
	return reader->epoll;
}

int arq_sample_reader_read(struct arq_sample_reader *reader)
{
	reader->budget = ARQ_READER_BATCH;
	for (unsigned int i = 0; i < ARQ_READER_RINGS_MAX; i++) {
		unsigned int turn = (reader->turn + i) % ARQ_READER_RINGS_MAX;
		if (!reader->rings[turn])
			continue;
		int code = ring_buffer__consume(reader->rings[turn]->buffer);
		if (code == BATCH_ENDS) {
			/* A ring that never runs dry must not silence the others. */
			reader->turn = (turn + 1) % ARQ_READER_RINGS_MAX;
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

void arq_sample_reader_ring_counters(const struct arq_sample_reader *reader, int ring,
				     struct arq_sample_reader_counters *counters)
{
	*counters = reader->ring_counters[ring];
}
