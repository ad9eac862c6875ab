// SPDX-License-Identifier: BSD-2-Clause
#include "tests/bench/xsk_loops.h"

#include "userspace/io/checksum.h"
#include "userspace/io/io.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <xdp/xsk.h>

#define HALF      (XSK_FRAMES / 2)
#define AREA_SIZE ((size_t)XSK_FRAMES * XSK_FRAME_SIZE)

static void fail(const char *what, int code)
{
	fprintf(stderr, "bench_xsk: %s: %s\n", what, strerror(code));
	exit(1);
}

/* --- libxdp's loops --------------------------------------------------------------------------- */

struct bare {
	struct xsk_ring_cons rx;
	struct xsk_ring_prod fill;
	struct xsk_ring_prod tx;
	struct xsk_ring_cons completion;
	struct xsk_umem *umem;
	struct xsk_socket *socket;
	uint8_t *area;
	uint64_t bytes;
	uint64_t sum;
	bool reading;
};

static void bare_fill(struct bare *bare)
{
	uint32_t index = 0;
	if (xsk_ring_prod__reserve(&bare->fill, HALF, &index) != HALF)
		fail("fill ring", ENOBUFS);
	for (uint32_t i = 0; i < HALF; i++)
		*xsk_ring_prod__fill_addr(&bare->fill, index + i) = (uint64_t)i * XSK_FRAME_SIZE;
	xsk_ring_prod__submit(&bare->fill, HALF);
}

/* The kernel frees the queue of the round before some time after its socket is closed. */
static void *bare_open(int map)
{
	const struct xsk_umem_config umem = {
		.fill_size = HALF, .comp_size = HALF, .frame_size = XSK_FRAME_SIZE};
	const struct xsk_socket_config socket = {.rx_size = HALF,
						 .tx_size = HALF,
						 .libxdp_flags =
							 XSK_LIBXDP_FLAGS__INHIBIT_PROG_LOAD,
						 .bind_flags = XDP_USE_NEED_WAKEUP | XDP_COPY};
	const uint32_t queue = 0;
	struct bare *bare = calloc(1, sizeof(*bare));

	bare->area =
		mmap(NULL, AREA_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	madvise(bare->area, AREA_SIZE, MADV_HUGEPAGE);
	int code = -EBUSY;
	for (int attempt = 0; attempt < 100 && code == -EBUSY; attempt++) {
		memset(&bare->fill, 0, sizeof(bare->fill));
		memset(&bare->completion, 0, sizeof(bare->completion));
		code = xsk_umem__create(&bare->umem, bare->area, AREA_SIZE, &bare->fill,
					&bare->completion, &umem);
		if (code < 0)
			fail("UMEM", -code);
		bare_fill(bare);
		code = xsk_socket__create(&bare->socket, "receiver", queue, bare->umem, &bare->rx,
					  &bare->tx, &socket);
		if (code == -EBUSY) {
			xsk_umem__delete(bare->umem);
			usleep(10000);
		}
	}
	int fd = code == 0 ? xsk_socket__fd(bare->socket) : -1;
	if (code < 0 || bpf_map_update_elem(map, &queue, &fd, BPF_ANY) < 0)
		fail("AF_XDP socket", code ? -code : errno);
	return bare;
}

static void *reading_open(int map)
{
	struct bare *bare = bare_open(map);
	bare->reading = true;
	return bare;
}

static uint32_t bare_poll(void *self)
{
	struct bare *bare = self;
	uint32_t rx, fill;
	uint32_t count = (uint32_t)xsk_ring_cons__peek(&bare->rx, ARQ_IO_BATCH, &rx);
	if (count == 0)
		return 0;
	while (xsk_ring_prod__reserve(&bare->fill, count, &fill) != count)
		;
	for (uint32_t i = 0; i < count; i++) {
		const struct xdp_desc *desc = xsk_ring_cons__rx_desc(&bare->rx, rx + i);
		bare->bytes += desc->len;
		if (bare->reading)
			bare->sum = arq_checksum_add(bare->sum, bare->area + desc->addr, desc->len);
		*xsk_ring_prod__fill_addr(&bare->fill, fill + i) = desc->addr;
	}
	xsk_ring_prod__submit(&bare->fill, count);
	xsk_ring_cons__release(&bare->rx, count);
	return count;
}

static void bare_close(void *self)
{
	struct bare *bare = self;
	xsk_socket__delete(bare->socket);
	xsk_umem__delete(bare->umem);
	munmap(bare->area, AREA_SIZE);
	free(bare);
}

/* --- the I/O layer ---------------------------------------------------------------------------- */

struct ours {
	struct arq_io *io;
	uint64_t bytes;
	struct arq_rx_packet packets[ARQ_IO_BATCH];
};

static void *ours_open(int map)
{
	const struct arq_io_xsk_options options = {.interface = "receiver",
						   .frames = XSK_FRAMES,
						   .copy_mode = ARQ_XSK_COPY,
						   .xsks_map_fd = map};
	struct arq_error error = {0};
	struct ours *ours = calloc(1, sizeof(*ours));
	if (arq_io_xsk_create(&options, &ours->io, &error) < 0) {
		fprintf(stderr, "bench_xsk: %s\n", error.text);
		exit(1);
	}
	return ours;
}

static uint32_t ours_poll(void *self)
{
	struct ours *ours = self;
	int count = arq_io_receive(ours->io, ours->packets, ARQ_IO_BATCH);
	if (count < 0)
		fail("receive", -count);
	for (int i = 0; i < count; i++)
		ours->bytes += ours->packets[i].length;
	arq_io_release(ours->io, ours->packets, (size_t)count);
	return (uint32_t)count;
}

static void ours_close(void *self)
{
	struct ours *ours = self;
	struct arq_io_counters counters;
	arq_io_counters_read(ours->io, &counters);
	if (counters.rx_malformed || counters.rx_checksum)
		fail("packets were refused: the figures are worthless", EBADMSG);
	arq_io_destroy(ours->io);
	free(ours);
}

const struct xsk_loop xsk_loops[XSK_LOOPS] = {
	[XSK_LOOP_BARE] = {"bare libxdp loop", bare_open, bare_poll, bare_close},
	[XSK_LOOP_READING] = {"bare, reading", reading_open, bare_poll, bare_close},
	[XSK_LOOP_OURS] = {"arq_io", ours_open, ours_poll, ours_close},
};
