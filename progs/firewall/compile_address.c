// SPDX-License-Identifier: BSD-2-Clause
#include "progs/firewall/compile_address.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/*
 * Prefixes have labels, by which the classes of the look-up say which conditions an address meets:
 * below this, all that one rule names, be it in lists of its own or in sets; from this on, sets
 * that several rules share, which so lie in the table once.
 */
#define LABEL_SET ARQ_RULES_MAX

/* One direction under compilation. */
struct addresses {
	const struct arq_ruleset *ruleset;
	uint32_t direction;
	struct arq_bitmap open; /* rules without the condition */
	struct arq_bitmap plain; /* with it */
	struct arq_bitmap negated; /* with it, negated */
	struct arq_bitmap *users; /* rules by set */
	uint32_t *user_counts;
	uint32_t *labels; /* by set */
	struct arq_lookup_entry *entries;
	size_t count;
};

static const struct arq_match_addresses *match_of(const struct addresses *a, uint32_t rule)
{
	return a->direction ? &a->ruleset->rules[rule].to : &a->ruleset->rules[rule].from;
}

static bool asks(const struct arq_match_addresses *match)
{
	return match->prefix_count || match->set_count;
}

/* Which rules have the condition, and who uses which set. Returns prefixes at most. */
static size_t survey(struct addresses *a)
{
	size_t prefixes = 0;

	for (uint32_t i = 0; i < a->ruleset->rule_count; i++) {
		const struct arq_match_addresses *match = match_of(a, i);
		if (!asks(match)) {
			arq_bitmap_set(&a->open, i);
			continue;
		}
		arq_bitmap_set(match->negate ? &a->negated : &a->plain, i);
		prefixes += match->prefix_count;
		for (uint32_t j = 0; j < match->set_count; j++) {
			uint32_t set = match->sets[j];
			uint64_t bit = 1ULL << i % 64;
			if (!(a->users[set].words[i / 64] & bit))
				a->user_counts[set]++;
			a->users[set].words[i / 64] |= bit;
			a->labels[set] = a->user_counts[set] == 1 ? i : LABEL_SET + set;
		}
	}
	for (uint32_t set = 0; set < a->ruleset->set_count; set++)
		prefixes += a->user_counts[set] ? a->ruleset->sets[set].count : 0;
	return prefixes;
}

static void collect(struct addresses *a)
{
	for (uint32_t i = 0; i < a->ruleset->rule_count; i++) {
		const struct arq_match_addresses *match = match_of(a, i);
		for (uint32_t j = 0; j < match->prefix_count; j++)
			a->entries[a->count++] =
				(struct arq_lookup_entry){.prefix = match->prefixes[j], .label = i};
	}
	for (uint32_t i = 0; i < a->ruleset->set_count; i++) {
		const struct arq_set *set = &a->ruleset->sets[i];
		for (size_t j = 0; a->user_counts[i] && j < set->count; j++)
			a->entries[a->count++] = (struct arq_lookup_entry){
				.prefix = set->entries[j].prefix,
				.label = a->labels[i],
				.expires = arq_lookup_deadline(set->entries[j].expires),
				.counted = set->track};
	}
}

/* The row of a class: rules that an address with these labels meets the condition of. */
static int add_class(const struct addresses *a, const uint32_t *labels, size_t count,
		     struct arq_rows_store *store)
{
	struct arq_bitmap found = {0};
	struct arq_bitmap bitmap;

	for (size_t i = 0; i < count; i++) {
		if (labels[i] < LABEL_SET) {
			arq_bitmap_set(&found, labels[i]);
			continue;
		}
		const struct arq_bitmap *users = &a->users[labels[i] - LABEL_SET];
		for (uint32_t word = 0; word < ARQ_RULE_WORDS; word++)
			found.words[word] |= users->words[word];
	}
	for (uint32_t word = 0; word < ARQ_RULE_WORDS; word++)
		bitmap.words[word] = a->open.words[word] |
				     (a->plain.words[word] & found.words[word]) |
				     (a->negated.words[word] & ~found.words[word]);
	return arq_rows_append(store, &bitmap);
}

/* Table and rows of one family (0: IPv4, 1: IPv6). Without a prefix there is only class 0. */
static int build_family(struct addresses *a, uint32_t family, struct arq_compiled *compiled,
			struct arq_rows_store *store, struct arq_error *error)
{
	int kind = family ? AF_INET6 : AF_INET;
	struct arq_lookup **lookup =
		&compiled->lookups[(family ? ARQ_LOOKUP_FROM_V6 : ARQ_LOOKUP_FROM_V4) +
				   a->direction];
	bool any = false;

	for (size_t i = 0; i < a->count && !any; i++)
		any = a->entries[i].prefix.family == kind;
	if (any) {
		int status = arq_lookup_build(kind, a->entries, a->count, lookup, error);
		if (status)
			return status;
	}
	compiled->image->addresses[a->direction][family] = (uint16_t)store->row_count;
	uint32_t classes = any ? arq_lookup_class_count(*lookup) : 1;
	for (uint32_t class = 0; class < classes; class ++) {
		const uint32_t *labels = NULL;
		size_t count = any ? arq_lookup_class_labels(*lookup, class, &labels) : 0;
		int row = add_class(a, labels, count, store);
		if (row < 0)
			return row;
	}
	return 0;
}

static int build(struct addresses *a, struct arq_compiled *compiled, struct arq_rows_store *store,
		 struct arq_error *error)
{
	struct arq_generation *image = compiled->image;
	enum arq_rule_field field = a->direction ? ARQ_FIELD_TO : ARQ_FIELD_FROM;

	collect(a);
	int none = arq_rows_find(store, &a->open);
	if (none < 0)
		return none;
	image->none[field] = (uint16_t)none;
	image->fields |= ARQ_FIELD_BIT(field);
	int status = build_family(a, 0, compiled, store, error);
	return status ? status : build_family(a, 1, compiled, store, error);
}

int arq_compile_addresses(const struct arq_ruleset *ruleset, uint32_t direction,
			  struct arq_compiled *compiled, struct arq_rows_store *store,
			  struct arq_error *error)
{
	size_t sets = ruleset->set_count + 1u;
	struct addresses a = {
		.ruleset = ruleset,
		.direction = direction,
		.users = calloc(sets, sizeof(*a.users)),
		.user_counts = calloc(sets, sizeof(*a.user_counts)),
		.labels = calloc(sets, sizeof(*a.labels)),
	};
	int status = a.users && a.user_counts && a.labels ? 0 : -ENOMEM;

	if (status == 0) {
		size_t prefixes = survey(&a);
		bool used = false;
		for (uint32_t word = 0; word < ARQ_RULE_WORDS; word++)
			used |= (a.plain.words[word] | a.negated.words[word]) != 0;
		a.entries = calloc(prefixes + 1, sizeof(*a.entries));
		status = a.entries ? 0 : -ENOMEM;
		if (status == 0 && used)
			status = build(&a, compiled, store, error);
	}
	free(a.users);
	free(a.user_counts);
	free(a.labels);
	free(a.entries);
	return status;
}
