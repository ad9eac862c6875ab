/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Keys and values of the firewall's tables: LPM tries `sources_v4` and `sources_v6`, by source
 * address. The value is the decision for every address whose longest prefix the key is.
 */
#ifndef ARQUANT_FIREWALL_H
#define ARQUANT_FIREWALL_H

#include <linux/types.h>

#define ARQ_RULES_MAX     65535
#define ARQ_RULE_NAME_MAX 64 /* with the final zero */
#define ARQ_SOURCES_MAX   (1u << 20) /* prefixes of all rules, for each family */

enum arq_rule_action {
	ARQ_RULE_DROP,
	ARQ_RULE_PASS,
};

struct arq_source_key_v4 {
	__u32 length; /* of the prefix in bits, host byte order, as the kernel's trie wants it */
	__u8 address[4]; /* network byte order, host bits zero */
};

struct arq_source_key_v6 {
	__u32 length;
	__u8 address[16];
};

struct arq_source_rule {
	__u32 rule; /* the rule that decides, counted from 1 */
	__u32 action; /* enum arq_rule_action */
};

#endif
