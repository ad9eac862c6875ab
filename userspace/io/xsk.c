// SPDX-License-Identifier: BSD-2-Clause
/*
 * AF_XDP. One UMEM of 2 KiB frames, the lower half for receiving and the upper for sending for
 * good: sending can run out of frames without taking any from receiving.
 *
 * A receive frame is in one of three places: with the kernel (fill ring, or a packet in the receive
 * ring), or lent to the caller. A transmit frame is on the free stack, open with the caller, or
 * with the kernel until it comes back by the completion ring. Every ring is as large as its half of
 * the frames, so there is always room for what we put into it.
 */
#include "userspace/io/frame.h"
#include "userspace/io/io_internal.h"
#include "userspace/io/neighbour.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <xdp/xsk.h>

/* The smallest that zero-copy drivers take; holds an MTU of 1500 behind XDP's 256 of headroom. */
#define FRAME_SIZE     2048
#define FRAMES_DEFAULT 8192
#define FRAMES_MIN     (2 * ARQ_IO_BATCH)
#define FRAMES_MAX     (1u << 20)

/* Where a payload starts in its frame: behind all headers, and on a cache line of its own. */
#define HEADROOM 128
_Static_assert(HEADROOM >= ARQ_FRAME_HEADERS_MAX, "headers fit before the payload");
_Static_assert(HEADROOM + ARQ_IO_PAYLOAD_MAX <= FRAME_SIZE, "a payload fits into a frame");

#define HUGE_PAGE (2u << 20)

/*
 * Batches of nothing but malformed packets that one receive clears away before it returns to its
 * caller, who has timers to serve.
 */
#define BAD_BATCHES_MAX 16

/* Packets whose headers are on their way into the cache while one is parsed. Measured. */
#define PREFETCH 8

/* How many empty receives pass before the kernel is asked whether the interface still lives. */
#define IDLE_CHECK 64

/*
 * The kernel lets go of a killed process's queue from a work item, some time after the process is
 * gone. A queue that is busy for longer is somebody's.
 */
#define BUSY_RETRIES  50
#define BUSY_RETRY_NS 10000000

struct xsk_io {
	struct arq_io base;
	struct xsk_ring_cons rx;
	struct xsk_ring_prod fill;
	struct xsk_ring_prod tx;
	struct xsk_ring_cons completion;
	uint8_t *area;
	int fd;
	uint32_t ifindex;
	uint32_t half; /* frames of each direction */
	uint32_t rx_lent;
	uint32_t rx_idle; /* empty receives in a row */
	uint32_t tx_open;
	uint32_t tx_new; /* in the transmit ring, not yet shown to the kernel */
	uint32_t tx_stuck; /* shown, but not taken at the last flush */
	uint32_t tx_free_count;
	uint64_t *tx_free; /* stack of frame addresses; the last one used is still in the cache */
	uint32_t mtu;
	size_t area_size;
	struct xsk_umem *umem;
	struct xsk_socket *socket;
	struct arq_neighbours *neighbours;
};

static struct xsk_io *xsk_of(struct arq_io *io)
{
	return (struct xsk_io *)io;
}

static uint64_t frame_of(uint64_t address)
{
	return address & ~(uint64_t)(FRAME_SIZE - 1);
}

/* --- receiving -------------------------------------------------------------------------------- */

/* Never finds the fill ring full: it has room for every receive frame. */
static void refill(struct xsk_io *xsk, const uint64_t *frames, uint32_t count)
{
	uint32_t index;
	if (xsk_ring_prod__reserve(&xsk->fill, count, &index) != count)
		return;
	for (uint32_t i = 0; i < count; i++)
		*xsk_ring_prod__fill_addr(&xsk->fill, index + i) = frames[i];
	xsk_ring_prod__submit(&xsk->fill, count);
}

/* Asks the kernel to look at the fill ring, and hears whether the interface is still there. */
static int wake_receive(struct xsk_io *xsk)
{
	if (recvfrom(xsk->fd, NULL, 0, MSG_DONTWAIT, NULL, NULL) >= 0)
		return 0;
	return errno == ENETDOWN || errno == ENXIO ? -ENETDOWN : 0;
}

static int receive_nothing(struct xsk_io *xsk)
{
	if (++xsk->rx_idle % IDLE_CHECK != 0 && !xsk_ring_prod__needs_wakeup(&xsk->fill))
		return 0;
	return wake_receive(xsk);
}

static void count_bad(struct arq_io_counters *counters, enum arq_frame_result result)
{
	if (result == ARQ_FRAME_CHECKSUM)
		counters->rx_checksum++;
	else
		counters->rx_malformed++;
}

/*
 * Starts to bring the headers of a packet into the cache: the kernel wrote them on another CPU, and
 * waiting for them costs more than parsing.
 */
static void prefetch(const struct xsk_io *xsk, uint32_t index)
{
	const uint8_t *frame = xsk->area + xsk_ring_cons__rx_desc(&xsk->rx, index)->addr;
	__builtin_prefetch(frame);
}

/* Parses `count` descriptors; returns how many were good. The frames of the others are refilled. */
static uint32_t parse_batch(struct xsk_io *xsk, uint32_t first, uint32_t count,
			    struct arq_rx_packet *packets)
{
	uint64_t bad[ARQ_IO_BATCH];
	uint32_t bad_count = 0;
	uint32_t good = 0;
	uint64_t bytes = 0;

	for (uint32_t i = 0; i < count && i < PREFETCH; i++)
		prefetch(xsk, first + i);
	for (uint32_t i = 0; i < count; i++) {
		if (i + PREFETCH < count)
			prefetch(xsk, first + i + PREFETCH);
		const struct xdp_desc *desc = xsk_ring_cons__rx_desc(&xsk->rx, first + i);
		struct arq_rx_packet *packet = &packets[good];
		enum arq_frame_result result =
			arq_frame_parse(xsk->area + desc->addr, desc->len, xsk->ifindex, packet);
		if (result != ARQ_FRAME_OK) {
			count_bad(&xsk->base.counters, result);
			bad[bad_count++] = frame_of(desc->addr);
			continue;
		}
		packet->handle = frame_of(desc->addr);
		bytes += packet->length;
		good++;
	}
	xsk_ring_cons__release(&xsk->rx, count);
	if (bad_count)
		refill(xsk, bad, bad_count);
	xsk->base.counters.rx_packets += good;
	xsk->base.counters.rx_bytes += bytes;
	xsk->rx_lent += good;
	return good;
}

static int xsk_receive(struct arq_io *io, struct arq_rx_packet *packets, size_t count)
{
	struct xsk_io *xsk = xsk_of(io);

	for (int batches = 0; batches < BAD_BATCHES_MAX; batches++) {
		uint32_t first;
		uint32_t found = xsk_ring_cons__peek(&xsk->rx, (uint32_t)count, &first);
		if (found == 0)
			return receive_nothing(xsk);
		xsk->rx_idle = 0;
		uint32_t good = parse_batch(xsk, first, found, packets);
		if (good > 0)
			return (int)good;
	}
	return 0;
}

static void xsk_release(struct arq_io *io, const struct arq_rx_packet *packets, size_t count)
{
	struct xsk_io *xsk = xsk_of(io);
	uint32_t index;

	if (count == 0 || count > xsk->rx_lent ||
	    xsk_ring_prod__reserve(&xsk->fill, (uint32_t)count, &index) != count)
		return;
	for (uint32_t i = 0; i < count; i++)
		*xsk_ring_prod__fill_addr(&xsk->fill, index + i) = packets[i].handle;
	xsk_ring_prod__submit(&xsk->fill, (uint32_t)count);
	xsk->rx_lent -= (uint32_t)count;
}

/* --- sending ---------------------------------------------------------------------------------- */

static void drain_completions(struct xsk_io *xsk)
{
	uint32_t index;
	uint32_t count = xsk_ring_cons__peek(&xsk->completion, xsk->half, &index);
	for (uint32_t i = 0; i < count; i++)
		xsk->tx_free[xsk->tx_free_count++] =
			frame_of(*xsk_ring_cons__comp_addr(&xsk->completion, index + i));
	if (count)
		xsk_ring_cons__release(&xsk->completion, count);
}

static bool xsk_reserve(struct arq_io *io, struct arq_tx_slot *slot)
{
	struct xsk_io *xsk = xsk_of(io);

	if (xsk->tx_free_count == 0)
		drain_completions(xsk);
	if (xsk->tx_free_count == 0) {
		io->counters.tx_no_slot++;
		return false;
	}
	slot->handle = xsk->tx_free[--xsk->tx_free_count];
	slot->data = xsk->area + slot->handle + HEADROOM;
	slot->capacity = ARQ_IO_PAYLOAD_MAX;
	xsk->tx_open++;
	return true;
}

static void xsk_cancel(struct arq_io *io, struct arq_tx_slot *slot)
{
	struct xsk_io *xsk = xsk_of(io);
	xsk->tx_free[xsk->tx_free_count++] = slot->handle;
	xsk->tx_open--;
	slot->data = NULL;
}

/* Prepends the headers. Returns their length, or 0 with the cause counted. */
static uint32_t build_frame(struct xsk_io *xsk, uint8_t *payload, uint32_t length,
			    const struct arq_path *path, uint8_t ecn)
{
	struct arq_path resolved;
	struct arq_io_counters *counters = &xsk->base.counters;

	if (path->link_length == 0) {
		resolved = *path;
		if (!arq_neighbours_find(xsk->neighbours, &path->remote, resolved.link)) {
			counters->tx_no_neighbour++;
			return 0;
		}
		resolved.link_length = ARQ_NEIGHBOUR_LINK;
		path = &resolved;
	}
	uint32_t headers = arq_frame_prepend(payload, length, path, ecn);
	/* Drivers drop what is larger than the MTU without a word. */
	if (headers == 0 || headers - path->link_length + length > xsk->mtu) {
		counters->tx_failed++;
		return 0;
	}
	return headers;
}

static void xsk_commit(struct arq_io *io, struct arq_tx_slot *slot, uint32_t length,
		       const struct arq_path *path, uint8_t ecn)
{
	struct xsk_io *xsk = xsk_of(io);
	uint32_t index;
	uint32_t headers = build_frame(xsk, slot->data, length, path, ecn);

	if (headers == 0 || xsk_ring_prod__reserve(&xsk->tx, 1, &index) != 1) {
		xsk_cancel(io, slot);
		return;
	}
	struct xdp_desc *desc = xsk_ring_prod__tx_desc(&xsk->tx, index);
	desc->addr = slot->handle + HEADROOM - headers;
	desc->len = headers + length;
	desc->options = 0;
	xsk->tx_new++;
	xsk->tx_open--;
	slot->data = NULL;
	io->counters.tx_packets++;
	io->counters.tx_bytes += length;
}

/* Descriptors shown to the kernel that it has not taken yet. */
static uint32_t tx_waiting(const struct xsk_io *xsk)
{
	return xsk->tx.cached_prod - xsk->tx_new -
	       __atomic_load_n(xsk->tx.consumer, __ATOMIC_ACQUIRE);
}

/*
 * In copy mode the kernel sends inside this system call, a few dozen packets at a time: so it is
 * called again as long as that gets on.
 */
static int wake_transmit(struct xsk_io *xsk)
{
	for (;;) {
		uint32_t before = tx_waiting(xsk);
		xsk->tx_stuck = 0;
		if (before == 0 || !xsk_ring_prod__needs_wakeup(&xsk->tx))
			return 0;
		if (sendto(xsk->fd, NULL, 0, MSG_DONTWAIT, NULL, 0) >= 0)
			return 0;
		if (errno == ENETDOWN || errno == ENXIO)
			return -ENETDOWN;
		/* EBUSY: the device refused a packet; copy mode has dropped it. */
		if (errno == EBUSY)
			xsk->base.counters.tx_failed++;
		xsk->tx_stuck = tx_waiting(xsk);
		if (errno != EINTR && xsk->tx_stuck == before)
			return 0;
	}
}

static int xsk_flush(struct arq_io *io)
{
	struct xsk_io *xsk = xsk_of(io);

	if (xsk->tx_new > 0) {
		xsk_ring_prod__submit(&xsk->tx, xsk->tx_new);
		xsk->tx_new = 0;
	}
	int result = wake_transmit(xsk);
	drain_completions(xsk);
	return result;
}

static size_t xsk_pending(const struct arq_io *io)
{
	return ((const struct xsk_io *)io)->tx_stuck;
}

/* --- state ------------------------------------------------------------------------------------ */

static int xsk_fd(const struct arq_io *io)
{
	return ((const struct xsk_io *)io)->fd;
}

static void xsk_refresh(struct arq_io *io)
{
	struct xdp_statistics statistics;
	socklen_t length = sizeof(statistics);

	/* An empty fill ring counts in rx_dropped already, once for each packet. */
	if (getsockopt(xsk_fd(io), SOL_XDP, XDP_STATISTICS, &statistics, &length) == 0)
		io->counters.rx_ring_full = statistics.rx_dropped + statistics.rx_ring_full;
}

/* What the kernel holds is read from the rings, not counted beside them: so a leak shows. */
static void xsk_buffers(const struct arq_io *io, struct arq_io_buffers *buffers)
{
	const struct xsk_io *xsk = (const struct xsk_io *)io;

	*buffers = (struct arq_io_buffers){
		.rx_total = xsk->half,
		.rx_lent = xsk->rx_lent,
		.rx_kernel = xsk->fill.cached_prod - xsk->rx.cached_cons,
		.tx_total = xsk->half,
		.tx_free = xsk->tx_free_count,
		.tx_open = xsk->tx_open,
		.tx_queued = xsk->tx.cached_prod - xsk->completion.cached_cons,
	};
}

/* --- creation --------------------------------------------------------------------------------- */

/* Closing the socket takes it out of the XSKMAP: the kernel does that. */
static void xsk_destroy(struct arq_io *io)
{
	struct xsk_io *xsk = xsk_of(io);

	if (xsk->socket)
		xsk_socket__delete(xsk->socket);
	if (xsk->umem)
		xsk_umem__delete(xsk->umem);
	if (xsk->area)
		munmap(xsk->area, xsk->area_size);
	arq_neighbours_destroy(xsk->neighbours);
	free(xsk->tx_free);
	free(xsk);
}

static const struct arq_io_ops xsk_ops = {
	.kind = "xsk",
	.receive = xsk_receive,
	.release = xsk_release,
	.reserve = xsk_reserve,
	.commit = xsk_commit,
	.cancel = xsk_cancel,
	.flush = xsk_flush,
	.pending = xsk_pending,
	.fd = xsk_fd,
	.refresh = xsk_refresh,
	.buffers = xsk_buffers,
	.destroy = xsk_destroy,
};

static int check_queue(const struct arq_io_xsk_options *options, struct arq_error *error)
{
	int queues = arq_io_queue_count(options->interface);
	if (queues == -ENODEV)
		return arq_error_set(error, queues,
				     "interface %s does not exist: `ip link` lists those that do",
				     options->interface);
	if (queues < 0)
		return arq_error_set(error, queues, "queues of %s: %s", options->interface,
				     strerror(-queues));
	if (options->queue >= (uint32_t)queues)
		return arq_error_set(
			error, -EINVAL,
			"%s has no receive queue %u: %d active, counted from 0 (`ethtool -l %s`)",
			options->interface, options->queue, queues, options->interface);
	return 0;
}

static int check_map(const struct arq_io_xsk_options *options, struct arq_error *error)
{
	struct bpf_map_info info = {0};
	uint32_t length = sizeof(info);

	if (options->xsks_map_fd < 0 ||
	    bpf_obj_get_info_by_fd(options->xsks_map_fd, &info, &length) < 0)
		return arq_error_set(error, -ENOENT,
				     "no socket map of the redirect program for %s: load it first "
				     "(`arquant load %s`)",
				     options->interface, options->interface);
	if (info.type != BPF_MAP_TYPE_XSKMAP)
		return arq_error_set(error, -EINVAL, "map %u (%s) is not an XSKMAP", info.id,
				     info.name);
	if (options->queue >= info.max_entries)
		return arq_error_set(error, -E2BIG,
				     "queue %u of %s: the redirect program knows queues below %u "
				     "only; reduce them (`ethtool -L`)",
				     options->queue, options->interface, info.max_entries);
	return 0;
}

static int read_mtu(struct xsk_io *xsk, const char *interface, struct arq_error *error)
{
	struct ifreq request = {0};
	strncpy(request.ifr_name, interface, sizeof(request.ifr_name) - 1);

	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int result = fd < 0 || ioctl(fd, SIOCGIFMTU, &request) < 0 ? -errno : 0;
	if (fd >= 0)
		close(fd);
	if (result < 0)
		return arq_error_set(error, result, "MTU of %s: %s", interface, strerror(-result));
	xsk->mtu = (uint32_t)request.ifr_mtu;
	return 0;
}

/* Huge pages spare the kernel's and our own address translation; any pages will do. */
static int map_area(struct xsk_io *xsk, struct arq_error *error)
{
	const int protection = PROT_READ | PROT_WRITE;
	const int flags = MAP_PRIVATE | MAP_ANONYMOUS;
	void *area = MAP_FAILED;

	xsk->area_size = (size_t)2 * xsk->half * FRAME_SIZE;
	if (xsk->area_size % HUGE_PAGE == 0)
		area = mmap(NULL, xsk->area_size, protection, flags | MAP_HUGETLB, -1, 0);
	if (area == MAP_FAILED)
		area = mmap(NULL, xsk->area_size, protection, flags, -1, 0);
	if (area == MAP_FAILED)
		return arq_error_set(error, -errno, "%zu bytes of packet memory: %s",
				     xsk->area_size, strerror(errno));
	xsk->area = area;
	/* Advice only: where the kernel has no transparent huge pages, nothing is lost. */
	(void)madvise(area, xsk->area_size, MADV_HUGEPAGE);
	return 0;
}

static int umem_error(int code, struct arq_error *error)
{
	switch (code) {
	case -EPERM:
		return arq_error_set(error, code,
				     "AF_XDP socket: no privilege; run as root or with CAP_NET_RAW "
				     "and CAP_NET_ADMIN, or use \"io: udp\"");
	case -EAFNOSUPPORT:
		return arq_error_set(error, code,
				     "this kernel has no AF_XDP (CONFIG_XDP_SOCKETS): use \"io: "
				     "udp\"");
	case -ENOBUFS:
		return arq_error_set(
			error, code,
			"packet memory cannot be locked: raise the limit (`ulimit -l`, "
			"LimitMEMLOCK=) or give CAP_IPC_LOCK");
	default:
		return arq_error_set(error, code, "AF_XDP packet memory: %s", strerror(-code));
	}
}

static int create_umem(struct xsk_io *xsk, struct arq_error *error)
{
	const struct xsk_umem_config config = {
		.fill_size = xsk->half,
		.comp_size = xsk->half,
		.frame_size = FRAME_SIZE,
		.frame_headroom = XSK_UMEM__DEFAULT_FRAME_HEADROOM,
	};
	/* libxdp takes them as zeroed, and keeps the indices of an attempt before. */
	memset(&xsk->fill, 0, sizeof(xsk->fill));
	memset(&xsk->completion, 0, sizeof(xsk->completion));
	memset(&xsk->rx, 0, sizeof(xsk->rx));
	memset(&xsk->tx, 0, sizeof(xsk->tx));
	int code = xsk_umem__create(&xsk->umem, xsk->area, xsk->area_size, &xsk->fill,
				    &xsk->completion, &config);
	return code < 0 ? umem_error(code, error) : 0;
}

static int socket_error(const struct arq_io_xsk_options *options, int code, struct arq_error *error)
{
	const char *name = options->interface;
	uint32_t queue = options->queue;

	switch (code) {
	case -EPERM:
		return umem_error(code, error);
	case -EBUSY:
		return arq_error_set(error, code,
				     "queue %u of %s is in use by another AF_XDP socket: stop the "
				     "other program (`ss --xdp -p` names it) or leave it the queue",
				     queue, name);
	case -ENETDOWN:
		return arq_error_set(error, code, "%s is down: `ip link set %s up`", name, name);
	case -EOPNOTSUPP:
	case -EINVAL:
		if (options->copy_mode == ARQ_XSK_ZERO_COPY)
			return arq_error_set(error, code,
					     "the driver of %s has no zero-copy for queue %u: use "
					     "copy mode, or let it choose (auto)",
					     name, queue);
		return arq_error_set(error, code,
				     "%s does not take AF_XDP sockets on queue %u: %s; use "
				     "\"io: udp\"",
				     name, queue, strerror(-code));
	default:
		return arq_error_set(error, code, "AF_XDP socket on queue %u of %s: %s", queue,
				     name, strerror(-code));
	}
}

/* Drivers start to take frames at bind: so the fill ring is filled before. */
static int fill_all(struct xsk_io *xsk, struct arq_error *error)
{
	uint32_t index;
	if (xsk_ring_prod__reserve(&xsk->fill, xsk->half, &index) != xsk->half)
		return arq_error_set(error, -ENOBUFS,
				     "the fill ring takes less than the %u frames asked for",
				     xsk->half);
	for (uint32_t i = 0; i < xsk->half; i++) {
		*xsk_ring_prod__fill_addr(&xsk->fill, index + i) = (uint64_t)i * FRAME_SIZE;
		xsk->tx_free[i] = (uint64_t)(xsk->half + i) * FRAME_SIZE;
	}
	xsk_ring_prod__submit(&xsk->fill, xsk->half);
	xsk->tx_free_count = xsk->half;
	return 0;
}

/* One attempt at UMEM and bound socket; returns the bare errno of bind for the caller to judge. */
static int bind_socket(struct xsk_io *xsk, const struct arq_io_xsk_options *options)
{
	static const uint16_t copy_flags[] = {
		[ARQ_XSK_COPY_AUTO] = 0,
		[ARQ_XSK_COPY] = XDP_COPY,
		[ARQ_XSK_ZERO_COPY] = XDP_ZEROCOPY,
	};
	const struct xsk_socket_config config = {
		.rx_size = xsk->half,
		.tx_size = xsk->half,
		.libxdp_flags = XSK_LIBXDP_FLAGS__INHIBIT_PROG_LOAD,
		.bind_flags = XDP_USE_NEED_WAKEUP | copy_flags[options->copy_mode],
	};
	return xsk_socket__create(&xsk->socket, options->interface, options->queue, xsk->umem,
				  &xsk->rx, &xsk->tx, &config);
}

static int open_socket(struct xsk_io *xsk, const struct arq_io_xsk_options *options,
		       struct arq_error *error)
{
	const struct timespec pause = {.tv_nsec = BUSY_RETRY_NS};

	for (int attempt = 0;; attempt++) {
		int code = create_umem(xsk, error);
		if (code == 0)
			code = fill_all(xsk, error);
		if (code < 0)
			return code;
		code = bind_socket(xsk, options);
		if (code == 0)
			break;
		xsk->socket = NULL;
		if (code != -EBUSY || attempt == BUSY_RETRIES)
			return socket_error(options, code, error);
		/* The rings belong to the socket that could not be bound: begin anew. */
		xsk_umem__delete(xsk->umem);
		xsk->umem = NULL;
		nanosleep(&pause, NULL); /* the kernel has no event for a queue that becomes free */
	}
	xsk->fd = xsk_socket__fd(xsk->socket);
	return 0;
}

static int enter_map(const struct xsk_io *xsk, const struct arq_io_xsk_options *options,
		     struct arq_error *error)
{
	if (bpf_map_update_elem(options->xsks_map_fd, &options->queue, &xsk->fd, BPF_ANY) == 0)
		return 0;
	int code = -errno;
	return arq_error_set(error, code,
			     "cannot enter the socket of queue %u into the redirect's map: %s%s",
			     options->queue, strerror(-code),
			     code == -EPERM ? "; run as root or with CAP_BPF" : "");
}

static int check_options(const struct arq_io_xsk_options *options, uint32_t *frames,
			 struct arq_error *error)
{
	*frames = options->frames ? options->frames : FRAMES_DEFAULT;
	if ((*frames & (*frames - 1)) || *frames < FRAMES_MIN || *frames > FRAMES_MAX)
		return arq_error_set(error, -EINVAL,
				     "%u frames: must be a power of two from %u to %u", *frames,
				     FRAMES_MIN, FRAMES_MAX);
	if ((unsigned int)options->copy_mode > ARQ_XSK_ZERO_COPY)
		return arq_error_set(error, -EINVAL, "unknown copy mode %d",
				     (int)options->copy_mode);
	int code = check_queue(options, error);
	return code < 0 ? code : check_map(options, error);
}

int arq_io_xsk_create(const struct arq_io_xsk_options *options, struct arq_io **io,
		      struct arq_error *error)
{
	uint32_t frames;
	int code = check_options(options, &frames, error);
	if (code < 0)
		return code;

	struct xsk_io *xsk = calloc(1, sizeof(*xsk));
	if (!xsk)
		return arq_error_set(error, -ENOMEM, "AF_XDP socket: out of memory");
	xsk->base.ops = &xsk_ops;
	xsk->half = frames / 2;
	xsk->ifindex = if_nametoindex(options->interface);
	xsk->tx_free = calloc(xsk->half, sizeof(*xsk->tx_free));
	if (!xsk->tx_free) {
		code = arq_error_set(error, -ENOMEM, "AF_XDP socket: out of memory");
		goto fail;
	}
	if ((code = read_mtu(xsk, options->interface, error)) < 0 ||
	    (code = arq_neighbours_create(options->interface, &xsk->neighbours, error)) < 0 ||
	    (code = map_area(xsk, error)) < 0 || (code = open_socket(xsk, options, error)) < 0 ||
	    (code = enter_map(xsk, options, error)) < 0)
		goto fail;
	*io = &xsk->base;
	return 0;
fail:
	xsk_destroy(&xsk->base);
	return code;
}
