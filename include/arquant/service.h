/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The redirect's service table: UDP datagrams to such an address and port are handed to the AF_XDP
 * socket of their receive queue (XSKMAP `xsks`, indexed by queue), and pass to the kernel while
 * that queue has none.
 *
 * One `struct arq_services arq_services` in section `.bss.services`, pinned as "services": a plain
 * table, found by port, that the program reads without a helper call (a hash look-up costs more
 * than parsing the packet). User space writes it through mmap while the program reads, one writer
 * at a time, and in an order that keeps every state in between harmless: an address is written
 * before it is counted, a set is filled before its port points to it, and a set is unhooked from
 * its port before another port gets it; a program that still looks at it sees the wrong port.
 */
#ifndef ARQUANT_SERVICE_H
#define ARQUANT_SERVICE_H

#include <linux/types.h>

#define ARQ_QUEUES_MAX 256 /* entries of xsks; higher queues always pass to the kernel */

/* Limits of the table. Set 0 stands for "no service on this port". */
#define ARQ_SERVICE_SETS      64 /* ports with a service, and one; a power of two */
#define ARQ_SERVICE_ADDRESSES 32 /* on one port; more than that is what "any address" is for */

/* Network byte order, in two words for comparison; IPv4 as ::ffff:a.b.c.d. */
struct arq_service_address {
	__be64 words[2];
};

/* The services on one port. */
struct arq_service_set {
	__be16 port; /* 0: free */
	__u8 any; /* not 0: every address of both families is a service */
	__u8 count; /* addresses that are */
	__u32 reserved;
	struct arq_service_address addresses[ARQ_SERVICE_ADDRESSES];
};

struct arq_services {
	__u8 set_of_port[65536]; /* index into sets; by port in network byte order, as in packets */
	struct arq_service_set sets[ARQ_SERVICE_SETS];
};

#endif
