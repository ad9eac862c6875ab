/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reads the packets of a capture file, pcap (libpcap's savefile) or pcapng, of Ethernet frames.
 * Every number in it is foreign: a file that contradicts itself is an error that says where, and
 * takes no memory beyond the largest packet. One thread.
 */
#ifndef ARQUANT_COMMAND_TRACE_FILE_H
#define ARQUANT_COMMAND_TRACE_FILE_H

#include "userspace/common/error.h"

#include <stddef.h>
#include <stdint.h>

/* Larger than any frame that a capture of an interface has, segments that were put together too. */
#define ARQ_TRACE_FILE_PACKET_MAX (256 * 1024)

struct arq_trace_file;

struct arq_trace_file_packet {
	uint64_t number; /* in the file, from 1 */
	const uint8_t *frame; /* valid until the next call */
	size_t length; /* as it was on the wire; what was not captured is zero */
	size_t captured;
};

/* "-": stdin. Returns 0 and *file, or a negative errno with the reason in `error`. */
int arq_trace_file_open(const char *path, struct arq_trace_file **file, struct arq_error *error);

/*
 * Reads the next packet. Returns 1, 0 at the end of the file, or a negative errno with the reason
 * in `error`.
 */
int arq_trace_file_next(struct arq_trace_file *file, struct arq_trace_file_packet *packet,
			struct arq_error *error);

/* NULL is fine. */
void arq_trace_file_close(struct arq_trace_file *file);

#endif
