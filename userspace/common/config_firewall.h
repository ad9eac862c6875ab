/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The firewall's sets and rules as they are written, and the steps that make rules of them
 * (userspace/common/rule.h). Internal to the configuration.
 */
#ifndef ARQUANT_COMMON_CONFIG_FIREWALL_H
#define ARQUANT_COMMON_CONFIG_FIREWALL_H

#include "userspace/common/config_check.h"

struct arq_config_set {
	char *name;
	char *file; /* NULL when the elements are in the configuration */
	char **elements;
	uint32_t elements_count;
	bool track;
};

/* Conditions; each that is there must hold, and does when any of its entries does. */
struct arq_config_match {
	char **from;
	uint32_t from_count;
	char **to;
	uint32_t to_count;
	char **proto;
	uint32_t proto_count;
	char **from_port;
	uint32_t from_port_count;
	char **to_port;
	uint32_t to_port_count;
	char **icmp;
	uint32_t icmp_count;
	char **icmp6;
	uint32_t icmp6_count;
	char *tcp_flags;
	char **length;
	uint32_t length_count;
	char **ttl;
	uint32_t ttl_count;
	char **dscp;
	uint32_t dscp_count;
	char **vlan;
	uint32_t vlan_count;
	char **quic_version;
	uint32_t quic_version_count;
};

struct arq_config_limit {
	char *rate;
	uint32_t burst;
	char *per;
};

struct arq_config_rule {
	char *name;
	struct arq_config_match match;
	struct arq_config_match not ; /* these must not hold */
	uint32_t fragment; /* enum arq_match_fragment */
	uint32_t quic; /* enum arq_match_quic */
	char **interface;
	uint32_t interface_count;
	enum arq_rule_action action;
	char *block_for;
	char *block_per;
	struct arq_config_limit *limit;
};

/* Parses the prefix that `field` holds. Returns 0 or -EINVAL with the reason. */
int arq_config_parse_prefix(const struct arq_config_check *check, struct arq_field field,
			    const char *text, struct arq_prefix *prefix);

/*
 * Makes rule `i` of what is written; its name is known to be good, and the sets are there. Returns
 * 0, or a negative errno with the reason; what `rule` owns then is for arq_ruleset_clear, too.
 */
int arq_config_make_rule(const struct arq_config_check *check, uint32_t i, struct arq_rule *rule);

#endif
