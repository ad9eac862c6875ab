/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the kinds of I/O implement. A kind embeds `struct arq_io` as its first member; io.c calls
 * through `ops` and knows nothing else. The functions carry the contract of their namesakes in
 * io.h.
 */
#ifndef ARQUANT_IO_IO_INTERNAL_H
#define ARQUANT_IO_IO_INTERNAL_H

#include "userspace/io/io.h"

struct arq_io_ops {
	const char *kind;
	int (*receive)(struct arq_io *io, struct arq_rx_packet *packets, size_t count);
	void (*release)(struct arq_io *io, const struct arq_rx_packet *packets, size_t count);
	bool (*reserve)(struct arq_io *io, struct arq_tx_slot *slot);
	void (*commit)(struct arq_io *io, struct arq_tx_slot *slot, uint32_t length,
		       const struct arq_path *path, uint8_t ecn);
	void (*cancel)(struct arq_io *io, struct arq_tx_slot *slot);
	int (*flush)(struct arq_io *io);
	size_t (*pending)(const struct arq_io *io);
	int (*fd)(const struct arq_io *io);
	/* Brings the counters that the kernel keeps up to date. */
	void (*refresh)(struct arq_io *io);
	void (*buffers)(const struct arq_io *io, struct arq_io_buffers *buffers);
	void (*destroy)(struct arq_io *io);
};

struct arq_io {
	const struct arq_io_ops *ops;
	struct arq_io_counters counters;
};

#endif
