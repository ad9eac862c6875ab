// SPDX-License-Identifier: BSD-2-Clause
#include "userspace/proxy/fields.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define TEXT(literal)                                            \
	(struct arq_h3_text)                                     \
	{                                                        \
		.data = (literal), .length = sizeof(literal) - 1 \
	}

static bool is(struct arq_h3_text text, struct arq_h3_text other)
{
	return text.length == other.length && strncasecmp(text.data, other.data, text.length) == 0;
}

/* The lengths differ widely, so most names cost one comparison of numbers each. */
static bool is_any_of(struct arq_h3_text name, const struct arq_h3_text *names, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (is(name, names[i]))
			return true;
	}
	return false;
}

static bool forwarded(const struct arq_h3_field *field, bool request)
{
	static const struct arq_h3_text connection_specific[] = {
		{"connection", 10}, {"keep-alive", 10},        {"proxy-connection", 16},
		{"upgrade", 7},     {"transfer-encoding", 17}, {"http2-settings", 14},
	};
	static const struct arq_h3_text of_proxies[] = {{"x-forwarded-for", 15},
							{"x-forwarded-proto", 17},
							{"x-forwarded-host", 16},
							{"forwarded", 9}};

	if (is_any_of(field->name, connection_specific,
		      sizeof(connection_specific) / sizeof(connection_specific[0])))
		return false;
	if (is(field->name, TEXT("te")))
		return is(field->value, TEXT("trailers"));
	return !request ||
	       !is_any_of(field->name, of_proxies, sizeof(of_proxies) / sizeof(of_proxies[0]));
}

size_t arq_fields_forward(const struct arq_h3_field *fields, size_t count, bool request,
			  struct arq_h3_field *out)
{
	size_t kept = 0;
	for (size_t i = 0; i < count; i++) {
		if (forwarded(&fields[i], request))
			out[kept++] = fields[i];
	}
	return kept;
}

static size_t remove_name(struct arq_h3_field *fields, size_t count, const char *name)
{
	const struct arq_h3_text unwanted = arq_h3_text(name);
	size_t kept = 0;
	for (size_t i = 0; i < count; i++) {
		if (!is(fields[i].name, unwanted))
			fields[kept++] = fields[i];
	}
	return kept;
}

static size_t append(const struct arq_config_header *headers, size_t header_count,
		     struct arq_h3_field *fields, size_t count)
{
	for (size_t i = 0; i < header_count; i++)
		fields[count++] = (struct arq_h3_field){arq_h3_text(headers[i].name),
							arq_h3_text(headers[i].value)};
	return count;
}

size_t arq_fields_change(const struct arq_config_headers *headers, struct arq_h3_field *fields,
			 size_t count)
{
	for (uint32_t i = 0; i < headers->remove_count; i++)
		count = remove_name(fields, count, headers->remove[i]);
	for (uint32_t i = 0; i < headers->set_count; i++)
		count = remove_name(fields, count, headers->set[i].name);
	count = append(headers->set, headers->set_count, fields, count);
	return append(headers->add, headers->add_count, fields, count);
}

/* --- lines that are added --------------------------------------------------------------------- */

/* Requests of the default name that come round more often than this do not come by chance. */
#define LOOP_OF_DEFAULT 8

/* Of an X-Request-Id that is kept: longer ones are no names. */
#define REQUEST_ID_MAX 128

static struct arq_h3_field line(const char *name, struct arq_h3_text value)
{
	return (struct arq_h3_field){arq_h3_text(name), value};
}

static struct arq_h3_field via(const struct arq_config_forwarding *config,
			       struct arq_fields_texts *texts)
{
	size_t length = strlen(config->via), room = sizeof(texts->via) - 2;
	if (length > room)
		length = room;
	memcpy(texts->via, "3 ", 2);
	memcpy(texts->via + 2, config->via, length);
	return line("via", (struct arq_h3_text){texts->via, 2 + length});
}

/* As inet_ntop has it, whose printf costs more than all the other lines of a request. */
static const char *ipv4_text(struct in_addr address, char text[INET_ADDRSTRLEN])
{
	const uint8_t *octets = (const uint8_t *)&address;
	char *at = text;

	for (size_t i = 0; i < sizeof(address); i++) {
		if (octets[i] >= 100)
			*at++ = (char)('0' + octets[i] / 100);
		if (octets[i] >= 10)
			*at++ = (char)('0' + octets[i] / 10 % 10);
		*at++ = (char)('0' + octets[i] % 10);
		*at++ = '.';
	}
	at[-1] = '\0';
	return text;
}

static const char *address_text(const union arq_address *client, char text[ARQ_FORWARDED_FOR_MAX])
{
	const char *written = NULL;
	if (client->sa.sa_family == AF_INET)
		written = ipv4_text(client->in.sin_addr, text);
	else if (client->sa.sa_family == AF_INET6)
		written = inet_ntop(AF_INET6, &client->in6.sin6_addr, text, ARQ_FORWARDED_FOR_MAX);
	return written ? written : "unknown";
}

/* RFC 7239, section 4. A host that cannot be quoted as it is, or that is too long, is left out. */
static struct arq_h3_field forwarded_line(const struct arq_fields_request *from,
					  struct arq_fields_texts *texts)
{
	struct arq_h3_text host = from->request->authority;
	bool v6 = from->client->sa.sa_family == AF_INET6;
	int length = snprintf(texts->forwarded, sizeof(texts->forwarded), "for=%s%s%s;proto=%.*s",
			      v6 ? "\"[" : "", address_text(from->client, texts->forwarded_for),
			      v6 ? "]\"" : "", (int)from->request->scheme.length,
			      from->request->scheme.data);
	size_t at = (size_t)length < sizeof(texts->forwarded) ? (size_t)length : 0;
	if (at > 0 && host.length > 0 && host.length < sizeof(texts->forwarded) - at - 9 &&
	    !memchr(host.data, '"', host.length) && !memchr(host.data, '\\', host.length))
		snprintf(texts->forwarded + at, sizeof(texts->forwarded) - at, ";host=\"%.*s\"",
			 (int)host.length, host.data);
	return line("forwarded", arq_h3_text(texts->forwarded));
}

/* xorshift128+. */
static uint64_t next_random(struct arq_fields_random *random)
{
	uint64_t a = random->state[0], b = random->state[1];
	random->state[0] = b;
	a ^= a << 23;
	random->state[1] = a ^ b ^ a >> 18 ^ b >> 5;
	return random->state[1] + b;
}

static bool is_request_id(struct arq_h3_text text)
{
	for (size_t i = 0; i < text.length; i++) {
		if (!isalnum((unsigned char)text.data[i]) && !strchr("-_.:+/=", text.data[i]))
			return false;
	}
	return text.length > 0 && text.length <= REQUEST_ID_MAX;
}

/* Of version 00: two, 32, 16 and two lower hexadecimal digits, the ids not all zero. */
static bool is_traceparent(struct arq_h3_text text)
{
	static const char zeros[] = "00000000000000000000000000000000";
	if (text.length != 55 || memcmp(text.data, "00-", 3) != 0)
		return false;
	for (size_t i = 3; i < text.length; i++) {
		bool dash = i == 35 || i == 52;
		if (dash ? text.data[i] != '-' : !strchr("0123456789abcdef", text.data[i]))
			return false;
	}
	return memcmp(text.data + 3, zeros, 32) != 0 && memcmp(text.data + 36, zeros, 16) != 0;
}

/* Whether a new line is needed; the old ones, if any, are gone then. */
static bool replace_mark(enum arq_config_mark mark, const char *name,
			 bool (*well_formed)(struct arq_h3_text), struct arq_h3_field *fields,
			 size_t *count)
{
	const struct arq_h3_text wanted = arq_h3_text(name);
	size_t lines = 0;
	bool good = true;
	if (mark == ARQ_CONFIG_MARK_PASS)
		return false;
	for (size_t i = 0; i < *count; i++) {
		if (!is(fields[i].name, wanted))
			continue;
		lines++;
		good = good && well_formed(fields[i].value);
	}
	if (mark == ARQ_CONFIG_MARK_KEEP && lines == 1 && good)
		return false;
	*count = remove_name(fields, *count, name);
	return true;
}

static size_t add_marks(const struct arq_fields_request *from, struct arq_fields_texts *texts,
			struct arq_h3_field *out, size_t count)
{
	if (replace_mark(from->config->request_id, "x-request-id", is_request_id, out, &count)) {
		snprintf(texts->request_id, sizeof(texts->request_id), "%016llx%016llx",
			 (unsigned long long)next_random(from->random),
			 (unsigned long long)next_random(from->random));
		out[count++] = line("x-request-id", arq_h3_text(texts->request_id));
	}
	if (replace_mark(from->config->traceparent, "traceparent", is_traceparent, out, &count)) {
		/* Bits that are always set keep the ids from being zero. */
		snprintf(texts->traceparent, sizeof(texts->traceparent),
			 "00-%016llx%016llx-%016llx-00",
			 (unsigned long long)next_random(from->random),
			 (unsigned long long)next_random(from->random) | 1,
			 (unsigned long long)next_random(from->random) | 1);
		out[count++] = line("traceparent", arq_h3_text(texts->traceparent));
	}
	return count;
}

size_t arq_fields_of_request(const struct arq_fields_request *from, struct arq_fields_texts *texts,
			     struct arq_h3_field out[ARQ_FIELDS_SENT])
{
	const struct arq_h3_request *request = from->request;
	size_t count = arq_fields_forward(request->fields, request->field_count, true, out);

	out[count++] = via(from->config, texts);
	if (from->config->x_forwarded) {
		out[count++] = line("x-forwarded-for",
				    arq_h3_text(address_text(from->client, texts->forwarded_for)));
		out[count++] = line("x-forwarded-proto", request->scheme);
		out[count++] = line("x-forwarded-host", request->authority);
	}
	if (from->config->forwarded)
		out[count++] = forwarded_line(from, texts);
	count = add_marks(from, texts, out, count);
	if (request->early) {
		count = remove_name(out, count, "early-data");
		out[count++] = line("early-data", arq_h3_text("1"));
	}
	return count;
}

size_t arq_fields_of_response(const struct arq_config_forwarding *config,
			      const struct arq_h3_response *response,
			      struct arq_fields_texts *texts,
			      struct arq_h3_field out[ARQ_FIELDS_SENT])
{
	size_t count = arq_fields_forward(response->fields, response->field_count, false, out);

	out[count++] = via(config, texts);
	if (config->alt_svc) {
		count = remove_name(out, count, "alt-svc");
		out[count++] = line("alt-svc", arq_h3_text(config->alt_svc));
	}
	return count;
}

/* --- loops ------------------------------------------------------------------------------------ */

/* How often a Via line names us: RFC 9110, section 7.6.3, "PROTOCOL NAME [COMMENT], ...". */
static unsigned int via_names(struct arq_h3_text value, struct arq_h3_text name)
{
	const char *at = value.data, *end = value.data + value.length;
	unsigned int found = 0;

	while (at < end) {
		const char *comma = memchr(at, ',', (size_t)(end - at));
		const char *stop = comma ? comma : end;
		while (at < stop && (*at == ' ' || *at == '\t'))
			at++;
		while (at < stop && *at != ' ' && *at != '\t')
			at++; /* the protocol */
		while (at < stop && (*at == ' ' || *at == '\t'))
			at++;
		const char *begin = at;
		while (at < stop && *at != ' ' && *at != '\t')
			at++;
		found += is((struct arq_h3_text){begin, (size_t)(at - begin)}, name);
		at = comma ? comma + 1 : end;
	}
	return found;
}

bool arq_fields_loop(const struct arq_config_forwarding *config, const struct arq_h3_field *fields,
		     size_t count)
{
	const struct arq_h3_text via_name = arq_h3_text("via"), ours = arq_h3_text(config->via);
	unsigned int found = 0;

	for (size_t i = 0; i < count; i++) {
		if (is(fields[i].name, via_name))
			found += via_names(fields[i].value, ours);
	}
	return found >= (config->via_is_ours ? 1 : LOOP_OF_DEFAULT);
}
