// SPDX-License-Identifier: BSD-2-Clause
#include "userspace/arquant/monitor_links.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* Part of a dump, or an interface with all its attributes: the kernel fills up to 32 KiB. */
#define MESSAGE_MAX 32768

struct arq_xdp_links {
	struct mnl_socket *changes; /* told by the kernel */
	struct mnl_socket *questions; /* asked of it */
	uint32_t sequence;
	char buffer[MESSAGE_MAX];
};

struct call {
	arq_xdp_link_handler handler;
	void *context;
};

static struct mnl_socket *open_socket(unsigned int groups, int flags)
{
	struct mnl_socket *socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC | flags);

	if (socket && mnl_socket_bind(socket, groups, MNL_SOCKET_AUTOPID)) {
		int code = errno;
		mnl_socket_close(socket);
		errno = code;
		return NULL;
	}
	return socket;
}

int arq_xdp_links_open(struct arq_xdp_links **links, struct arq_error *error)
{
	*links = calloc(1, sizeof(**links));
	if (!*links)
		return arq_error_set(error, -ENOMEM, "out of memory");
	(*links)->changes = open_socket(RTMGRP_LINK, SOCK_NONBLOCK);
	(*links)->questions = (*links)->changes ? open_socket(0, 0) : NULL;
	if ((*links)->questions)
		return 0;
	int code = -errno;
	arq_xdp_links_close(*links);
	*links = NULL;
	return arq_error_set(error, code, "cannot listen for changes of interfaces: %s",
			     strerror(-code));
}

void arq_xdp_links_close(struct arq_xdp_links *links)
{
	if (!links)
		return;
	if (links->changes)
		mnl_socket_close(links->changes);
	if (links->questions)
		mnl_socket_close(links->questions);
	free(links);
}

int arq_xdp_links_fd(const struct arq_xdp_links *links)
{
	return mnl_socket_get_fd(links->changes);
}

/* --- messages --------------------------------------------------------------------------------- */

/* The program in one of an interface's modes, the same that libxdp looks at first. */
static uint32_t program_of(const struct nlattr *xdp)
{
	static const uint16_t order[] = {IFLA_XDP_PROG_ID, IFLA_XDP_DRV_PROG_ID,
					 IFLA_XDP_SKB_PROG_ID, IFLA_XDP_HW_PROG_ID};
	uint32_t ids[IFLA_XDP_MAX + 1] = {0};
	const struct nlattr *attribute;

	mnl_attr_for_each_nested(attribute, xdp)
	{
		uint16_t type = mnl_attr_get_type(attribute);
		if (type <= IFLA_XDP_MAX && mnl_attr_validate(attribute, MNL_TYPE_U32) >= 0)
			ids[type] = mnl_attr_get_u32(attribute);
	}
	for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
		if (ids[order[i]])
			return ids[order[i]];
	}
	return 0;
}

/* Messages of bridges and of wireless events have the same type, and do not tell about XDP. */
static int on_message(const struct nlmsghdr *message, void *context)
{
	const struct call *call = context;
	const struct ifinfomsg *info = mnl_nlmsg_get_payload(message);
	const struct nlattr *attribute, *xdp = NULL;
	const char *name = NULL;
	bool gone = message->nlmsg_type == RTM_DELLINK;

	if ((message->nlmsg_type != RTM_NEWLINK && !gone) ||
	    mnl_nlmsg_get_payload_len(message) < sizeof(*info) || info->ifi_family != AF_UNSPEC)
		return MNL_CB_OK;
	mnl_attr_for_each(attribute, message, sizeof(*info))
	{
		if (mnl_attr_get_type(attribute) == IFLA_IFNAME &&
		    mnl_attr_validate(attribute, MNL_TYPE_NUL_STRING) >= 0)
			name = mnl_attr_get_str(attribute);
		else if (mnl_attr_get_type(attribute) == IFLA_XDP)
			xdp = attribute;
	}
	if (name && (xdp || gone))
		call->handler(gone ? 0 : (uint32_t)info->ifi_index, name,
			      gone ? 0 : program_of(xdp), call->context);
	return MNL_CB_OK;
}

int arq_xdp_links_read(struct arq_xdp_links *links, arq_xdp_link_handler handler, void *context)
{
	struct call call = {handler, context};

	for (;;) {
		ssize_t length = mnl_socket_recvfrom(links->changes, links->buffer, MESSAGE_MAX);
		if (length < 0)
			return errno == EAGAIN || errno == EINTR ? 0 : -errno;
		if (mnl_cb_run(links->buffer, (size_t)length, 0, 0, on_message, &call) < 0)
			return -errno;
	}
}

int arq_xdp_links_scan(struct arq_xdp_links *links, arq_xdp_link_handler handler, void *context)
{
	struct call call = {handler, context};
	struct nlmsghdr *request = mnl_nlmsg_put_header(links->buffer);

	request->nlmsg_type = RTM_GETLINK;
	request->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	request->nlmsg_seq = ++links->sequence;
	mnl_nlmsg_put_extra_header(request, sizeof(struct ifinfomsg));
	if (mnl_socket_sendto(links->questions, request, request->nlmsg_len) < 0)
		return -errno;
	int result = MNL_CB_OK;
	while (result == MNL_CB_OK) {
		ssize_t length = mnl_socket_recvfrom(links->questions, links->buffer, MESSAGE_MAX);
		if (length < 0)
			return -errno;
		result = mnl_cb_run(links->buffer, (size_t)length, links->sequence,
				    mnl_socket_get_portid(links->questions), on_message, &call);
	}
	return result < 0 ? -errno : 0;
}
