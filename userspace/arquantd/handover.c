// SPDX-License-Identifier: BSD-2-Clause
#include "userspace/arquantd/handover.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

/*
 * A slot at ring position p is free for the producer of ticket p when sequence == p, holds its
 * packet when sequence == p + 1, and becomes free for the next lap at sequence == p + capacity.
 */
struct slot {
	_Atomic uint64_t sequence;
	struct arq_path path;
	uint32_t length;
	uint32_t tag;
	uint8_t ecn;
	uint8_t data[ARQ_IO_PAYLOAD_MAX];
};

struct arq_handover {
	uint32_t capacity;
	int fd;
	struct slot *slots;
	_Atomic uint64_t tail;
	_Atomic uint64_t accepted;
	_Atomic uint64_t refused;
	uint8_t apart[64]; /* a cache line: another core writes what follows */
	uint64_t head;
};

int arq_handover_create(uint32_t capacity, struct arq_handover **inbox)
{
	if (capacity < 2 || (capacity & (capacity - 1)))
		return -EINVAL;

	struct arq_handover *made = calloc(1, sizeof(*made));
	if (!made)
		return -ENOMEM;
	made->capacity = capacity;
	made->fd = -1;

	int code = -ENOMEM;
	made->slots = calloc(capacity, sizeof(*made->slots));
	if (!made->slots)
		goto fail;
	for (uint32_t i = 0; i < capacity; i++)
		atomic_init(&made->slots[i].sequence, i);

	made->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (made->fd < 0) {
		code = -errno;
		goto fail;
	}
	*inbox = made;
	return 0;

fail:
	arq_handover_destroy(made);
	return code;
}

void arq_handover_destroy(struct arq_handover *inbox)
{
	if (!inbox)
		return;
	if (inbox->fd >= 0)
		close(inbox->fd);
	free(inbox->slots);
	free(inbox);
}

/* The slot of the next free ticket, which is then the caller's to fill; NULL when all are full. */
static struct slot *claim(struct arq_handover *inbox, uint64_t *ticket)
{
	uint64_t tail = atomic_load_explicit(&inbox->tail, memory_order_relaxed);
	for (;;) {
		struct slot *slot = &inbox->slots[tail & (inbox->capacity - 1)];
		uint64_t sequence = atomic_load_explicit(&slot->sequence, memory_order_acquire);
		if (sequence == tail) {
			if (atomic_compare_exchange_weak_explicit(&inbox->tail, &tail, tail + 1,
								  memory_order_relaxed,
								  memory_order_relaxed)) {
				*ticket = tail;
				return slot;
			}
		} else if ((int64_t)(sequence - tail) < 0) {
			return NULL;
		} else {
			tail = atomic_load_explicit(&inbox->tail, memory_order_relaxed);
		}
	}
}

bool arq_handover_push(struct arq_handover *inbox, const struct arq_rx_packet *packet, uint32_t tag)
{
	uint64_t ticket;
	struct slot *slot = packet->length <= sizeof(slot->data) ? claim(inbox, &ticket) : NULL;
	if (!slot) {
		atomic_fetch_add_explicit(&inbox->refused, 1, memory_order_relaxed);
		return false;
	}
	slot->path = packet->path;
	slot->length = packet->length;
	slot->tag = tag;
	slot->ecn = packet->ecn;
	memcpy(slot->data, packet->data, packet->length);
	atomic_store_explicit(&slot->sequence, ticket + 1, memory_order_release);
	atomic_fetch_add_explicit(&inbox->accepted, 1, memory_order_relaxed);
	return true;
}

void arq_handover_wake(struct arq_handover *inbox)
{
	/* EAGAIN means that the counter is at its maximum: readable all the same. */
	uint64_t one = 1;
	ssize_t ignored = write(inbox->fd, &one, sizeof(one));
	(void)ignored;
}

size_t arq_handover_pop(struct arq_handover *inbox, struct arq_rx_packet *packets, uint32_t *tags,
			size_t count)
{
	size_t taken = 0;
	while (taken < count && taken < inbox->capacity) {
		uint64_t position = inbox->head + taken;
		struct slot *slot = &inbox->slots[position & (inbox->capacity - 1)];
		if (atomic_load_explicit(&slot->sequence, memory_order_acquire) != position + 1)
			break;
		packets[taken] = (struct arq_rx_packet){
			.data = slot->data,
			.length = slot->length,
			.ecn = slot->ecn,
			.path = slot->path,
		};
		tags[taken] = slot->tag;
		taken++;
	}
	return taken;
}

void arq_handover_release(struct arq_handover *inbox, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct slot *slot = &inbox->slots[inbox->head & (inbox->capacity - 1)];
		atomic_store_explicit(&slot->sequence, inbox->head + inbox->capacity,
				      memory_order_release);
		inbox->head++;
	}
}

int arq_handover_fd(const struct arq_handover *inbox)
{
	return inbox->fd;
}

void arq_handover_acknowledge(struct arq_handover *inbox)
{
	uint64_t count;
	ssize_t ignored = read(inbox->fd, &count, sizeof(count));
	(void)ignored; /* EAGAIN: nobody woke us, which is as good */
}

void arq_handover_counters_read(const struct arq_handover *inbox,
				struct arq_handover_counters *counters)
{
	counters->accepted = atomic_load_explicit(&inbox->accepted, memory_order_relaxed);
	counters->refused = atomic_load_explicit(&inbox->refused, memory_order_relaxed);
}
