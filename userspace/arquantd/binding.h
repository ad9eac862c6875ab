/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where the listeners' datagrams come from. A binding is either the kernel UDP socket of one
 * listener, opened once by each of `workers` (SO_REUSEPORT spreads clients over them), or the
 * AF_XDP sockets of an interface, one for each receive queue and its worker, which carry all
 * listeners on that interface.
 *
 * A listener's `io` decides: `udp` and `xsk` say it; `auto` takes AF_XDP when the redirect is
 * loaded on the interface that the listener names, or else that has its address, and may be used,
 * and UDP sockets otherwise. Which, and why, arq_bindings_log() tells.
 *
 * For AF_XDP the listener's address is a service in the redirect's table while the daemon runs.
 * Main thread only.
 */
#ifndef ARQUANT_ARQUANTD_BINDING_H
#define ARQUANT_ARQUANTD_BINDING_H

#include "userspace/common/config.h"
#include "userspace/common/error.h"
#include "userspace/io/io.h"

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arq_binding {
	bool xsk;
	const struct arq_config_listener *listener; /* AF_XDP: the first of the interface */
	char interface[IF_NAMESIZE]; /* AF_XDP only */
	int xsks; /* descriptors of the redirect's tables; -1 for UDP */
	int services;
	uint32_t workers; /* workers 0 to this less one have an io of it */
};

struct arq_bindings {
	const struct arq_config_gateway *gateway;
	struct arq_binding *list;
	size_t count;
	size_t *of_listener; /* index of each listener's binding */
	struct arq_error *decisions; /* of each listener: how it is bound, and why, as a line */
	uint32_t registered; /* listeners whose services are in the tables, from the first */
	uint32_t workers; /* the most that a binding has */
};

/*
 * Decides for all listeners and opens the redirects' tables. `gateway` is borrowed. Returns 0, or a
 * negative errno with the reason in `error` and nothing to close.
 */
int arq_bindings_plan(const struct arq_config_gateway *gateway, struct arq_bindings *bindings,
		      struct arq_error *error);

/* Logs for each listener how it is bound, once all went well: a failed start says one line. */
void arq_bindings_log(const struct arq_bindings *bindings);

/* Removes the services that are registered and closes the tables. */
void arq_bindings_close(struct arq_bindings *bindings);

/*
 * Enters the listeners on AF_XDP into the tables: from now on their packets come. Returns 0, or a
 * negative errno with the reason in `error` and none entered.
 */
int arq_bindings_register(struct arq_bindings *bindings, struct arq_error *error);

/*
 * Opens the io of a worker (below binding->workers). Returns 0 and *io, or a negative errno with
 * the reason in `error`.
 */
int arq_binding_open(const struct arq_binding *binding, uint32_t worker, struct arq_io **io,
		     struct arq_error *error);

#endif
