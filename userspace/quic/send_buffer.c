/* SPDX-License-Identifier: BSD-2-Clause */
#include "userspace/quic/send_buffer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* --- slabs ------------------------------------------------------------------------------------ */

static struct arq_send_piece *slab_get(struct arq_send_pool *pool)
{
	struct arq_send_piece *slab = pool->spare;

	if (slab) {
		pool->spare = slab->next;
		pool->spare_count--;
	} else {
		slab = malloc(sizeof(*slab) + ARQ_SEND_SLAB_SIZE);
		if (!slab)
			return NULL;
	}
	if (++pool->in_use > pool->in_use_peak)
		pool->in_use_peak = pool->in_use;
	*slab = (struct arq_send_piece){.data = slab->store, .slab = true};
	return slab;
}

static void slab_put(struct arq_send_pool *pool, struct arq_send_piece *slab)
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

void arq_send_pool_free(struct arq_send_pool *pool)
{
	while (pool->spare) {
		struct arq_send_piece *slab = pool->spare;

		pool->spare = slab->next;
		free(slab);
	}
	pool->spare_count = 0;
}

static void piece_put(struct arq_send_pool *pool, struct arq_send_piece *piece)
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

static void append(struct arq_send_buffer *buffer, struct arq_send_piece *piece)
{
	if (buffer->tail)
		buffer->tail->next = piece;
	else
		buffer->head = piece;
	buffer->tail = piece;
}

size_t arq_send_buffer_write(struct arq_send_buffer *buffer, struct arq_send_pool *pool,
			     const uint8_t *data, size_t length)
{
	size_t written = 0;

	while (written < length) {
		struct arq_send_piece *slab = buffer->tail;
		size_t step = length - written;

		if (!slab || !slab->slab || slab->length == ARQ_SEND_SLAB_SIZE) {
			slab = slab_get(pool);
			if (!slab)
				break;
			append(buffer, slab);
		}
		if (step > ARQ_SEND_SLAB_SIZE - slab->length)
			step = ARQ_SEND_SLAB_SIZE - slab->length;
		memcpy(slab->store + slab->length, data + written, step);
		slab->length += step;
		written += step;
	}
	buffer->buffered += written;
	return written;
}

int arq_send_buffer_append_static(struct arq_send_buffer *buffer, const uint8_t *data,
				  size_t length, void (*release)(void *user), void *user)
{
	struct arq_send_piece *piece = malloc(sizeof(*piece));

	if (!piece)
		return -ENOMEM;
	*piece = (struct arq_send_piece){
		.data = data,
		.length = length,
		.release = release,
		.user = user,
	};
	append(buffer, piece);
	return 0;
}

size_t arq_send_buffer_peek(const struct arq_send_buffer *buffer, struct arq_quic_vec *vecs,
			    size_t count)
{
	const struct arq_send_piece *piece = buffer->cursor ? buffer->cursor : buffer->head;
	size_t offset = buffer->cursor ? buffer->cursor_offset : 0;
	size_t found = 0;

	for (; piece && found < count; piece = piece->next, offset = 0) {
		if (offset == piece->length)
			continue;
		vecs[found++] = (struct arq_quic_vec){piece->data + offset, piece->length - offset};
	}
	return found;
}

void arq_send_buffer_sent(struct arq_send_buffer *buffer, size_t length)
{
	while (length > 0 && buffer->head) {
		if (!buffer->cursor) {
			buffer->cursor = buffer->head;
			buffer->cursor_offset = 0;
		}
		size_t step = buffer->cursor->length - buffer->cursor_offset;
		if (step > length)
			step = length;
		buffer->cursor_offset += step;
		length -= step;
		if (length == 0 || !buffer->cursor->next)
			return;
		buffer->cursor = buffer->cursor->next;
		buffer->cursor_offset = 0;
	}
}

bool arq_send_buffer_all_sent(const struct arq_send_buffer *buffer)
{
	struct arq_quic_vec vec;

	return arq_send_buffer_peek(buffer, &vec, 1) == 0;
}

size_t arq_send_buffer_acked(struct arq_send_buffer *buffer, struct arq_send_pool *pool,
			     size_t length)
{
	size_t slabs = 0;

	while (length && buffer->head) {
		struct arq_send_piece *head = buffer->head;
		size_t step = head->length - buffer->acked;

		if (step > length)
			step = length;
		buffer->acked += step;
		length -= step;
		if (head->slab)
			slabs += step;
		if (buffer->acked < head->length)
			break;
		if (buffer->cursor == head)
			buffer->cursor = NULL;
		buffer->head = head->next;
		if (!buffer->head)
			buffer->tail = NULL;
		buffer->acked = 0;
		piece_put(pool, head);
	}
	buffer->buffered -= slabs;
	return slabs;
}

void arq_send_buffer_free(struct arq_send_buffer *buffer, struct arq_send_pool *pool)
{
	while (buffer->head) {
		struct arq_send_piece *head = buffer->head;

		buffer->head = head->next;
		piece_put(pool, head);
	}
	*buffer = (struct arq_send_buffer){0};
}
