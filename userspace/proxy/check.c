// SPDX-License-Identifier: BSD-2-Clause
#include "userspace/proxy/check.h"

#include "userspace/common/log.h"
#include "userspace/proxy/hash.h"
#include "userspace/proxy/target.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct arq_check {
	struct arq_pool_target *target;
	struct arq_alarm alarm; /* the next check, or the end of this one's time */
	struct arq_quic_connection *connection; /* handshake only */
	struct arq_h3_session *session; /* kept from check to check */
	struct arq_h3_stream *stream;
	uint64_t begun;
	uint32_t streak; /* results in a row that contradict what is held */
	bool running;
};

static const struct arq_config_health *config_of(const struct arq_check *check)
{
	return check->target->pool->config->health;
}

static struct arq_pool_context *context_of(const struct arq_check *check)
{
	return check->target->pool->context;
}

/* --- results ---------------------------------------------------------------------------------- */

/* Checks of many targets shall not all fall on the same moment, nor stay together: a tenth more or
 * less, by chance enough. */
static uint64_t next_check(const struct arq_check *check)
{
	uint64_t interval = config_of(check)->interval_ns;
	uint64_t spread = arq_hash_mix(check->begun ^ (uintptr_t)check) % (interval / 5 + 1);
	return check->begun + interval - interval / 10 + spread;
}

static void conclude(struct arq_check *check, bool passed, const char *why)
{
	const struct arq_config_health *config = config_of(check);
	const struct arq_pool *pool = check->target->pool;
	struct arq_members *members = check->target->roster->members;
	struct arq_member_status status;
	size_t i = check->target->index;

	if (!check->running)
		return;
	check->running = false;
	arq_alarm_set(&pool->context->alarms, &check->alarm, next_check(check));
	arq_member_status(members, i, pool->context->now, &status);
	check->streak = passed == status.healthy ? 0 : check->streak + 1;
	if (check->streak < (passed ? config->healthy : config->unhealthy))
		return;
	check->streak = 0;
	if (!arq_member_set_healthy(members, i, passed, pool->context->now))
		return;
	if (passed)
		arq_log(ARQ_LOG_INFO, "pool %s: target %s passes its checks again",
			pool->config->name, status.address);
	else
		arq_log(ARQ_LOG_WARNING, "pool %s: target %s fails its checks: %s",
			pool->config->name, status.address, why);
}

/* --- by request ------------------------------------------------------------------------------- */

static void on_response(struct arq_h3_stream *stream, void *user,
			const struct arq_h3_response *response)
{
	struct arq_check *check = user;
	const struct arq_config_health *config = config_of(check);
	char why[32];
	snprintf(why, sizeof(why), "status %u", response->status);
	conclude(check,
		 response->status >= config->status_first &&
			 response->status <= config->status_last,
		 why);
	arq_h3_stream_stop(stream, ARQ_H3_NO_ERROR); /* its body says nothing more */
}

static void on_body(struct arq_h3_stream *stream, void *user, const uint8_t *data, size_t length)
{
	(void)user;
	(void)data;
	arq_h3_stream_consume(stream, length);
}

static void on_end(struct arq_h3_stream *stream, void *user)
{
	(void)stream;
	(void)user;
}

static void on_reset(struct arq_h3_stream *stream, void *user, uint64_t code)
{
	char why[48];
	(void)stream;
	snprintf(why, sizeof(why), "reset, code %#" PRIx64, code);
	conclude(user, false, why);
}

static void on_stop_sending(struct arq_h3_stream *stream, void *user, uint64_t code)
{
	(void)stream;
	(void)user;
	(void)code;
}

static void on_stream_closed(struct arq_h3_stream *stream, void *user, bool clean, uint64_t code)
{
	struct arq_check *check = user;
	(void)stream;
	(void)clean;
	(void)code;
	check->stream = NULL;
	conclude(check, false, "no answer");
}

static const struct arq_h3_stream_ops stream_ops = {
	.on_response = on_response,
	.on_body = on_body,
	.on_end = on_end,
	.on_reset = on_reset,
	.on_stop_sending = on_stop_sending,
	.on_closed = on_stream_closed,
};

static void request(struct arq_check *check)
{
	const struct arq_config_health *config = config_of(check);
	const struct arq_h3_request message = {
		.method = arq_h3_text("GET"),
		.scheme = arq_h3_text("https"),
		.authority = arq_h3_text(config->host ? config->host
						      : check->target->config->server_name),
		.path = arq_h3_text(config->path),
	};
	int code =
		arq_h3_request(check->session, &message, false, &stream_ops, check, &check->stream);
	if (code != 0)
		conclude(check, false,
			 code == -EAGAIN ? "it lets us open no stream"
					 : "the connection is ending");
}

static void on_ready(struct arq_h3_session *session, void *user)
{
	(void)session;
	request(user);
}

static void on_goaway(struct arq_h3_session *session, void *user, int64_t id)
{
	(void)user;
	(void)id;
	arq_h3_session_shutdown(session);
}

static void on_session_closed(struct arq_h3_session *session, void *user,
			      const struct arq_quic_close *close)
{
	struct arq_check *check = user;
	(void)session;
	check->session = NULL;
	conclude(check, false,
		 close->reason && close->reason[0] ? close->reason
						   : arq_quic_close_kind_name(close->kind));
}

static const struct arq_h3_session_ops session_ops = {
	.on_ready = on_ready,
	.on_goaway = on_goaway,
	.on_closed = on_session_closed,
};

static int connect_session(struct arq_check *check, const struct arq_quic_connect_options *quic,
			   struct arq_error *error)
{
	struct arq_pool_context *context = context_of(check);
	struct arq_h3_connect_options options = {
		.io = quic->io,
		.path = quic->path,
		.tls = quic->tls,
		.server_name = quic->server_name,
		.ops = &session_ops,
		.user = check,
	};
	arq_h3_transport(context->h3, false, &options.transport);
	options.transport.idle_timeout = quic->transport.idle_timeout;
	options.transport.handshake_timeout = config_of(check)->timeout_ns;
	return arq_h3_connect(context->h3, context->endpoint, &options, context->now,
			      &check->session, error);
}

/* --- by handshake ----------------------------------------------------------------------------- */

static void quic_ready(struct arq_quic_connection *connection, void *user)
{
	conclude(user, true, "");
	arq_quic_connection_close(connection, true, ARQ_H3_NO_ERROR, NULL);
}

static void quic_data(struct arq_quic_connection *connection, void *user, int64_t id,
		      uint64_t offset, const uint8_t *data, size_t length, bool fin)
{
	(void)connection;
	(void)user;
	(void)id;
	(void)offset;
	(void)data;
	(void)length;
	(void)fin;
}

static void quic_acked(struct arq_quic_connection *connection, void *user, int64_t id,
		       uint64_t offset, uint64_t length)
{
	(void)connection;
	(void)user;
	(void)id;
	(void)offset;
	(void)length;
}

static void quic_reset(struct arq_quic_connection *connection, void *user, int64_t id,
		       uint64_t final_size, uint64_t code)
{
	quic_acked(connection, user, id, final_size, code);
}

static void quic_stop(struct arq_quic_connection *connection, void *user, int64_t id, uint64_t code)
{
	quic_acked(connection, user, id, 0, code);
}

static void quic_stream_closed(struct arq_quic_connection *connection, void *user, int64_t id)
{
	quic_acked(connection, user, id, 0, 0);
}

static void quic_closed(struct arq_quic_connection *connection, void *user,
			const struct arq_quic_close *close)
{
	struct arq_check *check = user;
	(void)connection;
	check->connection = NULL;
	conclude(check, false,
		 close->reason && close->reason[0] ? close->reason
						   : arq_quic_close_kind_name(close->kind));
}

static const struct arq_quic_ops quic_ops = {
	.ready = quic_ready,
	.stream_data = quic_data,
	.stream_acked = quic_acked,
	.stream_reset = quic_reset,
	.stop_sending = quic_stop,
	.stream_closed = quic_stream_closed,
	.closed = quic_closed,
};

static int connect_bare(struct arq_check *check, struct arq_quic_connect_options *options,
			struct arq_error *error)
{
	struct arq_pool_context *context = context_of(check);
	options->ops = &quic_ops;
	options->user = check;
	options->transport.handshake_timeout = config_of(check)->timeout_ns;
	return arq_quic_connect(context->endpoint, options, context->now, &check->connection,
				error);
}

/* --- the course of it ------------------------------------------------------------------------- */

static void begin(struct arq_check *check)
{
	struct arq_pool_context *context = context_of(check);
	const struct arq_config_health *config = config_of(check);
	struct arq_quic_connect_options options;
	struct arq_error error = {0};

	check->running = true;
	check->begun = context->now;
	arq_alarm_set(&context->alarms, &check->alarm, context->now + config->timeout_ns);
	if (check->session) {
		request(check);
		return;
	}
	int code = target_connect_options(check->target, &options, &error);
	if (code == 0)
		code = config->path ? connect_session(check, &options, &error)
				    : connect_bare(check, &options, &error);
	if (code != 0)
		conclude(check, false, error.text);
}

/* What does not answer in time may hang for good: the next check has a new connection. */
static void end_connection(struct arq_check *check)
{
	if (check->session)
		arq_h3_session_close(check->session, ARQ_H3_NO_ERROR);
	if (check->connection)
		arq_quic_connection_close(check->connection, true, ARQ_H3_NO_ERROR, NULL);
}

static void ring(struct arq_alarm *alarm)
{
	struct arq_check *check =
		(struct arq_check *)((char *)alarm - offsetof(struct arq_check, alarm));
	if (check->running) {
		conclude(check, false, "no answer in time");
		end_connection(check);
	} else if (check->connection ||
		   (check->session && arq_h3_session_streams(check->session) > 0)) {
		/* The last one's end is not over yet; that is no answer, either. */
		check->running = true;
		check->begun = context_of(check)->now;
		conclude(check, false, "no answer in time");
		end_connection(check);
	} else {
		begin(check);
	}
}

int arq_check_create(struct arq_pool_target *target, struct arq_check **check)
{
	struct arq_check *made = calloc(1, sizeof(*made));
	if (!made)
		return -ENOMEM;
	made->target = target;
	made->alarm.ring = ring;
	arq_alarm_set(&context_of(made)->alarms, &made->alarm, context_of(made)->now);
	*check = made;
	return 0;
}

void arq_check_stop(struct arq_check *check)
{
	check->running = false;
	arq_alarm_clear(&context_of(check)->alarms, &check->alarm);
	end_connection(check);
}

bool arq_check_connected(const struct arq_check *check)
{
	return check->session || check->connection;
}

void arq_check_destroy(struct arq_check *check)
{
	if (!check)
		return;
	arq_alarm_clear(&context_of(check)->alarms, &check->alarm);
	free(check);
}
