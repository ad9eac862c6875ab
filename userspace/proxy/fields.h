/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which fields of a message a proxy forwards, and which it adds (RFC 9110 sections 7.6 and 6.5,
 * RFC 9114 section 4.2).
 *
 *	removed	connection-specific fields (Connection, Keep-Alive, Proxy-Connection,
 *		Transfer-Encoding, Upgrade, HTTP2-Settings); TE, unless it says just "trailers";
 *		of requests also X-Forwarded-For and Forwarded: this is the front door, whatever a
 *		client writes there is no knowledge of ours
 *	added	Via: "3 arquant", after those that are there, to requests and final responses;
 *		to requests X-Forwarded-For: the client's validated address, without port
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

/* The Via line that this hop adds. */
struct arq_h3_field arq_fields_via(void);

/* The X-Forwarded-For line for a client; its value is written to `text`, and borrowed from there.
 */
struct arq_h3_field arq_fields_forwarded_for(const union arq_address *client,
					     char text[ARQ_FORWARDED_FOR_MAX]);

#endif
