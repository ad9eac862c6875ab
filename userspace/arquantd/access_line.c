// SPDX-License-Identifier: BSD-2-Clause
#include "userspace/arquantd/access_line.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define SECOND      1000000000u
#define MICROSECOND 1000u

/* RFC 9369, section 3.1. */
#define VERSION_2 0x6b3343cfu

/* Nothing is checked for room: ARQ_ACCESS_LINE_MAX has it. */

static char *put(char *end, const char *text)
{
	size_t length = strlen(text);
	memcpy(end, text, length);
	return end + length;
}

static char *put_number(char *end, uint64_t number)
{
	char digits[20];
	size_t count = 0;
	do {
		digits[count++] = (char)('0' + number % 10);
		number /= 10;
	} while (number > 0);
	while (count > 0)
		*end++ = digits[--count];
	return end;
}

static char *put_text(char *end, struct arq_h3_text text)
{
	static const char hex[] = "0123456789abcdef";
	*end++ = '"';
	for (size_t i = 0; i < text.length; i++) {
		unsigned char octet = (unsigned char)text.data[i];
		if (octet == '"' || octet == '\\') {
			*end++ = '\\';
			*end++ = (char)octet;
		} else if (octet >= ' ' && octet <= '~') {
			*end++ = (char)octet;
		} else {
			end = put(end, "\\u00");
			*end++ = hex[octet >> 4];
			*end++ = hex[octet & 15];
		}
	}
	*end++ = '"';
	return end;
}

/* `key` has what stands before the value: comma, quotes and colon. */
static char *put_key_number(char *end, const char *key, uint64_t number)
{
	return put_number(put(end, key), number);
}

static char *put_key_text(char *end, const char *key, struct arq_h3_text text)
{
	return put_text(put(end, key), text);
}

/* RFC 3339, UTC, with microseconds. */
static char *put_time(char *end, uint64_t ns)
{
	time_t seconds = (time_t)(ns / SECOND);
	struct tm utc;
	gmtime_r(&seconds, &utc);
	end += strftime(end, sizeof("2026-01-01T00:00:00"), "%Y-%m-%dT%H:%M:%S", &utc);
	return end + sprintf(end, ".%06uZ", (unsigned int)(ns % SECOND / MICROSECOND));
}

/* What a raw stream has not. */
static char *put_request(char *end, const struct arq_record *record)
{
	if (record->texts[ARQ_RECORD_METHOD].length == 0)
		return end;
	end = put_key_text(end, ",\"method\":", record->texts[ARQ_RECORD_METHOD]);
	end = put_key_text(end, ",\"scheme\":", record->texts[ARQ_RECORD_SCHEME]);
	end = put_key_text(end, ",\"path\":", record->texts[ARQ_RECORD_PATH]);
	return put_key_number(end, ",\"status\":", record->status);
}

static char *put_upstream(char *end, const struct arq_record *record)
{
	if (record->tries == 0)
		return end;
	end = put_key_text(end, ",\"upstream\":{\"pool\":", record->texts[ARQ_RECORD_POOL]);
	end = put_key_text(end, ",\"target\":", record->texts[ARQ_RECORD_TARGET]);
	end = put_key_number(end, ",\"retries\":", record->tries - 1u);
	end = put_key_number(end, ",\"queue_us\":", record->queue / MICROSECOND);
	end = put_key_number(end, ",\"connect_us\":", record->connect / MICROSECOND);
	if (record->response != ARQ_RECORD_NONE)
		end = put_key_number(end, ",\"response_us\":", record->response / MICROSECOND);
	return put(end, "}");
}

static char *put_quic(char *end, const struct arq_record *record)
{
	end = put_key_number(
		end, ",\"quic\":{\"version\":", record->version == VERSION_2 ? 2 : record->version);
	end = put_key_text(end, ",\"alpn\":", record->texts[ARQ_RECORD_ALPN]);
	end = put_key_number(end, ",\"rtt_us\":", record->rtt / MICROSECOND);
	return put(end, record->early ? ",\"early_data\":true}" : ",\"early_data\":false}");
}

static char *put_error(char *end, const struct arq_record *record)
{
	static const char *const parties[] = {
		[ARQ_RECORD_NOBODY] = "",
		[ARQ_RECORD_CLIENT] = ",\"error\":{\"by\":\"client\",\"code\":",
		[ARQ_RECORD_UPSTREAM] = ",\"error\":{\"by\":\"upstream\",\"code\":",
		[ARQ_RECORD_GATEWAY] = ",\"error\":{\"by\":\"gateway\",\"code\":",
	};
	if (record->error_by == ARQ_RECORD_NOBODY)
		return end;
	return put(put_key_number(end, parties[record->error_by], record->error_code), "}");
}

static char *put_headers(char *end, const struct arq_record *record)
{
	if (record->headers == 0)
		return end;
	end = put(end, ",\"request_headers\":{");
	for (size_t i = 0; i < record->headers; i++) {
		const struct arq_h3_text *pair = &record->texts[ARQ_RECORD_TEXTS + 2 * i];
		if (i > 0)
			*end++ = ',';
		end = put_text(end, pair[0]);
		end = put_key_text(end, ":", pair[1]);
	}
	return put(end, "}");
}

size_t arq_access_line(const struct arq_record *record, uint64_t offset, char *line)
{
	char address[ARQ_ADDRESS_TEXT_MAX];
	char *end = put(line, "{\"time\":\"");
	end = put_time(end, record->begun + offset);
	end = put(end, "\",\"client\":\"");
	end = put(end, arq_address_format(&record->client, address));
	end = put_key_text(end, "\",\"listener\":", record->texts[ARQ_RECORD_LISTENER]);
	end = put_key_text(end, ",\"route\":", record->texts[ARQ_RECORD_ROUTE]);
	end = put_key_text(end, ",\"host\":", record->texts[ARQ_RECORD_HOST]);
	end = put_request(end, record);
	end = put_key_number(end, ",\"received_bytes\":", record->received);
	end = put_key_number(end, ",\"sent_bytes\":", record->sent);
	end = put_key_number(end, ",\"duration_us\":", record->duration / MICROSECOND);
	end = put_upstream(end, record);
	end = put_quic(end, record);
	end = put_error(end, record);
	end = put_headers(end, record);
	end = put(end, "}\n");
	return (size_t)(end - line);
}
