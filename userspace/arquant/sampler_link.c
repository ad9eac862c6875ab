// SPDX-License-Identifier: BSD-2-Clause
#include "userspace/arquant/sampler_link.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/ethtool.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

/* An interface with all its attributes; the kernel's own answers take 2 to 4 KiB. */
#define MESSAGE_MAX 32768

struct arq_links {
	struct mnl_socket *socket;
	uint32_t sequence;
	char buffer[MESSAGE_MAX];
};

int arq_links_open(struct arq_links **links, struct arq_error *error)
{
	*links = calloc(1, sizeof(**links));
	if (!*links)
		return arq_error_set(error, -ENOMEM, "no memory for the interfaces' counters");
	(*links)->socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	if ((*links)->socket && mnl_socket_bind((*links)->socket, 0, MNL_SOCKET_AUTOPID) == 0)
		return 0;
	int code = -errno;
	arq_links_close(*links);
	*links = NULL;
	return arq_error_set(error, code, "cannot ask for the interfaces' counters: %s",
			     strerror(-code));
}

void arq_links_close(struct arq_links *links)
{
	if (links && links->socket)
		mnl_socket_close(links->socket);
	free(links);
}

static void take_counters(const struct nlattr *attribute, struct arq_sflow_interface *interface)
{
	struct rtnl_link_stats64 stats = {0};
	size_t length = mnl_attr_get_payload_len(attribute);

	memcpy(&stats, mnl_attr_get_payload(attribute),
	       length < sizeof(stats) ? length : sizeof(stats));
	interface->rx_bytes = stats.rx_bytes;
	interface->tx_bytes = stats.tx_bytes;
	interface->rx_packets = (uint32_t)(stats.rx_packets - stats.multicast);
	interface->rx_multicast = (uint32_t)stats.multicast;
	interface->rx_dropped = (uint32_t)(stats.rx_dropped + stats.rx_missed_errors);
	interface->rx_errors = (uint32_t)stats.rx_errors;
	interface->tx_packets = (uint32_t)stats.tx_packets;
	interface->tx_dropped = (uint32_t)stats.tx_dropped;
	interface->tx_errors = (uint32_t)stats.tx_errors;
}

static int on_link(const struct nlmsghdr *message, void *context)
{
	struct arq_sflow_interface *interface = context;
	const struct ifinfomsg *info = mnl_nlmsg_get_payload(message);
	const struct nlattr *attribute;

	interface->admin_up = info->ifi_flags & IFF_UP;
	interface->oper_up = info->ifi_flags & IFF_RUNNING;
	interface->promiscuous = info->ifi_flags & IFF_PROMISC;
	mnl_attr_for_each(attribute, message, sizeof(*info))
	{
		if (mnl_attr_get_type(attribute) == IFLA_STATS64)
			take_counters(attribute, interface);
	}
	return MNL_CB_OK;
}

/* Virtual interfaces may know no speed; then it stays 0. */
static void read_speed(struct arq_sflow_interface *interface)
{
	struct ethtool_cmd command = {.cmd = ETHTOOL_GSET};
	struct ifreq request = {.ifr_data = (char *)&command};

	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	if (if_indextoname(interface->ifindex, request.ifr_name) &&
	    ioctl(fd, SIOCETHTOOL, &request) == 0) {
		uint32_t speed = ethtool_cmd_speed(&command);
		if (speed != (uint32_t)SPEED_UNKNOWN)
			interface->speed = speed * 1000000ull;
		if (command.duplex != DUPLEX_UNKNOWN)
			interface->direction = command.duplex == DUPLEX_FULL ? 1 : 2;
	}
	close(fd);
}

int arq_link_read(struct arq_links *links, uint32_t ifindex, struct arq_sflow_interface *interface)
{
	struct nlmsghdr *request = mnl_nlmsg_put_header(links->buffer);

	*interface = (struct arq_sflow_interface){.ifindex = ifindex};
	request->nlmsg_type = RTM_GETLINK;
	request->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	request->nlmsg_seq = ++links->sequence;
	struct ifinfomsg *info = mnl_nlmsg_put_extra_header(request, sizeof(*info));
	info->ifi_index = (int)ifindex;
	if (mnl_socket_sendto(links->socket, request, request->nlmsg_len) < 0)
		return -errno;
	int result = MNL_CB_OK;
	while (result == MNL_CB_OK) {
		ssize_t length = mnl_socket_recvfrom(links->socket, links->buffer, MESSAGE_MAX);
		if (length < 0)
			return -errno;
		result = mnl_cb_run(links->buffer, (size_t)length, links->sequence,
				    mnl_socket_get_portid(links->socket), on_link, interface);
	}
	if (result < 0)
		return -errno;
	read_speed(interface);
	return 0;
}
