/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The next hop of a destination, for packets that do not answer a received one: asks the kernel's
 * routing and neighbour tables over rtnetlink and remembers what it said.
 *
 * The cache has a fixed size and its entries live for a second, so that a changed route or a moved
 * neighbour is noticed; an unknown one is asked about again after 50 ms. A miss costs two or three
 * system calls, answered at once by the kernel: nothing blocks. When the kernel does not know the
 * neighbour, or is not sure of it any more, it is told to resolve it (RTM_NEWNEIGH with NTF_USE,
 * which needs CAP_NET_ADMIN; without it an address that nobody else resolves stays unknown).
 *
 * Belongs to one thread. Sees the network namespace of the thread that created it.
 */
#ifndef ARQUANT_IO_NEIGHBOUR_H
#define ARQUANT_IO_NEIGHBOUR_H

#include "userspace/common/address.h"
#include "userspace/io/io.h"

#include <stdbool.h>
#include <stdint.h>

/* An untagged Ethernet header. */
#define ARQ_NEIGHBOUR_LINK 14

struct arq_neighbours;

/* For next hops on one Ethernet interface. Returns 0, or a negative errno with the reason. */
int arq_neighbours_create(const char *interface, struct arq_neighbours **neighbours,
			  struct arq_error *error);

/*
 * Writes the Ethernet header that reaches `remote` (its port is not looked at). Returns false when
 * the route does not leave by this very interface, or the neighbour is unknown so far.
 */
bool arq_neighbours_find(struct arq_neighbours *neighbours, const union arq_address *remote,
			 uint8_t link[ARQ_NEIGHBOUR_LINK]);

/* NULL is allowed. */
void arq_neighbours_destroy(struct arq_neighbours *neighbours);

#endif
