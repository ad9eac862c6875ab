// SPDX-License-Identifier: BSD-2-Clause
#include "userspace/io/io_internal.h"

#include <errno.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

int arq_io_receive(struct arq_io *io, struct arq_rx_packet *packets, size_t count)
{
	return io->ops->receive(io, packets, count < ARQ_IO_BATCH ? count : ARQ_IO_BATCH);
}

void arq_io_release(struct arq_io *io, const struct arq_rx_packet *packets, size_t count)
{
	io->ops->release(io, packets, count);
}

bool arq_io_reserve(struct arq_io *io, struct arq_tx_slot *slot)
{
	return io->ops->reserve(io, slot);
}

void arq_io_commit(struct arq_io *io, struct arq_tx_slot *slot, uint32_t length,
		   const struct arq_path *path, uint8_t ecn)
{
	io->ops->commit(io, slot, length, path, ecn);
}

void arq_io_cancel(struct arq_io *io, struct arq_tx_slot *slot)
{
	io->ops->cancel(io, slot);
}

int arq_io_flush(struct arq_io *io)
{
	return io->ops->flush(io);
}

size_t arq_io_pending(const struct arq_io *io)
{
	return io->ops->pending(io);
}

int arq_io_fd(const struct arq_io *io)
{
	return io->ops->fd(io);
}

const char *arq_io_kind(const struct arq_io *io)
{
	return io->ops->kind;
}

void arq_io_counters_read(struct arq_io *io, struct arq_io_counters *counters)
{
	io->ops->refresh(io);
	*counters = io->counters;
}

void arq_io_buffers_read(const struct arq_io *io, struct arq_io_buffers *buffers)
{
	io->ops->buffers(io, buffers);
}

void arq_io_destroy(struct arq_io *io)
{
	if (io)
		io->ops->destroy(io);
}

int arq_io_queue_count(const char *interface)
{
	struct ethtool_channels channels = {.cmd = ETHTOOL_GCHANNELS};
	struct ifreq request = {.ifr_data = (char *)&channels};

	size_t length = strlen(interface);
	if (length >= sizeof(request.ifr_name))
		return -ENODEV;
	memcpy(request.ifr_name, interface, length);

	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	int result = ioctl(fd, SIOCETHTOOL, &request) < 0 ? -errno : 0;
	close(fd);

	if (result == -EOPNOTSUPP)
		return 1;
	if (result < 0)
		return result;
	int queues = (int)(channels.combined_count + channels.rx_count);
	return queues > 0 ? queues : 1;
}
