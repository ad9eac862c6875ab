// SPDX-License-Identifier: BSD-2-Clause
#include "tests/unit/test_firewall_model.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* Rules and sources with a limit, of one rule set: a power of two, never more than half full. */
#define TAKEN_MAX (1u << 20)

struct model_taken {
	uint32_t rule; /* 0: free */
	uint32_t packets;
	struct model_source source;
};

struct model_source model_source_of(const uint8_t *bytes, size_t length)
{
	struct model_source source = {0};
	struct arq_packet packet = {0};

	arq_reference_parse(bytes, length, &packet);
	if (packet.flags & ARQ_PACKET_IPV4 && packet.l3_offset + 20u <= length) {
		source.family = AF_INET;
		source.length = 32;
		memcpy(source.address, bytes + packet.l3_offset + 12, 4);
	} else if (packet.flags & ARQ_PACKET_IPV6 && packet.l3_offset + 40u <= length) {
		source.family = AF_INET6;
		source.length = 128;
		memcpy(source.address, bytes + packet.l3_offset + 8, 16);
	}
	return source;
}

struct model_source model_prefix_of(const struct model_source *source, uint8_t v4, uint8_t v6)
{
	struct model_source prefix = *source;

	prefix.length = source->family == AF_INET ? v4 : source->family == AF_INET6 ? v6 : 0;
	for (unsigned int bit = prefix.length; bit < 128; bit++)
		prefix.address[bit / 8] &= (uint8_t) ~(0x80u >> bit % 8);
	return prefix;
}

static bool equal(const struct model_source *a, const struct model_source *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

/* --- blocks ----------------------------------------------------------------------------------- */

bool model_blocked(const struct model_blocks *blocks, const struct model_source *source)
{
	for (uint32_t i = 0; i < blocks->count; i++) {
		const struct model_source *block = &blocks->items[i];
		struct model_source same = model_prefix_of(source, block->length, block->length);
		if (block->family == source->family && equal(&same, block))
			return true;
	}
	return false;
}

void model_block(struct model_blocks *blocks, const struct model_source *prefix)
{
	cr_assert_lt(blocks->count, MODEL_BLOCKS_MAX);
	blocks->items[blocks->count++] = *prefix;
}

void model_unblock_all(struct model_blocks *blocks, struct arq_blocks *live)
{
	struct arq_error error = {0};

	for (uint32_t i = 0; i < blocks->count; i++) {
		struct arq_prefix prefix = {.family = blocks->items[i].family,
					    .length = blocks->items[i].length};
		memcpy(prefix.address, blocks->items[i].address, sizeof(prefix.address));
		cr_assert_eq(arq_block_remove(live, &prefix, &error), 0, "%s", error.text);
	}
	blocks->count = 0;
}

/* --- limits ----------------------------------------------------------------------------------- */

void model_limits_begin(struct model_limits *limits)
{
	limits->table = calloc(TAKEN_MAX, sizeof(*limits->table));
	limits->used = 0;
	cr_assert_not_null(limits->table);
}

void model_limits_end(struct model_limits *limits)
{
	free(limits->table);
	limits->table = NULL;
}

static uint32_t place_of(uint32_t rule, const struct model_source *source)
{
	uint32_t hash = 2166136261u ^ rule;

	for (size_t i = 0; i < sizeof(source->address); i++)
		hash = (hash ^ source->address[i]) * 16777619u;
	return hash ^ hash >> 15;
}

bool model_take(struct model_limits *limits, uint32_t rule, const struct arq_rule_limit *limit,
		const struct model_source *source)
{
	struct model_source from = {0};

	if (limit->per == ARQ_LIMIT_PER_SOURCE)
		from = model_prefix_of(source, limit->prefix_v4, limit->prefix_v6);
	for (uint32_t place = place_of(rule, &from);; place++) {
		struct model_taken *taken = &limits->table[place % TAKEN_MAX];
		if (taken->rule && (taken->rule != rule || !equal(&taken->source, &from)))
			continue;
		if (!taken->rule) {
			cr_assert_lt(++limits->used, TAKEN_MAX / 2);
			*taken = (struct model_taken){.rule = rule, .source = from};
		}
		bool within = taken->packets < limit->burst;
		taken->packets += within;
		return within;
	}
}
