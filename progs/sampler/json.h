/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A sample as one line of JSON. Keys and their order are stable, new ones come at the end:
 *
 *   time (seconds since 1970, nine decimals), interface, queue, cpu, slot, verdict, reason, rule
 * and rule_name (null without a rule), length, captured, one_in, sequence, lost (samples of the
 *   interface that were lost since the line before), vlan, ethertype, protocol, source,
 * source_port, destination, destination_port, quic_version (null where the packet has none), head
 * (hexadecimal, on request)
 */
#ifndef ARQUANT_PROGS_SAMPLER_JSON_H
#define ARQUANT_PROGS_SAMPLER_JSON_H

#include "progs/sampler/flow.h"

#include <arquant/sample.h>
#include <stdio.h>

struct arq_sample_about {
	const char *interface; /* name */
	const char *rule_name; /* "" for none */
	uint64_t time_ns; /* wall clock */
	uint64_t lost; /* before this one */
};

/* Prints the line. Returns 0, or the negative errno of the output. */
int arq_sample_json(FILE *file, const struct arq_sample *sample, const struct arq_flow *flow,
		    const struct arq_sample_about *about, bool head);

/* Prints a string with its quotes, escaped as RFC 8259 says; bytes beyond ASCII as they are. */
void arq_json_string(FILE *file, const char *text);

#endif
