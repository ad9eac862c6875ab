/* SPDX-License-Identifier: BSD-2-Clause */
#include "userspace/quic/send_buffer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* --- slabs ------------------------------------------------------------------------------------ */

static struct arq_send_piece *take_spare(struct arq_send_piece **list, size_t *count)
{
	struct arq_send_piece *slab = *list;

	if (slab) {
		*list = slab->next;
		--*count;
	}
	return slab;
}

static struct arq_send_piece *slab_get(struct arq_send_pool *pool, bool small)
{
	size_t capacity = small ? ARQ_SEND_SLAB_SMALL : ARQ_SEND_SLAB_SIZE;
	struct arq_send_piece *slab =
		small ? take_spare(&pool->small_spare, &pool->small_spare_count)
		      : take_spare(&pool->spare, &pool->spare_count);

	if (!slab && !(slab = malloc(sizeof(*slab) + capacity)))
		return NULL;
	if (++pool->in_use > pool->in_use_peak)
		pool->in_use_peak = pool->in_use;
	*slab = (struct arq_send_piece){.data = slab->store, .capacity = capacity};
	return slab;
}

static void keep_spare(struct arq_send_piece **list, size_t *count, size_t max,
		       struct arq_send_piece *slab)
{
	if (*count >= max) {
		free(slab);
		return;
	}
	slab->next = *list;
	*list = slab;
	++*count;
}

static void slab_put(struct arq_send_pool *pool, struct arq_send_piece *slab)
{
	pool->in_use--;
	if (slab->capacity == ARQ_SEND_SLAB_SMALL)
		keep_spare(&pool->small_spare, &pool->small_spare_count,
			   pool->spare_max * ARQ_SEND_SMALL_PER_LARGE, slab);
	else
		keep_spare(&pool->spare, &pool->spare_count, pool->spare_max, slab);
}

void arq_send_pool_free(struct arq_send_pool *pool)
{
	struct arq_send_piece *slab;

	while ((slab = take_spare(&pool->spare, &pool->spare_count)) ||
	       (slab = take_spare(&pool->small_spare, &pool->small_spare_count)))
		free(slab);
}

static void piece_put(struct arq_send_pool *pool, struct arq_send_piece *piece)
{
	if (piece->capacity) {
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

		if (!slab || slab->length >= slab->capacity) {
			slab = slab_get(pool, !buffer->begun && step <= ARQ_SEND_SLAB_SMALL);
			if (!slab)
				break;
			buffer->begun = true;
			append(buffer, slab);
		}
		if (step > slab->capacity - slab->length)
			step = slab->capacity - slab->length;
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
		if (head->capacity)
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
