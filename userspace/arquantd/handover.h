/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The inbox of a worker: packets of its connections that arrived at another worker.
 *
 * A receive queue or a SO_REUSEPORT socket spreads by addresses, so after a client's address has
 * changed its packets may arrive at a worker that does not own the connection. Their connection
 * id names the owner, and whoever received them copies them into the owner's inbox.
 *
 * One inbox belongs to one worker. Any thread may push and wake; only the owner pops and
 * releases. The slots are a fixed ring, each with its own sequence number (D. Vyukov's bounded
 * queue), so producers exclude each other by one compare-and-swap and never wait for the owner.
 * A full inbox refuses; the loss is counted here and looks like ordinary loss to QUIC.
 */
#ifndef ARQUANT_ARQUANTD_HANDOVER_H
#define ARQUANT_ARQUANTD_HANDOVER_H

#include "userspace/io/io.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arq_handover;

struct arq_handover_counters {
	uint64_t accepted;
	uint64_t refused; /* no room, or longer than ARQ_IO_PAYLOAD_MAX */
};

/*
 * Makes an inbox of `capacity` packets, a power of two of at least 2 (about 1.6 KiB each).
 * Returns 0 and *inbox, or -EINVAL, -ENOMEM, or the errno of eventfd(2).
 */
int arq_handover_create(uint32_t capacity, struct arq_handover **inbox);

/* Nobody may push any more. NULL is allowed. */
void arq_handover_destroy(struct arq_handover *inbox);

/*
 * Copies a packet with its path and ECN bits; `tag` says where it arrived, in terms of whoever
 * pushes and pops. Any thread. Returns false when it was refused (and counted).
 */
bool arq_handover_push(struct arq_handover *inbox, const struct arq_rx_packet *packet,
		       uint32_t tag);

/* Makes arq_handover_fd() readable; once after a batch of pushes. Any thread. */
void arq_handover_wake(struct arq_handover *inbox);

/*
 * Lends up to `count` packets, oldest first, and their tags. They stay valid, and may be written
 * to, until released. Owner only; not again before the release. Returns how many.
 */
size_t arq_handover_pop(struct arq_handover *inbox, struct arq_rx_packet *packets, uint32_t *tags,
			size_t count);

/* Gives back the packets of the last pop; all of them, once. Owner only. */
void arq_handover_release(struct arq_handover *inbox, size_t count);

/* Readable after a wake, until arq_handover_acknowledge(). For epoll(7). */
int arq_handover_fd(const struct arq_handover *inbox);

/* Takes note of the wake; call before popping, so that no packet is left behind. Owner only. */
void arq_handover_acknowledge(struct arq_handover *inbox);

/* Any thread. */
void arq_handover_counters_read(const struct arq_handover *inbox,
				struct arq_handover_counters *counters);

#endif
