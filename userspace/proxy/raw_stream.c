// SPDX-License-Identifier: BSD-2-Clause
#include "userspace/proxy/raw.h"

#include "userspace/proxy/state.h"

#include <stdlib.h>

struct raw_stream *raw_stream_find(struct raw_session *session, int64_t id)
{
	struct raw_stream *stream;
	LIST_FOREACH (stream, &session->streams[(uint64_t)id / 4 % RAW_BUCKETS], entry) {
		if (stream->id == id)
			return stream;
	}
	return NULL;
}

/* --- life ------------------------------------------------------------------------------------- */

static void attach(struct raw_stream *stream, struct raw_session *session, int64_t id)
{
	stream->session = session;
	stream->id = id;
	stream->state = RAW_OPEN;
	session->open++;
	LIST_INSERT_HEAD(&session->streams[(uint64_t)id / 4 % RAW_BUCKETS], stream, entry);
}

struct raw_pair *raw_pair_create(struct arq_proxy *proxy, struct raw_session *session, int64_t id)
{
	struct raw_pair *pair = calloc(1, sizeof(*pair));
	if (!pair)
		return NULL;
	pair->proxy = proxy;
	pair->reset_code = session->reset_code;
	pair->from.pair = pair->to.pair = pair;
	pair->from.other = &pair->to;
	pair->to.other = &pair->from;
	/* Of a unidirectional stream there is only one half of each. */
	pair->from.tx_over = pair->to.rx_over = raw_kind(id) == ARQ_POOL_UNI;
	attach(&pair->from, session, id);
	proxy->counters.raw_streams++;
	return pair;
}

static void detach(struct raw_stream *stream, bool opened_by_peer)
{
	struct raw_session *session = stream->session;
	if (!session)
		return;
	LIST_REMOVE(stream, entry);
	stream->session = NULL;
	/* The peer may open another when all of the work for this one is done. */
	if (opened_by_peer)
		arq_quic_stream_release(session->connection, stream->id);
}

static void free_if_done(struct raw_pair *pair)
{
	if (pair->from.state != RAW_CLOSED || pair->to.state != RAW_CLOSED)
		return;
	arq_pool_give_back(&pair->ticket);
	arq_account_end_stream(&pair->account, pair->proxy,
			       pair->from.session ? pair->from.session->connection : NULL);
	detach(&pair->from, true);
	detach(&pair->to, false);
	if (pair->view)
		arq_view_put(pair->view);
	free(pair);
}

/* --- directions ------------------------------------------------------------------------------- */

/* The peer of the stream may send as many bytes more. */
static void credit(struct raw_stream *stream, size_t length)
{
	if (length > stream->unconsumed)
		length = stream->unconsumed;
	stream->unconsumed -= length;
	if (stream->session)
		arq_quic_stream_consume(stream->session->connection, stream->id, length);
}

/* Nothing goes out on it any more, so what comes from the other waits for nothing. */
static void end_sending(struct raw_stream *stream)
{
	stream->tx_over = true;
	raw_session_unqueue(stream);
	credit(stream->other, stream->other->unconsumed);
}

/* RESET_STREAM to its peer. */
static void abandon(struct raw_stream *stream, uint64_t code)
{
	if (stream->tx_over)
		return;
	if (stream->state == RAW_OPEN)
		arq_quic_stream_reset(stream->session->connection, stream->id, code);
	end_sending(stream);
}

/* STOP_SENDING to its peer. */
static void stop(struct raw_stream *stream, uint64_t code)
{
	if (stream->rx_over)
		return;
	stream->rx_over = true;
	if (stream->state == RAW_OPEN)
		arq_quic_stream_stop(stream->session->connection, stream->id, code);
}

static void break_off(struct raw_pair *pair, uint64_t code)
{
	abandon(&pair->from, code);
	stop(&pair->from, code);
	abandon(&pair->to, code);
	stop(&pair->to, code);
}

/* --- `to` is opened, or not ------------------------------------------------------------------- */

void raw_pair_opened(struct raw_pair *pair, struct raw_session *session, int64_t id)
{
	struct raw_stream *to = &pair->to;
	if (pair->waiting)
		TAILQ_REMOVE(pair->waiting, to, turn);
	pair->waiting = NULL;
	attach(to, session, id);
	if (pair->view)
		arq_account_started(&pair->account, pair->proxy, &pair->ticket);
	if (to->tx_finished || to->buffer.buffered > 0)
		raw_session_queue(to);
}

void raw_pair_wait(struct raw_pair *pair, struct raw_streams *lists)
{
	pair->waiting = &lists[raw_kind(pair->from.id)];
	TAILQ_INSERT_TAIL(pair->waiting, &pair->to, turn);
}

static void stop_waiting(struct raw_pair *pair)
{
	if (pair->to.state != RAW_WAITING)
		return;
	pair->to.state = RAW_CLOSED;
	if (pair->waiting)
		TAILQ_REMOVE(pair->waiting, &pair->to, turn);
	pair->waiting = NULL;
	arq_pool_give_back(&pair->ticket);
	arq_send_buffer_free(&pair->to.buffer, &pair->proxy->slabs);
}

static void refuse(struct raw_pair *pair, uint64_t code)
{
	stop_waiting(pair);
	break_off(pair, code);
	free_if_done(pair);
}

void raw_pair_refuse(struct raw_pair *pair)
{
	pair->proxy->counters.raw_broken++;
	arq_account_failed(&pair->account, ARQ_RECORD_GATEWAY, pair->reset_code);
	refuse(pair, pair->reset_code);
}

/* --- what QUIC says --------------------------------------------------------------------------- */

static enum arq_record_party party(const struct raw_stream *stream)
{
	return stream == &stream->pair->from ? ARQ_RECORD_CLIENT : ARQ_RECORD_UPSTREAM;
}

static void account_data(const struct raw_stream *stream, size_t length)
{
	struct arq_account *account = &stream->pair->account;
	if (stream == &stream->pair->from) {
		account->received += length;
	} else {
		account->sent += length;
		arq_account_answered(account, stream->pair->proxy, 0); /* the first time */
	}
}

void raw_stream_data(struct raw_stream *stream, const uint8_t *data, size_t length, bool fin)
{
	struct raw_stream *other = stream->other;
	size_t taken = length;

	account_data(stream, length);
	if (!stream->rx_over && !other->tx_over) {
		stream->unconsumed += length;
		taken = arq_send_buffer_write(&other->buffer, &stream->pair->proxy->slabs, data,
					      length);
	} else {
		arq_quic_stream_consume(stream->session->connection, stream->id, length);
	}
	if (fin)
		stream->rx_over = other->tx_finished = true;
	if (taken < length)
		break_off(stream->pair, stream->pair->reset_code); /* out of memory */
	else if (other->state == RAW_OPEN && !other->tx_over)
		raw_session_queue(other);
}

void raw_stream_acked(struct raw_stream *stream, size_t length)
{
	size_t bytes = arq_send_buffer_acked(&stream->buffer, &stream->pair->proxy->slabs, length);
	credit(stream->other, bytes);
}

void raw_stream_reset(struct raw_stream *stream, uint64_t code)
{
	if (stream->rx_over)
		return;
	stream->rx_over = true;
	arq_account_failed(&stream->pair->account, party(stream), code);
	if (stream->other->state == RAW_WAITING)
		refuse(stream->pair, code);
	else
		abandon(stream->other, code);
}

void raw_stream_stopped(struct raw_stream *stream, uint64_t code)
{
	if (stream->tx_over)
		return;
	end_sending(stream);
	arq_account_failed(&stream->pair->account, party(stream), code);
	if (stream->other->state == RAW_WAITING)
		refuse(stream->pair, code);
	else
		stop(stream->other, code);
}

/* What it still had to send has nowhere to go; bytes are kept until here, for QUIC had them. */
static void close_stream(struct raw_stream *stream)
{
	end_sending(stream);
	stream->rx_over = true;
	stream->state = RAW_CLOSED;
	arq_send_buffer_free(&stream->buffer, &stream->pair->proxy->slabs);
	stream->session->open--;
}

void raw_stream_closed(struct raw_stream *stream)
{
	struct raw_pair *pair = stream->pair;
	struct raw_session *session = stream->session;
	if (stream->state != RAW_OPEN)
		return;
	close_stream(stream);
	if (stream == &pair->to) {
		arq_pool_report(&pair->ticket, ARQ_POOL_ANSWERED);
		arq_pool_give_back(&pair->ticket);
	}
	free_if_done(pair);
	raw_session_idle(session);
	if (session->upstream && session->ready)
		arq_upstream_streams(session->upstream); /* there may have been RAW_STREAMS */
}

void raw_stream_lost(struct raw_stream *stream, bool blame)
{
	struct raw_pair *pair = stream->pair;
	bool open = stream->state == RAW_OPEN;
	if (open)
		close_stream(stream);
	LIST_REMOVE(stream, entry);
	stream->session = NULL;
	if (open && stream == &pair->to) {
		pair->proxy->counters.raw_broken++;
		if (blame)
			arq_pool_report(&pair->ticket, ARQ_POOL_BROKEN);
		arq_pool_give_back(&pair->ticket);
	}
	if (open) {
		arq_account_failed(&pair->account, party(stream), pair->reset_code);
		stop_waiting(pair);
		break_off(pair, pair->reset_code);
	}
	free_if_done(pair);
}
