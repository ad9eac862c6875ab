/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which fields of a message a proxy forwards, and which it adds (RFC 9110 sections 7.6 and 6.5,
 * RFC 9114 section 4.2).
 *
 *	removed	connection-specific fields (Connection, Keep-Alive, Proxy-Connection,
 *		Transfer-Encoding, Upgrade, HTTP2-Settings); TE, unless it says just "trailers";
 *		of requests also X-Forwarded-For, -Proto, -Host and Forwarded: this is the front
 *		door, whatever a client writes there is no knowledge of ours
 *	added	Via: "3 NAME", after those that are there, to requests and final responses;
 *		to requests, as the configuration has it (struct arq_config_forwarding):
 *		X-Forwarded-For: the client's validated address, without port; -Proto and -Host: the
 *		scheme and authority it asked for; Forwarded with the same; X-Request-Id and
 *		traceparent; Early-Data: 1 when it came in 0-RTT (RFC 8470);
 *		to final responses Alt-Svc, in the place of the upstream's
 *
 * Everything else goes through unchanged and in order.
 */
#ifndef ARQUANT_PROXY_FIELDS_H
#define ARQUANT_PROXY_FIELDS_H

#include "userspace/common/address.h"
#include "userspace/common/config_route.h"
#include "userspace/http3/http3.h"

#include <stdbool.h>
#include <stddef.h>

/* Field lines of a section that is received; more is refused by HTTP/3 below. */
#define ARQ_FIELDS_MAX 100

/* Lines that forwarding adds at most: a route sets and adds up to 16 each, the proxy the rest. */
#define ARQ_FIELDS_ADDED 44
#define ARQ_FIELDS_SENT  (ARQ_FIELDS_MAX + ARQ_FIELDS_ADDED)

/* Longest text of a client's address. */
#define ARQ_FORWARDED_FOR_MAX INET6_ADDRSTRLEN

/*
 * Copies the field lines (not their bytes) that are forwarded to `out`, which has room for `count`.
 * `request`: of a request's header section. Returns how many.
 */
size_t arq_fields_forward(const struct arq_h3_field *fields, size_t count, bool request,
			  struct arq_h3_field *out);

/*
 * Changes `count` lines in place as a route says: removes, then sets, then adds. There must be room
 * for what is set and added. The lines borrow from the configuration. Returns how many there are.
 */
size_t arq_fields_change(const struct arq_config_headers *headers, struct arq_h3_field *fields,
			 size_t count);

/* Where the values of added lines are written, and lent from. */
struct arq_fields_texts {
	char via[80];
	char forwarded_for[ARQ_FORWARDED_FOR_MAX];
	char forwarded[512];
	char request_id[33];
	char traceparent[56];
};

/* Random enough for names that shall differ; seed both, not with zero alone. */
struct arq_fields_random {
	uint64_t state[2];
};

struct arq_fields_request {
	const struct arq_config_forwarding *config;
	const struct arq_h3_request *request;
	const union arq_address *client;
	struct arq_fields_random *random;
};

/*
 * The fields of a request as they go on: those that are forwarded, and those that are added, in
 * `out`. They are borrowed from the request and from `texts`. Returns how many.
 */
size_t arq_fields_of_request(const struct arq_fields_request *from, struct arq_fields_texts *texts,
			     struct arq_h3_field out[ARQ_FIELDS_SENT]);

/* The same of a final response. */
size_t arq_fields_of_response(const struct arq_config_forwarding *config,
			      const struct arq_h3_response *response,
			      struct arq_fields_texts *texts,
			      struct arq_h3_field out[ARQ_FIELDS_SENT]);

/*
 * Whether a request has been here before, by its Via lines: with a name of our own at once, with
 * the default, which other gateways may have too, when it is there eight times.
 */
bool arq_fields_loop(const struct arq_config_forwarding *config, const struct arq_h3_field *fields,
		     size_t count);

#endif
