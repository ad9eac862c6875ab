/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The nodes of a look-up table (arquant/lookup.h), laid out from sorted prefixes of which each says
 * what its addresses refer to. Inside lookup.c; one thread.
 */
#ifndef ARQUANT_PROGS_FIREWALL_TRIE_H
#define ARQUANT_PROGS_FIREWALL_TRIE_H

#include <arquant/lookup.h>
#include <stddef.h>
#include <stdint.h>

/* Addresses are numbers: the first 64 bits and the other 64, which are 0 in IPv4, whose address are
 * the upper 32 bits of `high`. */
struct arq_trie_item {
	uint64_t high;
	uint64_t low;
	uint32_t ref; /* class or record */
	uint8_t length;
};

struct arq_trie {
	struct arq_lookup_root *root;
	struct arq_lookup_line *lines;
	size_t count, capacity; /* lines */
	unsigned int steps; /* most that an address takes, without records */

	/* While it is built: */
	const struct arq_trie_item *items;
	unsigned int width; /* bits of an address */
	unsigned int spread; /* a direct node has up to so many references for a prefix below it */
	size_t limit; /* lines; 0: none */
	size_t paths_line; /* has room for more paths */
	unsigned int paths_used;
	int status;
};

/* Makes room for a line and sets *line to its number. Returns 0 or -ENOMEM, -E2BIG. */
int arq_trie_add_line(struct arq_trie *trie, size_t *line);

/*
 * Lays out the items: ascending by address, then by length, no two the same. Lines that are there
 * already stay; they are the records. Returns 0, -ENOMEM, or -E2BIG when that many lines cannot be
 * numbered.
 */
int arq_trie_build(struct arq_trie *trie, const struct arq_trie_item *items, size_t count,
		   unsigned int width);

void arq_trie_free(struct arq_trie *trie);

#endif
