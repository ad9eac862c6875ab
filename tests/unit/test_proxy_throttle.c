// SPDX-License-Identifier: BSD-2-Clause
#include "userspace/proxy/throttle.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#define MS UINT64_C(1000000)

static struct arq_throttle *begin(void)
{
	struct arq_throttle *throttle;
	cr_assert_eq(arq_throttle_create(&throttle), 0);
	return throttle;
}

static union arq_address address(const char *text)
{
	union arq_address made;
	cr_assert_eq(arq_address_parse(&made, text), 0);
	return made;
}

/* A burst, then one in an interval, and the time until the next to the nanosecond. */
Test(throttle, lets_a_burst_through_and_then_an_even_stream)
{
	struct arq_throttle *throttle = begin();
	uint64_t now = 1000 * MS;

	for (int i = 0; i < 5; i++)
		cr_assert_eq(arq_throttle_take(throttle, 7, 10 * MS, 5, now), 0);
	cr_assert_eq(arq_throttle_take(throttle, 7, 10 * MS, 5, now), 10 * MS);
	cr_assert_eq(arq_throttle_take(throttle, 7, 10 * MS, 5, now + 10 * MS - 1), 1);
	for (int i = 1; i < 100; i++) {
		cr_assert_eq(arq_throttle_take(throttle, 7, 10 * MS, 5, now + i * 10 * MS), 0);
		cr_assert_neq(arq_throttle_take(throttle, 7, 10 * MS, 5, now + i * 10 * MS), 0);
	}
	/* Who was silent has the burst again, and no more. */
	now += 10000 * MS;
	for (int i = 0; i < 5; i++)
		cr_assert_eq(arq_throttle_take(throttle, 7, 10 * MS, 5, now), 0);
	cr_assert_neq(arq_throttle_take(throttle, 7, 10 * MS, 5, now), 0);
	arq_throttle_put(throttle);
}

Test(throttle, tells_clients_and_names_apart)
{
	struct arq_throttle *throttle = begin();
	const union arq_address a = address("192.0.2.1:1"), b = address("192.0.2.2:1"),
				other_port = address("192.0.2.1:2"), c = address("[2001:db8::1]:1"),
				neighbour = address("[2001:db8::2]:1"),
				next = address("[2001:db8:0:1::1]:1");

	cr_assert_neq(arq_throttle_key(throttle, "x", &a), arq_throttle_key(throttle, "x", &b));
	cr_assert_neq(arq_throttle_key(throttle, "x", &a), arq_throttle_key(throttle, "y", &a));
	cr_assert_eq(arq_throttle_key(throttle, "x", &a),
		     arq_throttle_key(throttle, "x", &other_port));
	cr_assert_eq(arq_throttle_key(throttle, "x", &c),
		     arq_throttle_key(throttle, "x", &neighbour));
	cr_assert_neq(arq_throttle_key(throttle, "x", &c), arq_throttle_key(throttle, "x", &next));
	arq_throttle_put(throttle);
}

/* Who owes is remembered beside many more who do not any more. */
Test(throttle, forgets_who_owes_nothing_first)
{
	struct arq_throttle *throttle = begin();

	for (uint64_t key = 1; key <= 1000; key++)
		cr_assert_eq(arq_throttle_take(throttle, key, 1000 * MS, 1, MS), 0);
	/* In the same buckets. */
	for (uint64_t key = 1; key <= 1000; key++) {
		for (uint64_t more = 1; more <= 20; more++)
			arq_throttle_take(throttle, key + (more << 32), 1, 1, (1 + more) * MS);
	}
	for (uint64_t key = 1; key <= 1000; key++)
		cr_assert_neq(arq_throttle_take(throttle, key, 1000 * MS, 1, 50 * MS), 0,
			      "client %lu", (unsigned long)key);
	arq_throttle_put(throttle);
}

static struct arq_throttle *shared;
static atomic_ulong allowed;

static void *take_many(void *argument)
{
	(void)argument;
	for (int i = 0; i < 100000; i++)
		allowed += arq_throttle_take(shared, 7, 1000000 * MS, 1000, 1000 * MS) == 0;
	return NULL;
}

Test(throttle, is_exact_for_workers_together)
{
	pthread_t threads[4];

	shared = begin();
	cr_assert_eq(arq_throttle_take(shared, 7, 1000000 * MS, 1000, 1000 * MS), 0);
	for (size_t i = 0; i < 4; i++)
		cr_assert_eq(pthread_create(&threads[i], NULL, take_many, NULL), 0);
	for (size_t i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	cr_assert_eq(allowed, 999);
	arq_throttle_put(shared);
}
