/* SPDX-License-Identifier: BSD-2-Clause */
#include "userspace/quic/cid.h"

#include <errno.h>
#include <gnutls/crypto.h>
#include <stdlib.h>
#include <string.h>

#define SLOTS_MIN 256 /* 8 KiB, enough for a few dozen connections */

struct slot {
	struct cid_owner *owner; /* NULL: free */
	uint32_t hash;
	uint8_t length;
	uint8_t key[NGTCP2_MAX_CIDLEN];
};

struct cid_table {
	uint64_t secret[2];
	size_t mask; /* number of slots less one; a power of two of them */
	size_t used;
	struct slot *slots;
};

static inline uint64_t rotate(uint64_t x, int bits)
{
	return x << bits | x >> (64 - bits);
}

static inline void sip_round(uint64_t v[4])
{
	v[0] += v[1];
	v[2] += v[3];
	v[1] = rotate(v[1], 13) ^ v[0];
	v[3] = rotate(v[3], 16) ^ v[2];
	v[0] = rotate(v[0], 32);
	v[2] += v[1];
	v[0] += v[3];
	v[1] = rotate(v[1], 17) ^ v[2];
	v[3] = rotate(v[3], 21) ^ v[0];
	v[2] = rotate(v[2], 32);
}

/* SipHash-1-3 (Aumasson, Bernstein) of up to 20 octets, cut to 32 bits. */
static uint32_t hash(const struct cid_table *table, const uint8_t *key, size_t length)
{
	uint64_t words[3] = {0};
	uint64_t v[4] = {
		table->secret[0] ^ 0x736f6d6570736575,
		table->secret[1] ^ 0x646f72616e646f6d,
		table->secret[0] ^ 0x6c7967656e657261,
		table->secret[1] ^ 0x7465646279746573,
	};

	memcpy(words, key, length);
	words[length / 8] |= (uint64_t)length << 56;
	for (size_t i = 0; i <= length / 8; i++) {
		v[3] ^= words[i];
		sip_round(v);
		v[0] ^= words[i];
	}
	v[2] ^= 0xff;
	sip_round(v);
	sip_round(v);
	sip_round(v);
	v[0] ^= v[1] ^ v[2] ^ v[3];
	return (uint32_t)(v[0] ^ v[0] >> 32);
}

struct cid_table *cid_table_create(void)
{
	struct cid_table *table = calloc(1, sizeof(*table));

	if (!table)
		return NULL;
	table->slots = calloc(SLOTS_MIN, sizeof(*table->slots));
	if (!table->slots || gnutls_rnd(GNUTLS_RND_RANDOM, table->secret, sizeof(table->secret))) {
		cid_table_destroy(table);
		return NULL;
	}
	table->mask = SLOTS_MIN - 1;
	return table;
}

void cid_table_destroy(struct cid_table *table)
{
	if (!table)
		return;
	free(table->slots);
	free(table);
}

/* The slot of the key, or the free one where it would go. */
static size_t locate(const struct cid_table *table, uint32_t hashed, const uint8_t *key,
		     size_t length)
{
	size_t i = hashed & table->mask;

	while (table->slots[i].owner) {
		const struct slot *slot = &table->slots[i];

		if (slot->hash == hashed && slot->length == length &&
		    memcmp(slot->key, key, length) == 0)
			break;
		i = (i + 1) & table->mask;
	}
	return i;
}

static int grow(struct cid_table *table)
{
	size_t mask = table->mask * 2 + 1;
	struct slot *slots = calloc(mask + 1, sizeof(*slots));

	if (!slots)
		return -ENOMEM;
	for (size_t i = 0; i <= table->mask; i++) {
		size_t j = table->slots[i].hash & mask;

		if (!table->slots[i].owner)
			continue;
		while (slots[j].owner)
			j = (j + 1) & mask;
		slots[j] = table->slots[i];
	}
	free(table->slots);
	table->slots = slots;
	table->mask = mask;
	return 0;
}

int cid_table_insert(struct cid_table *table, const uint8_t *key, size_t length,
		     struct cid_owner *owner, bool replace)
{
	uint32_t hashed = hash(table, key, length);
	struct slot *slot;

	/* Half full at most: probe chains stay short. */
	if ((table->used + 1) * 2 > table->mask && grow(table))
		return -ENOMEM;
	slot = &table->slots[locate(table, hashed, key, length)];
	if (slot->owner) {
		if (!replace && slot->owner != owner)
			return -EEXIST;
		slot->owner = owner;
		return 0;
	}
	slot->owner = owner;
	slot->hash = hashed;
	slot->length = (uint8_t)length;
	memcpy(slot->key, key, length);
	table->used++;
	return 0;
}

struct cid_owner *cid_table_find(const struct cid_table *table, const uint8_t *key, size_t length)
{
	if (length == 0 || length > NGTCP2_MAX_CIDLEN)
		return NULL;
	return table->slots[locate(table, hash(table, key, length), key, length)].owner;
}

/* Empties a slot and closes the gap: whoever probed past it moves back into it. */
static void empty(struct cid_table *table, size_t hole)
{
	size_t next = hole;

	table->slots[hole].owner = NULL;
	table->used--;
	for (;;) {
		size_t home;

		next = (next + 1) & table->mask;
		if (!table->slots[next].owner)
			return;
		home = table->slots[next].hash & table->mask;
		if (((next - home) & table->mask) < ((next - hole) & table->mask))
			continue;
		table->slots[hole] = table->slots[next];
		table->slots[next].owner = NULL;
		hole = next;
	}
}

void cid_table_remove(struct cid_table *table, const uint8_t *key, size_t length,
		      const struct cid_owner *owner)
{
	size_t slot = locate(table, hash(table, key, length), key, length);

	if (table->slots[slot].owner == owner)
		empty(table, slot);
}

void cid_table_purge(struct cid_table *table, const struct cid_owner *owner)
{
	/* Emptying a slot may move another of the owner's into it: look again before going on. */
	for (size_t i = 0; i <= table->mask; i++) {
		while (table->slots[i].owner == owner)
			empty(table, i);
	}
}
