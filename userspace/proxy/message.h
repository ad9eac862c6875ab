/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Parts of a message that must be kept for a while: HTTP/3 lends its fields and bytes for the
 * duration of a callback only. Each copy is one block of memory.
 */
#ifndef ARQUANT_PROXY_MESSAGE_H
#define ARQUANT_PROXY_MESSAGE_H

#include "userspace/http3/http3.h"

#include <stddef.h>
#include <stdint.h>

/* A request's head as it is forwarded; everything it points to is in the same block. */
struct arq_message_request {
	struct arq_h3_request request;
	struct arq_h3_field fields[]; /* their octets follow */
};

/* Copies a request's head. Free it with free(3). NULL when memory ran out. */
struct arq_message_request *arq_message_request_copy(const struct arq_h3_request *request);

/* A trailer section. */
struct arq_message_section {
	size_t count;
	struct arq_h3_field fields[]; /* their octets follow */
};

/* Free it with free(3). NULL when memory ran out. */
struct arq_message_section *arq_message_section_copy(const struct arq_h3_field *fields,
						     size_t count);

/* Octets in a row; begins all zero. */
struct arq_message_body {
	uint8_t *data;
	size_t length;
	size_t capacity;
};

/* Returns 0 or -ENOMEM, which leaves the body as it was. */
int arq_message_body_append(struct arq_message_body *body, const uint8_t *data, size_t length);

/* Empty again, memory given back. */
void arq_message_body_clear(struct arq_message_body *body);

#endif
