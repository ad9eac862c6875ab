/* SPDX-License-Identifier: BSD-2-Clause */
#include "userspace/http3/body.h"

#include "userspace/http3/http3.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* --- slabs ------------------------------------------------------------------------------------ */

static struct body_piece *slab_get(struct body_pool *pool)
{
	struct body_piece *slab = pool->spare;

	if (slab) {
		pool->spare = slab->next;
		pool->spare_count--;
	} else {
		slab = malloc(sizeof(*slab) + ARQ_H3_SLAB_SIZE);
		if (!slab)
			return NULL;
	}
	if (++pool->in_use > pool->in_use_peak)
		pool->in_use_peak = pool->in_use;
	*slab = (struct body_piece){.data = slab->store, .slab = true};
	return slab;
}

static void slab_put(struct body_pool *pool, struct body_piece *slab)
{
	pool->in_use--;
	if (pool->spare_count >= pool->spare_max) {
		free(slab);
		return;
	}
	slab->next = pool->spare;
	pool->spare = slab;
	pool->spare_count++;
}

void body_pool_free(struct body_pool *pool)
{
	while (pool->spare) {
		struct body_piece *slab = pool->spare;

		pool->spare = slab->next;
		free(slab);
	}
	pool->spare_count = 0;
}

static void piece_put(struct body_pool *pool, struct body_piece *piece)
{
	if (piece->slab) {
		slab_put(pool, piece);
		return;
	}
	if (piece->release)
		piece->release(piece->user);
	free(piece);
}

/* --- the chain -------------------------------------------------------------------------------- */

static void append(struct body *body, struct body_piece *piece)
{
	if (body->tail)
		body->tail->next = piece;
	else
		body->head = piece;
	body->tail = piece;
}

size_t body_write(struct body *body, struct body_pool *pool, const uint8_t *data, size_t length)
{
	size_t written = 0;

	while (written < length) {
		struct body_piece *slab = body->tail;
		size_t step = length - written;

		if (!slab || !slab->slab || slab->length == ARQ_H3_SLAB_SIZE) {
			slab = slab_get(pool);
			if (!slab)
				break;
			append(body, slab);
		}
		if (step > ARQ_H3_SLAB_SIZE - slab->length)
			step = ARQ_H3_SLAB_SIZE - slab->length;
		memcpy(slab->store + slab->length, data + written, step);
		slab->length += step;
		written += step;
	}
	body->buffered += written;
	return written;
}

int body_append_static(struct body *body, const uint8_t *data, size_t length,
		       void (*release)(void *user), void *user)
{
	struct body_piece *piece = malloc(sizeof(*piece));

	if (!piece)
		return -ENOMEM;
	*piece = (struct body_piece){
		.data = data,
		.length = length,
		.release = release,
		.user = user,
	};
	append(body, piece);
	return 0;
}

size_t body_take(struct body *body, nghttp3_vec *vecs, size_t count)
{
	struct body_piece *piece = body->cursor ? body->cursor : body->head;
	size_t offset = body->cursor ? body->cursor_offset : 0;
	size_t taken = 0;

	while (piece && taken < count) {
		if (offset < piece->length) {
			vecs[taken].base = (uint8_t *)piece->data + offset;
			vecs[taken].len = piece->length - offset;
			taken++;
		}
		body->cursor = piece;
		body->cursor_offset = piece->length;
		if (!piece->next)
			break;
		piece = piece->next;
		offset = 0;
	}
	return taken;
}

size_t body_acked(struct body *body, struct body_pool *pool, size_t length)
{
	size_t slabs = 0;

	while (length && body->head) {
		struct body_piece *head = body->head;
		size_t step = head->length - body->acked;

		if (step > length)
			step = length;
		body->acked += step;
		length -= step;
		if (head->slab)
			slabs += step;
		if (body->acked < head->length)
			break;
		if (body->cursor == head)
			body->cursor = NULL;
		body->head = head->next;
		if (!body->head)
			body->tail = NULL;
		body->acked = 0;
		piece_put(pool, head);
	}
	body->buffered -= slabs;
	return slabs;
}

void body_free(struct body *body, struct body_pool *pool)
{
	while (body->head) {
		struct body_piece *head = body->head;

		body->head = head->next;
		piece_put(pool, head);
	}
	*body = (struct body){0};
}
