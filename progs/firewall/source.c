// SPDX-License-Identifier: BSD-2-Clause
#include "progs/firewall/source.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* Prefixes that enclose each other have different lengths, 0 to 128. */
#define NESTING_MAX 129

/* The prefixes around the current one, outermost first. */
struct nesting {
	struct arq_source levels[NESTING_MAX]; /* rule: the one that decides there */
	size_t depth;
};

/* An enclosing prefix comes before what it encloses; of equal ones the first rule comes first. */
static int compare_sources(const void *left, const void *right)
{
	const struct arq_source *a = left;
	const struct arq_source *b = right;

	if (a->high != b->high)
		return a->high < b->high ? -1 : 1;
	if (a->low != b->low)
		return a->low < b->low ? -1 : 1;
	if (a->length != b->length)
		return a->length < b->length ? -1 : 1;
	return a->rule < b->rule ? -1 : a->rule > b->rule;
}

/* The first `bits` of 64 bits set. */
static uint64_t mask(unsigned int bits)
{
	return bits == 0 ? 0 : ~0ULL << (64 - bits);
}

static bool covers(const struct arq_source *outer, const struct arq_source *inner)
{
	uint64_t high = mask(outer->length < 64 ? outer->length : 64);
	uint64_t low = mask(outer->length > 64 ? outer->length - 64u : 0);

	return outer->length <= inner->length && ((outer->high ^ inner->high) & high) == 0 &&
	       ((outer->low ^ inner->low) & low) == 0;
}

/*
 * The next prefix in order: finds the prefixes around it and makes source->rule the rule that
 * decides in it. Returns false when that is decided already by the prefix around it.
 */
static bool nest(struct nesting *nesting, struct arq_source *source)
{
	while (nesting->depth && !covers(&nesting->levels[nesting->depth - 1], source))
		nesting->depth--;
	/* Also when it is the same prefix again: the first rule's came first. */
	if (nesting->depth && nesting->levels[nesting->depth - 1].rule <= source->rule)
		return false;
	nesting->levels[nesting->depth++] = *source;
	return true;
}

static void store(uint8_t *bytes, uint64_t value, size_t count)
{
	for (size_t i = 0; i < count; i++)
		bytes[i] = (uint8_t)(value >> (56 - 8 * i));
}

static void append(struct arq_policy_table *table, int family, const struct arq_source *source)
{
	if (family == AF_INET) {
		struct arq_source_key_v4 *key = (struct arq_source_key_v4 *)table->keys;
		key += table->count;
		key->length = source->length;
		store(key->address, source->high, sizeof(key->address));
	} else {
		struct arq_source_key_v6 *key = (struct arq_source_key_v6 *)table->keys;
		key += table->count;
		key->length = source->length;
		store(key->address, source->high, 8);
		store(key->address + 8, source->low, 8);
	}
	table->values[table->count++].rule = source->rule;
}

int arq_sources_compile(const struct arq_sources *sources, int family,
			struct arq_policy_table *table)
{
	size_t key_size = family == AF_INET ? sizeof(struct arq_source_key_v4)
					    : sizeof(struct arq_source_key_v6);
	struct nesting nesting = {.depth = 0};

	*table = (struct arq_policy_table){0};
	if (sources->count == 0)
		return 0;
	struct arq_source *sorted = reallocarray(NULL, sources->count, sizeof(*sorted));
	table->keys = calloc(sources->count, key_size);
	table->values = calloc(sources->count, sizeof(*table->values));
	if (!sorted || !table->keys || !table->values) {
		free(sorted);
		arq_policy_table_free(table);
		return -ENOMEM;
	}
	memcpy(sorted, sources->items, sources->count * sizeof(*sorted));
	qsort(sorted, sources->count, sizeof(*sorted), compare_sources);
	for (size_t i = 0; i < sources->count; i++) {
		if (nest(&nesting, &sorted[i]))
			append(table, family, &sorted[i]);
	}
	free(sorted);
	return 0;
}

/* Sets `count` bits, a power of two, from a multiple of it on. */
static void set_bits(uint8_t *bits, uint32_t first, uint32_t count)
{
	if (count >= 8)
		memset(bits + first / 8, 0xff, count / 8);
	else
		bits[first / 8] |= (uint8_t)(((1u << count) - 1) << first % 8);
}

void arq_sources_filter(const struct arq_sources *sources, int family,
			uint8_t bits[ARQ_SOURCE_FILTER_BYTES])
{
	/* A prefix this long has one bit, one that is 16 shorter has all of them. */
	const unsigned int exact = family == AF_INET ? 16 : 32;

	for (size_t i = 0; i < sources->count; i++) {
		const struct arq_source *source = &sources->items[i];
		uint32_t head = (uint32_t)(source->high >> 32);
		uint32_t bit =
			family == AF_INET ? ARQ_SOURCE_BIT_V4(head) : ARQ_SOURCE_BIT_V6(head);
		unsigned int missing = source->length < exact ? exact - source->length : 0;
		uint32_t count = 1u << (missing < 16 ? missing : 16);
		/* Folding keeps a block of addresses together: it only exchanges blocks. */
		set_bits(bits, bit & ~(count - 1), count);
	}
}
