/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the reference interpreter does not keep from packet to packet, for the differential test:
 * the sources that rules blocked, and what limits have let pass. Time stands still: no block ends,
 * and a limit lets its burst pass and nothing more.
 */
#ifndef ARQUANT_TESTS_UNIT_TEST_FIREWALL_MODEL_H
#define ARQUANT_TESTS_UNIT_TEST_FIREWALL_MODEL_H

#include "progs/firewall/block.h"
#include "progs/firewall/reference.h"

#include <stdbool.h>
#include <stdint.h>

#define MODEL_BLOCKS_MAX 32

/* A source, or as many bits of it as somebody looks at. */
struct model_source {
	uint8_t address[16];
	uint8_t family; /* AF_INET, AF_INET6; 0: the packet has none */
	uint8_t length;
};

struct model_blocks {
	struct model_source items[MODEL_BLOCKS_MAX];
	uint32_t count;
};

/* How often a limit was taken from, by rule and source. */
struct model_limits {
	struct model_taken *table;
	uint32_t used;
};

/* The source of a frame, with all its bits. */
struct model_source model_source_of(const uint8_t *bytes, size_t length);

/* Its first bits: `v4` or `v6` of them. */
struct model_source model_prefix_of(const struct model_source *source, uint8_t v4, uint8_t v6);

bool model_blocked(const struct model_blocks *blocks, const struct model_source *source);

/* Adds one. There must be room. */
void model_block(struct model_blocks *blocks, const struct model_source *prefix);

/* Takes all blocks back, here and in the program. */
void model_unblock_all(struct model_blocks *blocks, struct arq_blocks *live);

void model_limits_begin(struct model_limits *limits);
void model_limits_end(struct model_limits *limits);

/* Is the packet within the limit of a rule? Takes it then. */
bool model_take(struct model_limits *limits, uint32_t rule, const struct arq_rule_limit *limit,
		const struct model_source *source);

#endif
