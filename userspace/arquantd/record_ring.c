// SPDX-License-Identifier: BSD-2-Clause
#include "userspace/arquantd/record_ring.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* Records begin at multiples of it; the length before each is as long. */
#define ALIGNMENT 8u

/* In the place of a length: the rest up to the end of the ring is empty. */
#define SKIP UINT64_MAX

struct arq_record_ring {
	size_t capacity;
	uint8_t *bytes;
	_Atomic uint64_t losses;
	_Atomic size_t tail; /* bytes ever put in */
	uint8_t apart[64]; /* a cache line: another core writes what follows */
	_Atomic size_t head; /* bytes ever taken out */
};

int arq_record_ring_create(size_t capacity, struct arq_record_ring **ring)
{
	if (capacity < sizeof(struct arq_record) || (capacity & (capacity - 1)))
		return -EINVAL;
	struct arq_record_ring *made = calloc(1, sizeof(*made));
	if (!made)
		return -ENOMEM;
	made->capacity = capacity;
	made->bytes = calloc(1, capacity);
	if (!made->bytes) {
		free(made);
		return -ENOMEM;
	}
	*ring = made;
	return 0;
}

void arq_record_ring_destroy(struct arq_record_ring *ring)
{
	if (!ring)
		return;
	free(ring->bytes);
	free(ring);
}

void arq_record_ring_lost(struct arq_record_ring *ring)
{
	atomic_fetch_add_explicit(&ring->losses, 1, memory_order_relaxed);
}

uint64_t arq_record_ring_losses(const struct arq_record_ring *ring)
{
	return atomic_load_explicit(&ring->losses, memory_order_relaxed);
}

static size_t text_count(const struct arq_record *record)
{
	return ARQ_RECORD_TEXTS + 2u * record->headers;
}

/* Of the part of a record that is in use, without what its texts point to. */
static size_t fixed_length(const struct arq_record *record)
{
	return offsetof(struct arq_record, texts) + text_count(record) * sizeof(record->texts[0]);
}

static size_t whole_length(const struct arq_record *record)
{
	size_t length = ALIGNMENT + fixed_length(record);
	for (size_t i = 0; i < text_count(record); i++)
		length += record->texts[i].length;
	return (length + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
}

static void write_length(struct arq_record_ring *ring, size_t at, uint64_t length)
{
	memcpy(ring->bytes + (at & (ring->capacity - 1)), &length, sizeof(length));
}

bool arq_record_ring_put(struct arq_record_ring *ring, const struct arq_record *record)
{
	size_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
	size_t head = atomic_load_explicit(&ring->head, memory_order_acquire);
	size_t length = whole_length(record);
	size_t left = ring->capacity - (tail & (ring->capacity - 1)); /* up to the end */
	size_t skip = left < length ? left : 0;

	if (ring->capacity - (tail - head) < skip + length) {
		arq_record_ring_lost(ring);
		return false;
	}
	if (skip > 0)
		write_length(ring, tail, SKIP);
	tail += skip;
	write_length(ring, tail, length);
	uint8_t *end = ring->bytes + (tail & (ring->capacity - 1)) + ALIGNMENT;
	memcpy(end, record, fixed_length(record));
	end += fixed_length(record);
	for (size_t i = 0; i < text_count(record); i++) {
		if (record->texts[i].length > 0)
			memcpy(end, record->texts[i].data, record->texts[i].length);
		end += record->texts[i].length;
	}
	atomic_store_explicit(&ring->tail, tail + length, memory_order_release);
	return true;
}

bool arq_record_ring_half_full(const struct arq_record_ring *ring)
{
	return atomic_load_explicit(&ring->tail, memory_order_relaxed) -
		       atomic_load_explicit(&ring->head, memory_order_relaxed) >
	       ring->capacity / 2;
}

/* Where the oldest record is, past what is skipped; false when there is none. */
static bool find_oldest(struct arq_record_ring *ring, size_t *at, uint64_t *length)
{
	size_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
	if (head == atomic_load_explicit(&ring->tail, memory_order_acquire))
		return false;
	memcpy(length, ring->bytes + (head & (ring->capacity - 1)), sizeof(*length));
	if (*length == SKIP) {
		head += ring->capacity - (head & (ring->capacity - 1));
		memcpy(length, ring->bytes, sizeof(*length));
	}
	*at = head;
	return true;
}

bool arq_record_ring_peek(struct arq_record_ring *ring, struct arq_record *record)
{
	size_t at;
	uint64_t length;
	if (!find_oldest(ring, &at, &length))
		return false;
	const uint8_t *from = ring->bytes + (at & (ring->capacity - 1)) + ALIGNMENT;
	memcpy(record, from, offsetof(struct arq_record, texts));
	memcpy(record, from, fixed_length(record));
	from += fixed_length(record);
	for (size_t i = 0; i < text_count(record); i++) {
		record->texts[i].data = (const char *)from;
		from += record->texts[i].length;
	}
	return true;
}

void arq_record_ring_drop(struct arq_record_ring *ring)
{
	size_t at;
	uint64_t length;
	if (find_oldest(ring, &at, &length))
		atomic_store_explicit(&ring->head, at + length, memory_order_release);
}
