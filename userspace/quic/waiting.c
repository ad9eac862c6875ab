/* SPDX-License-Identifier: BSD-2-Clause */
#include "userspace/quic/waiting.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* One turn in so many is for the unknown while proven ones wait: many with tokens do not shut them
 * out. */
#define UNKNOWN_TURN 8

int waiting_init(struct waiting *waiting, uint32_t size)
{
	uint32_t rounded = 1;

	*waiting = (struct waiting){0};
	if (size == 0)
		return 0;
	while (rounded < size && rounded < 1u << 31)
		rounded *= 2;
	for (int rank = 0; rank < WAITING_RANKS; rank++) {
		/* Pages that no packet needs are never touched. */
		waiting->rings[rank].packets = calloc(rounded, sizeof(struct waiting_packet));
		if (!waiting->rings[rank].packets) {
			waiting_release(waiting);
			return -ENOMEM;
		}
	}
	waiting->size = rounded;
	return 0;
}

void waiting_release(struct waiting *waiting)
{
	for (int rank = 0; rank < WAITING_RANKS; rank++)
		free(waiting->rings[rank].packets);
	*waiting = (struct waiting){0};
}

bool waiting_put(struct waiting *waiting, enum waiting_rank rank, struct arq_io *io,
		 const struct arq_rx_packet *packet)
{
	struct waiting_ring *ring = &waiting->rings[rank];
	struct waiting_packet *place;

	if (waiting_count(waiting, rank) == waiting->size || packet->length > ARQ_IO_PAYLOAD_MAX)
		return false;
	place = &ring->packets[ring->tail++ & (waiting->size - 1)];
	place->io = io;
	place->path = packet->path;
	place->length = packet->length;
	place->ecn = packet->ecn;
	memcpy(place->data, packet->data, packet->length);
	return true;
}

struct waiting_packet *waiting_take(struct waiting *waiting)
{
	uint32_t proven = waiting_count(waiting, WAITING_PROVEN);
	uint32_t unknown = waiting_count(waiting, WAITING_UNKNOWN);
	enum waiting_rank rank = WAITING_PROVEN;
	struct waiting_ring *ring;

	if (!proven && !unknown)
		return NULL;
	if (!proven || (unknown && waiting->turn % UNKNOWN_TURN == UNKNOWN_TURN - 1))
		rank = WAITING_UNKNOWN;
	waiting->turn++;
	ring = &waiting->rings[rank];
	return &ring->packets[ring->head++ & (waiting->size - 1)];
}

void waiting_forget(struct waiting *waiting, const struct arq_io *io)
{
	for (int rank = 0; rank < WAITING_RANKS; rank++) {
		struct waiting_ring *ring = &waiting->rings[rank];

		for (uint32_t i = ring->head; i != ring->tail; i++) {
			struct waiting_packet *packet = &ring->packets[i & (waiting->size - 1)];

			if (packet->io == io)
				packet->io = NULL;
		}
	}
}
