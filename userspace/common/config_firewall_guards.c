// SPDX-License-Identifier: BSD-2-Clause
/* The firewall's guards: sanity of IPv4, fragments, QUIC, knocks. */
#include "userspace/common/config_firewall_guards.h"

#include "userspace/common/config_rule_words.h"
#include "userspace/common/rate.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#define SECOND 1000000000ull

/* Enough for every sender that is new, nothing to a link. */
#define TOO_BIG_RATE  "200/s"
#define TOO_BIG_BURST 10

/* The least that IPv6 allows (RFC 8200, 5), and so what every path can carry. */
#define MTU_MIN 1280
#define MTU_MAX 65535

#define BURST_MAX 1000000000

/* A whole network of IPv6 is one source: it has addresses without end. */
#define INITIALS_PREFIX_V4 32
#define INITIALS_PREFIX_V6 64

#define WINDOW_MAX (600 * SECOND)
#define OPEN_MAX   (8760 * 3600 * SECOND)

/* --- rates ------------------------------------------------------------------------------------ */

/*
 * Makes a rate of the two fields below `field`; without a burst, `burst_default` or, if that is 0,
 * the rate's packets.
 */
static int make_rate(const struct arq_config_check *check, struct arq_field field, const char *text,
		     uint32_t burst, uint32_t burst_default, struct arq_rate *rate)
{
	struct arq_field burst_field = arq_field("%s.burst", field.text);
	struct arq_field rate_field = arq_field("%s.rate", field.text);
	uint64_t packets, period;

	if (arq_rate_parse(text, &packets, &period))
		return arq_document_fail(check->document, check->error, rate_field,
					 "'%s' is no rate; write packets in a time, 100/s, 30/m or "
					 "2/10s, at most 1000000000 in a day",
					 text);
	int code = arq_config_check_number(check, burst_field, &burst,
					   burst_default ? burst_default : (uint32_t)packets, 1,
					   BURST_MAX);
	if (code == 0 && arq_rate_make(rate, packets, period, burst))
		code = arq_document_fail(check->document, check->error, rate_field,
					 "'%s' is too fast, or its burst of %u lasts for years; "
					 "write at most 160000000/s, or a smaller burst",
					 text, burst);
	return code;
}

/* --- fragments -------------------------------------------------------------------------------- */

static int make_too_big(const struct arq_config_check *check, struct arq_guards *guards)
{
	const struct arq_config_firewall *firewall = &check->config->firewall;
	const struct arq_config_too_big *written = firewall->packet_too_big;
	struct arq_field field = arq_field("firewall.packet_too_big");

	if (firewall->fragments != ARQ_CONFIG_FRAGMENTS_TOO_BIG)
		return !written ? 0
				: arq_document_fail(check->document, check->error, field,
						    "goes with 'fragments: packet-too-big' only; "
						    "write that, or remove it");
	guards->flags |= ARQ_GUARD_TOO_BIG;
	guards->too_big_mtu = written ? written->mtu : 0;
	int code = make_rate(check, field, written && written->rate ? written->rate : TOO_BIG_RATE,
			     written ? written->burst : 0, TOO_BIG_BURST, &guards->too_big);
	return code ? code
		    : arq_config_check_number(check, arq_field("firewall.packet_too_big.mtu"),
					      &guards->too_big_mtu, MTU_MIN, MTU_MIN, MTU_MAX);
}

/* --- QUIC ------------------------------------------------------------------------------------- */

static int make_quic_ports(const struct arq_config_check *check, struct arq_guards *guards)
{
	const struct arq_config_quic *quic = check->config->firewall.quic;

	for (uint32_t i = 0; i < quic->ports_count; i++) {
		struct arq_field field = arq_field("firewall.quic.ports[%u]", i);
		struct arq_port_range range;
		struct arq_error why = {0};

		if (arq_words_port(quic->ports[i], &range, &why))
			return arq_document_fail(check->document, check->error, field, "%s",
						 why.text);
		if (range.protocol == IPPROTO_TCP)
			return arq_document_fail(check->document, check->error, field,
						 "QUIC has ports of UDP; write the number alone");
		for (uint32_t port = range.low; port <= range.high; port++)
			guards->ports[port] |= ARQ_PORT_QUIC;
	}
	return 0;
}

static int make_initials(const struct arq_config_check *check, struct arq_guards *guards)
{
	const struct arq_config_limit *written = check->config->firewall.quic->initials;
	struct arq_rule_limit per = {
		.per = ARQ_LIMIT_PER_SOURCE,
		.prefix_v4 = INITIALS_PREFIX_V4,
		.prefix_v6 = INITIALS_PREFIX_V6,
	};
	struct arq_error why = {0};

	if (!written)
		return 0;
	if (written->per && arq_words_per(written->per, &per, &why))
		return arq_document_fail(check->document, check->error,
					 arq_field("firewall.quic.initials.per"), "%s", why.text);
	guards->flags |= ARQ_GUARD_QUIC_INITIALS;
	guards->quic_initials.per_source = per.per == ARQ_LIMIT_PER_SOURCE;
	guards->quic_initials.prefix_v4 = per.prefix_v4;
	guards->quic_initials.prefix_v6 = per.prefix_v6;
	return make_rate(check, arq_field("firewall.quic.initials"), written->rate, written->burst,
			 0, &guards->quic_initials.rate);
}

static int make_quic(const struct arq_config_check *check, struct arq_guards *guards)
{
	const struct arq_config_quic *written = check->config->firewall.quic;

	if (!written)
		return 0;
	guards->flags |= ARQ_GUARD_QUIC;
	if (written->fixed_bit == ARQ_CONFIG_DROP ||
	    !arq_document_has(check->document, arq_field("firewall.quic.fixed_bit")))
		guards->flags |= ARQ_GUARD_QUIC_FIXED_BIT;
	if (written->short_dcid == ARQ_CONFIG_DROP ||
	    !arq_document_has(check->document, arq_field("firewall.quic.short_dcid")))
		guards->flags |= ARQ_GUARD_QUIC_SHORT_DCID;
	int code = make_quic_ports(check, guards);
	if (!code)
		code = make_initials(check, guards);
	if (!code && written->all_initials) {
		guards->flags |= ARQ_GUARD_QUIC_ALL;
		code = make_rate(check, arq_field("firewall.quic.all_initials"),
				 written->all_initials->rate, written->all_initials->burst, 0,
				 &guards->quic_all);
	}
	if (!code && written->unknown_versions) {
		guards->flags |= ARQ_GUARD_QUIC_VERSIONS;
		code = make_rate(check, arq_field("firewall.quic.unknown_versions"),
				 written->unknown_versions->rate, written->unknown_versions->burst,
				 0, &guards->quic_versions);
	}
	return code;
}

/* --- knocks ----------------------------------------------------------------------------------- */

/* FNV-1a, 64 bits: the same knock has the same identity tomorrow. */
static uint64_t hash(uint64_t state, const void *data, size_t size)
{
	const uint8_t *bytes = data;

	for (size_t i = 0; i < size; i++)
		state = (state ^ bytes[i]) * 0x100000001b3ull;
	return state;
}

/* One port of one protocol, as ARQ_KNOCK_PORT. */
static int make_port(const struct arq_config_check *check, struct arq_field field, const char *text,
		     uint32_t *port)
{
	struct arq_port_range range;
	struct arq_error why = {0};

	if (arq_words_port(text, &range, &why))
		return arq_document_fail(check->document, check->error, field, "%s", why.text);
	if (range.protocol == 0 || range.low != range.high)
		return arq_document_fail(check->document, check->error, field,
					 "'%s' is not one port of one protocol; write tcp/22 or "
					 "udp/5000",
					 text);
	*port = ARQ_KNOCK_PORT(range.protocol, range.low);
	return 0;
}

static uint8_t role(uint32_t port, uint8_t tcp, uint8_t udp)
{
	return port >> 16 == IPPROTO_UDP ? udp : tcp;
}

static int make_steps(const struct arq_config_check *check, uint32_t i, struct arq_guards *guards)
{
	const struct arq_config_knock *written = &check->config->firewall.knocks[i];
	struct arq_knock *knock = &guards->knocks[i];

	if (written->sequence_count < 2)
		return arq_document_fail(
			check->document, check->error, arq_field("firewall.knocks[%u].sequence", i),
			"has one step, which any scan of ports finds; add another");
	for (uint32_t j = 0; j < written->sequence_count; j++) {
		struct arq_field field = arq_field("firewall.knocks[%u].sequence[%u]", i, j);
		uint32_t *step = &knock->steps[j];
		int code = make_port(check, field, written->sequence[j], step);
		if (code)
			return code;
		if (j > 0 && knock->steps[j - 1] == *step)
			return arq_document_fail(check->document, check->error, field,
						 "'%s' twice in a row is one knock: TCP repeats "
						 "itself; put another port between",
						 written->sequence[j]);
		uint8_t *known = &guards->ports[*step & 0xffff];
		if (*step >> 16 == IPPROTO_UDP) {
			guards->flags |= ARQ_GUARD_KNOCKS_UDP;
			if (*known & ARQ_PORT_QUIC)
				return arq_document_fail(check->document, check->error, field,
							 "'%s' is a QUIC port; choose another",
							 written->sequence[j]);
		}
		*known |= role(*step, ARQ_PORT_KNOCK_TCP, ARQ_PORT_KNOCK_UDP);
	}
	knock->step_count = written->sequence_count;
	return 0;
}

/* After all steps: what a knock opens must be no step of any. */
static int make_opens(const struct arq_config_check *check, uint32_t i, struct arq_guards *guards)
{
	const struct arq_config_knock *written = &check->config->firewall.knocks[i];

	for (uint32_t j = 0; j < written->opens_count; j++) {
		struct arq_field field = arq_field("firewall.knocks[%u].opens[%u]", i, j);
		uint32_t *port = &guards->knocks[i].opens[j];
		int code = make_port(check, field, written->opens[j], port);
		if (code)
			return code;
		uint8_t *known = &guards->ports[*port & 0xffff];
		if (*known & role(*port, ARQ_PORT_KNOCK_TCP, ARQ_PORT_KNOCK_UDP))
			return arq_document_fail(check->document, check->error, field,
						 "'%s' is a step of a sequence, which is never "
						 "open; choose another",
						 written->opens[j]);
		*known |= role(*port, ARQ_PORT_CLOSED_TCP, ARQ_PORT_CLOSED_UDP);
	}
	return 0;
}

static int make_time(const struct arq_config_check *check, struct arq_field field, const char *text,
		     uint64_t max, const char *max_text, __u64 *time)
{
	uint64_t parsed = 0;

	if (arq_duration_parse(text, &parsed) || parsed < SECOND || parsed > max)
		return arq_document_fail(check->document, check->error, field,
					 "'%s' is no duration from 1s to %s; write 10s", text,
					 max_text);
	*time = parsed;
	return 0;
}

static int make_knock(const struct arq_config_check *check, uint32_t i, struct arq_guards *guards)
{
	const struct arq_config_knock *knocks = check->config->firewall.knocks;
	struct arq_knock *knock = &guards->knocks[i];
	struct arq_field name = arq_field("firewall.knocks[%u].name", i);

	int code = arq_config_check_name(check, name, knocks[i].name);
	for (uint32_t j = 0; !code && j < i; j++) {
		if (strcmp(knocks[j].name, knocks[i].name) == 0)
			code = arq_config_name_twice(check, name, knocks[i].name,
						     arq_field("firewall.knocks[%u]", j));
	}
	if (!code)
		code = make_steps(check, i, guards);
	if (!code)
		code = make_time(check, arq_field("firewall.knocks[%u].window", i),
				 knocks[i].window, WINDOW_MAX, "10m", &knock->window_ns);
	if (!code)
		code = make_time(check, arq_field("firewall.knocks[%u].for", i), knocks[i].duration,
				 OPEN_MAX, "8760h", &knock->open_ns);
	return code;
}

static int make_knocks(const struct arq_config_check *check, struct arq_guards *guards)
{
	const struct arq_config_firewall *firewall = &check->config->firewall;
	int code = 0;

	for (uint32_t i = 0; !code && i < firewall->knocks_count; i++)
		code = make_knock(check, i, guards);
	for (uint32_t i = 0; !code && i < firewall->knocks_count; i++) {
		struct arq_knock *knock = &guards->knocks[i];
		const char *name = firewall->knocks[i].name;
		code = make_opens(check, i, guards);
		knock->identity = hash(0xcbf29ce484222325ull, name, strlen(name) + 1);
		knock->identity = hash(knock->identity, knock->steps, sizeof(knock->steps));
		knock->identity = hash(knock->identity, knock->opens, sizeof(knock->opens));
	}
	guards->knock_count = firewall->knocks_count;
	if (guards->knock_count)
		guards->flags |= ARQ_GUARD_KNOCKS;
	return code;
}

int arq_config_make_guards(const struct arq_config_check *check)
{
	struct arq_config_firewall *firewall = &check->config->firewall;

	struct arq_guards *guards = calloc(1, sizeof(*guards));
	if (!guards)
		return arq_config_no_memory(check);
	firewall->guards = guards;
	/* The words begin with pass: what is absent is zero, and passes. */
	if (firewall->ipv4_options == ARQ_CONFIG_DROP)
		guards->flags |= ARQ_GUARD_IPV4_OPTIONS;
	if (firewall->evil_bit == ARQ_CONFIG_DROP)
		guards->flags |= ARQ_GUARD_EVIL_BIT;
	if (firewall->fragments != ARQ_CONFIG_FRAGMENTS_PASS)
		guards->flags |= ARQ_GUARD_FRAGMENTS;
	int code = make_too_big(check, guards);
	if (!code)
		code = make_quic(check, guards);
	return code ? code : make_knocks(check, guards);
}
