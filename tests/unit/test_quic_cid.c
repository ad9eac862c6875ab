/* SPDX-License-Identifier: BSD-2-Clause */
/* The layout of connection ids against the examples of draft-ietf-quic-load-balancers. */
#include "userspace/quic/cid_layout.h"

#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

static size_t from_hex(const char *text, uint8_t *octets)
{
	size_t length = strlen(text) / 2;

	for (size_t i = 0; i < length; i++) {
		unsigned int octet;

		cr_assert_eq(sscanf(text + 2 * i, "%2x", &octet), 1);
		octets[i] = (uint8_t)octet;
	}
	return length;
}

struct example {
	uint8_t config_id;
	const char *key; /* NULL: none */
	const char *server_id, *nonce, *cid;
};

#define DRAFT_KEY "8f95f09245765f80256934e50c66207f"

/*
 * The appendix, and the example of four passes that is gone through step by step. The second is
 * printed in the draft with its leading zeroes lost ("20a350...", nonce "3487d970b").
 */
static const struct example examples[] = {
	{0, NULL, "c4605e", "4504cc4f", "07c4605e4504cc4f"},
	{1, NULL, "350d28b420", "03487d970b", "2a350d28b42003487d970b"},
	{0, "fdf726a9893ec05c0632d3956680baf0", "31441a", "9c69c275", "0767947d29be054a"},
	{0, DRAFT_KEY, "ed793a", "ee080dbf", "0720b1d07b359d3c"},
	{1, DRAFT_KEY, "ed793a51d49b8f5fab65", "ee080dbf48", "2fcc381bc74cb4fbad2823a3d1f8fed2"},
	{2, DRAFT_KEY, "ed793a51d49b8f5f", "ee080dbf48c0d1e5",
	 "504dd2d05a7b0de9b2b9907afb5ecf8cc3"},
	{3, DRAFT_KEY, "ed793a51d49b8f5fab", "ee080dbf48c0d1e55d",
	 "125779c9cc86beb3a3a4a3ca96fce4bfe0cdbc"},
};

/* A layout whose host octets are all of the server id but the last two. */
static void layout_of(struct cid_layout *layout, const struct example *example)
{
	struct arq_quic_cid_options options = {.config_id = example->config_id};
	uint8_t server[32];
	size_t length = from_hex(example->server_id, server);

	options.server_id_length = (uint8_t)(length - CID_WORKER_LENGTH);
	memcpy(options.server_id, server, length - CID_WORKER_LENGTH);
	options.nonce_length = (uint8_t)(strlen(example->nonce) / 2);
	if (example->key) {
		options.encrypted = true;
		cr_assert_eq(from_hex(example->key, options.key), sizeof(options.key));
	}
	cr_assert_eq(cid_layout_init(layout, &options), 0);
}

static void check(const struct example *example)
{
	uint8_t plain[32], back[32], expected[32], cid[32];
	struct cid_layout layout;
	size_t server = from_hex(example->server_id, plain);
	size_t length = server + from_hex(example->nonce, plain + server);

	layout_of(&layout, example);
	cr_assert_eq(from_hex(example->cid, expected), layout.length);
	cid_layout_encode(&layout, plain, cid);
	cr_expect_arr_eq(cid + 1, expected + 1, layout.length - 1, "%s", example->cid);
	cr_expect_eq(cid[0], example->config_id << 5 | length);
	cid_layout_decode(&layout, cid, back);
	cr_expect_arr_eq(back, plain, length, "%s", example->cid);
	cr_expect_eq(cid_layout_worker(&layout, cid, layout.length),
		     plain[server - 2] << 8 | plain[server - 1]);
	cid_layout_release(&layout);
}

Test(quic_cid_layout, examples_of_the_draft)
{
	for (size_t i = 0; i < sizeof(examples) / sizeof(examples[0]); i++)
		check(&examples[i]);
}

/* Every pair of lengths that fits, plain and encrypted: what is generated names its worker. */
Test(quic_cid_layout, all_lengths)
{
	for (unsigned int trial = 0; trial < 2 * 14 * 16; trial++) {
		struct arq_quic_cid_options options = {
			.config_id = (uint8_t)(trial % 7),
			.server_id = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13},
			.server_id_length = (uint8_t)(trial / 2 % 14),
			.nonce_length = (uint8_t)(4 + trial / 28),
			.encrypted = trial % 2,
			.key = {trial & 0xff, 7},
		};
		bool fits = 3u + options.server_id_length + options.nonce_length <= 20;
		struct cid_layout layout;
		ngtcp2_cid cid;

		cr_assert_eq(cid_layout_init(&layout, &options), fits ? 0 : -EINVAL);
		if (!fits)
			continue;
		cr_assert(cid_layout_generate(&layout, &cid, (uint16_t)(trial * 131)));
		cr_assert_eq(cid.datalen, layout.length);
		cr_assert_eq(cid_layout_worker(&layout, cid.data, cid.datalen),
			     (uint16_t)(trial * 131));
		cr_assert_eq(cid_layout_worker(&layout, cid.data, cid.datalen - 1), -1);
		cid.data[0] ^= 0x20;
		cr_assert_eq(cid_layout_worker(&layout, cid.data, cid.datalen), -1,
			     "another configuration");
		cid_layout_release(&layout);
	}
}

Test(quic_cid_layout, refuses_what_the_draft_does_not_allow)
{
	struct cid_layout layout;

	cr_expect_eq(cid_layout_init(&layout, &(struct arq_quic_cid_options){.nonce_length = 3}),
		     -EINVAL);
	cr_expect_eq(cid_layout_init(&layout, &(struct arq_quic_cid_options){.config_id = 7,
									     .nonce_length = 8}),
		     -EINVAL, "7 says: not routable");
}

/* Encrypted, two ids of one worker have nothing in common but the first octet. */
Test(quic_cid_layout, encryption_hides_the_worker)
{
	struct arq_quic_cid_options options = {
		.server_id_length = 4, .nonce_length = 6, .encrypted = true, .key = {1}};
	struct cid_layout layout;
	ngtcp2_cid first, cid;
	size_t same = 0;

	cr_assert_eq(cid_layout_init(&layout, &options), 0);
	cr_assert(cid_layout_generate(&layout, &first, 3));
	for (size_t i = 0; i < 1000; i++) {
		cr_assert(cid_layout_generate(&layout, &cid, 3));
		for (size_t j = 1; j < layout.length; j++)
			same += cid.data[j] == first.data[j];
	}
	/* 12 octets a thousand times, each equal by chance in one of 256: 47 expected. */
	cr_assert_lt(same, 120);
	cid_layout_release(&layout);
}
