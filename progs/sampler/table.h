/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sums up samples by flow, or by a part of it, and estimates what crossed the card.
 *
 * A sample taken at 1 in N stands for N packets of its length. Since each packet was chosen by
 * itself with probability 1/N, the estimate is unbiased, and its variance is estimated by the sum
 * of N (N - 1) (times the length's square, for bytes) over the samples: exactly 0 at 1 in 1. What
 * is told as error is 1.96 standard deviations: 95 of 100 times the truth is within it, when there
 * are more than a handful of samples. Samples that were lost are not made up for.
 *
 * The table has a fixed size: what finds no place counts in the total only. One thread.
 */
#ifndef ARQUANT_PROGS_SAMPLER_TABLE_H
#define ARQUANT_PROGS_SAMPLER_TABLE_H

#include "progs/sampler/flow.h"

#include <arquant/firewall.h>
#include <arquant/sample.h>

/* Different flows in one interval; at 1 in N each stands for about N times as many. */
#define ARQ_TABLE_ENTRIES 16384

enum arq_table_key {
	ARQ_TABLE_FLOW, /* both addresses and ports, protocol */
	ARQ_TABLE_SOURCE, /* address */
	ARQ_TABLE_DESTINATION,
	ARQ_TABLE_SERVICE, /* destination address and port, protocol */
	ARQ_TABLE_REASON, /* verdict, reason, rule by its name, or by number without one */
	ARQ_TABLE_QUIC, /* version */
	ARQ_TABLE_KEYS,
};

/* What a row is about: the members that the table's key names, the others zero. */
struct arq_table_row {
	struct arq_flow flow;
	char rule_name[ARQ_RULE_NAME_MAX]; /* "": unknown, or no rule */
	uint32_t rule; /* 0: none, or known by name */
	uint16_t reason;
	uint8_t verdict;
	uint64_t samples;
	double packets, packets_variance; /* estimates */
	double bytes, bytes_variance;
};

struct arq_table;

/* "flow", "source" and so on; -1 for another word. */
int arq_table_key_parse(const char *text);
const char *arq_table_key_name(enum arq_table_key key);

/* Returns 0 and *table, or -ENOMEM. */
int arq_table_create(enum arq_table_key key, struct arq_table **table);
void arq_table_destroy(struct arq_table *table);

/* `rule_name` of the sample's rule, "" for none or unknown. */
void arq_table_add(struct arq_table *table, const struct arq_sample *sample,
		   const struct arq_flow *flow, const char *rule_name);

/*
 * The rows with the most bytes, at most `count`, into `rows` in falling order; in *total the sum of
 * all. Returns how many there are. Empties the table.
 */
size_t arq_table_take(struct arq_table *table, struct arq_table_row *rows, size_t count,
		      struct arq_table_row *total);

/* 1.96 standard deviations. */
double arq_table_error(double variance);

#endif
