// SPDX-License-Identifier: BSD-2-Clause
#include "progs/sampler/table.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Twice the entries, so that a search ends soon. */
#define SLOTS (2 * ARQ_TABLE_ENTRIES)

struct arq_table {
	enum arq_table_key key;
	size_t rows_count;
	struct arq_table_row total;
	struct arq_table_row rows[ARQ_TABLE_ENTRIES];
	uint32_t slots[SLOTS]; /* number of the row, from 1; 0: free */
};

static const char *const key_names[ARQ_TABLE_KEYS] = {"flow",    "source", "destination",
						      "service", "reason", "quic"};

int arq_table_key_parse(const char *text)
{
	for (int key = 0; key < ARQ_TABLE_KEYS; key++) {
		if (strcmp(key_names[key], text) == 0)
			return key;
	}
	return -1;
}

const char *arq_table_key_name(enum arq_table_key key)
{
	return key_names[key];
}

int arq_table_create(enum arq_table_key key, struct arq_table **table)
{
	*table = calloc(1, sizeof(**table));
	if (!*table)
		return -ENOMEM;
	(*table)->key = key;
	return 0;
}

void arq_table_destroy(struct arq_table *table)
{
	free(table);
}

/* What the key names, the rest zero, padding included: rows are compared as bytes. */
static void make_key(enum arq_table_key key, const struct arq_sample *sample,
		     const struct arq_flow *flow, const char *rule_name, struct arq_table_row *row)
{
	bool source = key == ARQ_TABLE_FLOW || key == ARQ_TABLE_SOURCE;
	bool destination =
		key == ARQ_TABLE_FLOW || key == ARQ_TABLE_DESTINATION || key == ARQ_TABLE_SERVICE;

	memset(row, 0, sizeof(*row));
	if (source || destination)
		row->flow.family = flow->family;
	if (source)
		memcpy(row->flow.source, flow->source, sizeof(flow->source));
	if (destination)
		memcpy(row->flow.destination, flow->destination, sizeof(flow->destination));
	if (key == ARQ_TABLE_FLOW)
		row->flow.source_port = flow->source_port;
	if (key == ARQ_TABLE_FLOW || key == ARQ_TABLE_SERVICE) {
		row->flow.destination_port = flow->destination_port;
		row->flow.protocol = flow->protocol;
	}
	if (key == ARQ_TABLE_REASON) {
		row->verdict = sample->verdict;
		row->reason = sample->reason;
		/* The same rule has other numbers on other interfaces and after a reload. */
		if (rule_name[0])
			snprintf(row->rule_name, sizeof(row->rule_name), "%s", rule_name);
		else
			row->rule = sample->rule;
	}
	if (key == ARQ_TABLE_QUIC)
		row->flow.quic_version = flow->quic_version;
}

static bool same_key(const struct arq_table_row *a, const struct arq_table_row *b)
{
	return memcmp(&a->flow, &b->flow, sizeof(a->flow)) == 0 && a->rule == b->rule &&
	       a->reason == b->reason && a->verdict == b->verdict &&
	       strcmp(a->rule_name, b->rule_name) == 0;
}

/* FNV-1a: the table is emptied every interval, and full it still works. */
static uint32_t hash_key(const struct arq_table_row *row)
{
	const uint8_t *bytes = (const uint8_t *)&row->flow;
	uint32_t hash = 2166136261u ^ row->rule ^ (uint32_t)row->reason << 16 ^ row->verdict;

	for (size_t i = 0; i < sizeof(row->flow); i++)
		hash = (hash ^ bytes[i]) * 16777619u;
	for (const char *c = row->rule_name; *c; c++)
		hash = (hash ^ (uint8_t)*c) * 16777619u;
	return hash ^ hash >> 15;
}

/* The row of that key, or NULL when there is no room for it. */
static struct arq_table_row *find_row(struct arq_table *table, const struct arq_table_row *key)
{
	uint32_t slot = hash_key(key) % SLOTS;

	while (table->slots[slot]) {
		struct arq_table_row *row = &table->rows[table->slots[slot] - 1];
		if (same_key(row, key))
			return row;
		slot = (slot + 1) % SLOTS;
	}
	if (table->rows_count == ARQ_TABLE_ENTRIES)
		return NULL;
	struct arq_table_row *row = &table->rows[table->rows_count++];
	*row = *key;
	table->slots[slot] = (uint32_t)table->rows_count;
	return row;
}

static void add(struct arq_table_row *row, double one_in, double length)
{
	row->samples++;
	row->packets += one_in;
	row->packets_variance += one_in * (one_in - 1);
	row->bytes += one_in * length;
	row->bytes_variance += one_in * (one_in - 1) * length * length;
}

void arq_table_add(struct arq_table *table, const struct arq_sample *sample,
		   const struct arq_flow *flow, const char *rule_name)
{
	struct arq_table_row key;
	double one_in = sample->one_in ? sample->one_in : 1;

	make_key(table->key, sample, flow, rule_name, &key);
	struct arq_table_row *row = find_row(table, &key);
	if (row)
		add(row, one_in, sample->length);
	add(&table->total, one_in, sample->length);
}

static int compare_bytes(const void *a, const void *b)
{
	double x = ((const struct arq_table_row *)a)->bytes;
	double y = ((const struct arq_table_row *)b)->bytes;

	return x > y ? -1 : x < y;
}

size_t arq_table_take(struct arq_table *table, struct arq_table_row *rows, size_t count,
		      struct arq_table_row *total)
{
	qsort(table->rows, table->rows_count, sizeof(table->rows[0]), compare_bytes);
	if (count > table->rows_count)
		count = table->rows_count;
	memcpy(rows, table->rows, count * sizeof(*rows));
	*total = table->total;
	table->rows_count = 0;
	table->total = (struct arq_table_row){0};
	memset(table->slots, 0, sizeof(table->slots));
	return count;
}

double arq_table_error(double variance)
{
	return 1.96 * sqrt(variance);
}
