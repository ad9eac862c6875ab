// SPDX-License-Identifier: BSD-2-Clause
#include "progs/firewall/compile.h"

#include "progs/firewall/compile_address.h"
#include "progs/firewall/meaning.h"
#include "progs/firewall/rows.h"
#include "progs/firewall/sweep.h"
#include "userspace/common/rate.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Type << 8 | code, or a port. */
#define VALUE_MAX 65535

struct compilation {
	const struct arq_ruleset *ruleset;
	struct arq_compiled *compiled;
	struct arq_generation *image;
	struct arq_rows_store *store;
	struct arq_range *scratch; /* room for the longest list of ranges of a rule */
};

static const uint8_t kind_protocols[ARQ_L4_KINDS] = {
	[ARQ_L4_TCP] = IPPROTO_TCP,
	[ARQ_L4_UDP] = IPPROTO_UDP,
	[ARQ_L4_ICMP] = IPPROTO_ICMP,
	[ARQ_L4_ICMPV6] = IPPROTO_ICMPV6,
};

bool arq_rule_is_for(const struct arq_rule *rule, const char *interface)
{
	bool found = rule->interface_count == 0 || !interface;

	for (uint32_t i = 0; i < rule->interface_count && !found; i++)
		found = strcmp(rule->interfaces[i], interface) == 0;
	return found;
}

static bool ranges_hold(const struct arq_match_ranges *match, uint32_t value)
{
	bool found = false;

	if (match->count == 0)
		return true;
	for (uint32_t i = 0; i < match->count && !found; i++)
		found = value >= match->items[i].low && value <= match->items[i].high;
	return found != match->negate;
}

/* --- fields that are ranges of numbers -------------------------------------------------------- */

/* Where a rule has the condition on such a field. */
struct number_field {
	enum arq_rule_field field;
	size_t match; /* offset of the struct arq_match_ranges in the rule */
	uint32_t highest; /* value that packets can have */
	size_t table; /* offset in the image, an element for each value; 0: none */
};

#define NUMBER_FIELD(constant, member, highest, table)                            \
	{                                                                         \
		ARQ_FIELD_##constant, offsetof(struct arq_rule, member), highest, \
			offsetof(struct arq_generation, table)                    \
	}

static const struct number_field number_fields[] = {
	NUMBER_FIELD(LENGTH, lengths, 65535, length),
	NUMBER_FIELD(TTL, ttls, 255, ttl),
	NUMBER_FIELD(DSCP, dscps, 63, dscp),
	NUMBER_FIELD(VLAN, vlans, ARQ_VLAN_NO_TAG, vlan),
	{ARQ_FIELD_QUIC_VERSION, offsetof(struct arq_rule, quic_versions), UINT32_MAX, 0},
};

/* The next boundary between versions, and its row. */
struct versions {
	struct arq_generation *image;
	uint32_t count;
};

static int add_version(uint32_t low, uint32_t high, uint16_t row, void *context)
{
	struct versions *versions = context;
	struct arq_generation *image = versions->image;

	(void)high;
	if (versions->count == ARQ_QUIC_VERSIONS)
		return -E2BIG;
	/* To the end, so that the last one is repeated. */
	for (uint32_t i = versions->count++; i < ARQ_QUIC_VERSIONS; i++) {
		image->quic_versions[i] = low;
		image->quic_version_rows[i] = row;
	}
	return 0;
}

/* The row for packets that do not have the field: of the rules that do not ask for it. */
static int set_none(struct compilation *c, enum arq_rule_field field, const struct arq_bitmap *open)
{
	int row = arq_rows_find(c->store, open);
	if (row < 0)
		return row;
	c->image->none[field] = (uint16_t)row;
	c->image->fields |= ARQ_FIELD_BIT(field);
	return 0;
}

static int compile_numbers(struct compilation *c, const struct number_field *field)
{
	struct arq_sweep sweep;
	bool used = false;
	int status = 0;

	arq_sweep_begin(&sweep, field->highest);
	for (uint32_t rule = 0; rule < c->ruleset->rule_count && status == 0; rule++) {
		const struct arq_match_ranges *match =
			(const void *)((const char *)&c->ruleset->rules[rule] + field->match);
		if (match->count == 0) {
			arq_bitmap_set(&sweep.always, rule);
			continue;
		}
		used = true;
		memcpy(c->scratch, match->items, match->count * sizeof(*c->scratch));
		status = arq_sweep_add(&sweep, rule, c->scratch, match->count, match->negate);
	}
	if (used && status == 0)
		status = set_none(c, field->field, &sweep.always);
	if (used && status == 0 && field->table) {
		status =
			arq_sweep_fill(&sweep, c->store, (void *)((char *)c->image + field->table));
	} else if (used && status == 0) {
		struct versions versions = {.image = c->image};
		status = arq_sweep_run(&sweep, c->store, add_version, &versions);
	}
	arq_sweep_end(&sweep);
	return status;
}

/* --- protocol, destination port, ICMP type ---------------------------------------------------- */

/* Has the rule a condition that only packets with an L4 header can meet? (Not all that there are:
 * those that make the field ARQ_FIELD_L4.) */
static bool wants_l4(const struct arq_rule *rule)
{
	return rule->to_ports.count || rule->icmp.count || rule->icmp6.count;
}

/* The ranges of a port condition that are for the protocol. Returns how many. */
static size_t port_ranges(const struct arq_match_ports *ports, uint8_t protocol,
			  struct arq_range *ranges)
{
	size_t count = 0;

	for (uint32_t i = 0; i < ports->count; i++) {
		const struct arq_port_range *item = &ports->items[i];
		if (item->protocol == 0 || item->protocol == protocol)
			ranges[count++] = (struct arq_range){item->low, item->high};
	}
	return count;
}

static int add_ports(struct arq_sweep *sweep, uint32_t rule, const struct arq_match_ports *ports,
		     uint8_t protocol, struct arq_range *scratch)
{
	if (ports->count == 0) {
		arq_bitmap_set(&sweep->always, rule);
		return 0;
	}
	return arq_sweep_add(sweep, rule, scratch, port_ranges(ports, protocol, scratch),
			     ports->negate);
}

static int add_icmp(struct arq_sweep *sweep, uint32_t rule, const struct arq_match_icmp *icmp,
		    struct arq_range *scratch)
{
	if (icmp->count == 0) {
		arq_bitmap_set(&sweep->always, rule);
		return 0;
	}
	for (uint32_t i = 0; i < icmp->count; i++) {
		const struct arq_icmp_range *item = &icmp->items[i];
		uint32_t type = (uint32_t)item->type << 8;
		scratch[i] = (struct arq_range){type | item->code_low, type | item->code_high};
	}
	return arq_sweep_add(sweep, rule, scratch, icmp->count, icmp->negate);
}

/* One rule, for packets of the kind that have an L4 header. */
static int add_l4(struct compilation *c, struct arq_sweep *sweep, enum arq_l4_kind kind,
		  uint32_t number)
{
	const struct arq_rule *rule = &c->ruleset->rules[number];
	bool ports = kind == ARQ_L4_TCP || kind == ARQ_L4_UDP;

	if (!ranges_hold(&rule->protocols, kind_protocols[kind]) ||
	    (!ports && rule->to_ports.count) || (kind != ARQ_L4_ICMP && rule->icmp.count) ||
	    (kind != ARQ_L4_ICMPV6 && rule->icmp6.count))
		return 0;
	if (ports)
		return add_ports(sweep, number, &rule->to_ports, kind_protocols[kind], c->scratch);
	return add_icmp(sweep, number, kind == ARQ_L4_ICMP ? &rule->icmp : &rule->icmp6,
			c->scratch);
}

/* Protocols of packets without an L4 header, and what is not IP. */
static int compile_protocols(struct compilation *c)
{
	struct arq_bitmap not_ip = {0};
	struct arq_sweep sweep;
	int status = 0;

	arq_sweep_begin(&sweep, 255);
	for (uint32_t i = 0; i < c->ruleset->rule_count && status == 0; i++) {
		const struct arq_match_ranges *match = &c->ruleset->rules[i].protocols;
		if (wants_l4(&c->ruleset->rules[i]))
			continue;
		if (match->count == 0) {
			arq_bitmap_set(&sweep.always, i);
			arq_bitmap_set(&not_ip, i);
			continue;
		}
		memcpy(c->scratch, match->items, match->count * sizeof(*c->scratch));
		status = arq_sweep_add(&sweep, i, c->scratch, match->count, match->negate);
	}
	if (status == 0)
		status = arq_sweep_fill(&sweep, c->store, c->image->protocol);
	arq_sweep_end(&sweep);
	return status ? status : set_none(c, ARQ_FIELD_L4, &not_ip);
}

static int compile_l4(struct compilation *c)
{
	bool used = false;
	int status = 0;

	for (uint32_t i = 0; i < c->ruleset->rule_count; i++)
		used |= wants_l4(&c->ruleset->rules[i]) || c->ruleset->rules[i].protocols.count;
	if (!used)
		return 0;
	for (enum arq_l4_kind kind = 0; kind < ARQ_L4_KINDS && status == 0; kind++) {
		struct arq_sweep sweep;
		arq_sweep_begin(&sweep, VALUE_MAX);
		for (uint32_t i = 0; i < c->ruleset->rule_count && status == 0; i++)
			status = add_l4(c, &sweep, kind, i);
		if (status == 0)
			status = arq_sweep_fill(&sweep, c->store, c->image->l4[kind]);
		arq_sweep_end(&sweep);
	}
	return status ? status : compile_protocols(c);
}

static int compile_from_ports(struct compilation *c)
{
	struct arq_bitmap open = {0};
	bool used = false;
	int status = 0;

	for (uint32_t i = 0; i < c->ruleset->rule_count; i++) {
		if (c->ruleset->rules[i].from_ports.count)
			used = true;
		else
			arq_bitmap_set(&open, i);
	}
	for (enum arq_l4_kind kind = ARQ_L4_TCP; used && kind <= ARQ_L4_UDP && status == 0;
	     kind++) {
		struct arq_sweep sweep;
		arq_sweep_begin(&sweep, VALUE_MAX);
		for (uint32_t i = 0; i < c->ruleset->rule_count && status == 0; i++)
			status = add_ports(&sweep, i, &c->ruleset->rules[i].from_ports,
					   kind_protocols[kind], c->scratch);
		if (status == 0)
			status = arq_sweep_fill(&sweep, c->store, c->image->from_port[kind]);
		arq_sweep_end(&sweep);
	}
	return used && status == 0 ? set_none(c, ARQ_FIELD_FROM_PORT, &open) : status;
}

/* --- fields that are bits --------------------------------------------------------------------- */

/* Which rules ask for the field, and whether one of them matches the value. */
struct bit_field {
	enum arq_rule_field field;
	uint32_t values;
	size_t table; /* offset in the image */
	bool (*asks)(const struct arq_rule *rule);
	bool (*matches)(const struct arq_rule *rule, uint32_t value);
};

static bool asks_tcp_flags(const struct arq_rule *rule)
{
	return rule->tcp_flags.mask != 0;
}

static bool matches_tcp_flags(const struct arq_rule *rule, uint32_t value)
{
	const struct arq_match_tcp_flags *flags = &rule->tcp_flags;

	return ((value & flags->mask) == flags->value) != flags->negate;
}

static bool asks_fragments(const struct arq_rule *rule)
{
	return rule->fragments != 0;
}

/* The state's number is that of its bit. */
static bool matches_fragments(const struct arq_rule *rule, uint32_t value)
{
	return rule->fragments >> value & 1;
}

static bool asks_quic_types(const struct arq_rule *rule)
{
	return rule->quic_types != 0;
}

static bool matches_quic_types(const struct arq_rule *rule, uint32_t value)
{
	return rule->quic_types >> value & 1;
}

_Static_assert(1 << ARQ_STATE_WHOLE == ARQ_FRAGMENT_NONE &&
		       1 << ARQ_STATE_FIRST == ARQ_FRAGMENT_FIRST &&
		       1 << ARQ_STATE_LATER == ARQ_FRAGMENT_LATER,
	       "states are numbers of bits");
_Static_assert(1 << ARQ_TYPE_SHORT == ARQ_QUIC_SHORT && 1 << ARQ_TYPE_INITIAL == ARQ_QUIC_INITIAL &&
		       1 << ARQ_TYPE_RETRY == ARQ_QUIC_RETRY &&
		       1 << ARQ_TYPE_UNKNOWN_VERSION == ARQ_QUIC_UNKNOWN_VERSION,
	       "types are numbers of bits");

static const struct bit_field bit_fields[] = {
	{ARQ_FIELD_TCP_FLAGS, 256, offsetof(struct arq_generation, tcp_flags), asks_tcp_flags,
	 matches_tcp_flags},
	{ARQ_FIELD_FRAGMENT, ARQ_FRAGMENT_STATES, offsetof(struct arq_generation, fragment),
	 asks_fragments, matches_fragments},
	{ARQ_FIELD_QUIC_TYPE, ARQ_QUIC_TYPES, offsetof(struct arq_generation, quic_type),
	 asks_quic_types, matches_quic_types},
};

static int compile_bits(struct compilation *c, const struct bit_field *field)
{
	uint16_t *table = (void *)((char *)c->image + field->table);
	struct arq_bitmap open = {0};
	bool used = false;

	for (uint32_t i = 0; i < c->ruleset->rule_count; i++) {
		if (field->asks(&c->ruleset->rules[i]))
			used = true;
		else
			arq_bitmap_set(&open, i);
	}
	if (!used)
		return 0;
	for (uint32_t value = 0; value < field->values; value++) {
		struct arq_bitmap bitmap = open;
		for (uint32_t i = 0; i < c->ruleset->rule_count; i++) {
			const struct arq_rule *rule = &c->ruleset->rules[i];
			if (field->asks(rule) && field->matches(rule, value))
				arq_bitmap_set(&bitmap, i);
		}
		int row = arq_rows_find(c->store, &bitmap);
		if (row < 0)
			return row;
		table[value] = (uint16_t)row;
	}
	return set_none(c, field->field, &open);
}

/* --- rules ------------------------------------------------------------------------------------ */

/* The rule's limit, as the program takes packets from it. */
static int compile_limit(struct compilation *c, uint32_t number, uint32_t *counting,
			 struct arq_error *error)
{
	const struct arq_rule *rule = &c->ruleset->rules[number];
	struct arq_limit *limit = &c->image->limits[number];

	if (!rule->limit.rate)
		return 0;
	int status = arq_rate_make(&limit->rate, rule->limit.rate, rule->limit.period_ns,
				   rule->limit.burst);
	if (status)
		return arq_error_set(error, status,
				     "rule '%s': the limit is out of range; at most 160 million "
				     "packets a second and a burst of at least 1",
				     rule->name);
	if (rule->action == ARQ_RULE_COUNT && ++*counting > ARQ_LIMITED_COUNTS_MAX)
		return arq_error_set(error, -E2BIG,
				     "rule '%s': more than %d rules count within a limit; let "
				     "them pass or drop",
				     rule->name, ARQ_LIMITED_COUNTS_MAX);
	limit->identity = (uint32_t)c->compiled->rules[number].meaning[0];
	limit->per_source = rule->limit.per == ARQ_LIMIT_PER_SOURCE;
	limit->prefix_v4 = rule->limit.prefix_v4;
	limit->prefix_v6 = rule->limit.prefix_v6;
	c->image->consequences[number].limited = 1;
	return 0;
}

/* What follows from the rules, what they are called, and which are for this interface. */
static int compile_rules(struct compilation *c, const char *interface, struct arq_error *error)
{
	struct arq_generation *image = c->image;
	uint32_t counting = 0;

	for (uint32_t i = 0; i < c->ruleset->rule_count; i++) {
		const struct arq_rule *rule = &c->ruleset->rules[i];
		uint64_t bit = 1ULL << i % 64;
		snprintf(c->compiled->rules[i].name, ARQ_RULE_NAME_MAX, "%s", rule->name);
		arq_rule_meaning(rule, c->ruleset, c->compiled->rules[i].meaning);
		image->consequences[i].action = (uint8_t)rule->action;
		image->block_ns[i] = rule->block_ns;
		image->consequences[i].block_length[0] = (uint8_t)(96 + rule->block_prefix_v4);
		image->consequences[i].block_length[1] = rule->block_prefix_v6;
		int status = compile_limit(c, i, &counting, error);
		if (status)
			return status;
		if (!arq_rule_is_for(rule, interface))
			continue;
		image->valid[i / 64] |= bit;
		if (rule->action != ARQ_RULE_COUNT || rule->limit.rate)
			image->decisive[i / 64] |= bit;
	}
	if (c->ruleset->rule_count > 64)
		image->words = (c->ruleset->rule_count + 63) / 64;
	for (uint32_t word = 0; word < image->words; word++)
		image->summary |= (uint64_t)(image->valid[word] != 0) << word;
	if (image->words == 0)
		image->summary = image->valid[0];
	image->settings.default_action = (uint8_t)c->ruleset->default_action;
	image->settings.default_control = c->ruleset->default_control;
	return 0;
}

/*
 * Where no rule has a condition, the first row, which stands for the field after the last one
 * (arq_rows.numbers), says that every rule matches.
 */
static int compile_none(struct compilation *c)
{
	struct arq_bitmap all;

	if (c->image->fields)
		return 0;
	memcpy(all.words, c->image->valid, sizeof(all.words));
	int row = arq_rows_find(c->store, &all);
	return row < 0 ? row : 0;
}

static int compile_fields(struct compilation *c, struct arq_error *error)
{
	int status = compile_l4(c);

	if (status == 0)
		status = compile_from_ports(c);
	for (size_t i = 0; i < sizeof(number_fields) / sizeof(number_fields[0]) && status == 0; i++)
		status = compile_numbers(c, &number_fields[i]);
	for (size_t i = 0; i < sizeof(bit_fields) / sizeof(bit_fields[0]) && status == 0; i++)
		status = compile_bits(c, &bit_fields[i]);
	for (uint32_t direction = 0; direction < 2 && status == 0; direction++)
		status = arq_compile_addresses(c->ruleset, direction, c->compiled, c->store, error);
	return status ? status : compile_none(c);
}

/* The fields in use, in the order in which the program looks at their rows. */
static void set_order(struct arq_generation *image)
{
	static const uint8_t order[] = {
		ARQ_FIELD_L4,        ARQ_FIELD_FROM,   ARQ_FIELD_TO,        ARQ_FIELD_FROM_PORT,
		ARQ_FIELD_TCP_FLAGS, ARQ_FIELD_LENGTH, ARQ_FIELD_TTL,       ARQ_FIELD_DSCP,
		ARQ_FIELD_FRAGMENT,  ARQ_FIELD_VLAN,   ARQ_FIELD_QUIC_TYPE, ARQ_FIELD_QUIC_VERSION,
	};
	unsigned int shift = 0;

	for (size_t i = 0; i < sizeof(order); i++) {
		if (image->fields & ARQ_FIELD_BIT(order[i])) {
			image->order |= (uint64_t)order[i] << shift;
			shift += ARQ_ORDER_BITS;
		}
	}
}

/* --- the whole -------------------------------------------------------------------------------- */

/* Ranges in the longest condition of any rule. */
static size_t longest_condition(const struct arq_ruleset *ruleset)
{
	size_t most = 1;

	for (uint32_t i = 0; i < ruleset->rule_count; i++) {
		const struct arq_rule *rule = &ruleset->rules[i];
		const uint32_t counts[] = {
			rule->protocols.count,     rule->from_ports.count, rule->to_ports.count,
			rule->icmp.count,          rule->icmp6.count,      rule->lengths.count,
			rule->ttls.count,          rule->dscps.count,      rule->vlans.count,
			rule->quic_versions.count,
		};
		for (size_t j = 0; j < sizeof(counts) / sizeof(counts[0]); j++)
			most = counts[j] > most ? counts[j] : most;
	}
	return most;
}

static int compile(struct compilation *c, const char *interface, struct arq_error *error)
{
	int status = compile_rules(c, interface, error);

	if (status)
		return status;
	c->store->image = c->image;
	status = compile_fields(c, error);
	if (status == -E2BIG)
		return arq_error_set(error, status,
				     "the rules make more than %d different combinations for the "
				     "values of their fields; use fewer rules, ranges or sets",
				     ARQ_ROWS);
	if (status)
		return arq_error_set(error, status, "cannot compile the rules: %s",
				     strerror(-status));
	set_order(c->image);
	c->compiled->row_count = c->store->row_count;
	c->compiled->block_count = c->store->block_count;
	return 0;
}

int arq_compile(const struct arq_ruleset *ruleset, const char *interface,
		struct arq_compiled **compiled, struct arq_error *error)
{
	struct compilation c = {.ruleset = ruleset};
	int status = -ENOMEM;

	*compiled = NULL;
	if (ruleset->rule_count > ARQ_RULES_MAX)
		return arq_error_set(error, -E2BIG,
				     "%u rules are more than %d; put prefixes into sets, and ports "
				     "into lists",
				     ruleset->rule_count, ARQ_RULES_MAX);
	c.compiled = calloc(1, sizeof(*c.compiled));
	c.store = calloc(1, sizeof(*c.store));
	c.image = calloc(1, sizeof(*c.image));
	c.scratch = calloc(longest_condition(ruleset), sizeof(*c.scratch));
	struct arq_compiled_rule *rules = calloc(ruleset->rule_count + 1u, sizeof(*rules));
	if (c.compiled) {
		c.compiled->image = c.image;
		c.compiled->rules = rules;
		c.compiled->rule_count = ruleset->rule_count;
	}
	if (c.compiled && c.store && c.image && c.scratch && rules)
		status = compile(&c, interface, error);
	else
		arq_error_set(error, status, "no memory to compile the rules");
	free(c.scratch);
	free(c.store);
	if (status == 0) {
		*compiled = c.compiled;
	} else if (c.compiled) {
		arq_compiled_destroy(c.compiled);
	} else {
		free(c.image);
		free(rules);
	}
	return status;
}

void arq_compiled_destroy(struct arq_compiled *compiled)
{
	if (!compiled)
		return;
	for (size_t i = 0; i < ARQ_LOOKUP_TABLES; i++)
		arq_lookup_destroy(compiled->lookups[i]);
	free(compiled->image);
	free(compiled->rules);
	free(compiled);
}
