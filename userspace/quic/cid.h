/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The table that finds the owner of a connection id.
 *
 * The table is open addressing with linear probing. Peers choose some of the keys (the Destination
 * Connection ID of a first Initial), so the hash is keyed: SipHash-1-3. Stateless reset tokens of
 * peers are found by a second table of the same kind.
 */
#ifndef ARQUANT_QUIC_CID_H
#define ARQUANT_QUIC_CID_H

#include <ngtcp2/ngtcp2.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What connection ids point to: the first member of a connection or of the rest of one. */
struct cid_owner {
	enum {
		CID_CONNECTION,
		CID_CLOSING,
	} kind;
};

struct cid_table;

/* Returns NULL when there is no memory. */
struct cid_table *cid_table_create(void);
void cid_table_destroy(struct cid_table *table);

/*
 * Enters a key of 1 to 20 octets; one that is there gets the new owner only when `replace`.
 * Returns 0, -EEXIST or -ENOMEM.
 */
int cid_table_insert(struct cid_table *table, const uint8_t *key, size_t length,
		     struct cid_owner *owner, bool replace);

/* NULL when there is none. */
struct cid_owner *cid_table_find(const struct cid_table *table, const uint8_t *key, size_t length);

/* Takes the key out if it belongs to `owner`. */
void cid_table_remove(struct cid_table *table, const uint8_t *key, size_t length,
		      const struct cid_owner *owner);

/* Takes every key of `owner` out, by looking at the whole table: for when its list is not to be
 * had. */
void cid_table_purge(struct cid_table *table, const struct cid_owner *owner);

#endif
