/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Counters and state of network interfaces, as sFlow wants them, by rtnetlink. One thread; no
 * privileges needed.
 */
#ifndef ARQUANT_COMMAND_SAMPLER_LINK_H
#define ARQUANT_COMMAND_SAMPLER_LINK_H

#include "progs/sampler/sflow.h"
#include "userspace/common/error.h"

struct arq_links;

/* Returns 0 and *links, or a negative errno with the reason in `error`. */
int arq_links_open(struct arq_links **links, struct arq_error *error);
void arq_links_close(struct arq_links *links);

/* Reads one interface. Returns 0 or a negative errno, -ENODEV when it is not there. */
int arq_link_read(struct arq_links *links, uint32_t ifindex, struct arq_sflow_interface *interface);

#endif
