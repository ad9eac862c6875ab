/* SPDX-License-Identifier: BSD-2-Clause */
#include "userspace/http3/fields.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

/* What RFC 9114 section 4.2.2 adds for each line. */
#define LINE_OVERHEAD 32

/* A usual request has about ten lines. */
#define LINES_MIN 16

struct arq_h3_text arq_h3_text(const char *string)
{
	return (struct arq_h3_text){string, strlen(string)};
}

static struct arq_h3_text from_rcbuf(const nghttp3_rcbuf *rcbuf)
{
	nghttp3_vec vec = nghttp3_rcbuf_get_buf(rcbuf);

	return (struct arq_h3_text){(const char *)vec.base, vec.len};
}

static bool text_is(struct arq_h3_text text, const char *string)
{
	return text.length == strlen(string) && memcmp(text.data, string, text.length) == 0;
}

/* --- receiving -------------------------------------------------------------------------------- */

int section_add(struct section *section, const struct arq_h3_options *limits,
		struct arq_memory *memory, int32_t token, nghttp3_rcbuf *name, nghttp3_rcbuf *value)
{
	size_t size =
		nghttp3_rcbuf_get_buf(name).len + nghttp3_rcbuf_get_buf(value).len + LINE_OVERHEAD;

	if (section->count == limits->max_fields ||
	    size > limits->max_field_section - section->size)
		return -E2BIG;
	if (section->count == section->capacity) {
		size_t capacity = section->capacity ? section->capacity * 2 : LINES_MIN;
		struct section_line *lines = arq_memory_realloc(
			section->lines, capacity * sizeof(*section->lines), memory);

		if (!lines)
			return -ENOMEM;
		section->lines = lines;
		section->capacity = capacity;
	}
	nghttp3_rcbuf_incref(name);
	nghttp3_rcbuf_incref(value);
	section->lines[section->count++] = (struct section_line){token, name, value};
	section->size += size;
	return 0;
}

void section_clear(struct section *section, struct arq_memory *memory)
{
	for (size_t i = 0; i < section->count; i++) {
		nghttp3_rcbuf_decref(section->lines[i].name);
		nghttp3_rcbuf_decref(section->lines[i].value);
	}
	arq_memory_free(section->lines, memory);
	*section = (struct section){0};
}

static struct arq_h3_field to_field(const struct section_line *line)
{
	return (struct arq_h3_field){from_rcbuf(line->name), from_rcbuf(line->value)};
}

size_t section_fields(const struct section *section, struct arq_h3_field *fields)
{
	for (size_t i = 0; i < section->count; i++)
		fields[i] = to_field(&section->lines[i]);
	return section->count;
}

/* RFC 9114 section 4.3.1: not empty, no userinfo, and what Host says when both are there. */
static bool authority_holds(const struct arq_h3_request *request, struct arq_h3_text host)
{
	bool http = request->scheme.data && ((request->scheme.length == 4 &&
					      strncasecmp(request->scheme.data, "http", 4) == 0) ||
					     (request->scheme.length == 5 &&
					      strncasecmp(request->scheme.data, "https", 5) == 0));
	struct arq_h3_text authority = request->authority;

	if (authority.data && host.data &&
	    (authority.length != host.length ||
	     strncasecmp(authority.data, host.data, host.length) != 0))
		return false;
	if (!authority.data)
		authority = host;
	if (http && (authority.length == 0 || memchr(authority.data, '@', authority.length)))
		return false;
	return true;
}

int section_request(const struct section *section, struct arq_h3_field *fields,
		    struct arq_h3_request *request)
{
	struct arq_h3_text host = {0};
	size_t count = 0;

	*request = (struct arq_h3_request){.fields = fields};
	for (size_t i = 0; i < section->count; i++) {
		struct arq_h3_text value = from_rcbuf(section->lines[i].value);

		switch (section->lines[i].token) {
		case NGHTTP3_QPACK_TOKEN__METHOD:
			request->method = value;
			break;
		case NGHTTP3_QPACK_TOKEN__SCHEME:
			request->scheme = value;
			break;
		case NGHTTP3_QPACK_TOKEN__AUTHORITY:
			request->authority = value;
			break;
		case NGHTTP3_QPACK_TOKEN__PATH:
			request->path = value;
			break;
		case NGHTTP3_QPACK_TOKEN__PROTOCOL:
			request->protocol = value;
			break;
		case NGHTTP3_QPACK_TOKEN_HOST:
			host = value;
			break;
		default:
			fields[count++] = to_field(&section->lines[i]);
		}
	}
	request->field_count = count;
	if (!request->method.data || !authority_holds(request, host))
		return -EINVAL;
	if (!request->authority.data)
		request->authority = host;
	return 0;
}

int section_response(const struct section *section, struct arq_h3_field *fields,
		     struct arq_h3_response *response)
{
	size_t count = 0;

	*response = (struct arq_h3_response){.fields = fields};
	for (size_t i = 0; i < section->count; i++) {
		struct arq_h3_text value = from_rcbuf(section->lines[i].value);

		if (section->lines[i].token != NGHTTP3_QPACK_TOKEN__STATUS) {
			fields[count++] = to_field(&section->lines[i]);
			continue;
		}
		for (size_t j = 0; j < value.length; j++)
			response->status =
				response->status * 10 + (unsigned int)(value.data[j] - '0');
	}
	response->field_count = count;
	return response->status >= 100 && response->status <= 599 ? 0 : -EINVAL;
}

/* --- sending ---------------------------------------------------------------------------------- */

/* RFC 9114 section 4.2: connection-specific fields have no place here. */
static bool is_forbidden(const struct arq_h3_field *field)
{
	static const char *const names[] = {
		"connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade",
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (text_is(field->name, names[i]))
			return true;
	}
	return text_is(field->name, "te") && !text_is(field->value, "trailers");
}

static bool is_valid(const struct arq_h3_field *field)
{
	const struct arq_h3_text *name = &field->name;

	if (name->length == 0 || name->data[0] == ':' || is_forbidden(field) ||
	    !nghttp3_check_header_name((const uint8_t *)name->data, name->length) ||
	    !nghttp3_check_header_value((const uint8_t *)field->value.data, field->value.length))
		return false;
	for (size_t i = 0; i < name->length; i++) {
		if (name->data[i] >= 'A' && name->data[i] <= 'Z')
			return false;
	}
	return true;
}

ssize_t fields_out(nghttp3_nv *nv, size_t count, const struct arq_h3_field *fields,
		   size_t field_count)
{
	for (size_t i = 0; i < field_count; i++) {
		if (!is_valid(&fields[i]))
			return -EINVAL;
		nv[count++] = (nghttp3_nv){
			.name = (const uint8_t *)fields[i].name.data,
			.namelen = fields[i].name.length,
			.value = (const uint8_t *)fields[i].value.data,
			.valuelen = fields[i].value.length,
		};
	}
	return (ssize_t)count;
}

nghttp3_nv field_nv(const char *name, struct arq_h3_text value)
{
	return (nghttp3_nv){
		.name = (const uint8_t *)name,
		.namelen = strlen(name),
		.value = (const uint8_t *)value.data,
		.valuelen = value.length,
	};
}
