// SPDX-License-Identifier: BSD-2-Clause
#include "userspace/proxy/direct.h"

#include "userspace/proxy/account.h"
#include "userspace/proxy/state.h"

#include <stdlib.h>
#include <string.h>

/* One that is logged when it is over. */
struct answered {
	struct arq_account account;
	const struct arq_proxy *proxy;
};

static void on_body(struct arq_h3_stream *stream, void *user, const uint8_t *data, size_t length)
{
	struct answered *answered = user;
	(void)data;
	answered->account.received += length;
	arq_h3_stream_consume(stream, length);
}

static void on_end(struct arq_h3_stream *stream, void *user)
{
	(void)stream;
	(void)user;
}

static void on_client_code(struct arq_h3_stream *stream, void *user, uint64_t code)
{
	struct answered *answered = user;
	(void)stream;
	arq_account_failed(&answered->account, ARQ_RECORD_CLIENT, code);
}

static void on_closed(struct arq_h3_stream *stream, void *user, bool clean, uint64_t code)
{
	struct answered *answered = user;
	(void)clean;
	(void)code;
	arq_account_end(&answered->account, answered->proxy, stream);
	free(answered);
}

static const struct arq_h3_stream_ops answered_ops = {
	.on_body = on_body,
	.on_end = on_end,
	.on_reset = on_client_code,
	.on_stop_sending = on_client_code,
	.on_closed = on_closed,
};

static bool is_head(const struct arq_h3_request *request)
{
	return request->method.length == strlen("HEAD") &&
	       memcmp(request->method.data, "HEAD", strlen("HEAD")) == 0;
}

/* Returns false for want of memory. */
static bool answer_logged(const struct arq_direct *direct, const struct arq_answer *answer)
{
	struct answered *answered = malloc(sizeof(*answered));
	if (!answered)
		return false;
	answered->proxy = direct->proxy;
	arq_account_begin(&answered->account, direct->proxy, direct->row, direct->client,
			  direct->request);
	answered->account.status = answer->response->status;
	arq_h3_stream_accept(direct->client, &answered_ops, answered);
	answered->account.sent = arq_answer_send(direct->client, is_head(direct->request), answer);
	if (!direct->end)
		arq_h3_stream_stop(direct->client, ARQ_H3_NO_ERROR);
	return true;
}

void arq_direct_answer(const struct arq_direct *direct, const struct arq_answer *answer)
{
	struct arq_proxy *proxy = direct->proxy;
	proxy->counters.direct++;
	if (proxy->sink.take && answer_logged(direct, answer))
		return;
	if (proxy->sink.take)
		proxy->sink.take(proxy->sink.user, NULL);
	struct arq_account account = {.row = direct->row, .begun = proxy->context.now};
	account.status = answer->response->status;
	account.sent =
		arq_answer_at_once(direct->client, is_head(direct->request), direct->end, answer);
	arq_account_end(&account, proxy, direct->client);
}
