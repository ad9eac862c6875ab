/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The redirect's service table and its sockets, in the program that is loaded on an interface (the
 * redirect or the bundle, whichever is pinned). A service is a UDP address and port whose datagrams
 * go to the AF_XDP socket of their receive queue; address 0.0.0.0 or :: stands for every address of
 * either family. Changes take effect with the next packet. Needs CAP_BPF or root to open; the
 * descriptors then work without privileges.
 *
 * The program reads the table while it is changed (arquant/service.h), but two that change it at
 * once would harm each other's work: that is for one process and one thread, the daemon's.
 */
#ifndef ARQUANT_PROGS_REDIRECT_SERVICES_H
#define ARQUANT_PROGS_REDIRECT_SERVICES_H

#include "userspace/common/address.h"
#include "userspace/common/error.h"

#include <stddef.h>

/*
 * Open the tables of an interface (`pin_directory` as in progs/program.h). Return a descriptor that
 * the caller closes, or a negative errno with the reason in `error` (-ENOENT: not loaded).
 * arq_xsks_open() gives the XSKMAP, indexed by receive queue, up to ARQ_QUEUES_MAX.
 */
int arq_services_open(const char *pin_directory, struct arq_error *error);
int arq_xsks_open(const char *pin_directory, struct arq_error *error);

/*
 * Adds a service; adding it twice is no error. Returns 0 or a negative errno with `error` set
 * (-E2BIG: no room for another port, or for another address on that port).
 */
int arq_service_add(int services, const union arq_address *address, struct arq_error *error);

/* Removes a service. Returns 0, or a negative errno with `error` set (-ENOENT: it is not there). */
int arq_service_remove(int services, const union arq_address *address, struct arq_error *error);

/*
 * Writes up to `capacity` services to `addresses`, in no order. Returns how many there are (more
 * than `capacity` if it is too small), or a negative errno with `error` set.
 */
int arq_service_list(int services, union arq_address *addresses, size_t capacity,
		     struct arq_error *error);

#endif
