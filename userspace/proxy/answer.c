// SPDX-License-Identifier: BSD-2-Clause
#include "userspace/proxy/answer.h"

#include "userspace/proxy/fields.h"

#include <stdio.h>
#include <string.h>

static char plain[] = "text/plain; charset=utf-8";

const struct arq_config_response *arq_answer_own(unsigned int status)
{
	static char texts[][64] = {
		"the route for this request cannot be told\n",
		"no route matches this request\n",
		"the route makes no valid request of this one\n",
		"CONNECT is not offered here\n",
		"the upstream failed\n",
		"no upstream is available\n",
		"the upstream did not answer in time\n",
		"this request was here before\n",
		"the body of this request is too large\n",
		"this is not the connection for that host\n",
		"too many requests\n",
		"this request may be a repetition, send it after the handshake\n",
	};
	static const struct arq_config_response responses[] = {
		{400, texts[0], plain}, {404, texts[1], plain},  {500, texts[2], plain},
		{501, texts[3], plain}, {502, texts[4], plain},  {503, texts[5], plain},
		{504, texts[6], plain}, {508, texts[7], plain},  {413, texts[8], plain},
		{421, texts[9], plain}, {429, texts[10], plain}, {425, texts[11], plain},
	};
	for (size_t i = 0; i < sizeof(responses) / sizeof(responses[0]); i++) {
		if (responses[i].status == status)
			return &responses[i];
	}
	return &responses[4];
}

struct arq_config_response arq_answer_empty(unsigned int status)
{
	static char nothing[] = "";
	return (struct arq_config_response){(uint16_t)status, nothing, plain};
}

/* RFC 9110, sections 15.3.5 and 15.4.5: these never have content, nor a length of it. */
static bool is_bodyless(unsigned int status)
{
	return status == 204 || status == 304;
}

static void release_view(void *user)
{
	arq_view_put(user);
}

size_t arq_answer_send(struct arq_h3_stream *client, bool is_head, const struct arq_answer *answer)
{
	const struct arq_config_response *response = answer->response;
	struct arq_h3_field fields[ARQ_FIELDS_SENT];
	size_t length = strlen(response->body), count = 0;
	char digits[24];
	int code;

	if (length > 0)
		fields[count++] = (struct arq_h3_field){arq_h3_text("content-type"),
							arq_h3_text(response->content_type)};
	if (answer->field.name.data)
		fields[count++] = answer->field;
	if (answer->headers)
		count = arq_fields_change(answer->headers, fields, count);
	if (is_head && !is_bodyless(response->status)) {
		snprintf(digits, sizeof(digits), "%zu", length);
		fields[count++] =
			(struct arq_h3_field){arq_h3_text("content-length"), arq_h3_text(digits)};
	}
	bool has_body = !is_head && !is_bodyless(response->status);
	if (!has_body)
		code = arq_h3_stream_respond(client, response->status, fields, count, true);
	else
		code = arq_h3_stream_respond_static(
			client, response->status, fields, count, (const uint8_t *)response->body,
			length, answer->view ? release_view : NULL,
			answer->view ? arq_view_get(answer->view) : NULL);
	if (code != 0)
		arq_h3_stream_reset(client, ARQ_H3_INTERNAL_ERROR);
	return code == 0 && has_body ? length : 0;
}

/* --- requests that need no state -------------------------------------------------------------- */

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

static void on_code(struct arq_h3_stream *stream, void *user, uint64_t code)
{
	(void)stream;
	(void)user;
	(void)code;
}

static void on_closed(struct arq_h3_stream *stream, void *user, bool clean, uint64_t code)
{
	(void)stream;
	(void)user;
	(void)clean;
	(void)code;
}

static const struct arq_h3_stream_ops answered_ops = {
	.on_body = on_body,
	.on_end = on_end,
	.on_reset = on_code,
	.on_stop_sending = on_code,
	.on_closed = on_closed,
};

size_t arq_answer_at_once(struct arq_h3_stream *client, bool is_head, bool end,
			  const struct arq_answer *answer)
{
	arq_h3_stream_accept(client, &answered_ops, NULL);
	size_t length = arq_answer_send(client, is_head, answer);
	if (!end)
		arq_h3_stream_stop(client, ARQ_H3_NO_ERROR);
	return length;
}
