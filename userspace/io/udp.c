// SPDX-License-Identifier: BSD-2-Clause
/*
 * Kernel UDP sockets: many datagrams a system call in both directions.
 *
 * Receiving: recvmmsg into a few large buffers. With UDP_GRO the kernel puts datagrams of one
 * sender one after the other into one buffer; they are lent out where they lie. What does not fit
 * into the caller's batch stays for the next one.
 *
 * Sending: a queue of slots in the order of their commits. A run of equal size to the same address
 * goes as one message with UDP_SEGMENT; its slots are gathered by an iovec, nothing is copied.
 */
#include "userspace/io/io_internal.h"

#include <errno.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

/* Merged datagrams come as up to 64 KiB each: sixteen of them are many batches. */
#define RX_MESSAGES      16
#define RX_BUFFER_MERGED 65536
#define RX_BUFFER_SINGLE                                                        \
	2048 /* holds more than ARQ_IO_PAYLOAD_MAX, so that too large ones show \
	      */
#define RX_MESSAGES_TRIES 16 /* receive calls that may give nothing but malformed ones */

#define TX_SLOTS     256 /* four batches: what the kernel may leave over when its buffer is full */
#define TX_SLOT_SIZE 1536 /* ARQ_IO_PAYLOAD_MAX in whole cache lines */
_Static_assert(TX_SLOT_SIZE >= ARQ_IO_PAYLOAD_MAX, "a payload fits into a slot");

/* UDP_MAX_SEGMENTS of the oldest kernels supported; an IPv6 packet less its headers. */
#define SEGMENTS_MAX     64
#define MERGED_BYTES_MAX (65535 - 40 - 8)

/* A batch of packets on a fast link while the worker is busy elsewhere for some milliseconds. */
#define SOCKET_BUFFER (4 << 20)

/* Packet info, traffic class, and the segment size. */
#define CONTROL_SIZE \
	(CMSG_SPACE(sizeof(struct in6_pktinfo)) + CMSG_SPACE(sizeof(int)) + CMSG_SPACE(sizeof(int)))

struct control {
	_Alignas(struct cmsghdr) uint8_t bytes[CONTROL_SIZE];
};

struct rx_message {
	union arq_address name;
	struct control control;
	struct iovec iov;
};

/* The datagrams of one message that are still to be lent out. */
struct rx_rest {
	uint8_t *data;
	uint32_t length;
	uint32_t segment;
	bool present; /* an empty datagram has length 0, too */
	uint8_t ecn;
	struct arq_path path;
};

struct tx_packet {
	struct arq_path path;
	uint32_t length;
	uint8_t ecn;
};

struct udp_io {
	struct arq_io base;
	int fd;
	union arq_address local;
	bool any; /* bound to the any address: each packet says its local address */
	uint8_t *area; /* receive buffers, then transmit slots */
	size_t area_size;

	size_t rx_buffer; /* bytes of each */
	unsigned int rx_count; /* messages of the last recvmmsg */
	unsigned int rx_next;
	uint32_t rx_lent;
	struct rx_rest rest;
	struct mmsghdr rx_headers[RX_MESSAGES];
	struct rx_message rx_messages[RX_MESSAGES];

	bool gso;
	bool gso_suspect; /* a merged message was refused; the next single one will tell */
	uint32_t tx_single; /* so many packets at the queue's head are sent one by one */
	uint8_t *tx_area;
	uint32_t tx_open;
	uint32_t tx_free_count;
	uint16_t tx_free[TX_SLOTS];
	uint32_t tx_head;
	uint32_t tx_count;
	uint32_t tx_stuck; /* left over by the last flush */
	uint16_t tx_queue[TX_SLOTS]; /* ring of slot numbers in the order of commits */
	struct tx_packet tx_packets[TX_SLOTS];
	struct mmsghdr tx_headers[ARQ_IO_BATCH];
	struct control tx_controls[ARQ_IO_BATCH];
	struct iovec tx_iovs[TX_SLOTS];
};

static struct udp_io *udp_of(struct arq_io *io)
{
	return (struct udp_io *)io;
}

/* --- receiving -------------------------------------------------------------------------------- */

/* Payload of a control message, when it is as long as its kind must be. */
static bool control_get(struct cmsghdr *control, void *value, size_t length)
{
	if (control->cmsg_len < CMSG_LEN(length))
		return false;
	memcpy(value, CMSG_DATA(control), length);
	return true;
}

static void read_ipv4_control(struct cmsghdr *control, struct rx_rest *rest)
{
	struct in_pktinfo info;
	uint8_t tos;

	if (control->cmsg_type == IP_TOS && control_get(control, &tos, sizeof(tos)))
		rest->ecn = tos & 3;
	if (control->cmsg_type == IP_PKTINFO && control_get(control, &info, sizeof(info))) {
		rest->path.local.in.sin_addr = info.ipi_spec_dst;
		rest->path.ifindex = (uint32_t)info.ipi_ifindex;
	}
}

static void read_ipv6_control(struct cmsghdr *control, struct rx_rest *rest)
{
	struct in6_pktinfo info;
	int class;

	if (control->cmsg_type == IPV6_TCLASS && control_get(control, &class, sizeof(class)))
		rest->ecn = class & 3;
	if (control->cmsg_type == IPV6_PKTINFO && control_get(control, &info, sizeof(info))) {
		rest->path.local.in6.sin6_addr = info.ipi6_addr;
		rest->path.ifindex = info.ipi6_ifindex;
		if (IN6_IS_ADDR_LINKLOCAL(&info.ipi6_addr))
			rest->path.local.in6.sin6_scope_id = info.ipi6_ifindex;
	}
}

static void read_controls(struct msghdr *header, struct rx_rest *rest)
{
	for (struct cmsghdr *control = CMSG_FIRSTHDR(header); control;
	     control = CMSG_NXTHDR(header, control)) {
		int segment;
		if (control->cmsg_level == IPPROTO_IP)
			read_ipv4_control(control, rest);
		else if (control->cmsg_level == IPPROTO_IPV6)
			read_ipv6_control(control, rest);
		else if (control->cmsg_level == SOL_UDP && control->cmsg_type == UDP_GRO &&
			 control_get(control, &segment, sizeof(segment)) && segment > 0)
			rest->segment = (uint32_t)segment;
	}
}

/* Takes up the next message. Returns false when it is of no use. */
static bool open_message(struct udp_io *udp, unsigned int number)
{
	struct mmsghdr *header = &udp->rx_headers[number];
	struct rx_message *message = &udp->rx_messages[number];
	struct rx_rest *rest = &udp->rest;

	*rest = (struct rx_rest){
		.data = message->iov.iov_base,
		.length = header->msg_len,
		.segment = header->msg_len,
		.path = {.local = udp->local, .remote = message->name},
	};
	read_controls(&header->msg_hdr, rest);
	if ((header->msg_hdr.msg_flags & MSG_TRUNC) || rest->segment > ARQ_IO_PAYLOAD_MAX ||
	    arq_address_port(&message->name) == 0) {
		udp->base.counters.rx_malformed++;
		return false;
	}
	rest->present = true;
	return true;
}

static void lend_one(struct udp_io *udp, struct arq_rx_packet *packet)
{
	struct rx_rest *rest = &udp->rest;
	uint32_t length = rest->length < rest->segment ? rest->length : rest->segment;

	packet->data = rest->data;
	packet->length = length;
	packet->ecn = rest->ecn;
	packet->path = rest->path;
	packet->handle = 0;
	rest->data += length;
	rest->length -= length;
	rest->present = rest->length > 0;
	udp->base.counters.rx_bytes += length;
}

static size_t lend(struct udp_io *udp, struct arq_rx_packet *packets, size_t count)
{
	size_t lent = 0;
	while (lent < count) {
		if (udp->rest.present)
			lend_one(udp, &packets[lent++]);
		else if (udp->rx_next < udp->rx_count)
			open_message(udp, udp->rx_next++);
		else
			break;
	}
	udp->rx_lent += (uint32_t)lent;
	udp->base.counters.rx_packets += lent;
	return lent;
}

/* Only when all that was received before is lent out and given back. Returns false for nothing. */
static bool receive_messages(struct udp_io *udp)
{
	for (unsigned int i = 0; i < udp->rx_count; i++) {
		struct msghdr *header = &udp->rx_headers[i].msg_hdr;
		header->msg_namelen = sizeof(udp->rx_messages[i].name);
		header->msg_controllen = CONTROL_SIZE;
	}
	udp->rx_count = 0;
	udp->rx_next = 0;
	/* An error here is an echo of something sent (ICMP); it costs no packet: try once more. */
	for (int tries = 0; tries < 2; tries++) {
		int received = recvmmsg(udp->fd, udp->rx_headers, RX_MESSAGES, MSG_DONTWAIT, NULL);
		if (received >= 0) {
			udp->rx_count = (unsigned int)received;
			return received > 0;
		}
		if (errno == EAGAIN)
			return false;
	}
	return false;
}

static int udp_receive(struct arq_io *io, struct arq_rx_packet *packets, size_t count)
{
	struct udp_io *udp = udp_of(io);

	for (int tries = 0; tries < RX_MESSAGES_TRIES; tries++) {
		size_t lent = lend(udp, packets, count);
		if (lent > 0)
			return (int)lent;
		if (!receive_messages(udp))
			return 0;
	}
	return 0;
}

static void udp_release(struct arq_io *io, const struct arq_rx_packet *packets, size_t count)
{
	struct udp_io *udp = udp_of(io);
	(void)packets;
	if (count <= udp->rx_lent)
		udp->rx_lent -= (uint32_t)count;
}

/* --- sending ---------------------------------------------------------------------------------- */

static bool udp_reserve(struct arq_io *io, struct arq_tx_slot *slot)
{
	struct udp_io *udp = udp_of(io);

	if (udp->tx_free_count == 0) {
		io->counters.tx_no_slot++;
		return false;
	}
	slot->handle = udp->tx_free[--udp->tx_free_count];
	slot->data = udp->tx_area + slot->handle * TX_SLOT_SIZE;
	slot->capacity = ARQ_IO_PAYLOAD_MAX;
	udp->tx_open++;
	return true;
}

static void udp_cancel(struct arq_io *io, struct arq_tx_slot *slot)
{
	struct udp_io *udp = udp_of(io);
	udp->tx_free[udp->tx_free_count++] = (uint16_t)slot->handle;
	udp->tx_open--;
	slot->data = NULL;
}

static void udp_commit(struct arq_io *io, struct arq_tx_slot *slot, uint32_t length,
		       const struct arq_path *path, uint8_t ecn)
{
	struct udp_io *udp = udp_of(io);

	if (length > ARQ_IO_PAYLOAD_MAX || path->remote.sa.sa_family != udp->local.sa.sa_family) {
		io->counters.tx_failed++;
		udp_cancel(io, slot);
		return;
	}
	struct tx_packet *packet = &udp->tx_packets[slot->handle];
	packet->path = *path;
	packet->length = length;
	packet->ecn = ecn & 3;
	udp->tx_queue[(udp->tx_head + udp->tx_count++) % TX_SLOTS] = (uint16_t)slot->handle;
	udp->tx_open--;
	slot->data = NULL;
}

static struct tx_packet *queued(struct udp_io *udp, uint32_t position)
{
	return &udp->tx_packets[udp->tx_queue[(udp->tx_head + position) % TX_SLOTS]];
}

static void control_put(struct msghdr *header, int level, int type, const void *value, size_t size)
{
	struct cmsghdr *control =
		(struct cmsghdr *)((uint8_t *)header->msg_control + header->msg_controllen);
	control->cmsg_level = level;
	control->cmsg_type = type;
	control->cmsg_len = CMSG_LEN(size);
	memcpy(CMSG_DATA(control), value, size);
	header->msg_controllen += CMSG_SPACE(size);
}

/* The source address, on a socket that is bound to any: the one the peer knows us by. */
static void put_local(struct msghdr *header, const struct arq_path *path)
{
	if (path->local.sa.sa_family == AF_INET) {
		struct in_pktinfo info = {.ipi_spec_dst = path->local.in.sin_addr};
		control_put(header, IPPROTO_IP, IP_PKTINFO, &info, sizeof(info));
	} else {
		struct in6_pktinfo info = {
			.ipi6_addr = path->local.in6.sin6_addr,
			.ipi6_ifindex = path->local.in6.sin6_scope_id,
		};
		control_put(header, IPPROTO_IPV6, IPV6_PKTINFO, &info, sizeof(info));
	}
}

static void put_controls(struct udp_io *udp, struct msghdr *header, const struct tx_packet *packet,
			 bool merged)
{
	int ecn = packet->ecn;
	sa_family_t family = packet->path.remote.sa.sa_family;

	if (udp->any && packet->path.local.sa.sa_family == family &&
	    !arq_address_is_any(&packet->path.local))
		put_local(header, &packet->path);
	if (ecn && family == AF_INET)
		control_put(header, IPPROTO_IP, IP_TOS, &ecn, sizeof(ecn));
	else if (ecn)
		control_put(header, IPPROTO_IPV6, IPV6_TCLASS, &ecn, sizeof(ecn));
	if (merged) {
		uint16_t segment = (uint16_t)packet->length;
		control_put(header, SOL_UDP, UDP_SEGMENT, &segment, sizeof(segment));
	}
}

/* How many packets from `position` on leave as one message. */
static uint32_t run_length(struct udp_io *udp, uint32_t position)
{
	const struct tx_packet *first = queued(udp, position);
	uint32_t bytes = first->length;
	uint32_t run = 1;

	if (!udp->gso || position < udp->tx_single || first->length == 0)
		return 1;
	for (; run < SEGMENTS_MAX && position + run < udp->tx_count; run++) {
		const struct tx_packet *next = queued(udp, position + run);
		bytes += next->length;
		if (next->length == 0 || next->length > first->length || next->ecn != first->ecn ||
		    bytes > MERGED_BYTES_MAX ||
		    !arq_address_equal(&next->path.remote, &first->path.remote) ||
		    !arq_address_equal(&next->path.local, &first->path.local))
			break;
		if (next->length < first->length)
			return run + 1; /* a shorter one ends the run */
	}
	return run;
}

/* Builds messages from the queue's head on; returns how many. */
static unsigned int build_messages(struct udp_io *udp)
{
	unsigned int messages = 0;
	uint32_t position = 0;

	for (; messages < ARQ_IO_BATCH && position < udp->tx_count; messages++) {
		struct msghdr *header = &udp->tx_headers[messages].msg_hdr;
		struct tx_packet *first = queued(udp, position);
		uint32_t run = run_length(udp, position);

		*header = (struct msghdr){
			.msg_name = &first->path.remote,
			.msg_namelen = arq_address_length(&first->path.remote),
			.msg_iov = &udp->tx_iovs[position],
			.msg_iovlen = run,
			.msg_control = &udp->tx_controls[messages],
		};
		put_controls(udp, header, first, run > 1);
		if (header->msg_controllen == 0)
			header->msg_control = NULL;
		for (uint32_t end = position + run; position < end; position++) {
			uint16_t slot = udp->tx_queue[(udp->tx_head + position) % TX_SLOTS];
			udp->tx_iovs[position] = (struct iovec){
				.iov_base = udp->tx_area + (size_t)slot * TX_SLOT_SIZE,
				.iov_len = udp->tx_packets[slot].length,
			};
		}
	}
	return messages;
}

/* Frees the slots of the `count` packets at the queue's head. */
static void retire(struct udp_io *udp, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		udp->tx_free[udp->tx_free_count++] = udp->tx_queue[(udp->tx_head + i) % TX_SLOTS];
	udp->tx_head = (udp->tx_head + count) % TX_SLOTS;
	udp->tx_count -= count;
	udp->tx_single -= count < udp->tx_single ? count : udp->tx_single;
}

static void retire_sent(struct udp_io *udp, unsigned int messages)
{
	uint32_t packets = 0;
	for (unsigned int i = 0; i < messages; i++)
		packets += (uint32_t)udp->tx_headers[i].msg_hdr.msg_iovlen;
	for (uint32_t i = 0; i < packets; i++)
		udp->base.counters.tx_bytes += queued(udp, i)->length;
	udp->base.counters.tx_packets += packets;
	retire(udp, packets);

	/* Refused in one message, accepted alone: it was the segmentation. */
	if (udp->gso_suspect)
		udp->gso = udp->gso_suspect = false;
}

/*
 * The kernel refused the first message. Returns false when it may take it later. A merged one is
 * tried again as single packets: either the kernel (or the route) has no segmentation, or the path
 * does not take packets of this size; the first single one tells which.
 */
static bool handle_refusal(struct udp_io *udp, int code)
{
	uint32_t packets = (uint32_t)udp->tx_headers[0].msg_hdr.msg_iovlen;

	if (code == EINTR)
		return true;
	if (code == EAGAIN || code == ENOBUFS || code == ENOMEM)
		return false;
	if (packets > 1 && (code == EIO || code == EINVAL || code == EMSGSIZE)) {
		udp->tx_single = packets;
		udp->gso_suspect = code != EMSGSIZE;
		return true;
	}
	udp->gso_suspect = false;
	udp->base.counters.tx_failed += packets;
	retire(udp, packets);
	return true;
}

/* Ends: each round sends, drops or splits something, or leaves. */
static int udp_flush(struct arq_io *io)
{
	struct udp_io *udp = udp_of(io);

	while (udp->tx_count > 0) {
		unsigned int messages = build_messages(udp);
		int sent = sendmmsg(udp->fd, udp->tx_headers, messages, MSG_DONTWAIT);
		if (sent > 0)
			retire_sent(udp, (unsigned int)sent);
		else if (!handle_refusal(udp, errno))
			break;
	}
	udp->tx_stuck = udp->tx_count;
	return 0;
}

static size_t udp_pending(const struct arq_io *io)
{
	return ((const struct udp_io *)io)->tx_stuck;
}

/* --- state ------------------------------------------------------------------------------------ */

static int udp_fd(const struct arq_io *io)
{
	return ((const struct udp_io *)io)->fd;
}

/* The number that SO_RXQ_OVFL would bring with each packet, without waiting for one. */
static void udp_refresh(struct arq_io *io)
{
	uint32_t memory[SK_MEMINFO_VARS];
	socklen_t length = sizeof(memory);

	if (getsockopt(udp_fd(io), SOL_SOCKET, SO_MEMINFO, memory, &length) == 0 &&
	    length > SK_MEMINFO_DROPS * sizeof(memory[0]))
		io->counters.rx_ring_full = memory[SK_MEMINFO_DROPS];
}

/* Receiving has room for one batch at a time; where the kernel keeps packets is its own matter. */
static void udp_buffers(const struct arq_io *io, struct arq_io_buffers *buffers)
{
	const struct udp_io *udp = (const struct udp_io *)io;

	*buffers = (struct arq_io_buffers){
		.rx_total = ARQ_IO_BATCH,
		.rx_lent = udp->rx_lent,
		.rx_kernel = ARQ_IO_BATCH - udp->rx_lent,
		.tx_total = TX_SLOTS,
		.tx_free = udp->tx_free_count,
		.tx_open = udp->tx_open,
		.tx_queued = udp->tx_count,
	};
}

/* --- creation --------------------------------------------------------------------------------- */

static void udp_destroy(struct arq_io *io)
{
	struct udp_io *udp = udp_of(io);
	if (udp->fd >= 0)
		close(udp->fd);
	if (udp->area)
		munmap(udp->area, udp->area_size);
	free(udp);
}

static const struct arq_io_ops udp_ops = {
	.kind = "udp",
	.receive = udp_receive,
	.release = udp_release,
	.reserve = udp_reserve,
	.commit = udp_commit,
	.cancel = udp_cancel,
	.flush = udp_flush,
	.pending = udp_pending,
	.fd = udp_fd,
	.refresh = udp_refresh,
	.buffers = udp_buffers,
	.destroy = udp_destroy,
};

static int set_option(int fd, int level, int option, int value)
{
	return setsockopt(fd, level, option, &value, sizeof(value)) < 0 ? -errno : 0;
}

/* The privileged form goes beyond the system's limit; without privilege the limit will do. */
static void enlarge_buffers(int fd)
{
	if (set_option(fd, SOL_SOCKET, SO_RCVBUFFORCE, SOCKET_BUFFER) < 0)
		(void)set_option(fd, SOL_SOCKET, SO_RCVBUF, SOCKET_BUFFER);
	if (set_option(fd, SOL_SOCKET, SO_SNDBUFFORCE, SOCKET_BUFFER) < 0)
		(void)set_option(fd, SOL_SOCKET, SO_SNDBUF, SOCKET_BUFFER);
}

/*
 * What QUIC cannot do without: no fragmentation, whatever the kernel believes to know about the
 * path (RFC 9000 section 14), ECN of what arrives, and the local address where it is not plain.
 */
static int set_ipv4_options(int fd, bool any)
{
	int code = set_option(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_PROBE);
	if (code == 0)
		code = set_option(fd, IPPROTO_IP, IP_RECVTOS, 1);
	if (code == 0 && any)
		code = set_option(fd, IPPROTO_IP, IP_PKTINFO, 1);
	return code;
}

static int set_ipv6_options(int fd, bool any)
{
	int code = set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
	if (code == 0)
		code = set_option(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_PROBE);
	if (code == 0)
		code = set_option(fd, IPPROTO_IPV6, IPV6_DONTFRAG, 1);
	if (code == 0)
		code = set_option(fd, IPPROTO_IPV6, IPV6_RECVTCLASS, 1);
	if (code == 0 && any)
		code = set_option(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
	return code;
}

static int bind_error(const union arq_address *address, int code, struct arq_error *error)
{
	char text[ARQ_ADDRESS_TEXT_MAX];
	arq_address_format(address, text);

	switch (code) {
	case -EADDRINUSE:
		return arq_error_set(error, code,
				     "%s (UDP) is in use by another socket: stop the other program "
				     "(`ss -ulpn` names it) or choose another port",
				     text);
	case -EADDRNOTAVAIL:
		return arq_error_set(error, code,
				     "%s is not an address of this host: `ip address` lists those",
				     text);
	case -EACCES:
		return arq_error_set(error, code,
				     "%s: ports below 1024 need root or CAP_NET_BIND_SERVICE",
				     text);
	case -EAFNOSUPPORT:
		return arq_error_set(error, code, "%s: this address family is switched off here",
				     text);
	default:
		return arq_error_set(error, code, "UDP socket on %s: %s", text, strerror(-code));
	}
}

static int open_socket(struct udp_io *udp, const struct arq_io_udp_options *options,
		       struct arq_error *error)
{
	sa_family_t family = options->bind.sa.sa_family;
	int code;

	udp->fd = socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_UDP);
	if (udp->fd < 0)
		return bind_error(&options->bind, -errno, error);
	if (options->reuse_port) {
		code = set_option(udp->fd, SOL_SOCKET, SO_REUSEPORT, 1);
		if (code < 0)
			return bind_error(&options->bind, code, error);
	}
	code = family == AF_INET ? set_ipv4_options(udp->fd, udp->any)
				 : set_ipv6_options(udp->fd, udp->any);
	if (code < 0)
		return bind_error(&options->bind, code, error);
	enlarge_buffers(udp->fd);

	socklen_t length = sizeof(udp->local);
	if (bind(udp->fd, &options->bind.sa, arq_address_length(&options->bind)) < 0 ||
	    getsockname(udp->fd, &udp->local.sa, &length) < 0)
		return bind_error(&options->bind, -errno, error);
	return 0;
}

static void set_offloads(struct udp_io *udp, bool wanted)
{
	udp->gso = wanted && set_option(udp->fd, SOL_UDP, UDP_SEGMENT, 0) == 0;
	bool gro = wanted && set_option(udp->fd, SOL_UDP, UDP_GRO, 1) == 0;
	udp->rx_buffer = gro ? RX_BUFFER_MERGED : RX_BUFFER_SINGLE;
}

static int map_buffers(struct udp_io *udp, struct arq_error *error)
{
	size_t receive = udp->rx_buffer * RX_MESSAGES;

	udp->area_size = receive + (size_t)TX_SLOTS * TX_SLOT_SIZE;
	void *area = mmap(NULL, udp->area_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			  -1, 0);
	if (area == MAP_FAILED)
		return arq_error_set(error, -errno, "%zu bytes of packet memory: %s",
				     udp->area_size, strerror(errno));
	udp->area = area;
	udp->tx_area = udp->area + receive;

	for (unsigned int i = 0; i < RX_MESSAGES; i++) {
		struct rx_message *message = &udp->rx_messages[i];
		message->iov.iov_base = udp->area + i * udp->rx_buffer;
		message->iov.iov_len = udp->rx_buffer;
		udp->rx_headers[i].msg_hdr = (struct msghdr){
			.msg_name = &message->name,
			.msg_namelen = sizeof(message->name),
			.msg_iov = &message->iov,
			.msg_iovlen = 1,
			.msg_control = &message->control,
			.msg_controllen = CONTROL_SIZE,
		};
	}
	for (uint32_t i = 0; i < TX_SLOTS; i++)
		udp->tx_free[i] = (uint16_t)(TX_SLOTS - 1 - i);
	udp->tx_free_count = TX_SLOTS;
	return 0;
}

int arq_io_udp_create(const struct arq_io_udp_options *options, struct arq_io **io,
		      struct arq_error *error)
{
	if (arq_address_length(&options->bind) == 0)
		return arq_error_set(error, -EINVAL, "UDP socket: no address to bind to");

	struct udp_io *udp = calloc(1, sizeof(*udp));
	if (!udp)
		return arq_error_set(error, -ENOMEM, "UDP socket: out of memory");
	udp->base.ops = &udp_ops;
	udp->fd = -1;
	udp->any = arq_address_is_any(&options->bind);

	int code = open_socket(udp, options, error);
	if (code == 0) {
		set_offloads(udp, options->offload);
		code = map_buffers(udp, error);
	}
	if (code < 0) {
		udp_destroy(&udp->base);
		return code;
	}
	*io = &udp->base;
	return 0;
}

void arq_io_udp_local(const struct arq_io *io, union arq_address *local)
{
	*local = ((const struct udp_io *)io)->local;
}
