// SPDX-License-Identifier: BSD-2-Clause
#include "userspace/proxy/message.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A packet's worth of body, so that small bodies grow once. */
#define BODY_CAPACITY_MIN 2048

static struct arq_h3_text pack(char **at, struct arq_h3_text text)
{
	if (!text.data)
		return (struct arq_h3_text){0};
	struct arq_h3_text packed = {.data = *at, .length = text.length};
	memcpy(*at, text.data, text.length);
	*at += text.length;
	return packed;
}

static size_t octets(const struct arq_h3_field *fields, size_t count)
{
	size_t sum = 0;
	for (size_t i = 0; i < count; i++)
		sum += fields[i].name.length + fields[i].value.length;
	return sum;
}

static void pack_fields(char **at, const struct arq_h3_field *fields, size_t count,
			struct arq_h3_field *out)
{
	for (size_t i = 0; i < count; i++) {
		out[i].name = pack(at, fields[i].name);
		out[i].value = pack(at, fields[i].value);
	}
}

struct arq_message_request *arq_message_request_copy(const struct arq_h3_request *request)
{
	size_t count = request->field_count;
	struct arq_message_request *copy =
		malloc(sizeof(*copy) + count * sizeof(copy->fields[0]) +
		       octets(request->fields, count) + request->method.length +
		       request->scheme.length + request->authority.length + request->path.length);
	if (!copy)
		return NULL;
	char *at = (char *)&copy->fields[count];
	copy->request = (struct arq_h3_request){
		.method = pack(&at, request->method),
		.scheme = pack(&at, request->scheme),
		.authority = pack(&at, request->authority),
		.path = pack(&at, request->path),
		.fields = copy->fields,
		.field_count = count,
	};
	pack_fields(&at, request->fields, count, copy->fields);
	return copy;
}

struct arq_message_section *arq_message_section_copy(const struct arq_h3_field *fields,
						     size_t count)
{
	struct arq_message_section *copy =
		malloc(sizeof(*copy) + count * sizeof(copy->fields[0]) + octets(fields, count));
	if (!copy)
		return NULL;
	char *at = (char *)&copy->fields[count];
	copy->count = count;
	pack_fields(&at, fields, count, copy->fields);
	return copy;
}

int arq_message_body_append(struct arq_message_body *body, const uint8_t *data, size_t length)
{
	size_t needed = body->length + length;
	if (length == 0)
		return 0;
	if (needed > body->capacity) {
		size_t capacity = body->capacity ? body->capacity : BODY_CAPACITY_MIN;
		while (capacity < needed)
			capacity *= 2;
		uint8_t *grown = realloc(body->data, capacity);
		if (!grown)
			return -ENOMEM;
		body->data = grown;
		body->capacity = capacity;
	}
	memcpy(body->data + body->length, data, length);
	body->length = needed;
	return 0;
}

void arq_message_body_clear(struct arq_message_body *body)
{
	free(body->data);
	*body = (struct arq_message_body){0};
}
