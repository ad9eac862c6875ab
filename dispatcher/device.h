/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the kernel tells about a network device, as far as it matters to XDP: driver, features,
 * queues, offloads. By rtnetlink, generic netlink and ethtool's ioctl; changes nothing, needs no
 * privileges. One thread.
 */
#ifndef ARQUANT_DISPATCHER_DEVICE_H
#define ARQUANT_DISPATCHER_DEVICE_H

#include "userspace/common/error.h"

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

/* Bits of arq_device.xdp_features, the kernel's NETDEV_XDP_ACT_* (6.3 and newer). */
#define ARQ_XDP_BASIC    (1u << 0)
#define ARQ_XDP_REDIRECT (1u << 1)
#define ARQ_XDP_ZEROCOPY (1u << 3)
#define ARQ_XDP_RX_SG    (1u << 5) /* takes frames in several buffers */

/* A feature that can be turned on and off. */
enum arq_device_switch {
	ARQ_SWITCH_UNKNOWN, /* the device does not have it, or says nothing */
	ARQ_SWITCH_OFF,
	ARQ_SWITCH_ON,
};

struct arq_device {
	unsigned int ifindex;
	char driver[32]; /* "" where it does not say */
	bool up;
	uint32_t mtu; /* bytes */
	bool has_xdp_features; /* the kernel knows, and the following is valid */
	uint64_t xdp_features;
	uint32_t rx_queues; /* active receive queues, 0: unknown */
	uint32_t rss_queues; /* of them those that RSS spreads packets over, 0: unknown */
	enum arq_device_switch lro;
	enum arq_device_switch gro_hw;
	enum arq_device_switch rx_vlan; /* takes VLAN tags out of frames */
	enum arq_device_switch tx_checksum;
	unsigned int peer; /* ifindex of a veth's other end, 0: none, or in another namespace */
};

/*
 * Reads about an interface of the caller's network namespace. What a device does not tell stays
 * unknown. Returns 0, or -ENODEV or another negative errno with the reason in `error`.
 */
int arq_device_read(const char *interface, struct arq_device *device, struct arq_error *error);

#endif
