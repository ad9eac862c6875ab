// SPDX-License-Identifier: BSD-2-Clause
#include "userspace/io/neighbour.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/if_ether.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

/* Next hops that one worker has in mind at a time: far more than backends of a gateway. */
#define SETS 128
#define WAYS 4

#define KNOWN_MS   1000
#define UNKNOWN_MS 50

/* Answers to requests about one route or neighbour take some hundred bytes. */
#define MESSAGE_MAX 4096

struct entry {
	uint64_t expires_ms; /* 0: never used */
	union arq_address remote; /* port 0 */
	bool known;
	uint8_t link[ARQ_NEIGHBOUR_LINK];
};

struct arq_neighbours {
	struct mnl_socket *socket;
	unsigned int port_id;
	uint32_t sequence;
	uint32_t ifindex;
	uint8_t own[ETH_ALEN];
	struct entry entries[SETS][WAYS];
};

struct route_answer {
	uint32_t ifindex;
	bool unicast;
	union arq_address next; /* the gateway; else untouched */
};

struct neighbour_answer {
	uint16_t state; /* NUD_*; NUD_NONE when the kernel has none */
	uint8_t link[ETH_ALEN];
};

static uint64_t now_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static const void *address_bytes(const union arq_address *address, size_t *length)
{
	if (address->sa.sa_family == AF_INET) {
		*length = sizeof(address->in.sin_addr);
		return &address->in.sin_addr;
	}
	*length = sizeof(address->in6.sin6_addr);
	return &address->in6.sin6_addr;
}

/* `attribute` carries an address of `family`; a length that does not fit leaves `address` alone. */
static void get_address(const struct nlattr *attribute, sa_family_t family,
			union arq_address *address)
{
	union arq_address found = {.sa.sa_family = family};
	const void *bytes = mnl_attr_get_payload(attribute);
	size_t length = mnl_attr_get_payload_len(attribute);

	if (family == AF_INET && length == sizeof(found.in.sin_addr))
		memcpy(&found.in.sin_addr, bytes, length);
	else if (family == AF_INET6 && length == sizeof(found.in6.sin6_addr))
		memcpy(&found.in6.sin6_addr, bytes, length);
	else
		return;
	*address = found;
}

static int read_route(const struct nlmsghdr *message, void *data)
{
	struct route_answer *answer = data;
	const struct rtmsg *route = mnl_nlmsg_get_payload(message);
	struct nlattr *attribute;

	if (message->nlmsg_type != RTM_NEWROUTE)
		return MNL_CB_OK;
	answer->unicast = route->rtm_type == RTN_UNICAST;
	mnl_attr_for_each(attribute, message, sizeof(*route))
	{
		switch (mnl_attr_get_type(attribute)) {
		case RTA_OIF:
			if (mnl_attr_validate(attribute, MNL_TYPE_U32) == 0)
				answer->ifindex = mnl_attr_get_u32(attribute);
			break;
		case RTA_GATEWAY:
			get_address(attribute, route->rtm_family, &answer->next);
			break;
		default:
			break;
		}
	}
	return MNL_CB_STOP;
}

static int read_neighbour(const struct nlmsghdr *message, void *data)
{
	struct neighbour_answer *answer = data;
	const struct ndmsg *neighbour = mnl_nlmsg_get_payload(message);
	struct nlattr *attribute;

	if (message->nlmsg_type != RTM_NEWNEIGH)
		return MNL_CB_OK;
	mnl_attr_for_each(attribute, message, sizeof(*neighbour))
	{
		if (mnl_attr_get_type(attribute) == NDA_LLADDR &&
		    mnl_attr_get_payload_len(attribute) == ETH_ALEN) {
			memcpy(answer->link, mnl_attr_get_payload(attribute), ETH_ALEN);
			answer->state = neighbour->ndm_state;
		}
	}
	return MNL_CB_STOP;
}

/*
 * Sends one request and reads its answer, which the kernel has queued before sendto returns.
 * Returns a negative errno when there is none.
 */
static int ask(struct arq_neighbours *neighbours, struct nlmsghdr *request, mnl_cb_t read_answer,
	       void *answer)
{
	uint8_t buffer[MESSAGE_MAX] __attribute__((aligned(8)));
	int fd = mnl_socket_get_fd(neighbours->socket);

	request->nlmsg_seq = ++neighbours->sequence;
	if (mnl_socket_sendto(neighbours->socket, request, request->nlmsg_len) < 0)
		return -errno;
	for (;;) {
		ssize_t length = recv(fd, buffer, sizeof(buffer), MSG_DONTWAIT | MSG_TRUNC);
		if (length < 0 && errno == EINTR)
			continue;
		if (length < 0)
			return -errno;
		if ((size_t)length > sizeof(buffer))
			return -EMSGSIZE;
		/* What answers an earlier request is of no use any more. */
		const struct nlmsghdr *first = (const struct nlmsghdr *)buffer;
		if ((size_t)length < sizeof(*first) || first->nlmsg_seq != request->nlmsg_seq)
			continue;
		int result = mnl_cb_run(buffer, (size_t)length, request->nlmsg_seq,
					neighbours->port_id, read_answer, answer);
		return result < 0 ? -errno : 0;
	}
}

/* The request's address goes into the attribute with number `attribute`. */
static void put_address(struct nlmsghdr *request, uint16_t attribute,
			const union arq_address *address)
{
	size_t length;
	const void *bytes = address_bytes(address, &length);
	mnl_attr_put(request, attribute, length, bytes);
}

static int ask_route(struct arq_neighbours *neighbours, const union arq_address *remote,
		     struct route_answer *answer)
{
	uint8_t buffer[256] __attribute__((aligned(8)));
	struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);
	bool v6 = remote->sa.sa_family == AF_INET6;

	request->nlmsg_type = RTM_GETROUTE;
	request->nlmsg_flags = NLM_F_REQUEST;
	struct rtmsg *route = mnl_nlmsg_put_extra_header(request, sizeof(*route));
	route->rtm_family = (unsigned char)remote->sa.sa_family;
	route->rtm_dst_len = v6 ? 128 : 32;
	put_address(request, RTA_DST, remote);
	/* A link-local address means something on a link only. */
	if (v6 && IN6_IS_ADDR_LINKLOCAL(&remote->in6.sin6_addr))
		mnl_attr_put_u32(request, RTA_OIF, neighbours->ifindex);
	return ask(neighbours, request, read_route, answer);
}

static struct nlmsghdr *neighbour_request(uint8_t *buffer, uint16_t type, uint32_t ifindex,
					  const union arq_address *next, uint8_t ndm_flags)
{
	struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);
	request->nlmsg_type = type;
	request->nlmsg_flags = NLM_F_REQUEST;
	struct ndmsg *neighbour = mnl_nlmsg_put_extra_header(request, sizeof(*neighbour));
	neighbour->ndm_family = (uint8_t)next->sa.sa_family;
	neighbour->ndm_ifindex = (int)ifindex;
	neighbour->ndm_flags = ndm_flags;
	put_address(request, NDA_DST, next);
	return request;
}

static int ask_neighbour(struct arq_neighbours *neighbours, const union arq_address *next,
			 struct neighbour_answer *answer)
{
	uint8_t buffer[256] __attribute__((aligned(8)));
	struct nlmsghdr *request =
		neighbour_request(buffer, RTM_GETNEIGH, neighbours->ifindex, next, 0);
	return ask(neighbours, request, read_neighbour, answer);
}

static int ignore_answer(const struct nlmsghdr *message, void *data)
{
	(void)message;
	(void)data;
	return MNL_CB_STOP;
}

/* Makes the kernel behave as if it had a packet for the neighbour: it resolves or confirms it. */
static void resolve(struct arq_neighbours *neighbours, const union arq_address *next)
{
	uint8_t buffer[256] __attribute__((aligned(8)));
	struct nlmsghdr *request =
		neighbour_request(buffer, RTM_NEWNEIGH, neighbours->ifindex, next, NTF_USE);
	request->nlmsg_flags |= NLM_F_ACK | NLM_F_CREATE;
	/* Refused without CAP_NET_ADMIN: then somebody else's packet must resolve it. */
	(void)ask(neighbours, request, ignore_answer, NULL);
}

static bool look_up(struct arq_neighbours *neighbours, const union arq_address *remote,
		    uint8_t link[ARQ_NEIGHBOUR_LINK])
{
	struct route_answer route = {.next = *remote};
	if (ask_route(neighbours, remote, &route) < 0 || !route.unicast ||
	    route.ifindex != neighbours->ifindex)
		return false;

	struct neighbour_answer neighbour = {.state = NUD_NONE};
	bool asked = ask_neighbour(neighbours, &route.next, &neighbour) == 0;
	const uint16_t usable =
		NUD_PERMANENT | NUD_NOARP | NUD_REACHABLE | NUD_PROBE | NUD_STALE | NUD_DELAY;
	const uint16_t sure = NUD_PERMANENT | NUD_NOARP | NUD_REACHABLE;
	if (!asked || !(neighbour.state & sure))
		resolve(neighbours, &route.next);
	if (!asked || !(neighbour.state & usable))
		return false;

	uint16_t ethertype = htons(remote->sa.sa_family == AF_INET ? ETH_P_IP : ETH_P_IPV6);
	memcpy(link, neighbour.link, ETH_ALEN);
	memcpy(link + ETH_ALEN, neighbours->own, ETH_ALEN);
	memcpy(link + ARQ_NEIGHBOUR_LINK - sizeof(ethertype), &ethertype, sizeof(ethertype));
	return true;
}

/* FNV-1a: the keys are our own backends, not a stranger's choice. */
static uint32_t set_of(const union arq_address *remote)
{
	size_t length;
	const uint8_t *bytes = address_bytes(remote, &length);
	uint32_t hash = 2166136261u;
	for (size_t i = 0; i < length; i++)
		hash = (hash ^ bytes[i]) * 16777619u;
	return (hash ^ hash >> 16) % SETS;
}

/* The entry of `key`, or else the one of its set that expires first. */
static struct entry *find_entry(struct entry set[WAYS], const union arq_address *key)
{
	struct entry *oldest = &set[0];
	for (int i = 0; i < WAYS; i++) {
		if (arq_address_equal(&set[i].remote, key))
			return &set[i];
		if (set[i].expires_ms < oldest->expires_ms)
			oldest = &set[i];
	}
	return oldest;
}

bool arq_neighbours_find(struct arq_neighbours *neighbours, const union arq_address *remote,
			 uint8_t link[ARQ_NEIGHBOUR_LINK])
{
	if (arq_address_length(remote) == 0)
		return false;
	union arq_address key = *remote;
	key.in.sin_port = 0; /* both families have it there */

	uint64_t now = now_ms();
	struct entry *entry = find_entry(neighbours->entries[set_of(&key)], &key);
	if (!arq_address_equal(&entry->remote, &key) || entry->expires_ms <= now) {
		entry->remote = key;
		entry->known = look_up(neighbours, &key, entry->link);
		entry->expires_ms = now + (entry->known ? KNOWN_MS : UNKNOWN_MS);
	}
	if (entry->known)
		memcpy(link, entry->link, ARQ_NEIGHBOUR_LINK);
	return entry->known;
}

static int read_own_address(struct arq_neighbours *neighbours, const char *interface,
			    struct arq_error *error)
{
	struct ifreq request = {0};
	strncpy(request.ifr_name, interface, sizeof(request.ifr_name) - 1);

	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int result = fd < 0 || ioctl(fd, SIOCGIFHWADDR, &request) < 0 ? -errno : 0;
	if (fd >= 0)
		close(fd);
	if (result < 0)
		return arq_error_set(error, result, "link address of %s: %s", interface,
				     strerror(-result));
	if (request.ifr_hwaddr.sa_family != ARPHRD_ETHER)
		return arq_error_set(
			error, -EOPNOTSUPP,
			"%s is not an Ethernet interface: use \"io: udp\" for services on it",
			interface);
	memcpy(neighbours->own, request.ifr_hwaddr.sa_data, ETH_ALEN);
	return 0;
}

int arq_neighbours_create(const char *interface, struct arq_neighbours **result,
			  struct arq_error *error)
{
	struct arq_neighbours *neighbours = calloc(1, sizeof(*neighbours));
	if (!neighbours)
		return arq_error_set(error, -ENOMEM, "neighbour cache: out of memory");

	neighbours->ifindex = if_nametoindex(interface);
	int code = read_own_address(neighbours, interface, error);
	if (code < 0)
		goto fail;
	neighbours->socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	if (!neighbours->socket || mnl_socket_bind(neighbours->socket, 0, MNL_SOCKET_AUTOPID) < 0) {
		code = arq_error_set(error, -errno, "rtnetlink socket: %s", strerror(errno));
		goto fail;
	}
	neighbours->port_id = mnl_socket_get_portid(neighbours->socket);
	*result = neighbours;
	return 0;
fail:
	arq_neighbours_destroy(neighbours);
	return code;
}

void arq_neighbours_destroy(struct arq_neighbours *neighbours)
{
	if (!neighbours)
		return;
	if (neighbours->socket)
		mnl_socket_close(neighbours->socket);
	free(neighbours);
}
