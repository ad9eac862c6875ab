/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What can be changed in a program while it runs: `volatile struct arq_tunables arq_tunables` in
 * its section `.data.arq_tunables`, pinned as "data" and writable through mmap. Every member is one
 * word, written at once; the program reads it afresh for every packet.
 */
#ifndef ARQUANT_TUNABLES_H
#define ARQUANT_TUNABLES_H

#include <linux/types.h>

#define ARQ_SNAPLEN_DEFAULT 128 /* all headers up to the QUIC connection IDs */

struct arq_tunables {
	__u32 first; /* 1: this program trusts no metadata that it finds (arquant/packet.h); else 0
		      */
	__u32 sample_one_in; /* 1 packet in so many that pass becomes a sample; 0: none */
	__u32 snaplen; /* bytes of a packet in a sample, 1 to ARQ_SNAPLEN_MAX */
	__u32 drop_one_in; /* the same for packets that are dropped */
};

#endif
