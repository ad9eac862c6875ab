// SPDX-License-Identifier: BSD-2-Clause
#include "tests/unit/test_io_link.h"
#include "userspace/io/io.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <netinet/udp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static union arq_address address_of(const char *text)
{
	union arq_address address;
	cr_assert_eq(arq_address_parse(&address, text), 0, "%s", text);
	return address;
}

/* `host`: "127.0.0.1" or "[::1]"; the kernel chooses the port. */
static struct arq_io *create(const char *host, bool offload, union arq_address *local)
{
	char text[ARQ_ADDRESS_TEXT_MAX];
	struct arq_error error = {0};
	struct arq_io *io = NULL;
	snprintf(text, sizeof(text), "%s:1", host);
	struct arq_io_udp_options options = {.bind = address_of(text), .offload = offload};
	options.bind.in.sin_port = 0;
	cr_assert_eq(arq_io_udp_create(&options, &io, &error), 0, "%s", error.text);
	arq_io_udp_local(io, local);
	cr_assert_neq(arq_address_port(local), 0);
	return io;
}

/* The payload tells its number and its length. */
static void commit(struct arq_io *io, const struct arq_path *path, uint32_t number, uint32_t length,
		   uint8_t ecn)
{
	struct arq_tx_slot slot;
	cr_assert(arq_io_reserve(io, &slot));
	cr_assert_eq(slot.capacity, ARQ_IO_PAYLOAD_MAX);
	memset(slot.data, (int)(number & 0xff), length);
	memcpy(slot.data, &number, sizeof(number));
	arq_io_commit(io, &slot, length, path, ecn);
}

static bool wait_readable(const struct arq_io *io)
{
	struct pollfd poll_fd = {.fd = arq_io_fd(io), .events = POLLIN};
	return poll(&poll_fd, 1, 20000) == 1; /* emulated and busy machines are slow */
}

/* Receives exactly `count`; what is received must bear the numbers from `first` on, in order. */
static void expect(struct arq_io *io, uint32_t first, uint32_t count, const uint32_t *lengths,
		   uint8_t ecn, struct arq_path *path)
{
	struct arq_rx_packet packets[ARQ_IO_BATCH];
	for (uint32_t done = 0; done < count;) {
		int received = arq_io_receive(io, packets, ARQ_IO_BATCH);
		cr_assert_geq(received, 0);
		if (received == 0)
			cr_assert(wait_readable(io), "%u of %u came", done, count);
		for (int i = 0; i < received; i++, done++) {
			uint32_t number;
			memcpy(&number, packets[i].data, sizeof(number));
			cr_assert_lt(done, count);
			cr_assert_eq(number, first + done);
			cr_assert_eq(packets[i].length, lengths[done]);
			cr_assert_eq(packets[i].data[packets[i].length - 1], number & 0xff);
			cr_assert_eq(packets[i].ecn, ecn);
			*path = packets[i].path;
		}
		arq_io_release(io, packets, (size_t)received);
	}
}

static void assert_all_free(struct arq_io *io)
{
	struct arq_io_buffers buffers;
	arq_io_buffers_read(io, &buffers);
	cr_assert_eq(buffers.tx_free, buffers.tx_total);
	cr_assert_eq(buffers.tx_open, 0);
	cr_assert_eq(buffers.tx_queued, 0);
	cr_assert_eq(buffers.rx_lent, 0);
	cr_assert_eq(arq_io_pending(io), 0);
}

/* Runs of equal size, shorter ends, single ones, larger ones after smaller. */
static void send_and_receive(const char *host, bool offload)
{
	union arq_address client_address, server_address;
	struct arq_io *client = create(host, offload, &client_address);
	struct arq_io *server = create(host, offload, &server_address);
	const struct arq_path there = {.local = client_address, .remote = server_address};
	struct arq_path back;
	uint32_t lengths[150], number = 0;

	cr_assert_str_eq(arq_io_kind(server), "udp");
	for (uint32_t round = 0; round < 8; round++) {
		for (uint32_t i = 0; i < 150; i++) {
			lengths[i] = i < 100 ? 1200 : 20 + (i * 131) % 1400;
			if (i % 33 == 32)
				lengths[i] = 700;
			commit(client, &there, number + i, lengths[i], (uint8_t)(round % 4));
		}
		cr_assert_eq(arq_io_flush(client), 0);
		expect(server, number, 150, lengths, (uint8_t)(round % 4), &back);
		number += 150;
		cr_assert(arq_address_equal(&back.remote, &client_address));
		cr_assert(arq_address_equal(&back.local, &server_address));
	}
	commit(server, &back, 9, lengths[0], 1);
	arq_io_flush(server);
	expect(client, 9, 1, lengths, 1, &back);

	struct arq_io_counters counters;
	arq_io_counters_read(client, &counters);
	cr_assert_eq(counters.tx_packets, 8ul * 150);
	cr_assert_eq(counters.tx_failed, 0);
	arq_io_counters_read(server, &counters);
	cr_assert_eq(counters.rx_packets, 8ul * 150);
	cr_assert_eq(counters.rx_malformed, 0);
	assert_all_free(client);
	assert_all_free(server);
	arq_io_destroy(client);
	arq_io_destroy(server);
}

Test(udp, carries_ipv4)
{
	send_and_receive("127.0.0.1", false);
}

Test(udp, carries_ipv4_with_offload)
{
	send_and_receive("127.0.0.1", true);
}

Test(udp, carries_ipv6)
{
	send_and_receive("[::1]", false);
}

Test(udp, carries_ipv6_with_offload)
{
	send_and_receive("[::1]", true);
}

static struct arq_path path_to(const struct arq_io *from, const struct arq_io *to)
{
	struct arq_path path = {0};
	arq_io_udp_local(from, &path.local);
	arq_io_udp_local(to, &path.remote);
	return path;
}

/* A plain socket that takes merged datagrams sees what left as one message. */
static ssize_t first_message(bool offload)
{
	union arq_address local;
	struct arq_io *client = create("127.0.0.1", offload, &local);
	struct arq_io *server = create("127.0.0.1", true, &local);
	struct arq_path path = path_to(client, server);
	static uint8_t buffer[65536];

	for (uint32_t i = 0; i < 10; i++)
		commit(client, &path, i, 1000, 0);
	cr_assert_eq(arq_io_flush(client), 0);
	cr_assert(wait_readable(server));
	ssize_t length = recv(arq_io_fd(server), buffer, sizeof(buffer), 0);
	arq_io_destroy(client);
	arq_io_destroy(server);
	return length;
}

Test(udp, merges_equal_packets_into_one_message)
{
	cr_assert_eq(first_message(true), 10000);
	cr_assert_eq(first_message(false), 1000);
}

Test(udp, does_without_segmentation_where_the_kernel_refuses_it)
{
	union arq_address local;
	struct arq_io *client = create("127.0.0.1", true, &local);
	struct arq_io *server = create("127.0.0.1", true, &local);
	struct arq_path path = path_to(client, server);
	const int on = 1, off = 0;
	uint32_t lengths[40];

	/* A socket that writes no checksums cannot be segmented: EINVAL. */
	setsockopt(arq_io_fd(client), SOL_SOCKET, SO_NO_CHECK, &on, sizeof(on));
	for (uint32_t i = 0; i < 40; i++)
		commit(client, &path, i, lengths[i] = 1100, 2);
	cr_assert_eq(arq_io_flush(client), 0);
	expect(server, 0, 40, lengths, 2, &path);

	/* For good: also where it would work again. */
	setsockopt(arq_io_fd(client), SOL_SOCKET, SO_NO_CHECK, &off, sizeof(off));
	static uint8_t buffer[65536];
	path = path_to(client, server);
	commit(client, &path, 1, 1000, 0);
	commit(client, &path, 2, 1000, 0);
	cr_assert_eq(arq_io_flush(client), 0);
	cr_assert(wait_readable(server));
	cr_assert_eq(recv(arq_io_fd(server), buffer, sizeof(buffer), 0), 1000);

	struct arq_io_counters counters;
	arq_io_counters_read(client, &counters);
	cr_assert_eq(counters.tx_packets, 42);
	cr_assert_eq(counters.tx_failed, 0);
	assert_all_free(client);
	arq_io_destroy(client);
	arq_io_destroy(server);
}

/* On a socket bound to any, an answer comes from the very address that was asked. */
static void answer_from_any(const char *any, const char *client_host, const char *asked)
{
	union arq_address client_address, server_address, to;
	struct arq_io *client = create(client_host, true, &client_address);
	struct arq_io *server = create(any, true, &server_address);
	const uint32_t lengths[3] = {100, 100, 50};
	char text[ARQ_ADDRESS_TEXT_MAX];
	struct arq_path path;

	snprintf(text, sizeof(text), "%s:%u", asked, arq_address_port(&server_address));
	to = address_of(text);
	path = (struct arq_path){.local = client_address, .remote = to};
	for (uint32_t i = 0; i < 3; i++)
		commit(client, &path, i, lengths[i], 0);
	arq_io_flush(client);
	expect(server, 0, 3, lengths, 0, &path);
	cr_assert(arq_address_equal(&path.local, &to));
	cr_assert_neq(path.ifindex, 0);

	for (uint32_t i = 0; i < 3; i++)
		commit(server, &path, i, lengths[i], 3);
	arq_io_flush(server);
	expect(client, 0, 3, lengths, 3, &path);
	cr_assert(arq_address_equal(&path.remote, &to));
	arq_io_destroy(client);
	arq_io_destroy(server);
}

Test(udp, answers_from_the_address_that_was_asked_ipv4)
{
	answer_from_any("0.0.0.0", "127.0.0.1", "127.0.0.5");
}

Test(udp, answers_from_the_address_that_was_asked_ipv6)
{
	struct test_link link;
	test_link_create(&link, 1);
	test_link_run("ip address add fd77::53/64 dev gw nodad");
	answer_from_any("[::]", "[fd77::1]", "[fd77::53]");
}

Test(udp, accounts_for_every_slot)
{
	union arq_address local;
	struct arq_io *io = create("127.0.0.1", false, &local);
	struct arq_io *other = create("127.0.0.1", false, &local);
	struct arq_path path = path_to(io, other);
	struct arq_io_buffers buffers;
	struct arq_io_counters counters;
	struct arq_tx_slot slots[1024];
	uint32_t open = 0;

	arq_io_buffers_read(io, &buffers);
	cr_assert_leq(buffers.tx_total, 1024);
	while (arq_io_reserve(io, &slots[open]))
		open++;
	cr_assert_eq(open, buffers.tx_total);
	arq_io_counters_read(io, &counters);
	cr_assert_eq(counters.tx_no_slot, 1);

	for (uint32_t i = 0; i < open; i++) {
		if (i % 3 == 0)
			arq_io_cancel(io, &slots[i]);
		else
			arq_io_commit(io, &slots[i], 10, &path, 0);
	}
	arq_io_buffers_read(io, &buffers);
	cr_assert_eq(buffers.tx_open, 0);
	cr_assert_eq(buffers.tx_queued, open - (open + 2) / 3);
	cr_assert_eq(buffers.tx_free + buffers.tx_queued, buffers.tx_total);
	arq_io_flush(io);
	assert_all_free(io);

	/* A path of the other family cannot be sent on by this socket. */
	path.remote = address_of("[::1]:1");
	commit(io, &path, 0, 10, 0);
	arq_io_counters_read(io, &counters);
	cr_assert_eq(counters.tx_failed, 1);
	assert_all_free(io);
	arq_io_destroy(io);
	arq_io_destroy(other);
}

static void drop_too_large(bool offload)
{
	union arq_address local;
	struct arq_io *client = create("127.0.0.1", offload, &local);
	struct arq_io *server = create("127.0.0.1", offload, &local);
	struct arq_path path = path_to(client, server);
	const uint32_t lengths[3] = {1200, 1200, 500};

	/* One alone, a run of equal ones, and what fits between and after them. */
	commit(client, &path, 100, 1400, 0);
	commit(client, &path, 0, 1200, 0);
	commit(client, &path, 1, 1200, 0);
	for (uint32_t i = 0; i < 5; i++)
		commit(client, &path, 100, 1300, 0);
	commit(client, &path, 2, 500, 0);
	cr_assert_eq(arq_io_flush(client), 0);
	expect(server, 0, 3, lengths, 0, &path);

	struct arq_io_counters counters;
	arq_io_counters_read(client, &counters);
	cr_assert_eq(counters.tx_failed, 6);
	cr_assert_eq(counters.tx_packets, 3);
	assert_all_free(client);
	arq_io_destroy(client);
	arq_io_destroy(server);
}

Test(udp, drops_what_is_larger_than_the_mtu_and_goes_on)
{
	struct test_link link;
	test_link_create(&link, 1);
	test_link_run("ip link set lo mtu 1280");
	drop_too_large(false);
	drop_too_large(true);
}

Test(udp, drops_what_has_no_route_and_goes_on)
{
	struct test_link link;
	test_link_create(&link, 1);
	union arq_address local;
	struct arq_io *client = create("0.0.0.0", true, &local);
	struct arq_io *server = create("127.0.0.1", true, &local);
	struct arq_path path = {.remote = address_of("192.0.2.1:443")};
	const uint32_t lengths[1] = {80};

	for (uint32_t i = 0; i < 4; i++)
		commit(client, &path, 100, 80, 0);
	path.remote = local;
	commit(client, &path, 0, 80, 0);
	cr_assert_eq(arq_io_flush(client), 0);
	expect(server, 0, 1, lengths, 0, &path);

	struct arq_io_counters counters;
	arq_io_counters_read(client, &counters);
	cr_assert_eq(counters.tx_failed, 4);
	assert_all_free(client);
	arq_io_destroy(client);
	arq_io_destroy(server);
}

/* Nobody listens: the kernel's echo (port unreachable) must not cost anything else. */
Test(udp, survives_icmp_errors)
{
	union arq_address gone;
	struct arq_io *other = create("127.0.0.1", true, &gone);
	arq_io_destroy(other);

	union arq_address local;
	struct arq_io *client = create("127.0.0.1", true, &local);
	struct arq_io *server = create("127.0.0.1", true, &local);
	struct arq_path nowhere = {.remote = gone}, path = path_to(client, server);
	const uint32_t lengths[2] = {100, 100};
	const int on = 1;
	/* With this the kernel reports errors on unconnected sockets, too. */
	setsockopt(arq_io_fd(client), IPPROTO_IP, IP_RECVERR, &on, sizeof(on));

	for (int round = 0; round < 3; round++) {
		struct arq_rx_packet packet;
		commit(client, &nowhere, 7, 100, 0);
		cr_assert_eq(arq_io_flush(client), 0);
		cr_assert_eq(arq_io_receive(client, &packet, 1), 0);
	}
	commit(client, &path, 0, 100, 0);
	commit(client, &path, 1, 100, 0);
	cr_assert_eq(arq_io_flush(client), 0);
	expect(server, 0, 2, lengths, 0, &path);
	assert_all_free(client);
	arq_io_destroy(client);
	arq_io_destroy(server);
}

/* A neighbour that does not answer holds packets against the send buffer: it fills up. */
Test(udp, keeps_what_the_kernel_does_not_take_in_order)
{
	struct test_link link;
	test_link_create(&link, 1);
	test_link_enter(link.peer);
	test_link_run("ip link set peer arp off");
	union arq_address local, server_address;
	struct arq_io *server = create("10.77.0.2", false, &server_address);
	test_link_enter(link.gateway);
	struct arq_io *client = create("10.77.0.1", false, &local);
	struct arq_path path = path_to(client, server);
	const int small = 8192;
	uint32_t lengths[100];
	setsockopt(arq_io_fd(client), SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));

	for (uint32_t i = 0; i < 100; i++)
		commit(client, &path, i, lengths[i] = 1000, 0);
	cr_assert_eq(arq_io_flush(client), 0);
	size_t pending = arq_io_pending(client);
	cr_assert(pending > 50 && pending < 100, "%zu pending", pending);
	cr_assert_eq(arq_io_flush(client), 0);
	cr_assert_eq(arq_io_pending(client), pending);
	struct pollfd writable = {.fd = arq_io_fd(client), .events = POLLOUT};
	cr_assert_eq(poll(&writable, 1, 0), 0);

	test_link_run("ip neighbour replace 10.77.0.2 nud permanent dev gw lladdr "
		      "$(nsenter --net=/proc/self/fd/%d ip -br link show peer | awk '{print $3}')",
		      link.peer);
	for (int round = 0; round < 100 && arq_io_pending(client); round++) {
		cr_assert_eq(poll(&writable, 1, 2000), 1);
		cr_assert_eq(arq_io_flush(client), 0);
	}
	expect(server, 0, 100, lengths, 0, &path);
	assert_all_free(client);
	arq_io_destroy(client);
	arq_io_destroy(server);
}

Test(udp, counts_what_the_kernel_had_no_room_for)
{
	union arq_address local;
	struct arq_io *client = create("127.0.0.1", false, &local);
	struct arq_io *server = create("127.0.0.1", false, &local);
	struct arq_path path = path_to(client, server);
	const int small = 16384;
	uint32_t received = 0;
	setsockopt(arq_io_fd(server), SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));

	for (uint32_t i = 0; i < 200; i++)
		commit(client, &path, i, 1000, 0);
	cr_assert_eq(arq_io_flush(client), 0);
	struct arq_rx_packet packets[ARQ_IO_BATCH];
	int count;
	while ((count = arq_io_receive(server, packets, ARQ_IO_BATCH)) > 0) {
		received += (uint32_t)count;
		arq_io_release(server, packets, (size_t)count);
	}
	struct arq_io_counters counters;
	arq_io_counters_read(server, &counters);
	cr_assert_gt(counters.rx_ring_full, 0);
	cr_assert_eq(counters.rx_ring_full + received, 200);
	arq_io_destroy(client);
	arq_io_destroy(server);
}

static void plain_send(const struct arq_io *to, const void *data, size_t length, int segment)
{
	union arq_address address;
	arq_io_udp_local(to, &address);
	int fd = socket(address.sa.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	cr_assert_geq(fd, 0);
	if (segment)
		cr_assert_eq(setsockopt(fd, SOL_UDP, UDP_SEGMENT, &segment, sizeof(segment)), 0);
	cr_assert_eq(sendto(fd, data, length, 0, &address.sa, arq_address_length(&address)),
		     (ssize_t)length);
	close(fd);
}

static void refuse_too_large(bool offload)
{
	static const uint8_t data[8000];
	union arq_address local;
	struct arq_io *server = create("127.0.0.1", offload, &local);
	struct arq_rx_packet packets[ARQ_IO_BATCH];

	plain_send(server, data, ARQ_IO_PAYLOAD_MAX + 1, 0);
	plain_send(server, data, 8000, 0);
	plain_send(server, data, 8000, 2000);
	plain_send(server, data, 0, 0);
	plain_send(server, data, ARQ_IO_PAYLOAD_MAX, 0);
	cr_assert(wait_readable(server));
	cr_assert_eq(arq_io_receive(server, packets, ARQ_IO_BATCH), 2);
	cr_assert_eq(packets[0].length, 0);
	cr_assert_eq(packets[1].length, ARQ_IO_PAYLOAD_MAX);
	arq_io_release(server, packets, 2);
	cr_assert_eq(arq_io_receive(server, packets, ARQ_IO_BATCH), 0);

	struct arq_io_counters counters;
	arq_io_counters_read(server, &counters);
	/* What came merged is refused as a whole. */
	cr_assert_eq(counters.rx_malformed, offload ? 3 : 6);
	arq_io_destroy(server);
}

Test(udp, refuses_larger_datagrams_than_it_can_lend)
{
	refuse_too_large(false);
	refuse_too_large(true);
}

Test(udp, keeps_the_rest_of_a_merged_message_for_the_next_receive)
{
	static uint8_t data[64 * 500];
	union arq_address local;
	struct arq_io *server = create("[::1]", true, &local);
	struct arq_rx_packet packets[ARQ_IO_BATCH];
	uint32_t seen = 0;

	for (uint32_t i = 0; i < 64; i++)
		memset(data + (size_t)i * 500, (int)i, 500);
	plain_send(server, data, sizeof(data), 500);
	cr_assert(wait_readable(server));
	while (seen < 64) {
		int count = arq_io_receive(server, packets, 7);
		cr_assert(count > 0 && count <= 7);
		for (int i = 0; i < count; i++, seen++) {
			cr_assert_eq(packets[i].length, 500);
			cr_assert_eq(packets[i].data[499], seen);
		}
		arq_io_release(server, packets, (size_t)count);
	}
	cr_assert_eq(arq_io_receive(server, packets, 7), 0);
	arq_io_destroy(server);
}

Test(udp, says_why_it_cannot_be_created)
{
	union arq_address local;
	struct arq_io *first = create("127.0.0.1", false, &local), *second = NULL;
	struct arq_io_udp_options options = {.bind = local};
	struct arq_error error = {0};

	cr_assert_eq(arq_io_udp_create(&options, &second, &error), -EADDRINUSE);
	cr_assert(strstr(error.text, "is in use"), "%s", error.text);
	arq_error_clear(&error);
	options.bind = address_of("192.0.2.1:443");
	cr_assert_eq(arq_io_udp_create(&options, &second, &error), -EADDRNOTAVAIL);
	cr_assert(strstr(error.text, "192.0.2.1:443 is not an address of this host"), "%s",
		  error.text);
	arq_error_clear(&error);
	memset(&options.bind, 0, sizeof(options.bind));
	cr_assert_eq(arq_io_udp_create(&options, &second, &error), -EINVAL);
	cr_assert_null(second);
	arq_io_destroy(first);
	arq_io_destroy(NULL);
}

Test(udp, shares_a_port_when_asked_to)
{
	struct arq_io_udp_options options = {.bind = address_of("127.0.0.1:1"), .reuse_port = true};
	struct arq_error error = {0};
	struct arq_io *first, *second;

	options.bind.in.sin_port = 0;
	cr_assert_eq(arq_io_udp_create(&options, &first, &error), 0, "%s", error.text);
	arq_io_udp_local(first, &options.bind);
	cr_assert_eq(arq_io_udp_create(&options, &second, &error), 0, "%s", error.text);
	arq_io_destroy(first);
	arq_io_destroy(second);
}

Test(io, counts_active_queues)
{
	struct test_link link;
	test_link_create(&link, 4);
	cr_assert_eq(arq_io_queue_count("gw"), 4);
	test_link_run("ethtool -L gw rx 2 tx 2");
	cr_assert_eq(arq_io_queue_count("gw"), 2);
	cr_assert_eq(arq_io_queue_count("lo"), 1);
	cr_assert_eq(arq_io_queue_count("none"), -ENODEV);
	cr_assert_eq(arq_io_queue_count("a-name-longer-than-any-interface"), -ENODEV);
}
