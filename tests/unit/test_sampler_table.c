// SPDX-License-Identifier: BSD-2-Clause
/* Estimates of flows, and how often the truth is within the error that is told. */
#include "progs/sampler/table.h"

#include <arquant/reason.h>
#include <criterion/criterion.h>
#include <linux/bpf.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static struct arq_flow flow_of(uint32_t number)
{
	struct arq_flow flow = {.family = AF_INET,
				.protocol = IPPROTO_UDP,
				.source_port = 1,
				.destination_port = 2};

	memcpy(flow.source, &number, sizeof(number));
	return flow;
}

static struct arq_table *table_by(enum arq_table_key key)
{
	struct arq_table *table = NULL;

	cr_assert_eq(arq_table_create(key, &table), 0);
	return table;
}

Test(table, scales_and_sorts)
{
	struct arq_table *table = table_by(ARQ_TABLE_FLOW);
	struct arq_sample sample = {.length = 100, .one_in = 10};
	struct arq_table_row rows[4], total;

	for (uint32_t i = 0; i < 6; i++) {
		struct arq_flow flow = flow_of(i % 3 ? 1 : 2);
		arq_table_add(table, &sample, &flow, "");
	}
	cr_assert_eq(arq_table_take(table, rows, 4, &total), 2);
	cr_expect_eq(rows[0].samples, 4);
	cr_expect_float_eq(rows[0].packets, 40, 1e-9);
	cr_expect_float_eq(rows[0].bytes, 4000, 1e-9);
	cr_expect_float_eq(rows[0].packets_variance, 4 * 90, 1e-9);
	cr_expect_float_eq(rows[0].bytes_variance, 4 * 90 * 10000.0, 1e-6);
	cr_expect_eq(rows[0].flow.source[0], 1);
	cr_expect_eq(rows[1].samples, 2);
	cr_expect_eq(total.samples, 6);
	cr_expect_eq(arq_table_take(table, rows, 4, &total), 0, "it is empty now");
	arq_table_destroy(table);
}

Test(table, keeps_apart_what_its_key_names)
{
	struct arq_flow a = flow_of(1), b = flow_of(1);
	struct arq_sample pass = {.length = 60, .one_in = 1, .verdict = XDP_PASS};
	struct arq_sample drop = {.length = 60,
				  .one_in = 1,
				  .verdict = XDP_DROP,
				  .reason = ARQ_REASON_RULE,
				  .rule = 3};
	static const size_t expected[ARQ_TABLE_KEYS] = {2, 1, 1, 2, 2, 2};
	struct arq_table_row rows[4], total;

	b.destination_port = 443;
	b.quic_version = 1;
	for (int key = 0; key < ARQ_TABLE_KEYS; key++) {
		struct arq_table *table = table_by((enum arq_table_key)key);
		arq_table_add(table, &pass, &a, "");
		arq_table_add(table, &drop, &b, "");
		cr_expect_eq(arq_table_take(table, rows, 4, &total), expected[key], "by %s",
			     arq_table_key_name((enum arq_table_key)key));
		cr_expect_eq(arq_table_key_parse(arq_table_key_name((enum arq_table_key)key)), key);
		arq_table_destroy(table);
	}
	cr_expect_eq(arq_table_key_parse("colour"), -1);
}

Test(table, knows_a_rule_by_its_name_if_it_has_one)
{
	struct arq_flow flow = flow_of(1);
	struct arq_sample sample = {
		.length = 60, .one_in = 1, .verdict = XDP_DROP, .reason = ARQ_REASON_RULE};
	static const struct {
		uint32_t rule;
		const char *name;
	} seen[] = {{3, "bad"}, {4, "bad"}, {4, "bad"}, {3, ""}, {3, ""}, {4, ""}};
	struct arq_table *table = table_by(ARQ_TABLE_REASON);
	struct arq_table_row rows[4], total;

	for (size_t i = 0; i < sizeof(seen) / sizeof(seen[0]); i++) {
		sample.rule = seen[i].rule;
		arq_table_add(table, &sample, &flow, seen[i].name);
	}
	cr_assert_eq(arq_table_take(table, rows, 4, &total), 3);
	cr_expect_str_eq(rows[0].rule_name, "bad");
	cr_expect_eq(rows[0].samples, 3, "by whatever number");
	cr_expect_str_empty(rows[1].rule_name);
	cr_expect_eq(rows[1].rule, 3);
	cr_expect_eq(rows[1].samples, 2);
	cr_expect_eq(rows[2].rule, 4);
	arq_table_destroy(table);
}

Test(table, is_exact_at_one_in_one_and_bounded)
{
	struct arq_table *table = table_by(ARQ_TABLE_SOURCE);
	struct arq_sample sample = {.length = 64, .one_in = 1};
	struct arq_table_row row, total;

	for (uint32_t i = 0; i < ARQ_TABLE_ENTRIES + 1000; i++) {
		struct arq_flow flow = flow_of(i);
		arq_table_add(table, &sample, &flow, "");
	}
	cr_assert_eq(arq_table_take(table, &row, 1, &total), 1);
	cr_expect_eq(total.samples, ARQ_TABLE_ENTRIES + 1000);
	cr_expect_float_eq(total.bytes_variance, 0, 1e-9);
	arq_table_destroy(table);
}

/* 400 flows of 2000 packets at 1 in 20: the truth is within the error for about 95 of 100. */
Test(table, tells_an_error_that_holds)
{
	enum { FLOWS = 400, PACKETS = 2000, RATE = 20 };
	static struct arq_table_row rows[FLOWS];
	struct arq_table *table = table_by(ARQ_TABLE_SOURCE);
	struct arq_table_row total;
	double truth[FLOWS] = {0};
	int within = 0;

	srand48(5);
	for (int i = 0; i < FLOWS * PACKETS; i++) {
		struct arq_sample sample = {.length = 60 + (uint32_t)(lrand48() % 1400),
					    .one_in = RATE};
		struct arq_flow flow = flow_of((uint32_t)(i % FLOWS));
		truth[i % FLOWS] += sample.length;
		if (lrand48() % RATE == 0)
			arq_table_add(table, &sample, &flow, "");
	}
	size_t count = arq_table_take(table, rows, FLOWS, &total);
	cr_assert_eq(count, FLOWS);
	for (size_t i = 0; i < count; i++) {
		uint32_t number;
		memcpy(&number, rows[i].flow.source, sizeof(number));
		within += fabs(rows[i].bytes - truth[number]) <=
			  arq_table_error(rows[i].bytes_variance);
	}
	cr_expect(within > 0.91 * FLOWS && within < 0.99 * FLOWS, "%d of %d", within, FLOWS);
	arq_table_destroy(table);
}
