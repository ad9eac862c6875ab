/* SPDX-License-Identifier: BSD-2-Clause */
#include "userspace/quic/budget.h"

#include "userspace/io/io.h"

#include <ngtcp2/ngtcp2_crypto.h>

struct limit {
	uint16_t burst, rate;
};

/* No datagram has more: type, stream and code take an octet each. */
#define STOPS_MAX (ARQ_IO_PAYLOAD_MAX / 3)

/* Whose packet is being read, and what was found in it. */
static _Thread_local struct {
	struct budget *budget; /* NULL: nobody's */
	uint64_t now;
	size_t stop_count;
	struct budget_stop stops[STOPS_MAX];
} reading;

static const struct limit limits[] = {
#define BUDGET_LIMIT(name, burst, rate, meaning) {burst, rate},
	BUDGET_KINDS(BUDGET_LIMIT)
#undef BUDGET_LIMIT
};

void budget_init(struct budget *budget, uint64_t now)
{
	*budget = (struct budget){.filled = now};
	for (size_t i = 0; i < BUDGET_COUNT; i++)
		budget->left[i] = limits[i].burst;
}

static void fill(struct budget *budget, uint64_t now)
{
	uint64_t seconds = now > budget->filled ? (now - budget->filled) / NGTCP2_SECONDS : 0;

	if (seconds == 0)
		return;
	budget->filled += seconds * NGTCP2_SECONDS;
	for (size_t i = 0; i < BUDGET_COUNT; i++) {
		uint64_t left = budget->left[i] + seconds * limits[i].rate;

		budget->left[i] = left < limits[i].burst ? (uint16_t)left : limits[i].burst;
	}
}

static void take(struct budget *budget, enum budget_kind kind)
{
	if (!budget)
		return;
	if (budget->left[kind])
		budget->left[kind]--;
	else
		budget->exceeded = true;
}

/* --- frames, RFC 9000 section 19 -------------------------------------------------------------- */

struct cursor {
	const uint8_t *at, *end;
	bool failed;
};

static uint64_t varint(struct cursor *cursor)
{
	size_t length = cursor->at < cursor->end ? (size_t)1 << (*cursor->at >> 6) : 1;
	uint64_t value;

	if ((size_t)(cursor->end - cursor->at) < length) {
		cursor->failed = true;
		cursor->at = cursor->end;
		return 0;
	}
	value = *cursor->at++ & 0x3f;
	while (--length)
		value = value << 8 | *cursor->at++;
	return value;
}

static void skip(struct cursor *cursor, uint64_t length)
{
	if ((uint64_t)(cursor->end - cursor->at) < length) {
		cursor->failed = true;
		cursor->at = cursor->end;
		return;
	}
	cursor->at += length;
}

static void skip_varints(struct cursor *cursor, uint64_t count)
{
	while (count-- && !cursor->failed)
		varint(cursor);
}

static void acknowledgement(struct cursor *cursor, bool ecn)
{
	uint64_t ranges;

	skip_varints(cursor, 2);
	ranges = varint(cursor);
	skip_varints(cursor, 1);
	/* Two numbers a range, at least an octet each: more than the packet has cannot be. */
	if (ranges > (uint64_t)(cursor->end - cursor->at)) {
		cursor->failed = true;
		return;
	}
	skip_varints(cursor, 2 * ranges + (ecn ? 3 : 0));
}

static void stream(struct budget *budget, struct cursor *cursor, uint64_t type)
{
	uint64_t length;

	skip_varints(cursor, type & 4 ? 2 : 1);
	length = type & 2 ? varint(cursor) : (uint64_t)(cursor->end - cursor->at);
	if (length == 0 && !(type & 1))
		take(budget, BUDGET_empty);
	skip(cursor, length);
}

static void stop_sending(struct budget *budget, struct cursor *cursor)
{
	int64_t stream_id = (int64_t)varint(cursor);
	uint64_t code = varint(cursor);

	take(budget, BUDGET_stop);
	if (!cursor->failed && reading.stop_count < STOPS_MAX)
		reading.stops[reading.stop_count++] = (struct budget_stop){stream_id, code};
}

static void new_connection_id(struct cursor *cursor)
{
	skip_varints(cursor, 2);
	skip(cursor, cursor->at < cursor->end ? 1u + *cursor->at : 1u);
	skip(cursor, NGTCP2_STATELESS_RESET_TOKENLEN);
}

/* Frames that are counted, and consist of numbers only. Returns whether it was one. */
static bool plain(struct budget *budget, struct cursor *cursor, uint64_t type)
{
	static const struct {
		uint8_t numbers, kind;
	} frames[] = {
		[0x04] = {3, BUDGET_reset + 1},   [0x12] = {1, BUDGET_blocked + 1},
		[0x13] = {1, BUDGET_blocked + 1}, [0x16] = {1, BUDGET_blocked + 1},
		[0x17] = {1, BUDGET_blocked + 1}, [0x19] = {1, BUDGET_ids + 1},
	};

	if (type >= sizeof(frames) / sizeof(frames[0]) || !frames[type].kind)
		return false;
	take(budget, frames[type].kind - 1);
	skip_varints(cursor, frames[type].numbers);
	return true;
}

static void other(struct budget *budget, struct cursor *cursor, uint64_t type)
{
	switch (type) {
	case 0x1e: /* HANDSHAKE_DONE */
		return;
	case 0x02:
	case 0x03:
		acknowledgement(cursor, type & 1);
		return;
	case 0x05:
		stop_sending(budget, cursor);
		return;
	case 0x06:
		take(budget, BUDGET_crypto);
		skip_varints(cursor, 1);
		skip(cursor, varint(cursor));
		return;
	case 0x10: /* MAX_DATA */
		skip_varints(cursor, 1);
		return;
	case 0x11: /* MAX_STREAM_DATA */
		skip_varints(cursor, 2);
		return;
	case 0x18:
		take(budget, BUDGET_ids);
		new_connection_id(cursor);
		return;
	case 0x1a:
		take(budget, BUDGET_path);
		skip(cursor, NGTCP2_PATH_CHALLENGE_DATALEN);
		return;
	case 0x1b: /* PATH_RESPONSE */
		skip(cursor, NGTCP2_PATH_CHALLENGE_DATALEN);
		return;
	case 0x31: /* DATAGRAM with a length */
		skip(cursor, varint(cursor));
		return;
	default: /* the end of the connection, the rest of the packet, or a fault */
		cursor->at = cursor->end;
	}
}

/*
 * Frames that cost nothing beside others: receivers put a PING to every few ACKs, and who uploads
 * faster than we take says so once a window. Returns whether it was one.
 */
static bool idle(struct cursor *cursor, uint64_t type, uint32_t counts[BUDGET_COUNT])
{
	switch (type) {
	case 0x00: /* PADDING */
		return true;
	case 0x01:
		counts[BUDGET_ping]++;
		return true;
	case 0x14: /* DATA_BLOCKED */
		skip_varints(cursor, 1);
		counts[BUDGET_blocked]++;
		return true;
	case 0x15: /* STREAM_DATA_BLOCKED */
		skip_varints(cursor, 2);
		counts[BUDGET_blocked]++;
		return true;
	default:
		return false;
	}
}

void budget_charge(struct budget *budget, const uint8_t *payload, size_t length, uint64_t now)
{
	struct cursor cursor = {payload, payload + length, false};
	uint32_t idles[BUDGET_COUNT] = {0};
	bool alone = true;

	if (budget)
		fill(budget, now);
	while (cursor.at < cursor.end && !cursor.failed) {
		uint64_t type = varint(&cursor);

		if (idle(&cursor, type, idles))
			continue;
		alone = false;
		if (type >= 0x08 && type <= 0x0f)
			stream(budget, &cursor, type);
		else if (!plain(budget, &cursor, type))
			other(budget, &cursor, type);
	}
	for (size_t kind = 0; alone && kind < BUDGET_COUNT; kind++) {
		for (; budget && idles[kind] && !budget->exceeded; idles[kind]--)
			take(budget, (enum budget_kind)kind);
	}
}

/* --- whose packet ----------------------------------------------------------------------------- */

void budget_begin(struct budget *budget, uint64_t now)
{
	reading.budget = budget;
	reading.now = now;
	reading.stop_count = 0;
}

size_t budget_end(const struct budget_stop **stops)
{
	reading.budget = NULL;
	*stops = reading.stops;
	return reading.stop_count;
}

int budget_decrypt(uint8_t *dest, const ngtcp2_crypto_aead *aead,
		   const ngtcp2_crypto_aead_ctx *context, const uint8_t *ciphertext, size_t length,
		   const uint8_t *nonce, size_t nonce_length, const uint8_t *header,
		   size_t header_length)
{
	int rv = ngtcp2_crypto_decrypt_cb(dest, aead, context, ciphertext, length, nonce,
					  nonce_length, header, header_length);

	if (rv == 0)
		budget_charge(reading.budget, dest, length - aead->max_overhead, reading.now);
	return rv;
}
