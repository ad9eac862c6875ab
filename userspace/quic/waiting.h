/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where datagrams wait that may begin a connection, so that those of established ones are served
 * first: two rings of copies, of fixed size. Who has proven its address by a token of ours does not
 * wait behind who may be anybody. What finds its ring full is dropped: the client sends it again,
 * and who floods us gains nothing by it.
 */
#ifndef ARQUANT_QUIC_WAITING_H
#define ARQUANT_QUIC_WAITING_H

#include "userspace/io/io.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum waiting_rank {
	WAITING_PROVEN, /* has a valid token */
	WAITING_UNKNOWN,
	WAITING_RANKS,
};

struct waiting_packet {
	struct arq_io *io; /* that it came by; NULL: gone */
	struct arq_path path;
	uint32_t length;
	uint8_t ecn;
	uint8_t data[ARQ_IO_PAYLOAD_MAX];
};

struct waiting_ring {
	struct waiting_packet *packets;
	uint32_t head; /* the next to be taken; both run on, modulo the size */
	uint32_t tail;
};

struct waiting {
	uint32_t size; /* of each ring, a power of two; 0: nothing waits */
	uint32_t turn; /* packets taken */
	struct waiting_ring rings[WAITING_RANKS];
};

/* Rings for `size` packets each, rounded up to a power of two. Returns 0 or -ENOMEM. */
int waiting_init(struct waiting *waiting, uint32_t size);
void waiting_release(struct waiting *waiting);

static inline uint32_t waiting_count(const struct waiting *waiting, enum waiting_rank rank)
{
	return waiting->rings[rank].tail - waiting->rings[rank].head;
}

/* Copies a packet; false when its ring is full. */
bool waiting_put(struct waiting *waiting, enum waiting_rank rank, struct arq_io *io,
		 const struct arq_rx_packet *packet);

/*
 * The packet whose turn it is, NULL for none: who is proven first, and still every eighth turn
 * somebody unknown. Valid until the next waiting_put.
 */
struct waiting_packet *waiting_take(struct waiting *waiting);

/* Packets that came by the io are nobody's any more. */
void waiting_forget(struct waiting *waiting, const struct arq_io *io);

#endif
