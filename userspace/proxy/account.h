/* SPDX-License-Identifier: BSD-2-Clause */
/* What one request comes to, until it is over, counted (tally.h) and perhaps logged (record.h). */
#ifndef ARQUANT_PROXY_ACCOUNT_H
#define ARQUANT_PROXY_ACCOUNT_H

#include "userspace/proxy/record.h"
#include "userspace/proxy/tally.h"

#include <stdint.h>

struct arq_proxy;
struct arq_pool_ticket;
struct arq_quic_connection;

struct arq_account {
	struct arq_tally_requests *row;
	uint64_t begun; /* ns: its header section came */
	uint64_t received; /* bytes of body */
	uint64_t sent;
	unsigned int status; /* of the final response; 0: none began */
	struct arq_record *record; /* NULL: it is not logged */
};

/* Before anything of `request`, which is borrowed, is gone. */
void arq_account_begin(struct arq_account *account, const struct arq_proxy *proxy,
		       struct arq_tally_requests *row, const struct arq_h3_stream *client,
		       const struct arq_h3_request *request);

/* The same for a raw stream that a client opened on `client`; it is logged, not counted by status.
 */
void arq_account_begin_stream(struct arq_account *account, const struct arq_proxy *proxy,
			      struct arq_tally_requests *row,
			      const struct arq_quic_connection *client);

/* An upstream has a stream for it. */
void arq_account_started(struct arq_account *account, const struct arq_proxy *proxy,
			 const struct arq_pool_ticket *ticket);

/* A final response began. */
void arq_account_answered(struct arq_account *account, const struct arq_proxy *proxy,
			  unsigned int status);

/* Somebody ended it before its time; the first one counts, of a try. */
void arq_account_failed(struct arq_account *account, enum arq_record_party by, uint64_t code);

/* It is over: the client's stream is closed, or will be without us. Once. */
void arq_account_end(struct arq_account *account, const struct arq_proxy *proxy,
		     const struct arq_h3_stream *client);

/* As that, of a raw stream, if it was begun; `client` is NULL when its connection is gone. */
void arq_account_end_stream(struct arq_account *account, const struct arq_proxy *proxy,
			    const struct arq_quic_connection *client);

#endif
