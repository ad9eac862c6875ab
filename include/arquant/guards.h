/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The firewall's guards: what it decides about packets before it asks any rule. Their settings are
 * `struct arq_guards arq_guards[ARQ_GUARD_GENERATIONS]` in section `.bss.guards`, pinned as
 * "guards", writable through mmap; a program reads the element of the generation in force, so that
 * they change with the rules. Zero is: no guard.
 *
 * What they remember outlives a change of settings:
 *   `arq_too_big_state`  section `.bss.too_big`, one pin for the machine: the rate of answers is
 *                        one for all interfaces and CPUs
 *   `quic_sources`       LRU hash of struct arq_limit_key: Initials by source
 *   `knock_progress`     LRU hash of struct arq_knock_key: how far a source has come
 *   `knock_open`         LRU hash of struct arq_knock_key: to whom a knock's ports are open
 */
#ifndef ARQUANT_GUARDS_H
#define ARQUANT_GUARDS_H

#include <arquant/limit.h>
#include <arquant/rate.h>
#include <linux/types.h>

#define ARQ_GUARD_GENERATIONS 2

/* struct arq_guards.flags */
#define ARQ_GUARD_IPV4_OPTIONS    (1u << 0) /* drop IPv4 packets with options */
#define ARQ_GUARD_EVIL_BIT        (1u << 1) /* drop IPv4 packets with the reserved flag */
#define ARQ_GUARD_FRAGMENTS       (1u << 2) /* drop fragments */
#define ARQ_GUARD_TOO_BIG         (1u << 3) /* and answer the first of a datagram */
#define ARQ_GUARD_QUIC            (1u << 4) /* look at datagrams to QUIC ports */
#define ARQ_GUARD_QUIC_FIXED_BIT  (1u << 5) /* drop those without the fixed bit */
#define ARQ_GUARD_QUIC_SHORT_DCID (1u << 6) /* drop Initials with short destination CIDs */
#define ARQ_GUARD_QUIC_VERSIONS   (1u << 7) /* limit those of unknown versions */
#define ARQ_GUARD_QUIC_INITIALS   (1u << 8) /* limit Initials, by source unless told otherwise */
#define ARQ_GUARD_KNOCKS          (1u << 9) /* there are knocks */
#define ARQ_GUARD_KNOCKS_UDP      (1u << 10) /* and some of them have steps of UDP */
#define ARQ_GUARD_QUIC_ALL        (1u << 11) /* limit Initials of all sources together */

/* struct arq_guards.ports: what a destination port is to the guards. */
#define ARQ_PORT_QUIC       (1u << 0) /* of UDP */
#define ARQ_PORT_KNOCK_TCP  (1u << 1) /* a step of a knock */
#define ARQ_PORT_KNOCK_UDP  (1u << 2)
#define ARQ_PORT_CLOSED_TCP (1u << 3) /* closed to those who have not knocked */
#define ARQ_PORT_CLOSED_UDP (1u << 4)

/* Slots of limits, above those of rules (arquant/limit.h). */
#define ARQ_LIMIT_SLOT_VERSIONS (ARQ_LIMIT_SLOTS - 1)
#define ARQ_LIMIT_SLOT_INITIALS (ARQ_LIMIT_SLOTS - 2)
#define ARQ_LIMIT_SLOT_ALL      (ARQ_LIMIT_SLOTS - 3)

/* A QUIC client's first datagram and its destination connection ID are no smaller (RFC 9000, 14.1
 * and 7.2). */
#define ARQ_QUIC_INITIAL_MIN      1200
#define ARQ_QUIC_INITIAL_DCID_MIN 8

#define ARQ_KNOCKS_MAX        8
#define ARQ_KNOCK_STEPS_MAX   8 /* a power of two */
#define ARQ_KNOCK_OPENS_MAX   8
#define ARQ_KNOCK_SOURCES_MAX 4096 /* who knock at once; to whom something is open at once */

/* A port of a protocol, as one number; 0 is none. */
#define ARQ_KNOCK_PORT(protocol, port) ((__u32)(protocol) << 16 | (port))

struct arq_knock {
	__u64 identity; /* in the keys: a hash of all that the knock says */
	__u64 window_ns; /* from the first step to the last, at most */
	__u64 open_ns; /* for so long are its ports open then */
	__u32 step_count; /* 1 to ARQ_KNOCK_STEPS_MAX */
	__u32 reserved;
	__u32 steps[ARQ_KNOCK_STEPS_MAX]; /* ARQ_KNOCK_PORT */
	__u32 opens[ARQ_KNOCK_OPENS_MAX];
};

struct arq_guards {
	__u32 flags; /* ARQ_GUARD_* */
	__u32 too_big_mtu; /* bytes of an IP packet, what the answers ask for */
	struct arq_rate too_big;
	struct arq_rate quic_versions;
	struct arq_limit quic_initials;
	struct arq_rate quic_all;
	__u32 knock_count;
	__u32 reserved;
	struct arq_knock knocks[ARQ_KNOCKS_MAX];
	__u8 ports[65536]; /* ARQ_PORT_*, by port in host byte order */
};

/* A cache line of its own. */
struct arq_too_big_state {
	__u64 arrival; /* as arq_rate_take() keeps it */
	__u64 reserved[7];
};

struct arq_knock_key {
	__u64 identity;
	__be32 address[4]; /* IPv4 as ::ffff:a.b.c.d */
};

/* Value of `knock_progress`: the end of the window in ns of CLOCK_MONOTONIC, and steps done. */
#define ARQ_KNOCK_PROGRESS(until_ns, steps) ((__u64)(until_ns) << 4 | (steps))
#define ARQ_KNOCK_UNTIL(progress)           ((progress) >> 4)
#define ARQ_KNOCK_STEPS(progress)           ((progress)&15)

/* Value of `knock_open`, in ns of CLOCK_MONOTONIC. */
struct arq_knock_open {
	__u64 until_ns; /* for datagrams, and for connections that begin */
	__u64 alive_ns; /* for connections that go on; every packet of them moves it on */
};

#endif
