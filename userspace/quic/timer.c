/* SPDX-License-Identifier: BSD-2-Clause */
#include "userspace/quic/timer.h"

#include <errno.h>
#include <stdlib.h>

int timer_reserve(struct timer_heap *heap)
{
	if (heap->reserved == heap->capacity) {
		size_t capacity = heap->capacity ? heap->capacity * 2 : 64;
		struct timer **nodes =
			realloc(heap->nodes, (capacity + 1) * sizeof(struct timer *));

		if (!nodes)
			return -ENOMEM;
		heap->nodes = nodes;
		heap->capacity = capacity;
	}
	heap->reserved++;
	return 0;
}

void timer_unreserve(struct timer_heap *heap)
{
	heap->reserved--;
}

static void place(struct timer_heap *heap, struct timer *timer, size_t index)
{
	heap->nodes[index] = timer;
	timer->index = index;
}

static void sift_up(struct timer_heap *heap, struct timer *timer, size_t index)
{
	while (index > 1 && heap->nodes[index / 2]->at > timer->at) {
		place(heap, heap->nodes[index / 2], index);
		index /= 2;
	}
	place(heap, timer, index);
}

static void sift_down(struct timer_heap *heap, struct timer *timer, size_t index)
{
	for (;;) {
		size_t child = index * 2;

		if (child > heap->count)
			break;
		if (child < heap->count && heap->nodes[child + 1]->at < heap->nodes[child]->at)
			child++;
		if (heap->nodes[child]->at >= timer->at)
			break;
		place(heap, heap->nodes[child], index);
		index = child;
	}
	place(heap, timer, index);
}

static void take_out(struct timer_heap *heap, struct timer *timer)
{
	size_t index = timer->index;
	struct timer *last = heap->nodes[heap->count--];

	timer->index = 0;
	if (last == timer)
		return;
	if (index > 1 && heap->nodes[index / 2]->at > last->at)
		sift_up(heap, last, index);
	else
		sift_down(heap, last, index);
}

void timer_set(struct timer_heap *heap, struct timer *timer, uint64_t at)
{
	uint64_t before = timer->at;

	timer->at = at;
	if (at == TIMER_NEVER) {
		if (timer->index)
			take_out(heap, timer);
	} else if (!timer->index) {
		sift_up(heap, timer, ++heap->count);
	} else if (at < before) {
		sift_up(heap, timer, timer->index);
	} else if (at > before) {
		sift_down(heap, timer, timer->index);
	}
}

struct timer *timer_first(const struct timer_heap *heap)
{
	return heap->count ? heap->nodes[1] : NULL;
}

void timer_heap_free(struct timer_heap *heap)
{
	free(heap->nodes);
	*heap = (struct timer_heap){0};
}
