// SPDX-License-Identifier: BSD-2-Clause
/*
 * relay [OPTIONS] LISTEN:PORT SERVER:PORT
 *
 * A bad network between one client and a server: UDP datagrams both ways, late, lost or damaged,
 * and a NAT that forgets. For kernels without netem; what it does to a datagram hangs on a seed
 * and its number only.
 *
 *	--delay MS       each way
 *	--drop PERCENT   of the datagrams, each way
 *	--corrupt PERCENT  have one octet changed
 *	--rebind MS[,FROM]  the server sees another source port every so often, first after FROM
 *	--linger         ... while what comes back to the last few ports still reaches the client
 *	--addresses A,B  ... and these source addresses in turn
 *	--dark FROM,FOR  ms after the first datagram nothing passes, for so long
 *	--seed N
 *
 * Prints "relays" when it does, and on SIGTERM how many datagrams passed, were lost and changed.
 */
#include "userspace/common/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define DATAGRAM_MAX  2048
#define QUEUE         8192 /* datagrams under way: a window of 6 MiB, and some */
#define ADDRESSES_MAX 4
#define FORMER_MAX    16 /* ports that linger */
#define SOCKETS       (2 + FORMER_MAX)
#define MILLISECOND   1000000ull
#define SOCKET_BUFFER (8 << 20)

struct datagram {
	uint64_t at; /* when it goes on */
	uint32_t length;
	bool to_server;
	uint8_t data[DATAGRAM_MAX];
};

struct relay {
	uint64_t delay, rebind, rebind_from, dark_from, dark_for;
	unsigned int drop, corrupt; /* of 10000 */
	uint64_t random;
	union arq_address listen, server, client;
	union arq_address sources[ADDRESSES_MAX];
	size_t source_count, source;
	struct pollfd sockets[SOCKETS]; /* to the client, to the server, former ones */
	bool linger;
	size_t former;
	uint64_t begun, rebound;
	struct datagram *queue;
	size_t head, count;
	unsigned long passed, lost, changed, rebinds;
};

static volatile sig_atomic_t ended;

static void end(int signal)
{
	(void)signal;
	ended = 1;
}

static void __attribute__((noreturn)) fail(const char *what)
{
	fprintf(stderr, "relay: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint64_t now_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* xorshift64*: the same each time for the same seed. */
static uint64_t random_next(struct relay *relay)
{
	relay->random ^= relay->random >> 12;
	relay->random ^= relay->random << 25;
	relay->random ^= relay->random >> 27;
	return relay->random * 0x2545f4914f6cdd1dull;
}

static bool happens(struct relay *relay, unsigned int of_10000)
{
	return random_next(relay) % 10000 < of_10000;
}

/* --- sockets ---------------------------------------------------------------------------------- */

static int open_socket(const union arq_address *address)
{
	int size = SOCKET_BUFFER;
	int fd = socket(address->sa.sa_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0 || bind(fd, &address->sa, arq_address_length(address)) < 0)
		fail("socket");
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	return fd;
}

/* Another source port, and another address where several are given. */
static void rebind(struct relay *relay, uint64_t now)
{
	if (relay->sockets[1].fd >= 0) {
		int former = relay->sockets[1].fd;

		if (relay->linger) {
			struct pollfd *slot = &relay->sockets[2 + relay->former++ % FORMER_MAX];
			int oldest = slot->fd;

			*slot = relay->sockets[1];
			former = oldest;
		}
		if (former >= 0)
			close(former);
		relay->rebinds++;
	}
	relay->sockets[1].fd = open_socket(&relay->sources[relay->source]);
	if (connect(relay->sockets[1].fd, &relay->server.sa, arq_address_length(&relay->server)) <
	    0)
		fail("connect");
	relay->source = (relay->source + 1) % relay->source_count;
	relay->rebound = now;
}

/* --- datagrams -------------------------------------------------------------------------------- */

static bool is_dark(const struct relay *relay, uint64_t now)
{
	uint64_t age = relay->begun ? now - relay->begun : 0;

	return relay->dark_for && age >= relay->dark_from &&
	       age < relay->dark_from + relay->dark_for;
}

/* From a socket: 0 is the client's, the others are the server's. */
static void take(struct relay *relay, size_t from, uint64_t now)
{
	bool to_server = from == 0;
	socklen_t length = sizeof(relay->client);

	for (;;) {
		struct datagram *one = &relay->queue[(relay->head + relay->count) % QUEUE];
		ssize_t size =
			recvfrom(relay->sockets[from].fd, one->data, DATAGRAM_MAX, 0,
				 to_server ? &relay->client.sa : NULL, to_server ? &length : NULL);
		if (size < 0)
			return; /* nothing more, or an echo of what the other side refused */
		if (!relay->begun) {
			relay->begun = now;
			relay->rebound = now + relay->rebind_from;
		}
		if (relay->count == QUEUE || is_dark(relay, now) || happens(relay, relay->drop)) {
			relay->lost++;
			continue;
		}
		if (size > 0 && happens(relay, relay->corrupt)) {
			one->data[random_next(relay) % (uint64_t)size] ^= 0x55;
			relay->changed++;
		}
		one->at = now + relay->delay;
		one->length = (uint32_t)size;
		one->to_server = to_server;
		relay->count++;
	}
}

static void pass(struct relay *relay, uint64_t now)
{
	while (relay->count && relay->queue[relay->head].at <= now) {
		const struct datagram *one = &relay->queue[relay->head];

		if (one->to_server)
			(void)send(relay->sockets[1].fd, one->data, one->length, 0);
		else
			(void)sendto(relay->sockets[0].fd, one->data, one->length, 0,
				     &relay->client.sa, arq_address_length(&relay->client));
		relay->passed++;
		relay->head = (relay->head + 1) % QUEUE;
		relay->count--;
	}
}

static void run(struct relay *relay)
{
	while (!ended) {
		uint64_t now = now_ns();
		uint64_t wait = relay->count && relay->queue[relay->head].at > now
					? relay->queue[relay->head].at - now
					: 20 * MILLISECOND; /* SIGTERM and rebinding are seen */
		struct timespec timeout = {
			0, (long)(wait < 20 * MILLISECOND ? wait : 20 * MILLISECOND)};

		if (ppoll(relay->sockets, SOCKETS, &timeout, NULL) < 0 && errno != EINTR)
			fail("poll");
		now = now_ns();
		if (relay->rebind && relay->begun && now >= relay->rebound + relay->rebind)
			rebind(relay, now);
		for (size_t i = 0; i < SOCKETS; i++) {
			if (relay->sockets[i].fd >= 0)
				take(relay, i, now);
		}
		pass(relay, now);
	}
}

/* --- options ---------------------------------------------------------------------------------- */

static void set_sources(struct relay *relay, char *list)
{
	relay->source_count = 0;
	for (char *text = strtok(list, ","); text && relay->source_count < ADDRESSES_MAX;
	     text = strtok(NULL, ",")) {
		union arq_address *source = &relay->sources[relay->source_count++];

		*source = (union arq_address){.sa.sa_family = relay->server.sa.sa_family};
		if (inet_pton(AF_INET, text, &source->in.sin_addr) != 1) {
			fprintf(stderr, "relay: not an IPv4 address: %s\n", text);
			exit(2);
		}
	}
}

static unsigned long after_comma(const char *text)
{
	const char *comma = strchr(text, ',');

	return comma ? strtoul(comma + 1, NULL, 10) : 0;
}

static void parse(struct relay *relay, int argc, char **argv)
{
	static const struct option options[] = {
		{"delay", required_argument, NULL, 'd'},
		{"drop", required_argument, NULL, 'l'},
		{"corrupt", required_argument, NULL, 'c'},
		{"rebind", required_argument, NULL, 'r'},
		{"linger", no_argument, NULL, 'L'},
		{"addresses", required_argument, NULL, 'a'},
		{"dark", required_argument, NULL, 'D'},
		{"seed", required_argument, NULL, 's'},
		{0},
	};
	char *addresses = NULL;
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		unsigned long value = optarg ? strtoul(optarg, NULL, 10) : 0;

		switch (option) {
		case 'd':
			relay->delay = value * MILLISECOND;
			break;
		case 'l':
			relay->drop = (unsigned int)value * 100;
			break;
		case 'c':
			relay->corrupt = (unsigned int)value * 100;
			break;
		case 'r':
			relay->rebind = value * MILLISECOND;
			relay->rebind_from = after_comma(optarg) * MILLISECOND;
			break;
		case 'L':
			relay->linger = true;
			break;
		case 'a':
			addresses = optarg;
			break;
		case 'D':
			relay->dark_from = value * MILLISECOND;
			relay->dark_for = after_comma(optarg) * MILLISECOND;
			break;
		case 's':
			relay->random += value * 0x9e3779b97f4a7c15ull;
			break;
		default:
			exit(2);
		}
	}
	if (argc - optind != 2 || arq_address_parse(&relay->listen, argv[optind]) ||
	    arq_address_parse(&relay->server, argv[optind + 1])) {
		fprintf(stderr, "usage: relay [OPTIONS] LISTEN:PORT SERVER:PORT\n");
		exit(2);
	}
	relay->sources[0].sa.sa_family = relay->server.sa.sa_family;
	relay->source_count = 1;
	if (addresses)
		set_sources(relay, addresses);
}

int main(int argc, char **argv)
{
	struct sigaction action = {.sa_handler = end};
	struct relay relay = {
		.random = 0x2545f4914f6cdd1dull,
		.sockets = {{.events = POLLIN}},
	};

	for (size_t i = 1; i < SOCKETS; i++)
		relay.sockets[i] = (struct pollfd){.fd = -1, .events = POLLIN};
	parse(&relay, argc, argv);
	relay.queue = calloc(QUEUE, sizeof(*relay.queue));
	if (!relay.queue)
		fail("memory");
	relay.sockets[0].fd = open_socket(&relay.listen);
	rebind(&relay, now_ns());
	sigaction(SIGTERM, &action, NULL);
	fprintf(stderr, "relays\n");
	run(&relay);
	fprintf(stderr, "%lu passed, %lu lost, %lu changed, %lu rebinds\n", relay.passed,
		relay.lost, relay.changed, relay.rebinds);
	free(relay.queue);
	return 0;
}
