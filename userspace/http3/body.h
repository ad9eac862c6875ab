/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The body of a message on its way out: a chain of pieces, slabs from the worker's pool or memory
 * of the application's, each kept until the peer acknowledged it. nghttp3 is handed pointers into
 * them, so a piece never moves.
 */
#ifndef ARQUANT_HTTP3_BODY_H
#define ARQUANT_HTTP3_BODY_H

#include <nghttp3/nghttp3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct body_piece {
	struct body_piece *next;
	const uint8_t *data;
	size_t length; /* bytes in it */
	bool slab; /* data is `store`, and it may be appended to; else the application's */
	void (*release)(void *user); /* the application's: it is no longer needed */
	void *user;
	uint8_t store[];
};

/* The worker's slabs. */
struct body_pool {
	struct body_piece *spare;
	size_t spare_count;
	size_t spare_max;
	size_t in_use;
	size_t in_use_peak;
};

struct body {
	struct body_piece *head, *tail;
	struct body_piece *cursor; /* up to here nghttp3 has it; NULL: nothing of the chain */
	size_t cursor_offset; /* in cursor */
	size_t acked; /* of head */
	size_t buffered; /* bytes in slabs, not acknowledged */
};

/* Appends a copy of at most `length` bytes. Returns how many; less when there is no memory. */
size_t body_write(struct body *body, struct body_pool *pool, const uint8_t *data, size_t length);

/* Appends memory of the application's. Returns 0 or -ENOMEM; `release` is left alone then. */
int body_append_static(struct body *body, const uint8_t *data, size_t length,
		       void (*release)(void *user), void *user);

/* Vectors of what nghttp3 has not seen yet; they count as seen. Returns how many, 0 for none. */
size_t body_take(struct body *body, nghttp3_vec *vecs, size_t count);

/* `length` more bytes were acknowledged. Returns how many of them were in slabs. */
size_t body_acked(struct body *body, struct body_pool *pool, size_t length);

void body_free(struct body *body, struct body_pool *pool);

/* Gives the spare slabs back to the system. */
void body_pool_free(struct body_pool *pool);

#endif
