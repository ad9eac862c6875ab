/* SPDX-License-Identifier: BSD-2-Clause */
/* Responses that the proxy makes by itself: of a route, or because there is no other. */
#ifndef ARQUANT_PROXY_ANSWER_H
#define ARQUANT_PROXY_ANSWER_H

#include "userspace/common/config_route.h"
#include "userspace/http3/http3.h"
#include "userspace/proxy/view.h"

#include <stdbool.h>

struct arq_answer {
	const struct arq_config_response *response;
	const struct arq_config_headers *headers; /* changes of the route's; NULL: none */
	struct arq_h3_field field; /* one more, such as Location; without a name: none */
	struct arq_view *view; /* whose configuration has the response; NULL: the program has it */
};

/* The response with a status that the proxy gives: 400, 404, 413, 421, 429, 500 to 504 or 508. */
const struct arq_config_response *arq_answer_own(unsigned int status);

/* An empty response with the status of a redirect. */
struct arq_config_response arq_answer_empty(unsigned int status);

/*
 * Sends it, on a stream that was accepted. The body is not copied: the stream keeps the
 * view while it needs it. Returns the bytes of its body, 0 also when it could not be sent.
 */
size_t arq_answer_send(struct arq_h3_stream *client, bool is_head, const struct arq_answer *answer);

/*
 * Accepts a request that needs no state and answers it. `end`: the request ended with its header
 * section. Only inside on_request. Returns as
 * arq_answer_send.
 */
size_t arq_answer_at_once(struct arq_h3_stream *client, bool is_head, bool end,
			  const struct arq_answer *answer);

#endif
