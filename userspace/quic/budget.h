/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a peer may cost us by frames that are small to send and bring it nothing: each kind has a
 * bucket that fills up slowly. ngtcp2 1.11 neither limits these nor tells of all of them, so they
 * are counted in the decrypted packets.
 */
#ifndef ARQUANT_QUIC_BUDGET_H
#define ARQUANT_QUIC_BUDGET_H

#include <ngtcp2/ngtcp2.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Kinds: name, frames at once, frames a second for ever, what they are. Real clients stay far
 * below: browsers cut a ClientHello into a few dozen pieces with PINGs between, and reset a page's
 * worth of streams when the user goes elsewhere. Who changes its address ten times a second changes
 * ids, and challenges paths, two or three times as often.
 */
#define BUDGET_KINDS(X)                                                \
	X(reset, 400, 100, "RESET_STREAM")                             \
	X(stop, 400, 100, "STOP_SENDING")                              \
	X(empty, 100, 10, "STREAM without bytes and end")              \
	X(ping, 200, 20, "PING in a packet of its own")                \
	X(path, 100, 30, "PATH_CHALLENGE")                             \
	X(ids, 200, 100, "NEW_CONNECTION_ID and RETIRE_CONNECTION_ID") \
	X(crypto, 300, 10, "CRYPTO")                                   \
	X(blocked, 1000, 500, "STREAMS_BLOCKED, MAX_STREAMS; DATA_BLOCKED in a packet of its own")

enum budget_kind {
#define BUDGET_ENUM(name, burst, rate, meaning) BUDGET_##name,
	BUDGET_KINDS(BUDGET_ENUM)
#undef BUDGET_ENUM
		BUDGET_COUNT,
};

struct budget {
	uint64_t filled; /* when the buckets were filled up to what they hold; ns */
	uint16_t left[BUDGET_COUNT];
	bool exceeded;
};

void budget_init(struct budget *budget, uint64_t now);

/*
 * Takes what the frames of a packet's payload cost. Of a payload that is no sequence of frames,
 * what comes before the fault: ngtcp2 ends such a connection itself.
 */
void budget_charge(struct budget *budget, const uint8_t *payload, size_t length, uint64_t now);

/* A STOP_SENDING frame, which ngtcp2 1.11 acts upon without a word. */
struct budget_stop {
	int64_t stream_id;
	uint64_t code;
};

/*
 * ngtcp2's decryption callback has no way to say whose packet it is: name the budget (NULL: nothing
 * is charged) around ngtcp2_conn_read_pkt. budget_end returns how many STOP_SENDING frames were in
 * the datagram, and where they are until the next budget_begin. For this thread.
 */
void budget_begin(struct budget *budget, uint64_t now);
size_t budget_end(const struct budget_stop **stops);

/* The callback: ngtcp2's, and then charges. */
int budget_decrypt(uint8_t *dest, const ngtcp2_crypto_aead *aead,
		   const ngtcp2_crypto_aead_ctx *context, const uint8_t *ciphertext, size_t length,
		   const uint8_t *nonce, size_t nonce_length, const uint8_t *header,
		   size_t header_length);

#endif
