// SPDX-License-Identifier: BSD-2-Clause
/*
 * AF_XDP sockets on a veth pair: the peer is a kernel socket, so the kernel checks what we send.
 */
#include "tests/unit/test_io_link.h"
#include "userspace/io/io.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PAYLOAD_MAX_V6 1452

/* Seconds until something counts as lost; an emulated machine on a busy host is slow. */
#define PATIENCE 20

struct bench {
	struct test_link link;
	int map;
	struct arq_io *io;
};

/* Puts the program on an interface of this namespace; returns its XSKMAP. */
static int attach(const char *interface)
{
	struct bpf_object *object = bpf_object__open_file(ARQ_TEST_BPF "/test_io_xsk.bpf.o", NULL);
	cr_assert_not_null(object);
	cr_assert_eq(bpf_object__load(object), 0);
	int program = bpf_program__fd(bpf_object__find_program_by_name(object, "redirect_ip"));
	cr_assert_eq(
		bpf_xdp_attach((int)if_nametoindex(interface), program, XDP_FLAGS_DRV_MODE, NULL),
		0);
	int map = fcntl(bpf_object__find_map_fd_by_name(object, "xsks"), F_DUPFD_CLOEXEC, 0);
	cr_assert_geq(map, 0);
	bpf_object__close(object); /* the interface keeps the program */
	return map;
}

static int create(const struct bench *bench, uint32_t frames, struct arq_io **io,
		  struct arq_error *error)
{
	const struct arq_io_xsk_options options = {
		.interface = "gw", .queue = 0, .frames = frames, .xsks_map_fd = bench->map};
	return arq_io_xsk_create(&options, io, error);
}

/* Leaves the thread in the gateway's namespace. */
static void set_up(struct bench *bench, uint32_t frames)
{
	struct arq_error error = {0};
	memset(bench, 0, sizeof(*bench));
	test_link_create(&bench->link, 1);
	bench->map = attach("gw");
	cr_assert_eq(create(bench, frames, &bench->io, &error), 0, "%s", error.text);
	cr_assert_str_eq(arq_io_kind(bench->io), "xsk");
}

static union arq_address address_of(const char *text)
{
	union arq_address address;
	cr_assert_eq(arq_address_parse(&address, text), 0, "%s", text);
	return address;
}

/* A kernel socket in `namespace`. */
static int kernel_socket(const struct bench *bench, int namespace, const char *text)
{
	const union arq_address address = address_of(text);
	const int on = 1;
	const struct timeval patience = {.tv_sec = PATIENCE};
	test_link_enter(namespace);
	int fd = socket(address.sa.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	cr_assert_eq(bind(fd, &address.sa, arq_address_length(&address)), 0, "%s", text);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(fd, IPPROTO_IP, IP_RECVTOS, &on, sizeof(on));
	setsockopt(fd, IPPROTO_IPV6, IPV6_RECVTCLASS, &on, sizeof(on));
	test_link_enter(bench->link.gateway);
	return fd;
}

static void send_to(int fd, const char *to, const void *data, size_t length)
{
	const union arq_address address = address_of(to);
	cr_assert_eq(sendto(fd, data, length, 0, &address.sa, arq_address_length(&address)),
		     (ssize_t)length);
}

static int receive_some(struct arq_io *io, struct arq_rx_packet *packets)
{
	struct pollfd readable = {.fd = arq_io_fd(io), .events = POLLIN};
	int count = arq_io_receive(io, packets, ARQ_IO_BATCH);
	if (count == 0) {
		cr_assert_eq(poll(&readable, 1, PATIENCE * 1000), 1, "nothing came");
		count = arq_io_receive(io, packets, ARQ_IO_BATCH);
	}
	return count;
}

static void reply(struct arq_io *io, const struct arq_rx_packet *packet, uint8_t ecn)
{
	struct arq_tx_slot slot;
	cr_assert(arq_io_reserve(io, &slot));
	cr_assert_geq(slot.capacity, packet->length);
	memcpy(slot.data, packet->data, packet->length);
	arq_io_commit(io, &slot, packet->length, &packet->path, ecn);
}

static void receive_reply(int fd, const uint8_t *expected, size_t length, int ecn)
{
	uint8_t data[2048], control[128];
	struct iovec iov = {data, sizeof(data)};
	struct msghdr header = {.msg_iov = &iov,
				.msg_iovlen = 1,
				.msg_control = control,
				.msg_controllen = sizeof(control)};
	cr_assert_eq(recvmsg(fd, &header, 0), (ssize_t)length);
	cr_assert_arr_eq(data, expected, length);
	struct cmsghdr *class = CMSG_FIRSTHDR(&header);
	cr_assert_not_null(class);
	cr_assert_eq(*CMSG_DATA(class) & 3, ecn);
}

/* All that is queued: the kernel may take it in several goes. */
static void flush_all(struct arq_io *io)
{
	struct pollfd writable = {.fd = arq_io_fd(io), .events = POLLOUT};
	cr_assert_eq(arq_io_flush(io), 0);
	while (arq_io_pending(io)) {
		cr_assert_eq(poll(&writable, 1, PATIENCE * 1000), 1, "the kernel takes nothing");
		cr_assert_eq(arq_io_flush(io), 0);
	}
}

static struct arq_io_counters counters_of(struct arq_io *io)
{
	struct arq_io_counters counters;
	arq_io_counters_read(io, &counters);
	return counters;
}

static void assert_whole(const struct arq_io *io, uint32_t tx_queued)
{
	struct arq_io_buffers buffers;
	arq_io_buffers_read(io, &buffers);
	cr_assert_eq(buffers.rx_lent, 0);
	cr_assert_eq(buffers.rx_kernel, buffers.rx_total);
	cr_assert_eq(buffers.tx_open, 0);
	cr_assert_eq(buffers.tx_queued, tx_queued);
	cr_assert_eq(buffers.tx_free + tx_queued, buffers.tx_total);
}

/* From a kernel socket to the XSK and back, lengths from 1 to `most`, all ECN bits. */
static void echo(struct bench *bench, const char *from, const char *to, size_t most)
{
	int fd = kernel_socket(bench, bench->link.peer, from);
	const union arq_address client = address_of(from), gateway = address_of(to);
	uint8_t payload[2048];
	int rounds = 0;

	for (size_t length = 1; length <= most; length += length == most - 1 ? 1 : 31, rounds++) {
		if (length > most - 31 && length < most - 1)
			length = most - 1;
		int ecn = (int)(length % 4);
		struct arq_rx_packet packets[ARQ_IO_BATCH];
		memset(payload, (int)(length & 0xff), sizeof(payload));
		setsockopt(fd, IPPROTO_IP, IP_TOS, &ecn, sizeof(ecn));
		setsockopt(fd, IPPROTO_IPV6, IPV6_TCLASS, &ecn, sizeof(ecn));
		send_to(fd, to, payload, length);
		cr_assert_eq(receive_some(bench->io, packets), 1);
		cr_assert_eq(packets[0].length, length);
		cr_assert_arr_eq(packets[0].data, payload, length);
		cr_assert_eq(packets[0].ecn, ecn);
		cr_assert(arq_address_equal(&packets[0].path.remote, &client));
		cr_assert(arq_address_equal(&packets[0].path.local, &gateway));
		reply(bench->io, &packets[0], (uint8_t)(3 - ecn));
		arq_io_release(bench->io, packets, 1);
		cr_assert_eq(arq_io_flush(bench->io), 0);
		receive_reply(fd, payload, length, 3 - ecn);
	}
	struct arq_io_counters counters = counters_of(bench->io);
	cr_assert_eq(counters.rx_packets, rounds);
	cr_assert_eq(counters.tx_packets, rounds);
	cr_assert_eq(counters.rx_bytes, counters.tx_bytes);
	cr_assert_eq(counters.rx_malformed + counters.rx_checksum + counters.tx_failed, 0);
	close(fd);
}

Test(xsk, reflects_ipv4)
{
	struct bench bench;
	set_up(&bench, 0);
	echo(&bench, "10.77.0.2:5000", "10.77.0.1:443", ARQ_IO_PAYLOAD_MAX);
	arq_io_destroy(bench.io);
}

Test(xsk, reflects_ipv6)
{
	struct bench bench;
	set_up(&bench, 0);
	echo(&bench, "[fd77::2]:5000", "[fd77::1]:443", PAYLOAD_MAX_V6);
	arq_io_destroy(bench.io);
}

/* An AF_XDP socket at the peer's end as well: it can send tagged frames and see their answers. */
static struct arq_io *create_peer(struct bench *bench)
{
	struct arq_error error = {0};
	struct arq_io_xsk_options options = {.interface = "peer"};
	struct arq_io *io = NULL;
	test_link_enter(bench->link.peer);
	options.xsks_map_fd = attach("peer");
	cr_assert_eq(arq_io_xsk_create(&options, &io, &error), 0, "%s", error.text);
	test_link_enter(bench->link.gateway);
	return io;
}

static void mac_of(const char *interface, uint8_t mac[6])
{
	struct ifreq request = {0};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", interface);
	cr_assert_eq(ioctl(fd, SIOCGIFHWADDR, &request), 0, "%s", interface);
	memcpy(mac, request.ifr_hwaddr.sa_data, 6);
	close(fd);
}

/* Sends through `from`, receives by `to`, compares; gives `to` the chance to answer. */
static void pass_on(struct arq_io *from, struct arq_io *to, const struct arq_path *path,
		    uint32_t length, struct arq_path *back)
{
	struct arq_rx_packet packets[ARQ_IO_BATCH];
	struct arq_tx_slot slot;
	cr_assert(arq_io_reserve(from, &slot));
	memset(slot.data, (int)(length & 0xff), length);
	arq_io_commit(from, &slot, length, path, (uint8_t)(length & 3));
	cr_assert_eq(arq_io_flush(from), 0);
	cr_assert_eq(receive_some(to, packets), 1);
	cr_assert_eq(packets[0].length, length);
	cr_assert_eq(packets[0].data[length - 1], length & 0xff);
	cr_assert_eq(packets[0].ecn, length & 3);
	*back = packets[0].path;
	arq_io_release(to, packets, 1);
}

static void exchange_tagged(const uint8_t *tags, uint8_t tags_length, const char *peer_address,
			    const char *gateway_address)
{
	struct bench bench;
	set_up(&bench, 0);
	struct arq_io *peer = create_peer(&bench);
	struct arq_path there = {.local = address_of(peer_address),
				 .remote = address_of(gateway_address),
				 .link_length = (uint8_t)(12 + tags_length)},
			answer, back;
	mac_of("gw", there.link);
	test_link_enter(bench.link.peer);
	mac_of("peer", there.link + 6);
	test_link_enter(bench.link.gateway);
	memcpy(there.link + 12, tags, tags_length);

	for (uint32_t length = 1; length <= 1400; length += 37) {
		pass_on(peer, bench.io, &there, length, &answer);
		cr_assert_eq(answer.link_length, there.link_length);
		cr_assert_arr_eq(answer.link, there.link + 6, 6);
		cr_assert_arr_eq(answer.link + 6, there.link, 6);
		cr_assert_arr_eq(answer.link + 12, tags, tags_length);
		pass_on(bench.io, peer, &answer, length, &back);
		cr_assert_arr_eq(back.link, there.link, there.link_length);
		cr_assert(arq_address_equal(&back.local, &there.local));
		cr_assert(arq_address_equal(&back.remote, &there.remote));
	}
	arq_io_destroy(peer);
	arq_io_destroy(bench.io);
}

Test(xsk, reflects_a_vlan_tag)
{
	static const uint8_t tags[] = {0x81, 0x00, 0x60, 0x07, 0x08, 0x00};
	exchange_tagged(tags, sizeof(tags), "10.77.0.2:5000", "10.77.0.1:443");
}

Test(xsk, reflects_two_vlan_tags)
{
	static const uint8_t tags[] = {0x88, 0xa8, 0x20, 0x64, 0x81, 0x00, 0x60, 0x07, 0x86, 0xdd};
	exchange_tagged(tags, sizeof(tags), "[fd77::2]:5000", "[fd77::1]:443");
}

Test(xsk, accounts_for_every_frame_after_100000_packets)
{
	struct bench bench;
	set_up(&bench, 512);
	int fd = kernel_socket(&bench, bench.link.peer, "10.77.0.2:5000");
	struct arq_rx_packet packets[ARQ_IO_BATCH];
	struct arq_io_buffers buffers;
	uint8_t data[200] = {0};
	uint32_t received = 0, replied = 0;

	for (uint32_t sent = 0; sent < 100000;) {
		for (int i = 0; i < 50; i++, sent++)
			send_to(fd, "10.77.0.1:443", data, 1 + sent % sizeof(data));
		while (received < sent) {
			int count = receive_some(bench.io, packets);
			cr_assert_gt(count, 0);
			for (int i = 0; i < count; i++, received++) {
				struct arq_tx_slot slot;
				if (received % 3 == 0) {
					reply(bench.io, &packets[i], 0);
					replied++;
				} else if (received % 3 == 1 && arq_io_reserve(bench.io, &slot)) {
					arq_io_cancel(bench.io, &slot);
				}
			}
			arq_io_buffers_read(bench.io, &buffers);
			cr_assert_eq(buffers.rx_lent, count);
			cr_assert_eq(buffers.rx_lent + buffers.rx_kernel, buffers.rx_total);
			arq_io_release(bench.io, packets, (size_t)count);
			cr_assert_eq(arq_io_flush(bench.io), 0);
			cr_assert_eq(arq_io_pending(bench.io), 0);
		}
		for (uint8_t drop[256]; recv(fd, drop, sizeof(drop), MSG_DONTWAIT) >= 0;)
			;
	}
	arq_io_flush(bench.io);
	assert_whole(bench.io, 0);
	struct arq_io_counters counters = counters_of(bench.io);
	cr_assert_eq(counters.rx_packets, 100000);
	cr_assert_eq(counters.rx_ring_full, 0);
	cr_assert_eq(counters.tx_packets, replied);
	cr_assert_eq(counters.tx_no_slot, 0);
	close(fd);
	arq_io_destroy(bench.io);
}

Test(xsk, receives_while_sending_is_starved)
{
	struct bench bench;
	set_up(&bench, 256);
	int fd = kernel_socket(&bench, bench.link.peer, "10.77.0.2:5000");
	struct arq_rx_packet packets[ARQ_IO_BATCH];
	struct arq_tx_slot slot;
	struct arq_path path = {.link_length = 0};
	uint32_t received = 0, committed = 0;

	for (uint32_t sent = 0; sent < 5000; sent++) {
		send_to(fd, "10.77.0.1:443", "ping", 4);
		received += (uint32_t)receive_some(bench.io, packets);
		path = packets[0].path;
		/* Never flushed. */
		if (arq_io_reserve(bench.io, &slot)) {
			memcpy(slot.data, "pong", 4);
			arq_io_commit(bench.io, &slot, 4, &path, 0);
			committed++;
		}
		arq_io_release(bench.io, packets, 1);
	}
	cr_assert_eq(received, 5000);
	cr_assert_eq(committed, 128);
	cr_assert_eq(counters_of(bench.io).tx_no_slot, 5000 - 128);
	assert_whole(bench.io, 128);

	flush_all(bench.io);
	for (uint32_t i = 0; i < committed; i++)
		receive_reply(fd, (const uint8_t *)"pong", 4, 0);
	cr_assert_eq(arq_io_flush(bench.io), 0);
	assert_whole(bench.io, 0);
	close(fd);
	arq_io_destroy(bench.io);
}

Test(xsk, counts_wrong_checksums_and_malformed_packets)
{
	struct bench bench;
	set_up(&bench, 0);
	int fd = kernel_socket(&bench, bench.link.peer, "10.77.0.2:5000");
	int fd6 = kernel_socket(&bench, bench.link.peer, "[fd77::2]:5000");
	struct arq_rx_packet packets[ARQ_IO_BATCH];
	const int on = 1, dont = IP_PMTUDISC_DONT;
	uint8_t data[4000] = {0};

	/* With the offload on, a veth's packets carry half a checksum only. */
	test_link_run("nsenter --net=/proc/self/fd/%d ethtool -K peer tx on >/dev/null",
		      bench.link.peer);
	for (int i = 0; i < 70; i++) {
		send_to(fd, "10.77.0.1:443", data, 100);
		send_to(fd6, "[fd77::1]:443", data, 100);
	}
	test_link_run("nsenter --net=/proc/self/fd/%d ethtool -K peer tx off >/dev/null",
		      bench.link.peer);
	/* Three fragments. */
	setsockopt(fd, IPPROTO_IP, IP_MTU_DISCOVER, &dont, sizeof(dont));
	send_to(fd, "10.77.0.1:443", data, 4000);
	/* No checksum: allowed on IPv4. */
	setsockopt(fd, SOL_SOCKET, SO_NO_CHECK, &on, sizeof(on));
	send_to(fd, "10.77.0.1:443", data, 77);

	cr_assert_eq(receive_some(bench.io, packets), 1);
	cr_assert_eq(packets[0].length, 77);
	arq_io_release(bench.io, packets, 1);
	struct arq_io_counters counters = counters_of(bench.io);
	cr_assert_eq(counters.rx_packets, 1);
	cr_assert_eq(counters.rx_checksum, 140);
	cr_assert_eq(counters.rx_malformed, 3);
	assert_whole(bench.io, 0);
	close(fd);
	close(fd6);
	arq_io_destroy(bench.io);
}

Test(xsk, counts_what_found_no_frame)
{
	struct bench bench;
	set_up(&bench, 128);
	int fd = kernel_socket(&bench, bench.link.peer, "10.77.0.2:5000");
	struct arq_rx_packet packets[ARQ_IO_BATCH];

	for (int i = 0; i < 200; i++)
		send_to(fd, "10.77.0.1:443", "x", 1);
	cr_assert_eq(receive_some(bench.io, packets), 64);
	arq_io_release(bench.io, packets, 64);
	cr_assert_eq(arq_io_receive(bench.io, packets, ARQ_IO_BATCH), 0);
	cr_assert_eq(counters_of(bench.io).rx_ring_full, 136);

	/* And it goes on. */
	send_to(fd, "10.77.0.1:443", "x", 1);
	cr_assert_eq(receive_some(bench.io, packets), 1);
	arq_io_release(bench.io, packets, 1);
	assert_whole(bench.io, 0);
	close(fd);
	arq_io_destroy(bench.io);
}

/* Receives at a kernel socket of the gateway what no AF_XDP socket takes. */
static void assert_passes_to_kernel(int peer, int gateway)
{
	char data[16];
	send_to(peer, "10.77.0.1:443", "hello", 5);
	cr_assert_eq(recv(gateway, data, sizeof(data), 0), 5);
}

Test(xsk, leaves_its_queue_to_the_kernel_when_it_goes)
{
	struct bench bench;
	set_up(&bench, 0);
	int peer = kernel_socket(&bench, bench.link.peer, "10.77.0.2:5000");
	int gateway = kernel_socket(&bench, bench.link.gateway, "10.77.0.1:443");
	struct arq_rx_packet packets[ARQ_IO_BATCH];
	struct arq_error error = {0};

	send_to(peer, "10.77.0.1:443", "hello", 5);
	cr_assert_eq(receive_some(bench.io, packets), 1);
	arq_io_release(bench.io, packets, 1);
	arq_io_destroy(bench.io);
	assert_passes_to_kernel(peer, gateway);

	/* And the queue is free for the next one at once. */
	cr_assert_eq(create(&bench, 0, &bench.io, &error), 0, "%s", error.text);
	send_to(peer, "10.77.0.1:443", "hello", 5);
	cr_assert_eq(receive_some(bench.io, packets), 1);
	arq_io_release(bench.io, packets, 1);
	arq_io_destroy(bench.io);
}

/* Tells through the pipe that its socket has taken a packet, then waits for its end. */
static void victim(const struct bench *bench, int ready)
{
	struct arq_rx_packet packets[ARQ_IO_BATCH];
	struct arq_error error = {0};
	struct arq_io *io;
	if (create(bench, 0, &io, &error) < 0 || write(ready, "c", 1) != 1)
		_exit(1);
	struct pollfd readable = {.fd = arq_io_fd(io), .events = POLLIN};
	if (poll(&readable, 1, 5000) != 1 || arq_io_receive(io, packets, 1) != 1 ||
	    write(ready, "r", 1) != 1)
		_exit(1);
	pause();
	_exit(1);
}

Test(xsk, leaves_its_queue_to_the_kernel_when_killed)
{
	struct bench bench = {0};
	struct arq_error error = {0};
	int ready[2], status;
	char letter;
	test_link_create(&bench.link, 1);
	bench.map = attach("gw");
	int peer = kernel_socket(&bench, bench.link.peer, "10.77.0.2:5000");
	int gateway = kernel_socket(&bench, bench.link.gateway, "10.77.0.1:443");

	cr_assert_eq(pipe(ready), 0);
	pid_t child = fork();
	if (child == 0)
		victim(&bench, ready[1]);
	cr_assert_eq(read(ready[0], &letter, 1), 1);
	send_to(peer, "10.77.0.1:443", "hello", 5);
	cr_assert_eq(read(ready[0], &letter, 1), 1);
	kill(child, SIGKILL);
	cr_assert_eq(waitpid(child, &status, 0), child);
	cr_assert(WIFSIGNALED(status));

	assert_passes_to_kernel(peer, gateway);
	/* A successor takes over at once. */
	cr_assert_eq(create(&bench, 0, &bench.io, &error), 0, "%s", error.text);
	struct arq_rx_packet packets[ARQ_IO_BATCH];
	send_to(peer, "10.77.0.1:443", "hello", 5);
	cr_assert_eq(receive_some(bench.io, packets), 1);
	arq_io_destroy(bench.io);
}

static int fails(const struct arq_io_xsk_options *options, const char *text)
{
	struct arq_error error = {0};
	struct arq_io *io = NULL;
	int code = arq_io_xsk_create(options, &io, &error);
	cr_assert_null(io);
	cr_assert(strstr(error.text, text), "%s", error.text);
	return code;
}

Test(xsk, says_why_it_cannot_be_created)
{
	struct bench bench;
	set_up(&bench, 0);
	const struct arq_io_xsk_options right = {.interface = "gw", .xsks_map_fd = bench.map};
	struct arq_io_xsk_options options;

	cr_assert_eq(fails(&right, "queue 0 of gw is in use by another AF_XDP socket"), -EBUSY);
	arq_io_destroy(bench.io);

	options = right, options.interface = "none";
	cr_assert_eq(fails(&options, "none does not exist"), -ENODEV);
	options = right, options.queue = 1;
	cr_assert_eq(fails(&options, "no receive queue 1: 1 active"), -EINVAL);
	options = right, options.xsks_map_fd = -1;
	cr_assert_eq(fails(&options, "load it first (`arquant load gw`)"), -ENOENT);
	options = right, options.copy_mode = ARQ_XSK_ZERO_COPY;
	cr_assert_lt(fails(&options, "no zero-copy"), 0);
	options = right, options.frames = 1000;
	cr_assert_eq(fails(&options, "power of two"), -EINVAL);
	options = right, options.interface = "lo";
	cr_assert_lt(fails(&options, "lo"), 0);

	int array = bpf_map_create(BPF_MAP_TYPE_ARRAY, "array", 4, 4, 4, NULL);
	options = right, options.xsks_map_fd = array;
	cr_assert_eq(fails(&options, "is not an XSKMAP"), -EINVAL);
	close(array);

	cr_assert_eq(setuid(65534), 0);
	cr_assert_eq(fails(&right, "no privilege; run as root"), -EPERM);
}

Test(xsk, does_not_send_more_than_the_mtu)
{
	struct bench bench;
	test_link_create(&bench.link, 1);
	test_link_run("ip link set gw mtu 1400");
	bench.map = attach("gw");
	struct arq_error error = {0};
	cr_assert_eq(create(&bench, 0, &bench.io, &error), 0, "%s", error.text);
	struct arq_path path = {.local = address_of("10.77.0.1:443"),
				.remote = address_of("10.77.0.2:5000"),
				.link_length = 14};
	struct arq_tx_slot slot;

	for (uint32_t length = 1372; length <= 1373; length++) {
		cr_assert(arq_io_reserve(bench.io, &slot));
		arq_io_commit(bench.io, &slot, length, &path, 0);
	}
	cr_assert_eq(counters_of(bench.io).tx_failed, 1);
	cr_assert_eq(counters_of(bench.io).tx_packets, 1);
	assert_whole(bench.io, 1);
	arq_io_destroy(bench.io);
}

/* Commits "hello" on a path without link until it finds its way; returns how often it did not. */
static uint64_t send_without_link(struct bench *bench, const char *from, const char *to, int tries)
{
	const struct arq_path path = {.local = address_of(from), .remote = address_of(to)};
	const struct timespec pause = {.tv_nsec = 20000000};
	uint64_t before = counters_of(bench->io).tx_no_neighbour;
	uint64_t sent = counters_of(bench->io).tx_packets;

	for (int i = 0; i < tries && counters_of(bench->io).tx_packets == sent; i++) {
		struct arq_tx_slot slot;
		if (i > 0)
			nanosleep(&pause, NULL); /* the kernel resolves; nothing tells us when */
		cr_assert(arq_io_reserve(bench->io, &slot));
		memcpy(slot.data, "hello", 5);
		arq_io_commit(bench->io, &slot, 5, &path, 0);
	}
	cr_assert_eq(arq_io_flush(bench->io), 0);
	return counters_of(bench->io).tx_no_neighbour - before;
}

Test(xsk, finds_the_next_hop_itself)
{
	struct bench bench;
	set_up(&bench, 0);
	test_link_run("ip route add 203.0.113.0/24 via 10.77.0.2");
	test_link_run("ip route add 198.51.100.0/24 dev lo");
	test_link_run("nsenter --net=/proc/self/fd/%d ip address add 203.0.113.5/32 dev lo",
		      bench.link.peer);
	int fd4 = kernel_socket(&bench, bench.link.peer, "10.77.0.2:5000");
	int fd6 = kernel_socket(&bench, bench.link.peer, "[fd77::2]:5000");
	int behind = kernel_socket(&bench, bench.link.peer, "203.0.113.5:5000");
	const uint8_t *hello = (const uint8_t *)"hello";

	cr_assert_gt(send_without_link(&bench, "10.77.0.1:443", "10.77.0.2:5000", 100), 0);
	receive_reply(fd4, hello, 5, 0);
	cr_assert_gt(send_without_link(&bench, "[fd77::1]:443", "[fd77::2]:5000", 100), 0);
	receive_reply(fd6, hello, 5, 0);
	/* The gateway is known by now. */
	cr_assert_eq(send_without_link(&bench, "10.77.0.1:443", "203.0.113.5:5000", 100), 0);
	receive_reply(behind, hello, 5, 0);
	cr_assert_eq(send_without_link(&bench, "10.77.0.1:443", "198.51.100.1:5000", 10), 10);
	cr_assert_eq(send_without_link(&bench, "10.77.0.1:443", "192.0.2.1:5000", 10), 10);
	arq_io_flush(bench.io);
	assert_whole(bench.io, 0);
	arq_io_destroy(bench.io);
}

Test(xsk, notices_that_its_interface_is_down_or_gone)
{
	struct bench bench;
	struct arq_rx_packet packets[ARQ_IO_BATCH];
	int result = 0;
	set_up(&bench, 0);
	struct arq_path path = {.local = address_of("10.77.0.1:443"),
				.remote = address_of("10.77.0.2:5000"),
				.link_length = 14};
	struct arq_tx_slot slot;

	test_link_run("ip link set gw down");
	for (int i = 0; i < 64 && result == 0; i++)
		result = arq_io_receive(bench.io, packets, ARQ_IO_BATCH);
	cr_assert_eq(result, -ENETDOWN);
	cr_assert(arq_io_reserve(bench.io, &slot));
	arq_io_commit(bench.io, &slot, 10, &path, 0);
	cr_assert_eq(arq_io_flush(bench.io), -ENETDOWN);

	test_link_run("ip link set gw up");
	for (int i = 0; i < 64; i++)
		cr_assert_eq(arq_io_receive(bench.io, packets, ARQ_IO_BATCH), 0);
	test_link_run("ip link delete gw");
	result = 0;
	for (int i = 0; i < 64 && result == 0; i++)
		result = arq_io_receive(bench.io, packets, ARQ_IO_BATCH);
	cr_assert_eq(result, -ENETDOWN);
	arq_io_destroy(bench.io);
}
