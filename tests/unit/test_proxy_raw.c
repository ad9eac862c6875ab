// SPDX-License-Identifier: BSD-2-Clause
/*
 * Raw streams through the proxy: a client and backends that this file plays, on real QUIC. What a
 * stream is to do at the other end is said by the test, what happened to it is recorded.
 */
#include "test_proxy_lab.h"
#include "userspace/quic/send_buffer.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECOND UINT64_C(1000000000)

#define ENDS_MAX 512

/* One end of a stream, at the client or at a backend. */
struct end {
	struct arq_quic_connection *connection; /* NULL: gone */
	struct lab_backend *backend; /* NULL: the client's */
	int64_t id;
	struct arq_send_buffer out;
	uint64_t received, sum, owed, acked;
	uint64_t reset_code, stop_code;
	bool finish, fin_sent, blocked, shut;
	bool fin, reset, stopped, closed;
	bool echo, paused;
};

struct play {
	struct arq_send_pool pool;
	struct end ends[ENDS_MAX];
	size_t count;
	bool echo, paused; /* what backends do with streams that come */
	size_t ready, gone; /* clients' connections */
	size_t backend_ready;
	struct arq_quic_connection *backend_connection; /* the last */
	size_t datagrams, datagram_bytes; /* that came to backends */
	size_t datagrams_back; /* that came to clients, each as it was sent */
	struct arq_quic_close close; /* of the last client's connection that is gone */
};

static struct play *play_of(const struct lab *lab)
{
	return lab->raw->user;
}

/* The user of a connection is a lab with a backend or none; the same callbacks serve both. */
struct side {
	struct lab *lab;
	struct lab_backend *backend;
};

static struct side side_of(struct arq_quic_connection *connection, void *user)
{
	struct lab_backend *backend = user;
	if (arq_quic_connection_is_server(connection))
		return (struct side){backend->lab, backend};
	return (struct side){user, NULL};
}

static struct end *add_end(struct side side, struct arq_quic_connection *connection, int64_t id)
{
	struct play *play = play_of(side.lab);
	cr_assert_lt(play->count, ENDS_MAX);
	struct end *end = &play->ends[play->count++];
	*end = (struct end){.connection = connection, .backend = side.backend, .id = id};
	return end;
}

static struct end *find_end(struct side side, struct arq_quic_connection *connection, int64_t id)
{
	struct play *play = play_of(side.lab);
	for (size_t i = 0; i < play->count; i++) {
		struct end *end = &play->ends[i];
		if (end->connection == connection && end->id == id)
			return end;
	}
	return NULL;
}

static void on_ready(struct arq_quic_connection *connection, void *user)
{
	struct side side = side_of(connection, user);
	struct play *play = play_of(side.lab);
	if (side.backend) {
		play->backend_connection = connection;
		play->backend_ready++;
		side.backend->sessions++;
	} else {
		play->ready++;
	}
}

static void on_open(struct arq_quic_connection *connection, void *user, int64_t id)
{
	struct side side = side_of(connection, user);
	struct end *end = add_end(side, connection, id);
	end->echo = side.backend && play_of(side.lab)->echo && !(id & 2);
	end->paused = side.backend && play_of(side.lab)->paused;
}

static void on_data(struct arq_quic_connection *connection, void *user, int64_t id, uint64_t offset,
		    const uint8_t *data, size_t length, bool fin)
{
	struct side side = side_of(connection, user);
	struct end *end = find_end(side, connection, id);
	cr_assert_not_null(end);
	cr_assert_eq(offset, end->received);
	for (size_t i = 0; i < length; i++)
		end->sum = end->sum * 31 + data[i];
	end->received += length;
	end->fin |= fin;
	if (end->echo) {
		cr_assert_eq(
			arq_send_buffer_write(&end->out, &play_of(side.lab)->pool, data, length),
			length);
		end->finish |= fin;
		arq_quic_connection_wake(connection);
	}
	if (end->echo || end->paused)
		end->owed += length;
	else
		arq_quic_stream_consume(connection, id, length);
}

static void on_acked(struct arq_quic_connection *connection, void *user, int64_t id,
		     uint64_t offset, uint64_t length)
{
	struct side side = side_of(connection, user);
	struct end *end = find_end(side, connection, id);
	(void)offset;
	end->acked += length;
	arq_send_buffer_acked(&end->out, &play_of(side.lab)->pool, (size_t)length);
	if (end->echo) {
		arq_quic_stream_consume(connection, id, length);
		end->owed -= length;
	}
}

static void on_reset(struct arq_quic_connection *connection, void *user, int64_t id,
		     uint64_t final_size, uint64_t code)
{
	struct end *end = find_end(side_of(connection, user), connection, id);
	(void)final_size;
	end->reset = true;
	end->reset_code = code;
}

static void on_stop(struct arq_quic_connection *connection, void *user, int64_t id, uint64_t code)
{
	struct end *end = find_end(side_of(connection, user), connection, id);
	if (!end->stopped)
		end->stop_code = code;
	end->stopped = end->shut = true;
}

static void on_stream_closed(struct arq_quic_connection *connection, void *user, int64_t id)
{
	struct side side = side_of(connection, user);
	struct end *end = find_end(side, connection, id);
	end->closed = true;
	arq_send_buffer_free(&end->out, &play_of(side.lab)->pool);
	arq_quic_stream_release(connection, id);
}

static void on_unblocked(struct arq_quic_connection *connection, void *user, int64_t id)
{
	find_end(side_of(connection, user), connection, id)->blocked = false;
}

static void next_write(struct arq_quic_connection *connection, void *user,
		       struct arq_quic_write *write)
{
	struct play *play = play_of(side_of(connection, user).lab);
	for (size_t i = 0; i < play->count; i++) {
		struct end *end = &play->ends[i];
		if (end->connection != connection || end->blocked || end->shut || end->closed ||
		    (arq_send_buffer_all_sent(&end->out) && (!end->finish || end->fin_sent)))
			continue;
		write->stream_id = end->id;
		write->count = arq_send_buffer_peek(&end->out, write->vecs, ARQ_QUIC_WRITE_VECS);
		write->fin = end->finish && write->count < ARQ_QUIC_WRITE_VECS;
		return;
	}
}

static void written(struct arq_quic_connection *connection, void *user, int64_t id, size_t length)
{
	struct end *end = find_end(side_of(connection, user), connection, id);
	arq_send_buffer_sent(&end->out, length);
	end->fin_sent = end->finish && arq_send_buffer_all_sent(&end->out);
}

static void on_blocked(struct arq_quic_connection *connection, void *user, int64_t id)
{
	find_end(side_of(connection, user), connection, id)->blocked = true;
}

static void on_shut(struct arq_quic_connection *connection, void *user, int64_t id)
{
	find_end(side_of(connection, user), connection, id)->shut = true;
}

static void on_closed(struct arq_quic_connection *connection, void *user,
		      const struct arq_quic_close *close)
{
	struct side side = side_of(connection, user);
	struct play *play = play_of(side.lab);
	for (size_t i = 0; i < play->count; i++) {
		struct end *end = &play->ends[i];
		if (end->connection != connection)
			continue;
		arq_send_buffer_free(&end->out, &play->pool);
		end->connection = NULL;
	}
	if (play->backend_connection == connection)
		play->backend_connection = NULL;
	if (side.backend)
		return;
	play->gone++;
	play->close = *close;
}

/* Backends send back what they get. */
static void on_datagram(struct arq_quic_connection *connection, void *user, const uint8_t *data,
			size_t length)
{
	struct side side = side_of(connection, user);
	struct play *record = play_of(side.lab);
	for (size_t i = 0; i < length; i++)
		cr_assert_eq(data[i], (uint8_t)(length + i));
	if (!side.backend) {
		record->datagrams_back++;
		return;
	}
	record->datagrams++;
	record->datagram_bytes += length;
	cr_assert_eq(arq_quic_datagram_send(connection, data, length), 0);
}

static const struct arq_quic_ops ops = {
	.datagram = on_datagram,
	.ready = on_ready,
	.stream_open = on_open,
	.stream_data = on_data,
	.stream_acked = on_acked,
	.stream_reset = on_reset,
	.stop_sending = on_stop,
	.stream_closed = on_stream_closed,
	.unblocked = on_unblocked,
	.next_write = next_write,
	.written = written,
	.blocked = on_blocked,
	.shut = on_shut,
	.closed = on_closed,
};

/* --- what tests say --------------------------------------------------------------------------- */

static struct play play;
static const struct lab_raw raw = {"x-test", &ops, &ops, 10, 1500, &play};
static const struct lab_raw raw_without_uni = {"x-test", &ops, &ops, 0, 0, &play};

static struct arq_quic_connection *connect_client(struct lab *lab)
{
	size_t ready = play.ready;
	struct arq_quic_connection *connection = lab_connect_raw(lab, "localhost");
	LAB_UNTIL(lab, play.ready > ready);
	return connection;
}

static struct end *open_stream(struct lab *lab, struct arq_quic_connection *connection, bool bidi)
{
	bool server = arq_quic_connection_is_server(connection);
	struct side side = {lab, server ? &lab->backends[0] : NULL};
	int64_t id;
	cr_assert_eq(arq_quic_stream_open(connection, bidi, &id), 0);
	return add_end(side, connection, id);
}

static void send_pattern(struct end *end, uint64_t length, bool finish)
{
	for (uint64_t at = 0; at < length; at++) {
		uint8_t byte = (uint8_t)(at * 2654435761u >> 13);
		cr_assert_eq(arq_send_buffer_write(&end->out, &play.pool, &byte, 1), 1);
	}
	end->finish = finish;
	arq_quic_connection_wake(end->connection);
}

/* The end that is not the client's, of the stream opened last. */
static struct end *last_of_backends(void)
{
	for (size_t i = play.count; i-- > 0;) {
		if (play.ends[i].backend)
			return &play.ends[i];
	}
	return NULL;
}

static void stop_lab(struct lab *lab)
{
	lab_stop(lab);
	cr_assert_eq(play.pool.in_use, 0);
	arq_send_pool_free(&play.pool);
}

/* --- streams ---------------------------------------------------------------------------------- */

Test(proxy_raw, carries_bytes_both_ways)
{
	const uint64_t length = 3u << 20;
	struct lab *lab = lab_start_raw(2, "", &raw);
	play.echo = true;
	struct arq_quic_connection *client = connect_client(lab);
	struct end *end = open_stream(lab, client, true);
	send_pattern(end, length, true);
	LAB_UNTIL(lab, end->closed);
	cr_assert_eq(end->received, length);
	cr_assert_eq(end->sum, lab_sum(length));
	cr_assert(end->fin && !end->reset && !end->stopped);
	stop_lab(lab);
}

Test(proxy_raw, an_empty_stream_arrives)
{
	struct lab *lab = lab_start_raw(1, "", &raw);
	play.echo = true;
	struct end *end = open_stream(lab, connect_client(lab), true);
	send_pattern(end, 0, true);
	LAB_UNTIL(lab, end->closed);
	cr_assert(end->fin && end->received == 0);
	stop_lab(lab);
}

/* Also one that is closed at the client's side before the target has it. */
Test(proxy_raw, carries_unidirectional_streams)
{
	struct lab *lab = lab_start_raw(1, "", &raw);
	struct end *end = open_stream(lab, connect_client(lab), false);
	send_pattern(end, 5000, true);
	struct end *there;
	LAB_UNTIL(lab, (there = last_of_backends()) && there->closed);
	cr_assert_eq(there->received, 5000);
	cr_assert_eq(there->sum, lab_sum(5000));
	cr_assert(there->id & 2);
	stop_lab(lab);
}

Test(proxy_raw, streams_of_all_clients_share_connections_and_spread)
{
	struct lab *lab = lab_start_raw(2, "", &raw);
	play.echo = true;
	struct arq_quic_connection *clients[2] = {connect_client(lab), connect_client(lab)};
	struct end *ends[40];
	for (size_t i = 0; i < 40; i++) {
		ends[i] = open_stream(lab, clients[i % 2], true);
		send_pattern(ends[i], 100 + i, true);
	}
	for (size_t i = 0; i < 40; i++) {
		LAB_UNTIL(lab, ends[i]->closed);
		cr_assert_eq(ends[i]->sum, lab_sum(100 + i));
	}
	size_t of[LAB_BACKENDS] = {0};
	for (size_t i = 0; i < play.count; i++) {
		if (play.ends[i].backend)
			of[play.ends[i].backend - lab->backends]++;
	}
	cr_assert_eq(of[0], 20);
	cr_assert_eq(of[1], 20);
	cr_assert_eq(lab->backends[0].sessions, 1);
	cr_assert_eq(lab->backends[1].sessions, 1);
	stop_lab(lab);
}

/* More than a shared connection carries at a time: they take turns. */
Test(proxy_raw, waits_for_max_streams)
{
	struct lab *lab = lab_start_raw(1, "      connections: { max: 1, streams: 5 }\n", &raw);
	play.echo = true;
	struct arq_quic_connection *client = connect_client(lab);
	struct end *ends[80];
	for (size_t i = 0; i < 80; i++) {
		ends[i] = open_stream(lab, client, true);
		send_pattern(ends[i], 10, true);
	}
	for (size_t i = 0; i < 80; i++)
		LAB_UNTIL(lab, ends[i]->closed && ends[i]->fin);
	cr_assert_eq(lab->backends[0].sessions, 1);
	stop_lab(lab);
}

/* --- codes ------------------------------------------------------------------------------------ */

static struct end *open_both(struct lab *lab, struct end **there)
{
	struct end *here = open_stream(lab, connect_client(lab), true);
	send_pattern(here, 10, false);
	LAB_UNTIL(lab, (*there = last_of_backends()) && (*there)->received == 10);
	return here;
}

Test(proxy_raw, a_client_s_reset_arrives_with_its_code)
{
	struct lab *lab = lab_start_raw(1, "", &raw);
	struct end *there, *here = open_both(lab, &there);
	here->shut = true;
	arq_quic_stream_reset(here->connection, here->id, 0x77);
	LAB_UNTIL(lab, there->reset);
	cr_assert_eq(there->reset_code, 0x77);
	cr_assert(!there->stopped);
	/* The other half goes on. */
	send_pattern(there, 2000, true);
	LAB_UNTIL(lab, here->closed);
	cr_assert(here->fin && here->received == 2000);
	stop_lab(lab);
}

Test(proxy_raw, a_target_s_reset_arrives_with_its_code)
{
	struct lab *lab = lab_start_raw(1, "", &raw);
	struct end *there, *here = open_both(lab, &there);
	there->shut = true;
	arq_quic_stream_reset(there->connection, there->id, 0x123456789);
	LAB_UNTIL(lab, here->reset);
	cr_assert_eq(here->reset_code, 0x123456789);
	send_pattern(here, 3000, true);
	LAB_UNTIL(lab, there->closed);
	cr_assert(there->fin && there->received == 3010);
	stop_lab(lab);
}

Test(proxy_raw, a_client_s_stop_arrives_with_its_code)
{
	struct lab *lab = lab_start_raw(1, "", &raw);
	struct end *there, *here = open_both(lab, &there);
	arq_quic_stream_stop(here->connection, here->id, 0x42);
	LAB_UNTIL(lab, there->stopped);
	cr_assert_eq(there->stop_code, 0x42);
	send_pattern(here, 0, true);
	LAB_UNTIL(lab, there->closed && here->closed);
	stop_lab(lab);
}

Test(proxy_raw, a_target_s_stop_arrives_with_its_code)
{
	struct lab *lab = lab_start_raw(1, "", &raw);
	struct end *there, *here = open_both(lab, &there);
	arq_quic_stream_stop(there->connection, there->id, 0x43);
	LAB_UNTIL(lab, here->stopped);
	cr_assert_eq(here->stop_code, 0x43);
	send_pattern(there, 0, true);
	LAB_UNTIL(lab, there->closed && here->closed);
	stop_lab(lab);
}

/* --- records ---------------------------------------------------------------------------------- */

static struct arq_record logged;
static size_t logged_count;
static char logged_host[32], logged_target[32];

static void take_record(void *user, const struct arq_record *record)
{
	(void)user;
	cr_assert_not_null(record);
	logged = *record;
	snprintf(logged_host, sizeof(logged_host), "%.*s",
		 (int)record->texts[ARQ_RECORD_HOST].length, record->texts[ARQ_RECORD_HOST].data);
	snprintf(logged_target, sizeof(logged_target), "%.*s",
		 (int)record->texts[ARQ_RECORD_TARGET].length,
		 record->texts[ARQ_RECORD_TARGET].data);
	logged_count++;
}

Test(proxy_raw, is_recorded_when_it_is_over)
{
	lab_sink.take = take_record;
	struct lab *lab = lab_start_raw(1, "", &raw);
	struct end *there, *here = open_both(lab, &there);
	char address[ARQ_ADDRESS_TEXT_MAX];
	send_pattern(here, 90, true);
	send_pattern(there, 2000, true);
	LAB_UNTIL(lab, logged_count == 1);
	cr_expect_eq(logged.received, 100);
	cr_expect_eq(logged.sent, 2000);
	cr_expect_eq(logged.tries, 1);
	cr_expect_eq(logged.status, 0);
	cr_expect_eq(logged.error_by, ARQ_RECORD_NOBODY);
	cr_expect_eq(logged.texts[ARQ_RECORD_METHOD].length, 0);
	cr_expect_str_eq(logged_host, "localhost");
	cr_expect_str_eq(logged_target, arq_address_format(&lab->backends[0].address, address));
	cr_expect(logged.connect != ARQ_RECORD_NONE && logged.response <= logged.duration);

	here = open_both(lab, &there);
	there->shut = true;
	arq_quic_stream_reset(there->connection, there->id, 0x99);
	LAB_UNTIL(lab, here->reset);
	send_pattern(here, 0, true);
	LAB_UNTIL(lab, logged_count == 2);
	cr_expect_eq(logged.error_by, ARQ_RECORD_UPSTREAM);
	cr_expect_eq(logged.error_code, 0x99);
	stop_lab(lab);
	cr_expect_eq(logged_count, 2);
}

/* --- flow control ----------------------------------------------------------------------------- */

Test(proxy_raw, a_slow_target_holds_its_stream_and_no_other)
{
	const uint64_t length = 8u << 20;
	struct lab *lab = lab_start_raw(1, "", &raw);
	play.paused = true;
	struct arq_quic_connection *client = connect_client(lab);
	struct end *slow = open_stream(lab, client, true), *there;
	send_pattern(slow, length, true);
	LAB_UNTIL(lab, (there = last_of_backends()) && there->received == 262144);
	lab_rest(lab, 300);
	/* A window at the target, one in the proxy. */
	cr_assert_eq(there->received, 262144);
	cr_assert_leq(slow->acked, 2 * 262144);
	play.paused = false;
	play.echo = true;
	struct end *fast = open_stream(lab, client, true);
	send_pattern(fast, 100000, true);
	LAB_UNTIL(lab, fast->closed);
	cr_assert_eq(fast->sum, lab_sum(100000));
	there->paused = false;
	arq_quic_stream_consume(there->connection, there->id, there->owed);
	LAB_UNTIL(lab, there->fin);
	cr_assert_eq(there->received, length);
	cr_assert_eq(there->sum, lab_sum(length));
	stop_lab(lab);
}

/* --- failures --------------------------------------------------------------------------------- */

Test(proxy_raw, streams_on_a_dead_target_are_reset_and_the_next_go_elsewhere)
{
	struct lab *lab =
		lab_start_raw(2, "      reset_code: 9\n      connections: { silence: 1s }\n", &raw);
	struct arq_quic_connection *client = connect_client(lab);
	struct end *ends[4];
	for (size_t i = 0; i < 4; i++) {
		ends[i] = open_stream(lab, client, true);
		send_pattern(ends[i], 10, false);
		lab_rest(lab, 20);
	}
	lab->backends[0].deaf = true;
	for (size_t i = 0; i < 4; i++)
		send_pattern(ends[i], 10, false);
	LAB_UNTIL(lab, ends[0]->reset + ends[1]->reset + ends[2]->reset + ends[3]->reset == 2);
	for (size_t i = 0; i < 4; i++)
		cr_assert(!ends[i]->reset || (ends[i]->reset_code == 9 && ends[i]->stopped &&
					      ends[i]->stop_code == 9));
	play.echo = true;
	for (size_t i = 0; i < 20; i++) {
		struct end *end = open_stream(lab, client, true);
		send_pattern(end, 10, true);
		LAB_UNTIL(lab, end->closed);
		cr_assert(end->fin && end->received == 10);
	}
	struct arq_proxy_counters counters;
	lab_counters(lab, &counters);
	cr_assert_eq(counters.raw_broken, 2);
	cr_assert_eq(counters.raw_streams, 24);
	cr_assert_eq(play.gone, 0);
	lab->backends[0].deaf = false;
	stop_lab(lab);
}

Test(proxy_raw, a_kind_that_the_target_does_not_take_is_refused)
{
	struct lab *lab = lab_start_raw(1, "", &raw_without_uni);
	play.echo = true;
	struct arq_quic_connection *client = connect_client(lab);
	struct end *uni = open_stream(lab, client, false);
	send_pattern(uni, 10, false);
	LAB_UNTIL(lab, uni->stopped);
	cr_assert_eq(uni->stop_code, 1);
	struct end *bidi = open_stream(lab, client, true);
	send_pattern(bidi, 10, true);
	LAB_UNTIL(lab, bidi->closed);
	cr_assert(bidi->fin);
	stop_lab(lab);
}

Test(proxy_raw, a_client_that_goes_takes_its_streams_along)
{
	struct lab *lab = lab_start_raw(1, "      reset_code: 3\n", &raw);
	struct end *there, *here = open_both(lab, &there);
	arq_quic_connection_close(here->connection, true, 5, NULL);
	LAB_UNTIL(lab, there->reset && there->stopped);
	cr_assert_eq(there->reset_code, 3);
	cr_assert_eq(there->stop_code, 3);
	stop_lab(lab);
}

Test(proxy_raw, without_a_route_a_connection_is_refused)
{
	struct lab *lab = lab_start_raw(1, "", &raw);
	lab_connect_raw(lab, "elsewhere.test");
	LAB_UNTIL(lab, play.gone == 1);
	cr_assert_eq(play.close.kind, ARQ_QUIC_CLOSE_PEER_TRANSPORT);
	cr_assert_eq(play.close.code, 2);
	stop_lab(lab);
}

Test(proxy_raw, a_drain_waits_for_open_streams)
{
	struct lab *lab = lab_start_raw(1, "", &raw);
	struct end *there, *here = open_both(lab, &there);
	connect_client(lab);
	arq_proxy_drain(lab->proxy);
	LAB_UNTIL(lab, play.gone == 1); /* the idle one */
	send_pattern(there, 100, true);
	send_pattern(here, 100, true);
	LAB_UNTIL(lab, play.gone == 2);
	cr_assert(here->fin && here->received == 100);
	cr_assert_eq(play.close.kind, ARQ_QUIC_CLOSE_PEER_APPLICATION);
	cr_assert_eq(play.close.code, 0);
	LAB_UNTIL(lab, arq_quic_connections(lab->front) == 0);
	stop_lab(lab);
}

/* --- a connection for each client ------------------------------------------------------------- */

#define LINK "      forward: connections\n      reset_code: 8\n"

Test(proxy_raw, each_client_has_a_connection_of_its_own)
{
	struct lab *lab = lab_start_raw(1, LINK, &raw);
	play.echo = true;
	struct arq_quic_connection *clients[3];
	for (size_t i = 0; i < 3; i++) {
		clients[i] = connect_client(lab);
		for (size_t j = 0; j < 3; j++) {
			struct end *end = open_stream(lab, clients[i], true);
			send_pattern(end, 1000, true);
			LAB_UNTIL(lab, end->closed);
			cr_assert_eq(end->sum, lab_sum(1000));
		}
	}
	cr_assert_eq(lab->backends[0].sessions, 3);
	stop_lab(lab);
}

Test(proxy_raw, a_target_opens_streams_to_its_client)
{
	struct lab *lab = lab_start_raw(1, LINK, &raw);
	connect_client(lab);
	LAB_UNTIL(lab, play.backend_ready == 1);
	struct end *bidi = open_stream(lab, play.backend_connection, true);
	struct end *uni = open_stream(lab, play.backend_connection, false);
	send_pattern(bidi, 3000, false);
	send_pattern(uni, 4000, true);
	LAB_UNTIL(lab, play.count == 4 && play.ends[2].received + play.ends[3].received == 7000);
	struct end *there = &play.ends[play.ends[2].received == 3000 ? 2 : 3];
	cr_assert_null(there->backend);
	cr_assert_eq(there->sum, lab_sum(3000));
	send_pattern(there, 500, true);
	bidi->finish = true;
	arq_quic_connection_wake(bidi->connection);
	LAB_UNTIL(lab, bidi->closed && uni->closed && there->closed);
	cr_assert_eq(bidi->received, 500);
	stop_lab(lab);
}

Test(proxy_raw, the_end_of_one_side_is_the_other_s_with_its_code)
{
	struct lab *lab = lab_start_raw(1, LINK, &raw);
	connect_client(lab);
	LAB_UNTIL(lab, play.backend_ready == 1);
	arq_quic_connection_close(play.backend_connection, true, 0x99, "enough");
	LAB_UNTIL(lab, play.gone == 1);
	cr_assert_eq(play.close.kind, ARQ_QUIC_CLOSE_PEER_APPLICATION);
	cr_assert_eq(play.close.code, 0x99);
	struct arq_quic_connection *client = connect_client(lab);
	LAB_UNTIL(lab, play.backend_ready == 2);
	arq_quic_connection_close(client, true, 0x98, NULL);
	LAB_UNTIL(lab, play.backend_connection == NULL);
	stop_lab(lab);
}

Test(proxy_raw, a_client_whose_target_cannot_be_reached_is_told)
{
	struct lab *lab =
		lab_start_raw(1, LINK "      connections: { connect_timeout: 50ms }\n", &raw);
	lab->backends[0].deaf = true;
	struct end *end = open_stream(lab, connect_client(lab), true);
	send_pattern(end, 100, true);
	LAB_UNTIL(lab, play.gone == 1);
	cr_assert_eq(play.close.kind, ARQ_QUIC_CLOSE_PEER_APPLICATION);
	cr_assert_eq(play.close.code, 8);
	lab->backends[0].deaf = false;
	stop_lab(lab);
}

static int send_datagram(struct arq_quic_connection *connection, size_t length)
{
	uint8_t data[2000];
	for (size_t i = 0; i < length; i++)
		data[i] = (uint8_t)(length + i);
	return arq_quic_datagram_send(connection, data, length);
}

Test(proxy_raw, datagrams_go_both_ways_in_a_link)
{
	struct lab *lab = lab_start_raw(1, LINK, &raw);
	struct arq_quic_connection *client = connect_client(lab);
	LAB_UNTIL(lab, play.backend_ready == 1);
	size_t sum = 0;
	for (size_t length = 0; length <= 1100; length += 100) {
		cr_assert_eq(send_datagram(client, length), 0);
		sum += length;
	}
	LAB_UNTIL(lab, play.datagrams_back == 12);
	cr_assert_eq(play.datagrams, 12);
	cr_assert_eq(play.datagram_bytes, sum);
	cr_assert_eq(send_datagram(client, 1490), -EMSGSIZE);
	for (size_t i = 0; i < ARQ_QUIC_DATAGRAMS; i++)
		cr_assert_eq(send_datagram(client, 10), 0);
	cr_assert_eq(send_datagram(client, 10), -EAGAIN);
	/* Streams beside them. */
	play.echo = true;
	struct end *end = open_stream(lab, client, true);
	send_pattern(end, 100000, true);
	LAB_UNTIL(lab, end->closed && play.datagrams_back > 12);
	cr_assert_eq(end->sum, lab_sum(100000));
	stop_lab(lab);
}

/* On a shared connection nobody could say whose they are: clients are told that none are taken. */
Test(proxy_raw, without_a_link_there_are_no_datagrams)
{
	struct lab *lab = lab_start_raw(1, "", &raw);
	cr_assert_eq(send_datagram(connect_client(lab), 10), -EMSGSIZE);
	stop_lab(lab);
}
