/* SPDX-License-Identifier: BSD-2-Clause */
/* A request that is answered without an upstream: accounted for, and then of no more concern. */
#ifndef ARQUANT_PROXY_DIRECT_H
#define ARQUANT_PROXY_DIRECT_H

#include "userspace/proxy/answer.h"
#include "userspace/proxy/tally.h"

#include <stdbool.h>

struct arq_proxy;

struct arq_direct {
	struct arq_proxy *proxy;
	struct arq_tally_requests *row; /* where it is counted */
	struct arq_h3_stream *client;
	const struct arq_h3_request *request;
	bool end; /* it ended with its header section */
};

/*
 * Accepts it and answers. Without a log it counts as over at once, for there is nothing to wait for
 * but the client; with one, when its stream is closed. Only inside on_request.
 */
void arq_direct_answer(const struct arq_direct *direct, const struct arq_answer *answer);

#endif
