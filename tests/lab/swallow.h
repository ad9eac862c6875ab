/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What an application does that wants nothing of its streams: it takes in what comes, and lets go.
 * Callbacks for a struct arq_quic_ops, by their names there.
 */
#ifndef ARQUANT_LAB_SWALLOW_H
#define ARQUANT_LAB_SWALLOW_H

#include "userspace/quic/quic.h"

void swallow_data(struct arq_quic_connection *connection, void *user, int64_t stream,
		  uint64_t offset, const uint8_t *data, size_t length, bool fin);

/* stream_acked and stream_reset */
void swallow_two(struct arq_quic_connection *connection, void *user, int64_t stream, uint64_t one,
		 uint64_t other);

void swallow_stop_sending(struct arq_quic_connection *connection, void *user, int64_t stream,
			  uint64_t code);
void swallow_closed(struct arq_quic_connection *connection, void *user, int64_t stream);

#endif
