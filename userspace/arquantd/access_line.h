/* SPDX-License-Identifier: BSD-2-Clause */
/* A record as a line of JSON (access-log.schema.json). */
#ifndef ARQUANT_ARQUANTD_ACCESS_LINE_H
#define ARQUANT_ARQUANTD_ACCESS_LINE_H

#include "userspace/proxy/record.h"

#include <stddef.h>
#include <stdint.h>

/* Every octet of a text may become six, beside keys and numbers. */
#define ARQ_ACCESS_LINE_MAX \
	(2048 + 6 * ARQ_RECORD_TEXT_MAX * (ARQ_RECORD_TEXTS + 2 * ARQ_CONFIG_LOG_HEADERS_MAX))

/*
 * Writes it into `line`, of ARQ_ACCESS_LINE_MAX octets, with the newline and no zero. `offset` is
 * CLOCK_REALTIME less CLOCK_MONOTONIC, ns. Returns its length.
 *
 * Octets of texts that are not ASCII stand for the code points of their value, so the line is valid
 * whatever a client sent.
 */
size_t arq_access_line(const struct arq_record *record, uint64_t offset, char *line);

#endif
