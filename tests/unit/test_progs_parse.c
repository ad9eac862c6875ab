// SPDX-License-Identifier: BSD-2-Clause
/* The parser, through the firewall that records what it found and drops what is malformed. */
#include "tests/unit/test_progs_fixture.h"

#include <arquant/packet.h>
#include <bpf/bpf.h>
#include <criterion/criterion.h>
#include <string.h>

static struct fixture firewall;

static void load_firewall(void)
{
	const struct arq_program_options options = {.first = true};

	fixture_begin();
	fixture_load(&firewall, ARQ_PROGRAM_FIREWALL, &options, NULL, NULL);
}

static void unload_firewall(void)
{
	if (firewall.program)
		fixture_unload(&firewall);
}

TestSuite(progs_parse, .init = load_firewall, .fini = unload_firewall);

/* Runs a frame and compares every member of the metadata, verdict and reason with the reference. */
static void compare(const struct frame *frame, const char *name)
{
	struct arq_counters before = fixture_counters(&firewall);
	uint32_t action = fixture_run(&firewall, frame->bytes, frame->length, 1);
	struct arq_counters after = fixture_counters(&firewall);
	struct arq_packet found = *firewall.packet;
	struct arq_packet expected = found;

	reference_parse(frame, &expected);
	cr_assert(packet_equal(&found, &expected),
		  "%s, %zu bytes: flags %x/%x reason %s/%s l3 %u/%u l4 %u/%u payload %u/%u "
		  "protocol %u/%u dcid %u+%u/%u+%u version %x/%x ethertype %x/%x vlan %u/%u "
		  "(found/expected)",
		  name, frame->length, found.flags, expected.flags, arq_reason_name(found.reason),
		  arq_reason_name(expected.reason), found.l3_offset, expected.l3_offset,
		  found.l4_offset, expected.l4_offset, found.payload_offset,
		  expected.payload_offset, found.protocol, expected.protocol, found.dcid_offset,
		  found.dcid_length, expected.dcid_offset, expected.dcid_length, found.quic_version,
		  expected.quic_version, found.ethertype, expected.ethertype, found.vlan_id,
		  expected.vlan_id);
	uint32_t verdict = expected.flags & ARQ_PACKET_MALFORMED ? XDP_DROP : XDP_PASS;
	cr_assert_eq(action, verdict, "%s: action %u", name, action);
	before.parsed++;
	before.actions[verdict]++;
	if (expected.reason)
		before.reasons[expected.reason]++;
	cr_assert_eq(memcmp(&before, &after, sizeof(after)), 0, "%s: counters", name);
}

Test(progs_parse, finds_what_the_table_says)
{
	for (size_t i = 0; i < frame_case_count; i++) {
		const struct frame_case *c = &frame_cases[i];
		struct frame frame;
		frame_build(&frame, &c->spec);
		compare(&frame, c->name);
		const struct arq_packet *packet = firewall.packet;
		cr_assert_eq(packet->flags, c->expected.flags, "%s: flags %x", c->name,
			     packet->flags);
		cr_assert_eq(packet->reason, c->expected.reason, "%s: reason %s", c->name,
			     arq_reason_name(packet->reason));
		cr_assert_eq(packet->l3_offset, c->expected.l3_offset, "%s: l3 %u", c->name,
			     packet->l3_offset);
		cr_assert_eq(packet->l4_offset, c->expected.l4_offset, "%s: l4 %u", c->name,
			     packet->l4_offset);
		cr_assert_eq(packet->payload_offset, c->expected.payload_offset, "%s: payload %u",
			     c->name, packet->payload_offset);
		cr_assert_eq(packet->protocol, c->expected.protocol, "%s: protocol %u", c->name,
			     packet->protocol);
		cr_assert_eq(packet->dcid_length, c->expected.dcid_length, "%s: dcid length %u",
			     c->name, packet->dcid_length);
		cr_assert_eq(packet->quic_version, c->expected.quic_version, "%s: version %x",
			     c->name, packet->quic_version);
	}
}

Test(progs_parse, finds_the_connection_id)
{
	const struct frame_spec spec = {.ip = 4, .protocol = 17, .payload = PAYLOAD_INITIAL_V1};
	struct frame frame;

	frame_build(&frame, &spec);
	compare(&frame, "initial");
	cr_assert_eq(frame.bytes[firewall.packet->dcid_offset], 0xd0);
	cr_assert_eq(frame.bytes[firewall.packet->dcid_offset + 7], 0xd7);
}

Test(progs_parse, counts_the_frame_s_own_vlan)
{
	const struct frame_spec spec = {.tags = {0x88a8, 0x8100}, .ip = 6, .protocol = 17};
	struct frame frame;

	frame_build(&frame, &spec);
	compare(&frame, "two tags");
	cr_assert_eq(firewall.packet->vlan_id, 100, "the outer tag's");
	cr_assert_eq(firewall.packet->ethertype, 0x86dd);
}

/* A test run takes 14 bytes or more, as every driver gives. */
Test(progs_parse, survives_truncation_at_every_byte)
{
	for (size_t i = 0; i < frame_case_count; i++) {
		struct frame frame;
		frame_build(&frame, &frame_cases[i].spec);
		for (; frame.length >= 14; frame.length--)
			compare(&frame, frame_cases[i].name);
	}
}

Test(progs_parse, agrees_with_the_reference_on_mutated_frames)
{
	uint64_t random = 20261121;
	struct frame frame;

	for (int i = 0; i < 60000; i++) {
		frame_mutate(&frame, &random);
		compare(&frame, "mutated");
	}
}

Test(progs_parse, agrees_with_the_reference_on_random_headers)
{
	static const uint16_t types[] = {0x0800, 0x86dd, 0x8100, 0x88a8};
	uint64_t random = 42;
	struct frame frame;

	for (int i = 0; i < 20000; i++) {
		frame.length = 14 + random_next(&random) % 200;
		for (size_t at = 0; at < frame.length; at++)
			frame.bytes[at] = (uint8_t)random_next(&random);
		uint16_t type = types[random_next(&random) % 4];
		frame.bytes[12] = (uint8_t)(type >> 8);
		frame.bytes[13] = (uint8_t)type;
		compare(&frame, "random");
	}
}

/* An extension header of 2 KiB and more lies further in than the parser looks. */
Test(progs_parse, refuses_extension_headers_without_end)
{
	const struct frame_spec spec = {
		.ip = 6, .extension_count = 2, .extensions = {60, 60}, .protocol = 17};
	struct frame frame;

	frame_build(&frame, &spec);
	memset(frame.bytes + frame.length, 0, sizeof(frame.bytes) - frame.length);
	frame.length = 2900;
	frame.bytes[14 + 4] = (2900 - 54) >> 8;
	frame.bytes[14 + 5] = (uint8_t)(2900 - 54);
	frame.bytes[14 + 40 + 1] = 255;
	compare(&frame, "long extension header");
	cr_assert_eq(firewall.packet->reason, ARQ_REASON_IPV6_EXTENSION);
}

/* Lengths are those of the whole frame, also when most of it is not in the linear part. */
Test(progs_parse, knows_frames_in_several_buffers)
{
	const struct frame_spec spec = {.ip = 4, .protocol = 17};
	struct frame frame;
	uint8_t bytes[9014] = {0};

	frame_build(&frame, &spec);
	memcpy(bytes, frame.bytes, frame.length);
	bytes[16] = 9000 >> 8;
	bytes[17] = (uint8_t)9000;
	bytes[38] = 8980 >> 8;
	bytes[39] = (uint8_t)8980;
	cr_assert_eq(fixture_run(&firewall, bytes, sizeof(bytes), 1), XDP_PASS);
	cr_assert_eq(firewall.packet->length, sizeof(bytes));
	cr_assert_eq(firewall.packet->l4_offset, 34);
	cr_assert_eq(firewall.packet->reason, ARQ_REASON_NONE);

	bytes[17] = (uint8_t)(9000 + 1);
	cr_assert_eq(fixture_run(&firewall, bytes, sizeof(bytes), 1), XDP_DROP);
	cr_assert_eq(firewall.packet->reason, ARQ_REASON_IPV4_TOTAL_LENGTH);
}
