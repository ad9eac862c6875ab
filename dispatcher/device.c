// SPDX-License-Identifier: BSD-2-Clause
#include "dispatcher/device.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/ethtool.h>
#include <linux/genetlink.h>
#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* An interface with all its attributes; the kernel's own answers take 2 to 4 KiB. */
#define MESSAGE_MAX 32768

/* Generic netlink family "netdev" (linux/netdev.h of 6.3 and newer, which Debian 12 has not). */
#define NETDEV_FAMILY       "netdev"
#define NETDEV_VERSION      1
#define NETDEV_DEV_GET      1
#define NETDEV_IFINDEX      1
#define NETDEV_XDP_FEATURES 3

/* More entries than any card's indirection table. */
#define RSS_TABLE_MAX 8192

/* --- netlink ---------------------------------------------------------------------------------- */

struct asked {
	char buffer[MESSAGE_MAX];
	struct mnl_socket *socket;
};

static int ask_open(struct asked *asked, int bus)
{
	asked->socket = mnl_socket_open2(bus, SOCK_CLOEXEC);
	if (!asked->socket)
		return -errno;
	return mnl_socket_bind(asked->socket, 0, MNL_SOCKET_AUTOPID) ? -errno : 0;
}

/* Sends the request in the buffer, and hands the answer to `answer`. */
static int ask(struct asked *asked, mnl_cb_t answer, void *context)
{
	struct nlmsghdr *request = (struct nlmsghdr *)asked->buffer;
	uint32_t sequence = request->nlmsg_seq;
	int result = MNL_CB_OK;

	if (mnl_socket_sendto(asked->socket, request, request->nlmsg_len) < 0)
		return -errno;
	while (result == MNL_CB_OK) {
		ssize_t length = mnl_socket_recvfrom(asked->socket, asked->buffer, MESSAGE_MAX);
		if (length < 0)
			return -errno;
		result = mnl_cb_run(asked->buffer, (size_t)length, sequence,
				    mnl_socket_get_portid(asked->socket), answer, context);
	}
	return result < 0 ? -errno : 0;
}

static int on_link(const struct nlmsghdr *message, void *context)
{
	struct arq_device *device = context;
	const struct ifinfomsg *info = mnl_nlmsg_get_payload(message);
	const struct nlattr *attribute;
	bool elsewhere = false;
	uint32_t link = 0;

	device->up = info->ifi_flags & IFF_UP;
	mnl_attr_for_each(attribute, message, sizeof(*info))
	{
		int type = mnl_attr_get_type(attribute);
		if (type == IFLA_MTU)
			device->mtu = mnl_attr_get_u32(attribute);
		else if (type == IFLA_LINK)
			link = mnl_attr_get_u32(attribute);
		else if (type == IFLA_LINK_NETNSID)
			elsewhere = true;
	}
	device->peer = elsewhere ? 0 : link;
	return MNL_CB_OK;
}

static int read_link(struct arq_device *device)
{
	struct asked asked;

	int code = ask_open(&asked, NETLINK_ROUTE);
	if (code == 0) {
		struct nlmsghdr *request = mnl_nlmsg_put_header(asked.buffer);
		request->nlmsg_type = RTM_GETLINK;
		request->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
		request->nlmsg_seq = 1;
		struct ifinfomsg *info = mnl_nlmsg_put_extra_header(request, sizeof(*info));
		info->ifi_index = (int)device->ifindex;
		code = ask(&asked, on_link, device);
	}
	if (asked.socket)
		mnl_socket_close(asked.socket);
	return code;
}

static struct genlmsghdr *put_generic(struct asked *asked, uint16_t family, uint8_t command,
				      uint8_t version, uint32_t sequence)
{
	struct nlmsghdr *request = mnl_nlmsg_put_header(asked->buffer);

	request->nlmsg_type = family;
	request->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	request->nlmsg_seq = sequence;
	struct genlmsghdr *generic = mnl_nlmsg_put_extra_header(request, sizeof(*generic));
	generic->cmd = command;
	generic->version = version;
	return generic;
}

static int on_family(const struct nlmsghdr *message, void *context)
{
	const struct nlattr *attribute;

	mnl_attr_for_each(attribute, message, sizeof(struct genlmsghdr))
	{
		if (mnl_attr_get_type(attribute) == CTRL_ATTR_FAMILY_ID)
			*(uint16_t *)context = mnl_attr_get_u16(attribute);
	}
	return MNL_CB_OK;
}

static int on_netdev(const struct nlmsghdr *message, void *context)
{
	struct arq_device *device = context;
	const struct nlattr *attribute;

	mnl_attr_for_each(attribute, message, sizeof(struct genlmsghdr))
	{
		if (mnl_attr_get_type(attribute) != NETDEV_XDP_FEATURES)
			continue;
		device->has_xdp_features = true;
		device->xdp_features = mnl_attr_get_u64(attribute);
	}
	return MNL_CB_OK;
}

/* Kernels before 6.3 do not know the family: then nothing is known. */
static void read_xdp_features(struct arq_device *device)
{
	struct asked asked;
	uint16_t family = 0;

	int code = ask_open(&asked, NETLINK_GENERIC);
	if (code == 0) {
		put_generic(&asked, GENL_ID_CTRL, CTRL_CMD_GETFAMILY, 1, 1);
		mnl_attr_put_strz((struct nlmsghdr *)asked.buffer, CTRL_ATTR_FAMILY_NAME,
				  NETDEV_FAMILY);
		code = ask(&asked, on_family, &family);
	}
	if (code == 0 && family) {
		put_generic(&asked, family, NETDEV_DEV_GET, NETDEV_VERSION, 2);
		mnl_attr_put_u32((struct nlmsghdr *)asked.buffer, NETDEV_IFINDEX, device->ifindex);
		ask(&asked, on_netdev, device);
	}
	if (asked.socket)
		mnl_socket_close(asked.socket);
}

/* --- ethtool ---------------------------------------------------------------------------------- */

static int ethtool(int socket, const char *interface, void *command)
{
	struct ifreq request = {.ifr_data = command};

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", interface);
	return ioctl(socket, SIOCETHTOOL, &request) ? -errno : 0;
}

static void read_driver(int socket, const char *interface, struct arq_device *device)
{
	struct ethtool_drvinfo command = {.cmd = ETHTOOL_GDRVINFO};

	if (ethtool(socket, interface, &command) == 0)
		snprintf(device->driver, sizeof(device->driver), "%.*s",
			 (int)sizeof(command.driver) - 1, command.driver);
}

static void read_queues(int socket, const char *interface, struct arq_device *device)
{
	struct ethtool_channels command = {.cmd = ETHTOOL_GCHANNELS};

	if (ethtool(socket, interface, &command) == 0)
		device->rx_queues = command.rx_count + command.combined_count;
}

static uint32_t count_queues(const uint32_t *table, uint32_t count)
{
	uint32_t queues = 0;

	for (uint32_t i = 0; i < count; i++) {
		uint32_t before = 0;
		while (before < i && table[before] != table[i])
			before++;
		queues += before == i;
	}
	return queues;
}

static void read_rss(int socket, const char *interface, struct arq_device *device)
{
	struct ethtool_rxfh_indir size = {.cmd = ETHTOOL_GRXFHINDIR};

	if (ethtool(socket, interface, &size) || size.size == 0 || size.size > RSS_TABLE_MAX)
		return;
	struct ethtool_rxfh_indir *command =
		calloc(1, sizeof(*command) + size.size * sizeof(command->ring_index[0]));
	if (!command)
		return;
	command->cmd = ETHTOOL_GRXFHINDIR;
	command->size = size.size;
	if (ethtool(socket, interface, command) == 0)
		device->rss_queues = count_queues(command->ring_index, size.size);
	free(command);
}

/* Names of all features of the kernel, in the order of their bits; NULL when it does not tell. */
static struct ethtool_gstrings *read_names(int socket, const char *interface)
{
	struct {
		struct ethtool_sset_info command;
		uint32_t count;
	} info = {.command = {.cmd = ETHTOOL_GSSET_INFO, .sset_mask = 1ull << ETH_SS_FEATURES}};

	if (ethtool(socket, interface, &info) || !info.command.sset_mask || info.count == 0)
		return NULL;
	struct ethtool_gstrings *names =
		calloc(1, sizeof(*names) + (size_t)info.count * ETH_GSTRING_LEN);
	if (!names)
		return NULL;
	names->cmd = ETHTOOL_GSTRINGS;
	names->string_set = ETH_SS_FEATURES;
	names->len = info.count;
	if (ethtool(socket, interface, names) == 0)
		return names;
	free(names);
	return NULL;
}

static enum arq_device_switch find_switch(const struct ethtool_gstrings *names,
					  const struct ethtool_gfeatures *features,
					  const char *name)
{
	for (uint32_t bit = 0; bit < names->len; bit++) {
		if (strncmp((const char *)names->data + (size_t)bit * ETH_GSTRING_LEN, name,
			    ETH_GSTRING_LEN) != 0)
			continue;
		const struct ethtool_get_features_block *block = &features->features[bit / 32];
		uint32_t mask = 1u << bit % 32;
		if (block->active & mask)
			return ARQ_SWITCH_ON;
		return block->available & mask ? ARQ_SWITCH_OFF : ARQ_SWITCH_UNKNOWN;
	}
	return ARQ_SWITCH_UNKNOWN;
}

static void take_switches(const struct ethtool_gstrings *names,
			  const struct ethtool_gfeatures *features, struct arq_device *device)
{
	static const char *const checksums[] = {"tx-checksum-ip-generic", "tx-checksum-ipv4",
						"tx-checksum-ipv6"};

	device->lro = find_switch(names, features, "rx-lro");
	device->gro_hw = find_switch(names, features, "rx-gro-hw");
	device->rx_vlan = find_switch(names, features, "rx-vlan-hw-parse");
	/* Any of them leaves a datagram's checksum to the card. */
	for (size_t i = 0; i < sizeof(checksums) / sizeof(checksums[0]); i++) {
		enum arq_device_switch one = find_switch(names, features, checksums[i]);
		if (one > device->tx_checksum)
			device->tx_checksum = one;
	}
}

static void read_switches(int socket, const char *interface, struct arq_device *device)
{
	struct ethtool_gstrings *names = read_names(socket, interface);
	if (!names)
		return;
	uint32_t blocks = (names->len + 31) / 32;
	struct ethtool_gfeatures *features =
		calloc(1, sizeof(*features) + blocks * sizeof(features->features[0]));
	if (features) {
		features->cmd = ETHTOOL_GFEATURES;
		features->size = blocks;
		if (ethtool(socket, interface, features) == 0)
			take_switches(names, features, device);
	}
	free(features);
	free(names);
}

int arq_device_read(const char *interface, struct arq_device *device, struct arq_error *error)
{
	memset(device, 0, sizeof(*device));
	device->ifindex = if_nametoindex(interface);
	if (!device->ifindex)
		return arq_error_set(error, -ENODEV,
				     "there is no interface '%s' in this network namespace; 'ip "
				     "link' lists them",
				     interface);
	int code = read_link(device);
	if (code)
		return arq_error_set(error, code, "%s: cannot read about the interface: %s",
				     interface, strerror(-code));
	read_xdp_features(device);
	int socket_fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (socket_fd < 0)
		return arq_error_set(error, -errno, "cannot open a socket: %s", strerror(errno));
	read_driver(socket_fd, interface, device);
	read_queues(socket_fd, interface, device);
	read_rss(socket_fd, interface, device);
	read_switches(socket_fd, interface, device);
	close(socket_fd);
	return 0;
}
