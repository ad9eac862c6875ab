// SPDX-License-Identifier: BSD-2-Clause
#include "userspace/proxy/alarm.h"

#include <criterion/criterion.h>
#include <stdlib.h>

#define COUNT 500

static uint64_t last_rung;
static size_t rung;

static void ring(struct arq_alarm *alarm)
{
	cr_assert_geq(alarm->at, last_rung, "in order of time");
	last_rung = alarm->at;
	rung++;
}

/* Against the plainest model: a table of times. */
Test(alarm, rings_in_order_whatever_was_set_moved_and_cleared)
{
	static struct arq_alarm alarms[COUNT];
	static uint64_t times[COUNT];
	struct arq_alarms all = {0};
	uint64_t now = 0;

	srandom(7);
	for (size_t i = 0; i < COUNT; i++) {
		alarms[i].ring = ring;
		times[i] = ARQ_ALARM_NEVER;
	}
	for (int step = 0; step < 20000; step++) {
		size_t i = (size_t)random() % COUNT;
		times[i] = random() % 4 ? now + 1 + (uint64_t)random() % 1000 : ARQ_ALARM_NEVER;
		if (times[i] == ARQ_ALARM_NEVER && random() % 2)
			arq_alarm_clear(&all, &alarms[i]);
		else
			arq_alarm_set(&all, &alarms[i], times[i]);
		if (step % 10)
			continue;

		now += (uint64_t)random() % 100;
		size_t due = 0;
		uint64_t next = ARQ_ALARM_NEVER;
		for (i = 0; i < COUNT; i++) {
			if (times[i] <= now) {
				due++;
				times[i] = ARQ_ALARM_NEVER;
			} else if (times[i] < next) {
				next = times[i];
			}
		}
		rung = 0;
		last_rung = 0;
		arq_alarms_run(&all, now);
		cr_assert_eq(rung, due);
		cr_assert_eq(arq_alarms_next(&all), next);
	}
}

static struct arq_alarms chain_alarms;
static int chain_left = 3;

static void ring_again(struct arq_alarm *alarm)
{
	if (--chain_left > 0)
		arq_alarm_set(&chain_alarms, alarm, alarm->at + 1);
}

Test(alarm, may_be_set_again_while_it_rings)
{
	struct arq_alarm alarm = {.ring = ring_again};
	arq_alarm_set(&chain_alarms, &alarm, 5);
	arq_alarms_run(&chain_alarms, 10);
	cr_assert_eq(chain_left, 0);
	cr_assert_eq(arq_alarms_next(&chain_alarms), ARQ_ALARM_NEVER);
}
