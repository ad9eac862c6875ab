/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The words and numbers in the conditions of firewall rules: text to numbers. No memory is taken.
 * Each returns 0, or -EINVAL with what is wrong and what to write in `error` (without a place).
 * Internal to the configuration.
 */
#ifndef ARQUANT_COMMON_CONFIG_RULE_WORDS_H
#define ARQUANT_COMMON_CONFIG_RULE_WORDS_H

#include "userspace/common/error.h"
#include "userspace/common/rule.h"

/* What a field's entries may be: a word, a number up to a maximum, two numbers with '-'. */
struct arq_words;

extern const struct arq_words arq_words_protocol;
extern const struct arq_words arq_words_length;
extern const struct arq_words arq_words_ttl;
extern const struct arq_words arq_words_dscp;
extern const struct arq_words arq_words_vlan;
extern const struct arq_words arq_words_quic_version; /* hexadecimal numbers, too */

int arq_words_range(const struct arq_words *words, const char *text, struct arq_range *range,
		    struct arq_error *error);

/* "22", "tcp/22", "udp/5000-5999" */
int arq_words_port(const char *text, struct arq_port_range *range, struct arq_error *error);

/* "echo-request", "8", "3/4", "destination-unreachable/0-5"; IPv6's types with `v6`. */
int arq_words_icmp(const char *text, bool v6, struct arq_icmp_range *range,
		   struct arq_error *error);

/* "syn,!ack": set and not set, the others do not matter; "none": all eight not set. */
int arq_words_tcp_flags(const char *text, struct arq_match_tcp_flags *flags,
			struct arq_error *error);

/* "rule", "source", "source/24", "source/24/56": sets per and the prefix lengths. */
int arq_words_per(const char *text, struct arq_rule_limit *limit, struct arq_error *error);

/* The same without "rule", which says what is wrong then: lengths of prefixes of a source. */
int arq_words_source(const char *text, uint8_t *prefix_v4, uint8_t *prefix_v6,
		     struct arq_error *error);

#endif
