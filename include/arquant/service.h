/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Key and value of the redirect's service table (hash map `services`): UDP datagrams to such an
 * address and port are handed to the AF_XDP socket of their receive queue (XSKMAP `xsks`, indexed
 * by queue), and pass to the kernel while that queue has none.
 */
#ifndef ARQUANT_SERVICE_H
#define ARQUANT_SERVICE_H

#include <linux/types.h>

#define ARQ_SERVICES_MAX 1024
#define ARQ_QUEUES_MAX   256 /* entries of xsks; higher queues always pass to the kernel */

struct arq_service_key {
	__u8 address[16]; /* network byte order; IPv4 as ::ffff:a.b.c.d; all zero for any */
	__be16 port; /* UDP destination port */
	__u16 zero; /* padding, always 0: keys are compared as bytes */
};

struct arq_service {
	__u32 flags; /* none defined yet, 0 */
};

#endif
