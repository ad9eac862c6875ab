/* SPDX-License-Identifier: BSD-2-Clause */
#include "userspace/io/io_internal.h"
#include "userspace/quic/cid.h"
#include "userspace/quic/quic.h"
#include "userspace/quic/sources.h"
#include "userspace/quic/timer.h"
#include "userspace/quic/token.h"
#include "userspace/quic/waiting.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <gnutls/crypto.h>
#include <stdlib.h>
#include <string.h>

/* --- connection ids --------------------------------------------------------------------------- */

#define MANY 20000UL

Test(quic_cid, table_against_a_plain_list)
{
	struct cid_table *table = cid_table_create();
	struct cid_owner *owners = calloc(MANY, sizeof(*owners));
	ngtcp2_cid *cids = calloc(MANY, sizeof(*cids));
	bool *present = calloc(MANY, sizeof(*present));

	srandom(1);
	for (size_t i = 0; i < MANY; i++) {
		cids[i].datalen = 1 + (size_t)random() % NGTCP2_MAX_CIDLEN;
		/* Number in the first octets makes each key one of its own. */
		if (cids[i].datalen < 4)
			cids[i].datalen = 4;
		memcpy(cids[i].data, &(uint32_t){(uint32_t)i}, 4);
	}
	for (size_t round = 0; round < 5 * MANY; round++) {
		size_t i = (size_t)random() % MANY;

		if (present[i])
			cid_table_remove(table, cids[i].data, cids[i].datalen, &owners[i]);
		else
			cr_assert_eq(cid_table_insert(table, cids[i].data, cids[i].datalen,
						      &owners[i], false),
				     0);
		present[i] = !present[i];
	}
	for (size_t i = 0; i < MANY; i++)
		cr_assert_eq(cid_table_find(table, cids[i].data, cids[i].datalen),
			     present[i] ? &owners[i] : NULL);
	cid_table_destroy(table);
	free(owners);
	free(cids);
	free(present);
}

Test(quic_cid, an_owner_is_only_replaced_on_purpose)
{
	struct cid_table *table = cid_table_create();
	struct cid_owner a = {0}, b = {0};
	const uint8_t key[] = "key";

	cr_assert_eq(cid_table_insert(table, key, 3, &a, false), 0);
	cr_assert_eq(cid_table_insert(table, key, 3, &b, false), -EEXIST);
	cr_assert_eq(cid_table_find(table, key, 3), &a);
	cid_table_remove(table, key, 3, &b);
	cr_assert_eq(cid_table_find(table, key, 3), &a);
	cr_assert_eq(cid_table_insert(table, key, 3, &b, true), 0);
	cr_assert_eq(cid_table_find(table, key, 3), &b);
	cr_assert_null(cid_table_find(table, key, 0));
	cr_assert_null(cid_table_find(table, (const uint8_t[255]){0}, 255));
	cid_table_destroy(table);
}

Test(quic_cid, purge_takes_all_of_one_owner)
{
	struct cid_table *table = cid_table_create();
	struct cid_owner a = {0}, b = {0};

	for (uint32_t i = 0; i < 5000; i++)
		cid_table_insert(table, (const uint8_t *)&i, sizeof(i), i % 3 ? &a : &b, false);
	cid_table_purge(table, &a);
	for (uint32_t i = 0; i < 5000; i++)
		cr_assert_eq(cid_table_find(table, (const uint8_t *)&i, sizeof(i)),
			     i % 3 ? NULL : &b);
	cid_table_destroy(table);
}

/* --- timers ----------------------------------------------------------------------------------- */

#define TIMERS 1000UL

Test(quic_timer, come_in_order)
{
	struct timer_heap heap = {0};
	struct timer *timers = calloc(TIMERS, sizeof(*timers));
	struct timer *first;
	uint64_t last = 0;
	size_t armed = 0, seen = 0;

	srandom(2);
	for (size_t i = 0; i < TIMERS; i++) {
		timers[i].at = TIMER_NEVER;
		cr_assert_eq(timer_reserve(&heap), 0);
	}
	for (size_t round = 0; round < 20 * TIMERS; round++) {
		struct timer *timer = &timers[(size_t)random() % TIMERS];

		timer_set(&heap, timer, random() % 4 ? (uint64_t)random() % 100000 : TIMER_NEVER);
	}
	for (size_t i = 0; i < TIMERS; i++)
		armed += timers[i].at != TIMER_NEVER;
	while ((first = timer_first(&heap))) {
		cr_assert_geq(first->at, last);
		last = first->at;
		timer_set(&heap, first, TIMER_NEVER);
		seen++;
	}
	cr_assert_eq(seen, armed);
	timer_heap_free(&heap);
	free(timers);
}

/* --- newcomers -------------------------------------------------------------------------------- */

static bool put(struct waiting *waiting, enum waiting_rank rank, uint8_t number)
{
	const struct arq_rx_packet packet = {.data = &number, .length = 1};

	return waiting_put(waiting, rank, NULL, &packet);
}

static int taken(struct waiting *waiting)
{
	const struct waiting_packet *packet = waiting_take(waiting);

	return packet ? packet->data[0] : -1;
}

Test(quic_waiting, each_rank_has_its_places)
{
	struct waiting waiting;

	cr_assert_eq(waiting_init(&waiting, 3), 0);
	for (uint8_t i = 0; i < 4; i++)
		cr_assert(put(&waiting, WAITING_UNKNOWN, i));
	cr_assert_not(put(&waiting, WAITING_UNKNOWN, 4), "four places of three asked for");
	cr_assert(put(&waiting, WAITING_PROVEN, 10), "others do not take the proven's places");
	cr_assert_eq(taken(&waiting), 10);
	for (int i = 0; i < 4; i++)
		cr_assert_eq(taken(&waiting), i);
	cr_assert_eq(taken(&waiting), -1);
	waiting_release(&waiting);
	cr_assert_eq(waiting_init(&waiting, 0), 0);
	cr_assert_not(put(&waiting, WAITING_UNKNOWN, 0));
	cr_assert_eq(taken(&waiting), -1);
	waiting_release(&waiting);
}

Test(quic_waiting, the_unknown_are_not_shut_out)
{
	struct waiting waiting;
	int unknown = 0;

	cr_assert_eq(waiting_init(&waiting, 64), 0);
	for (uint8_t i = 0; i < 64; i++) {
		put(&waiting, WAITING_PROVEN, 1);
		put(&waiting, WAITING_UNKNOWN, 0);
	}
	for (int i = 0; i < 64; i++)
		unknown += taken(&waiting) == 0;
	cr_assert_eq(unknown, 8);
	waiting_release(&waiting);
}

Test(quic_waiting, an_io_that_is_gone_is_forgotten)
{
	const struct arq_rx_packet packet = {.data = (uint8_t *)"x", .length = 1};
	struct arq_io gone = {0}, other = {0};
	struct waiting waiting;

	cr_assert_eq(waiting_init(&waiting, 4), 0);
	waiting_put(&waiting, WAITING_UNKNOWN, &gone, &packet);
	waiting_put(&waiting, WAITING_UNKNOWN, &other, &packet);
	waiting_forget(&waiting, &gone);
	cr_assert_null(waiting_take(&waiting)->io);
	cr_assert_eq(waiting_take(&waiting)->io, &other);
	waiting_release(&waiting);
}

Test(quic_sources, counts_up_to_the_limit)
{
	struct arq_quic_sources *sources;
	union arq_address a, b;
	bool counted;

	cr_assert_eq(arq_quic_sources_create(&sources), 0);
	arq_address_parse(&a, "192.0.2.7:5000");
	arq_address_parse(&b, "192.0.2.7:6000");
	uint64_t key = sources_key(sources, &a);
	cr_assert_eq(key, sources_key(sources, &b), "ports do not matter");
	arq_address_parse(&b, "192.0.2.8:5000");
	cr_assert_neq(key, sources_key(sources, &b));
	for (uint32_t i = 0; i < 3; i++) {
		cr_assert_eq(sources_count(sources, key), i);
		cr_assert(sources_enter(sources, key, 3, &counted) && counted);
	}
	cr_assert_not(sources_enter(sources, key, 3, &counted));
	cr_assert_not(counted);
	cr_assert(sources_enter(sources, sources_key(sources, &b), 3, &counted));
	sources_leave(sources, key);
	cr_assert(sources_enter(sources, key, 3, &counted) && counted);
	for (int i = 0; i < 3; i++)
		sources_leave(sources, key);
	cr_assert_eq(sources_count(sources, key), 0);
	cr_assert_eq(sources_count(sources, sources_key(sources, &b)), 1);
	arq_address_parse(&a, "[2001:db8:1:2::1]:1");
	arq_address_parse(&b, "[2001:db8:1:2:ffff::9]:2");
	cr_assert_eq(sources_key(sources, &a), sources_key(sources, &b), "one /64");
	arq_address_parse(&b, "[2001:db8:1:3::1]:1");
	cr_assert_neq(sources_key(sources, &a), sources_key(sources, &b));
	arq_quic_sources_destroy(sources);
}

/* Who finds no word of its own is served without being counted. */
Test(quic_sources, a_full_bucket_counts_nobody_more)
{
	struct arq_quic_sources *sources;
	uint32_t uncounted = 0;
	bool counted;

	cr_assert_eq(arq_quic_sources_create(&sources), 0);
	for (uint64_t i = 1; i <= 12; i++) {
		cr_assert(sources_enter(sources, i << 32 | 5, 1, &counted));
		uncounted += !counted;
	}
	cr_assert_eq(uncounted, 4);
	cr_assert_not(sources_enter(sources, 1ull << 32 | 5, 1, &counted));
	arq_quic_sources_destroy(sources);
}

/* --- tokens ----------------------------------------------------------------------------------- */

struct token_fixture {
	struct token_keys keys;
	union arq_address remote, other;
	ngtcp2_pkt_hd header;
	ngtcp2_cid original, found;
	uint8_t token[TOKEN_MAX];
};

static void token_fixture_init(struct token_fixture *f)
{
	const uint8_t secret[ARQ_QUIC_SECRET_LENGTH] = "a secret for the test";
	ngtcp2_ssize length;

	*f = (struct token_fixture){0};
	cr_assert_eq(token_keys_derive(&f->keys, secret), 0);
	arq_address_parse(&f->remote, "192.0.2.7:5000");
	arq_address_parse(&f->other, "192.0.2.8:5000");
	f->header.dcid.datalen = 12;
	gnutls_rnd(GNUTLS_RND_NONCE, f->header.dcid.data, f->header.dcid.datalen);
	f->original.datalen = 12;
	gnutls_rnd(GNUTLS_RND_NONCE, f->original.data, f->original.datalen);
	f->header.version = NGTCP2_PROTO_VER_V1;
	length = token_retry_write(&f->keys, f->token, f->header.version, &f->remote,
				   &f->header.dcid, &f->original, NGTCP2_SECONDS);
	cr_assert_gt(length, 0);
	f->header.token = f->token;
	f->header.tokenlen = (size_t)length;
}

static void token_fixture_end(struct token_fixture *f)
{
	token_keys_release(&f->keys);
}

Test(quic_token, retry_is_bound_to_address_time_and_id)
{
	struct token_fixture f;
	uint64_t soon = 2 * NGTCP2_SECONDS;

	token_fixture_init(&f);
	cr_assert_eq(token_verify(&f.keys, &f.header, &f.remote, soon, &f.found), TOKEN_RETRY);
	cr_assert(ngtcp2_cid_eq(&f.found, &f.original));
	cr_assert_neq(token_verify(&f.keys, &f.header, &f.other, soon, &f.found), TOKEN_RETRY);
	cr_assert_eq(token_verify(&f.keys, &f.header, &f.remote, 60 * NGTCP2_SECONDS, &f.found),
		     TOKEN_INVALID);
	f.header.dcid.data[5] ^= 1;
	cr_assert_eq(token_verify(&f.keys, &f.header, &f.remote, soon, &f.found), TOKEN_INVALID);
	f.header.dcid.data[5] ^= 1;
	f.header.version = NGTCP2_PROTO_VER_V2;
	cr_assert_eq(token_verify(&f.keys, &f.header, &f.remote, soon, &f.found), TOKEN_INVALID);
	f.header.version = NGTCP2_PROTO_VER_V1;
	arq_address_parse(&f.remote, "192.0.2.7:5001");
	cr_assert_eq(token_verify(&f.keys, &f.header, &f.remote, soon, &f.found), TOKEN_INVALID);
	token_fixture_end(&f);
}

/* Keys change with the hours, and who has the secret finds them. */
Test(quic_token, epochs_follow_each_other)
{
	struct token_fixture f, g;
	uint64_t hour = 3600 * NGTCP2_SECONDS;
	ngtcp2_ssize length;

	token_fixture_init(&f);
	token_fixture_init(&g);
	for (uint64_t now = hour - NGTCP2_SECONDS; now < 60 * hour; now += 5 * hour) {
		length = token_retry_write(&f.keys, f.token, f.header.version, &f.remote,
					   &f.header.dcid, &f.original, now);
		f.header.tokenlen = (size_t)length;
		cr_assert_eq(token_verify(&g.keys, &f.header, &f.remote, now, &g.found),
			     TOKEN_RETRY);
		cr_assert_eq(token_verify(&g.keys, &f.header, &f.remote, now + 2 * NGTCP2_SECONDS,
					  &g.found),
			     TOKEN_RETRY, "into the next hour");
		cr_assert_eq(token_verify(&g.keys, &f.header, &f.remote, now - 1, &g.found),
			     TOKEN_INVALID, "from the future");
		length = token_new_write(&f.keys, f.token, &f.remote, now);
		f.header.tokenlen = (size_t)length;
		cr_assert_eq(token_verify(&g.keys, &f.header, &f.remote, now + 24 * hour, &g.found),
			     TOKEN_NEW, "a day later");
		cr_assert_eq(token_verify(&g.keys, &f.header, &f.remote, now + 25 * hour, &g.found),
			     TOKEN_NONE);
		cr_assert_eq(token_verify(&g.keys, &f.header, &f.remote, now, &g.found), TOKEN_NEW);
	}
	token_fixture_end(&f);
	token_fixture_end(&g);
}

/* Whatever an Initial carries as a token: never more than it is. */
Test(quic_token, garbage_is_no_token)
{
	struct token_fixture f;
	uint8_t garbage[2 * TOKEN_MAX];

	token_fixture_init(&f);
	for (size_t length = 0; length <= sizeof(garbage); length++) {
		gnutls_rnd(GNUTLS_RND_NONCE, garbage, sizeof(garbage));
		garbage[0] = length % 2 ? f.token[0] : garbage[0];
		f.header.token = garbage;
		f.header.tokenlen = length;
		enum token_verdict verdict =
			token_verify(&f.keys, &f.header, &f.remote, 2 * NGTCP2_SECONDS, &f.found);
		cr_assert(verdict == TOKEN_NONE || verdict == TOKEN_INVALID, "length %zu", length);
	}
	token_fixture_end(&f);
}

Test(quic_token, each_kind_is_its_own)
{
	struct token_fixture f;
	ngtcp2_ssize length;
	uint8_t retry;

	token_fixture_init(&f);
	retry = f.token[0];
	length = token_new_write(&f.keys, f.token, &f.remote, NGTCP2_SECONDS);
	f.header.tokenlen = (size_t)length;
	cr_assert_eq(token_verify(&f.keys, &f.header, &f.remote, 3600 * NGTCP2_SECONDS, &f.found),
		     TOKEN_NEW);
	cr_assert_eq(token_verify(&f.keys, &f.header, &f.other, NGTCP2_SECONDS, &f.found),
		     TOKEN_NONE);
	/* A NEW_TOKEN token in a Retry token's clothes. */
	f.token[0] = retry;
	cr_assert_eq(token_verify(&f.keys, &f.header, &f.remote, NGTCP2_SECONDS, &f.found),
		     TOKEN_INVALID);
	f.token[0] = 0;
	cr_assert_eq(token_verify(&f.keys, &f.header, &f.remote, NGTCP2_SECONDS, &f.found),
		     TOKEN_NONE);
	f.header.tokenlen = 0;
	cr_assert_eq(token_verify(&f.keys, &f.header, &f.remote, NGTCP2_SECONDS, &f.found),
		     TOKEN_NONE);
	token_fixture_end(&f);
}
