// SPDX-License-Identifier: BSD-2-Clause
#include "progs/firewall/compile_address.h"

#include "userspace/common/large.h"

#include <errno.h>
#include <pthread.h>
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
	size_t prefixes; /* of both families */
};

/* Prefixes of one family, and the table made of them. */
struct family {
	const struct addresses *addresses;
	int kind; /* AF_INET, AF_INET6 */
	struct arq_lookup_entry *entries;
	size_t count;
	struct arq_lookup *lookup; /* NULL: no prefix */
	int status;
	struct arq_error error;
};

static const struct arq_match_addresses *match_of(const struct addresses *a, uint32_t rule)
{
	return a->direction ? &a->ruleset->rules[rule].to : &a->ruleset->rules[rule].from;
}

static bool asks(const struct arq_match_addresses *match)
{
	return match->prefix_count || match->set_count;
}

/* Which rules have the condition, who uses which set, and how many prefixes there are at most. */
static void survey(struct addresses *a)
{
	for (uint32_t i = 0; i < a->ruleset->rule_count; i++) {
		const struct arq_match_addresses *match = match_of(a, i);
		if (!asks(match)) {
			arq_bitmap_set(&a->open, i);
			continue;
		}
		arq_bitmap_set(match->negate ? &a->negated : &a->plain, i);
		a->prefixes += match->prefix_count;
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
		a->prefixes += a->user_counts[set] ? a->ruleset->sets[set].count : 0;
}

/* --- tables ----------------------------------------------------------------------------------- */

static void add(struct family *family, const struct arq_prefix *prefix, uint32_t label,
		uint32_t expires, bool counted)
{
	if (prefix->family == family->kind)
		family->entries[family->count++] = (struct arq_lookup_entry){
			.prefix = *prefix,
			.label = label,
			.expires = arq_lookup_deadline(expires),
			.counted = counted,
		};
}

static void collect(struct family *family)
{
	const struct addresses *a = family->addresses;
	const struct arq_ruleset *ruleset = a->ruleset;

	for (uint32_t i = 0; i < ruleset->rule_count; i++) {
		const struct arq_match_addresses *match = match_of(a, i);
		for (uint32_t j = 0; j < match->prefix_count; j++)
			add(family, &match->prefixes[j], i, 0, false);
	}
	for (uint32_t i = 0; i < ruleset->set_count; i++) {
		const struct arq_set *set = &ruleset->sets[i];
		for (size_t j = 0; a->user_counts[i] && j < set->count; j++)
			add(family, &set->entries[j].prefix, a->labels[i], set->entries[j].expires,
			    set->track);
	}
}

/*
 * Makes the table of one family; alone in its thread. The array has room for the other family, too:
 * what is not written takes no memory.
 */
static void *build_table(void *context)
{
	struct family *family = context;
	size_t most = family->addresses->prefixes;

	family->entries = arq_large_alloc(most, sizeof(*family->entries));
	if (!family->entries) {
		family->status =
			arq_error_set(&family->error, -ENOMEM,
				      "no memory for %zu prefixes of rules and sets", most);
		return NULL;
	}
	collect(family);
	if (family->count > 0)
		family->status = arq_lookup_build(family->kind, family->entries, family->count,
						  &family->lookup, &family->error);
	free(family->entries);
	return NULL;
}

/* Both families at a time; where there can be no thread, one after the other. */
static int build_tables(struct family families[2], struct arq_error *error)
{
	pthread_t thread;

	bool beside = pthread_create(&thread, NULL, build_table, &families[1]) == 0;
	build_table(&families[0]);
	if (beside)
		pthread_join(thread, NULL);
	else
		build_table(&families[1]);
	for (int i = 0; i < 2; i++) {
		if (families[i].status)
			return arq_error_set(error, families[i].status, "%s",
					     families[i].error.text);
	}
	return 0;
}

/* --- rows ------------------------------------------------------------------------------------- */

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

/* Rows of one family (0: IPv4, 1: IPv6). Without a prefix there is only class 0. */
static int add_rows(const struct addresses *a, uint32_t family, const struct arq_lookup *lookup,
		    struct arq_compiled *compiled, struct arq_rows_store *store)
{
	uint32_t classes = lookup ? arq_lookup_class_count(lookup) : 1;

	compiled->image->addresses[a->direction][family] = (uint16_t)store->row_count;
	for (uint32_t class = 0; class < classes; class ++) {
		const uint32_t *labels = NULL;
		size_t count = lookup ? arq_lookup_class_labels(lookup, class, &labels) : 0;
		int row = add_class(a, labels, count, store);
		if (row < 0)
			return row;
	}
	return 0;
}

static int build(const struct addresses *a, struct arq_compiled *compiled,
		 struct arq_rows_store *store, struct arq_error *error)
{
	struct arq_generation *image = compiled->image;
	enum arq_rule_field field = a->direction ? ARQ_FIELD_TO : ARQ_FIELD_FROM;
	struct family families[] = {
		{.addresses = a, .kind = AF_INET},
		{.addresses = a, .kind = AF_INET6},
	};

	int none = arq_rows_find(store, &a->open);
	if (none < 0)
		return none;
	image->none[field] = (uint16_t)none;
	image->fields |= ARQ_FIELD_BIT(field);
	int status = build_tables(families, error);
	compiled->lookups[ARQ_LOOKUP_FROM_V4 + a->direction] = families[0].lookup;
	compiled->lookups[ARQ_LOOKUP_FROM_V6 + a->direction] = families[1].lookup;
	for (uint32_t i = 0; i < 2 && status == 0; i++)
		status = add_rows(a, i, families[i].lookup, compiled, store);
	return status;
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
		bool used = false;
		survey(&a);
		for (uint32_t word = 0; word < ARQ_RULE_WORDS; word++)
			used |= (a.plain.words[word] | a.negated.words[word]) != 0;
		if (used)
			status = build(&a, compiled, store, error);
	}
	free(a.users);
	free(a.user_counts);
	free(a.labels);
	return status;
}
