/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Frames to test the programs with: a table of well-formed and malformed ones with what the
 * programs must find, and a plain parser of the same contract, written for clarity and not for the
 * kernel's verifier, to compare with on frames that nobody wrote down.
 */
#ifndef ARQUANT_TESTS_UNIT_TEST_PROGS_FRAMES_H
#define ARQUANT_TESTS_UNIT_TEST_PROGS_FRAMES_H

#include <arquant/packet.h>
#include <arquant/reason.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FRAME_BYTES_MAX 3000 /* stays in the linear part of a test run */

struct frame {
	uint8_t bytes[FRAME_BYTES_MAX];
	size_t length;
};

/* What follows the last IP header. */
enum payload {
	PAYLOAD_PLAIN, /* 32 bytes of text */
	PAYLOAD_EMPTY,
	PAYLOAD_INITIAL_V1,
	PAYLOAD_INITIAL_V2,
	PAYLOAD_HANDSHAKE_V1, /* long header, no Initial */
	PAYLOAD_HANDSHAKE_V2, /* type bits that mean Initial in version 1 */
	PAYLOAD_VERSION_NEGOTIATION,
	PAYLOAD_LONG_UNKNOWN, /* version nobody knows, DCID of 30 bytes */
	PAYLOAD_LONG_CID_21, /* version 1 with a DCID longer than it allows */
	PAYLOAD_LONG_CUT, /* ends inside the DCID */
	PAYLOAD_SHORT,
	PAYLOAD_NO_FIXED_BIT,
};

/* Recipe of a frame. */
struct frame_spec {
	uint16_t tags[3]; /* TPIDs of VLAN tags, 0 for none */
	uint8_t ip; /* 4, 6, 0 for ARP */
	uint8_t options; /* bytes of IPv4 options, a multiple of 4 */
	uint8_t extension_count;
	uint8_t extensions[10]; /* kinds of IPv6 extension headers, 8 bytes each (AH: 12) */
	uint16_t fragment; /* IPv4: flags and offset; IPv6: the same field of a Fragment header */
	uint8_t protocol;
	enum payload payload;
	uint16_t port; /* destination; 0: 443 */
	uint32_t source; /* last bytes of the source address */
	uint8_t tcp_flags; /* 0: ACK */
	uint16_t fill; /* zero bytes after the payload, part of it */
	/* Lies. */
	int8_t ip_length; /* added to total length, or payload length */
	int8_t l4_length; /* added to UDP length; TCP: to the data offset, in words */
	uint8_t version; /* IP version field, 0: right */
	uint8_t ihl; /* IPv4 header length field, 0: right */
	uint8_t padding; /* zero bytes after the IP packet */
	uint16_t cut; /* frame ends after so many bytes */
};

/* What the parser must find, as in struct arq_packet. */
struct frame_expected {
	uint32_t flags;
	uint16_t reason;
	uint16_t l3_offset;
	uint16_t l4_offset;
	uint16_t payload_offset;
	uint8_t protocol;
	uint8_t dcid_length;
	uint32_t quic_version;
};

struct frame_case {
	const char *name;
	struct frame_spec spec;
	struct frame_expected expected;
};

extern const struct frame_case frame_cases[];
extern const size_t frame_case_count;

void frame_build(struct frame *frame, const struct frame_spec *spec);

/* The parser to compare with: identity members stay as they are. */
void reference_parse(const struct frame *frame, struct arq_packet *packet);

/* Are all members the same? */
bool packet_equal(const struct arq_packet *a, const struct arq_packet *b);

/* A frame of the table with a few bytes changed, or cut, or of random bytes. */
void frame_mutate(struct frame *frame, uint64_t *random);

/* xorshift64*: repeatable. `state` must not be 0. */
uint64_t random_next(uint64_t *state);

#endif
