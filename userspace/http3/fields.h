/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Field sections, in and out. nghttp3 checks much of RFC 9114 sections 4.2 and 4.3 (names, pseudo
 * header fields, connection-specific fields, content-length); what it leaves to the application is
 * done here: the size of a section, Host against :authority, the authority's form, and everything
 * about fields that we send.
 */
#ifndef ARQUANT_HTTP3_FIELDS_H
#define ARQUANT_HTTP3_FIELDS_H

#include "userspace/common/memory.h"
#include "userspace/http3/http3.h"

#include <nghttp3/nghttp3.h>

struct section_line {
	int32_t token; /* nghttp3_qpack_token, or -1 */
	nghttp3_rcbuf *name, *value;
};

/* A field section while it is received. */
struct section {
	struct section_line *lines;
	size_t count;
	size_t capacity;
	size_t size; /* bytes as RFC 9114 section 4.2.2 counts */
};

/* Takes references. Returns 0, -E2BIG over the limits, -ENOMEM. */
int section_add(struct section *section, const struct arq_h3_options *limits,
		struct arq_memory *memory, int32_t token, nghttp3_rcbuf *name,
		nghttp3_rcbuf *value);

void section_clear(struct section *section, struct arq_memory *memory);

/*
 * A request or response out of a section, with fields in `fields` (room for the section's count).
 * They point into the section. Return 0 or -EINVAL for a malformed message.
 */
int section_request(const struct section *section, struct arq_h3_field *fields,
		    struct arq_h3_request *request);
int section_response(const struct section *section, struct arq_h3_field *fields,
		     struct arq_h3_response *response);

/* Trailers: all lines. Returns their number. */
size_t section_fields(const struct section *section, struct arq_h3_field *fields);

/*
 * Checks fields of ours and writes them behind nv[count]. Returns the new count, or -EINVAL for a
 * field that HTTP/3 forbids.
 */
ssize_t fields_out(nghttp3_nv *nv, size_t count, const struct arq_h3_field *fields,
		   size_t field_count);

/* One line without a check. */
nghttp3_nv field_nv(const char *name, struct arq_h3_text value);

#endif
