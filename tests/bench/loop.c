// SPDX-License-Identifier: BSD-2-Clause
#include "tests/bench/loop.h"

#include <errno.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

/* Batches taken from an io before the others and the output have their turn. */
#define BATCHES_PER_ROUND 4

uint64_t loop_clock(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * LOOP_SECOND + (uint64_t)now.tv_nsec;
}

int loop_begin(struct loop *loop)
{
	*loop = (struct loop){.now = loop_clock()};
	loop->epoll = epoll_create1(EPOLL_CLOEXEC);
	return loop->epoll < 0 ? -errno : 0;
}

int loop_add(struct loop *loop, struct arq_io *io)
{
	struct epoll_event event = {.events = EPOLLIN, .data.u32 = loop->io_count};

	if (loop->io_count == LOOP_IOS_MAX) {
		arq_io_destroy(io);
		return -ENOSPC;
	}
	loop->ios[loop->io_count++] = io;
	return epoll_ctl(loop->epoll, EPOLL_CTL_ADD, arq_io_fd(io), &event) < 0 ? -errno : 0;
}

static int take(struct loop *loop, struct arq_io *io)
{
	struct arq_rx_packet packets[ARQ_IO_BATCH];

	for (int i = 0; i < BATCHES_PER_ROUND; i++) {
		int count = arq_io_receive(io, packets, ARQ_IO_BATCH);
		if (count <= 0)
			return count;
		arq_quic_receive(loop->endpoint, io, packets, (size_t)count, loop->now);
		arq_io_release(io, packets, (size_t)count);
	}
	return 0;
}

int loop_wait(struct loop *loop, uint64_t at)
{
	struct epoll_event events[LOOP_IOS_MAX];
	uint64_t expiry = arq_quic_expiry(loop->endpoint);
	uint64_t now = loop_clock();

	if (expiry < at)
		at = expiry;
	uint64_t wait = at > now ? at - now : 0;
	struct timespec timeout = {(time_t)(wait / LOOP_SECOND), (long)(wait % LOOP_SECOND)};
	int count = epoll_pwait2(loop->epoll, events, LOOP_IOS_MAX,
				 at == UINT64_MAX ? NULL : &timeout, NULL);
	if (count < 0 && errno != EINTR)
		return -errno;
	loop->now = loop_clock();
	for (int i = 0; i < count; i++) {
		int code = take(loop, loop->ios[events[i].data.u32]);
		if (code < 0)
			return code;
	}
	return 0;
}

void loop_end(struct loop *loop)
{
	if (loop->endpoint)
		arq_quic_endpoint_destroy(loop->endpoint);
	for (uint32_t i = 0; i < loop->io_count; i++)
		arq_io_destroy(loop->ios[i]);
	if (loop->epoll >= 0)
		close(loop->epoll);
}
