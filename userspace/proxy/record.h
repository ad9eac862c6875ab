/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One request that is over, for a log: everything that was noted of it. Texts may be any octets
 * that a client sent, cut to a length.
 */
#ifndef ARQUANT_PROXY_RECORD_H
#define ARQUANT_PROXY_RECORD_H

#include "userspace/common/address.h"
#include "userspace/common/config.h"
#include "userspace/http3/http3.h"

#include <stdbool.h>
#include <stdint.h>

/* Of a time that there is none of. */
#define ARQ_RECORD_NONE UINT64_MAX

/* Octets of a text that are kept: of methods and hosts more than there are, of paths what tells
 * them apart, of a header's value enough for a browser's name. */
#define ARQ_RECORD_TEXT_MAX 2048

enum arq_record_party {
	ARQ_RECORD_NOBODY,
	ARQ_RECORD_CLIENT,
	ARQ_RECORD_UPSTREAM,
	ARQ_RECORD_GATEWAY,
};

enum arq_record_text {
	ARQ_RECORD_LISTENER,
	ARQ_RECORD_ROUTE,
	ARQ_RECORD_POOL,
	ARQ_RECORD_TARGET, /* empty: none */
	ARQ_RECORD_METHOD,
	ARQ_RECORD_SCHEME,
	ARQ_RECORD_HOST,
	ARQ_RECORD_PATH,
	ARQ_RECORD_ALPN,
	ARQ_RECORD_TEXTS,
};

struct arq_record {
	union arq_address client;
	uint64_t begun; /* ns, CLOCK_MONOTONIC */
	uint64_t duration; /* ns */
	uint64_t queue; /* ns, waiting for a stream, without `connect` */
	uint64_t connect; /* ns, waiting for a handshake */
	uint64_t response; /* ns, from the stream to the response's header section */
	uint64_t received; /* bytes of body */
	uint64_t sent;
	uint64_t rtt; /* ns */
	uint64_t error_code; /* with error_by */
	uint32_t version; /* of QUIC, as on the wire */
	uint16_t status; /* 0: no response began */
	uint16_t tries; /* streams on upstreams */
	uint8_t error_by; /* enum arq_record_party: whose reset or close ended it */
	bool early; /* it came as 0-RTT */
	uint8_t headers; /* pairs of name and value after the texts that are always there */
	struct arq_h3_text texts[ARQ_RECORD_TEXTS + 2 * ARQ_CONFIG_LOG_HEADERS_MAX];
};

/* Who takes records: called in the worker's thread, must not block; borrows the record. NULL is one
 * that was lost for want of memory. */
struct arq_record_sink {
	void (*take)(void *user, const struct arq_record *record);
	void *user;
};

#endif
