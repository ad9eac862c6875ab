// SPDX-License-Identifier: BSD-2-Clause
#include "tests/lab/swallow.h"

void swallow_data(struct arq_quic_connection *connection, void *user, int64_t stream,
		  uint64_t offset, const uint8_t *data, size_t length, bool fin)
{
	(void)user;
	(void)offset;
	(void)data;
	(void)fin;
	arq_quic_stream_consume(connection, stream, length);
}

void swallow_two(struct arq_quic_connection *connection, void *user, int64_t stream, uint64_t one,
		 uint64_t other)
{
	(void)connection;
	(void)user;
	(void)stream;
	(void)one;
	(void)other;
}

void swallow_stop_sending(struct arq_quic_connection *connection, void *user, int64_t stream,
			  uint64_t code)
{
	swallow_two(connection, user, stream, code, 0);
}

void swallow_closed(struct arq_quic_connection *connection, void *user, int64_t stream)
{
	(void)user;
	arq_quic_stream_release(connection, stream);
}
