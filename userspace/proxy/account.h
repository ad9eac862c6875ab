/* SPDX-License-Identifier: BSD-2-Clause */
/* What one request came to, until it is over and counted (tally.h). */
#ifndef ARQUANT_PROXY_ACCOUNT_H
#define ARQUANT_PROXY_ACCOUNT_H

#include "userspace/proxy/tally.h"

#include <stdint.h>

struct arq_proxy;

struct arq_account {
	struct arq_tally_requests *row;
	uint64_t begun; /* ns: its header section came */
	uint64_t received; /* bytes of body */
	uint64_t sent;
	unsigned int status; /* of the final response; 0: none began */
};

void arq_account_begin(struct arq_account *account, const struct arq_proxy *proxy,
		       struct arq_tally_requests *row);

/* It is over: the client's stream is closed. Once. */
void arq_account_end(const struct arq_account *account, const struct arq_proxy *proxy);

#endif
