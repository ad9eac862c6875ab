// SPDX-License-Identifier: BSD-2-Clause
#include "progs/firewall/analysis.h"

#include "progs/firewall/box.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Pieces that what is left of a rule may fall into; real rule sets stay below a dozen. */
#define PIECES_MAX 256

/* What is left of a rule after others took their part: boxes that do not overlap. */
struct rest {
	struct arq_box pieces[PIECES_MAX];
	uint32_t count;
};

struct analysis {
	const struct arq_ruleset *ruleset;
	struct arq_box_maker maker;
	struct arq_box *boxes; /* one a rule */
	struct rest now, next;
	struct arq_arena arena; /* of the pieces of one rule */
	struct arq_findings *findings;
};

const char *arq_finding_name(enum arq_finding_kind kind)
{
	static const char *const names[] = {
		[ARQ_FINDING_EMPTY] = "empty",         [ARQ_FINDING_UNREACHABLE] = "unreachable",
		[ARQ_FINDING_SHADOWED] = "shadowed",   [ARQ_FINDING_REDUNDANT] = "redundant",
		[ARQ_FINDING_UNDECIDED] = "undecided", [ARQ_FINDING_UNUSED_SET] = "unused-set",
	};

	return kind < sizeof(names) / sizeof(names[0]) ? names[kind] : "unknown";
}

/* Adds to the findings; there is room for one a rule and one a set. */
static struct arq_finding *report(struct analysis *analysis, enum arq_finding_kind kind,
				  uint32_t index)
{
	struct arq_finding *finding = &analysis->findings->items[analysis->findings->count++];

	*finding = (struct arq_finding){.kind = kind, .index = index};
	return finding;
}

static void name_other(struct arq_finding *finding, uint32_t rule)
{
	if (finding->other_count < ARQ_FINDING_OTHERS_MAX)
		finding->others[finding->other_count] = rule;
	finding->other_count++;
}

static bool decides(const struct arq_rule *rule)
{
	return rule->action != ARQ_RULE_COUNT;
}

/* --- taking boxes apart ----------------------------------------------------------------------- */

static int add_piece(struct analysis *analysis, const struct arq_box *piece)
{
	struct rest *next = &analysis->next;

	if (next->count == PIECES_MAX)
		return -E2BIG;
	next->pieces[next->count] = *piece;
	int status =
		arq_box_tighten(&analysis->maker, &analysis->arena, &next->pieces[next->count]);
	if (status == 0 && !arq_box_is_empty(&next->pieces[next->count]))
		next->count++;
	return status;
}

/*
 * The piece without the box: for each dimension that the box bounds, what lies outside of it there
 * and inside of it in the dimensions before.
 */
static int cut(struct analysis *analysis, const struct arq_box *whole, const struct arq_box *box)
{
	struct arq_box inside = *whole;

	for (int i = 0; i < ARQ_DIMENSIONS; i++) {
		if (!(box->bounded & 1u << i) || arq_space_within(inside.spaces[i], box->spaces[i]))
			continue;
		struct arq_box outside = inside;
		outside.spaces[i] =
			arq_space_subtract(&analysis->arena, inside.spaces[i], box->spaces[i]);
		outside.bounded |= 1u << i;
		inside.spaces[i] =
			arq_space_intersect(&analysis->arena, inside.spaces[i], box->spaces[i]);
		inside.bounded |= 1u << i;
		if (!outside.spaces[i] || !inside.spaces[i])
			return -ENOMEM;
		int status = add_piece(analysis, &outside);
		if (status)
			return status;
	}
	return 0;
}

/*
 * Takes a box from what is left. Returns 1 if it took something, 0 if not, -E2BIG when that would
 * be too many pieces, or -ENOMEM.
 */
static int take(struct analysis *analysis, const struct arq_box *box)
{
	bool taken = false;

	analysis->next.count = 0;
	for (uint32_t i = 0; i < analysis->now.count; i++) {
		const struct arq_box *piece = &analysis->now.pieces[i];
		bool overlaps = arq_box_overlaps(piece, box);
		taken = taken || overlaps;
		int status = overlaps ? cut(analysis, piece, box) : add_piece(analysis, piece);
		if (status)
			return status;
	}
	if (taken) {
		memcpy(analysis->now.pieces, analysis->next.pieces,
		       analysis->next.count * sizeof(analysis->next.pieces[0]));
		analysis->now.count = analysis->next.count;
	}
	return taken;
}

/* --- one rule --------------------------------------------------------------------------------- */

/* Is it within one former rule? Returns that, or the number of rules. */
static uint32_t find_cover(const struct analysis *analysis, uint32_t rule)
{
	for (uint32_t i = 0; i < rule; i++) {
		if (decides(&analysis->ruleset->rules[i]) &&
		    arq_box_within(&analysis->boxes[rule], &analysis->boxes[i]))
			return i;
	}
	return analysis->ruleset->rule_count;
}

/*
 * Leaves in `now` what no former rule decides. Returns 0 or an error as take(); `finding` has the
 * rules that took something.
 */
static int leave(struct analysis *analysis, uint32_t rule, struct arq_finding *finding)
{
	analysis->now.pieces[0] = analysis->boxes[rule];
	analysis->now.count = 1;
	for (uint32_t i = 0; i < rule && analysis->now.count; i++) {
		if (!decides(&analysis->ruleset->rules[i]) ||
		    !arq_box_overlaps(&analysis->boxes[rule], &analysis->boxes[i]))
			continue;
		int status = take(analysis, &analysis->boxes[i]);
		if (status < 0)
			return status;
		if (status)
			name_other(finding, i);
	}
	return 0;
}

/*
 * Does the default do with what is left what its action says? A default that drops spares what a
 * network does not work without; of that, TCP has nothing.
 */
static bool default_decides(const struct analysis *analysis)
{
	if (analysis->ruleset->default_action == ARQ_RULE_PASS)
		return true;
	for (uint32_t i = 0; i < analysis->now.count; i++) {
		if (!arq_box_is_tcp(&analysis->maker, &analysis->now.pieces[i]))
			return false;
	}
	return true;
}

/* Would what is left of the rule be decided the same without it? Returns as take(). */
static int is_redundant(struct analysis *analysis, uint32_t rule)
{
	const struct arq_ruleset *ruleset = analysis->ruleset;
	const struct arq_rule *self = &ruleset->rules[rule];

	if ((self->action != ARQ_RULE_PASS && self->action != ARQ_RULE_DROP) || self->limit.rate)
		return 0;
	for (uint32_t i = rule + 1; i < ruleset->rule_count && analysis->now.count; i++) {
		const struct arq_rule *other = &ruleset->rules[i];
		if (!arq_box_overlaps(&analysis->boxes[rule], &analysis->boxes[i]))
			continue;
		int status = take(analysis, &analysis->boxes[i]);
		if (status < 0)
			return status;
		/* A rule that counts would count more without this one: not the same. */
		if (status && (other->action != self->action || other->limit.rate))
			return 0;
	}
	return analysis->now.count == 0 ||
	       (ruleset->default_action == self->action && default_decides(analysis));
}

/* Names the rule a file that has no prefixes now? That is how many a list begins. */
static bool waits(const struct analysis *analysis, const struct arq_rule *rule)
{
	const struct arq_match_addresses *both[] = {&rule->from, &rule->to};

	for (size_t i = 0; i < 2; i++) {
		for (uint32_t j = 0; j < both[i]->set_count; j++) {
			const struct arq_set *set = &analysis->ruleset->sets[both[i]->sets[j]];
			if (set->file && set->count == 0)
				return true;
		}
	}
	return false;
}

static int analyse_rule(struct analysis *analysis, uint32_t rule)
{
	struct arq_finding others = {0};

	if (arq_box_is_empty(&analysis->boxes[rule])) {
		if (!waits(analysis, &analysis->ruleset->rules[rule]))
			report(analysis, ARQ_FINDING_EMPTY, rule);
		return 0;
	}
	uint32_t cover = find_cover(analysis, rule);
	if (cover < analysis->ruleset->rule_count) {
		name_other(report(analysis, ARQ_FINDING_UNREACHABLE, rule), cover);
		return 0;
	}
	int status = leave(analysis, rule, &others);
	if (status == 0 && analysis->now.count == 0) {
		others.kind = ARQ_FINDING_SHADOWED;
		others.index = rule;
		*report(analysis, ARQ_FINDING_SHADOWED, rule) = others;
		return 0;
	}
	if (status == 0)
		status = is_redundant(analysis, rule);
	if (status == -E2BIG)
		report(analysis, ARQ_FINDING_UNDECIDED, rule);
	else if (status > 0)
		report(analysis, ARQ_FINDING_REDUNDANT, rule);
	return status == -ENOMEM ? status : 0;
}

static bool names_set(const struct arq_match_addresses *addresses, uint32_t set)
{
	for (uint32_t i = 0; i < addresses->set_count; i++) {
		if (addresses->sets[i] == set)
			return true;
	}
	return false;
}

static void find_unused_sets(struct analysis *analysis)
{
	const struct arq_ruleset *ruleset = analysis->ruleset;

	for (uint32_t set = 0; set < ruleset->set_count; set++) {
		bool used = false;
		for (uint32_t i = 0; !used && i < ruleset->rule_count; i++)
			used = names_set(&ruleset->rules[i].from, set) ||
			       names_set(&ruleset->rules[i].to, set);
		if (!used)
			report(analysis, ARQ_FINDING_UNUSED_SET, set);
	}
}

static int analyse(struct analysis *analysis)
{
	const struct arq_ruleset *ruleset = analysis->ruleset;

	int status = arq_box_maker_init(&analysis->maker, ruleset);
	for (uint32_t i = 0; status == 0 && i < ruleset->rule_count; i++)
		status = arq_box_make(&analysis->maker, &ruleset->rules[i], &analysis->boxes[i]);
	for (uint32_t i = 0; status == 0 && i < ruleset->rule_count; i++) {
		status = analyse_rule(analysis, i);
		arq_arena_clear(&analysis->arena);
	}
	if (status == 0)
		find_unused_sets(analysis);
	return status;
}

int arq_ruleset_analyse(const struct arq_ruleset *ruleset, struct arq_findings *findings)
{
	struct analysis *analysis = calloc(1, sizeof(*analysis));

	findings->count = 0;
	findings->items = calloc((size_t)ruleset->rule_count + ruleset->set_count + 1,
				 sizeof(findings->items[0]));
	if (analysis)
		analysis->boxes = calloc(ruleset->rule_count + 1, sizeof(analysis->boxes[0]));
	int status = -ENOMEM;
	if (analysis && analysis->boxes && findings->items) {
		analysis->ruleset = ruleset;
		analysis->findings = findings;
		status = analyse(analysis);
		arq_box_maker_clear(&analysis->maker);
		arq_arena_clear(&analysis->arena);
	}
	if (analysis)
		free(analysis->boxes);
	free(analysis);
	if (status)
		arq_findings_clear(findings);
	return status;
}

void arq_findings_clear(struct arq_findings *findings)
{
	free(findings->items);
	*findings = (struct arq_findings){0};
}
