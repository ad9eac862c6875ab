/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which XDP program is on which interface of this network namespace, and word of every change, by
 * rtnetlink. The kernel tells about programs that are attached or replaced by netlink (libxdp's
 * way) on interfaces that are up; of others only a look round learns. No privileges needed; one
 * thread.
 */
#ifndef ARQUANT_MONITOR_LINKS_H
#define ARQUANT_MONITOR_LINKS_H

#include "userspace/common/error.h"

#include <stdint.h>

struct arq_xdp_links;

/* `ifindex` 0: the interface is gone. `program`: id of what is attached (a dispatcher, or a program
 * alone), 0: nothing. */
typedef void (*arq_xdp_link_handler)(uint32_t ifindex, const char *name, uint32_t program,
				     void *context);

/* From now on collects changes. Returns 0 and *links, or a negative errno with the reason. */
int arq_xdp_links_open(struct arq_xdp_links **links, struct arq_error *error);
void arq_xdp_links_close(struct arq_xdp_links *links);

/* For poll(2): readable when there are changes. Owned by the links. */
int arq_xdp_links_fd(const struct arq_xdp_links *links);

/*
 * Calls the handler for each interface that changed, in whatever way. Returns 0 or a negative
 * errno: -ENOBUFS when changes were lost, and a look round is due.
 */
int arq_xdp_links_read(struct arq_xdp_links *links, arq_xdp_link_handler handler, void *context);

/* Looks round: calls the handler for each interface there is. Returns 0 or a negative errno. */
int arq_xdp_links_scan(struct arq_xdp_links *links, arq_xdp_link_handler handler, void *context);

#endif
