// SPDX-License-Identifier: BSD-2-Clause
#include "userspace/common/config_rule_words.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

/* An IPv6 packet without jumbograms: its header and the most that the length field can say. */
#define LENGTH_MAX (40 + 65535)

/* Of a source that has more than one address, the usual share: RFC 6177, a subnet. */
#define PREFIX_V6_DEFAULT 64

struct word {
	const char *text;
	uint32_t number;
};

struct arq_words {
	const char *what;
	const char *example;
	const struct word *words; /* up to one without text; NULL: numbers only */
	uint32_t max;
	bool hexadecimal;
};

/* IANA's names where they are in use, else what people call them. */
static const struct word protocols[] = {
	{"icmp", 1},   {"igmp", 2},   {"ipip", 4},      {"tcp", 6},    {"udp", 17},  {"ipv6", 41},
	{"gre", 47},   {"esp", 50},   {"ah", 51},       {"icmp6", 58}, {"ospf", 89}, {"pim", 103},
	{"vrrp", 112}, {"sctp", 132}, {"udplite", 136}, {NULL, 0},
};

/* RFC 2474, 2597, 3246, 5865, 8622 */
static const struct word dscps[] = {
	{"cs0", 0},   {"cs1", 8},   {"cs2", 16},  {"cs3", 24},  {"cs4", 32},  {"cs5", 40},
	{"cs6", 48},  {"cs7", 56},  {"af11", 10}, {"af12", 12}, {"af13", 14}, {"af21", 18},
	{"af22", 20}, {"af23", 22}, {"af31", 26}, {"af32", 28}, {"af33", 30}, {"af41", 34},
	{"af42", 36}, {"af43", 38}, {"ef", 46},   {"va", 44},   {"le", 1},    {NULL, 0},
};

static const struct word vlans[] = {
	{"none", ARQ_VLAN_NONE},
	{NULL, 0},
};

/* RFC 792, 950, 1256 */
static const struct word icmp_types[] = {
	{"echo-reply", 0},           {"destination-unreachable", 3},
	{"source-quench", 4},        {"redirect", 5},
	{"echo-request", 8},         {"router-advertisement", 9},
	{"router-solicitation", 10}, {"time-exceeded", 11},
	{"parameter-problem", 12},   {"timestamp-request", 13},
	{"timestamp-reply", 14},     {"address-mask-request", 17},
	{"address-mask-reply", 18},  {NULL, 0},
};

/* RFC 4443, 2710, 3810, 4861 */
static const struct word icmp6_types[] = {
	{"destination-unreachable", 1},
	{"packet-too-big", 2},
	{"time-exceeded", 3},
	{"parameter-problem", 4},
	{"echo-request", 128},
	{"echo-reply", 129},
	{"mld-query", 130},
	{"mld-report", 131},
	{"mld-done", 132},
	{"router-solicitation", 133},
	{"router-advertisement", 134},
	{"neighbor-solicitation", 135},
	{"neighbor-advertisement", 136},
	{"redirect", 137},
	{"mld2-report", 143},
	{NULL, 0},
};

/* RFC 9293, 3168; from the lowest bit on. */
static const char *const tcp_flags[] = {"fin", "syn", "rst", "psh", "ack", "urg", "ece", "cwr"};

const struct arq_words arq_words_protocol = {"protocol", "tcp, 47 or 50-51", protocols, 255, false};
const struct arq_words arq_words_length = {"length", "64 or 1000-1500", NULL, LENGTH_MAX, false};
const struct arq_words arq_words_ttl = {"TTL", "64 or 0-5", NULL, 255, false};
const struct arq_words arq_words_dscp = {"DSCP", "ef, 46 or 8-15", dscps, 63, false};
const struct arq_words arq_words_vlan = {"VLAN", "none, 100 or 100-199", vlans, 4095, false};
const struct arq_words arq_words_quic_version = {"QUIC version", "1 or 0x6b3343cf", NULL,
						 UINT32_MAX, true};

static const struct arq_words words_icmp = {"ICMP type", "echo-request, 8 or 3/4", icmp_types, 255,
					    false};
static const struct arq_words words_icmp6 = {"ICMPv6 type", "echo-request, 128 or 1/4", icmp6_types,
					     255, false};
static const struct arq_words words_code = {"ICMP code", "4 or 0-5", NULL, 255, false};
static const struct arq_words words_port = {"port", "22, tcp/22 or udp/5000-5999", NULL, 65535,
					    false};
static const struct arq_words words_bits_v4 = {"IPv4 prefix length", "24", NULL, 32, false};
static const struct arq_words words_bits_v6 = {"IPv6 prefix length", "56", NULL, 128, false};

/* Digits and nothing else, without a leading zero that others read as octal. */
static int parse_number(const struct arq_words *words, const char *text, size_t length,
			uint32_t *number)
{
	bool hexadecimal = words->hexadecimal && length > 2 && text[0] == '0' && text[1] == 'x';
	const char *digits = hexadecimal ? text + 2 : text;
	size_t count = length - (size_t)(digits - text);

	if (count == 0 ||
	    strspn(digits, hexadecimal ? "0123456789abcdefABCDEF" : "0123456789") < count ||
	    (!hexadecimal && count > 1 && digits[0] == '0'))
		return -EINVAL;
	if (count > 10)
		return -ERANGE;
	unsigned long long value = strtoull(digits, NULL, hexadecimal ? 16 : 10);
	if (value > words->max)
		return -ERANGE;
	*number = (uint32_t)value;
	return 0;
}

static int find_word(const struct word *words, const char *text, size_t length, uint32_t *number)
{
	for (const struct word *word = words; word && word->text; word++) {
		if (strlen(word->text) == length && memcmp(word->text, text, length) == 0) {
			*number = word->number;
			return 0;
		}
	}
	return -ENOENT;
}

static int refuse(const struct arq_words *words, const char *text, size_t length, int code,
		  struct arq_error *error)
{
	int shown = length > 40 ? 40 : (int)length;

	if (code == -ERANGE)
		return arq_error_set(error, -EINVAL, "'%.*s' is out of range; the most is %u (%s)",
				     shown, text, words->max, words->what);
	return arq_error_set(error, -EINVAL, "'%.*s' is no %s; write %s", shown, text, words->what,
			     words->example);
}

/* The first `length` characters of the text. */
static int parse_range(const struct arq_words *words, const char *text, size_t length,
		       struct arq_range *range, struct arq_error *error)
{
	if (find_word(words->words, text, length, &range->low) == 0) {
		range->high = range->low;
		return 0;
	}
	const char *dash = memchr(text, '-', length);
	size_t first = dash ? (size_t)(dash - text) : length;
	int code = parse_number(words, text, first, &range->low);
	range->high = range->low;
	if (!code && dash)
		code = parse_number(words, dash + 1, length - first - 1, &range->high);
	if (code)
		return refuse(words, text, length, code, error);
	if (range->high < range->low)
		return arq_error_set(error, -EINVAL,
				     "'%.*s' ends before it begins; write the lower number first",
				     (int)length, text);
	return 0;
}

int arq_words_range(const struct arq_words *words, const char *text, struct arq_range *range,
		    struct arq_error *error)
{
	return parse_range(words, text, strlen(text), range, error);
}

int arq_words_port(const char *text, struct arq_port_range *range, struct arq_error *error)
{
	const char *slash = strchr(text, '/');
	const char *ports = slash ? slash + 1 : text;
	struct arq_range numbers;

	range->protocol = 0;
	if (slash && strncmp(text, "tcp/", 4) == 0)
		range->protocol = IPPROTO_TCP;
	else if (slash && strncmp(text, "udp/", 4) == 0)
		range->protocol = IPPROTO_UDP;
	else if (slash)
		return arq_error_set(error, -EINVAL,
				     "'%.40s' is of a protocol whose ports are not known; write "
				     "tcp/, udp/, or a port alone for both",
				     text);
	int code = arq_words_range(&words_port, ports, &numbers, error);
	if (code)
		return code;
	range->low = (uint16_t)numbers.low;
	range->high = (uint16_t)numbers.high;
	return 0;
}

int arq_words_icmp(const char *text, bool v6, struct arq_icmp_range *range, struct arq_error *error)
{
	const struct arq_words *words = v6 ? &words_icmp6 : &words_icmp;
	const char *slash = strchr(text, '/');
	size_t length = slash ? (size_t)(slash - text) : strlen(text);
	struct arq_range codes = {0, 255};
	uint32_t type = 0;

	int code = find_word(words->words, text, length, &type);
	if (code)
		code = parse_number(words, text, length, &type);
	if (code)
		return refuse(words, text, length, code, error);
	if (slash)
		code = arq_words_range(&words_code, slash + 1, &codes, error);
	*range = (struct arq_icmp_range){(uint8_t)type, (uint8_t)codes.low, (uint8_t)codes.high};
	return code;
}

static int find_flag(const char *text, size_t length)
{
	for (int i = 0; i < 8; i++) {
		if (strlen(tcp_flags[i]) == length && memcmp(tcp_flags[i], text, length) == 0)
			return i;
	}
	return -1;
}

int arq_words_tcp_flags(const char *text, struct arq_match_tcp_flags *flags,
			struct arq_error *error)
{
	*flags = (struct arq_match_tcp_flags){0};
	if (strcmp(text, "none") == 0) {
		flags->mask = 0xff;
		return 0;
	}
	for (const char *at = text;; at++) {
		bool clear = *at == '!';
		at += clear;
		size_t length = strcspn(at, ",");
		int flag = find_flag(at, length);
		if (flag < 0)
			return arq_error_set(
				error, -EINVAL,
				"'%.40s' is no list of TCP flags; write syn,!ack (fin, "
				"syn, rst, psh, ack, urg, ece, cwr) or none",
				text);
		if (flags->mask & 1 << flag)
			return arq_error_set(error, -EINVAL,
					     "'%.40s' has the flag %s twice; keep one", text,
					     tcp_flags[flag]);
		flags->mask |= (uint8_t)(1 << flag);
		flags->value |= (uint8_t)(!clear << flag);
		at += length;
		if (!*at)
			return 0;
	}
}

int arq_words_source(const char *text, uint8_t *prefix_v4, uint8_t *prefix_v6,
		     struct arq_error *error)
{
	const char *bits = strchr(text, '/');
	size_t length = bits ? (size_t)(bits - text) : strlen(text);
	struct arq_range v4 = {32, 32}, v6 = {128, 128};

	if (length != strlen("source") || memcmp(text, "source", length) != 0)
		return arq_error_set(error, -EINVAL,
				     "'%.40s' is not known; write source, source/24 or "
				     "source/24/56",
				     text);
	int code = 0;
	if (bits) {
		const char *second = strchr(bits + 1, '/');
		size_t first = second ? (size_t)(second - bits - 1) : strlen(bits + 1);
		v6 = (struct arq_range){PREFIX_V6_DEFAULT, PREFIX_V6_DEFAULT};
		code = parse_range(&words_bits_v4, bits + 1, first, &v4, error);
		if (!code && second)
			code = arq_words_range(&words_bits_v6, second + 1, &v6, error);
	}
	if (!code && (v4.low == 0 || v6.low == 0 || v4.low != v4.high || v6.low != v6.high))
		code = arq_error_set(error, -EINVAL,
				     "'%.40s' has no prefix length; write source/24 or "
				     "source/24/56, none of them 0",
				     text);
	*prefix_v4 = (uint8_t)v4.low;
	*prefix_v6 = (uint8_t)v6.low;
	return code;
}

int arq_words_per(const char *text, struct arq_rule_limit *limit, struct arq_error *error)
{
	limit->per = ARQ_LIMIT_PER_RULE;
	if (strcmp(text, "rule") == 0)
		return 0;
	limit->per = ARQ_LIMIT_PER_SOURCE;
	return arq_words_source(text, &limit->prefix_v4, &limit->prefix_v6, error);
}
