// SPDX-License-Identifier: BSD-2-Clause
/*
 * The firewall's guards in the configuration: what each key becomes, and a table of what is
 * refused, with place, field and the way out.
 */
#include "userspace/common/config.h"
#include "userspace/common/rate.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SECOND 1000000000ULL

static char directory[] = "/tmp/arquant-test-guards-XXXXXX";
static char path[sizeof(directory) + 16];

static void enter(void)
{
	cr_assert_not_null(mkdtemp(directory));
	snprintf(path, sizeof(path), "%s/a.yaml", directory);
}

static void leave(void)
{
	unlink(path);
	rmdir(directory);
}

TestSuite(config_guards, .init = enter, .fini = leave);

/* One line, "firewall: {TEXT}". */
static int load_text(const char *text, struct arq_config **config, struct arq_error *error)
{
	FILE *file = fopen(path, "we");
	cr_assert_not_null(file);
	cr_assert_geq(fprintf(file, "firewall: {%s}\n", text), 0);
	cr_assert_eq(fclose(file), 0);
	return arq_config_load(path, config, error);
}

static const struct arq_guards *load(struct arq_config **config, const char *text)
{
	struct arq_error error = {0};

	cr_assert_eq(load_text(text, config, &error), 0, "%s", error.text);
	cr_assert_not_null((*config)->firewall.guards);
	return (*config)->firewall.guards;
}

static void expect_rate(const struct arq_rate *rate, uint64_t packets, uint64_t period,
			uint32_t burst)
{
	struct arq_rate expected;

	cr_assert_eq(arq_rate_make(&expected, packets, period, burst), 0);
	cr_expect_eq(rate->interval_ns16, expected.interval_ns16);
	cr_expect_eq(rate->tolerance_ns16, expected.tolerance_ns16);
}

Test(config_guards, without_any_nothing_is_guarded)
{
	static const struct arq_guards none;
	struct arq_config *config;

	const struct arq_guards *guards = load(&config, "default: pass");
	cr_expect_eq(memcmp(guards, &none, sizeof(none)), 0);
	arq_config_destroy(config);
	guards = load(&config, "ipv4_options: pass, evil_bit: pass, fragments: pass, knocks: []");
	cr_expect_eq(memcmp(guards, &none, sizeof(none)), 0);
	arq_config_destroy(config);
}

Test(config_guards, reads_sanity_and_fragments)
{
	struct arq_config *config;

	cr_expect_eq(load(&config, "ipv4_options: drop")->flags, ARQ_GUARD_IPV4_OPTIONS);
	arq_config_destroy(config);
	cr_expect_eq(load(&config, "evil_bit: drop, fragments: drop")->flags,
		     ARQ_GUARD_EVIL_BIT | ARQ_GUARD_FRAGMENTS);
	arq_config_destroy(config);
	const struct arq_guards *guards = load(&config, "fragments: packet-too-big");
	cr_expect_eq(guards->flags, ARQ_GUARD_FRAGMENTS | ARQ_GUARD_TOO_BIG);
	cr_expect_eq(guards->too_big_mtu, 1280);
	expect_rate(&guards->too_big, 200, SECOND, 10);
	arq_config_destroy(config);
	guards = load(&config, "fragments: packet-too-big, packet_too_big: {mtu: 1400}");
	cr_expect_eq(guards->too_big_mtu, 1400);
	expect_rate(&guards->too_big, 200, SECOND, 10);
	arq_config_destroy(config);
	guards = load(&config, "fragments: packet-too-big, packet_too_big: {rate: 5/m, burst: 2}");
	cr_expect_eq(guards->too_big_mtu, 1280);
	expect_rate(&guards->too_big, 5, 60 * SECOND, 2);
	arq_config_destroy(config);
}

Test(config_guards, reads_quic)
{
	const uint32_t always =
		ARQ_GUARD_QUIC | ARQ_GUARD_QUIC_FIXED_BIT | ARQ_GUARD_QUIC_SHORT_DCID;
	struct arq_config *config;

	const struct arq_guards *guards = load(&config, "quic: {ports: 443}");
	cr_expect_eq(guards->flags, always);
	cr_expect_eq(guards->ports[443], ARQ_PORT_QUIC);
	cr_expect_eq(guards->ports[442] | guards->ports[444], 0);
	arq_config_destroy(config);
	guards = load(&config, "quic: {ports: [443, udp/4433-4440, 65535], fixed_bit: pass, "
			       "short_dcid: pass}");
	cr_expect_eq(guards->flags, ARQ_GUARD_QUIC);
	uint32_t count = 0;
	for (uint32_t port = 0; port < 65536; port++)
		count += guards->ports[port] == ARQ_PORT_QUIC;
	cr_expect_eq(count, 10);
	arq_config_destroy(config);
	guards = load(&config, "quic: {ports: 443, initials: {rate: 50/s, burst: 100}, "
			       "unknown_versions: {rate: 3/10s}}");
	cr_expect_eq(guards->flags, always | ARQ_GUARD_QUIC_INITIALS | ARQ_GUARD_QUIC_VERSIONS);
	expect_rate(&guards->quic_initials.rate, 50, SECOND, 100);
	expect_rate(&guards->quic_versions, 3, 10 * SECOND, 3);
	cr_expect_eq(guards->quic_initials.per_source, 1);
	cr_expect_eq(guards->quic_initials.prefix_v4, 32);
	cr_expect_eq(guards->quic_initials.prefix_v6, 64);
	arq_config_destroy(config);
	guards = load(&config, "quic: {ports: 443, initials: {rate: 9/s, per: source/24/48}}");
	cr_expect_eq(guards->quic_initials.prefix_v4, 24);
	cr_expect_eq(guards->quic_initials.prefix_v6, 48);
	arq_config_destroy(config);
	guards = load(&config, "quic: {ports: 443, initials: {rate: 9/s, per: rule}}");
	cr_expect_eq(guards->quic_initials.per_source, 0);
	arq_config_destroy(config);
	guards = load(&config, "quic: {ports: 443, all_initials: {rate: 5000/s, burst: 700}}");
	cr_expect_eq(guards->flags, always | ARQ_GUARD_QUIC_ALL);
	expect_rate(&guards->quic_all, 5000, SECOND, 700);
	arq_config_destroy(config);
}

#define KNOCK "name: k, sequence: [tcp/1, udp/2], window: 10s, opens: [tcp/22, udp/22], for: 10m"

Test(config_guards, reads_knocks)
{
	struct arq_config *config;

	const struct arq_guards *guards =
		load(&config, "knocks: [{" KNOCK "}, {name: l, sequence: [tcp/1, tcp/3, tcp/1], "
			      "window: 1s, opens: tcp/22, for: 1h}]");
	cr_expect_eq(guards->flags, ARQ_GUARD_KNOCKS | ARQ_GUARD_KNOCKS_UDP);
	cr_assert_eq(guards->knock_count, 2);
	const struct arq_knock *knock = &guards->knocks[0];
	cr_expect_eq(knock->step_count, 2);
	cr_expect_eq(knock->steps[0], ARQ_KNOCK_PORT(IPPROTO_TCP, 1));
	cr_expect_eq(knock->steps[1], ARQ_KNOCK_PORT(IPPROTO_UDP, 2));
	cr_expect_eq(knock->opens[1], ARQ_KNOCK_PORT(IPPROTO_UDP, 22));
	cr_expect_eq(knock->opens[2], 0);
	cr_expect_eq(knock->window_ns, 10 * SECOND);
	cr_expect_eq(knock->open_ns, 600 * SECOND);
	cr_expect_eq(guards->knocks[1].step_count, 3);
	cr_expect_neq(guards->knocks[1].identity, knock->identity);
	cr_expect_eq(guards->ports[1], ARQ_PORT_KNOCK_TCP);
	cr_expect_eq(guards->ports[2], ARQ_PORT_KNOCK_UDP);
	cr_expect_eq(guards->ports[22], ARQ_PORT_CLOSED_TCP | ARQ_PORT_CLOSED_UDP);
	uint64_t identity = knock->identity;
	arq_config_destroy(config);
	guards = load(&config, "evil_bit: drop, knocks: [{" KNOCK "}]");
	cr_expect_eq(guards->knocks[0].identity, identity, "its state lives on");
	arq_config_destroy(config);
}

static const struct {
	const char *text;
	const char *place; /* "COLUMN: FIELD" */
	const char *words; /* somewhere after it */
} refused[] = {
	{"evil_bit: no", "22: firewall.evil_bit", "write one of: pass, drop"},
	{"ipv4_options: count", "26: firewall.ipv4_options", "write one of: pass, drop"},
	{"fragments: answer", "23: firewall.fragments", "packet-too-big"},
	{"fragments: drop, packet_too_big: {}", "45: firewall.packet_too_big",
	 "'fragments: packet-too-big' only"},
	{"fragments: packet-too-big, packet_too_big: {mtu: 1279}",
	 "61: firewall.packet_too_big.mtu", "from 1280 to 65535"},
	{"fragments: packet-too-big, packet_too_big: {mtu: 65536}",
	 "61: firewall.packet_too_big.mtu", "from 1280 to 65535"},
	{"fragments: packet-too-big, packet_too_big: {rate: 200}",
	 "62: firewall.packet_too_big.rate", "'200' is no rate"},
	{"fragments: packet-too-big, packet_too_big: {rate: 200000000/s}",
	 "62: firewall.packet_too_big.rate", "is too fast"},
	{"fragments: packet-too-big, packet_too_big: {rate: 1/h, burst: 1000000000}",
	 "62: firewall.packet_too_big.rate", "lasts for years"},
	{"fragments: packet-too-big, packet_too_big: {burst: 0}",
	 "63: firewall.packet_too_big.burst", "from 1 to 1000000000"},
	{"fragments: packet-too-big, packet_too_big: {limit: 5}",
	 "56: firewall.packet_too_big.limit", "unknown key"},
	{"quic: {}", "18: firewall.quic.ports", "is missing"},
	{"quic: {ports: []}", "26: firewall.quic.ports", "empty list"},
	{"quic: {ports: tcp/443}", "26: firewall.quic.ports[0]", "ports of UDP"},
	{"quic: {ports: 65536}", "26: firewall.quic.ports[0]", "the most is 65535"},
	{"quic: {ports: 443, fixed_bit: greased}", "42: firewall.quic.fixed_bit",
	 "write one of: pass, drop"},
	{"quic: {ports: 443, initials: {burst: 3}}", "41: firewall.quic.initials.rate",
	 "is missing"},
	{"quic: {ports: 443, initials: {rate: 0/s}}", "48: firewall.quic.initials.rate",
	 "'0/s' is no rate"},
	{"quic: {ports: 443, initials: {rate: 5/s, per: source/33}}",
	 "58: firewall.quic.initials.per", "33"},
	{"quic: {ports: 443, unknown_versions: {rate: 5/s, per: source}}",
	 "61: firewall.quic.unknown_versions.per", "unknown key"},
	{"knocks: [{name: k}]", "21: firewall.knocks[0].sequence", "is missing"},
	{"knocks: [{" KNOCK "}, {" KNOCK "}]", "113: firewall.knocks[1].name",
	 "is the name of firewall.knocks[0] already"},
	{"knocks: [{name: a b, sequence: [tcp/1, tcp/2], window: 1s, opens: tcp/3, for: 1s}]",
	 "28: firewall.knocks[0].name", "is no name"},
	{"knocks: [{name: k, sequence: [tcp/1], window: 1s, opens: tcp/3, for: 1s}]",
	 "41: firewall.knocks[0].sequence", "has one step"},
	{"knocks: [{name: k, sequence: [tcp/1, 2], window: 1s, opens: tcp/3, for: 1s}]",
	 "49: firewall.knocks[0].sequence[1]", "not one port of one protocol"},
	{"knocks: [{name: k, sequence: [tcp/1, tcp/2-3], window: 1s, opens: tcp/3, for: 1s}]",
	 "49: firewall.knocks[0].sequence[1]", "not one port of one protocol"},
	{"knocks: [{name: k, sequence: [tcp/1, tcp/1], window: 1s, opens: tcp/3, for: 1s}]",
	 "49: firewall.knocks[0].sequence[1]", "twice in a row"},
	{"quic: {ports: 2}, knocks: [{name: k, sequence: [tcp/1, udp/2], window: 1s, opens: tcp/3, "
	 "for: 1s}]",
	 "67: firewall.knocks[0].sequence[1]", "is a QUIC port"},
	{"knocks: [{name: k, sequence: [tcp/1, tcp/2], window: 11m, opens: tcp/3, for: 1s}]",
	 "65: firewall.knocks[0].window", "from 1s to 10m"},
	{"knocks: [{name: k, sequence: [tcp/1, tcp/2], window: 1s, opens: tcp/3, for: 10ms}]",
	 "88: firewall.knocks[0].for", "from 1s to 8760h"},
	{"knocks: [{name: k, sequence: [tcp/1, tcp/2], window: 1s, opens: tcp/2, for: 1s}]",
	 "76: firewall.knocks[0].opens[0]", "is a step of a sequence"},
	{"knocks: [{name: k, sequence: [tcp/1, tcp/2], window: 1s, opens: [22], for: 1s}]",
	 "77: firewall.knocks[0].opens[0]", "not one port of one protocol"},
};

Test(config_guards, refuses_with_place_and_way_out)
{
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		struct arq_config *config = NULL;
		struct arq_error error = {0};
		char place[sizeof(path) + 64];

		cr_expect_eq(load_text(refused[i].text, &config, &error), -EINVAL, "%s",
			     refused[i].text);
		cr_expect_null(config);
		snprintf(place, sizeof(place), "%s:1:%s: ", path, refused[i].place);
		cr_expect_eq(strncmp(error.text, place, strlen(place)), 0, "%s\n%s", place,
			     error.text);
		cr_expect_not_null(strstr(error.text, refused[i].words), "%s\n%s", refused[i].words,
				   error.text);
	}
}
