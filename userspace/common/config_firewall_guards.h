/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The firewall's guards as they are written, before they are made into struct arq_guards. Internal
 * to the configuration.
 */
#ifndef ARQUANT_COMMON_CONFIG_FIREWALL_GUARDS_H
#define ARQUANT_COMMON_CONFIG_FIREWALL_GUARDS_H

#include "userspace/common/config_firewall.h"

struct arq_config_too_big {
	char *rate;
	uint32_t burst;
	uint32_t mtu;
};

struct arq_config_quic {
	char **ports;
	uint32_t ports_count;
	enum arq_config_action fixed_bit;
	enum arq_config_action short_dcid;
	struct arq_config_limit *initials;
	struct arq_config_limit *all_initials;
	struct arq_config_limit *unknown_versions;
};

struct arq_config_knock {
	char *name;
	char **sequence;
	uint32_t sequence_count;
	char *window;
	char **opens;
	uint32_t opens_count;
	char *duration; /* key `for` */
};

/* Makes firewall.guards of what is written. Returns 0, or a negative errno with the reason. */
int arq_config_make_guards(const struct arq_config_check *check);

#endif
