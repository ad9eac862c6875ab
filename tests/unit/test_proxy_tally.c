// SPDX-License-Identifier: BSD-2-Clause
#include "userspace/proxy/tally.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static struct arq_tally *tally;

static void set_up(void)
{
	cr_assert_eq(arq_tally_create(&tally), 0);
}

static void tear_down(void)
{
	arq_tally_destroy(tally);
}

TestSuite(tally, .init = set_up, .fini = tear_down);

Test(tally, tells_rows_apart_by_all_names)
{
	struct arq_tally_requests *row = arq_tally_requests(tally, "l", "r", "p");
	cr_expect_eq(arq_tally_requests(tally, "l", "r", "p"), row);
	cr_expect_neq(arq_tally_requests(tally, "m", "r", "p"), row);
	cr_expect_neq(arq_tally_requests(tally, "l", "s", "p"), row);
	cr_expect_neq(arq_tally_requests(tally, "l", "r", "q"), row);
	/* The same letters, otherwise divided. */
	cr_expect_neq(arq_tally_requests(tally, "lr", "", "p"), row);
	cr_expect_str_eq(row->row.names[0], "l");
	cr_expect_str_eq(row->row.names[1], "r");
	cr_expect_str_eq(row->row.names[2], "p");
	cr_expect_neq(arq_tally_target(tally, "p", "a"), arq_tally_target(tally, "p", "b"));
}

Test(tally, keeps_rows_where_they_are_and_counts_the_rest_together)
{
	struct arq_tally_requests *first = arq_tally_requests(tally, "l", "0", "p");
	size_t i = 0, rows = 0;
	uint64_t counted = 0;
	for (; i < 20000; i++) {
		char route[16];
		snprintf(route, sizeof(route), "%zu", i);
		arq_tally_requests(tally, "l", route, "p")->ended[ARQ_TALLY_2XX]++;
	}
	cr_expect_eq(arq_tally_requests(tally, "l", "0", "p"), first);
	cr_expect_eq(first->ended[ARQ_TALLY_2XX], 1);
	const struct arq_tally_requests *row, *last = NULL;
	for (; (row = arq_tally_requests_at(tally, rows)); rows++) {
		counted += row->ended[ARQ_TALLY_2XX];
		last = row;
	}
	cr_expect_eq(rows, 8192 + 1);
	cr_expect_str_eq(last->row.names[1], "other");
	cr_expect_eq(last->ended[ARQ_TALLY_2XX], 20000 - 8192);
	cr_expect_eq(counted, 20000, "nothing is lost");
}

Test(tally, adds_up_workers)
{
	struct arq_tally *other;
	cr_assert_eq(arq_tally_create(&other), 0);
	arq_tally_requests(tally, "l", "r", "p")->received = 1;
	struct arq_tally_requests *requests = arq_tally_requests(other, "l", "r", "p");
	requests->received = 2;
	requests->sent = 3;
	requests->ended[ARQ_TALLY_5XX] = 4;
	arq_histogram_observe(&requests->duration, 5);
	arq_tally_requests(other, "l", "new", "p")->sent = 6;
	struct arq_tally_target *target = arq_tally_target(other, "p", "t");
	target->requests = 7;
	target->late = 8;
	/* Read from what there is now, never added up. */
	arq_tally_load(other, "p", "t", "a")->active = 9;
	arq_tally_add(tally, other);
	arq_tally_destroy(other);
	requests = arq_tally_requests(tally, "l", "r", "p");
	cr_expect_eq(requests->received, 3);
	cr_expect_eq(requests->sent, 3);
	cr_expect_eq(requests->ended[ARQ_TALLY_5XX], 4);
	cr_expect_eq(requests->duration.sum, 5);
	cr_expect_eq(arq_tally_requests(tally, "l", "new", "p")->sent, 6);
	target = arq_tally_target(tally, "p", "t");
	cr_expect_eq(target->requests, 7);
	cr_expect_eq(target->late, 8);
	cr_expect_null(arq_tally_load_at(tally, 0));
	arq_tally_load(tally, "p", "t", "a")->waiting = 1;
	cr_expect_eq(arq_tally_load(tally, "p", "t", "b")->waiting, 0);
	cr_expect_eq(arq_tally_load_at(tally, 0)->waiting, 1);
}

Test(tally, has_classes_for_every_status)
{
	cr_expect_eq(arq_tally_class(0), ARQ_TALLY_NO_RESPONSE);
	cr_expect_eq(arq_tally_class(100), ARQ_TALLY_NO_RESPONSE);
	cr_expect_eq(arq_tally_class(200), ARQ_TALLY_2XX);
	cr_expect_eq(arq_tally_class(308), ARQ_TALLY_3XX);
	cr_expect_eq(arq_tally_class(499), ARQ_TALLY_4XX);
	cr_expect_eq(arq_tally_class(503), ARQ_TALLY_5XX);
	cr_expect_eq(arq_tally_class(999), ARQ_TALLY_5XX);
}
