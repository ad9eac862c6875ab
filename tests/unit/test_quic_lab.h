/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A laboratory for QUIC: two endpoints in one process, a wire between them that the test can cut,
 * and a clock that jumps. Nothing waits, nothing touches the network.
 */
#ifndef ARQUANT_TESTS_UNIT_TEST_QUIC_LAB_H
#define ARQUANT_TESTS_UNIT_TEST_QUIC_LAB_H

#include "test_certificate.h"
#include "userspace/io/io_internal.h"
#include "userspace/quic/quic.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LAB_MILLISECOND 1000000ULL
#define LAB_SECOND      1000000000ULL

/* A datagram on the wire. */
struct lab_datagram {
	struct lab_datagram *next;
	struct arq_path path; /* as the receiver sees it */
	uint8_t ecn;
	uint32_t length;
	uint8_t data[ARQ_IO_PAYLOAD_MAX];
};

/* One end of the wire: an io kept in memory. */
struct lab_io {
	struct arq_io io; /* first */
	struct lab_io *peer;
	struct lab_datagram *head, **tail; /* arrived, not received */
	struct lab_datagram *queued, **queued_tail; /* committed, not flushed */
	size_t queue_length;
	size_t open_slots;
	size_t slot_limit; /* committed at a time */
	uint64_t sent; /* datagrams flushed */
	unsigned int drop_every; /* 0: none */
	bool cut; /* everything is lost */
	uint64_t last_lengths[8]; /* of datagrams sent, newest at sent % 8 */
	/* Sees what is sent, before it is lost; may change it. NULL: nobody. */
	void (*tap)(struct lab_io *io, struct lab_datagram *datagram);
	void *tap_user;
};

struct lab {
	uint64_t now;
	uint64_t horizon; /* no jump of the clock goes past it */
	unsigned int admissions; /* newcomers that the server takes in a step; all by default */
	struct lab_io server_io, client_io;
	/* Looks at what arrived at the client before it does; NULL: nobody. */
	void (*before_client)(struct lab *lab);
	struct arq_quic_endpoint *server, *client;
	struct arq_quic_listener *listener;
	struct arq_quic_tls *tls;
	struct arq_quic_client_tls *client_tls;
	struct test_certificate certificate; /* for "localhost" */
};

/* Addresses of the two ends: 192.0.2.1:443 and 198.51.100.2:40000. */
void lab_path(bool server, struct arq_path *path);

/* Endpoints, credentials for "localhost" that the client trusts, and the wire. */
void lab_create(struct lab *lab, const struct arq_quic_endpoint_options *server_options);
void lab_destroy(struct lab *lab);

/* A listener on the server for these applications. */
void lab_listen(struct lab *lab, const struct arq_quic_application *applications, size_t count,
		const struct arq_quic_transport *transport);

/* Replaces the server by a new one that has the same secret and knows nothing. */
void lab_restart_server(struct lab *lab, const struct arq_quic_endpoint_options *options);

/* One round: 1 ms passes (or the time to the next timer when the wire is empty), all is handled. */
void lab_step(struct lab *lab);

/*
 * Steps until `done` returns true, or `limit` of simulated ns have passed. Returns what done said.
 */
bool lab_run(struct lab *lab, uint64_t limit, bool (*done)(void *user), void *user);

/* Gives the server a datagram as if the client had sent it. */
void lab_inject(struct lab_io *to, const uint8_t *data, size_t length);

/* The counters, read. */
struct arq_quic_counters lab_counters(const struct arq_quic_endpoint *endpoint);

#endif
