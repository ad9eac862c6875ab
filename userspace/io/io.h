/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Packets in and out: UDP datagrams in batches, over AF_XDP sockets or kernel UDP sockets.
 *
 * One `struct arq_io` is one source and sink of datagrams that belongs to one worker thread; no
 * function may be called from another thread. Nothing here blocks: wait for arq_io_fd() to become
 * readable (level-triggered: a flood of malformed packets may make a receive return 0 early), then
 * receive until it returns 0.
 *
 * Receiving: arq_io_receive() lends out packets that stay where they arrived (a UMEM frame, a
 * receive buffer); the caller may write into them and gives all of a batch back by
 * arq_io_release() before it receives again.
 *
 * Sending: reserve a slot first, build the datagram's payload in place, then commit it with its
 * path or cancel it. Never generate a packet without a slot: a packet that cannot be queued looks
 * like loss to QUIC. Committed slots leave at the next arq_io_flush(), in order; what the kernel
 * does not take then stays queued (arq_io_pending) and leaves at a later flush.
 *
 * Memory is allocated at creation only. Everything dropped is counted with its cause.
 */
#ifndef ARQUANT_IO_IO_H
#define ARQUANT_IO_IO_H

#include "userspace/common/address.h"
#include "userspace/common/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Received and sent at once: amortises the system calls, stays well inside the L2 cache. */
#define ARQ_IO_BATCH 64

/* Largest UDP payload sent or received: Ethernet MTU 1500 less IPv4 and UDP headers. */
#define ARQ_IO_PAYLOAD_MAX 1472

/* Ethernet header with up to two VLAN tags. */
#define ARQ_LINK_MAX 22

/*
 * The two ends of a datagram's way and, on AF_XDP, how to reach the next hop. Copied by value and
 * kept by whoever may send later (a QUIC path, on a timer). Two paths are the same way when their
 * addresses are equal; the link part only says how to get there.
 */
struct arq_path {
	union arq_address local;
	union arq_address remote;
	uint32_t ifindex; /* of local, 0 when unknown */
	uint8_t link_length; /* 0: the kernel (or the neighbour table) finds the next hop */
	uint8_t link[ARQ_LINK_MAX]; /* Ethernet header to send with, ready made */
};

struct arq_rx_packet {
	uint8_t *data; /* UDP payload */
	uint32_t length; /* bytes of it; 0 for an empty datagram */
	uint8_t ecn; /* two ECN bits of the IP header */
	struct arq_path path; /* as seen from here: local is the destination address */
	uint64_t handle; /* the I/O's own */
};

struct arq_tx_slot {
	uint8_t *data; /* where the UDP payload goes */
	uint32_t capacity; /* bytes, at most ARQ_IO_PAYLOAD_MAX */
	uint64_t handle; /* the I/O's own */
};

/* Names are stable: they appear in metrics. Since creation. */
struct arq_io_counters {
	uint64_t rx_packets;
	uint64_t rx_bytes; /* of UDP payload */
	uint64_t rx_malformed; /* not one whole UDP datagram that can be answered, or too large */
	/* Wrong UDP or IPv4 header checksum, or none on IPv6. For UDP sockets the kernel checks. */
	uint64_t rx_checksum;
	uint64_t rx_ring_full; /* the kernel had no room for it (XDP statistics, socket drops) */
	uint64_t tx_packets; /* handed to the kernel */
	uint64_t tx_bytes; /* of UDP payload */
	uint64_t tx_no_slot; /* reserve found no room */
	uint64_t tx_no_neighbour; /* next hop unknown */
	uint64_t tx_failed; /* larger than the MTU, no usable addresses, or the kernel refused it */
};

/*
 * Where the packet buffers are now. rx_lent + rx_kernel == rx_total and
 * tx_free + tx_open + tx_queued == tx_total, always: else a buffer has leaked.
 */
struct arq_io_buffers {
	uint32_t rx_total;
	uint32_t rx_lent; /* received, not yet released */
	uint32_t rx_kernel; /* waiting for a packet, or holding one not yet received */
	uint32_t tx_total;
	uint32_t tx_free;
	uint32_t tx_open; /* reserved, neither committed nor cancelled */
	uint32_t tx_queued; /* committed, not yet sent (AF_XDP: not yet completed) */
};

struct arq_io;

/*
 * Up to `count` packets (at most ARQ_IO_BATCH) into `packets`. Returns how many, 0 when none wait,
 * or a negative errno: -ENETDOWN when the interface is gone or down (noticed within 64 empty calls:
 * asking the kernel costs a system call).
 */
int arq_io_receive(struct arq_io *io, struct arq_rx_packet *packets, size_t count);

/* Gives back the packets of the last receive; all of them, once. */
void arq_io_release(struct arq_io *io, const struct arq_rx_packet *packets, size_t count);

/* Takes a slot. Several may be open. Returns false when there is no room: try after a flush. */
bool arq_io_reserve(struct arq_io *io, struct arq_tx_slot *slot);

/*
 * Queues `length` bytes of payload (1 to slot->capacity) to path->remote from path->local, with
 * the two ECN bits. An undeliverable packet is counted and dropped.
 */
void arq_io_commit(struct arq_io *io, struct arq_tx_slot *slot, uint32_t length,
		   const struct arq_path *path, uint8_t ecn);

/* Gives a slot back unused. */
void arq_io_cancel(struct arq_io *io, struct arq_tx_slot *slot);

/*
 * Hands what is queued to the kernel. Returns 0, also when it took only a part, or -ENETDOWN when
 * an AF_XDP socket's interface is gone or down.
 */
int arq_io_flush(struct arq_io *io);

/*
 * Committed packets that the last flush could not hand to the kernel. When not 0, wait for the fd
 * to become writable too, then flush again.
 */
size_t arq_io_pending(const struct arq_io *io);

/* For poll(2) and epoll(7): readable when packets wait. Owned by the io. */
int arq_io_fd(const struct arq_io *io);

/* "xsk" or "udp". */
const char *arq_io_kind(const struct arq_io *io);

/* One system call for what the kernel counts. */
void arq_io_counters_read(struct arq_io *io, struct arq_io_counters *counters);

void arq_io_buffers_read(const struct arq_io *io, struct arq_io_buffers *buffers);

/* NULL is allowed. */
void arq_io_destroy(struct arq_io *io);

/* --- kernel UDP sockets ----------------------------------------------------------------------- */

struct arq_io_udp_options {
	/* Port 0: the kernel chooses (upstream sockets). The any address :: takes IPv6 only. */
	union arq_address bind;
	bool reuse_port; /* several workers share the address; the kernel spreads by 4-tuple */
	bool offload; /* UDP_SEGMENT and UDP_GRO where the kernel has them */
};

/* Returns 0 and *io, or a negative errno with the reason in `error`. */
int arq_io_udp_create(const struct arq_io_udp_options *options, struct arq_io **io,
		      struct arq_error *error);

/* The address it is bound to, with the port that the kernel chose. */
void arq_io_udp_local(const struct arq_io *io, union arq_address *local);

/* --- AF_XDP sockets --------------------------------------------------------------------------- */

enum arq_xsk_copy_mode {
	ARQ_XSK_COPY_AUTO, /* zero-copy where the driver has it */
	ARQ_XSK_COPY,
	ARQ_XSK_ZERO_COPY,
};

struct arq_io_xsk_options {
	const char *interface;
	uint32_t queue;
	enum arq_xsk_copy_mode copy_mode;
	uint32_t frames; /* of the UMEM, 2 KiB each, half for each direction; power of two; 0: 8192
			  */
	int xsks_map_fd; /* XSKMAP of the redirect program; borrowed during the call */
};

/*
 * Makes UMEM, rings and socket, binds it to the queue and enters it into the XSKMAP. The entry goes
 * with the socket: also when the process is killed, packets then pass to the kernel.
 * Returns 0 and *io, or a negative errno with the reason in `error`.
 */
int arq_io_xsk_create(const struct arq_io_xsk_options *options, struct arq_io **io,
		      struct arq_error *error);

/*
 * Active receive queues of an interface (ethtool channels; 1 where the driver has none).
 * Returns the number, or a negative errno.
 */
int arq_io_queue_count(const char *interface);

#endif
