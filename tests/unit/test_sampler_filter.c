// SPDX-License-Identifier: BSD-2-Clause
/* What a filter lets pass, how flows are read from heads, and samples as JSON. */
#include "progs/sampler/filter.h"
#include "progs/sampler/json.h"

#include <arquant/program.h>
#include <arquant/reason.h>
#include <criterion/criterion.h>
#include <linux/bpf.h>
#include <stdlib.h>
#include <string.h>

/* VLAN 5, IPv4, UDP 198.51.100.7:4433 > 192.0.2.1:443, a QUIC Initial of version 1. */
static const uint8_t quic[] = {
	0x02, 0,    0,    0,    0,    1, 0x02, 0,  0, 0, 0,    2,    0x81, 0x00,
	0x00, 0x05, 0x08, 0x00, 0x45, 0, 0,    40, 0, 0, 0,    0,    64,   17,
	0,    0,    198,  51,   100,  7, 192,  0,  2, 1, 0x11, 0x51, 0x01, 0xbb,
	0,    20,   0,    0,    0xc3, 0, 0,    0,  1, 8, 1,    2,    3,    4,
};

/* IPv6 with a destination options header, TCP [2001:db8::7]:1000 > [2001:db8::1]:80. */
static const uint8_t tcp6[] = {
	0x02, 0, 0,  0,  0,    1,    0x02, 0,    0,    0, 0, 2,    0x86, 0xdd, 0x60, 0, 0,
	0,    0, 28, 60, 64,   0x20, 0x01, 0x0d, 0xb8, 0, 0, 0,    0,    0,    0,    0, 0,
	0,    0, 0,  7,  0x20, 0x01, 0x0d, 0xb8, 0,    0, 0, 0,    0,    0,    0,    0, 0,
	0,    0, 1,  6,  0,    1,    4,    0,    0,    0, 0, 0x03, 0xe8, 0,    80,   0, 0,
	0,    1, 0,  0,  0,    0,    0x50, 2,    0,    0, 0, 0,    0,    0,
};

Test(flow, reads_addresses_ports_and_quic)
{
	struct arq_flow flow;
	char text[INET6_ADDRSTRLEN];

	arq_flow_read(quic, sizeof(quic), &flow);
	cr_expect_eq(flow.family, AF_INET);
	cr_expect_eq(flow.vlan, 5);
	cr_expect_eq(flow.ethertype, 0x0800);
	cr_expect_eq(flow.protocol, IPPROTO_UDP);
	cr_expect_str_eq(arq_flow_address(&flow, flow.source, text), "198.51.100.7");
	cr_expect_str_eq(arq_flow_address(&flow, flow.destination, text), "192.0.2.1");
	cr_expect_eq(flow.source_port, 4433);
	cr_expect_eq(flow.destination_port, 443);
	cr_expect_eq(flow.quic_version, 1);

	arq_flow_read(tcp6, sizeof(tcp6), &flow);
	cr_expect_eq(flow.family, AF_INET6);
	cr_expect_eq(flow.protocol, IPPROTO_TCP);
	cr_expect_str_eq(arq_flow_address(&flow, flow.source, text), "2001:db8::7");
	cr_expect_eq(flow.source_port, 1000);
	cr_expect_eq(flow.destination_port, 80);
	cr_expect_eq(flow.quic_version, 0);
}

/* Each length on a heap block of its own: the sanitizer sees a byte too far. */
Test(flow, stands_every_cut)
{
	static const struct {
		const uint8_t *bytes;
		size_t size;
	} packets[] = {{quic, sizeof(quic)}, {tcp6, sizeof(tcp6)}};
	struct arq_flow flow;

	for (size_t i = 0; i < 2; i++) {
		for (size_t size = 0; size <= packets[i].size; size++) {
			uint8_t *copy = malloc(size ? size : 1);
			memcpy(copy, packets[i].bytes, size);
			arq_flow_read(copy, size, &flow);
			cr_expect_eq(flow.family != 0, size >= (i ? 54 : 38), "%zu", size);
			free(copy);
		}
	}
}

Test(flow, knows_protocols_by_name_and_number)
{
	cr_expect_eq(arq_protocol_parse("udp"), 17);
	cr_expect_eq(arq_protocol_parse("58"), 58);
	cr_expect_eq(arq_protocol_parse("256"), -1);
	cr_expect_eq(arq_protocol_parse(""), -1);
	cr_expect_eq(arq_protocol_parse("17x"), -1);
	cr_expect_str_eq(arq_protocol_name(6), "tcp");
	cr_expect_null(arq_protocol_name(200));
}

static const struct arq_rule_slot name_slots[3] = {{.name = ""}, {.name = "good"}, {.name = "bad"}};
static const struct arq_rule_names names = {.count = 3, .slots = name_slots};

static bool passes(const char *term, const char *second)
{
	const struct arq_sample sample = {.verdict = XDP_DROP,
					  .reason = ARQ_REASON_RULE,
					  .rule = 2,
					  .program = ARQ_PROGRAM_FIREWALL};
	struct arq_filter filter = {0};
	struct arq_error error = {0};
	struct arq_flow flow;

	arq_flow_read(quic, sizeof(quic), &flow);
	cr_assert_eq(arq_filter_add(&filter, term, &error), 0, "%s", error.text);
	if (second)
		cr_assert_eq(arq_filter_add(&filter, second, &error), 0, "%s", error.text);
	return arq_filter_passes(&filter, &sample, &flow, &names);
}

Test(filter, matches_what_it_names)
{
	static const char *const match[] = {
		"slot=firewall",
		"verdict=drop",
		"verdict=pass,drop",
		"reason=rule",
		"rule=bad",
		"rule=2",
		"rule=good,bad",
		"service=192.0.2.1:443",
		"service=0.0.0.0:443",
		"from=198.51.100.0/24",
		"to=192.0.2.1",
		"flow=192.0.2.0/25",
		"flow=10.0.0.0/8,198.51.100.7",
		"proto=udp",
		"proto=6,17",
		"from=0.0.0.0/0",
	};
	static const char *const differ[] = {
		"slot=sampler",
		"verdict=pass",
		"reason=udp-length",
		"rule=good",
		"rule=1",
		"rule=unheard",
		"service=192.0.2.2:443",
		"service=192.0.2.1:444",
		"service=[::]:443",
		"from=192.0.2.1",
		"to=198.51.100.0/24",
		"flow=192.0.2.128/25",
		"proto=tcp",
		"from=::/0",
	};
	for (size_t i = 0; i < sizeof(match) / sizeof(match[0]); i++)
		cr_expect(passes(match[i], NULL), "%s", match[i]);
	for (size_t i = 0; i < sizeof(differ) / sizeof(differ[0]); i++) {
		cr_expect_not(passes(differ[i], NULL), "%s", differ[i]);
		cr_expect_not(passes(match[0], differ[i]), "all terms must match: %s", differ[i]);
	}
	cr_expect(passes("verdict=drop", "proto=udp"));
}

Test(filter, refuses_nonsense)
{
	static const char *const wrong[] = {
		"",
		"=",
		"verdict",
		"verdict=",
		"verdict=drop,",
		"verdict=,drop",
		"colour=red",
		"slot=redirect",
		"reason=whim",
		"service=192.0.2.1",
		"from=10.0.0.1/8",
		"proto=quic",
		"rule=a-name-that-is-longer-than-the-sixty-three-characters-that-a-rule-may-have-x",
	};
	struct arq_filter filter = {0};

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct arq_error error = {0};
		cr_expect_lt(arq_filter_add(&filter, wrong[i], &error), 0, "%s", wrong[i]);
		cr_expect_neq(error.text[0], '\0', "%s", wrong[i]);
	}
	cr_expect_eq(filter.terms_count, 0);
	struct arq_error error = {0};
	for (int i = 0; i < ARQ_FILTER_TERMS_MAX; i++)
		cr_assert_eq(arq_filter_add(&filter, "proto=udp", &error), 0);
	cr_expect_lt(arq_filter_add(&filter, "proto=udp", &error), 0);
}

static char *json_of(const struct arq_sample *sample, const struct arq_sample_about *about)
{
	char *text = NULL;
	size_t size = 0;
	FILE *file = open_memstream(&text, &size);
	struct arq_flow flow;

	arq_flow_read(quic, sample->captured, &flow);
	cr_assert_eq(arq_sample_json(file, sample, &flow, about, false), 0);
	fclose(file);
	return text;
}

Test(json, has_every_field_and_escapes)
{
	const struct arq_sample_about about = {
		.interface = "a\"\\\n", .rule_name = "bad", .time_ns = 1000000005, .lost = 3};
	struct arq_sample sample = {.verdict = XDP_DROP,
				    .reason = ARQ_REASON_RULE,
				    .rule = 2,
				    .length = 1200,
				    .captured = sizeof(quic),
				    .one_in = 10,
				    .cpu = 1,
				    .sequence = 9,
				    .program = ARQ_PROGRAM_FIREWALL};
	char *text = json_of(&sample, &about);
	cr_expect_str_eq(text,
			 "{\"time\":1.000000005,\"interface\":\"a\\\"\\\\\\u000a\",\"queue\":0,"
			 "\"cpu\":1,\"slot\":\"firewall\",\"verdict\":\"drop\",\"reason\":\"rule\","
			 "\"rule\":2,\"rule_name\":\"bad\",\"length\":1200,\"captured\":56,"
			 "\"one_in\":10,\"sequence\":9,\"lost\":3,\"vlan\":5,\"ethertype\":2048,"
			 "\"protocol\":\"udp\",\"source\":\"198.51.100.7\",\"source_port\":4433,"
			 "\"destination\":\"192.0.2.1\",\"destination_port\":443,"
			 "\"quic_version\":1}\n");
	free(text);
	sample.captured = 0;
	sample.rule = 0;
	text = json_of(&sample, &about);
	cr_expect_not_null(strstr(text, "\"rule\":null,\"rule_name\":null,"));
	cr_expect_not_null(strstr(text, "\"protocol\":null,\"source\":null,\"source_port\":null,"));
	free(text);
}
