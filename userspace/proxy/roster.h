/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who the targets of a pool are at a time: those that the configuration gives by address, and the
 * addresses that names now have. With what goes by their order: what the daemon knows of them
 * (member.h), and the table of consistent-hash (maglev.h).
 *
 * The main thread makes one, and another when a name's addresses change; all workers share it.
 * Nothing of it changes but what members are counted by, so it needs no lock; it is counted, since
 * a target that left needs its own until its last request is over. Nothing of the configuration is
 * borrowed.
 */
#ifndef ARQUANT_PROXY_ROSTER_H
#define ARQUANT_PROXY_ROSTER_H

#include "userspace/common/address.h"
#include "userspace/common/config.h"
#include "userspace/proxy/maglev.h"
#include "userspace/proxy/member.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Whoever knows the addresses of names. */
struct arq_proxy_names {
	/*
	 * Writes the addresses of a name, without port, in an order that only depends on them:
	 * ARQ_CONFIG_NAME_ADDRESSES_MAX at most. Returns how many; 0: none are known (yet).
	 */
	size_t (*addresses)(void *user, const char *name, union arq_address *list);
	void *user;
};

struct arq_roster_target {
	union arq_address address;
	char text[ARQ_ADDRESS_TEXT_MAX]; /* the same; as written, where it is configured */
	char *configured; /* as the configuration writes it, with a name or without */
	char *server_name; /* for SNI and verification: at least the address without port */
	uint32_t weight;
	bool backup;
};

struct arq_roster {
	atomic_size_t references;
	struct arq_members *members; /* in the order of the targets */
	struct arq_maglev *maglev; /* NULL without consistent-hash, or without targets */
	size_t count;
	struct arq_roster_target targets[]; /* each address once */
};

/*
 * The targets of a pool now. `names` may be NULL: nobody knows any name. `previous` is what the
 * pool of that name had before, or NULL: targets that it had, by their address, keep their state.
 * Returns 0 and *roster with one reference, or -ENOMEM.
 */
int arq_roster_create(const struct arq_config_pool *config, const struct arq_proxy_names *names,
		      const struct arq_roster *previous, struct arq_roster **roster);

/* Any thread. */
struct arq_roster *arq_roster_get(struct arq_roster *roster);
void arq_roster_put(struct arq_roster *roster); /* NULL is allowed */

/* The same target, as far as connections to it and its share are concerned. */
bool arq_roster_same_target(const struct arq_roster_target *a, const struct arq_roster_target *b);

/* The same targets in the same order. */
bool arq_roster_same(const struct arq_roster *a, const struct arq_roster *b);

#endif
