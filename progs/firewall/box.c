// SPDX-License-Identifier: BSD-2-Clause
#include "progs/firewall/box.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* The value of a packet that has none. */
#define ABSENT UINT64_MAX / 2

/* Addresses: IPv4's as they are; IPv6's by the index of the range between two keys. */
#define V4_LAST  UINT32_MAX
#define V6_FIRST (1ull << 33)
#define V6_LAST  (1ull << 34)

/* Ports: those of TCP, then those of UDP; a gap keeps them apart. */
#define UDP_FIRST   (1u << 20)
#define PORT_LAST   65535u
#define LENGTH_LAST UINT32_MAX

struct arq_address_key {
	uint8_t bytes[16];
};

/* Sets of values that hang together with those of other dimensions. */
enum part {
	PART_ABSENT,
	PART_V4,
	PART_V6,
	PART_TCP,
	PART_UDP,
	PART_TCP_UDP,
	PART_ICMP,
	PART_ICMP6,
	PART_TCP_PORTS,
	PART_UDP_PORTS,
	PART_HEAD, /* of a datagram: not a later fragment */
	PARTS,
};

/* --- addresses -------------------------------------------------------------------------------- */

static int compare_keys(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct arq_address_key));
}

/* The address behind the prefix; false if there is none. */
static bool after(const struct arq_prefix *prefix, struct arq_address_key *key)
{
	memcpy(key->bytes, prefix->address, sizeof(key->bytes));
	for (int bit = prefix->length - 1; bit >= 0; bit--) {
		uint8_t mask = (uint8_t)(0x80 >> bit % 8);
		key->bytes[bit / 8] ^= mask;
		if (key->bytes[bit / 8] & mask)
			return true;
	}
	return false;
}

static void add_keys(struct arq_box_maker *maker, const struct arq_prefix *prefix)
{
	if (prefix->family != AF_INET6)
		return;
	memcpy(maker->keys[maker->key_count++].bytes, prefix->address, 16);
	if (after(prefix, &maker->keys[maker->key_count]))
		maker->key_count++;
}

static size_t count_prefixes(const struct arq_ruleset *ruleset)
{
	size_t count = 0;

	for (uint32_t i = 0; i < ruleset->rule_count; i++)
		count += ruleset->rules[i].from.prefix_count + ruleset->rules[i].to.prefix_count;
	for (uint32_t i = 0; i < ruleset->set_count; i++)
		count += ruleset->sets[i].count;
	return count;
}

static int make_keys(struct arq_box_maker *maker)
{
	const struct arq_ruleset *ruleset = maker->ruleset;

	maker->keys = calloc(2 * count_prefixes(ruleset) + 2, sizeof(maker->keys[0]));
	if (!maker->keys)
		return -ENOMEM;
	maker->key_count = 1; /* where all addresses begin */
	for (uint32_t i = 0; i < ruleset->rule_count; i++) {
		const struct arq_rule *rule = &ruleset->rules[i];
		for (uint32_t j = 0; j < rule->from.prefix_count; j++)
			add_keys(maker, &rule->from.prefixes[j]);
		for (uint32_t j = 0; j < rule->to.prefix_count; j++)
			add_keys(maker, &rule->to.prefixes[j]);
	}
	for (uint32_t i = 0; i < ruleset->set_count; i++) {
		for (size_t j = 0; j < ruleset->sets[i].count; j++)
			add_keys(maker, &ruleset->sets[i].entries[j].prefix);
	}
	qsort(maker->keys, maker->key_count, sizeof(maker->keys[0]), compare_keys);
	size_t kept = 1;
	for (size_t i = 1; i < maker->key_count; i++) {
		if (compare_keys(&maker->keys[kept - 1], &maker->keys[i]) != 0)
			maker->keys[kept++] = maker->keys[i];
	}
	maker->key_count = kept;
	return 0;
}

static uint64_t key_index(const struct arq_box_maker *maker, const struct arq_address_key *key)
{
	const struct arq_address_key *found =
		bsearch(key, maker->keys, maker->key_count, sizeof(maker->keys[0]), compare_keys);

	return (uint64_t)(found - maker->keys);
}

static struct arq_interval interval_of(const struct arq_box_maker *maker,
				       const struct arq_prefix *prefix)
{
	struct arq_address_key key;

	if (prefix->family == AF_INET) {
		uint32_t first = (uint32_t)prefix->address[0] << 24 |
				 (uint32_t)prefix->address[1] << 16 |
				 (uint32_t)prefix->address[2] << 8 | prefix->address[3];
		uint32_t rest = prefix->length ? (uint32_t)((1ull << (32 - prefix->length)) - 1)
					       : UINT32_MAX;
		return (struct arq_interval){first, first | rest};
	}
	memcpy(key.bytes, prefix->address, sizeof(key.bytes));
	uint64_t low = key_index(maker, &key);
	uint64_t high = after(prefix, &key) ? key_index(maker, &key) : maker->key_count;
	return (struct arq_interval){V6_FIRST + low,
				     high == maker->key_count ? V6_LAST : V6_FIRST + high - 1};
}

static const struct arq_space *make_set(struct arq_box_maker *maker, uint32_t index)
{
	const struct arq_set *set = &maker->ruleset->sets[index];

	if (maker->sets[index])
		return maker->sets[index];
	struct arq_interval *items = malloc((set->count + 1) * sizeof(items[0]));
	for (size_t i = 0; items && i < set->count; i++)
		items[i] = interval_of(maker, &set->entries[i].prefix);
	if (items)
		maker->sets[index] = arq_space_make(&maker->arena, items, set->count);
	free(items);
	return maker->sets[index];
}

static const struct arq_space *all_addresses(struct arq_box_maker *maker)
{
	struct arq_interval items[] = {{0, V4_LAST}, {V6_FIRST, V6_LAST}};

	return arq_space_make(&maker->arena, items, 2);
}

static const struct arq_space *collect(struct arq_box_maker *maker,
				       const struct arq_match_addresses *addresses)
{
	size_t count = addresses->prefix_count;

	if (addresses->prefix_count == 0 && addresses->set_count == 1)
		return make_set(maker, addresses->sets[0]);
	for (uint32_t i = 0; i < addresses->set_count; i++) {
		const struct arq_space *set = make_set(maker, addresses->sets[i]);
		if (!set)
			return NULL;
		count += set->count;
	}
	struct arq_interval *items = malloc((count + 1) * sizeof(items[0]));
	if (!items)
		return NULL;
	count = 0;
	for (uint32_t i = 0; i < addresses->prefix_count; i++)
		items[count++] = interval_of(maker, &addresses->prefixes[i]);
	for (uint32_t i = 0; i < addresses->set_count; i++) {
		const struct arq_space *set = maker->sets[addresses->sets[i]];
		memcpy(items + count, set->items, set->count * sizeof(items[0]));
		count += set->count;
	}
	const struct arq_space *space = arq_space_make(&maker->arena, items, count);
	free(items);
	return space;
}

/* --- what is everything ----------------------------------------------------------------------- */

static const struct arq_space *pair(struct arq_arena *arena, uint64_t low, uint64_t high,
				    bool absent)
{
	struct arq_interval items[] = {{low, high}, {ABSENT, ABSENT}};

	return arq_space_make(arena, items, absent ? 2 : 1);
}

static int make_everything(struct arq_box_maker *maker)
{
	static const struct {
		uint64_t high;
		bool absent;
	} plain[ARQ_DIMENSIONS] = {
		[ARQ_DIMENSION_PROTOCOL] = {255, true},
		[ARQ_DIMENSION_ICMP] = {UINT16_MAX, true},
		[ARQ_DIMENSION_ICMP6] = {UINT16_MAX, true},
		[ARQ_DIMENSION_TCP_FLAGS] = {255, true},
		[ARQ_DIMENSION_LENGTH] = {LENGTH_LAST, false},
		[ARQ_DIMENSION_TTL] = {255, true},
		[ARQ_DIMENSION_DSCP] = {63, true},
		[ARQ_DIMENSION_FRAGMENT] = {2, true},
		[ARQ_DIMENSION_VLAN] = {ARQ_VLAN_NONE, false},
		[ARQ_DIMENSION_QUIC] = {6, true},
		[ARQ_DIMENSION_QUIC_VERSION] = {UINT32_MAX, true},
	};
	struct arq_interval ports[] = {
		{0, PORT_LAST}, {UDP_FIRST, UDP_FIRST + PORT_LAST}, {ABSENT, ABSENT}};
	struct arq_interval addresses[] = {{0, V4_LAST}, {V6_FIRST, V6_LAST}, {ABSENT, ABSENT}};

	for (int i = 0; i < ARQ_DIMENSIONS; i++)
		maker->everything[i] = pair(&maker->arena, 0, plain[i].high, plain[i].absent);
	/* Behind the interfaces that rules name, all others. */
	maker->everything[ARQ_DIMENSION_INTERFACE] =
		pair(&maker->arena, 0, maker->interface_count, false);
	maker->everything[ARQ_DIMENSION_FROM_PORT] = arq_space_make(&maker->arena, ports, 3);
	maker->everything[ARQ_DIMENSION_TO_PORT] = maker->everything[ARQ_DIMENSION_FROM_PORT];
	maker->everything[ARQ_DIMENSION_FROM] = arq_space_make(&maker->arena, addresses, 3);
	maker->everything[ARQ_DIMENSION_TO] = maker->everything[ARQ_DIMENSION_FROM];
	for (int i = 0; i < ARQ_DIMENSIONS; i++) {
		if (!maker->everything[i])
			return -ENOMEM;
	}
	return 0;
}

static int make_parts(struct arq_box_maker *maker)
{
	struct arq_interval items[PARTS] = {
		[PART_ABSENT] = {ABSENT, ABSENT},
		[PART_V4] = {0, V4_LAST},
		[PART_V6] = {V6_FIRST, V6_LAST},
		[PART_TCP] = {IPPROTO_TCP, IPPROTO_TCP},
		[PART_UDP] = {IPPROTO_UDP, IPPROTO_UDP},
		[PART_ICMP] = {IPPROTO_ICMP, IPPROTO_ICMP},
		[PART_ICMP6] = {IPPROTO_ICMPV6, IPPROTO_ICMPV6},
		[PART_TCP_PORTS] = {0, PORT_LAST},
		[PART_UDP_PORTS] = {UDP_FIRST, UDP_FIRST + PORT_LAST},
		[PART_HEAD] = {0, 1},
	};
	struct arq_interval both[] = {items[PART_TCP], items[PART_UDP]};

	for (int i = 0; i < PARTS; i++) {
		maker->parts[i] = i == PART_TCP_UDP ? arq_space_make(&maker->arena, both, 2)
						    : arq_space_make(&maker->arena, &items[i], 1);
		if (!maker->parts[i])
			return -ENOMEM;
	}
	return 0;
}

static uint32_t interface_index(const struct arq_box_maker *maker, const char *name)
{
	uint32_t i = 0;

	while (i < maker->interface_count && strcmp(maker->interfaces[i], name) != 0)
		i++;
	return i;
}

static int make_interfaces(struct arq_box_maker *maker)
{
	const struct arq_ruleset *ruleset = maker->ruleset;
	size_t most = 1;

	for (uint32_t i = 0; i < ruleset->rule_count; i++)
		most += ruleset->rules[i].interface_count;
	maker->interfaces = calloc(most, sizeof(maker->interfaces[0]));
	if (!maker->interfaces)
		return -ENOMEM;
	for (uint32_t i = 0; i < ruleset->rule_count; i++) {
		for (uint32_t j = 0; j < ruleset->rules[i].interface_count; j++) {
			const char *name = ruleset->rules[i].interfaces[j];
			if (interface_index(maker, name) == maker->interface_count)
				maker->interfaces[maker->interface_count++] = name;
		}
	}
	return 0;
}

int arq_box_maker_init(struct arq_box_maker *maker, const struct arq_ruleset *ruleset)
{
	*maker = (struct arq_box_maker){.ruleset = ruleset};
	maker->sets = calloc(ruleset->set_count + 1, sizeof(maker->sets[0]));
	int status = maker->sets ? make_keys(maker) : -ENOMEM;
	if (status == 0)
		status = make_interfaces(maker);
	if (status == 0)
		status = make_parts(maker);
	return status ? status : make_everything(maker);
}

void arq_box_maker_clear(struct arq_box_maker *maker)
{
	arq_arena_clear(&maker->arena);
	free(maker->keys);
	free(maker->sets);
	free(maker->interfaces);
}

/* --- rules ------------------------------------------------------------------------------------ */

/*
 * Bounds a dimension to what is given, or to what is not given: of the values that packets can
 * have, since one that a packet does not have matches no condition.
 */
static int bound(struct arq_box_maker *maker, struct arq_box *box, enum arq_dimension dimension,
		 const struct arq_space *given, bool negate)
{
	if (given && negate) {
		given = arq_space_subtract(&maker->arena, maker->everything[dimension], given);
		if (given)
			given = arq_space_subtract(&maker->arena, given, maker->parts[PART_ABSENT]);
	}
	if (!given)
		return -ENOMEM;
	box->spaces[dimension] = given;
	box->bounded |= 1u << dimension;
	return 0;
}

static int bound_ranges(struct arq_box_maker *maker, struct arq_box *box,
			enum arq_dimension dimension, const struct arq_match_ranges *ranges)
{
	if (!ranges->count)
		return 0;
	struct arq_interval *items = malloc(ranges->count * sizeof(items[0]));
	if (!items)
		return -ENOMEM;
	for (uint32_t i = 0; i < ranges->count; i++)
		items[i] = (struct arq_interval){ranges->items[i].low, ranges->items[i].high};
	const struct arq_space *given = arq_space_make(&maker->arena, items, ranges->count);
	free(items);
	return bound(maker, box, dimension, given, ranges->negate);
}

static int bound_ports(struct arq_box_maker *maker, struct arq_box *box,
		       enum arq_dimension dimension, const struct arq_match_ports *ports)
{
	size_t count = 0;

	if (!ports->count)
		return 0;
	struct arq_interval *items = malloc(2 * ports->count * sizeof(items[0]));
	if (!items)
		return -ENOMEM;
	for (uint32_t i = 0; i < ports->count; i++) {
		const struct arq_port_range *range = &ports->items[i];
		if (range->protocol != IPPROTO_UDP)
			items[count++] = (struct arq_interval){range->low, range->high};
		if (range->protocol != IPPROTO_TCP)
			items[count++] = (struct arq_interval){UDP_FIRST + range->low,
							       UDP_FIRST + range->high};
	}
	const struct arq_space *given = arq_space_make(&maker->arena, items, count);
	free(items);
	return bound(maker, box, dimension, given, ports->negate);
}

static int bound_icmp(struct arq_box_maker *maker, struct arq_box *box,
		      enum arq_dimension dimension, const struct arq_match_icmp *icmp)
{
	if (!icmp->count)
		return 0;
	struct arq_interval *items = malloc(icmp->count * sizeof(items[0]));
	if (!items)
		return -ENOMEM;
	for (uint32_t i = 0; i < icmp->count; i++) {
		uint64_t type = (uint64_t)icmp->items[i].type << 8;
		items[i] = (struct arq_interval){type | icmp->items[i].code_low,
						 type | icmp->items[i].code_high};
	}
	const struct arq_space *given = arq_space_make(&maker->arena, items, icmp->count);
	free(items);
	return bound(maker, box, dimension, given, icmp->negate);
}

static int bound_flags(struct arq_box_maker *maker, struct arq_box *box,
		       const struct arq_match_tcp_flags *flags)
{
	struct arq_interval items[256];
	size_t count = 0;

	if (!flags->mask)
		return 0;
	for (uint32_t value = 0; value < 256; value++) {
		if ((value & flags->mask) == flags->value)
			items[count++] = (struct arq_interval){value, value};
	}
	return bound(maker, box, ARQ_DIMENSION_TCP_FLAGS,
		     arq_space_make(&maker->arena, items, count), flags->negate);
}

static int bound_bits(struct arq_box_maker *maker, struct arq_box *box,
		      enum arq_dimension dimension, uint32_t bits)
{
	struct arq_interval items[32];
	size_t count = 0;

	if (!bits)
		return 0;
	for (uint32_t i = 0; i < 32; i++) {
		if (bits & 1u << i)
			items[count++] = (struct arq_interval){i, i};
	}
	return bound(maker, box, dimension, arq_space_make(&maker->arena, items, count), false);
}

static int bound_addresses(struct arq_box_maker *maker, struct arq_box *box,
			   enum arq_dimension dimension,
			   const struct arq_match_addresses *addresses)
{
	if (!addresses->prefix_count && !addresses->set_count)
		return 0;
	const struct arq_space *given = collect(maker, addresses);
	const struct arq_space *all = all_addresses(maker);
	if (!given || !all)
		return -ENOMEM;
	if (addresses->negate)
		given = arq_space_subtract(&maker->arena, all, given);
	return bound(maker, box, dimension, given, false);
}

static int bound_interfaces(struct arq_box_maker *maker, struct arq_box *box,
			    const struct arq_rule *rule)
{
	if (!rule->interface_count)
		return 0;
	struct arq_interval *items = malloc(rule->interface_count * sizeof(items[0]));
	if (!items)
		return -ENOMEM;
	for (uint32_t i = 0; i < rule->interface_count; i++) {
		uint32_t index = interface_index(maker, rule->interfaces[i]);
		items[i] = (struct arq_interval){index, index};
	}
	const struct arq_space *given = arq_space_make(&maker->arena, items, rule->interface_count);
	free(items);
	return bound(maker, box, ARQ_DIMENSION_INTERFACE, given, false);
}

int arq_box_make(struct arq_box_maker *maker, const struct arq_rule *rule, struct arq_box *box)
{
	const struct {
		enum arq_dimension dimension;
		const struct arq_match_ranges *ranges;
	} ranges[] = {
		{ARQ_DIMENSION_PROTOCOL, &rule->protocols},
		{ARQ_DIMENSION_LENGTH, &rule->lengths},
		{ARQ_DIMENSION_TTL, &rule->ttls},
		{ARQ_DIMENSION_DSCP, &rule->dscps},
		{ARQ_DIMENSION_VLAN, &rule->vlans},
		{ARQ_DIMENSION_QUIC_VERSION, &rule->quic_versions},
	};
	int status = 0;

	box->bounded = 0;
	memcpy(box->spaces, maker->everything, sizeof(box->spaces));
	for (size_t i = 0; status == 0 && i < sizeof(ranges) / sizeof(ranges[0]); i++)
		status = bound_ranges(maker, box, ranges[i].dimension, ranges[i].ranges);
	if (status == 0)
		status = bound_ports(maker, box, ARQ_DIMENSION_FROM_PORT, &rule->from_ports);
	if (status == 0)
		status = bound_ports(maker, box, ARQ_DIMENSION_TO_PORT, &rule->to_ports);
	if (status == 0)
		status = bound_icmp(maker, box, ARQ_DIMENSION_ICMP, &rule->icmp);
	if (status == 0)
		status = bound_icmp(maker, box, ARQ_DIMENSION_ICMP6, &rule->icmp6);
	if (status == 0)
		status = bound_flags(maker, box, &rule->tcp_flags);
	if (status == 0)
		status = bound_bits(maker, box, ARQ_DIMENSION_FRAGMENT, rule->fragments);
	if (status == 0)
		status = bound_bits(maker, box, ARQ_DIMENSION_QUIC, rule->quic_types);
	if (status == 0)
		status = bound_interfaces(maker, box, rule);
	if (status == 0)
		status = bound_addresses(maker, box, ARQ_DIMENSION_FROM, &rule->from);
	if (status == 0)
		status = bound_addresses(maker, box, ARQ_DIMENSION_TO, &rule->to);
	return status ? status : arq_box_tighten(maker, &maker->arena, box);
}

/* --- what hangs together ---------------------------------------------------------------------- */

struct tightening {
	const struct arq_box_maker *maker;
	struct arq_arena *arena;
	struct arq_box *box;
	int status;
};

static void store(struct tightening *tightening, enum arq_dimension dimension,
		  const struct arq_space *space)
{
	if (!space) {
		tightening->status = -ENOMEM;
		return;
	}
	tightening->box->spaces[dimension] = space;
	tightening->box->bounded |= 1u << dimension;
}

static bool has(const struct tightening *tightening, enum arq_dimension dimension, enum part part)
{
	return arq_space_overlaps(tightening->box->spaces[dimension],
				  tightening->maker->parts[part]);
}

/* Takes all but a part out of a dimension. */
static void keep(struct tightening *tightening, enum arq_dimension dimension, enum part part)
{
	const struct arq_space *space = tightening->box->spaces[dimension];
	const struct arq_space *kept = tightening->maker->parts[part];

	if (!arq_space_within(space, kept))
		store(tightening, dimension, arq_space_intersect(tightening->arena, space, kept));
}

static void drop(struct tightening *tightening, enum arq_dimension dimension, enum part part)
{
	if (has(tightening, dimension, part))
		store(tightening, dimension,
		      arq_space_subtract(tightening->arena, tightening->box->spaces[dimension],
					 tightening->maker->parts[part]));
}

/* What of the upper header is wanted says which protocol it is, and that it is there. */
static void tighten_protocol(struct tightening *tightening)
{
	static const struct {
		enum arq_dimension dimension;
		enum part protocol;
	} wants[] = {
		{ARQ_DIMENSION_TO_PORT, PART_TCP_UDP},  {ARQ_DIMENSION_FROM_PORT, PART_TCP_UDP},
		{ARQ_DIMENSION_TCP_FLAGS, PART_TCP},    {ARQ_DIMENSION_ICMP, PART_ICMP},
		{ARQ_DIMENSION_ICMP6, PART_ICMP6},      {ARQ_DIMENSION_QUIC, PART_UDP},
		{ARQ_DIMENSION_QUIC_VERSION, PART_UDP},
	};

	for (size_t i = 0; i < sizeof(wants) / sizeof(wants[0]); i++) {
		if (has(tightening, wants[i].dimension, PART_ABSENT))
			continue;
		keep(tightening, ARQ_DIMENSION_PROTOCOL, wants[i].protocol);
		keep(tightening, ARQ_DIMENSION_FRAGMENT, PART_HEAD);
	}
	if (!has(tightening, ARQ_DIMENSION_QUIC_VERSION, PART_ABSENT))
		drop(tightening, ARQ_DIMENSION_QUIC, PART_ABSENT);
	if (!has(tightening, ARQ_DIMENSION_TO_PORT, PART_ABSENT) ||
	    !has(tightening, ARQ_DIMENSION_FROM_PORT, PART_ABSENT)) {
		drop(tightening, ARQ_DIMENSION_TO_PORT, PART_ABSENT);
		drop(tightening, ARQ_DIMENSION_FROM_PORT, PART_ABSENT);
	}
	if (!has(tightening, ARQ_DIMENSION_TO_PORT, PART_ABSENT) &&
	    arq_box_is_tcp(tightening->maker, tightening->box))
		drop(tightening, ARQ_DIMENSION_TCP_FLAGS, PART_ABSENT);
	if (!has(tightening, ARQ_DIMENSION_ICMP, PART_ABSENT)) {
		keep(tightening, ARQ_DIMENSION_FROM, PART_V4);
		keep(tightening, ARQ_DIMENSION_TO, PART_V4);
	}
	if (!has(tightening, ARQ_DIMENSION_ICMP6, PART_ABSENT)) {
		keep(tightening, ARQ_DIMENSION_FROM, PART_V6);
		keep(tightening, ARQ_DIMENSION_TO, PART_V6);
	}
}

/* And the protocol, or a later fragment, says what of it cannot be there. */
static void tighten_upper(struct tightening *tightening)
{
	static const struct {
		enum part protocol, ports;
	} ports[] = {{PART_TCP, PART_TCP_PORTS}, {PART_UDP, PART_UDP_PORTS}};
	static const struct {
		enum part protocol;
		enum arq_dimension dimension;
	} absent[] = {
		{PART_TCP_UDP, ARQ_DIMENSION_TO_PORT},  {PART_TCP_UDP, ARQ_DIMENSION_FROM_PORT},
		{PART_TCP, ARQ_DIMENSION_TCP_FLAGS},    {PART_ICMP, ARQ_DIMENSION_ICMP},
		{PART_ICMP6, ARQ_DIMENSION_ICMP6},      {PART_UDP, ARQ_DIMENSION_QUIC},
		{PART_UDP, ARQ_DIMENSION_QUIC_VERSION},
	};

	for (size_t i = 0; i < sizeof(ports) / sizeof(ports[0]); i++) {
		bool from = has(tightening, ARQ_DIMENSION_FROM_PORT, ports[i].ports);
		bool to = has(tightening, ARQ_DIMENSION_TO_PORT, ports[i].ports);
		if (!from || !to || !has(tightening, ARQ_DIMENSION_PROTOCOL, ports[i].protocol)) {
			drop(tightening, ARQ_DIMENSION_FROM_PORT, ports[i].ports);
			drop(tightening, ARQ_DIMENSION_TO_PORT, ports[i].ports);
			if (!has(tightening, ARQ_DIMENSION_TO_PORT, PART_ABSENT))
				drop(tightening, ARQ_DIMENSION_PROTOCOL, ports[i].protocol);
		}
	}
	for (size_t i = 0; i < sizeof(absent) / sizeof(absent[0]); i++) {
		if (!has(tightening, ARQ_DIMENSION_PROTOCOL, absent[i].protocol) ||
		    !has(tightening, ARQ_DIMENSION_FRAGMENT, PART_HEAD))
			keep(tightening, absent[i].dimension, PART_ABSENT);
	}
}

/* Everything of IP is there, of one family, or nothing. */
static void tighten_ip(struct tightening *tightening)
{
	static const enum arq_dimension of_ip[] = {
		ARQ_DIMENSION_FROM, ARQ_DIMENSION_TO,   ARQ_DIMENSION_PROTOCOL,
		ARQ_DIMENSION_TTL,  ARQ_DIMENSION_DSCP, ARQ_DIMENSION_FRAGMENT,
	};
	const size_t count = sizeof(of_ip) / sizeof(of_ip[0]);
	bool ip = false;

	for (size_t i = 0; i < count; i++)
		ip = ip || !has(tightening, of_ip[i], PART_ABSENT);
	for (size_t i = 0; ip && i < count; i++)
		drop(tightening, of_ip[i], PART_ABSENT);
	for (enum part family = PART_V4; family <= PART_V6; family++) {
		if (!has(tightening, ARQ_DIMENSION_FROM, family) ||
		    !has(tightening, ARQ_DIMENSION_TO, family)) {
			drop(tightening, ARQ_DIMENSION_FROM, family);
			drop(tightening, ARQ_DIMENSION_TO, family);
		}
	}
	if (!has(tightening, ARQ_DIMENSION_FROM, PART_V4))
		keep(tightening, ARQ_DIMENSION_ICMP, PART_ABSENT);
	if (!has(tightening, ARQ_DIMENSION_FROM, PART_V6))
		keep(tightening, ARQ_DIMENSION_ICMP6, PART_ABSENT);
}

int arq_box_tighten(const struct arq_box_maker *maker, struct arq_arena *arena, struct arq_box *box)
{
	struct tightening tightening = {maker, arena, box, 0};

	/* What one step takes out may let another take out more; the chain is two long. */
	for (int i = 0; i < 2 && box->bounded; i++) {
		tighten_protocol(&tightening);
		tighten_upper(&tightening);
		tighten_ip(&tightening);
	}
	return tightening.status;
}

/* --- comparing -------------------------------------------------------------------------------- */

bool arq_box_is_empty(const struct arq_box *box)
{
	for (int i = 0; i < ARQ_DIMENSIONS; i++) {
		if (box->spaces[i]->count == 0)
			return true;
	}
	return false;
}

bool arq_box_is_tcp(const struct arq_box_maker *maker, const struct arq_box *box)
{
	return arq_space_within(box->spaces[ARQ_DIMENSION_PROTOCOL], maker->parts[PART_TCP]);
}

bool arq_box_overlaps(const struct arq_box *a, const struct arq_box *b)
{
	uint32_t both = a->bounded & b->bounded;

	for (int i = 0; both; i++, both >>= 1) {
		if (both & 1 && !arq_space_overlaps(a->spaces[i], b->spaces[i]))
			return false;
	}
	return true;
}

bool arq_box_within(const struct arq_box *a, const struct arq_box *b)
{
	uint32_t bounded = b->bounded;

	for (int i = 0; bounded; i++, bounded >>= 1) {
		if (bounded & 1 && !arq_space_within(a->spaces[i], b->spaces[i]))
			return false;
	}
	return true;
}
