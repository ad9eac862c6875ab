/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a stream is to send: a chain of pieces, slabs from the worker's pool or memory of the
 * application's, each kept until the peer acknowledged it. ngtcp2 is handed pointers into them, so
 * a piece never moves.
 */
#ifndef ARQUANT_QUIC_SEND_BUFFER_H
#define ARQUANT_QUIC_SEND_BUFFER_H

#include "userspace/quic/quic.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Large enough that a packet rarely spans two and a full buffer is a chain of sixteen. */
#define ARQ_SEND_SLAB_SIZE 16384

/* Of the first slab of a stream when that is enough: most messages are short, and large slabs for
 * each of a thousand of them would be in no cache. With its head half a page. */
#define ARQ_SEND_SLAB_SMALL 2000

#define ARQ_SEND_SMALL_PER_LARGE 8 /* in memory */

struct arq_send_piece {
	struct arq_send_piece *next;
	const uint8_t *data;
	size_t length; /* bytes in it */
	size_t capacity; /* of a slab, whose data is `store`; 0: the application's memory */
	void (*release)(void *user); /* the application's: it is no longer needed */
	void *user;
	uint8_t store[];
};

/* The worker's slabs. */
struct arq_send_pool {
	struct arq_send_piece *spare, *small_spare;
	size_t spare_count, small_spare_count;
	size_t spare_max; /* large ones, and small ones of as many bytes */
	size_t in_use; /* of both sizes */
	size_t in_use_peak;
};

struct arq_send_buffer {
	struct arq_send_piece *head, *tail;
	struct arq_send_piece *cursor; /* up to here it was sent; NULL: nothing of the chain */
	size_t cursor_offset; /* in cursor */
	size_t acked; /* of head */
	size_t buffered; /* bytes in slabs, not acknowledged */
	bool begun; /* it has had a slab */
};

/* Appends a copy of at most `length` bytes. Returns how many; less when there is no memory. */
size_t arq_send_buffer_write(struct arq_send_buffer *buffer, struct arq_send_pool *pool,
			     const uint8_t *data, size_t length);

/* Appends memory of the application's. Returns 0 or -ENOMEM; `release` is left alone then. */
int arq_send_buffer_append_static(struct arq_send_buffer *buffer, const uint8_t *data,
				  size_t length, void (*release)(void *user), void *user);

/* Vectors of what was not sent yet. Returns how many, `count` at most, 0 for none. */
size_t arq_send_buffer_peek(const struct arq_send_buffer *buffer, struct arq_quic_vec *vecs,
			    size_t count);

/* `length` more bytes went into packets; more than there is counts as all. */
void arq_send_buffer_sent(struct arq_send_buffer *buffer, size_t length);

/* Nothing is left to be sent; what was sent may still be kept. */
bool arq_send_buffer_all_sent(const struct arq_send_buffer *buffer);

/* `length` more bytes were acknowledged. Returns how many of them were in slabs. */
size_t arq_send_buffer_acked(struct arq_send_buffer *buffer, struct arq_send_pool *pool,
			     size_t length);

void arq_send_buffer_free(struct arq_send_buffer *buffer, struct arq_send_pool *pool);

/* Gives the spare slabs back to the system. */
void arq_send_pool_free(struct arq_send_pool *pool);

#endif
