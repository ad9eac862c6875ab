// SPDX-License-Identifier: BSD-2-Clause
#include "userspace/arquantd/handover.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>

#define PRODUCERS 3
#define EACH      20000

static struct arq_rx_packet packet_of(uint8_t *data, uint32_t length)
{
	struct arq_rx_packet packet = {.data = data, .length = length, .ecn = 2};
	arq_address_parse(&packet.path.local, "192.0.2.1:443");
	arq_address_parse(&packet.path.remote, "192.0.2.2:5000");
	return packet;
}

static bool readable(struct arq_handover *inbox)
{
	struct pollfd waiting = {.fd = arq_handover_fd(inbox), .events = POLLIN};
	return poll(&waiting, 1, 0) == 1;
}

Test(handover, refuses_a_capacity_that_is_no_power_of_two)
{
	struct arq_handover *inbox;
	static const uint32_t capacities[] = {0, 1, 3, 100};
	for (size_t i = 0; i < sizeof(capacities) / sizeof(capacities[0]); i++)
		cr_assert_eq(arq_handover_create(capacities[i], &inbox), -EINVAL);
}

Test(handover, delivers_copies_in_order_and_counts_what_it_refuses)
{
	struct arq_handover *inbox;
	cr_assert_eq(arq_handover_create(4, &inbox), 0);

	uint8_t data[ARQ_IO_PAYLOAD_MAX + 1];
	for (uint8_t i = 0; i < 6; i++) {
		memset(data, i, 100);
		struct arq_rx_packet packet = packet_of(data, 100);
		cr_assert_eq(arq_handover_push(inbox, &packet, 7u + i), i < 4);
	}
	struct arq_rx_packet large = packet_of(data, sizeof(data));
	cr_assert_not(arq_handover_push(inbox, &large, 0));

	struct arq_rx_packet packets[8];
	uint32_t tags[8];
	cr_assert_eq(arq_handover_pop(inbox, packets, tags, 8), 4);
	for (uint8_t i = 0; i < 4; i++) {
		cr_assert_eq(packets[i].length, 100);
		cr_assert_eq(packets[i].data[99], i);
		cr_assert_eq(packets[i].ecn, 2);
		cr_assert_eq(arq_address_port(&packets[i].path.remote), 5000);
		cr_assert_eq(tags[i], 7u + i);
	}
	arq_handover_release(inbox, 4);
	cr_assert_eq(arq_handover_pop(inbox, packets, tags, 8), 0);

	struct arq_handover_counters counters;
	arq_handover_counters_read(inbox, &counters);
	cr_assert_eq(counters.accepted, 4);
	cr_assert_eq(counters.refused, 3);
	arq_handover_destroy(inbox);
}

Test(handover, wakes_until_acknowledged)
{
	struct arq_handover *inbox;
	cr_assert_eq(arq_handover_create(2, &inbox), 0);
	cr_assert_not(readable(inbox));
	arq_handover_wake(inbox);
	arq_handover_wake(inbox);
	cr_assert(readable(inbox));
	arq_handover_acknowledge(inbox);
	cr_assert_not(readable(inbox));
	arq_handover_acknowledge(inbox); /* nothing to take note of: does not block */
	arq_handover_destroy(inbox);
}

struct producer {
	struct arq_handover *inbox;
	uint32_t tag;
	pthread_t thread;
};

static void *produce(void *argument)
{
	struct producer *producer = argument;
	for (uint32_t i = 0; i < EACH;) {
		struct arq_rx_packet packet = packet_of((uint8_t *)&i, sizeof(i));
		if (arq_handover_push(producer->inbox, &packet, producer->tag)) {
			arq_handover_wake(producer->inbox);
			i++;
		} else {
			sched_yield();
		}
	}
	return NULL;
}

/* Every packet of several threads arrives once, and those of one thread in their order. */
Test(handover, keeps_the_order_of_each_of_several_threads)
{
	struct arq_handover *inbox;
	cr_assert_eq(arq_handover_create(64, &inbox), 0);
	struct producer producers[PRODUCERS];
	for (uint32_t i = 0; i < PRODUCERS; i++) {
		producers[i] = (struct producer){.inbox = inbox, .tag = i};
		pthread_create(&producers[i].thread, NULL, produce, &producers[i]);
	}

	uint32_t next[PRODUCERS] = {0};
	for (uint32_t received = 0; received < PRODUCERS * EACH;) {
		struct pollfd waiting = {.fd = arq_handover_fd(inbox), .events = POLLIN};
		cr_assert_eq(poll(&waiting, 1, 10000), 1);
		arq_handover_acknowledge(inbox);
		struct arq_rx_packet packets[16];
		uint32_t tags[16];
		size_t count;
		while ((count = arq_handover_pop(inbox, packets, tags, 16)) > 0) {
			for (size_t i = 0; i < count; i++) {
				uint32_t value;
				memcpy(&value, packets[i].data, sizeof(value));
				cr_assert_eq(value, next[tags[i]]);
				next[tags[i]]++;
			}
			arq_handover_release(inbox, count);
			received += (uint32_t)count;
		}
	}
	for (uint32_t i = 0; i < PRODUCERS; i++)
		pthread_join(producers[i].thread, NULL);
	arq_handover_destroy(inbox);
}
